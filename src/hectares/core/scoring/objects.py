"""Objects against objects: greedy matching, F1, and the average precision of COCO, from pairs that overlap.

Nothing here knows shapes: an object is a class, an image and a score, and a pair of objects is an IoU. What has no
overlap is in no pair, so that memory grows with the objects and not with their product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU from which on a pair is a match, of AP and AR. Source: Params of pycocotools."""
_RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is read. Source: Params of pycocotools."""
COLUMNS = (
    *("name", "reference", "predicted", "found", "missed", "false", "precision", "recall", "f1", "mean_iou"),
    *("ap", "ap50", "ap75", "ar", "ar50"),
)
"""Of a table of scores."""
NOTHING, CROWD = -1, -2
"""Instead of the reference object of a prediction: it has none; it lies on a crowd, and does not count."""


@dataclass(frozen=True)
class ObjectSet:
    """Objects of a file."""

    classes: Ints
    """(n,) number of the class."""
    images: Ints
    """(n,) number of the image, in the order of their ids; 0 for all where there are none."""
    sizes: Floats
    """(n,) area in the unit of the file."""
    scores: Floats
    """(n,) how sure the prediction is; NaN where nobody says."""
    crowd: Flags
    """(n,) objects of the reference that stand for many, and are neither found nor missed."""

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class Overlaps:
    """Pairs of a predicted and a reference object of the same class and image that overlap enough to matter."""

    predicted: Ints
    reference: Ints
    iou: Floats


def has_order(scores: Floats) -> bool:
    """Tell if scores say which prediction is surer than others: all are there, and not all are the same.

    >>> has_order(np.array([0.9, 0.4])), has_order(np.array([1.0, 1.0])), has_order(np.array([0.5, np.nan]))
    (True, False, False)
    """
    return bool(np.isfinite(scores).all() and (len(scores) < 2 or np.ptp(scores) > 0))


def surest_first(predicted: ObjectSet) -> Ints:
    """Give the predictions by falling score, or by falling size where some have none.

    Equals come by image, and then as in the file, as pycocotools has them.

    >>> none, far = np.zeros(3, np.int64), np.zeros(3, bool)
    >>> surest_first(ObjectSet(none, none, np.array([4.0, 9, 1]), np.array([0.2, 0.2, 0.8]), far)).tolist()
    [2, 0, 1]
    """
    keys = predicted.scores if np.isfinite(predicted.scores).all() else predicted.sizes
    return np.lexsort((np.arange(len(keys)), predicted.images, -keys))


def first_of_each(order: Ints, objects: ObjectSet, most: int | None) -> Ints:
    """Keep the first `most` of each class and image of an order; None keeps all."""
    if most is None or not len(order):
        return order
    group = np.lexsort((np.arange(len(order)), objects.images[order], objects.classes[order]))
    classes, images = objects.classes[order][group], objects.images[order][group]
    begins = np.flatnonzero(np.r_[True, (classes[1:] != classes[:-1]) | (images[1:] != images[:-1])])
    place = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    keep = np.zeros(len(order), np.bool_)
    keep[group[place < most]] = True
    return order[keep]


def match_objects(order: Ints, overlaps: Overlaps, crowd: Flags, count: int, threshold: float) -> Ints:
    """Give the reference object of each of `count` predictions, NOTHING, or CROWD.

    The predictions of `order` choose one after the other: each takes the free object that it overlaps most, if the
    IoU is at least the threshold. Source: evaluateImg of pycocotools, and score of SpaceNetChallenge/utilities.

    >>> pairs = Overlaps(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0.9, 0.8, 0.6]))
    >>> match_objects(np.array([0, 1]), pairs, np.zeros(2, bool), 2, 0.5).tolist()
    [0, 1]
    >>> match_objects(np.array([1, 0]), pairs, np.zeros(2, bool), 2, 0.5).tolist()
    [-1, 0]
    """
    rank = np.full(count, -1, np.int64)
    rank[order] = np.arange(len(order))
    enough = (overlaps.iou >= min(threshold, 1 - 1e-10)) & (rank[overlaps.predicted] >= 0)
    predicted, reference = overlaps.predicted[enough], overlaps.reference[enough]
    # of objects that are overlapped equally, pycocotools takes the last
    turn = np.lexsort((-reference, -overlaps.iou[enough], rank[predicted]))
    predicted, reference = predicted[turn], reference[turn]
    many = crowd[reference]
    found = np.full(count, NOTHING, np.int64)
    taken = bytearray(len(crowd))
    result = found.tolist()
    for p, r in zip(predicted[~many].tolist(), reference[~many].tolist(), strict=True):
        if result[p] == NOTHING and not taken[r]:
            result[p] = r
            taken[r] = 1
    found[:] = result
    on_crowd = predicted[many]
    found[on_crowd[found[on_crowd] == NOTHING]] = CROWD
    return found


def average_precision(hits: Flags, count: int) -> tuple[float, float]:
    """Give average precision and recall of predictions, surest first (n,), that hit one of `count` objects or none.

    Precision is the best at this or a higher recall, read at 101 recalls. Source: accumulate of pycocotools.

    >>> value, recall = average_precision(np.array([True, False, True]), 4)
    >>> round(value * 101, 6), recall  # 26 recalls with precision 1, 25 with 2/3
    (42.666667, 0.5)
    """
    if not count:
        return math.nan, math.nan
    right = np.cumsum(hits).astype(np.float64)
    recall = right / count
    precision = right / (np.arange(1, len(hits) + 1) + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS, side="left")
    read = np.where(at < len(best), np.append(best, 0.0)[np.minimum(at, len(best))], 0.0)
    return float(read.mean()), float(recall[-1]) if len(recall) else 0.0


@dataclass(frozen=True)
class ClassScores:
    """How the objects of one class, or of all, were found."""

    name: str
    reference: int
    predicted: int
    """Without those on crowds."""
    found: int
    """True positives: pairs."""
    mean_iou: float
    """Of the pairs; NaN without any."""
    ap: float = math.nan
    """Mean of average precision over IoU 0.50 to 0.95; NaN without a reference."""
    ap50: float = math.nan
    ap75: float = math.nan
    ar: float = math.nan
    """Mean of recall over IoU 0.50 to 0.95."""
    ar50: float = math.nan

    @property
    def false(self) -> int:
        """Predictions without an object: false positives."""
        return self.predicted - self.found

    @property
    def missed(self) -> int:
        """Objects without a prediction: false negatives."""
        return self.reference - self.found

    @property
    def precision(self) -> float:
        """Share of the predictions that are right."""
        return self.found / self.predicted if self.predicted else math.nan

    @property
    def recall(self) -> float:
        """Share of the objects that are found."""
        return self.found / self.reference if self.reference else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall.

        >>> ClassScores("roof", reference=4, predicted=6, found=3, mean_iou=0.7).f1
        0.6
        """
        both = self.predicted + self.reference
        return 2 * self.found / both if both else math.nan

    def to_json(self) -> dict[str, Any]:
        """Give the numbers by the names of the columns."""
        return {name: getattr(self, name) for name in COLUMNS}


