"""What the header of a raster says, and which headers are refused before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags

from hectares.core.grid import Grid
from hectares.errors import GridError, RasterError
from hectares.io.rasters.world_file import find_world_file, read_world_file

MAX_PIXELS = 10**11
MAX_BANDS = 1000
MAX_BLOCK_BYTES = 2**29
"""A block is decoded whole, whatever the window: one strip of a gigabyte would break the promise of bounded memory."""

COLOR_NAMES = {
    ColorInterp.red: "red",
    ColorInterp.green: "green",
    ColorInterp.blue: "blue",
    ColorInterp.gray: "gray",
}


@dataclass(frozen=True, slots=True)
class RasterFacts:
    """What the header of a raster says."""

    path: Path
    driver: str
    grid: Grid
    bands: tuple[str, ...]
    """Names of the bands that carry measurements (alpha is not one; a palette is red, green, blue)."""
    dtype: str
    nodata: float | None
    has_alpha: bool
    has_mask: bool
    has_palette: bool
    is_tiled: bool
    block_shape: tuple[int, int]
    overviews: int
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    tags: dict[str, str]

    @property
    def is_scaled(self) -> bool:
        """True if the file declares that its values are not in units yet."""
        return any(s != 1 for s in self.scales) or any(o != 0 for o in self.offsets)


def check_header(path: Path, dataset: rasterio.DatasetReader) -> None:
    """Raise RasterError for a header that claims what cannot be read in bounded memory."""
    if dataset.count == 0:
        raise RasterError(f"{path}: has no bands")
    if dataset.width * dataset.height > MAX_PIXELS:
        raise RasterError(
            f"{path}: claims {dataset.width} x {dataset.height} px, more than {MAX_PIXELS:.0e}; crop it first"
        )
    if dataset.count > MAX_BANDS:
        raise RasterError(f"{path}: claims {dataset.count} bands, more than {MAX_BANDS}; select bands first")
    if len(set(dataset.dtypes)) > 1 or np.dtype(dataset.dtypes[0]).kind not in "uif":
        raise RasterError(f"{path}: has values of type {', '.join(set(dataset.dtypes))}; expected one real type")
    height, width = dataset.block_shapes[0]
    block_bytes = height * width * np.dtype(dataset.dtypes[0]).itemsize
    if block_bytes > MAX_BLOCK_BYTES:
        raise RasterError(
            f"{path}: is stored in blocks of {height} x {width} px ({block_bytes / 2**20:.0f} MiB each); "
            "convert it to a tiled file: gdal_translate -of COG"
        )


def read_facts(
    path: Path, driver: str, dataset: rasterio.DatasetReader, *, has_palette: bool, crs: str | None
) -> RasterFacts:
    """Read the header; `crs` counts where the raster has a place (its own or of a world file) but no CRS."""
    flags = dataset.mask_flag_enums[0]
    block_height, block_width = dataset.block_shapes[0]
    channels = channels_of(dataset)
    return RasterFacts(
        path=path,
        driver=driver,
        grid=_grid(path, dataset, crs),
        bands=_band_names(dataset, has_palette),
        dtype="uint8" if has_palette else dataset.dtypes[0],
        nodata=dataset.nodata,
        has_alpha=ColorInterp.alpha in dataset.colorinterp,
        has_mask=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
        has_palette=ColorInterp.palette in dataset.colorinterp,
        is_tiled=block_width < dataset.width or block_height > 1,
        block_shape=(block_height, block_width),
        overviews=len(dataset.overviews(1)),
        scales=tuple(dataset.scales[n - 1] for n in channels),
        offsets=tuple(dataset.offsets[n - 1] for n in channels),
        tags=dict(dataset.tags()),
    )


def _grid(path: Path, dataset: rasterio.DatasetReader, crs: str | None) -> Grid:
    own = dataset.crs.to_wkt() if dataset.crs else None
    transform = Affine(*dataset.transform[:6])
    if transform.is_identity and (world_file := find_world_file(path)) is not None:
        transform = read_world_file(world_file)
    if own is not None or transform.is_identity:  # a CRS without a place would make metres of pixels
        return Grid(own, transform, dataset.shape)
    try:
        return Grid(crs, transform, dataset.shape)
    except GridError as error:
        raise RasterError(f"{path}: {error}") from error


def channels_of(dataset: rasterio.DatasetReader) -> list[int]:
    """GDAL numbers of the bands that carry measurements."""
    return [n for n, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True) if meaning != ColorInterp.alpha]


def _band_names(dataset: rasterio.DatasetReader, has_palette: bool) -> tuple[str, ...]:
    """Descriptions if every band has its own, else color names, else band_1, band_2 ..."""
    if has_palette:
        return ("red", "green", "blue")
    channels = channels_of(dataset)
    described = [(dataset.descriptions[n - 1] or "").strip() for n in channels]
    if all(described) and len(set(described)) == len(described):
        return tuple(described)
    colors = [COLOR_NAMES.get(dataset.colorinterp[n - 1], f"band_{n}") for n in channels]
    if len(set(colors)) == len(colors) and {"red", "green", "blue"} <= set(colors):
        return tuple(colors)
    return tuple(f"band_{n}" for n in channels) if len(channels) > 1 else ("gray",)


def palette_of(dataset: rasterio.DatasetReader) -> NDArray[np.uint8] | None:
    """Give the colors (codes, 3) of a raster with a palette, None if it has none."""
    if dataset.colorinterp[0] != ColorInterp.palette:
        return None
    table = np.zeros((np.iinfo(dataset.dtypes[0]).max + 1, 3), np.uint8)
    for code, color in dataset.colormap(1).items():
        table[code] = color[:3]
    return table
