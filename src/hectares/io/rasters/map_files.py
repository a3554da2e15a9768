"""The files of a class map: the map with its seal, and what a GIS finds beside it. They are put in place together.

The side-cars follow from the map alone, so that they can be made again and compared. The seal is a tag with digests of
codes, legend, provenance and place; the STAC item holds the hash of every file, that of the whole map among them.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from hectares.core.grid import Grid, parse_crs
from hectares.core.legend import Legend
from hectares.core.seams import SeamCounter
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.artefact import dump_json, fingerprint, plain, read_json, sha256_file
from hectares.io.outputs import check_target, commit_file, work_path
from hectares.io.rasters.cog import block_windows
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.style import attribute_table_text, clr_text, qml_text, sld_text
from hectares.io.rasters.world_file import world_file_text
from hectares.io.stac import SUFFIX as STAC
from hectares.io.stac import stac_item
from hectares.monitor import Monitor, Problem

SEAL_TAG = "HECTARES_SEAL"
PLACING = "placing"
"""A file of this name in the work folder: side-cars without a map are those of this run, which was killed."""
ATTRIBUTES = ".aux.xml"
_STYLES = (".qml", ".sld", ".clr")
_OF_PICTURES = (".pgw", ".prj")


def side_cars(target: Path) -> dict[str, Path]:
    """Give the files beside a class map by kind.

    >>> [p.name for p in side_cars(Path("map.tif")).values()]
    ['map.qml', 'map.sld', 'map.clr', 'map.tif.aux.xml', 'map.stac.json']
    >>> list(side_cars(Path("map.png")))
    ['.pgw', '.prj', '.aux.xml']
    """
    attributes = {ATTRIBUTES: target.with_name(target.name + ATTRIBUTES)}
    if is_picture(target):
        return {suffix: target.with_suffix(suffix) for suffix in _OF_PICTURES} | attributes
    paths = {suffix: target.with_suffix(suffix) for suffix in _STYLES}
    return paths | attributes | {STAC: target.with_suffix(STAC)}


def check_map_target(target: Path, *, overwrite: bool, inputs: Iterable[Path] = (), work: Path | None = None) -> None:
    """Refuse a map whose files exist already, without `overwrite`; those of a run that was killed do not count.

    `work` is the folder of that run, by default the one that a prediction uses.
    """
    inputs = list(inputs)
    check_target(target, overwrite=overwrite, inputs=inputs)
    work = work_path(target) if work is None else work
    ours = overwrite or (work / PLACING).is_file()
    files = side_cars(target)
    for suffix, path in files.items():
        viewed = suffix == ATTRIBUTES  # a GIS writes one for whatever it shows
        check_target(path, overwrite=ours or viewed, inputs=inputs)
    item = files.get(STAC)
    if item is not None and item.exists() and not _is_our_item(item):
        raise ArtefactError(f"{item}: is a STAC item that hectares did not write; choose another name for the map")


def tell_shared_name(target: Path, scenes: Iterable[Path], monitor: Monitor) -> None:
    """Note that QGIS will show a scene in the style of its map, where both have the same name in the same folder."""
    style = target.with_suffix(".qml")
    twins = [s for s in scenes if s.stem == target.stem and s.parent.resolve() == target.parent.resolve()]
    for scene in [] if is_picture(target) else twins:
        what = f"is what QGIS takes for the style of {scene.name} too, as it has the same name"
        monitor.problem(Problem(str(style), what, "give the map another name to see both in their colors", "note"))


def _is_our_item(path: Path) -> bool:
    try:
        return "hectares" in read_json(path)["properties"]["processing:software"]
    except (ValueError, KeyError, TypeError):
        return False


def is_picture(target: Path) -> bool:
    """Tell if a class map is a PNG with a palette instead of a GeoTIFF."""
    return target.suffix.lower() == ".png"


def place_map(
    target: Path, file: Path, grid: Grid, legend: Legend, provenance: Mapping[str, Any], pixels: Mapping[int, int]
) -> None:
    """Write the side-cars of a finished map in its work folder, and move all files into place, the map last.

    `grid` is what a reader of the map finds.
    """
    texts = side_car_texts(target, file, grid, legend, provenance, pixels)
    works = {suffix: file.with_name(f"side-car{suffix}") for suffix in texts}
    for suffix, text in texts.items():
        works[suffix].write_text(text, encoding="utf-8")
    (file.parent / PLACING).touch()
    target.with_name(target.name + ".ovr").unlink(missing_ok=True)  # overviews that a GIS made of the map we replace
    for suffix, path in side_cars(target).items():
        if suffix in texts:
            commit_file(works[suffix], path)
        else:
            path.unlink(missing_ok=True)  # of an old map that had a place
    commit_file(file, target)


def side_car_texts(
    target: Path, file: Path, grid: Grid, legend: Legend, provenance: Mapping[str, Any], pixels: Mapping[int, int]
) -> dict[str, str]:
    """Give the content of all side-cars by kind; `file` holds the map that is to be called `target`."""
    if is_picture(target):
        placed = {} if not is_placed(grid) else {".pgw": world_file_text(grid.transform)}
        known = {} if grid.crs is None else {".prj": parse_crs(grid.crs).to_wkt("WKT1_ESRI")}
        return placed | known | {ATTRIBUTES: attribute_table_text(legend, pixels, crs=grid.crs)}
    texts = {
        ".qml": qml_text(legend),
        ".sld": sld_text(legend, target.stem),
        ".clr": clr_text(legend),
        ATTRIBUTES: attribute_table_text(legend, pixels),
    }
    files = {target.name: (sha256_file(file), file.stat().st_size)}
    names = side_cars(target)
    for suffix, text in texts.items():
        content = text.encode()
        files[names[suffix].name] = (_sha256(content), len(content))
    item = stac_item(target.stem, grid, legend, provenance, files, pixels)
    return texts | {STAC: dump_json(item, indent=1) + "\n"}


def is_placed(grid: Grid) -> bool:
    """Tell if there is anything to say about the place of the pixels."""
    return grid.is_georeferenced or not grid.transform.is_identity


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- The seal ---------------------------------------------------------------------------------------------


class CodeTally:
    """Passes blocks of codes on, and counts the pixels of each code meanwhile."""

    def __init__(self, blocks: Iterable[tuple[Window, NDArray[Any]]]) -> None:
        """Begin with nothing counted."""
        self._blocks = blocks
        self.pixels: Counter[int] = Counter()

    def __iter__(self) -> Iterator[tuple[Window, NDArray[Any]]]:
        for window, values in self._blocks:
            counts = np.bincount(values.ravel(), minlength=256)
            self.pixels.update({int(code): int(counts[code]) for code in np.flatnonzero(counts)})
            yield window, values


@dataclass(frozen=True)
class Seal:
    """What was known about a map when it was written."""

    codes: str
    """Digest of the codes, by blocks."""
    tags: str
    """Fingerprint of legend, provenance and place."""
    pixels: Mapping[int, int]
    """How many there are of each code, 255 among them."""
    seams: Mapping[str, Any] | None
    """Label changes across borders of tiles against those inside; None where there are no tiles."""

    def to_json(self) -> dict[str, Any]:
        """Give the content of the tag, with a fingerprint of its own."""
        record = {"codes": self.codes, "tags": self.tags, "pixels": plain(self.pixels), "seams": plain(self.seams)}
        return record | {"sha256": fingerprint(record)}

    @classmethod
    def from_tag(cls, path: Path, text: str) -> Seal:
        """Read the tag of a map. Raises ArtefactError if it is not as it was written."""
        try:
            record = json.loads(text)
            whole = record.pop("sha256") == fingerprint(record)
            pixels = {int(code): int(count) for code, count in record["pixels"].items()}
            seal = cls(str(record["codes"]), str(record["tags"]), pixels, record["seams"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise ArtefactError(f"{path}: the tag {SEAL_TAG} was changed; fetch the map again, or make it anew")
        return seal


def read_look(path: Path) -> tuple[dict[int, tuple[int, int, int, int]], float | None]:
    """Read the color table of a map, {} if there is none, and its nodata value."""
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open(path) as dataset,
    ):
        palette = dataset.colorinterp[0] == ColorInterp.palette
        return (dataset.colormap(1) if palette else {}), dataset.nodata


def tags_fingerprint(grid: Grid, legend: Legend, provenance: Mapping[str, Any]) -> str:
    """Give one hash for what a map says of itself, apart from its pixels."""
    return fingerprint([legend.to_json(), plain(provenance), grid.crs, tuple(grid.transform)[:6], grid.shape])


def make_seal(
    path: Path, grid: Grid, codes: str, pixels: Mapping[int, int], tags: str, seams: SeamCounter | None = None
) -> Seal:
    """Give the seal of a map whose codes are in a file; with tiles, this is read for their seams."""
    if seams is None:
        return Seal(codes, tags, pixels, None)
    with open_raster(path, use_nodata=False, expand_palette=False) as raster:
        for window in block_windows(grid.shape):
            seams.add(window, raster.read(seams.reach(window)).image[0])
    return Seal(codes, tags, pixels, seams.result().to_json())


def add_tag(path: Path, tag: str, content: Mapping[str, Any]) -> None:
    """Add a tag to a GeoTIFF that is written and not yet cloud-optimized."""
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open(path, "r+") as dataset,
    ):
        dataset.update_tags(**{tag: dump_json(content)})
