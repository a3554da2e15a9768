"""Counts of the parts of an evaluation: one chip, or one square of a map, at a time.

The parts are kept so that scores by part, means over parts and intervals can be computed again from the file alone.
Parts belong to units, which are what is drawn anew for intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.scoring.borders import erode_borders
from hectares.core.scoring.boundary import Nearby, boundary_counts, relaxed_counts
from hectares.core.scoring.scores import FloatArray, Marginals, ratio
from hectares.errors import ArtefactError

IndexArray = NDArray[np.uint8]
Counts = Mapping[str, NDArray[np.int64]]
"""By kind: `confusion` and `eroded` (K, K) or (K, 2, 2), `boundary` (K, 3), `relaxed` (K, 4)."""

CONFUSION, ERODED, BOUNDARY, RELAXED = "confusion", "eroded", "boundary", "relaxed"


@dataclass(frozen=True, slots=True)
class CountingRule:
    """What is counted besides the confusion; 0 leaves a kind out."""

    classes: int
    erode_px: int = 0
    """Pixels within this distance of a border in the reference are not in the eroded confusion."""
    boundary_px: int = 0
    """Width of the band along borders."""
    slack_px: int = 0
    """Distance within which a class counts as found."""

    @property
    def margin(self) -> int:
        """How far around a pixel one has to look."""
        return max(self.erode_px, self.boundary_px, self.slack_px)


class Counter:
    """Counts of reference against prediction within one window, read with a margin around it.

    With the margin of the rule, counts over the windows of a map add up to those of the whole map.
    """

    def __init__(self, reference: IndexArray, predicted: IndexArray, rule: CountingRule) -> None:
        """Take class indices (h, w), or planes (K, h, w) of 0, 1 and 255."""
        self._rule, self._planes = rule, reference.ndim == 3
        pairs = list(zip(reference, predicted, strict=True)) if self._planes else [(reference, predicted)]
        self._layers = [_Layer(r, p, rule, 2 if self._planes else rule.classes) for r, p in pairs]

    def count(self, place: tuple[slice, slice]) -> tuple[dict[str, NDArray[np.int64]], int]:
        """Count the pixels of a place inside the window; gives the counts, and the pixels that the map leaves open."""
        found = [layer.count(place) for layer in self._layers]
        unmapped = sum(lost for _, lost in found)
        if not self._planes:
            return found[0][0], unmapped
        kinds = found[0][0].keys()
        by_class = {kind: np.stack([counts[kind] for counts, _ in found]) for kind in kinds}
        lines = {kind: by_class[kind][:, 1] for kind in kinds if kind in {BOUNDARY, RELAXED}}  # of yes, not of no
        return by_class | lines, unmapped


class _Layer:
    """One map of class indices against another."""

    def __init__(self, reference: IndexArray, predicted: IndexArray, rule: CountingRule, classes: int) -> None:
        self._pair, self._classes, self._rule = (reference, predicted), classes, rule
        if rule.erode_px:
            self._eroded = erode_borders(reference, rule.erode_px)
        if rule.boundary_px:
            around = (Nearby.of(i, classes, rule.boundary_px) for i in self._pair)
            self._at_border = [near.has_other(i) for near, i in zip(around, self._pair, strict=True)]
        if rule.slack_px:
            self._near = [Nearby.of(i, classes, rule.slack_px) for i in self._pair]

    def count(self, place: tuple[slice, slice]) -> tuple[dict[str, NDArray[np.int64]], int]:
        reference, predicted = (i[place] for i in self._pair)
        whole = Confusion.count(reference, predicted, classes=self._classes)
        counts = {CONFUSION: whole.counts}
        if self._rule.erode_px:
            counts[ERODED] = Confusion.count(self._eroded[place], predicted, classes=self._classes).counts
        if self._rule.boundary_px:
            at = [mask[place] for mask in self._at_border]
            counts[BOUNDARY] = boundary_counts(reference, predicted, *at, classes=self._classes)
        if self._rule.slack_px:
            near = [Nearby(tuple(bits[place] for bits in n.groups)) for n in self._near]
            counts[RELAXED] = relaxed_counts(reference, predicted, *near, classes=self._classes)
        return counts, whole.unmapped


# --- All parts together -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Parts:
    """The counts of all parts."""

    what: str
    """What a part is, in the plural: chips, or squares of so many pixels."""
    what_unit: str
    """What a unit is, in the plural."""
    names: tuple[str, ...]
    units: tuple[str, ...]
    unit_of: NDArray[np.int64]
    """(N,) the unit of each part."""
    counts: Counts
    """By kind, with the parts as first axis."""

    @property
    def overlapping(self) -> bool:
        """True if every class is counted by itself."""
        return self.counts[CONFUSION].ndim == 4

    @property
    def classes(self) -> int:
        """Number of classes, those left out included."""
        return int(self.counts[CONFUSION].shape[1])

    def total(self, kind: str = CONFUSION) -> NDArray[np.int64]:
        """Give the sum over all parts."""
        return np.asarray(self.counts[kind].sum(axis=0))

    @property
    def reference_shares(self) -> FloatArray:
        """(K,) share of the scored pixels that are each class in the reference."""
        m = Marginals.of(self.total(), overlapping=self.overlapping)
        return ratio(m.reference, m.total / (self.classes if self.overlapping else 1))

    def by_unit(self, values: NDArray[Any]) -> FloatArray:
        """Sum values (N, ...) of the parts over each unit, (U, ...)."""
        found = np.zeros((len(self.units), *values.shape[1:]))
        np.add.at(found, self.unit_of, values)
        return found

    def confusion(self, unmapped: int) -> Confusion | PlaneConfusion:
        """Give the counts of all parts as one confusion."""
        kind = PlaneConfusion if self.overlapping else Confusion
        return kind(self.total(), unmapped)

    def to_json(self) -> dict[str, Any]:
        """Give the parts as a record; counts are written as text "cell:count ...", cells in row-major order."""
        return {
            "what": self.what,
            "what_unit": self.what_unit,
            "names": list(self.names),
            "units": list(self.units),
            "unit_of": " ".join(map(str, self.unit_of)),
            "counts": {
                kind: {"shape": list(table.shape[1:]), "cells": [_write(row) for row in table.reshape(len(table), -1)]}
                for kind, table in self.counts.items()
            },
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a record written by `to_json`. Raises ArtefactError if it is not one."""
        try:
            counts = {kind: _read(table["cells"], table["shape"]) for kind, table in record["counts"].items()}
            unit_of = np.array([int(n) for n in record["unit_of"].split()], np.int64)
            names, units = tuple(record["names"]), tuple(record["units"])
            if any(len(c) != len(names) for c in (*counts.values(), unit_of)) or (unit_of >= len(units)).any():
                raise ArtefactError("the counts of an evaluation do not fit its parts; evaluate again")
            return cls(str(record["what"]), str(record["what_unit"]), names, units, unit_of, counts)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ArtefactError(f"the counts of an evaluation are damaged ({error!r}); evaluate again") from error