@dataclass(frozen=True)
class ObjectScores:
    """What came of a comparison of objects."""

    classes: tuple[ClassScores, ...]
    overall: ClassScores
    """Counts of all classes together; means of AP and AR over the classes that the reference has."""
    matches: Ints
    """(P,) the reference object of each prediction, NOTHING or CROWD, at the IoU of the counts."""


def score_classes(
    names: tuple[str, ...],
    predicted: ObjectSet,
    reference: ObjectSet,
    overlaps: Overlaps,
    *,
    iou: float,
    most: int | None,
) -> ObjectScores:
    """Score the objects of each class and of all.

    The counts take all predictions, at one `iou`; AP and AR the `most` surest of each class and image.
    """
    order = surest_first(predicted)
    matches = match_objects(order, overlaps, reference.crowd, len(predicted), iou)
    counts = _count(names, predicted, reference, overlaps, matches)
    kept = first_of_each(order, predicted, most)
    ap, ar = (np.full((len(THRESHOLDS), len(names)), np.nan) for _ in range(2))
    single = np.bincount(reference.classes[~reference.crowd], minlength=len(names))
    of_class = predicted.classes[kept]
    for t, threshold in enumerate(THRESHOLDS.tolist()):
        found = match_objects(kept, overlaps, reference.crowd, len(predicted), threshold)[kept]
        for k in range(len(names)):
            mine = found[(of_class == k) & (found != CROWD)]
            ap[t, k], ar[t, k] = average_precision(mine >= 0, int(single[k]))
    classes = tuple(ClassScores(*count, *_means(ap[:, k : k + 1], ar[:, k : k + 1])) for k, count in enumerate(counts))
    matched = matches >= 0
    total = ClassScores(
        "all",
        sum(c.reference for c in classes),
        sum(c.predicted for c in classes),
        int(matched.sum()),
        _mean_iou(overlaps, matches, matched),
        *_means(ap, ar),
    )
    return ObjectScores(classes, total, matches)


def _means(ap: Floats, ar: Floats) -> tuple[float, float, float, float, float]:
    """Give AP, AP50, AP75, AR and AR50 over the classes (T, K) that have a reference."""
    known = ~np.isnan(ap[0])
    if not known.any():
        return (math.nan,) * 5
    ap, ar = ap[:, known], ar[:, known]
    return float(ap.mean()), float(ap[0].mean()), float(ap[5].mean()), float(ar.mean()), float(ar[0].mean())


def _count(
    names: tuple[str, ...], predicted: ObjectSet, reference: ObjectSet, overlaps: Overlaps, matches: Ints
) -> list[tuple[str, int, int, int, float]]:
    rows = []
    for k, name in enumerate(names):
        mine = predicted.classes == k
        objects = int(((reference.classes == k) & ~reference.crowd).sum())
        counted, found = mine & (matches != CROWD), mine & (matches >= 0)
        rows.append((name, objects, int(counted.sum()), int(found.sum()), _mean_iou(overlaps, matches, found)))
    return rows


def _mean_iou(overlaps: Overlaps, matches: Ints, found: Flags) -> float:
    values = iou_of_matches(overlaps, matches)[found]
    return float(values.mean()) if len(values) else math.nan


def iou_of_matches(overlaps: Overlaps, matches: Ints) -> Floats:
    """Give the IoU of each prediction (P,) with its reference object; NaN without one."""
    values = np.full(len(matches), np.nan)
    chosen = matches[overlaps.predicted] == overlaps.reference
    values[overlaps.predicted[chosen]] = overlaps.iou[chosen]
    return values
