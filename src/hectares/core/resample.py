"""Pixels of one grid from those of another: linear for images, nearest for labels and masks.

Grids are related axis by axis (no rotation), so that an image is resampled along its rows and then along its
columns. A window gives the same pixels, bit for bit, as the same part of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE
from hectares.core.scene import Chip, RasterSource, place
from hectares.core.window import Window
from hectares.errors import GridError

MIN_COVERAGE = 0.5
"""An output pixel is valid if pixels with at least this share of its weight are."""
ANY_COVERAGE = 1e-6
"""For what must keep every pixel: an output pixel is valid if any pixel that it sees is."""
_EDGE_PX = 1e-6
_BLOCK_PX = 2**15
"""Few enough that sums stay in the cache of the processor."""
_AT_ONCE = 2**22
"""Input pixels that are read at a time: a coarse window of a fine image would not fit into memory."""


@dataclass(frozen=True, slots=True)
class AxisMap:
    """Where the pixels of an output lie along one axis of an input.

    The point `x` of the output, in pixels from its edge, lies at `scale * x + offset` of the input.

    >>> AxisMap.fit(200, 100)                      # half the size: the first pixel covers 0 to 2, its center is 1
    AxisMap(scale=2.0, offset=0.0, extent=200)
    >>> AxisMap.fit(200, 100).span(10, 5)          # with half a kernel as a margin
    (19, 31)
    """

    scale: float
    offset: float
    extent: int
    """Pixels of the input along this axis."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0 or self.extent < 1:
            raise GridError(
                f"cannot resample {self.extent} px by a factor of {self.scale} and a shift of {self.offset}"
            )

    @classmethod
    def fit(cls, input_px: int, output_px: int) -> AxisMap:
        """Relate two axes that cover the same ground."""
        return cls(input_px / output_px, 0.0, input_px)

    @property
    def reach(self) -> float:
        """Half the width of the kernel, in input pixels; it grows when shrinking, so that no pixel is passed over."""
        return max(1.0, abs(self.scale))

    def centers(self, start: int, count: int) -> NDArray[np.float64]:
        """Input positions of the centers of output pixels."""
        return self.scale * (np.arange(start, start + count, dtype=np.float64) + 0.5) + self.offset

    def span(self, start: int, count: int) -> tuple[int, int]:
        """First input pixel, and the one after the last, that a run of output pixels needs."""
        if count < 1:
            return 0, 0
        first, taps = self._taps(self.centers(start, count)), math.ceil(2 * self.reach)
        begin, end = max(0, int(first.min())), min(self.extent, int(first.max()) + taps)
        return begin, max(begin, end)

    def weights(self, start: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """Give the input pixels (n, taps) of output pixels, their weights, and which outputs lie inside (n,).

        The kernel is a triangle: bilinear interpolation when enlarging, a weighted mean when shrinking. Weights
        beyond the edge go to the pixels inside.
        """
        centers = self.centers(start, count)
        pixels = self._taps(centers)[:, None] + np.arange(math.ceil(2 * self.reach))
        weights = np.maximum(0.0, 1 - np.abs(pixels + 0.5 - centers[:, None]) / self.reach)
        weights[(pixels < 0) | (pixels >= self.extent)] = 0
        total = weights.sum(axis=1, keepdims=True)
        inside = (centers >= -_EDGE_PX) & (centers <= self.extent + _EDGE_PX) & (total[:, 0] > 0)
        return pixels, weights / np.where(total > 0, total, 1), inside

    def nearest(self, start: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Give the input pixel (n,) that holds the center of each output pixel, and which outputs lie inside (n,)."""
        centers = self.centers(start, count)
        inside = (centers >= -_EDGE_PX) & (centers <= self.extent + _EDGE_PX)
        return np.clip(np.floor(centers), 0, self.extent - 1).astype(np.int64), inside

    def _taps(self, centers: NDArray[np.float64]) -> NDArray[np.int64]:
        """First pixel whose center lies within the kernel."""
        return (np.floor(centers - self.reach - 0.5) + 1).astype(np.int64)


# --- Images -----------------------------------------------------------------------------------------------


def input_window(rows: AxisMap, cols: AxisMap, window: Window) -> Window:
    """Give the part of the input that a window of the output needs; of size zero if there is none.

    >>> input_window(AxisMap.fit(100, 200), AxisMap.fit(100, 200), Window(20, 40, 10, 10))
    Window(row=9, col=19, height=7, width=7)
    """
    (top, bottom), (left, right) = rows.span(window.row, window.height), cols.span(window.col, window.width)
    return Window(top, left, bottom - top, right - left)


def resample_linear(
    chip: Chip, source: Window, rows: AxisMap, cols: AxisMap, window: Window, *, coverage: float = MIN_COVERAGE
) -> Chip:
    """Give a window of the output as float32, from the chip of `source`, which holds its `input_window`.

    Pixels that are not valid have no weight; an output pixel is valid if pixels with at least the share `coverage` of
    the weight are, and if its center lies inside the input.

    >>> chip = Chip(np.array([[[0, 4, 8, 100]]], np.uint16), np.array([[True, True, True, False]]))
    >>> half = resample_linear(chip, Window(0, 0, 1, 4), AxisMap.fit(1, 1), AxisMap.fit(4, 2), Window(0, 0, 1, 2))
    >>> half.image[0, 0].tolist()           # (3 * 0 + 3 * 4 + 1 * 8) / 7; then, without the last pixel, (4 + 3 * 8) / 4
    [2.857142925262451, 7.0]
    """
    if not source.pixels:
        return Chip(np.zeros((len(chip.image), *window.shape), np.float32), np.zeros(window.shape, np.bool_))
    row_pixels, row_weights, row_inside = rows.weights(window.row, window.height)
    col_pixels, col_weights, col_inside = cols.weights(window.col, window.width)
    row_pixels = np.clip(row_pixels - source.row, 0, source.height - 1)
    col_pixels = np.clip(col_pixels - source.col, 0, source.width - 1)

    def blend(planes: NDArray[Any], kind: type[np.floating[Any]]) -> NDArray[Any]:
        blended = np.empty((len(planes), *window.shape), kind)
        wide = np.empty((window.width, source.height))
        for plane, out in zip(planes, blended, strict=True):
            # Rows lie together in memory, columns do not: columns are blended as the rows of the transpose.
            _blend_rows(np.ascontiguousarray(plane.T, np.float64), col_pixels, col_weights, wide)
            _blend_rows(np.ascontiguousarray(wide.T), row_pixels, row_weights, out)
        return blended

    inside = row_inside[:, None] & col_inside
    if chip.valid.all():
        image, valid = blend(chip.image, np.float32), inside
    else:
        # One minus what is missing, not the sum of what is there: exactly 1 where nothing is missing.
        seen = 1 - blend(~chip.valid[None], np.float64)[0]
        valid = inside & (seen >= coverage)
        image = blend(np.where(chip.valid, chip.image, 0), np.float64) / np.where(valid, seen, 1)
    if not valid.all():
        image[:, ~valid] = 0
    return Chip(image.astype(np.float32, copy=False), valid)


def _blend_rows(
    plane: NDArray[np.float64], pixels: NDArray[np.int64], weights: NDArray[np.float64], out: NDArray[Any]
) -> None:
    """Fill `out` (n, w) with weighted sums of rows of a plane (h, w), always added in the same order."""
    rows = max(1, _BLOCK_PX // max(1, plane.shape[1]))
    for start in range(0, len(out), rows):
        block = slice(start, start + rows)
        total = np.zeros((len(pixels[block]), plane.shape[1]))
        for chosen, weight in zip(pixels[block].T, weights[block].T, strict=True):
            total += weight[:, None] * plane[chosen]
        out[block] = total


def read_resampled(
    read: Callable[[Window], Chip], rows: AxisMap, cols: AxisMap, window: Window, *, coverage: float = MIN_COVERAGE
) -> Chip:
    """Give a window of the output as float32, reading the input in parts of bounded size; see `resample_linear`."""
    source = input_window(rows, cols, window)
    if source.pixels <= _AT_ONCE or window.pixels < 2:
        return resample_linear(read(source), source, rows, cols, window, coverage=coverage)
    axis = 0 if window.height >= window.width else 1
    half = window.shape[axis] // 2
    if axis == 0:
        parts = Window(window.row, window.col, half, window.width), _rest(window, half, 0)
    else:
        parts = Window(window.row, window.col, window.height, half), _rest(window, 0, half)
    chips = [read_resampled(read, rows, cols, part, coverage=coverage) for part in parts]
    image = np.concatenate([c.image for c in chips], axis=axis + 1)
    return Chip(image, np.concatenate([c.valid for c in chips], axis=axis))


def _rest(window: Window, rows: int, cols: int) -> Window:
    return Window(window.row + rows, window.col + cols, window.height - rows, window.width - cols)


class ResampledSource:
    """A scene with larger or smaller pixels; values are float32.

    >>> from hectares.core.scene import ArraySource
    >>> scene = ArraySource(np.full((1, 4, 6), 7, np.uint8), Grid(None, Affine.identity(), (4, 6)), ["gray"])
    >>> half = ResampledSource(scene, 0.5)
    >>> half.grid.shape, half.read(Window(0, 0, 1, 1)).image.item()
    ((2, 3), 7.0)
    """

    def __init__(self, source: RasterSource, factor: float) -> None:
        height, width = source.grid.shape
        shape = resized(source.grid.shape, factor)
        stretch = Affine.scale(width / shape[1], height / shape[0])
        self.grid = Grid(source.grid.crs, source.grid.transform @ stretch, shape)
        self.bands = source.bands
        self._source = source
        self._rows, self._cols = AxisMap.fit(height, shape[0]), AxisMap.fit(width, shape[1])

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""
        inside = window & self.grid.window
        if not inside.pixels:
            return Chip(np.zeros((len(self.bands), *window.shape), np.float32), np.zeros(window.shape, np.bool_))
        return place(read_resampled(self._source.read, self._rows, self._cols, inside), inside, window)


def resized(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Give the shape of an image that is resampled by a factor, to whole pixels.

    >>> resized((1024, 700), 128 / 1024)
    (128, 88)
    """
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


# --- Labels and masks -------------------------------------------------------------------------------------


def resample_nearest(
    codes: NDArray[Any], source: Window, rows: AxisMap, cols: AxisMap, window: Window, *, fill: int | bool = IGNORE
) -> NDArray[Any]:
    """Give a window of the output of codes or masks (..., h, w) of `source`: never a value that is not there.

    Outside the input it is `fill`.

    >>> codes = np.array([[10, 10, 35, 35]], np.uint8)
    >>> resample_nearest(codes, Window(0, 0, 1, 4), AxisMap.fit(1, 1), AxisMap.fit(4, 3), Window(0, 0, 1, 4))
    array([[ 10,  35,  35, 255]], dtype=uint8)
    """
    row_pixels, row_inside = rows.nearest(window.row, window.height)
    col_pixels, col_inside = cols.nearest(window.col, window.width)
    inside = row_inside[:, None] & col_inside
    if not source.pixels:
        return np.full((*codes.shape[:-2], *window.shape), fill, codes.dtype)
    row_pixels = np.clip(row_pixels - source.row, 0, source.height - 1)
    col_pixels = np.clip(col_pixels - source.col, 0, source.width - 1)
    chosen = codes[..., row_pixels[:, None], col_pixels]
    return chosen if inside.all() else np.where(inside, chosen, np.array(fill, codes.dtype))


def nearest_window(
    read: Callable[[Window], NDArray[Any]],
    shape: tuple[int, int],
    resized_shape: tuple[int, int],
    window: Window,
    *,
    fill: int | bool = IGNORE,
) -> NDArray[Any]:
    """Give a window (..., h, w) of codes resampled from `shape` to `resized_shape`; `fill` beyond them."""
    rows, cols = AxisMap.fit(shape[0], resized_shape[0]), AxisMap.fit(shape[1], resized_shape[1])
    inside = window & Window(0, 0, *resized_shape)
    source = input_window(rows, cols, inside)
    codes = resample_nearest(read(source), source, rows, cols, inside, fill=fill)
    if inside == window:
        return codes
    placed = np.full((*codes.shape[:-2], *window.shape), fill, codes.dtype)
    placed[..., *inside.within(window).slices] = codes
    return placed
