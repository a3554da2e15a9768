"""Polygons in pixel coordinates as pixels: which ones they cover, kept as bits, and which polygons cover none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from hectares.core.window import Window

_STRIP_PX = 2**24
"""Pixels that are burned at a time."""


@dataclass(frozen=True, slots=True)
class Burned:
    """Polygons as pixels."""

    bits: NDArray[np.uint8]
    """One bit a pixel, rows padded to whole bytes."""
    pixels: int
    hit: NDArray[np.bool_]
    """Which polygons burn a pixel of their own or of others."""


def mend(polygon: shapely.Polygon) -> shapely.Geometry:
    """Give what the outline encloses without what the holes enclose; a hole outside takes nothing away."""
    rings = [shapely.Polygon(ring) for ring in (polygon.exterior, *polygon.interiors)]
    outline, *holes = shapely.make_valid(rings, method="structure", keep_collapsed=False)
    return shapely.difference(outline, shapely.union_all(holes))


def outside(polygons: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which polygons (x = col, y = row) have no part in an image (height, width)."""
    left, top, right, bottom = shapely.bounds(polygons).reshape(-1, 4).T
    beyond: NDArray[np.bool_] = (right <= 0) | (bottom <= 0) | (left >= shape[1]) | (top >= shape[0])
    return beyond


def burn_polygons(polygons: NDArray[Any], shape: tuple[int, int], *, all_touched: bool) -> Burned:
    """Burn valid polygons (x = col, y = row) onto an image (height, width), by pixel centers unless all touched count.

    They are burned by number, large ones first, so that a polygon without pixels shows.
    """
    height, width = shape
    polygons = _cut_far(polygons, shape)
    bits = np.zeros((height, -(-width // 8)), np.uint8)
    hit = np.zeros(len(polygons), np.bool_)
    pixels = 0
    order = np.argsort(-shapely.area(polygons), kind="stable")
    order = order[~outside(polygons, shape)[order] & ~shapely.is_empty(polygons[order])]
    _, tops, _, bottoms = shapely.bounds(polygons[order]).reshape(-1, 4).T
    step = max(1, _STRIP_PX // width)
    for row in range(0, height, step):
        strip = Window(row, 0, min(step, height - row), width)
        near = order[(bottoms > strip.row) & (tops < strip.row_end)]
        if near.size:
            numbers = _rasterize([(polygons[i], int(i) + 1) for i in near], strip, all_touched)
            hit |= np.bincount(numbers.ravel(), minlength=len(polygons) + 1)[1:] > 0
            bits[strip.row : strip.row_end] = np.packbits(numbers > 0, axis=1)
            pixels += int(np.count_nonzero(numbers))
    for i in order[~hit[order]]:  # below others, or thinner than a pixel
        left, top, right, bottom = (int(v) for v in polygons[i].bounds)
        alone = Window(top - 1, left - 1, bottom - top + 3, right - left + 3) & Window(0, 0, height, width)
        hit[i] = alone.pixels > 0 and _rasterize([(polygons[i], 1)], alone, all_touched).any()
    return Burned(bits, pixels, hit)


def _rasterize(shapes: Sequence[tuple[shapely.Geometry, int]], window: Window, all_touched: bool) -> NDArray[np.int32]:
    numbers: NDArray[np.int32] = features.rasterize(
        shapes,
        out_shape=window.shape,
        transform=Affine.translation(window.col, window.row),
        dtype="int32",
        all_touched=all_touched,
    )
    return numbers


def _cut_far(polygons: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Cut polygons that reach far beyond the image: GDAL counts in 32 bits."""
    height, width = shape
    left, top, right, bottom = shapely.bounds(polygons).reshape(-1, 4).T
    far = (left < -width) | (top < -height) | (right > 2 * width) | (bottom > 2 * height)
    cut = polygons.copy()
    cut[far] = shapely.intersection(polygons[far], shapely.box(-2, -2, width + 2, height + 2))
    return cut
