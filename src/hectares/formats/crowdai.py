"""crowdAI Mapping Challenge: buildings as COCO polygons on aerial images of 300 x 300 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.errors import CatalogError
from hectares.formats.coco_pairs import CocoPart, files_below, open_part_file, pair_images
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog
from hectares.monitor import Monitor, Problem

SPLITS = ("train", "val")
_FILES = {"all": "annotation.json", "small": "annotation-small.json"}
_PLACES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("*",), ("*", "images")),
    (("data", "raw", "annotations", "*"), ("data", "raw", "image", "*", "images")),
    (("raw", "annotations", "*"), ("raw", "image", "*", "images")),
    (("annotations", "*"), ("image", "*", "images")),
)
"""Folders of the annotation file and of the images of a split, which * stands for."""


@dataclass(frozen=True)
class _Found:
    """What is there of a split."""

    split: str
    annotation: Path | None
    images: Path | None


def read_crowdai(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of the splits train and val, or of one that is there alone.

    Raises CatalogError naming what is missing, and images that are on disk or listed, but not both.
    """
    images = layout.choose_image(config)
    labels = layout.choose_labels(config)
    parts, files = [], {}
    for found in _find(source, _FILES[labels]):
        part = _open(found, _FILES[labels], config, monitor, complete=labels == "all")
        if part is not None:
            parts.append(part)
            files[part.folder] = files_below(part.folder)
    if not parts:
        raise CatalogError(f"{source}: no split has its {_FILES[labels]}")
    scenes = pair_images(parts, files, config, monitor, bands=layout.bands[images], gsd_m=layout.gsd_m)
    legend = layout.choose_legend(config)
    return Catalog(scenes, legend, layout.choose_rules(config, legend))


def _open(found: _Found, name: str, config: SourceConfig, monitor: Monitor, *, complete: bool) -> CocoPart | None:
    if found.annotation is None:
        what = f"has images of {found.split}, but there is no {name}"
        if not config.allow_unmatched:
            raise CatalogError(f"{found.images}: {what}; put it in its place, or leave the split out")
        monitor.problem(Problem(str(found.images), what, "they are left out", "incomplete"))
        return None
    if found.annotation.is_dir():
        inside = found.annotation / found.annotation.name
        way_out = f"the file lies in it: move {inside} up in its place" if inside.is_file() else "put the file there"
        raise CatalogError(
            f"{found.annotation}: is a folder, which should be the file of annotations (an old tool makes such "
            f"folders); remove the folder, and {way_out}"
        )
    if found.images is None:
        raise CatalogError(f"{found.annotation}: has no folder of images; expected {found.split}/images beside it")
    file = open_part_file(found.annotation, config, monitor)
    return CocoPart(file, found.images, f"{found.split}/", found.split, complete)


def _find(source: Path, name: str) -> list[_Found]:
    """Find the splits in a folder, one below it, or the one split that it is."""
    if not source.is_dir():
        raise CatalogError(f"{source}: is no folder; give the folder that holds train and val")
    splits = tuple(s for s in SPLITS if s == source.name.lower()) or SPLITS
    below = sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))
    roots = [source, *below] if splits == SPLITS else [source.parent]
    for root in roots:
        for annotation, images in _PLACES:
            found = [_look(root, split, annotation, images, name) for split in splits]
            if any(f.annotation for f in found):
                return [f for f in found if f.annotation or f.images]
    raise CatalogError(
        f"{source}: is no crowdAI data; looked for {' and '.join(f'{s}/{name}' for s in splits)} beside images/, and "
        f"for Data/raw/Annotations/Train/{name} with Data/raw/Image/Train/Images, there and one folder below"
    )


def _look(root: Path, split: str, annotation: tuple[str, ...], images: tuple[str, ...], name: str) -> _Found:
    folder = _at(root, *(split if part == "*" else part for part in annotation))
    pictures = _at(root, *(split if part == "*" else part for part in images))
    if pictures is not None and not any(pictures.iterdir()):
        pictures = None  # made by `init`, and not filled
    return _Found(split, None if folder is None else _at(folder, name), pictures)


def _at(root: Path, *names: str) -> Path | None:
    """Give a path below a folder whose parts may be spelled with capitals, or None."""
    place = root
    for name in names:
        if not place.is_dir():
            return None
        if not (place / name).exists():
            match = next((p for p in sorted(place.iterdir()) if p.name.lower() == name.lower()), None)
            if match is None:
                return None
            place = match
        else:
            place = place / name
    return place
