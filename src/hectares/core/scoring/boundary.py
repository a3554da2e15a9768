"""How well the borders of classes are drawn: boundary IoU, and precision and recall with slack.

Distance is counted in steps to any of the eight neighbors, as in the code both papers came with. What lies outside the
image, and what is ignored, is no class: it makes no border. So a chip has no border where it was cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.scoring.scores import FloatArray, ratio

IndexArray = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_BITS = 64


def boundary_width(shape: tuple[int, int], share: float) -> int:
    """Give the width in pixels of the band along borders, as a share of the diagonal; at least 1.

    Source: Cheng et al. 2021 (CVPR), who take 2 % of the diagonal.

    >>> boundary_width((256, 256), 0.02), boundary_width((20, 20), 0.02)
    (7, 1)
    """
    return max(1, round(share * math.hypot(*shape)))


@dataclass(frozen=True, eq=False)
class Nearby:
    """The classes around each pixel of a map of class indices."""

    groups: tuple[NDArray[Any], ...]
    """One array of bits (h, w) for each group of 64 classes: bit k is set where class k is near."""

    @classmethod
    def of(cls, indices: IndexArray, classes: int, radius_px: int) -> Self:
        """Look around each pixel (h, w), as far as `radius_px`, itself included."""
        groups = []
        for first in range(0, classes, _BITS):
            count = min(_BITS, classes - first)
            kind = np.dtype(f"u{next(b for b in (1, 2, 4, 8) if 8 * b >= count)}")
            table = np.zeros(IGNORE + 1, kind)
            table[first : first + count] = np.left_shift(np.ones(count, kind), np.arange(count, dtype=kind))
            groups.append(_spread(_spread(table[indices], radius_px, 0), radius_px, 1))
        return cls(tuple(groups))

    def has(self, indices: IndexArray) -> Mask:
        """Tell where the class that stands in `indices` (h, w) is near; never where that is 255."""
        found = np.zeros(indices.shape, np.bool_)
        for number, bits in enumerate(self.groups):
            inside = (indices >= number * _BITS) & (indices < min((number + 1) * _BITS, IGNORE))
            place = np.where(inside, indices - number * _BITS, 0).astype(bits.dtype)
            found |= inside & (np.right_shift(bits, place) & bits.dtype.type(1)).astype(np.bool_)
        return found

    def has_other(self, indices: IndexArray) -> Mask:
        """Tell where a class other than that in `indices` (h, w) is near."""
        found = np.zeros(indices.shape, np.bool_)
        for number, bits in enumerate(self.groups):
            inside = (indices >= number * _BITS) & (indices < min((number + 1) * _BITS, IGNORE))
            place = np.where(inside, indices - number * _BITS, 0).astype(bits.dtype)
            own = np.where(inside, np.left_shift(bits.dtype.type(1), place), bits.dtype.type(0))
            found |= (bits & ~own) != 0
        found &= indices != IGNORE
        return found


def _spread(bits: NDArray[Any], radius: int, axis: int) -> NDArray[Any]:
    """Join the bits of all places within `radius` along an axis; the work grows with the logarithm of the radius."""
    if radius == 0:
        return bits
    width, length = 2 * radius + 1, bits.shape[axis]
    padding = [(radius, radius) if a == axis else (0, 0) for a in range(bits.ndim)]
    joined, span = np.moveaxis(np.pad(bits, padding), axis, 0), 1
    while 2 * span <= width:
        joined = joined[:-span] | joined[span:]
        span *= 2
    rest = width - span
    return np.moveaxis(joined[:length] | joined[rest : rest + length], 0, axis)


def boundary_counts(
    reference: IndexArray, predicted: IndexArray, at_reference: Mask, at_predicted: Mask, *, classes: int
) -> NDArray[np.int64]:
    """Count the pixels along borders, (K, 3): in both, in the reference, in the prediction.

    The masks tell which pixels are near a border: `Nearby.has_other` of each map.
    """
    known = (reference != IGNORE) & (predicted != IGNORE)
    r, p = reference[known], predicted[known]
    a, b = at_reference[known], at_predicted[known]
    parts = (r[a & b & (r == p)], r[a], p[b])
    return np.stack([np.bincount(part, minlength=classes) for part in parts], axis=1).astype(np.int64)


def boundary_iou(counts: NDArray[np.number]) -> FloatArray:
    """Give the IoU of the bands along borders, (..., K), from counts (..., K, 3); NaN where there is no border.

    Source: Cheng et al. 2021 (CVPR).
    """
    both, reference, predicted = np.moveaxis(counts.astype(np.float64), -1, 0)
    return ratio(both, reference + predicted - both)


def relaxed_counts(
    reference: IndexArray, predicted: IndexArray, near_reference: Nearby, near_predicted: Nearby, *, classes: int
) -> NDArray[np.int64]:
    """Count pixels with slack, (K, 4): predicted near the reference, predicted, reference near predicted, reference."""
    known = (reference != IGNORE) & (predicted != IGNORE)
    right, found = near_reference.has(predicted) & known, near_predicted.has(reference) & known
    parts = (predicted[right], predicted[known], reference[found], reference[known])
    return np.stack([np.bincount(part, minlength=classes) for part in parts], axis=1).astype(np.int64)


def relaxed_scores(counts: NDArray[np.number]) -> dict[str, FloatArray]:
    """Give precision and recall with slack, and their harmonic mean, (..., K), from counts (..., K, 4).

    A predicted pixel is right if the class is in the reference within the slack, and the other way round.
    Source: Mnih 2013, Machine Learning for Aerial Image Labeling.
    """
    right, predicted, found, reference = np.moveaxis(counts.astype(np.float64), -1, 0)
    precision, recall = ratio(right, predicted), ratio(found, reference)
    return {
        "relaxed_precision": precision,
        "relaxed_recall": recall,
        "relaxed_f1": ratio(2 * precision * recall, precision + recall),
    }
