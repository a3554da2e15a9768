"""Class maps on disk: a cloud-optimised GeoTIFF of codes, with colors, legend and provenance inside."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window as RioWindow

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, MAP_NODATA, LandClass, Legend, default_color
from hectares.core.window import Window
from hectares.errors import ArtefactError, LegendError
from hectares.io.artefact import dump_json
from hectares.io.outputs import check_target, commit_file, disk_errors, work_path
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.io.rasters.style import write_qml

BLOCK_PX = 512
_WINDOW_COLS = 8 * BLOCK_PX
LEGEND_TAG = "HECTARES_LEGEND"
PROVENANCE_TAG = "HECTARES_PROVENANCE"
_BIG_BYTES = 2**31  # compressed size is not known beforehand: above 2 GiB of pixels the file is BigTIFF


def save_class_map(
    target: Path,
    work: Path,
    strips: Iterable[NDArray[np.uint8]],
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write a class map from strips of codes (h, W) that follow each other from top to bottom.

    `work` is an existing folder on the same file system. The map is written there, read back, compared with
    what went in, and moved into place. Memory is that of a few strips.
    """
    for path in (target, style_path(target)):
        check_target(path, overwrite=overwrite)
    plain, cog = work / "plain.tif", work / "cog.tif"
    options = {"GDAL_PAM_ENABLED": "NO", "GDAL_CACHEMAX": 256, "GDAL_TIFF_INTERNAL_MASK": "YES"}
    with disk_errors(target), rasterio.Env(**options):
        written = _write_plain(plain, strips, grid, legend, provenance)
        rasterio.shutil.copy(
            plain, cog, driver="COG", compress="DEFLATE", level="6", blocksize=str(BLOCK_PX), num_threads="ALL_CPUS",
            overview_resampling="MODE", bigtiff="YES" if grid.window.pixels > _BIG_BYTES else "IF_SAFER",
        )  # fmt: skip
        plain.unlink()
        if _digest_file(cog) != written:
            raise ArtefactError(f"{cog}: what was read back is not what was written; check the disk and run again")
    for stale in (target.with_name(target.name + ".aux.xml"), target.with_name(target.name + ".ovr")):
        stale.unlink(missing_ok=True)  # statistics and overviews that a GIS made of the map we replace
    commit_file(cog, target)
    write_qml(style_path(target), legend)


def style_path(target: Path) -> Path:
    """Give the name of the style beside a class map."""
    return target.with_suffix(".qml")


