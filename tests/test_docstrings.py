"""Examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import hectares

MODULES = sorted(
    m.name for m in pkgutil.walk_packages(hectares.__path__, "hectares.") if not m.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["hectares", *MODULES])
def test_examples_of_a_module_run(name: str):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    examples = sum(len(t.examples) for name in MODULES for t in finder.find(importlib.import_module(name)))
    assert examples > 60
