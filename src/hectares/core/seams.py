"""Seams of a class map: whether its labels change more often where two tiles meet than inside of them.

Every pair of neighboring pixels lies inside one tile's core or across the border of two. If tiles had no influence,
labels would change across borders as often as elsewhere: the ratio of the two rates would be 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.scoring.bootstrap import Resampling, bootstrap
from hectares.core.scoring.scores import FloatArray
from hectares.core.window import Tiling, Window

_MOST_UNITS = 1024
_HOW = Resampling(draws=1000, method="percentile")


@dataclass(frozen=True, slots=True)
class Seams:
    """Pairs of neighboring pixels, and how many of them differ: across borders of cores, and inside cores."""

    border_pairs: int
    border_changes: int
    inner_pairs: int
    inner_changes: int
    ratio: float | None
    """Rate of change across borders to that inside; None without borders, or where nothing changes inside."""
    low: float | None
    """Ends of the 95 % interval of the ratio, by drawing tiles anew; None with too few of them."""
    high: float | None

    @property
    def is_visible(self) -> bool:
        """True if labels change more often across borders than chance explains.

        >>> Seams(600, 90, 9000, 500, ratio=2.7, low=1.9, high=3.6).is_visible
        True
        """
        return self.low is not None and self.low > 1

    def to_json(self) -> dict[str, Any]:
        """Give the numbers as a record."""
        return asdict(self)


class SeamCounter:
    """Counts changes of label in a map that comes in windows, in any order; memory is that of the number of tiles.

    >>> counter = SeamCounter((2, 4), rows=[0], cols=[0, 2])
    >>> counter.add(Window(0, 0, 2, 4), np.array([[1, 1, 2, 2], [1, 3, 3, 255]], np.uint8))
    >>> found = counter.result()
    >>> found.border_pairs, found.border_changes, found.inner_pairs, found.inner_changes
    (2, 1, 6, 3)
    """

    def __init__(self, shape: tuple[int, int], rows: Sequence[int], cols: Sequence[int]) -> None:
        """Begin with the first rows and columns of the cores, which start with 0; `shape` is that of the map."""
        self.shape = shape
        self._firsts = (np.asarray(rows), np.asarray(cols))
        self._sums = np.zeros((len(rows), len(cols), 4), np.int64)  # across borders, changed; inside, changed

    @classmethod
    def of(cls, tiling: Tiling) -> SeamCounter:
        """Begin with the cores of a tiling."""
        rows, cols = tiling.counts
        firsts = [tiling[i * cols].core.row for i in range(rows)]
        return cls(tiling.shape, firsts, [tiling[j].core.col for j in range(cols)])

    def reach(self, window: Window) -> Window:
        """Give a window with the row above and the column to the left: what `add` wants to see of the map.

        >>> SeamCounter((9, 9), [0], [0]).reach(Window(3, 0, 2, 4))
        Window(row=2, col=0, height=3, width=4)
        """
        row, col = max(0, window.row - 1), max(0, window.col - 1)
        return Window(row, col, window.row_end - row, window.col_end - col)

    def add(self, window: Window, labels: NDArray[np.uint8]) -> None:
        """Count a window from its labels in `reach(window)`, codes or indices; pairs with 255 do not count.

        A pair belongs to the window of its right or lower pixel, so that windows that partition a map count all once.
        """
        if (labels == IGNORE).all():
            return
        outer = self.reach(window)
        inner = window.within(outer)
        own_rows, own_cols = labels[inner.row :], labels[:, inner.col :]
        self._add(own_rows[:, :-1], own_rows[:, 1:], window.row, outer.col + 1, axis=1)
        self._add(own_cols[:-1], own_cols[1:], outer.row + 1, window.col, axis=0)

    def _add(self, one: NDArray[np.uint8], other: NDArray[np.uint8], row: int, col: int, *, axis: int) -> None:
        """Count pairs along an axis; `other` (h, w) has its first pixel at row and col of the map."""
        both = (one != IGNORE) & (other != IGNORE)
        changed = both & (one != other)
        spans = [self._tiles(0, row, other.shape[0]), self._tiles(1, col, other.shape[1])]
        for (i, rows, new_row), (j, cols, new_col) in product(*spans):
            # only the first line of a tile has its neighbors in another one
            across = np.s_[rows.start, cols] if axis == 0 else np.s_[rows, cols.start]
            is_new = (new_row, new_col)[axis]
            for column, pairs in ((0, both), (1, changed)):
                crossing = int(np.count_nonzero(pairs[across])) if is_new else 0
                self._sums[i, j, column] += crossing
                self._sums[i, j, column + 2] += np.count_nonzero(pairs[rows, cols]) - crossing

    def _tiles(self, axis: int, begin: int, length: int) -> list[tuple[int, slice, bool]]:
        """Give the tiles that so many lines lie in: number, which lines, and whether its first one is among them."""
        firsts, end = self._firsts[axis], begin + length
        numbers = range(int(np.searchsorted(firsts, begin, side="right")) - 1, int(np.searchsorted(firsts, end)))
        found = []
        for number in numbers:
            first = int(firsts[number])
            after = int(firsts[number + 1]) if number + 1 < len(firsts) else end
            lines = slice(max(first, begin) - begin, min(after, end) - begin)
            found.append((number, lines, first >= begin))
        return found

    def result(self) -> Seams:
        """Give what was counted, with the ratio and its interval."""
        sums = self._sums.reshape(-1, 4)
        border, changed, inner, inner_changed = (int(v) for v in sums.sum(axis=0))
        merged = np.add.reduceat(sums, np.arange(0, len(sums), -(-len(sums) // _MOST_UNITS)))
        found = bootstrap(merged, _ratio, _HOW)
        ends = [None if np.isnan(v[0]) else float(v[0]) for v in (found.value, found.low, found.high)]
        return Seams(border, changed, inner, inner_changed, *ends)


def _ratio(sums: FloatArray) -> FloatArray:
    border, changed, inner, inner_changed = np.moveaxis(sums[..., :4], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (changed / border) / (inner_changed / inner)
    return np.where(np.isfinite(found), found, np.nan)[..., None]
