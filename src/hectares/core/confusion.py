"""Pixel counts of reference against prediction, and the scores that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.scoring.scores import FloatArray, Marginals, class_scores, overall_scores, ratio
from hectares.errors import LegendError


class _Scores:
    """Scores that follow from sums of counts; see `core.scoring.scores` for what they are."""

    @property
    def marginals(self) -> Marginals:
        """What the scores follow from."""
        raise NotImplementedError

    @property
    def total(self) -> int:
        """Number of pixels counted; of answers, where classes overlap."""
        return int(self.marginals.total)

    @property
    def reference_pixels(self) -> NDArray[np.int64]:
        """(K,) pixels of each class in the reference."""
        return self.marginals.reference.astype(np.int64)

    @property
    def predicted_pixels(self) -> NDArray[np.int64]:
        """(K,) pixels of each class in the prediction."""
        return self.marginals.predicted.astype(np.int64)

    @property
    def iou(self) -> FloatArray:
        """(K,) intersection over union; NaN for a class that is in neither."""
        return class_scores(self.marginals)["iou"]

    @property
    def f1(self) -> FloatArray:
        """(K,) harmonic mean of precision and recall, also called Dice; NaN for a class that is in neither."""
        return class_scores(self.marginals)["f1"]

    @property
    def precision(self) -> FloatArray:
        """(K,) share of the predicted pixels that are right (user's accuracy); NaN if never predicted."""
        return class_scores(self.marginals)["precision"]

    @property
    def recall(self) -> FloatArray:
        """(K,) share of the reference pixels that are found (producer's accuracy); NaN if not in the reference."""
        return class_scores(self.marginals)["recall"]

    @property
    def overall(self) -> dict[str, float]:
        """Scores over all classes by name, from global counts; NaN where there is none."""
        return {name: float(value) for name, value in overall_scores(self.marginals).items()}

    @property
    def accuracy(self) -> float:
        """Share of all pixels, or of all answers yes and no, that are right."""
        return self.overall["accuracy"]

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that have a score, from global counts."""
        return self.overall["mean_iou"]

    @property
    def mean_f1(self) -> float:
        """Mean over the classes that have a score (macro average)."""
        return self.overall["mean_f1"]


@dataclass(frozen=True, eq=False)
class Confusion(_Scores):
    """Pixel counts, rows reference, columns predicted. Adds up over chips, scenes, machines.

    >>> ref = np.array([[0, 0, 1], [1, 255, 1]], np.uint8)
    >>> pred = np.array([[0, 1, 1], [1, 0, 255]], np.uint8)
    >>> c = Confusion.count(ref, pred, classes=3)
    >>> c.iou                       # a class that is nowhere has no score, not zero
    array([0.5       , 0.66666667,        nan])
    >>> (c + c).total
    8
    """

    counts: NDArray[np.int64]
    """(K, K)."""
    unmapped: int = 0
    """Reference pixels for which the map says nothing (nodata there)."""

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[0] != self.counts.shape[1]:
            raise LegendError(f"a confusion matrix is square, got {self.counts.shape}")

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        """Give a matrix of zeros to add to."""
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def count(cls, reference: NDArray[np.uint8], predicted: NDArray[np.uint8], *, classes: int) -> Confusion:
        """Count pairs of class indices (H, W); pixels with 255 in either are not counted."""
        if reference.shape != predicted.shape:
            raise LegendError(f"reference {reference.shape} and prediction {predicted.shape} differ in shape")
        observed = reference != IGNORE
        both = observed & (predicted != IGNORE)
        pairs = reference[both].astype(np.int32) * classes + predicted[both]
        largest = max(reference[both].max(initial=0), predicted[both].max(initial=0))
        if largest >= classes:
            raise LegendError(f"class index {largest} is outside a legend of {classes} classes")
        counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        return cls(counts.astype(np.int64), int(observed.sum() - both.sum()))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts, self.unmapped + other.unmapped)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Confusion):
            return NotImplemented
        return self.unmapped == other.unmapped and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # holds an array

    @property
    def marginals(self) -> Marginals:
        """What the scores follow from."""
        return Marginals.of(self.counts)

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond chance."""
        return self.overall["kappa"]

    @property
    def weighted_iou(self) -> float:
        """IoU weighted by the frequency of each class in the reference."""
        return self.overall["weighted_iou"]

    @property
    def row_shares(self) -> FloatArray:
        """(K, K) share of each class of the reference that was predicted as each class; NaN in a row without any."""
        return ratio(self.counts.astype(np.float64), self.counts.sum(axis=1, keepdims=True).astype(np.float64))

    def without(self, index: int) -> Confusion:
        """Leave out a class: its reference pixels are not scored, nor is it in any mean.

        Pixels of other classes that were predicted as it count as unmapped.

        >>> Confusion(np.array([[5, 1], [2, 3]])).without(1).counts
        array([[5]])
        """
        keep = np.arange(len(self.counts)) != index
        lost = int(self.counts[keep, index].sum())
        return Confusion(self.counts[np.ix_(keep, keep)], self.unmapped + lost)


@dataclass(frozen=True, eq=False)
class PlaneConfusion(_Scores):
    """Counts of classes that may overlap, each by itself: rows reference no and yes, columns predicted no and yes.

    >>> ref = np.array([[[1, 1, 0, 255]], [[0, 1, 0, 0]]], np.uint8)       # two classes on four pixels
    >>> pred = np.array([[[1, 0, 0, 1]], [[0, 1, 1, 0]]], np.uint8)
    >>> PlaneConfusion.count(ref, pred).iou
    array([0.5, 0.5])
    """

    counts: NDArray[np.int64]
    """(K, 2, 2)."""
    unmapped: int = 0

    @classmethod
    def empty(cls, classes: int) -> PlaneConfusion:
        """Give zeros to add to."""
        return cls(np.zeros((classes, 2, 2), np.int64))

    @classmethod
    def count(cls, reference: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> PlaneConfusion:
        """Count planes of 0, 1 and 255, (K, H, W); pixels with 255 in either are not counted."""
        if reference.shape != predicted.shape:
            raise LegendError(f"reference {reference.shape} and prediction {predicted.shape} differ in shape")
        observed = reference != IGNORE
        both = observed & (predicted != IGNORE)
        counts = [
            np.bincount(2 * r[b] + p[b], minlength=4).reshape(2, 2)
            for r, p, b in zip(reference, predicted, both, strict=True)
        ]
        return cls(np.array(counts, np.int64), int(observed.sum() - both.sum()))

    def __add__(self, other: PlaneConfusion) -> PlaneConfusion:
        return PlaneConfusion(self.counts + other.counts, self.unmapped + other.unmapped)

    @property
    def marginals(self) -> Marginals:
        """What the scores follow from."""
        return Marginals.of(self.counts, overlapping=True)

    def without(self, index: int) -> PlaneConfusion:
        """Leave out a class."""
        return PlaneConfusion(np.delete(self.counts, index, axis=0), self.unmapped)
