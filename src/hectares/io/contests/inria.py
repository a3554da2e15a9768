"""Inria aerial image labeling: buildings as 0 and 255, one picture a tile, in a zip archive.

Source: the page of the contest (project.inria.fr/aerialimagelabeling/contest): the names of the images, 8 bits, one
channel. Pictures of one bit a pixel, as `gdal_translate -co NBITS=1` packs them, were taken as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from hectares.io.contests.pictures import (
    Paint,
    PictureRules,
    by_name,
    open_pictures,
    picture_faults,
    write_pictures,
)
from hectares.io.contests.submission import Fault, MapEntry, listed, match_classes
from hectares.io.rasters.class_map import ClassMap
from hectares.monitor import Monitor

CLASSES = {"building": 255}
CITIES = ("bellingham", "bloomington", "innsbruck", "sfo", "tyrol-e")
TILES = tuple(f"{city}{n}.tif" for city in CITIES for n in range(1, 37))
SIDE_PX = 5000
_BAND = "one band of uint8"
_RULES = {
    False: PictureRules(1, _BAND, {"other": (0,), "building": (255,)}, "0 and 255 only"),
    True: PictureRules(1, _BAND, {}, "0 and 1"),
}
"""By whether a pixel is one bit, which has no other values."""


def picture_name(path: Path) -> str:
    """Give the name of the picture of a map, which is that of the image.

    >>> picture_name(Path("maps/sfo7.png"))
    'sfo7.tif'
    """
    return f"{path.stem}.tif"


def write_inria(
    work: Path,
    scratch: Path,
    entries: Sequence[MapEntry],
    renamed: Mapping[str, str],
    monitor: Monitor,
    *,
    packed: bool,
) -> int:
    """Write a picture of each map into an archive or folder; give how many. `scratch` is where one is made."""

    def paint(entry: MapEntry, opened: ClassMap) -> Paint:
        values = np.zeros((256, 1), np.uint8)
        values[list(match_classes(entry.path, opened.legend, CLASSES, renamed)), 0] = 255
        return Paint(values, np.zeros(1, np.uint8))

    named, nodata = by_name(entries, picture_name), "they are 0 in the picture: no building"
    return write_pictures(work, scratch, named, paint, monitor, packed=packed, nodata=nodata)


def check_inria(path: Path) -> tuple[list[Fault], int]:
    """Read an archive or folder; give what the contest would not take, and how many pictures there are."""
    faults: list[Fault] = []
    seen: list[str] = []
    for name, file in open_pictures(path):
        if isinstance(file, Fault):
            faults.append(file)
            continue
        if "/" in name or not name.endswith(".tif"):
            faults.append(
                Fault(name, "is no picture at the top of the archive", "files like sfo1.tif, and nothing else")
            )
            continue
        if name in seen:
            faults.append(Fault(name, "stands twice in the archive", "each tile once"))
        seen.append(name)
        faults += picture_faults(name, file, _RULES[_is_one_bit(file)], side_px=SIDE_PX)
    strange = [n for n in seen if n not in TILES]
    if strange:
        named = f"the tiles of the test set, {TILES[0]} to {TILES[-1]}"
        faults.append(Fault("the archive", f"has {listed(strange)}", named, incomplete=True))
    missing = [n for n in TILES if n not in seen]
    if missing:
        found = f"lacks {len(missing)} of {len(TILES)} tiles: {listed(missing)}"
        faults.append(Fault("the archive", found, "all tiles of the test set", incomplete=True))
    return faults, len(seen)


def _is_one_bit(file: Path) -> bool:
    try:
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            rasterio.Env(GDAL_PAM_ENABLED="NO"),
            rasterio.open(file, driver="GTiff") as dataset,
        ):
            return bool(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == "1")
    except RasterioError:
        return False
