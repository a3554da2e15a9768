"""Data Fusion Contest 2019, track 1 (US3D): views of WorldView-3 with classes and heights."""

from __future__ import annotations

import re
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.formats.listing import list_files
from hectares.formats.pairing import Column, Pairs, by_id
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog
from hectares.monitor import Monitor

_PACKAGE = re.compile(r"train-track1.*", re.IGNORECASE)
"""Downloads of the training views: images and labels come apart."""
_NO_LABELS = re.compile(r"(validate|test)([-_ ]|$)", re.IGNORECASE)
"""Folders of the contest that hold images without labels."""


def read_dfc2019(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of all views with labels; views of one tile are one group.

    Raises CatalogError with all files that views lack.
    """
    root = source.parent if _PACKAGE.fullmatch(source.name) else source
    files = list_files(root)

    def column(kind: str, called: str) -> Column:
        pattern = rf"(JAX|OMA)_(\d+)_(\d+)_{kind}\.tiff?"
        return Column(called, by_id(files, pattern, _view), f"JAX_004_006_{kind}.tif")

    images = [column(kind, kind) for kind in layout.choose_images(config)]
    label = column(layout.choose_labels(config), "label")
    pairs = Pairs(root, images, label, group_of=lambda view: view.rpartition("_")[0])
    hidden = {
        view
        for c in images
        for view, path in c.files.items()
        if any(_NO_LABELS.match(part) for part in path.relative_to(root).parts[:-1])
    }
    return pairs.without_unlabelled(hidden).catalog(layout, config, monitor)


def _view(match: re.Match[str]) -> str:
    city, tile, view = match.groups()
    return f"{city.upper()}_{tile}_{view}"
