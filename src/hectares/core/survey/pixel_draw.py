"""A sample of pixels from a map that is read window by window, in memory that does not grow with the map.

Every pixel has a random number of its own, which depends on the seed and on its place alone. In each stratum the
pixels with the smallest number per area are drawn. So the result does not depend on windows or their order, and the
first n pixels of a larger sample are the sample of n: more points are drawn later by asking for more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.scoring.scores import FloatArray
from hectares.core.window import Window

IntArray = NDArray[np.int64]
_PER_STEP = 4
"""Numbers that the generator gives for one value of its counter."""


def pixel_numbers(seed: int, window: Window, *, stream: int = 0) -> FloatArray:
    """Give each pixel of a window its random number in [0, 1), (h, w); the same in any window that holds the pixel.

    The counter of the generator is the place of the pixel. Another `stream` gives other numbers.

    Source: Philox4x64-10 of Salmon, Moraes, Dror and Shaw 2011, Parallel Random Numbers: As Easy as 1, 2, 3.

    >>> whole = pixel_numbers(7, Window(0, 0, 4, 9))
    >>> bool((pixel_numbers(7, Window(2, 3, 2, 5)) == whole[2:4, 3:8]).all())
    True
    """
    first, skipped = divmod(window.col, _PER_STEP)
    numbers = np.empty(window.shape)
    for line in range(window.height):
        generator = np.random.Philox(key=seed, counter=[first, window.row + line, stream, 0])
        raw = generator.random_raw(skipped + window.width)[skipped:]
        numbers[line] = (raw >> np.uint64(11)) * 2.0**-53
    return numbers


@dataclass(frozen=True, eq=False)
class DrawnPixels:
    """Pixels in the order in which they were drawn within their stratum, stratum by stratum; (n,) each."""

    stratum: IntArray
    """From 0."""
    row: IntArray
    col: IntArray
    key: FloatArray

    def first(self, numbers: IntArray) -> NDArray[np.bool_]:
        """Tell which pixels are among the first `numbers` (H,) of their stratum."""
        return np.asarray(_ranks(self.stratum) < numbers[self.stratum])


class PixelDraw:
    """Draws pixels without replacement, in each stratum with a chance in proportion to their area.

    Kept are the pixels with the smallest keys, random number / area. The chance of pixel i to be among the n drawn of
    N is n a_i / A times 1 + d, where |d| is at most about |a_i / mean a - 1| / N: where the pixels of a stratum are of
    one size it is a simple random sample, in a grid of degrees it is in proportion to area to within a part in N.
    A census (n = N) takes every pixel.

    Source: sequential Poisson sampling of Ohlsson 1998, Journal of Official Statistics 14; an order sampling of Rosen
    1997, Journal of Statistical Planning and Inference 62.

    >>> draw = PixelDraw(np.array([2, 1]))
    >>> draw.add(np.array([[0, 0, 0], [1, -1, 1]]), np.ones((2, 3)), Window(0, 0, 2, 3), seed=1)
    >>> draw.result().stratum
    array([0, 0, 1])
    """

    def __init__(self, wanted: IntArray) -> None:
        self._wanted = wanted
        self._limits = np.where(wanted > 0, np.inf, -np.inf)
        none = np.zeros(0, np.int64)
        self._kept = DrawnPixels(none, none, none, np.zeros(0))

    def add(self, strata: NDArray[np.integer], areas_m2: FloatArray, window: Window, *, seed: int) -> None:
        """Offer the pixels of a window: strata (h, w) from 0, below 0 where nothing may be drawn."""
        keys = pixel_numbers(seed, window) / areas_m2
        rows, cols = np.nonzero((strata >= 0) & (keys <= self._limits[np.maximum(strata, 0)]))
        old = self._kept
        stratum = np.concatenate([old.stratum, strata[rows, cols].astype(np.int64)])
        key = np.concatenate([old.key, keys[rows, cols]])
        row, col = np.concatenate([old.row, rows + window.row]), np.concatenate([old.col, cols + window.col])
        order = np.lexsort((col, row, key, stratum))
        order = order[_ranks(stratum[order]) < self._wanted[stratum[order]]]
        self._kept = DrawnPixels(stratum[order], row[order], col[order], key[order])
        self._tighten()

    def _tighten(self) -> None:
        """What is above the largest key of a stratum that has enough will never be drawn."""
        numbers = np.bincount(self._kept.stratum, minlength=len(self._wanted))
        full = np.flatnonzero((numbers == self._wanted) & (numbers > 0))
        self._limits[full] = self._kept.key[np.cumsum(numbers)[full] - 1]

    def result(self) -> DrawnPixels:
        """Give what was drawn."""
        return self._kept


def _ranks(stratum: IntArray) -> IntArray:
    """(n,) place of each within its stratum, from 0; `stratum` is ascending."""
    starts = np.searchsorted(stratum, stratum, side="left")
    return np.arange(len(stratum)) - starts


def scattered(rows: IntArray, cols: IntArray, seed: int) -> IntArray:
    """Give the order of pixels by another random number of theirs: it tells nothing of the strata they are in.

    >>> scattered(np.array([0, 0, 5]), np.array([0, 1, 5]), seed=0)
    array([1, 2, 0])
    """
    windows = (Window(int(row), int(col), 1, 1) for row, col in zip(rows, cols, strict=True))
    return np.argsort([pixel_numbers(seed, w, stream=1)[0, 0] for w in windows], kind="stable").astype(np.int64)
