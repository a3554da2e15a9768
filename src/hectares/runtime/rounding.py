"""Weights rounded to 8 bits so that the outputs of a convolution change least, rather than the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LARGEST = 127
"""Steps of int8 on each side of zero."""
_DAMPING = 0.01
"""Share of the mean variance that is added to all variances, so that the matrix can be inverted."""
_LEAST_STEP = 1e-6
"""Of the bias of an output: a smaller step would make the bias, counted in steps, too large for 32 bits."""


@dataclass
class Moments:
    """Sums over what a kernel sees: (groups, values) and (groups, values, values)."""

    first: FloatArray
    second: FloatArray
    places: int = 0

    @classmethod
    def empty(cls, groups: int, values: int) -> Moments:
        """Give the start of the sums."""
        return cls(np.zeros((groups, values)), np.zeros((groups, values, values)))

    def add(self, seen: NDArray[np.float32]) -> None:
        """Take what a kernel sees at some places, (groups, places, values)."""
        self.first += seen.sum(axis=1, dtype=np.float64)
        self.second += seen.transpose(0, 2, 1) @ seen
        self.places += seen.shape[1]

    @property
    def mean(self) -> FloatArray:
        """(groups, values)."""
        return self.first / max(1, self.places)

    @property
    def covariance(self) -> FloatArray:
        """(groups, values, values)."""
        mean = self.mean
        return self.second / max(1, self.places) - mean[:, :, None] * mean[:, None, :]


def parts_of(values: int, *, most: int) -> int:
    """Give the least number of equal parts of at most so many values.

    >>> parts_of(1368, most=1152), parts_of(27, most=1152), parts_of(7, most=3)
    (2, 1, 7)
    """
    return next(n for n in range(1, values + 1) if values % n == 0 and values // n <= most)


def steps_of(weights: NDArray[np.floating], bias: NDArray[np.floating]) -> FloatArray:
    """Give the size of a step for each output, from weights (outputs, values) and bias (outputs,).

    >>> steps_of(np.array([[12.7, -2.0], [0.0, 0.0]]), np.array([1.0, 3.0])).round(7).tolist()
    [0.1, 3e-06]
    """
    widest = np.abs(weights).max(axis=1) / LARGEST
    return np.asarray(np.maximum(np.maximum(widest, _LEAST_STEP * np.abs(bias)), np.finfo(np.float32).tiny))


def round_weights(weights: FloatArray, covariance: FloatArray, steps: FloatArray) -> FloatArray:
    """Give weights (groups, outputs, values) in steps (groups, outputs), as whole numbers.

    One value after the other is rounded, those that vary most first, and what its rounding changes in the outputs is
    taken back by the values that are still free, by means of the covariance (groups, values, values).
    Source: Frantar et al. 2023, GPTQ (arXiv 2210.17323); Hassibi and Stork 1993, Optimal Brain Surgeon.

    Of two inputs that are always alike, the second makes up for the first:

    >>> alike = np.ones((1, 2, 2))
    >>> round_weights(np.array([[[1.4, 1.4]]]), alike, np.ones((1, 1))).tolist()
    [[[1.0, 2.0]]]
    """
    values = weights.shape[2]
    variances = np.einsum("gvv->gv", covariance)
    order = np.argsort(-variances, axis=1, kind="stable")
    mean = variances.mean(axis=1, keepdims=True)
    damped = np.take_along_axis(np.take_along_axis(covariance, order[:, :, None], 1), order[:, None, :], 2)
    diagonal = np.arange(values)
    damped[:, diagonal, diagonal] += _DAMPING * np.where(mean > 0, mean, 1.0)
    # rows of the upper triangle hold how the values after one make up for it
    upper = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    left = np.take_along_axis(weights.astype(np.float64), order[:, None, :], 2)
    rounded = np.zeros_like(left)
    for v in range(values):
        rounded[:, :, v] = np.clip(np.rint(left[:, :, v] / steps), -LARGEST, LARGEST)
        error = (left[:, :, v] - rounded[:, :, v] * steps) / upper[:, v, v][:, None]
        left[:, :, v + 1 :] -= error[:, :, None] * upper[:, None, v, v + 1 :]
    return np.take_along_axis(rounded, np.argsort(order, axis=1)[:, None, :], 2)