def write_class_map(
    target: Path,
    indices: NDArray[np.uint8],
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write a class map that is in memory, from class indices (H, W); 255 is nodata."""
    check_target(target, overwrite=overwrite)
    work = work_path(target)
    work.mkdir()
    try:
        save_class_map(target, work, [legend.decode(indices)], grid, legend, provenance, overwrite=overwrite)
    finally:
        shutil.rmtree(work)


def _write_plain(
    path: Path,
    strips: Iterable[NDArray[np.uint8]],
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
) -> str:
    """Write an ordinary tiled GeoTIFF and give the SHA-256 of its codes, row by row."""
    height, width = grid.shape
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "height": height, "width": width, "nodata": MAP_NODATA,
        "crs": grid.crs, "tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "DEFLATE",
        "zlevel": 1, "bigtiff": "YES" if height * width > _BIG_BYTES else "IF_SAFER",
    }  # fmt: skip
    if grid.is_georeferenced or not grid.transform.is_identity:
        profile["transform"] = grid.transform
    digest = hashlib.sha256()
    row = 0
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path, "w", **profile) as dataset,
    ):
        dataset.write_colormap(1, _colormap(legend))
        dataset.set_band_description(1, "class")
        dataset.update_tags(**_tags(legend, provenance))
        for block in _regroup(strips, BLOCK_PX):
            digest.update(block.tobytes())
            dataset.write(block, 1, window=RioWindow(0, row, width, block.shape[0]))
            row += block.shape[0]
    assert row == height, f"strips of {row} rows for a map of {height}"
    return digest.hexdigest()


def _regroup(strips: Iterable[NDArray[np.uint8]], rows: int) -> Iterator[NDArray[np.uint8]]:
    """Cut strips of any height into strips of `rows`, so that every block of the file is written once."""
    held: list[NDArray[np.uint8]] = []
    for strip in strips:
        held.append(strip)
        if sum(s.shape[0] for s in held) >= rows:
            joined = np.concatenate(held)
            whole = joined.shape[0] // rows * rows
            for start in range(0, whole, rows):
                yield joined[start : start + rows]
            held = [joined[whole:]]
    joined = np.concatenate(held)
    if joined.size:
        yield joined


def _digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open_raster(path, use_nodata=False, expand_palette=False) as raster:
        height, width = raster.grid.shape
        for row in range(0, height, BLOCK_PX):
            strip = raster.read(Window(row, 0, min(BLOCK_PX, height - row), width))
            digest.update(strip.image[0].tobytes())
    return digest.hexdigest()


def _colormap(legend: Legend) -> dict[int, tuple[int, int, int, int]]:
    return {c.code: (*c.color, 255) for c in legend.classes} | {MAP_NODATA: (0, 0, 0, 0)}


def _tags(legend: Legend, provenance: Mapping[str, Any]) -> dict[str, str]:
    """Tags of the default domain: a custom one is lost when the COG is made."""
    return {
        LEGEND_TAG: dump_json(legend.to_json()),
        PROVENANCE_TAG: dump_json(provenance),
        "TIFFTAG_SOFTWARE": f"hectares {provenance.get('version', '')}".strip(),
        "TIFFTAG_IMAGEDESCRIPTION": "Class map: " + ", ".join(f"{c.code} {c.name}" for c in legend.classes),
    }


@dataclass(frozen=True)
class ClassMap:
    """A class map opened for reading: any raster of one integer band."""

    raster: RasterFile
    legend: Legend
    provenance: Mapping[str, Any]
    """Empty for a map that we did not write."""

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.raster.grid

    @property
    def path(self) -> Path:
        """The file."""
        return self.raster.path

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 is nodata."""
        chip = self.raster.read(window)
        indices = np.full(window.shape, IGNORE, np.uint8)
        try:
            indices[chip.valid] = self.legend.encode(chip.image[0, chip.valid])
        except LegendError as error:
            raise LegendError(f"{self.path}: {error}") from None
        return indices

    def windows(self) -> list[Window]:
        """Give windows over the whole map, row by row; their size does not depend on that of the map."""
        height, width = self.grid.shape
        return [
            Window(row, col, min(BLOCK_PX, height - row), min(_WINDOW_COLS, width - col))
            for row in range(0, height, BLOCK_PX)
            for col in range(0, width, _WINDOW_COLS)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.raster.close()


def open_class_map(path: str | Path, *, legend: Legend | None = None) -> ClassMap:
    """Open a class map. Without a legend in its tags, the codes found become classes named `class N`.

    Raises LegendError if it has several bands, floats, or codes above 254 that are not nodata.
    """
    raster = open_raster(path, expand_palette=False)
    facts = raster.facts
    if len(facts.bands) != 1 or raster.dtype.kind not in "ui":
        raster.close()
        raise LegendError(
            f"{path}: has {len(facts.bands)} band(s) of {facts.dtype}; expected a class map, one band of whole numbers"
        )
    try:
        provenance = _provenance_of(raster)
        if legend is None and LEGEND_TAG in facts.tags:
            legend = _legend_of(raster)
        if legend is None:
            legend = _legend_from_codes(raster)
    except BaseException:
        raster.close()
        raise
    return ClassMap(raster, legend, provenance)


def _provenance_of(raster: RasterFile) -> dict[str, Any]:
    """Read how a map was made; {} where it does not say. What is not as we write it is refused."""
    provenance = _tag_of(raster, PROVENANCE_TAG) if PROVENANCE_TAG in raster.facts.tags else {}
    windows, inputs = provenance.get("trained_on", []), provenance.get("inputs", {})
    numbers = isinstance(windows, list) and all(
        isinstance(w, list) and len(w) == 4 and all(type(n) is int for n in w) and min(w[2:]) >= 0 for w in windows
    )
    if not numbers or not isinstance(inputs, dict):
        key = "inputs" if numbers else "trained_on"
        raise ArtefactError(_odd_tag(raster, PROVENANCE_TAG, f"{key} is {str(provenance[key])[:60]}"))
    return provenance


def _legend_of(raster: RasterFile) -> Legend:
    content = _tag_of(raster, LEGEND_TAG)
    try:
        return Legend.from_json(content)
    except (LegendError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = str(error) if isinstance(error, LegendError) else f"lacks or garbles {error}"
        raise LegendError(_odd_tag(raster, LEGEND_TAG, why)) from error


def _tag_of(raster: RasterFile, tag: str) -> dict[str, Any]:
    text = raster.facts.tags[tag]
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(_odd_tag(raster, tag, f"begins {text[:40]!r} and is no JSON")) from error
    if not isinstance(content, dict):
        raise ArtefactError(_odd_tag(raster, tag, f"is {text[:40]!r}, expected an object"))
    return content


def _odd_tag(raster: RasterFile, tag: str, why: str) -> str:
    return f"{raster.path}: the tag {tag} is not as hectares writes it ({why}); remove it: gdal_edit.py -unsetmd FILE"


def _legend_from_codes(raster: RasterFile) -> Legend:
    found: set[int] = set()
    height, width = raster.grid.shape
    for row in range(0, height, BLOCK_PX):
        chip = raster.read(Window(row, 0, min(BLOCK_PX, height - row), width))
        found |= set(np.unique(chip.image[0, chip.valid]).tolist())
    outside = sorted(code for code in found if not 0 <= code < MAP_NODATA)
    if outside == [MAP_NODATA] and raster.facts.nodata is None:
        outside = []  # our nodata in a file that does not say so
        found.discard(MAP_NODATA)
    if outside or not found:
        shown = f"codes {outside[:5]}" if outside else "no class at all"
        raise LegendError(f"{raster.path}: has {shown}; class codes are 0 to 254, give a legend for others")
    classes = (LandClass(code, f"class {code}", default_color(i)) for i, code in enumerate(sorted(found)))
    nodata = MAP_NODATA if MAP_NODATA not in found else None
    return Legend(tuple(classes), nodata=nodata)
