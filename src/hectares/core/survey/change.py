"""What became what: areas of pairs of classes from two maps on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, MAX_CLASSES, LandClass, Legend, default_color
from hectares.core.scoring.scores import FloatArray
from hectares.errors import LegendError

_SIDE = IGNORE + 1
_SUMMED_AT_ONCE = 2**14
NODATA = "nodata"
OTHER = "other change"
UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """The area of one class that became another, or stayed; the id of nodata is None."""

    from_id: int | None
    from_name: str
    to_id: int | None
    to_name: str
    pixels: int
    area_m2: float

    @property
    def is_observed(self) -> bool:
        """True if both maps have a class there."""
        return self.from_id is not None and self.to_id is not None

    @property
    def is_stable(self) -> bool:
        """True if both maps have the class of one name there."""
        return self.is_observed and self.from_name == self.to_name

    @property
    def pair(self) -> str:
        """Name of the pair, as a class of a map of change."""
        return f"{self.from_name} {UNCHANGED}" if self.is_stable else f"{self.from_name} to {self.to_name}"


@dataclass(frozen=True)
class ChangeTable:
    """All pairs that occur: classes in the order of the two legends, nodata last."""

    rows: tuple[ChangeRow, ...]

    @property
    def total_m2(self) -> float:
        """Area of all pixels."""
        return sum(r.area_m2 for r in self.rows)

    @property
    def observed_m2(self) -> float:
        """Area with a class in both maps."""
        return sum(r.area_m2 for r in self.rows if r.is_observed)

    @property
    def stable_m2(self) -> float:
        """Area with the same class in both maps."""
        return sum(r.area_m2 for r in self.rows if r.is_stable)

    def share(self, row: ChangeRow) -> float | None:
        """Fraction of what has a class in both maps; None where one has none."""
        return row.area_m2 / self.observed_m2 if row.is_observed else None


class ChangeTally:
    """Adds up pixels and areas by pair of classes, window by window."""

    def __init__(self, before: Legend, after: Legend) -> None:
        self._before, self._after = before, after
        self._pixels = np.zeros(_SIDE**2, np.int64)
        self._area_m2 = np.zeros(_SIDE**2)

    def add(self, before: NDArray[np.uint8], after: NDArray[np.uint8], area_m2: FloatArray) -> None:
        """Add class indices of both maps with the area of each pixel, (h, w) each."""
        pair = before.ravel().astype(np.intp) * _SIDE + after.ravel()
        pixels = np.bincount(pair, minlength=_SIDE**2)
        self._pixels += pixels
        found, number = np.flatnonzero(pixels), np.zeros(_SIDE**2, np.intp)
        number[found] = np.arange(len(found))
        place, sums, weights = number[pair], np.zeros(len(found)), area_m2.ravel()
        for start in range(0, pair.size, _SUMMED_AT_ONCE):  # sums of sums lose fewer digits than one long sum
            part = slice(start, start + _SUMMED_AT_ONCE)
            sums += np.bincount(place[part], weights=weights[part], minlength=len(found))
        self._area_m2[found] += sums

    def table(self) -> ChangeTable:
        """Give the areas so far."""
        rows = []
        for pair in np.flatnonzero(self._pixels).tolist():
            one, other = divmod(pair, _SIDE)
            a, b = _known(self._before, one), _known(self._after, other)
            area_m2 = float(self._area_m2[pair])
            rows.append(ChangeRow(*a, *b, int(self._pixels[pair]), area_m2))
        return ChangeTable(tuple(rows))


@dataclass(frozen=True, eq=False)
class ChangeLegend:
    """The classes of a map of change, and which pair is which."""

    legend: Legend
    classes: Mapping[tuple[str, str], int]
    """Class index by the names of a pair."""
    before: Legend
    after: Legend

    @cached_property
    def _lookup(self) -> NDArray[np.uint8]:
        lookup = np.full((_SIDE, _SIDE), IGNORE, np.uint8)
        for (one, other), index in self.classes.items():
            lookup[self.before.index(one), self.after.index(other)] = index
        return lookup

    def read(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give class indices of the change; 255 where one of the two is nodata."""
        return self._lookup[before, after]


def change_legend(table: ChangeTable, before: Legend, after: Legend, *, other_below: float = 0.0) -> ChangeLegend:
    """Make a legend of the pairs that occur; those that changed less than a share of the area may be one class.

    What stays keeps its color. Raises LegendError if there are more pairs than a map has codes.

    >>> legend = Legend.of({1: "wood", 2: "lake"})
    >>> rows = (ChangeRow(1, "wood", 1, "wood", 9, 90.0), ChangeRow(1, "wood", 2, "lake", 1, 10.0))
    >>> change_legend(ChangeTable(rows), legend, legend).legend.names
    ('wood unchanged', 'wood to lake')
    """
    observed = [r for r in table.rows if r.is_observed]
    if not observed:
        raise LegendError("the two maps have no pixel in common where both have a class")
    least_m2 = other_below * table.observed_m2
    names = {(r.from_name, r.to_name): OTHER if r.area_m2 < least_m2 and not r.is_stable else r.pair for r in observed}
    listed = list(dict.fromkeys(sorted(names.values(), key=lambda n: n == OTHER)))
    if len(listed) > MAX_CLASSES:
        raise LegendError(
            f"{len(listed)} pairs of classes occur, and a map has room for {MAX_CLASSES}; take rare changes together, "
            "such as --other-below 0.001, or merge classes of the maps"
        )
    own = {r.pair: before.classes[before.index(r.from_name)].color for r in observed if r.is_stable}
    spare = (c for c in map(default_color, range(2 * MAX_CLASSES)) if c not in own.values())
    classes = [LandClass(code, name, own.get(name) or next(spare)) for code, name in enumerate(listed, start=1)]
    index = {pair: listed.index(name) for pair, name in names.items()}
    return ChangeLegend(Legend(tuple(classes), nodata=IGNORE), index, before, after)


def _known(legend: Legend, index: int) -> tuple[int | None, str]:
    if index == IGNORE:
        return None, NODATA
    return legend.classes[index].code, legend.classes[index].name
