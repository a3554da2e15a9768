"""Splits as people write them down: a CSV of scenes or groups, or train.txt, val.txt and test.txt."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from hectares.core.sampling import SPLITS
from hectares.errors import CatalogError
from hectares.io.catalog import Catalog
from hectares.io.table import refuse_separators
from hectares.io.text import read_text

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""How people name the three splits."""
_SHOWN = 5


def read_splits(path: Path, catalog: Catalog) -> Catalog:
    """Give the catalog with the splits of a CSV (scene or group, split) or of a folder of lists.

    Raises CatalogError for names that the catalog does not have, and for scenes without a split.
    """
    key, given = _from_folder(path) if path.is_dir() else _from_csv(path)
    names = [s.id if key == "scene" else s.group for s in catalog.scenes]
    ends = names if path.suffix == ".csv" else [PurePosixPath(n).name for n in names]
    unknown = sorted(set(given) - set(names) - set(ends))
    if unknown:
        raise CatalogError(
            f"{path}: names {len(unknown)} {key}(s) that the source does not have: {', '.join(unknown[:_SHOWN])}; "
            f"it has {', '.join(names[:3])} ..."
        )
    found = [given.get(name, given.get(end)) for name, end in zip(names, ends, strict=True)]
    lacking = sorted({n for n, split in zip(names, found, strict=True) if split is None})
    if lacking:
        raise CatalogError(f"{path}: names no split for {len(lacking)} {key}(s): {', '.join(lacking[:_SHOWN])}")
    return replace(
        catalog, scenes=tuple(replace(s, split=split) for s, split in zip(catalog.scenes, found, strict=True))
    )


def _from_csv(path: Path) -> tuple[str, dict[str, str]]:
    text = read_text(path)
    refuse_separators(path, text)
    reader = csv.DictReader(text.splitlines())
    columns = set(reader.fieldnames or ())
    key = "scene" if "scene" in columns else "group"
    if not {key, "split"} <= columns:
        raise CatalogError(f"{path}: has the columns {', '.join(sorted(columns))}; expected scene (or group) and split")
    given: dict[str, str] = {}
    for line, row in enumerate(reader, start=2):
        name, split = (row[key] or "").strip(), (row["split"] or "").strip()
        if split not in SPLITS:
            raise CatalogError(f"{path}:{line}: {key} {name!r} has split {split!r}; expected {', '.join(SPLITS)}")
        if given.get(name, split) != split:
            raise CatalogError(f"{path}:{line}: {key} {name!r} is in {split} and in {given[name]}; it has one split")
        given[name] = split
    return key, given


def _from_folder(folder: Path) -> tuple[str, dict[str, str]]:
    given = read_lists(folder, ())
    if not given:
        raise CatalogError(f"{folder}: has no train.txt, val.txt or test.txt")
    return "scene", given


def read_lists(folder: Path, suffixes: Sequence[str]) -> dict[str, str]:
    """Read train.txt, val.txt and test.txt: one name a line; gives the split of each name without its suffix."""
    splits: dict[str, str] = {}
    for path in sorted(folder.glob("*.txt")):
        split = SPLIT_WORDS.get(path.stem.lower())
        if split is None:
            continue
        for line in read_text(path).splitlines():
            name = PurePosixPath(line.strip()).name
            if not name:
                continue
            stem = name
            if PurePosixPath(name).suffix.lower() in (suffixes or (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")):
                stem = PurePosixPath(name).stem
            if splits.get(stem, split) != split:
                raise CatalogError(f"{path}: {stem} is in {split} and in {splits[stem]}; a scene has one split")
            splits[stem] = split
    return splits
