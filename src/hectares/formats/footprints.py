"""Buildings and roads as label rasters: Inria and Massachusetts."""

from __future__ import annotations

import re
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.formats.listing import list_files
from hectares.formats.pairing import Column, Pairs, by_id, root_of
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog
from hectares.io.split_lists import SPLIT_WORDS
from hectares.monitor import Monitor

_VALIDATION_TILES = 5
"""The first tiles of each city validate."""


def read_inria(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of the five cities with labels. Raises CatalogError with all tiles that lack a partner."""
    root = root_of(source, {"images", "gt"})
    files = list_files(root)
    images = by_id(files, r"train/images/([a-z][a-z-]*\d+)\.tiff?", _lower)
    labels = by_id(files, r"train/gt/([a-z][a-z-]*\d+)\.tiff?", _lower)
    pairs = Pairs(
        root,
        [Column("image", images, "train/images/austin1.tif")],
        Column("label", labels, "train/gt/austin1.tif"),
        split_of=lambda tile: "val" if int(re.sub(r"\D", "", tile)) <= _VALIDATION_TILES else "train",
    )
    return pairs.catalog(layout, config, monitor)


def read_massachusetts(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of images in sat and labels in map. Raises CatalogError with all that lack a partner."""
    root = root_of(source, {"sat", "map"})
    files = list_files(root)
    images = by_id(files, r"(train|valid|val|test)/(?:sat/)?([^/]+)\.tiff?", _split_and_name)
    labels = by_id(files, r"(train|valid|val|test)(?:/map|_labels)/([^/]+)\.tiff?", _split_and_name)
    pairs = Pairs(
        root,
        [Column("image", images, "train/sat/22678915_15.tiff")],
        Column("label", labels, "train/map/22678915_15.tif"),
        split_of=lambda name: name.split("/", maxsplit=1)[0],
    )
    return pairs.catalog(layout, config, monitor)


def _lower(match: re.Match[str]) -> str:
    return match.group(1).lower()


def _split_and_name(match: re.Match[str]) -> str:
    split, name = match.groups()
    return f"{SPLIT_WORDS[split.lower()]}/{name}"
