"""What importing costs, and what the package promises."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hectares

HEAVY = {"torch", "numpy", "rasterio", "pandas", "matplotlib", "scipy", "pyogrio"}
SOURCE = Path(hectares.__file__).parent
NO_CLI = pytest.mark.skipif(not (SOURCE / "cli" / "main.py").exists(), reason="the command line is not written yet")


def _modules_of(code: str) -> set[str]:
    """Give the names of all modules that are loaded when code has run in a process of its own."""
    code = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stderr.splitlines()[-1].split())


def _modules_of_command(*arguments: str) -> set[str]:
    return _modules_of(f"""
import runpy
sys.argv = ["hectares", *{arguments!r}]
try:
    runpy.run_module("hectares", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
""")


def test_importing_the_package_loads_nothing_heavy():
    assert not _modules_of("import hectares") & HEAVY


@NO_CLI
@pytest.mark.parametrize("command", ["train", "predict"])
def test_help_loads_nothing_heavy(command: str):
    assert not _modules_of_command(command, "--help") & HEAVY


@NO_CLI
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_the_list_of_commands_loads_no_command_and_no_reader_of_markdown(arguments: list[str]):
    loaded = _modules_of_command(*arguments)
    ours = {name.removeprefix("hectares.") for name in loaded if name.startswith("hectares.")}
    assert ours <= {"cli", "cli.main", "cli.commands", "cli.console", "cli.settings", "errors", "monitor"}
    assert not loaded & (HEAVY | {"pydantic", "jinja2", "rich.markdown", "markdown_it", "pygments", "rich.progress"})


@NO_CLI
def test_a_command_loads_no_other():
    loaded = {name for name in _modules_of_command("assemble", "--help") if name.startswith("hectares.c")}
    assert loaded & {"hectares.cli.assemble", "hectares.cli.chain", "hectares.config.train"} == {
        "hectares.cli.assemble"
    }


@pytest.mark.parametrize("module", ["core.area", "core.window", "core.confusion", "errors", "monitor"])
def test_arithmetic_works_without_files_and_networks(module: str):
    assert _modules_of(f"import hectares.{module}") & HEAVY <= {"numpy"}


def test_files_are_read_without_torch():
    code = "import hectares.measure, hectares.io.rasters.class_map, hectares.predict"
    assert "torch" not in _modules_of(code)


def test_an_exported_segmenter_maps_a_scene_without_what_only_other_options_need():
    loaded = _modules_of("import hectares.cli.chain, hectares.cli.showing, hectares.predict, hectares.runtime.onnx")
    others = {"torch", "scipy", "pandas", "matplotlib", "sklearn", "PIL", "shapely", "pyogrio", "pyarrow", "yaml"}
    assert not loaded & others


@pytest.mark.parametrize("name", hectares.__all__)
def test_every_public_name_resolves(name: str):
    assert getattr(hectares, name) is not None


def test_public_names_are_those_that_type_checkers_see():
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")
    seen = {
        alias.asname: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    told = {name: f"hectares.{home}:{name}" for name, home in hectares._HOMES.items()}
    assert seen == told
    assert set(hectares.__all__) == {"__version__", *seen}
    assert len(set(hectares.__all__)) == len(hectares.__all__)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = hectares.nonsense


def test_names_are_listed():
    assert set(dir(importlib.import_module("hectares"))) >= set(hectares.__all__)


def test_the_package_is_typed():
    assert (SOURCE / "py.typed").exists()
