"""Do scores mean what they say? Reliability, its summaries, and the temperature that mends them.

Of all pixels that a segmenter is 80 % sure of, 80 % should be right. Logits are (K, h, w) with labels (h, w) of class
indices, or planes (K, h, w) of 0, 1 and 255 where classes may overlap; 255 is never counted. All counts add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.scoring.scores import FloatArray, ratio

BINS = 15
"""Bins of the reliability table. Source: Guo et al. 2017 (ICML)."""
_COLDEST, _HOTTEST = 0.02, 50.0
_STEPS = 60
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class CalibrationTally:
    """Sums that reliability, ECE, Brier score and NLL follow from."""

    sure: FloatArray
    """(BINS, 3) by confidence of the class chosen: pixels, sum of the confidence, pixels that are right."""
    by_class: FloatArray
    """(K, BINS, 3) by the score of each class: pixels, sum of the score, pixels of the class."""
    losses: FloatArray
    """(3,) pixels, sum of the squared error over the classes, sum of minus the log score of the true class."""

    @classmethod
    def empty(cls, classes: int) -> CalibrationTally:
        """Give zeros to add to."""
        return cls(np.zeros((BINS, 3)), np.zeros((classes, BINS, 3)), np.zeros(3))

    @classmethod
    def count(
        cls, logits: NDArray[np.floating], label: NDArray[np.uint8], *, temperature: float = 1.0
    ) -> CalibrationTally:
        """Count the pixels of a chip; where classes overlap, every answer yes or no is one."""
        if label.ndim == logits.ndim:
            return _count_answers(logits, label, temperature)
        z, y = pixels_of(logits, label)
        p = softmax(z / temperature)
        picked, rows = p.argmax(axis=1), np.arange(len(p))
        hit = np.zeros_like(p)
        hit[rows, y] = 1
        by_class = np.stack([_binned(p[:, k], hit[:, k]) for k in range(p.shape[1])])
        losses = (len(p), ((p - hit) ** 2).sum(), -np.log(np.maximum(p[rows, y], _TINY)).sum())
        return cls(_binned(p[rows, picked], (picked == y).astype(np.float64)), by_class, np.array(losses, np.float64))

    def __add__(self, other: CalibrationTally) -> CalibrationTally:
        return CalibrationTally(self.sure + other.sure, self.by_class + other.by_class, self.losses + other.losses)

    def pack(self) -> FloatArray:
        """Give the sums as one row, for `calibration_scores`."""
        return np.concatenate([self.losses, self.sure.ravel(), self.by_class.ravel()])


CALIBRATION_SCORES = ("ece", "class_ece", "brier", "nll")


def calibration_scores(sums: FloatArray) -> FloatArray:
    """Give ECE, class-wise ECE, Brier score and NLL, (..., 4), from packed sums (..., M).

    - ECE: mean distance of confidence and share right over the bins. Source: Naeini et al. 2015 (AAAI);
    - class-wise ECE: the same for the score of each class, averaged over the classes. Source: Kull et al. 2019
      (NeurIPS);
    - Brier score: mean squared error, summed over the classes. Source: Brier 1950, Monthly Weather Review 78;
    - NLL: mean of minus the log of the score of the true class.
    """
    pixels = sums[..., 0]
    sure = sums[..., 3 : 3 + 3 * BINS].reshape(*sums.shape[:-1], BINS, 3)
    by_class = sums[..., 3 + 3 * BINS :].reshape(*sums.shape[:-1], -1, BINS, 3)
    gaps = [ratio(np.abs(t[..., 1] - t[..., 2]).sum(-1), t[..., 0].sum(-1)) for t in (sure, by_class)]
    return np.stack([gaps[0], gaps[1].mean(axis=-1), ratio(sums[..., 1], pixels), ratio(sums[..., 2], pixels)], axis=-1)


def softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Give scores that sum to 1 over the second axis, from logits (n, K)."""
    raised: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    raised /= raised.sum(axis=1, keepdims=True)
    return raised


def sigmoid(logits: NDArray[np.floating]) -> FloatArray:
    """Give scores of 0 to 1, each by itself, without overflow."""
    half = 0.5 * np.tanh(0.5 * logits.astype(np.float64))
    return half + 0.5


