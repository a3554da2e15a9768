"""Pixels to pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hectares.core.band_roles import role_of
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.scene import Chip, RasterSource
from hectares.core.window import Window

Picture = NDArray[np.uint8]
"""(h, w, 3)."""

_COMPOSITES = (("red", "green", "blue"), ("nir", "red", "green"))
"""What bands measure that are shown as red, green and blue: true color, else near infrared false color."""
_NO_DATA_GRAY = 235
NO_DATA_COLOR = (_NO_DATA_GRAY, _NO_DATA_GRAY, _NO_DATA_GRAY)
_SAMPLE_PX = 2**14
"""Pixels of each image that a common stretch looks at."""
_LEAST_CONTRAST = 0.6
"""An image among several is not stretched further than this part of their common range."""
_READ_PX = 2**21
"""Pixels read at once: with three bands of 16 bits, and what is computed from them, some 30 MB."""
_JPEG_FROM_PX = 60_000
"""Larger images are written as JPEG in pages: a fifth of the size of a PNG, and no difference to be seen."""


class IndexSource(Protocol):
    """A class map that can be read by window."""

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 is nodata."""


def rgb_bands(bands: Sequence[str]) -> tuple[int, int, int]:
    """Choose the bands to show as red, green and blue.

    True color if the names tell, else near infrared false color, else the first three, else the first as gray.

    >>> rgb_bands(["B02", "B03", "B04", "B08"]), rgb_bands(["green", "red", "nir", "height"]), rgb_bands(["vv", "vh"])
    ((2, 1, 0), (2, 1, 0), (0, 0, 0))
    """
    roles = [role_of(name, bands) for name in bands]
    for red, green, blue in _COMPOSITES:
        if {red, green, blue} <= set(roles):
            return roles.index(red), roles.index(green), roles.index(blue)
    return (0, 1, 2) if len(bands) >= 3 else (0, 0, 0)


Limits = Sequence[tuple[float, float]]
"""Values that become black and full, for red, green and blue."""


