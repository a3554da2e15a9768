"""Do labels lie on their images? Where they do, their borders run along edges of the image.

For every shift within a few pixels, the strength of image edges is averaged along the shifted borders. Its peak
tells the shift. Windows are divided into quarters, which must agree: chance peaks lie anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.window import Window

REACH = 12
"""Shifts of up to so many pixels are found."""
TILE = 256
_LEAST = 3 * REACH
_QUARTERS = 4
_RANKS = 64
"""Strengths are replaced by ranks, so that a few very strong edges do not decide alone."""
_GAP_PX = 4
"""Borders within ignored strips are put in the middle, if these are at most twice as wide."""

# Found on 45 aerial scenes, 46 of Sentinel-2 and 3 others, as they are and with labels moved by 3 and 6 px: these
# refuse every chance peak of labels that are right, and find most of the moved ones.
SHIFTED_PX = 1.5
_LEAD = 0.05
_GAIN = 0.05
_AGREE_PX = 2.0
_AGREEING = 3
_LEAST_PX = 50

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelShift:
    """Where labels lie against their image."""

    rows: int
    """Pixels by which labels lie too far down."""
    cols: int
    """Pixels by which labels lie too far right."""
    confidence: float
    """Mean rank of edges along the borders, moved back, above that at the best shift elsewhere; in deviations."""
    border_px: int

    def __str__(self) -> str:
        down = f"{abs(self.rows)} px too far {'down' if self.rows > 0 else 'up'}" if self.rows else ""
        right = f"{abs(self.cols)} px too far {'right' if self.cols > 0 else 'left'}" if self.cols else ""
        return " and ".join(part for part in (down, right) if part)


class ShiftTally:
    """Adds up, for each shift, the strength of edges along label borders."""

    def __init__(self) -> None:
        self._sums = np.zeros((_QUARTERS, 2 * REACH + 1, 2 * REACH + 1))
        self._border_px = np.zeros(_QUARTERS)

    def add(self, image: NDArray[np.generic], valid: NDArray[np.bool_], indices: NDArray[np.uint8]) -> None:
        """Add a window: image (C, h, w), valid mask and class indices (h, w)."""
        height, width = indices.shape
        if min(height, width) < _LEAST:
            return
        inner = (slice(REACH, height - REACH), slice(REACH, width - REACH))
        borders = np.zeros(indices.shape, np.float32)
        borders[inner] = _borders(np.where(valid, indices, np.uint8(IGNORE)))[inner]
        if not borders.any():
            return
        ranks = _edge_ranks(image, valid)
        if ranks is None:
            return
        edges = np.fft.rfft2(ranks)
        around = np.arange(-REACH, REACH + 1)
        quarters = [(rows, cols) for rows in _halves(height) for cols in _halves(width)]
        for number, quarter in enumerate(quarters):
            part = np.zeros_like(borders)
            part[quarter] = borders[quarter]
            count = part.sum()
            if count:
                table = np.fft.irfft2(np.conj(np.fft.rfft2(part)) * edges, indices.shape)
                self._sums[number] += table[np.ix_(around, around)]
                self._border_px[number] += count

    def merge(self, other: ShiftTally, quarter: int) -> None:
        """Add all of another scene to one quarter, so that scenes have to agree."""
        self._sums[quarter % _QUARTERS] += other._sums.sum(axis=0)
        self._border_px[quarter % _QUARTERS] += other._border_px.sum()

    def shift(self) -> LabelShift | None:
        """Give the shift if there is one beyond doubt."""
        total = self._border_px.sum()
        if not total:
            return None
        table = self._sums.sum(axis=0) / total
        peak = _peak(table)
        lead = float(table[peak] - table[_distance(peak) > 4].max())
        gain = float(table[peak] - table[REACH, REACH])
        agreeing = 0
        for sums, count in zip(self._sums, self._border_px, strict=True):
            own = _peak(sums)
            near = np.hypot(own[0] - peak[0], own[1] - peak[1]) <= _AGREE_PX
            agreeing += bool(count >= _LEAST_PX and near)
        rows, cols = REACH - peak[0], REACH - peak[1]
        is_sure = lead >= _LEAD and gain >= _GAIN and agreeing >= _AGREEING
        at_the_end = max(abs(rows), abs(cols)) == REACH  # higher beyond, perhaps: no peak
        if np.hypot(rows, cols) < SHIFTED_PX or at_the_end or not is_sure:
            return None
        return LabelShift(rows, cols, round(lead, 3), int(total))


def tiles_of(window: Window, step: int = 1) -> Iterator[Window]:
    """Divide a window into tiles of about 256 px, and give one of `step`, spread evenly over the scene."""
    tops, lefts = (_cuts(n) for n in window.shape)
    for top, bottom in pairwise(tops):
        for left, right in pairwise(lefts):
            tile = Window(window.row + top, window.col + left, bottom - top, right - left)
            if (tile.row // TILE * 7 + tile.col // TILE * 3) % step == 0:
                yield tile


def _cuts(size: int) -> list[int]:
    count = max(1, round(size / TILE))
    return [size * i // count for i in range(count + 1)]


def _halves(size: int) -> tuple[slice, slice]:
    return slice(0, size // 2), slice(size // 2, size)


def _peak(table: Floats) -> tuple[int, int]:
    row, col = np.unravel_index(np.argmax(table), table.shape)
    return int(row), int(col)


def _distance(peak: tuple[int, int]) -> Floats:
    rows, cols = np.mgrid[: 2 * REACH + 1, : 2 * REACH + 1]
    away: Floats = np.hypot(rows - peak[0], cols - peak[1])
    return away


def _borders(indices: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell where classes meet (h, w), two pixels wide and so without a bias to either side."""
    filled = _fill_gaps(indices) if (indices == IGNORE).any() else indices
    known = filled != IGNORE
    borders = np.zeros(filled.shape, np.bool_)
    down = (filled[2:] != filled[:-2]) & known[2:] & known[:-2]
    right = (filled[:, 2:] != filled[:, :-2]) & known[:, 2:] & known[:, :-2]
    borders[1:-1] |= down
    borders[:, 1:-1] |= right
    return borders


