"""Pyramids of tiles: a raster at every scale, cut into squares, made while it streams past from top to bottom."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hectares.core.legend import IGNORE

TILE_PX = 512
"""Side of a tile; even, so that strips of tiles shrink to strips of half their height."""
_JPEG_QUALITY = 85

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class MapTile:
    """A square of a level of a pyramid; those at the right and lower border may be cut."""

    level: int
    """0 is the finest; each level has half the pixels of the one before along a side."""
    row: int
    col: int
    pixels: Pixels


def finest_step(shape: tuple[int, int], longest_px: int) -> int:
    """Give the power of two by which a raster is reduced, so that its longer side is at most `longest_px`.

    >>> finest_step((20_000, 9_000), 8_192), finest_step((300, 200), 8_192)
    (4, 1)
    """
    step = 1
    while -(-max(shape) // step) > longest_px:
        step *= 2
    return step


def level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Give the shapes of the levels, from the finest to the one that fits into a tile.

    >>> level_shapes((1100, 600))
    [(1100, 600), (550, 300), (275, 150)]
    """
    shapes = [shape]
    while max(shapes[-1]) > TILE_PX:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


class Pyramid:
    """Takes the rows of a raster from top to bottom, and gives the tiles of all levels as they become complete.

    Memory is that of two strips of tiles, whatever the height of the raster.
    """

    def __init__(self, shape: tuple[int, int], shrink: Callable[[Pixels], Pixels]) -> None:
        """Begin a pyramid of a raster (h, w) or (h, w, channels); `shrink` gives an array of half its sides."""
        self.shapes = level_shapes(shape)
        self._shrink = shrink
        self._held: list[list[Pixels]] = [[] for _ in self.shapes]
        self._done = [0 for _ in self.shapes]

    def add(self, rows: Pixels) -> Iterator[MapTile]:
        """Take rows of any number, and give the tiles that are complete now."""
        yield from self._add(0, rows)

    def _add(self, level: int, rows: Pixels) -> Iterator[MapTile]:
        held = self._held[level]
        held.append(rows)
        while (waiting := sum(len(part) for part in held)) and (
            waiting >= TILE_PX or self._done[level] + waiting == self.shapes[level][0]
        ):
            joined = np.concatenate(held)
            strip = joined[:TILE_PX]
            held[:] = [joined[TILE_PX:]] if len(joined) > TILE_PX else []
            for col in range(0, strip.shape[1], TILE_PX):
                yield MapTile(level, self._done[level] // TILE_PX, col // TILE_PX, strip[:, col : col + TILE_PX])
            self._done[level] += len(strip)
            if level + 1 < len(self.shapes):
                yield from self._add(level + 1, self._shrink(strip))


def shrink_codes(codes: Pixels) -> Pixels:
    """Keep every second pixel: classes keep their share, on average, and none is made up."""
    return codes[::2, ::2]


def shrink_picture(picture: Pixels) -> Pixels:
    """Give means of 2 × 2 pixels of a picture (h, w, RGBA); opaque where at least half of them are.

    >>> shrink_picture(np.array([[[90, 0, 0, 255], [30, 0, 0, 255], [7, 7, 7, 0]]], np.uint8))[..., [0, 3]].tolist()
    [[[60, 255], [7, 0]]]
    """
    height, width = picture.shape[:2]
    even = (
        np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if height % 2 or width % 2 else picture
    )
    corners = [even[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    seen = [(c[..., 3:] > 0).astype(np.uint16) for c in corners]
    counted = seen[0] + seen[1] + seen[2] + seen[3]
    sums = sum((c[..., :3] * s for c, s in zip(corners, seen, strict=True)), np.zeros((), np.uint16))
    half = counted // 2  # rounds to the nearest
    means = np.where(counted > 0, (sums + half) // np.maximum(counted, 1), corners[0][..., :3])
    return np.concatenate([means, np.where(counted >= 2, 255, 0)], axis=2).astype(np.uint8)


def sample(codes: Pixels, step: int) -> Pixels:
    """Give of each square of `step` pixels the one in the middle; squares at the lower and right border may be cut.

    >>> sample(np.arange(15, dtype=np.uint8).reshape(3, 5), 2)
    array([[ 6,  8,  9],
           [11, 13, 14]], dtype=uint8)
    """
    if step == 1:
        return codes
    rows, cols = (np.minimum(np.arange(0, n, step) + step // 2, n - 1) for n in codes.shape)
    return codes[np.ix_(rows, cols)]


def mean_squares(image: NDArray[Any], valid: NDArray[np.bool_], step: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give means of squares of `step` pixels of an image (C, h, w) over its valid pixels; valid where half are."""
    if step == 1:
        return image, valid
    starts = [np.arange(0, n, step) for n in valid.shape]
    sums = np.add.reduceat(np.add.reduceat(image, starts[0], 1, np.float64), starts[1], 2)  # what is not valid is 0
    seen = np.add.reduceat(np.add.reduceat(valid, starts[0], 0, np.float64), starts[1], 1)
    sizes = np.outer(*(np.diff([*s, n]) for s, n in zip(starts, valid.shape, strict=True)))
    return (sums / np.maximum(seen, 1)).astype(np.float32), seen * 2 >= sizes


# --- Tiles as files ---------------------------------------------------------------------------------------


def encode_codes(tile: MapTile, name: str) -> bytes | None:
    """Give a tile of class indices as a script, which a page may load from a disk; None if all of it is nodata.

    A picture would not do: browsers let no page read the pixels of a picture that lies on a disk.
    """
    return None if (tile.pixels == IGNORE).all() else code_script(tile, name)


def code_script(tile: MapTile, name: str) -> bytes:
    """Give a tile of class indices as a script, whatever it shows."""
    packed = base64.b64encode(zlib.compress(tile.pixels.tobytes(), 6)).decode()
    return f'hectares.receive("{name}","{packed}");\n'.encode()


def encode_picture(tile: MapTile) -> tuple[str, bytes] | None:
    """Give a tile of a picture (h, w, RGBA) as suffix and bytes: JPEG, or PNG where some is nodata; None if all."""
    opaque = tile.pixels[..., 3] > 0
    if not opaque.any():
        return None
    file = io.BytesIO()
    if opaque.all():
        image = Image.fromarray(np.ascontiguousarray(tile.pixels[..., :3]))
        image.save(file, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
        return "jpg", file.getvalue()
    clear = np.where(opaque[..., None], tile.pixels, np.zeros((), np.uint8))
    Image.fromarray(clear).save(file, format="PNG", compress_level=6)
    return "png", file.getvalue()
