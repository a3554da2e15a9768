"""Recipes: which runs are trained to be compared, as YAML files that a user can copy.

all:              options of `train` for every run; may be absent
  epochs: 30
plain:            a run, by the name it has in the table, with its own options
  loss: ce
weighed:
  loss: ce
  balance: median
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from hectares.errors import ConfigError, InputError
from hectares.io.yaml import read_yaml

SHARED = "all"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}")
_TAKEN = {SHARED, "runs", "comparison", "best"}

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """Runs that differ in what is asked."""

    path: Path
    shared: Options
    """Options of every run."""
    runs: Mapping[str, Options]
    """The own options of each run, by its name, in order."""


def recipe_files() -> dict[str, Path]:
    """Give the files of all ready recipes by name."""
    folder = Path(str(files("hectares") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(text: str) -> Path:
    """Give the file of a recipe by its name, or the YAML file itself. Raises ConfigError naming similar ones."""
    known = recipe_files()
    if text in known:
        return known[text]
    if Path(text).suffix.lower() in {".yaml", ".yml"}:
        return Path(text)
    near = get_close_matches(text, known, n=4, cutoff=0.4)
    listed = ", ".join(near or known)
    raise ConfigError(f"recipe {text!r} is unknown; known: {listed}, or give a file that ends in .yaml")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises ConfigError for a file that is none."""
    try:
        content = read_yaml(path)
    except InputError as error:
        raise ConfigError(f"--recipe {error}") from None
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"{path}: expected names of runs, each with options of train")
    sections = {str(name): _options(path, name, options) for name, options in content.items()}
    shared = sections.pop(SHARED, {})
    if len(sections) < 2:
        raise ConfigError(f"{path}: has {len(sections)} run(s); a comparison needs two or more")
    check_names(list(sections), str(path))
    return Recipe(path, shared, sections)


def check_names(names: Sequence[str], where: str, remedy: str = "") -> None:
    """Refuse names of runs that cannot be names of files, or that mean the same file."""
    seen: dict[str, str] = {}
    for name in names:
        if not _NAME.fullmatch(name) or name.lower() in _TAKEN or name.lower().endswith(".scores"):
            raise ConfigError(
                f"{where}: a run cannot be called {name!r}; take letters, digits and . _ - + @, "
                f"and none of {', '.join(sorted(_TAKEN))}{remedy}"
            )
        if name.lower() in seen:
            told = f"{seen[name.lower()]!r} and {name!r}"
            raise ConfigError(f"{where}: two runs are called {told}; their files collide{remedy}")
        seen[name.lower()] = name


def _options(path: Path, name: object, options: object) -> dict[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ConfigError(f"{path}: {name} is {options!r}; expected options of train with values")
    given = {str(key).replace("-", "_"): value for key, value in options.items()}
    if len(given) < len(options):
        raise ConfigError(f"{path}: {name} has an option twice, with - and with _")
    return given