def pixels_of(logits: NDArray[np.floating], label: NDArray[np.integer]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Give the labelled pixels of logits (K, h, w) or (B, K, h, w): logits (n, K) and class indices (n,).

    With planes as labels every answer is a pixel of its own: logits (n, 1) and 0 or 1.
    """
    if label.ndim == logits.ndim:
        known = label != IGNORE
        return logits[known].astype(np.float64)[:, None], label[known].astype(np.int64)
    known = label != IGNORE
    return np.moveaxis(logits, -3, -1)[known].astype(np.float64), label[known].astype(np.int64)


def _count_answers(logits: NDArray[np.floating], label: NDArray[np.uint8], temperature: float) -> CalibrationTally:
    tally = CalibrationTally.empty(len(logits))
    sure, losses = tally.sure, tally.losses
    by_class = []
    for z, y in zip(logits, label, strict=True):
        known = y != IGNORE
        p, hit = sigmoid(z[known] / temperature), y[known].astype(np.float64)
        right = ((p > 0.5) == (hit == 1)).astype(np.float64)
        sure = sure + _binned(np.maximum(p, 1 - p), right)
        by_class.append(_binned(p, hit))
        true = np.maximum(np.where(hit == 1, p, 1 - p), _TINY)
        losses = losses + np.array([len(p), ((p - hit) ** 2).sum(), -np.log(true).sum()])
    return CalibrationTally(sure, np.stack(by_class), losses)


def _binned(score: FloatArray, hit: FloatArray) -> FloatArray:
    place = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    columns = [np.bincount(place, weights=w, minlength=BINS) for w in (np.ones_like(score), score, hit)]
    return np.stack(columns, axis=1)


# --- Temperature ------------------------------------------------------------------------------------------


def fit_temperature(logits: NDArray[np.floating], label: NDArray[np.integer]) -> float:
    """Give the number that logits are to be divided by so that their NLL on these labels is least.

    `logits` are (n, K), (K, h, w) or (B, K, h, w); labels are class indices of one axis less, or planes of the same
    shape. The loss has one minimum, where its slope is 0, found by halving; results lie between 0.02 and 50.
    Source: Guo et al. 2017 (ICML).

    >>> label = np.array([0, 0, 0, 1])
    >>> logits = np.tile([9.0, 0.0], (4, 1))        # sure, but right three times of four: ln 3 is what they should be
    >>> round(fit_temperature(logits, label), 3)
    8.192
    """
    if logits.ndim == 2 and label.ndim == 1:
        known = label != IGNORE
        z, y = logits[known].astype(np.float64), label[known].astype(np.int64)
    else:
        z, y = pixels_of(logits, label)
    if not len(z):
        return 1.0
    low, high = np.log(1 / _HOTTEST), np.log(1 / _COLDEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(z, y, float(np.exp(middle))) > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def _slope(z: FloatArray, y: NDArray[np.int64], inverse: float) -> float:
    """Slope of the NLL with the inverse of the temperature: it only rises."""
    if z.shape[1] == 1:
        return float(((sigmoid(z[:, 0] * inverse) - y) * z[:, 0]).mean())
    expected = (softmax(z * inverse) * z).sum(axis=1)
    return float((expected - z[np.arange(len(z)), y]).mean())


class LogitSample:
    """A sample of logits with labels, taken evenly from all chips that pass; fits a temperature.

    At most `most` pixels are held: when there are more, every second one is let go, and fewer are taken from then on.
    The same chips in the same order give the same sample.
    """

    def __init__(self, *, most: int = 2**18, first_step: int = 16) -> None:
        self._most, self._step, self._seen = most, first_step, 0
        self._logits: list[FloatArray] = []
        self._labels: list[NDArray[np.int64]] = []

    def add(self, logits: NDArray[np.floating], label: NDArray[np.uint8]) -> None:
        """Take every so many-th labelled pixel of a chip: logits (K, h, w), label (h, w) or planes (K, h, w)."""
        z, y = pixels_of(logits, label)
        offset = -self._seen % self._step
        self._seen += len(z)
        self._logits.append(z[offset :: self._step])
        self._labels.append(y[offset :: self._step])
        while sum(map(len, self._labels)) > self._most:
            kept = np.concatenate(self._logits)[::2], np.concatenate(self._labels)[::2]
            self._logits, self._labels = [kept[0]], [kept[1]]
            self._step *= 2

    def __len__(self) -> int:
        return sum(map(len, self._labels))

    def fit(self) -> float:
        """Give the temperature; see `fit_temperature`."""
        if not len(self):
            return 1.0
        z, y = np.concatenate(self._logits), np.concatenate(self._labels)
        if z.shape[1] == 1:  # answers yes or no
            return fit_temperature(z.T[:, :, None], y[None, :, None])
        return fit_temperature(z, y)
