"""The scores that follow from counts of pixels, for one matrix or for a stack of them.

Counts are (..., K, K), rows reference and columns predicted, or (..., K, 2, 2) for classes that may overlap, each with
rows reference no and yes and columns predicted no and yes. All functions keep the leading axes, so that the scores of
a thousand resampled matrices cost one call. What has no score, a class that is nowhere for instance, is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLASS_SCORES = ("iou", "f1", "precision", "recall")
"""Scores of each class. F1 is also called Dice; recall is also called the accuracy of the class."""


@dataclass(frozen=True, eq=False)
class Marginals:
    """Sums of counts that all scores follow from."""

    hits: FloatArray
    """(..., K) pixels that are the class in both."""
    reference: FloatArray
    """(..., K) pixels of the class in the reference."""
    predicted: FloatArray
    """(..., K) pixels of the class in the prediction."""
    right: FloatArray
    """(...) pixels, or answers, that are right."""
    total: FloatArray
    """(...) pixels, or answers, counted."""
    overlapping: bool

    @classmethod
    def of(cls, counts: NDArray[np.number], *, overlapping: bool = False) -> Marginals:
        """Sum up counts (..., K, K), or (..., K, 2, 2) of classes that may overlap."""
        c = counts.astype(np.float64)
        if overlapping:
            hits = c[..., 1, 1]
            right = hits.sum(-1) + c[..., 0, 0].sum(-1)
            return cls(hits, c[..., 1, :].sum(-1), c[..., :, 1].sum(-1), right, c.sum((-3, -2, -1)), overlapping=True)
        hits = np.diagonal(c, axis1=-2, axis2=-1)
        return cls(hits, c.sum(-1), c.sum(-2), hits.sum(-1), c.sum((-2, -1)), overlapping=False)


def class_scores(m: Marginals) -> dict[str, FloatArray]:
    """Give the scores of each class, (..., K), by name.

    - `iou`: hits over the union of reference and prediction;
    - `f1`: harmonic mean of precision and recall, also called Dice;
    - `precision`: share of the predicted pixels that are right (user's accuracy);
    - `recall`: share of the reference pixels that are found (producer's accuracy).

    >>> scores = class_scores(Marginals.of(np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])))
    >>> scores["iou"].round(2), scores["f1"].round(2)
    (array([0.5 , 0.57,  nan]), array([0.67, 0.73,  nan]))
    """
    return {
        "iou": ratio(m.hits, m.reference + m.predicted - m.hits),
        "f1": ratio(2 * m.hits, m.reference + m.predicted),
        "precision": ratio(m.hits, m.predicted),
        "recall": ratio(m.hits, m.reference),
    }


def overall_scores(m: Marginals, averaged: Mask | None = None) -> dict[str, FloatArray]:
    """Give the scores over all classes, (...), by name; `averaged` (K,) says which classes enter means.

    - `accuracy`: share of all pixels that are right;
    - `balanced_accuracy`: mean recall of the classes that are in the reference;
    - `mean_*`: macro averages, over the classes that have a score;
    - `micro_*`: from sums over the classes. With every class averaged, and one class a pixel, micro precision, recall
      and F1 are all equal to the accuracy;
    - `kappa`: agreement beyond chance. Source: Cohen 1960, Educational and Psychological Measurement 20;
    - `weighted_iou`: IoU weighted by the frequency of the class in the reference.

    Where classes overlap there is no agreement by chance to speak of: no kappa, no balanced accuracy.

    >>> scores = overall_scores(Marginals.of(np.array([[3, 1], [2, 4]])))
    >>> [round(float(scores[k]), 3) for k in ("accuracy", "micro_f1", "kappa", "weighted_iou")]
    [0.7, 0.7, 0.4, 0.543]
    """
    kept = np.ones(m.hits.shape[-1], np.bool_) if averaged is None else averaged
    by_class = {name: values[..., kept] for name, values in class_scores(m).items()}
    hits, reference, predicted = (a[..., kept].sum(-1) for a in (m.hits, m.reference, m.predicted))
    found = {"accuracy": ratio(m.right, m.total)}
    if not m.overlapping:
        found["balanced_accuracy"] = mean(by_class["recall"])
    found |= {f"mean_{name}": mean(values) for name, values in by_class.items()}
    found |= {
        "micro_iou": ratio(hits, reference + predicted - hits),
        "micro_f1": ratio(2 * hits, reference + predicted),
        "micro_precision": ratio(hits, predicted),
        "micro_recall": ratio(hits, reference),
    }
    if m.overlapping:
        return found
    chance = ratio((m.reference * m.predicted).sum(-1), m.total**2)
    weighted = np.nansum(by_class["iou"] * m.reference[..., kept], axis=-1)
    return found | {
        "kappa": ratio(found["accuracy"] - chance, 1 - chance),
        "weighted_iou": ratio(weighted, reference),
    }


def constant_prediction(counts: NDArray[np.int64], index: int) -> NDArray[np.int64]:
    """Give the matrix (K, K) of a map that says the same class everywhere: the floor under every score.

    >>> constant_prediction(np.array([[5, 1], [2, 3]]), 0)
    array([[6, 0],
           [5, 0]])
    """
    found = np.zeros_like(counts)
    found[:, index] = counts.sum(axis=1)
    return found


def ratio(part: FloatArray | float, whole: FloatArray | float) -> FloatArray:
    """Divide, with NaN where the whole is zero."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    quotient: FloatArray = np.divide(
        part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan), where=whole != 0
    )
    return quotient


def mean(scores: FloatArray) -> FloatArray:
    """Give the mean over the last axis of what is defined; NaN where nothing is."""
    defined = ~np.isnan(scores)
    return ratio(np.where(defined, scores, 0.0).sum(-1), defined.sum(-1).astype(np.float64))