@dataclass
class PartsBuilder:
    """Collects the counts of parts that come in pieces, in any order."""

    what: str
    what_unit: str
    unmapped: int = 0
    _counts: dict[str, dict[str, NDArray[np.int64]]] = field(default_factory=dict)
    _unit_of: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, unit: str, counts: Counts, unmapped: int = 0) -> None:
        """Add counts to a part, which belongs to a unit."""
        self.unmapped += unmapped
        held = self._counts.get(name)
        self._unit_of.setdefault(name, unit)
        self._counts[name] = {k: v if held is None else held[k] + v for k, v in counts.items()}

    def build(self) -> Parts:
        """Give all parts, in the order in which they first came."""
        units = {unit: number for number, unit in enumerate(dict.fromkeys(self._unit_of.values()))}
        kinds = next(iter(self._counts.values()))
        tables = {kind: np.stack([c[kind] for c in self._counts.values()]) for kind in kinds}
        unit_of = np.array([units[u] for u in self._unit_of.values()], np.int64)
        return Parts(self.what, self.what_unit, tuple(self._counts), tuple(units), unit_of, tables)


def _write(row: NDArray[np.int64]) -> str:
    """Write what is not zero.

    >>> _write(np.array([5, 0, 7]))
    '0:5 2:7'
    """
    return " ".join(f"{cell}:{row[cell]}" for cell in np.flatnonzero(row))


def _read(rows: Sequence[str], shape: Sequence[int]) -> NDArray[np.int64]:
    table = np.zeros((len(rows), int(np.prod(shape))), np.int64)
    for number, text in enumerate(rows):
        for pair in text.split():
            cell, count = pair.split(":")
            table[number, int(cell)] = int(count)
    return table.reshape(len(rows), *shape)
