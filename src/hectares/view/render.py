"""Pixels to pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.scene import Chip, RasterSource
from hectares.core.window import Window

Picture = NDArray[np.uint8]
"""(h, w, 3)."""

_TRUE_COLOR = (("red", "green", "blue"), ("b04", "b03", "b02"), ("b4", "b3", "b2"))
_NO_DATA_GRAY = 235
_STRIP_PX = 2**21
"""Pixels read at once: with three bands of 16 bits, and what is computed from them, some 30 MB."""
_JPEG_FROM_PX = 300_000
"""Larger images are written as JPEG in pages: a fifth of the size of a PNG, and no difference to be seen."""


class IndexSource(Protocol):
    """A class map that can be read by window."""

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 is nodata."""


def rgb_bands(bands: Sequence[str]) -> tuple[int, int, int]:
    """Choose the bands to show as red, green and blue: by name if they tell, else the first three, else gray.

    >>> rgb_bands(["B02", "B03", "B04", "B08"])
    (2, 1, 0)
    """
    names = [b.lower() for b in bands]
    for red, green, blue in _TRUE_COLOR:
        if {red, green, blue} <= set(names):
            return names.index(red), names.index(green), names.index(blue)
    return (0, 1, 2) if len(bands) >= 3 else (0, 0, 0)


def to_rgb(image: NDArray[Any], bands: Sequence[str], valid: NDArray[np.bool_]) -> Picture:
    """Give a picture of an image (C, h, w), each band stretched from its 2nd to its 98th percentile."""
    picture = np.full((*valid.shape, 3), _NO_DATA_GRAY, np.uint8)
    if not valid.any():
        return picture
    for channel, band in enumerate(rgb_bands(bands)):
        values = image[band].astype(np.float32)
        low, high = np.percentile(values[valid], (2, 98))
        stretched = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
        picture[..., channel] = np.where(valid, np.rint(stretched * 255), _NO_DATA_GRAY)
    return picture


def class_picture(indices: NDArray[np.uint8], legend: Legend) -> Picture:
    """Give a picture of class indices (h, w) in the colors of the legend; nodata is light gray."""
    table = np.full((IGNORE + 1, 3), _NO_DATA_GRAY, np.uint8)
    table[: len(legend)] = [c.color for c in legend.classes]
    return table[indices]


# --- Overviews --------------------------------------------------------------------------------------------


def overview_step(shape: tuple[int, int], longest_px: int) -> int:
    """Give the whole number of pixels that become one, so that the longer side is at most `longest_px`.

    >>> overview_step((20_000, 9_000), 1000), overview_step((300, 200), 1000)
    (20, 1)
    """
    return -(-max(shape) // longest_px)


def image_overview(source: RasterSource, longest_px: int) -> Chip:
    """Give a small picture of a scene, each pixel the mean of the valid pixels of a square; float32.

    A pixel is valid if at least half of its square is. Squares at the right and lower border may be cut.
    The scene is read once, in strips: memory does not depend on its height.
    """
    height, width = source.grid.shape
    step = overview_step((height, width), longest_px)
    parts = [_means(source.read(strip), step) for strip in _strips(height, width, step)]
    image, valid = zip(*parts, strict=True)
    return Chip(np.concatenate(image, axis=1), np.concatenate(valid))


def class_overview(source: IndexSource, longest_px: int) -> NDArray[np.uint8]:
    """Give a small picture of a class map: of each square of pixels the class of the one in the middle.

    Only the rows that are shown are asked for. Classes keep their share of the picture, on average.
    """
    height, width = source.grid.shape
    step = overview_step((height, width), longest_px)
    rows, cols = _middles(height, step), _middles(width, step)
    if step == 1:
        return np.concatenate([source.read(strip) for strip in _strips(height, width, 1)])
    return np.concatenate([source.read(Window(int(row), 0, 1, width))[:, cols] for row in rows])


def _strips(height: int, width: int, step: int) -> Iterator[Window]:
    """Cut a scene into strips of whole squares, of `_STRIP_PX` pixels or one row of squares."""
    rows = max(1, _STRIP_PX // (width * step)) * step
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def _middles(length: int, step: int) -> NDArray[np.int64]:
    """Positions of the middle pixels of the squares; the last square may be cut.

    >>> _middles(10, 4)
    array([2, 6, 9])
    """
    starts: NDArray[np.int64] = np.arange(0, length, step)
    middles: NDArray[np.int64] = starts + np.minimum(step, length - starts) // 2
    return middles


def _means(chip: Chip, step: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean of the valid pixels of each square, and whether at least half of them are valid."""
    observed = _sums(chip.valid[None].astype(np.uint8), step)[0]
    sums = _sums(chip.image, step)  # not valid is 0 there
    size = _sums(np.ones((1, *chip.valid.shape), np.uint8), step)[0]
    means = np.divide(sums, observed, out=np.zeros_like(sums), where=observed > 0)
    valid = observed * 2 >= size
    return np.where(valid, means, 0).astype(np.float32), valid


def _sums(image: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Sum of each square of an image (C, h, w)."""
    rows = np.add.reduceat(image, np.arange(0, image.shape[1], step), axis=1, dtype=np.float64)
    return np.add.reduceat(rows, np.arange(0, image.shape[2], step), axis=2)


# --- Files ------------------------------------------------------------------------------------------------


def encode_photo(picture: Picture) -> tuple[str, bytes]:
    """Give a picture of a scene as media type and bytes: JPEG if it is large, else PNG."""
    if picture.shape[0] * picture.shape[1] < _JPEG_FROM_PX:
        return "image/png", encode_png(picture)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="JPEG", quality=88, optimize=True, progressive=True, subsampling=0)
    return "image/jpeg", file.getvalue()


def encode_classes(indices: NDArray[np.uint8], legend: Legend) -> bytes:
    """Give a class map as the bytes of a PNG file with a palette, whose nodata is transparent."""
    palette = np.full((IGNORE + 1, 3), _NO_DATA_GRAY, np.uint8)
    palette[: len(legend)] = [c.color for c in legend.classes]
    image = Image.fromarray(indices).convert("P")
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True, transparency=IGNORE)
    return file.getvalue()


def encode_png(picture: Picture) -> bytes:
    """Give a picture as the bytes of a PNG file, without a date or a name in it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", optimize=True)
    return file.getvalue()
