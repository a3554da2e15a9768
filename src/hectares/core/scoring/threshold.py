"""What other thresholds would give: precision, recall, F1 and IoU against the score from which a pixel is the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.core.scoring.scores import FloatArray, Marginals, class_scores

STEPS = 1000
"""Thresholds are 0, 0.001, ..., 1: 1,001 of them, each with a bin of its own."""
_NEUTRAL = ("background", "other", "others", "nothing", "none", "rest", "unclassified")


@dataclass(frozen=True, eq=False)
class ThresholdTally:
    """Histograms of scores, of pixels without and with each class."""

    counts: NDArray[np.int64]
    """(K, 2, 1001): bin b holds scores of b / 1000 to below (b + 1) / 1000."""

    @classmethod
    def empty(cls, classes: int) -> ThresholdTally:
        """Give zeros to add to."""
        return cls(np.zeros((classes, 2, STEPS + 1), np.int64))

    @classmethod
    def count(cls, score: NDArray[np.floating], label: NDArray[np.uint8]) -> ThresholdTally:
        """Count planes of scores (K, h, w) against planes of 0, 1 and 255."""
        found = []
        for s, y in zip(score, label, strict=True):
            known = y != IGNORE
            place = bin_of(s[known])
            found.append([np.bincount(place[y[known] == kind], minlength=STEPS + 1) for kind in (0, 1)])
        return cls(np.array(found, np.int64))

    def __add__(self, other: ThresholdTally) -> ThresholdTally:
        return ThresholdTally(self.counts + other.counts)

    def curves(self) -> dict[str, FloatArray]:
        """Give precision, recall, F1 and IoU of each class at each threshold, (K, 1001).

        A pixel is the class if its score is at least the threshold.
        """
        above = self.counts[..., ::-1].cumsum(axis=-1)[..., ::-1]  # (K, 2, T) predicted yes, by what is true
        no, yes = above[:, 0], above[:, 1]
        all_no, all_yes = (self.counts[:, kind].sum(axis=-1)[:, None] for kind in (0, 1))
        matrix = np.stack([np.stack([all_no - no, no], -1), np.stack([all_yes - yes, yes], -1)], -2)
        return class_scores(Marginals.of(matrix, overlapping=True))

    def best(self, score: str = "f1") -> FloatArray:
        """Give the threshold of each class (K,) with the highest score; the middle one where several are best.

        >>> scores = np.array([[[0.1, 0.2, 0.7, 0.9]]])
        >>> ThresholdTally.count(scores, np.array([[[0, 0, 1, 1]]], np.uint8)).best()
        array([0.45])
        """
        found = np.full(len(self.counts), np.nan)
        for k, curve in enumerate(self.curves()[score]):
            if not np.isnan(curve).all():
                top = curve >= np.nanmax(curve) - 1e-12
                first = int(top.argmax())
                length = int(np.append(~top[first:], [True]).argmax())
                found[k] = round(first + (length - 1) / 2) / STEPS
        return found


def bin_of(score: NDArray[np.floating]) -> NDArray[np.int64]:
    """Give the bin of scores of 0 to 1: the highest threshold that they reach.

    >>> bin_of(np.array([0.0, 0.29, 0.2999, 1.0])).tolist()
    [0, 290, 299, 1000]
    """
    return np.clip(np.floor(score.astype(np.float64) * STEPS + 1e-6), 0, STEPS).astype(np.int64)


def positive_class(legend: Legend) -> int:
    """Give the index of the class that a legend of two is about: not the one called background, other or "not ...".

    >>> positive_class(Legend.of({0: "background", 1: "roof"})), positive_class(Legend.of({0: "roof", 1: "other"}))
    (1, 0)
    """
    neutral = [name.lower() in _NEUTRAL or name.lower().startswith(("not ", "no ")) for name in legend.names]
    return 0 if neutral[1] and not neutral[0] else 1
