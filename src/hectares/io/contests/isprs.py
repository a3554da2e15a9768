"""ISPRS 2D semantic labeling: one picture in the colors of the benchmark for each tile of Potsdam or Vaihingen.

Source: results of the benchmark are called top_potsdam_2_13_class.tif; colors are those of its label images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hectares.core.colors import Color
from hectares.errors import ConfigError, LegendError
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

REST = "clutter"
"""Class of pixels that a map says nothing of."""
POTSDAM_PX = 6000
_POTSDAM = re.compile(r"potsdam_0*(\d+)_0*(\d+)(?!\d)", re.IGNORECASE)
_VAIHINGEN = re.compile(r"area0*(\d+)(?!\d)", re.IGNORECASE)


def picture_name(path: Path) -> str:
    """Give the name of the picture of a map, whose name tells the tile.

    >>> picture_name(Path("top_potsdam_02_13_RGB.tif")), picture_name(Path("top_mosaic_09cm_area2.tif"))
    ('top_potsdam_2_13_class.tif', 'top_mosaic_09cm_area2_class.tif')
    """
    tile = _POTSDAM.search(path.stem)
    if tile is not None:
        return f"top_potsdam_{tile[1]}_{tile[2]}_class.tif"
    area = _VAIHINGEN.search(path.stem)
    if area is None:
        raise ConfigError(
            f"{path}: its name tells no tile; expected one like top_potsdam_2_13_RGB.tif or top_mosaic_09cm_area2.tif"
        )
    return f"top_mosaic_09cm_area{area[1]}_class.tif"


def write_isprs(
    work: Path,
    scratch: Path,
    entries: Sequence[MapEntry],
    renamed: Mapping[str, str],
    colors: Mapping[str, Color],
    monitor: Monitor,
    *,
    packed: bool,
) -> int:
    """Write a picture of each map into an archive or folder; give how many. `scratch` is where one is made.

    Raises LegendError if a map has a class that the benchmark does not have: every pixel needs a color.
    """

    def paint(entry: MapEntry, opened: ClassMap) -> Paint:
        found = match_classes(entry.path, opened.legend, colors, renamed)
        lacking = [n for k, n in enumerate(opened.legend.names) if k not in found]
        if lacking:
            raise LegendError(
                f"{entry.path}: {listed(lacking)} is no class of the benchmark, and has no color there; it has "
                f"{listed(list(colors), 12)}: say which is which with --rename, like road=impervious surface"
            )
        values = np.zeros((256, 3), np.uint8)
        values[list(found)] = list(found.values())
        return Paint(values, np.array(colors[REST], np.uint8))

    named, nodata = by_name(entries, picture_name), f"every pixel needs a class: they are {REST} in the picture"
    return write_pictures(work, scratch, named, paint, monitor, packed=packed, nodata=nodata)


def check_isprs(path: Path, colors: Mapping[str, Color], tiles: Sequence[str]) -> tuple[list[Fault], int]:
    """Read an archive or folder; give what the benchmark would not take, and how many pictures there are.

    `tiles` are the names of the pictures of the test tiles of Potsdam and Vaihingen; those of one city are enough.
    """
    expected = f"one of {', '.join(f'{n} {c}' for n, c in colors.items())}"
    rules = PictureRules(3, "red, green and blue as uint8", colors, expected)
    faults: list[Fault] = []
    seen: list[str] = []
    for name, file in open_pictures(path):
        if isinstance(file, Fault):
            faults.append(file)
            continue
        try:
            right = picture_name(Path(name)) == name
        except ConfigError:
            right = False
        if not right:
            like = "top_potsdam_2_13_class.tif or top_mosaic_09cm_area2_class.tif, at the top"
            faults.append(Fault(name, "is no name of a result", like))
            continue
        if name in seen:
            faults.append(Fault(name, "stands twice in the archive", "each tile once"))
        seen.append(name)
        side_px = POTSDAM_PX if name.startswith("top_potsdam") else None
        faults += picture_faults(name, file, rules, side_px=side_px)
    for city in ("top_potsdam", "top_mosaic"):
        wanted = [t for t in tiles if t.startswith(city)]
        missing = [t for t in wanted if t not in seen]
        if missing and any(s.startswith(city) for s in seen):
            found = f"lacks {len(missing)} of {len(wanted)} test tiles: {listed(missing)}"
            faults.append(Fault("the archive", found, "all test tiles of the city", incomplete=True))
    if not seen:
        faults.append(Fault("the archive", "has no picture", "one for each test tile"))
    return faults, len(seen)
