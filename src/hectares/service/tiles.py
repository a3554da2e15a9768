"""Map tiles and small pictures of scenes and class maps, made by rio-tiler when they are asked for.

Every file is opened by the door for rasters, and rio-tiler is handed what is open already: it opens nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray
from rio_tiler import reader
from rio_tiler.constants import WEB_MERCATOR_CRS, WEB_MERCATOR_TMS
from rio_tiler.models import ImageData
from rio_tiler.utils import non_alpha_indexes

from hectares.core.legend import IGNORE, Legend
from hectares.errors import RasterError
from hectares.io.rasters.class_map import colormap, open_class_map
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.view import render
from hectares.view.pyramid import TILE_PX, MapTile, level_shapes

MAX_ZOOM = 24
_WEB_TILE_PX = 256
_RGB = ("red", "green", "blue")
_OVERVIEW_PX = 512
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Look:
    """How a scene is shown: which of its bands are red, green and blue, and what becomes black and full."""

    bands: tuple[int, ...]
    limits: render.Limits
    palette: Mapping[int, tuple[int, int, int, int]] | None


# --- Tiles in the pixels of the raster --------------------------------------------------------------------


def code_tile(path: Path, level: int, row: int, col: int) -> MapTile | None:
    """Give a square of class indices of a map, 255 for nodata; None where the map has no such square.

    A square of level L shows every 2 ** L-th pixel, or what the overviews of the file say.
    """
    with open_class_map(path) as opened:
        box = _box(opened.grid.shape, level, row, col)
        if box is None:
            return None
        with opened.raster.lend() as dataset:
            found = _read(dataset, box)
        indices = np.full(box.out, IGNORE, np.uint8)
        valid = ~np.ma.getmaskarray(found.array)[0]
        indices[valid] = opened.legend.encode(found.array.data[0][valid])
    return MapTile(level, row, col, indices)


def scene_tile(path: Path, look: Look, level: int, row: int, col: int) -> MapTile | None:
    """Give a square of a scene as RGBA; None where the scene has no such square. What is not valid is clear."""
    with open_raster(path) as raster:
        box = _box(raster.grid.shape, level, row, col)
        if box is None:
            return None
        return MapTile(level, row, col, _picture(raster, look, box))


@dataclass(frozen=True, slots=True)
class _Box:
    """A square of a level: a window of the raster as (rows, cols), and the shape it is read with."""

    window: tuple[tuple[int, int], tuple[int, int]]
    out: tuple[int, int]


def _box(shape: tuple[int, int], level: int, row: int, col: int) -> _Box | None:
    shapes = level_shapes(shape)
    if not 0 <= level < len(shapes) or row < 0 or col < 0:
        return None
    top, left = row * TILE_PX, col * TILE_PX
    height, width = (min(TILE_PX, n - at) for n, at in zip(shapes[level], (top, left), strict=True))
    if height <= 0 or width <= 0:
        return None
    step = 2**level
    rows, cols = (
        (at * step, min((at + n) * step, whole)) for at, n, whole in ((top, height, shape[0]), (left, width, shape[1]))
    )
    return _Box((rows, cols), (height, width))


def _read(dataset: Any, box: _Box, indexes: tuple[int, ...] | None = None, how: str = "nearest") -> ImageData:
    height, width = box.out
    return reader.read(
        dataset, indexes=indexes, window=box.window, height=height, width=width, resampling_method=how  # type: ignore[arg-type]
    )  # fmt: skip


# --- Scenes as pictures -----------------------------------------------------------------------------------


def look_of(path: Path) -> Look:
    """Choose how a scene is shown, by its band names and a small copy of it. Raises RasterError if it cannot be."""
    with open_raster(path) as raster:
        red_green_blue = render.rgb_bands(raster.bands)
        with raster.lend() as dataset:
            if not hasattr(dataset, "colormap"):
                raise RasterError(f"{path}: its bands are pages, of which no picture is made here")
            if raster.facts.has_palette:
                return Look((1,), (), dataset.colormap(1))
            channels = non_alpha_indexes(dataset)
            bands = tuple(channels[i] for i in red_green_blue)
            wanted = tuple(dict.fromkeys(bands))
            found = reader.read(dataset, indexes=wanted, max_size=_OVERVIEW_PX)
    image = found.array.data[[wanted.index(b) for b in bands]]
    valid = _valid(found)
    return Look(bands, render.stretch_limits([(np.where(valid, image, 0), valid)], _RGB), None)


def scene_picture(path: Path, look: Look, longest_px: int) -> Pixels:
    """Give a small picture of a scene as RGBA."""
    with open_raster(path) as raster:
        height, width = raster.grid.shape
        step = max(1.0, max(height, width) / longest_px)
        out = max(1, round(height / step)), max(1, round(width / step))
        return _picture(raster, look, _Box(((0, height), (0, width)), out))


def _picture(raster: RasterFile, look: Look, box: _Box) -> Pixels:
    wanted = tuple(dict.fromkeys(look.bands))
    with raster.lend() as dataset:
        found = _read(dataset, box, wanted, "nearest" if look.palette else "average")
    if look.palette:
        found = found.apply_colormap(dict(look.palette))
        valid = _valid(found)
        return np.dstack([*np.where(valid, found.array.data[:3], 0), np.where(valid, 255, 0)]).astype(np.uint8)
    image, valid = found.array.data[[wanted.index(b) for b in look.bands]], _valid(found)
    rgb = render.to_rgb(np.where(valid, image, 0), _RGB, valid, limits=look.limits)
    return np.dstack([rgb, np.where(valid, 255, 0).astype(np.uint8)])


def _valid(found: ImageData) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = found.mask > 0
    if found.array.dtype.kind == "f":
        valid = valid & np.isfinite(found.array.data).all(axis=0)
    return valid


# --- Maps as pictures -------------------------------------------------------------------------------------


def map_picture(path: Path, longest_px: int) -> bytes:
    """Give a small picture of a class map in the colors of its legend, as PNG; nodata is clear."""
    with open_class_map(path) as opened, opened.raster.lend() as dataset:
        found = reader.read(dataset, max_size=longest_px)
        return _png(found, opened.legend)


def web_tile(path: Path, zoom: int, x: int, y: int) -> bytes | None:
    """Give a tile of the usual grid of the web (Web Mercator, 256 px) in the colors of the legend, as PNG.

    None where the map is not, or where no such tile exists.
    """
    if not 0 <= zoom <= MAX_ZOOM or not (0 <= x < 2**zoom and 0 <= y < 2**zoom):
        return None
    with open_class_map(path) as opened:
        if not opened.grid.is_georeferenced:
            raise RasterError(f"{path}: has no coordinates, so it lies on no tile of the web")
        with opened.raster.lend() as dataset:
            west, south, east, north = WEB_MERCATOR_TMS.xy_bounds(Tile(x, y, zoom))
            found = reader.part(
                dataset, (west, south, east, north), dst_crs=WEB_MERCATOR_CRS, bounds_crs=WEB_MERCATOR_CRS,
                height=_WEB_TILE_PX, width=_WEB_TILE_PX,
            )  # fmt: skip
        return _png(found, opened.legend)


def _png(found: ImageData, legend: Legend) -> bytes:
    colored = found.apply_colormap(colormap(legend))
    valid = _valid(colored)
    return render.encode_png(
        np.dstack([*np.where(valid, colored.array.data, 0), np.where(valid, 255, 0)]).astype(np.uint8)
    )
