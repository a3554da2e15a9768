"""What an image looks like from afar: a small gray picture, and a hash of it that survives recompression.

The hash has 64 bits: which of the 64 lowest frequencies of a 32 x 32 thumbnail are above their median.
Flipping an image only changes signs of frequencies, rotating it also swaps them, so all eight come at no cost.
Source: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hectares.core.window import Window

SIDE = 32
_KEPT = 16
"""Side of the thumbnails that are kept, to confirm what the hashes suggest."""
_LOW = 8
ALIKE = 0.9
"""Least correlation of two thumbnails of one image: of the calibration of `--near`, copies have 0.93, others 0.8."""
_AT_ONCE = 2**16
_CONTRAST = 1e-6
"""Of the mean level: less is rounding."""

Gray = NDArray[np.float64]


class Thumbnail:
    """Averages an image that is read window by window into a small gray picture."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._sum = np.zeros((SIDE, SIDE))
        self._weight = np.zeros((SIDE, SIDE))

    def add(self, image: NDArray[np.generic], valid: NDArray[np.bool_], window: Window) -> None:
        """Add a window (C, h, w) with its valid mask (h, w)."""
        rows = _shares(self._shape[0])[:, window.row : window.row_end]
        cols = _shares(self._shape[1])[:, window.col : window.col_end]
        gray = image.mean(axis=0, dtype=np.float32)
        if valid.all():
            self._weight += np.outer(rows.sum(axis=1), cols.sum(axis=1))
        else:
            gray = np.where(valid, gray, np.float32(0))
            self._weight += rows @ valid.astype(np.float32) @ cols.T
        self._sum += rows @ gray @ cols.T

    @property
    def gray(self) -> Gray:
        """The picture (32, 32); cells without a valid pixel have the mean of the others."""
        seen = self._weight > 0
        gray = np.divide(self._sum, self._weight, where=seen, out=np.zeros_like(self._sum))
        gray[~seen] = gray[seen].mean() if seen.any() else 0
        return gray


@lru_cache(maxsize=64)
def _shares(size: int) -> NDArray[np.float32]:
    """Give how much of each of `size` pixels lies in each cell (32, size)."""
    edges = np.linspace(0, size, SIDE + 1)
    pixels = np.arange(size)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float32] = np.clip(shared, 0, None).astype(np.float32)
    return shares


@lru_cache(maxsize=1)
def _cosines() -> Gray:
    """Give the lowest frequencies of the cosine transform, (8, 32)."""
    positions = np.arange(SIDE)
    return np.cos(np.pi * (2 * positions + 1) * np.arange(_LOW)[:, None] / (2 * SIDE))


def has_texture(gray: Gray) -> bool:
    """Tell if a picture is anything but constant."""
    return bool(np.ptp(gray) > _CONTRAST * max(float(np.abs(gray).max()), 1e-12))


def look_hashes(gray: Gray, *, turns: bool = False) -> NDArray[np.uint64]:
    """Give the hash of a picture (32, 32), (1,); with `turns` those of its eight flips and rotations, upright first.

    >>> picture = np.random.default_rng(1).random((32, 32))
    >>> bool(look_hashes(picture[::-1])[0] in look_hashes(picture, turns=True))
    True
    """
    low = _cosines() @ gray @ _cosines().T
    if not turns:
        return np.array([_bits(low)], np.uint64)
    odd = np.where(np.arange(_LOW) % 2, -1.0, 1.0)
    flips = [low, low * odd, low * odd[:, None], low * odd * odd[:, None]]
    return np.array([_bits(f) for low in flips for f in (low, low.T)], np.uint64)


def _bits(low: Gray) -> int:
    values = low.ravel()[1:]  # the first is the mean level, which brightness changes
    above = values > np.median(values)
    return int.from_bytes(np.packbits(np.concatenate([[False], above])).tobytes(), "big")


def keep(gray: Gray) -> NDArray[np.int8]:
    """Give a picture (32, 32) as what is kept of it (256,): smaller, around its mean, of 8 bits."""
    small = gray.reshape(_KEPT, 2, _KEPT, 2).mean(axis=(1, 3))
    small = small - small.mean()
    scaled: NDArray[np.int8] = np.rint(small / max(float(np.abs(small).max()), 1e-12) * 127).astype(np.int8).ravel()
    return scaled


def alike(thumbnails: NDArray[np.int8], pairs: NDArray[np.int64], *, turns: int = 1) -> NDArray[np.bool_]:
    """Tell which pairs (P, 2) of thumbnails (N, 256) show the same, upright or, of 8 `turns`, in any."""
    found = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(pairs), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        first, second = (thumbnails[pairs[part, i]].reshape(-1, _KEPT, _KEPT).astype(np.float32) for i in (0, 1))
        best = _correlation(first, second)
        for turned in _turned(second) if turns > 1 else ():
            best = np.maximum(best, _correlation(first, turned))
        found[part] = best >= ALIKE
    return found


def _turned(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    flips = [images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]]
    return [t for f in flips for t in (f, f.swapaxes(1, 2))][1:]


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    size = np.sqrt((a**2).sum(axis=(1, 2)) * (b**2).sum(axis=(1, 2)))
    correlation: NDArray[np.float32] = (a * b).sum(axis=(1, 2)) / np.maximum(size, 1e-6)
    return correlation
