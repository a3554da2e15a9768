"""What lies in and below a folder: hidden files, links that lead back and results of our own left out."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hectares.errors import CatalogError, ConfigError
from hectares.io.catalog import Catalog
from hectares.io.label_index import INDEX, JOURNAL

_ARTEFACTS = ("chips.json", INDEX, "run.json", "segmenter.json")
_HEAD_BYTES = 2**20
_HEAD = re.compile(rb'"hectares":\s*"')


def list_files(root: Path) -> tuple[Path, ...]:
    """List all that is no folder in and below a folder, sorted, without hidden ones and without results of ours."""
    return _walk(root)[1]


def list_folders(root: Path) -> tuple[Path, ...]:
    """List a folder and all below it, sorted, without hidden ones and without results of ours."""
    return _walk(root)[0]


def is_result(folder: Path) -> bool:
    """Tell if `prepare`, `labels` or `train` has written a folder: it holds an artefact that says so.

    A catalog.json says nothing: `init` puts one beside the images of a project.
    """
    return (folder / JOURNAL).is_file() or any(_says_so(folder / name) for name in _ARTEFACTS)


def refuse_among_data(out: Path, source: Path, catalog: Catalog) -> None:
    """Raise ConfigError for a result inside a folder of images or labels, where readers take it for data.

    The folder of the source itself, and those above it, are in order.
    """
    target, home = out.resolve(), (source if source.is_dir() else source.parent).resolve()
    allowed = {home, *home.parents}
    around = {target, *target.parents} - allowed
    for folder in sorted({path.parent for scene in catalog.scenes for path in scene.files}):
        if folder.resolve() in around:
            raise ConfigError(
                f"{out}: lies in {folder}, which holds images or labels of the source; choose a folder outside of it"
            )


def _says_so(path: Path) -> bool:
    """Tell if a JSON file has our head; others write a labels.json of their own."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _HEAD.search(file.read(_HEAD_BYTES)) is not None


def _walk(root: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Give folders and files, each folder once and under its own name rather than that of a link to it."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "there is no such folder"
        raise CatalogError(f"{root}: {what}; expected the folder of the data set")
    folders, files = [], []
    seen = set(root.resolve().parents)  # a link to one of these leads back
    real, links = [root], list[Path]()
    while real or links:
        folder = (real or links).pop()
        place = folder.resolve()
        if place in seen or (folder != root and is_result(folder)):
            continue
        seen.add(place)
        folders.append(folder)
        with os.scandir(folder) as entries:
            listed = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name, reverse=True)
        for entry in listed:
            path = folder / entry.name
            if entry.is_dir():
                (links if entry.is_symlink() else real).append(path)
            else:  # also links that lead nowhere, and pipes: whoever opens them says so
                files.append(path)
    return tuple(sorted(folders)), tuple(sorted(files))
