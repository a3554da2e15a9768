"""Dominant leaf type: 12-band images of 64 x 64 pixels with one label each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.errors import CatalogError
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, RasterLabel
from hectares.monitor import Monitor, Problem

_ID = re.compile(r"(\d{1,2}[NS])[-_](\d+[EW])[-_](\d+[NS])_(\d+)_(\d+)", re.IGNORECASE)
_SUFFIXES = {".tif", ".tiff"}
_SHOWN = 10


def read_leaftype(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of pairs images/ID/07.tif and labels/ID/dlt.tif; groups are cells of the grid.

    Raises CatalogError with all pairs that are not complete, and with folders whose name is no id.
    """
    kind = layout.choose_image(config)
    root, images_folder, labels_folder = _find(source)
    strange: list[str] = []
    images = _files(images_folder, kind, strange)
    labels = _files(labels_folder, "dlt", strange)
    wrong = [f"{name} is no id like 32N-12E-230N_01_15" for name in strange]
    for name in sorted({*images, *labels}):
        if images.get(name) is None:
            wrong.append(f"{images_folder.name}/{name} lacks {kind}.tif" if name in images else f"{name} has no image")
        if labels.get(name) is None:
            wrong.append(f"{labels_folder.name}/{name} lacks dlt.tif" if name in labels else f"{name} has no label")
    if wrong:
        listed = "; ".join(wrong[:_SHOWN]) + ("" if len(wrong) <= _SHOWN else f"; and {len(wrong) - _SHOWN} more")
        if not config.allow_unmatched:
            raise CatalogError(f"{root}: {listed}; complete the pairs, or leave them out with --allow-unmatched")
        monitor.problem(Problem(str(root), listed, "they are left out", "incomplete"))
    by, bands = layout.choose_by(config), layout.bands[kind]
    scenes = tuple(
        CatalogScene(
            id=name,
            images=(ImageFile(image, bands),),
            label=RasterLabel(label, by),
            group=name.split("_")[0],
            gsd_m=layout.gsd_m,
        )
        for name, image in sorted(images.items())
        if image is not None and (label := labels.get(name)) is not None
    )
    if not scenes:
        raise CatalogError(f"{root}: has no complete pair; expected images/ID/{kind}.tif and labels/ID/dlt.tif")
    return Catalog(scenes, layout.choose_legend(config), layout.choose_rules(config))


def _find(source: Path) -> tuple[Path, Path, Path]:
    """Find the folders of images and labels: in a folder, one below it, or beside it."""
    if source.is_dir():
        below = sorted(p for p in source.iterdir() if p.is_dir())
        above = [source.parent] if source.name.lower() in {"images", "labels"} else []
        for root in (source, *below, *above):
            children = {p.name.lower(): p for p in sorted(root.iterdir()) if p.is_dir()}
            if {"images", "labels"} <= set(children):
                return root, children["images"], children["labels"]
    raise CatalogError(f"{source}: is no leaf-type data; expected images/ID/07.tif and labels/ID/dlt.tif below it")


def _files(folder: Path, stem: str, strange: list[str]) -> Mapping[str, Path | None]:
    """Give the file of each id, None where its folder lacks it; add folders that are no id to `strange`."""
    found: dict[str, Path | None] = {}
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        match = _ID.fullmatch(place.name)
        if match is None:
            strange.append(f"{folder.name}/{place.name}")
            continue
        zone, east, north, row, col = match.groups()
        name = f"{zone}-{east}-{north}_{row}_{col}".upper()
        if name in found:
            raise CatalogError(f"{place}: its id {name} stands twice in {folder}; keep one of them")
        files = (p for p in sorted(place.iterdir()) if p.suffix.lower() in _SUFFIXES and p.stem.lower() == stem.lower())
        found[name] = next(files, None)
    return found
