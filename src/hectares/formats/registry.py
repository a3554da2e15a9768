"""Which layouts are known, and where their readers live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from hectares.core.legend import Legend
from hectares.errors import ConfigError
from hectares.io.catalog import Catalog
from hectares.monitor import Monitor


class FormatReader(Protocol):
    """Reads a layout: what is where, not the pixels."""

    def __call__(self, source: Path, *, legend: Legend | None, allow_unmatched: bool, monitor: Monitor) -> Catalog:
        """Give the catalog of a source. Raises CatalogError or LegendError saying what does not fit."""


@dataclass(frozen=True, slots=True)
class Format:
    """A known data set layout."""

    name: str
    summary: str
    detail: str
    home: str
    """`module:function` of the reader, imported on first use."""

    def reader(self) -> FormatReader:
        """Import the reader."""
        module, function = self.home.split(":")
        reader: Callable[..., Catalog] = getattr(import_module(module), function)
        return reader


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format(
            "folders",
            "folders of images beside folders of labels, or a CSV manifest",
            """\
Images and labels are paired by name, in any of these layouts, at any depth:

  images/a.tif       labels/a.tif         also: img, image, sat   and   masks, label, mask, gt, ann
  img_dir/train/a.png  ann_dir/train/a.png  (a folder train, val or test names the split)
  train.txt val.txt test.txt beside images/: one image name a line

or listed in a CSV with the columns image, label and optionally id, group, split; paths relative to the file.

Labels are read by code (one band), by color (three bands, or a palette when the legend gives no codes).
The legend says what they mean (--legend FILE, or legend.json / legend.yaml in the source):

  {"nodata": 0, "ignore": [254], "ignore_colors": ["#000000"],
   "classes": [{"code": 1, "name": "water", "color": "#3b6fb6"}, {"code": 2, "name": "forest"}]}

Leave `code` out for labels that are coded by color.""",
            "hectares.formats.folders:read_folders",
        ),
        Format(
            "catalog",
            "a catalog.json, as `hectares init` writes it",
            """\
A JSON file that lists scenes; paths are relative to it:

  {"legend": "legend.json",
   "scenes": [{"id": "north", "image": "scenes/north.tif", "label": "labels/north.tif",
               "group": "valley", "split": "train"}]}

`label`, `group` and `split` may be left out. Scenes of one group never meet across a split.""",
            "hectares.formats.catalog:read_source",
        ),
    )
}


def find_format(name: str) -> Format:
    """Give a format by name. Raises ConfigError listing the known ones."""
    try:
        return FORMATS[name]
    except KeyError:
        raise ConfigError(f"format {name!r} is unknown; known: {', '.join(FORMATS)}") from None
