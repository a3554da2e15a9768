"""Offsets of the log scores with which each class is mapped as often as it occurs, and what they do to shares.

The largest score maps frequent classes too often and rare ones too seldom. Offsets o that are added to the logarithms
of the scores before the largest is taken move that. They are fitted in the space of log scores after the temperature,
since an answer may be scores already (of several networks, of mirrored copies); logits divided by the temperature are
log scores up to a constant a pixel, which no decision sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.core.scoring.scores import FloatArray, ratio

TOLERANCE = 1e-3
"""Offsets are good where every class is decided as often as it occurs up to this part of it, or up to one pixel."""
MOST_PIXELS = 400_000
EVERY_OTHER = "every other chip"
_SWEEPS = 100
_STRIDES = (64, 8, 1)
"""Of the pixels, from the first coarse fit to the last."""
_LEAST_PIXELS = 1000
_BEYOND = 1.0

IndexArray = NDArray[np.integer]


def fit_offsets(
    log_scores: NDArray[np.floating], reference: IndexArray, weights: NDArray[np.floating] | None = None
) -> FloatArray:
    """Give what to add to log scores (N, K) so that each class wins as often as it is in `reference` (N,); sum zero.

    Logits do as well. Class by class the offset is set so that the class wins as many pixels as it has, the others
    being as they are, until all do: the shares are the slopes of a convex function of the offsets, mean of the largest
    of (log score + offset) less the offsets weighted by the shares of the reference, and this walks down to where they
    vanish. The result is never farther from the shares of the reference than no offsets are; pixels with equal scores
    cannot be parted. A class without reference keeps 0, and the others are balanced as if it was not there.

    Source: the count matching thresholds of Forman 2008 (Data Mining and Knowledge Discovery 17); offsets as changed
    priors: Saerens, Latinne and Decaestecker 2002 (Neural Computation 14).

    >>> sure = np.array([0.0, 1.0, 2.0, 5.0])          # of the second class: it would win three times
    >>> scores = np.stack([np.full(4, 0.5), sure], axis=1)
    >>> fit_offsets(scores, np.array([0, 0, 0, 1]))    # the cut moves from 0.5 to 3.5, between the third and the fourth
    array([ 1.5, -1.5])
    """
    classes = log_scores.shape[1]
    heavy = None if weights is None else weights.astype(np.float64)
    wanted = np.bincount(reference, weights=heavy, minlength=classes).astype(np.float64)
    offsets, present = np.zeros(classes), np.flatnonzero(wanted)
    if len(present) < 2:
        return offsets
    planes = np.ascontiguousarray(log_scores[:, present].T, np.float64)
    shares, found = wanted[present] / wanted.sum(), np.zeros(len(present))
    for stride in _STRIDES:
        if stride == 1 or len(reference) // stride >= _LEAST_PIXELS:
            found = _balance(planes[:, ::stride], None if heavy is None else heavy[::stride], shares, found)
    offsets[present] = found
    return offsets


def _balance(planes: FloatArray, weights: FloatArray | None, wanted: FloatArray, start: FloatArray) -> FloatArray:
    """Give the best offsets of all sweeps, from `start` or from none, whichever lies nearer to `wanted`."""
    pixel = 1 / planes.shape[1]
    tries = [start, np.zeros_like(start)]
    best = min(tries, key=lambda o: _distance(planes, weights, wanted, o)[0])
    least, is_good = _distance(planes, weights, wanted, best, pixel)
    offsets = best.copy()
    for _ in range(_SWEEPS):
        if is_good:
            break
        before = offsets.copy()
        for k in range(len(offsets)):
            others = [planes[j] + offsets[j] for j in range(len(offsets)) if j != k]
            offsets[k] = _cut(np.maximum.reduce(others) - planes[k], weights, float(wanted[k]))
        offsets -= offsets.mean()
        distance, is_good = _distance(planes, weights, wanted, offsets, pixel)
        if distance < least:
            best, least = offsets.copy(), distance
        if np.array_equal(before, offsets):
            break
    return best


def _distance(
    planes: FloatArray, weights: FloatArray | None, wanted: FloatArray, offsets: FloatArray, pixel: float = 0.0
) -> tuple[float, bool]:
    """Give the sum of the differences of the shares, and whether each is within the tolerance."""
    decided = (planes + offsets[:, None]).argmax(axis=0)
    counts = np.bincount(decided, weights=weights, minlength=len(wanted))
    gaps = np.abs(counts / counts.sum() - wanted)
    return float(gaps.sum()), bool((gaps <= np.maximum(TOLERANCE * wanted, 1.01 * pixel)).all())


def _cut(lacks: FloatArray, weights: FloatArray | None, wanted: float) -> float:
    """Give the offset above as much of what a class lacks at each pixel (N,) as makes its share nearest to `wanted`.

    It lies halfway between two values; equal ones stay on one side.
    """
    if weights is None:
        ranked, won = np.sort(lacks), np.arange(1, len(lacks) + 1) / len(lacks)
    else:
        order = np.argsort(lacks, kind="stable")
        ranked, won = lacks[order], np.cumsum(weights[order])
        won = won / won[-1]
    value = ranked[min(int(np.searchsorted(won, wanted - 1e-12)), len(ranked) - 1)]
    ends = [int(np.searchsorted(ranked, value, side)) for side in ("left", "right")]
    n = min(ends, key=lambda end: abs((won[end - 1] if end else 0.0) - wanted))
    low = ranked[n - 1] if n else ranked[0] - 2 * _BEYOND
    high = ranked[n] if n < len(ranked) else ranked[-1] + 2 * _BEYOND
    return float((low + high) / 2)


def offset_factors(offsets: Sequence[float]) -> NDArray[np.float32]:
    """Give what scores are multiplied by where offsets are added to their logarithms; the largest is 1.

    >>> offset_factors([np.log(2), 0.0, np.log(4)]).tolist()
    [0.5, 0.25, 1.0]
    """
    o = np.asarray(offsets, np.float64)
    factors: NDArray[np.float32] = np.exp(o - o.max()).astype(np.float32)
    return factors


# --- What they do -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class AreaTally:
    """Pixels of each class, by the reference, by the largest score, and by the largest with offsets."""

    counts: NDArray[np.int64]
    """(3, K)"""
    right: NDArray[np.int64]
    """(2,) pixels that are right, without and with offsets."""

    @classmethod
    def empty(cls, classes: int) -> AreaTally:
        """Give zeros to add to."""
        return cls(np.zeros((3, classes), np.int64), np.zeros(2, np.int64))

    @classmethod
    def count(cls, log_scores: NDArray[np.floating], reference: IndexArray, offsets: FloatArray) -> AreaTally:
        """Count pixels: log scores (N, K), class indices (N,)."""
        classes = len(offsets)
        decided = [log_scores.argmax(axis=1), (log_scores + offsets).argmax(axis=1)]
        counts = [np.bincount(found, minlength=classes) for found in (reference, *decided)]
        return cls(np.array(counts, np.int64), np.array([(d == reference).sum() for d in decided], np.int64))

    def __add__(self, other: AreaTally) -> AreaTally:
        return AreaTally(self.counts + other.counts, self.right + other.right)

    def misplaced(self) -> list[float]:
        """Give half the sum of the differences of the shares, without and with offsets.

        >>> AreaTally(np.array([[5, 5, 10], [2, 6, 12], [5, 4, 11]]), np.zeros(2, np.int64)).misplaced()
        [0.15, 0.05]
        """
        gaps = np.abs(self.counts[1:] - self.counts[0]).sum(axis=1)
        return [round(float(gap) / 2 / max(int(self.counts[0].sum()), 1), 6) for gap in gaps]

    def to_json(self, legend: Legend) -> dict[str, Any]:
        """Give shares by class with their biases as parts of the reference, and of all: what is right and misplaced.

        Misplaced is the share that would have to change its class for the shares to be those of the reference.
        """
        total = int(self.counts[0].sum())
        reference, *decided = self.counts / max(total, 1)
        biases = [ratio(found - reference, reference) for found in decided]
        names = ("reference", "argmax", "area", "argmax_bias", "area_bias")
        columns = [[None if np.isnan(v) else round(float(v), 6) for v in c] for c in (reference, *decided, *biases)]
        lines = [dict(zip(names, line, strict=True)) for line in zip(*columns, strict=True)]
        right = [round(n / total, 6) if total else None for n in self.right.tolist()]
        return {
            "pixels": total,
            "accuracy": dict(zip(("argmax", "area"), right, strict=True)),
            "misplaced": dict(zip(("argmax", "area"), self.misplaced(), strict=True)),
            "classes": dict(zip(legend.names, lines, strict=True)),
        }


class AreaSample:
    """Labelled pixels taken evenly from chips, at most `most`, with what offsets fitted on them do.

    The same chips in the same order give the same sample.
    """

    def __init__(self, chips: int, *, most: int = MOST_PIXELS) -> None:
        self._quota = max(1, most // max(1, chips))
        self._logits: list[NDArray[np.float32]] = []
        self._labels: list[NDArray[np.int64]] = []

    def add(self, logits: NDArray[np.floating], label: NDArray[np.uint8]) -> None:
        """Take pixels of a chip, logits (K, h, w) and label (h, w): each with the same chance, known or not."""
        step = -(-label.size // self._quota)
        while step > 1 and gcd(step, label.shape[1]) > 1:
            step += 1  # else a few columns would stand for all
        flat = label.ravel()[::step]
        known = flat != IGNORE
        self._logits.append(logits.reshape(len(logits), -1)[:, ::step].T[known].astype(np.float32))
        self._labels.append(flat[known].astype(np.int64))

    def record(self, legend: Legend, temperature: float) -> dict[str, Any]:
        """Give offsets by class, what they do here, and what those of some chips do to the others.

        Empty without two classes in the reference. Of two halves each is decided with the offsets of the other: halves
        of every other chip are places of one kind, those that come first and last mostly different places.
        """
        z, y = self._pixels(slice(None), temperature)
        if len(np.unique(y)) < 2:
            return {}
        offsets, middle = fit_offsets(z, y), (len(self._labels) + 1) // 2
        ways = {
            EVERY_OTHER: (slice(0, None, 2), slice(1, None, 2)),
            "first and last chips": (slice(None, middle), slice(middle, None)),
        }
        crossed = {name: self._cross(halves, legend, temperature) for name, halves in ways.items()}
        return {
            "area_offsets": dict(zip(legend.names, offsets.tolist(), strict=True)),
            "area": AreaTally.count(z, y, offsets).to_json(legend)
            | {"crossed": {name: found for name, found in crossed.items() if found}},
        }

    def _cross(self, halves: tuple[slice, slice], legend: Legend, temperature: float) -> dict[str, Any]:
        """Decide each half with the offsets of the other; empty if one has no labelled pixel."""
        (one, other) = (self._pixels(half, temperature) for half in halves)
        if not len(one[1]) or not len(other[1]):
            return {}
        found = {
            "fitted on the one, measured on the other": AreaTally.count(*other, fit_offsets(*one)),
            "the other way round": AreaTally.count(*one, fit_offsets(*other)),
        }
        means = np.mean([tally.misplaced() for tally in found.values()], axis=0)
        misplaced = dict(zip(("argmax", "area"), (round(float(m), 6) for m in means), strict=True))
        return {"misplaced": misplaced} | {name: tally.to_json(legend) for name, tally in found.items()}

    def _pixels(self, chips: slice, temperature: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if not self._labels[chips]:
            return np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
        logits = np.concatenate(self._logits[chips]) / np.float32(temperature)
        return logits, np.concatenate(self._labels[chips])


def offsets_of(record: Mapping[str, Any] | None, legend: Legend) -> FloatArray | None:
    """Give the offsets (K,) of what was measured when training ended; None if they were not."""
    found = (record or {}).get("area_offsets")
    return None if not found else np.array([found[name] for name in legend.names], np.float64)


def is_doubtful(record: Mapping[str, Any] | None) -> bool:
    """Tell if offsets of every other validation chip did not bring the areas of the others nearer to the reference.

    >>> is_doubtful({"area": {"crossed": {EVERY_OTHER: {"misplaced": {"argmax": 0.02, "area": 0.03}}}}})
    True
    """
    found = (record or {}).get("area", {}).get("crossed", {}).get(EVERY_OTHER, {}).get("misplaced")
    return found is None or found["area"] >= found["argmax"]
