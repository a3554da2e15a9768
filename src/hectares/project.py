"""A project folder to fill: where the data goes, every option with its default, and what to do next."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hectares.config.check import CheckConfig
from hectares.config.evaluate import EvaluateConfig
from hectares.config.labels import LabelsConfig
from hectares.config.measure import MeasureConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.report import ReportConfig
from hectares.config.train import TrainConfig
from hectares.errors import ArtefactError, ConfigError
from hectares.formats.registry import Format, find_format
from hectares.io.artefact import dump_json
from hectares.io.outputs import disk_errors, staged_file

_CONFIGS: dict[str, type] = {
    "check": CheckConfig,
    "labels": LabelsConfig,
    "prepare": PrepareConfig,
    "train": TrainConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "measure": MeasureConfig,
    "report": ReportConfig,
}
_LEGEND = {
    "nodata": 0,
    "ignore": [],
    "ignore_colors": [],
    "classes": [
        {"code": 1, "name": "building", "color": "#b5433a"},
        {"code": 2, "name": "vegetation", "color": "#1f6b4a"},
        {"code": 3, "name": "other", "color": "#d9c3a9"},
    ],
}
_OWN = {"folders", "catalog"}
"""Layouts of people's own data: they get a legend and a catalog to fill in."""
_APART = "data"
"""Folder of a known data set: some are looked for at any depth, and results beside it would be taken for more of it."""


@dataclass(frozen=True)
class Project:
    """A project folder, and what to tell about it."""

    folder: Path
    layout: str
    made: tuple[Path, ...]
    """What was not there before."""
    places: Mapping[str, str]
    """Where the user puts something, and what."""
    files: str
    """The files of the layout, as its description has them; empty for data of one's own."""
    source: str
    """Where the data set is read from, in the folder."""
    commands: tuple[str, ...]
    """What to run next, in the folder."""


def init_project(folder: str | Path, *, layout: str = "folders") -> Project:
    """Make a project folder for data in a layout; what is there already stays as it is.

    Raises ArtefactError, before anything is made, if a file lies where a folder is needed, or a folder where a
    file goes.
    """
    root, found = Path(folder), find_format(layout)
    places, source = _places(found), _source(found)
    commands = _commands(layout, source)
    described = "" if layout in _OWN else _files_of(found.detail)
    files = {"run.yaml": default_settings(), "README.md": _readme(found, places, source, commands)}
    if layout in _OWN:
        files["legend.json"] = dump_json(_LEGEND, indent=1) + "\n"
        files["catalog.json"] = dump_json({"legend": "legend.json", "scenes": []}, indent=1) + "\n"
    folders, inputs = _split_entries(found)
    made: list[Path] = []
    with disk_errors(root):
        _refuse_what_is_in_the_way(root, [*folders, *(str(PurePosixPath(i).parent) for i in inputs)], [*files, *inputs])
        for name in (*folders, *(str(PurePosixPath(i).parent) for i in inputs), "."):
            if not (root / name).is_dir():
                (root / name).mkdir(parents=True)
                made.append(root / name)
        for name, text in files.items():
            if not (root / name).exists():
                with staged_file(root / name, overwrite=False) as work:
                    work.write_text(text, encoding="utf-8")
                made.append(root / name)
    return Project(root, layout, tuple(made), places, described, source, commands)


def _source(layout: Format) -> str:
    """Give where the data set lies in the project: apart, unless the layout has folders for a whole project."""
    whole = bool(layout.folders) and PurePosixPath(layout.folders[0]).parts[0].lower() == _APART
    return "." if whole or layout.name in _OWN else _APART


def _split_entries(layout: Format) -> tuple[list[str], list[str]]:
    """Give the folders of a project, and the files of a layout where others would see a folder."""
    for entry in layout.folders:
        if PurePosixPath(entry).is_absolute() or ".." in PurePosixPath(entry).parts:
            raise ConfigError(f"layout {layout.name}: {entry!r} is no folder below the project")
    source = PurePosixPath(_source(layout))
    files = [e for e in layout.folders if PurePosixPath(e).suffix and not e.endswith("/")]
    folders = [str(source / e) for e in layout.folders if e not in files] or [str(source)]
    return [*folders, "scenes"], [str(source / e) for e in files]


