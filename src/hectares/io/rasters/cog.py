"""Rasters written in blocks that come in any order: as they are first, then as a cloud-optimized GeoTIFF.

Nothing here depends on the width or the height of a raster: blocks of 512 x 4096 px are all that is held.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window as RioWindow

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import ArtefactError, RasterError
from hectares.io.rasters.overviews import Pyramid, Resampling
from hectares.io.rasters.raster import open_raster
from hectares.monitor import QUIET, Monitor

BLOCK_PX = 512
WINDOW_COLS = 8 * BLOCK_PX
_BIG_BYTES = 2**31  # compressed size is not known beforehand: above 2 GiB of pixels the file is BigTIFF
_ENV = {"GDAL_PAM_ENABLED": "NO", "GDAL_CACHEMAX": 64, "GDAL_TIFF_INTERNAL_MASK": "YES"}
_POLL_S = 0.1
_LITTLE_LEFT = 2**26  # bytes: what GDAL could not write may be smaller than what is free

Blocks = Iterable[tuple[Window, NDArray[Any]]]
"""Windows of `block_windows`, each once, in any order, and their values (n, h, w)."""


@dataclass(frozen=True)
class RasterForm:
    """What a raster is, apart from its pixels."""

    dtype: str
    nodata: float
    descriptions: tuple[str, ...]
    """One name a band."""
    tags: Mapping[str, str]
    """Of the default domain: a custom one is lost when the COG is made."""
    resampling: Resampling
    """How overviews are made: the commonest class, or the mean."""
    colors: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    scale: float | None = None
    """What values are to be multiplied by."""


def block_windows(shape: tuple[int, int]) -> list[Window]:
    """Give the windows that a raster is written and read back in, from left to right in columns of 4096 px.

    >>> [(w.row, w.col) for w in block_windows((600, 5000))]
    [(0, 0), (512, 0), (0, 4096), (512, 4096)]
    """
    height, width = shape
    return [
        Window(row, col, min(BLOCK_PX, height - row), min(WINDOW_COLS, width - col))
        for col in range(0, width, WINDOW_COLS)
        for row in range(0, height, BLOCK_PX)
    ]


def blocks_of_strip(row: int, strip: NDArray[Any]) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Cut a strip (h, W) of at most 512 rows, whose first row is a multiple of 512, into blocks (1, h, w)."""
    height, width = strip.shape
    for col in range(0, width, WINDOW_COLS):
        part = strip[:, col : col + WINDOW_COLS]
        yield Window(row, col, height, part.shape[1]), part[None]


def write_plain(path: Path, blocks: Blocks, grid: Grid, form: RasterForm) -> str:
    """Write an ordinary tiled GeoTIFF, with overviews in files beside it, and give the digest of its values."""
    remove_raster(path)  # GDAL wants to open what is there, and a run that was killed leaves half of it
    height, width = grid.shape
    profile = {
        "driver": "GTiff", "dtype": form.dtype, "count": len(form.descriptions), "height": height, "width": width,
        "nodata": form.nodata, "crs": grid.crs, "tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX,
        "compress": "DEFLATE", "zlevel": 1, "interleave": "band", "bigtiff": _bigtiff(grid, form),
    }  # fmt: skip
    if len(form.descriptions) > 1:
        profile["photometric"] = "MINISBLACK"  # else the fourth of four bytes is taken for alpha
    if grid.is_georeferenced or not grid.transform.is_identity:
        profile["transform"] = grid.transform
    digest, pixels = 0, 0
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.Env(**_ENV),
        rasterio.open(path, "w", **profile) as dataset,
        Pyramid(path, profile, form.resampling) as pyramid,
    ):
        if form.colors:
            dataset.write_colormap(1, dict(form.colors))
        for number, name in enumerate(form.descriptions, start=1):
            dataset.set_band_description(number, name)
        if form.scale is not None:
            dataset.scales = (form.scale,) * len(form.descriptions)
        dataset.update_tags(**form.tags)
        for window, values in blocks:
            digest += _digest_block(window, values)
            pixels += window.pixels
            dataset.write(values, window=RioWindow(window.col, window.row, window.width, window.height))
            pyramid.add(window, values)
    assert pixels == grid.window.pixels, f"blocks of {pixels} px for a raster of {grid.window.pixels}"
    return _shown(digest)


def copy_to_cog(plain: Path, cog: Path, grid: Grid, form: RasterForm, monitor: Monitor = QUIET) -> None:
    """Make a cloud-optimized GeoTIFF of an ordinary one with its overviews; a wish to stop is heard at once."""
    remove_raster(cog)
    failures: list[BaseException] = []

    def copy() -> None:
        try:
            with rasterio.Env(**_ENV):
                rasterio.shutil.copy(
                    plain, cog, driver="COG", compress="DEFLATE", level="6", blocksize=str(BLOCK_PX),
                    num_threads="ALL_CPUS", overview_resampling=form.resampling, bigtiff=_bigtiff(grid, form),
                )  # fmt: skip
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            failures.append(error)

    worker = threading.Thread(target=copy, name="hectares-cog", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(_POLL_S)
        monitor.raise_if_stopped()
    if failures:
        raise failures[0]


def remove_raster(path: Path) -> None:
    """Remove a raster and the overviews beside it, if they are there, whole or not."""
    for file in path.parent.glob(f"{glob.escape(path.name)}*"):
        file.unlink()


def digest_file(path: Path) -> str:
    """Give the digest of the values of a raster that was written by `write_plain` or `copy_to_cog`."""
    digest = 0
    with (
        rasterio.Env(**_ENV),
        open_raster(path, use_nodata=False, expand_palette=False, scaled=False) as raster,
    ):
        raster.keep_all_values()
        for window in block_windows(raster.grid.shape):
            digest += _digest_block(window, raster.read(window).image)
    return _shown(digest)


def check_written(path: Path, digest: str) -> None:
    """Read back what was written. Raises ArtefactError if it is something else, OSError if the disk is full."""
    try:
        same = digest_file(path) == digest
    except RasterError:
        same = False
    if same:
        return
    if shutil.disk_usage(path.parent).free < _LITTLE_LEFT:  # GDAL does not always tell
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    raise ArtefactError(f"{path}: what was read back is not what was written; check the disk and run again")


def _digest_block(window: Window, values: NDArray[Any]) -> int:
    """Give a number of block and place: their sum does not depend on the order of the blocks."""
    hashed = hashlib.sha256(f"{window.row} {window.col}".encode())
    hashed.update(np.ascontiguousarray(values).tobytes())
    return int.from_bytes(hashed.digest(), "big")


def _shown(digest: int) -> str:
    return f"{digest % 2**256:064x}"


def _bigtiff(grid: Grid, form: RasterForm) -> str:
    size = grid.window.pixels * len(form.descriptions) * np.dtype(form.dtype).itemsize
    return "YES" if size > _BIG_BYTES else "IF_SAFER"
