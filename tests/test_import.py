"""What importing costs, and what the package promises."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hectares

HEAVY = ("torch", "numpy", "rasterio", "pandas", "matplotlib", "scipy", "pyogrio")
SOURCE = Path(hectares.__file__).parent
NO_CLI = pytest.mark.skipif(not (SOURCE / "cli" / "main.py").exists(), reason="the command line is not written yet")
REPORT = f"print(*sorted({{m.split('.')[0] for m in sys.modules}} & {set(HEAVY)!r}), file=sys.stderr)"


def _loaded_by(code: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{REPORT}"], capture_output=True, text=True, check=True
    )
    return run.stderr.splitlines()[-1].split()


def test_importing_the_package_loads_nothing_heavy():
    assert _loaded_by("import hectares") == []


@NO_CLI
@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]):
    code = f"""
import runpy
sys.argv = ["hectares", *{arguments!r}]
try:
    runpy.run_module("hectares", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    assert _loaded_by(code) == []


@pytest.mark.parametrize("module", ["core.area", "core.window", "core.confusion", "errors", "monitor"])
def test_arithmetic_works_without_files_and_networks(module: str):
    assert set(_loaded_by(f"import hectares.{module}")) <= {"numpy"}


def test_files_are_read_without_torch():
    assert "torch" not in _loaded_by("import hectares.measure, hectares.io.rasters.class_map, hectares.predict")


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