def stretch_limits(images: Sequence[tuple[NDArray[Any], NDArray[np.bool_]]], bands: Sequence[str]) -> Limits:
    """Give 2nd and 98th percentile of the shown bands over several images (C, h, w) with their valid masks."""
    shown = list(rgb_bands(bands))
    samples = []
    for image, valid in images:
        step = 1 if len(images) == 1 else max(1, int(valid.sum()) // _SAMPLE_PX)
        samples.append(np.stack([image[band][valid][::step] for band in shown]).astype(np.float32))
    pooled = np.concatenate(samples, axis=1) if samples else np.empty((3, 0), np.float32)
    if not pooled.size:
        return ((0.0, 1.0),) * 3
    low, high = np.percentile(pooled, (2, 98), axis=1)
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


def own_limits(image: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[str], common: Limits) -> Limits:
    """Give limits for one of several images: those of all, moved and narrowed alike in the three bands.

    So a dark image can be seen, keeps its hue, and noise is not blown up.
    """
    if not valid.any():
        return common
    scaled = [
        (image[band][valid].astype(np.float32) - low) / max(high - low, 1e-6)
        for band, (low, high) in zip(rgb_bands(bands), common, strict=True)
    ]
    first, last = np.percentile(np.concatenate(scaled), (2, 98)).tolist()
    if last - first < _LEAST_CONTRAST:  # what is dark among the others stays rather dark, what is bright rather bright
        middle = (first + last) / 2
        first = middle - _LEAST_CONTRAST * min(max(middle, 1 / 3), 2 / 3)
        last = first + _LEAST_CONTRAST
    return tuple((low + first * (high - low), low + last * (high - low)) for low, high in common)


def to_rgb(
    image: NDArray[Any], bands: Sequence[str], valid: NDArray[np.bool_], *, limits: Limits | None = None
) -> Picture:
    """Give a picture of an image (C, h, w), its bands stretched between limits; by default those of the image."""
    picture = np.full((*valid.shape, 3), _NO_DATA_GRAY, np.uint8)
    if not valid.any():
        return picture
    own = stretch_limits([(image, valid)], bands) if limits is None else limits
    for channel, (band, (low, high)) in enumerate(zip(rgb_bands(bands), own, strict=True)):
        stretched = np.clip((image[band].astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
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


def image_overview(source: RasterSource, longest_px: int, *, block: tuple[int, int] = (512, 512)) -> Chip:
    """Give a small picture of a scene, each pixel the mean of the valid pixels of a square; float32.

    A pixel is valid if at least half of its square is. Squares at the right and lower border may be cut.
    Every pixel is read once; read in windows of whole blocks, a file decodes every block once. Memory depends on
    neither height nor width of the scene.
    """
    grid = source.grid
    step = overview_step(grid.shape, longest_px)
    shape = tuple(-(-length // step) for length in grid.shape)
    sums, observed = np.zeros((len(source.bands), *shape)), np.zeros(shape)
    for window in _windows(grid.shape, block):
        chip = source.read(window)
        area = tuple(
            slice(first // step, -(-last // step))
            for first, last in ((window.row, window.row_end), (window.col, window.col_end))
        )
        sums[:, *area] += _sums(chip.image, window, step)  # what is not valid is 0
        observed[area] += _sums(chip.valid[None], window, step)[0]
    size = np.outer(*(np.diff([*range(0, length, step), length]) for length in grid.shape))
    valid = observed * 2 >= size
    means = np.divide(sums, observed, out=np.zeros_like(sums), where=valid)
    return Chip(means.astype(np.float32), valid)


def class_overview(source: IndexSource, longest_px: int) -> NDArray[np.uint8]:
    """Give a small picture of a class map: of each square of pixels the class of the one in the middle.

    Only the rows that are shown are asked for. Classes keep their share of the picture, on average.
    """
    height, width = source.grid.shape
    step = overview_step((height, width), longest_px)
    rows, cols = _middles(height, step), _middles(width, step)
    if step == 1:
        return source.read(source.grid.window)
    return np.concatenate([source.read(Window(int(row), 0, 1, width))[:, cols] for row in rows])


def _windows(shape: tuple[int, int], block: tuple[int, int]) -> Iterator[Window]:
    """Cut a scene into windows of whole blocks, as many as are read at once."""
    rows, cols = min(block[0], shape[0]), min(block[1], shape[1])
    cols = min(shape[1], max(1, _READ_PX // (rows * cols)) * cols)
    rows *= max(1, _READ_PX // (rows * cols))
    for row in range(0, shape[0], rows):
        for col in range(0, shape[1], cols):
            yield Window(row, col, min(rows, shape[0] - row), min(cols, shape[1] - col))


def _middles(length: int, step: int) -> NDArray[np.int64]:
    """Positions of the middle pixels of the squares; the last square may be cut.

    >>> _middles(10, 4)
    array([2, 6, 9])
    """
    starts: NDArray[np.int64] = np.arange(0, length, step)
    middles: NDArray[np.int64] = starts + np.minimum(step, length - starts) // 2
    return middles


def _sums(image: NDArray[Any], window: Window, step: int) -> NDArray[np.float64]:
    """Sum of each square of the overview over the part of it that lies in a window; image (C, h, w)."""
    rows, cols = _edges(window.row, window.height, step), _edges(window.col, window.width, step)
    lines = [image[:, a:b].sum(axis=1, dtype=np.float64) for a, b in zip(rows, [*rows[1:], window.height], strict=True)]
    sums: NDArray[np.float64] = np.add.reduceat(np.stack(lines, axis=1), cols, axis=2)
    return sums


def _edges(start: int, length: int, step: int) -> list[int]:
    """Give where squares begin in a window that begins at `start`; the first may have begun before.

    >>> _edges(7, 8, 5)
    [0, 3]
    """
    return [0, *range(step - start % step, length, step)]


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
    Image.fromarray(picture).save(file, format="PNG", compress_level=6)
    return file.getvalue()