def _refuse_what_is_in_the_way(root: Path, folders: Iterable[str], files: Iterable[str]) -> None:
    if root.exists() and not root.is_dir():
        raise ArtefactError(f"{root}: is a file; choose another name for the project folder")
    for name in folders:
        for path in (root / name, *(root / p for p in PurePosixPath(name).parents)):
            if path.exists() and not path.is_dir():
                raise ArtefactError(f"{path}: is a file where a folder is needed; move it, or choose another folder")
    for name in files:
        if (root / name).is_dir():
            raise ArtefactError(f"{root / name}: is a folder where a file goes; move it, or choose another folder")


# --- What is said -----------------------------------------------------------------------------------------


def _places(layout: Format) -> dict[str, str]:
    scenes = {"scenes/": "whole scenes to map"}
    settings = {"run.yaml": "every option of every command, with its default; change what you need"}
    if layout.name in _OWN:
        return {
            "images/": "training images: GeoTIFF, JPEG 2000, PNG or JPEG",
            "labels/": "one label image for each, of the same name and size: class codes or colors",
            "legend.json": "what the codes or colors mean; change the example",
            **scenes,
            **settings,
        }
    folders, files = _split_entries(layout)
    source = PurePosixPath(_source(layout))
    known = {str(source / place): what for place, what in layout.places.items()}
    named = {f"{f}/": known.get(f, "folder of the data set, as below") for f in folders}
    named |= {f: known.get(f, "file of the data set, as below") for f in files}
    return {**named, **scenes, **settings}


def _commands(name: str, source: str) -> tuple[str, ...]:
    return (
        f"hectares check {source} --layout {name}",
        f"hectares labels {name} {source} rasters",
        f"hectares prepare {name} {source} chips --config run.yaml",
        "hectares train chips run --config run.yaml",
        "hectares evaluate run chips evaluation.json",
        "hectares predict run scenes/NAME.tif map.tif",
        "hectares measure map.tif areas.csv",
        "hectares report map.tif scenes/NAME.tif evaluation.json areas.csv run report.html",
    )


def _files_of(detail: str) -> str:
    r"""Give the beginning of a description: its first paragraph and the first block that is set in.

    >>> _files_of("Two files:\n\n  a.tif\n  b.tif\n\nMore on them.")
    'Two files:\n\n  a.tif\n  b.tif'
    """
    lines = detail.rstrip().splitlines()
    begun = False
    for n, line in enumerate(lines):
        begun = begun or line.startswith(" ")
        if begun and line and not line.startswith(" "):
            return "\n".join(lines[:n]).rstrip()
    return "\n".join(lines)


def _readme(layout: Format, places: Mapping[str, str], source: str, commands: Iterable[str]) -> str:
    title = "A hectares project" if layout.name in _OWN else f"A hectares project: {layout.summary}"
    rows = "\n".join(f"| `{place}` | {what} |" for place, what in places.items())
    steps = textwrap.indent("\n".join(commands), "    ")
    text = f"# {title}\n\n| put here | what |\n| --- | --- |\n{rows}\n"
    if layout.name not in _OWN:
        where = "this folder" if source == "." else f"`{source}/`"
        text += f"\nThe files of the data set, SOURCE being {where}:\n\n```text\n{layout.detail.rstrip()}\n```\n"
    text += f"\nThen, in this folder:\n\n{steps}\n"
    text += "\n`check` says what is wrong with the data, `labels` writes the labels as pictures to look at.\n"
    if layout.name in _OWN:
        text += (
            "\nImages and labels that lie elsewhere can stay there: list them in `catalog.json` and use\n"
            "`hectares prepare catalog . chips`. `hectares formats catalog` shows an entry.\n"
        )
    return text


# --- run.yaml ---------------------------------------------------------------------------------------------


def default_settings() -> str:
    """Give a run.yaml with every option of every command, commented out, with its help."""
    lines = ["# Options by command. Take away the # of what you change; the command line counts more than this file."]
    for command, config in _CONFIGS.items():
        lines += ["", f"{command}:"]
        helps = field_helps(config)
        for field in dataclasses.fields(config):
            default = dump_json(field.default)
            lines += [f"  # {helps[field.name]}", f"  # {field.name}: {default}"]
    return "\n".join(lines) + "\n"


def field_helps(config: type) -> dict[str, str]:
    """Give the text below each field of a config class: the help of the option."""
    helps: dict[str, str] = {}
    for parent in reversed(config.__mro__):
        if dataclasses.is_dataclass(parent):
            helps |= _helps_in(inspect.getsource(parent))
    return helps


def _helps_in(source: str) -> dict[str, str]:
    body: Any = ast.parse(textwrap.dedent(source)).body[0]
    helps: dict[str, str] = {}
    for statement, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            helps[statement.target.id] = " ".join(str(below.value.value).split()) if is_text else ""
    return helps
