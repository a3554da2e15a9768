"""Catalogs and legends as files: which scenes there are, with which labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hectares.core.legend import Legend
from hectares.core.sampling import SPLITS
from hectares.errors import CatalogError, LegendError
from hectares.io.artefact import read_json
from hectares.io.yaml import read_yaml


@dataclass(frozen=True, slots=True)
class CatalogScene:
    """One scene of a catalog."""

    id: str
    image: Path
    label: Path | None
    group: str
    """Scenes of one group never meet across a split."""
    split: str | None = None
    """train, val or test, where the source says so."""


@dataclass(frozen=True)
class Catalog:
    """A list of scenes with labels, and what the labels mean."""

    scenes: tuple[CatalogScene, ...]
    legend: Legend

    def __post_init__(self) -> None:
        if not self.scenes:
            raise CatalogError("the catalog has no scenes; it needs at least one image with its label")
        twice = [name for name, n in Counter(s.id for s in self.scenes).items() if n > 1]
        if twice:
            raise CatalogError(f"scene id {twice[0]!r} stands twice in the catalog; ids are unique")
        for scene in self.scenes:
            if scene.split is not None and scene.split not in SPLITS:
                raise CatalogError(f"scene {scene.id!r} has split {scene.split!r}; expected {', '.join(SPLITS)}")


def read_legend(path: Path) -> Legend:
    """Read a legend from JSON or YAML. Raises LegendError or InputError naming the file."""
    content = read_yaml(path) if path.suffix.lower() in {".yaml", ".yml"} else read_json(path)
    if not isinstance(content, Mapping):
        raise LegendError(f"{path}: is a {type(content).__name__}; expected {{nodata, classes: [...]}}")
    try:
        return Legend.from_json(content)
    except LegendError as error:
        raise LegendError(f"{path}: {error}") from None


def read_catalog(path: Path, *, legend: Legend | None = None) -> Catalog:
    """Read `catalog.json` and, unless one is given, the legend it names; paths in it are relative to the file."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("scenes"), list):
        raise CatalogError(f"{path}: expected {{legend, scenes: [...]}}")
    folder = path.parent
    if legend is None:
        legend = read_legend(folder / content.get("legend", "legend.json"))
    scenes = tuple(_scene(path, i, entry) for i, entry in enumerate(content["scenes"]))
    try:
        return Catalog(scenes, legend)
    except CatalogError as error:
        raise CatalogError(f"{path}: {error}") from None


def _scene(path: Path, index: int, entry: Any) -> CatalogScene:  # checked here
    where = f"{path}: scenes[{index}]"
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise CatalogError(f"{where}: expected {{id, image, label, group, split}} with at least `image`")
    unknown = sorted(set(entry) - {"id", "image", "label", "group", "split"})
    if unknown:
        raise CatalogError(f"{where}: unknown key {unknown[0]!r}; known: id, image, label, group, split")
    label = entry.get("label")
    name = str(entry.get("id") or Path(entry["image"]).with_suffix("").as_posix())
    return CatalogScene(
        id=name,
        image=path.parent / entry["image"],
        label=None if label is None else path.parent / label,
        group=str(entry.get("group") or name),
        split=entry.get("split"),
    )


def catalog_json(catalog: Catalog, folder: Path) -> dict[str, Any]:
    """Give the content of a `catalog.json` that lies in a folder."""
    return {
        "legend": "legend.json",
        "scenes": [
            {
                "id": s.id,
                "image": Path(os.path.relpath(s.image, folder)).as_posix(),
                "label": None if s.label is None else Path(os.path.relpath(s.label, folder)).as_posix(),
                "group": s.group,
                "split": s.split,
            }
            for s in catalog.scenes
        ],
    }
