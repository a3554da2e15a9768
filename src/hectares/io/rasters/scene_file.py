"""Writing a scene: pixels that we made ourselves, as a tiled GeoTIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from hectares.core.grid import Grid
from hectares.io.outputs import staged_file

_COLORS = {"red": ColorInterp.red, "green": ColorInterp.green, "blue": ColorInterp.blue}


def write_scene(
    path: str | Path,
    image: NDArray[Any],
    grid: Grid,
    bands: tuple[str, ...],
    *,
    nodata: float | None,
    overwrite: bool,
) -> None:
    """Write an image (C, H, W) with band names, complete or not at all."""
    height, width = grid.shape
    with staged_file(path, overwrite=overwrite) as work, rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(
        work, "w", driver="GTiff", dtype=image.dtype, count=len(bands), height=height, width=width, nodata=nodata,
        crs=grid.crs, transform=grid.transform, tiled=True, blockxsize=256, blockysize=256, compress="DEFLATE",
        predictor=2 if np.issubdtype(image.dtype, np.integer) else 1, photometric="MINISBLACK",
    ) as dataset:  # fmt: skip
        dataset.write(image)
        dataset.descriptions = bands
        dataset.colorinterp = [_COLORS.get(name, ColorInterp.undefined) for name in bands]
