"""Who may import whom, and what the source never does."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hectares

SOURCE = Path(hectares.__file__).parent
FILES = sorted(p.relative_to(SOURCE).as_posix() for p in SOURCE.rglob("*.py"))
COMPOSITIONS = {"start", "compare", "report", "verify", "map_page", "mosaic", "notebook"}
VERBS = {f.removesuffix(".py") for f in FILES if "/" not in f} - {"__init__", "__main__", "errors", "monitor"}
_IO = {"numpy", "affine", "pyproj", "rasterio", "pyogrio", "shapely", "safetensors", "yaml", "pyarrow"}
_MODEL = {"numpy", "torch", "onnx", "lightning", "segmentation_models_pytorch", "safetensors"}
_MODEL |= {"timm", "torchvision", "huggingface_hub"}

# Third parties, and parts of our own, that a part may import. `config` and `core` hold no `monitor`.
THIRD = {
    "core": {"numpy", "affine", "pyproj"},
    "config": set(),
    "io": _IO | {"numcodecs", "pycocotools"},
    "formats": {"numpy", "shapely"},
    "doctor": {"numpy", "shapely", "pyproj"},
    "generate": {"numpy", "scipy", "shapely", "affine", "rasterio.features"},
    "model": _MODEL,
    "runtime": {"numpy", "torch", "onnxruntime", "openvino"},
    "scale": {"numpy", "affine", "dask", "distributed"},
    "view": {"numpy", "matplotlib", "PIL", "jinja2"},
    "service": {"numpy", "affine", "fastapi", "uvicorn", "starlette", "pydantic", "rio_tiler", "morecantile"},
    "errors": set(),
    "monitor": set(),
}
OWN = {
    "core": {"core", "errors"},
    "config": {"config", "errors"},
    "io": {"io", "core", "errors", "monitor"},
    "formats": {"formats", "config", "io", "core", "errors", "monitor"},
    "doctor": {"doctor", "config", "io", "core", "errors", "monitor"},
    "generate": {"generate", "core", "errors"},
    "model": {"model", "core", "config", "errors", "monitor"},
    "runtime": {"runtime", "model", "io.segmenter", "core", "errors", "monitor"},
    "scale": {"scale", "runtime", "io", "core", "config", "errors", "monitor"},
    "view": {"view", "core", "errors"},
    "service": {"service", "view", "config", "io", "core", "errors", "monitor"},
    "errors": set(),
    "monitor": set(),
}


@cache
def _tree(file: str) -> ast.Module:
    return ast.parse((SOURCE / file).read_text(encoding="utf-8"))


def _imports(file: str) -> Iterator[str]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (SOURCE.parent / whole.replace(".", "/")).with_suffix(".py").exists()
                yield whole if is_module or node.module == "rasterio" else str(node.module)


def _part(file: str) -> str:
    return file.split("/", maxsplit=1)[0].removesuffix(".py")


def _allowed(name: str, allowed: set[str]) -> bool:
    return any(name == a or name.startswith(f"{a}.") for a in allowed)


@pytest.mark.parametrize("file", [f for f in FILES if _part(f) in THIRD])
def test_a_layer_imports_only_what_it_may(file: str):
    part = _part(file)
    third = THIRD[part] | ({"scipy"} if file in {"core/survey/estimators.py", "model/loss/weighting.py"} else set())
    for name in _imports(file):
        if name == "hectares" or name.startswith("hectares."):
            own = name.removeprefix("hectares").removeprefix(".")
            assert own in {"", "__version__"} or _allowed(own, OWN[part]), f"{file} imports {name}"
        elif name.split(".")[0] not in sys.stdlib_module_names:
            assert _allowed(name, third), f"{file} imports {name}"


@pytest.mark.parametrize("file", [f for f in FILES if _part(f) in VERBS - COMPOSITIONS])
def test_verbs_do_not_import_each_other(file: str):
    imported = {name.removeprefix("hectares.").split(".")[0] for name in _imports(file) if name.startswith("hectares.")}
    assert imported & (VERBS | {"cli"}) <= {_part(file)}


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith(("cli/", "__main__"))])
def test_only_the_command_line_imports_the_command_line(file: str):
    assert not any(name.startswith("hectares.cli") for name in _imports(file))


@pytest.mark.parametrize("file", [f for f in FILES if _part(f) not in {"service", "cli"}])
def test_only_the_command_line_knows_the_service(file: str):
    web = {"fastapi", "uvicorn", "starlette", "pydantic", "rio_tiler", "morecantile"}
    assert not any(n.split(".")[0] in web or n.startswith("hectares.service") for n in _imports(file))


def test_torch_stays_in_its_rooms():
    torch_files = {f for f in FILES if any(n.split(".")[0] in {"torch", "lightning"} for n in _imports(f))}
    assert {_part(f) for f in torch_files} <= {"model", "runtime", "train"}


@pytest.mark.parametrize("file", FILES)
def test_no_file_is_a_drawer(file: str):
    words = {word for piece in file.removesuffix(".py").split("/") for word in piece.split("_")}
    assert not words & {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


@pytest.mark.parametrize("file", FILES)
def test_no_file_is_too_long(file: str):
    assert len((SOURCE / file).read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("file", FILES)
def test_no_function_is_too_long(file: str):
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 50, f"{file}: {node.name}"


def _calls(file: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def _keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


@pytest.mark.parametrize("file", FILES)
def test_dangerous_readers_are_not_used(file: str):
    names = set(_imports(file))
    assert not {n.split(".")[0] for n in names} & {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    for name, call in _calls(file):
        if name == "yaml.load":
            assert _keyword(call, "Loader") == "_StrictLoader", f"{file}:{call.lineno}"
        assert name not in {"yaml.full_load", "yaml.unsafe_load", "eval", "exec", "os.system"}, f"{file}:{call.lineno}"
        if name == "torch.load":
            assert _keyword(call, "weights_only") == "True", f"{file}:{call.lineno}"
        if name == "np.load":
            assert _keyword(call, "allow_pickle") == "False", f"{file}:{call.lineno}"


@pytest.mark.parametrize("file", FILES)
def test_no_pool_that_hangs(file: str):
    assert not any(name.endswith("Pool") and not name.endswith("PoolExecutor") for name, _ in _calls(file))
    assert not any(n.startswith("multiprocessing") for n in _imports(file))


@pytest.mark.parametrize("file", FILES)
def test_no_bare_except(file: str):
    assert not any(isinstance(n, ast.ExceptHandler) and n.type is None for n in ast.walk(_tree(file)))


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith("cli/")])
def test_only_the_command_line_prints(file: str):
    assert not any(name in {"print", "sys.stdout.write", "sys.stderr.write"} for name, _ in _calls(file))


@pytest.mark.parametrize("file", [f for f in FILES if not f.startswith("cli/")])
def test_nothing_global_is_touched(file: str):
    forbidden = {"np.random.seed", "numpy.random.seed", "random.seed", "torch.set_default_dtype", "os.putenv"}
    forbidden |= {"warnings.simplefilter", "warnings.filterwarnings", "logging.basicConfig", "os.chdir"}
    for node in _calls_outside_with(_tree(file)):
        assert ast.unparse(node.func) not in forbidden, f"{file}:{node.lineno}"
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Assign):
            assert not any(ast.unparse(t).startswith("os.environ") for t in node.targets), f"{file}:{node.lineno}"


def _calls_outside_with(node: ast.AST) -> Iterator[ast.Call]:
    """Calls that no `with` puts back: inside one, warnings are restored."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.With):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls_outside_with(child)
