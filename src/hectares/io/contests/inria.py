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

from hectares.core.window import Window
from hectares.errors import ConfigError, InputError
from hectares.io.contests.map_objects import open_entry
from hectares.io.contests.pictures import PictureArchive, open_pictures, write_picture
from hectares.io.contests.submission import Fault, MapEntry, listed, match_classes
from hectares.io.rasters.raster import open_raster
from hectares.monitor import Monitor, Problem, track

CLASSES = {"building": 255}
CITIES = ("bellingham", "bloomington", "innsbruck", "sfo", "tyrol-e")
TILES = tuple(f"{city}{n}.tif" for city in CITIES for n in range(1, 37))
SIDE_PX = 5000
_ROWS = 512


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
    names = [picture_name(entry.path) for entry in entries]
    if len(set(names)) < len(names):
        raise ConfigError(f"{next(n for n in names if names.count(n) > 1)}: two maps are of this tile; give one")
    archive = PictureArchive(work, packed=packed)
    for entry in track(entries, monitor, "writing pictures"):
        with open_entry(entry) as opened:
            wanted = match_classes(entry.path, opened.legend, CLASSES, renamed)
            values = np.zeros((256, 1), np.uint8)
            values[list(wanted), 0] = 255
            unknown = write_picture(scratch, opened, values, np.zeros(1, np.uint8))
        if unknown:
            what = f"{unknown} pixel(s) are nodata"
            monitor.problem(Problem(str(entry.path), what, "they are 0 in the picture: no building"))
        archive.add(picture_name(entry.path), scratch)
    archive.close()
    return len(entries)


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
        faults += _picture_faults(name, file)
    strange = [n for n in seen if n not in TILES]
    if strange:
        named = f"the tiles of the test set, {TILES[0]} to {TILES[-1]}"
        faults.append(Fault("the archive", f"has {listed(strange)}", named, incomplete=True))
    missing = [n for n in TILES if n not in seen]
    if missing:
        found = f"lacks {len(missing)} of {len(TILES)} tiles: {listed(missing)}"
        faults.append(Fault("the archive", found, "all tiles of the test set", incomplete=True))
    return faults, len(seen)


def _picture_faults(name: str, file: Path) -> list[Fault]:
    try:
        raster = open_raster(file, use_nodata=False, expand_palette=False)
    except InputError as error:
        return [Fault(name, f"cannot be read ({str(error).split(': ', 1)[-1]})", "a GeoTIFF")]
    try:
        count, kind, (height, width) = len(raster.facts.bands), raster.facts.dtype, raster.grid.shape
        if count != 1 or str(kind) != "uint8":
            return [Fault(name, f"has {count} band(s) of {kind}", "one band of uint8")]
        faults = []
        if (height, width) != (SIDE_PX, SIDE_PX):
            faults.append(Fault(name, f"has {height} x {width} px", f"{SIDE_PX} x {SIDE_PX} px", incomplete=True))
        values: set[int] = set()
        for row in range(0, height, _ROWS):
            window = Window(row, 0, min(_ROWS, height - row), width)
            values |= set(np.unique(raster.read(window).image).tolist())
        wanted = {0, 1} if _is_one_bit(file) else {0, 255}
        if not values <= wanted:
            odd = sorted(values - wanted)
            faults.append(Fault(name, f"has the value(s) {listed(list(map(str, odd)))}", "0 and 255 only"))
    finally:
        raster.close()
    return faults


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