def _fill_gaps(indices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Let classes grow into what is ignored, at the same speed from all sides."""
    filled = indices
    for _ in range(_GAP_PX):
        before, filled = filled, filled.copy()
        for into, source in (
            (np.s_[1:], np.s_[:-1]),
            (np.s_[:-1], np.s_[1:]),
            (np.s_[:, 1:], np.s_[:, :-1]),
            (np.s_[:, :-1], np.s_[:, 1:]),
        ):
            target = filled[into]
            grows = (target == IGNORE) & (before[source] != IGNORE)
            target[grows] = before[source][grows]
    return filled


def _edge_ranks(image: NDArray[np.generic], valid: NDArray[np.bool_]) -> Singles | None:
    """Give the strength of edges over all bands (h, w) as ranks, with mean 0 and deviation 1; None without any."""
    strength = np.zeros(valid.shape, np.float32)
    for band in image:
        values = band.astype(np.float32)
        spread = float(values[valid].std()) if not valid.all() else float(values.std())
        if spread > 0:
            down, right = values[2:, 1:-1] - values[:-2, 1:-1], values[1:-1, 2:] - values[1:-1, :-2]
            strength[1:-1, 1:-1] += (down**2 + right**2) / spread**2
    inner = np.zeros(valid.shape, np.bool_)
    inner[1:-1, 1:-1] = valid[1:-1, 1:-1] & valid[2:, 1:-1] & valid[:-2, 1:-1] & valid[1:-1, 2:] & valid[1:-1, :-2]
    if not inner.any():
        return None
    found = strength[inner]
    levels = np.unique(np.quantile(found[:: max(1, found.size // 20_000)], np.linspace(0, 1, _RANKS + 1)))
    ranks = np.searchsorted(levels[1:-1], found, side="right").astype(np.float32)
    spread = float(ranks.std())
    if spread == 0:
        return None
    result = np.zeros(valid.shape, np.float32)
    result[inner] = (ranks - ranks.mean()) / spread
    return result
