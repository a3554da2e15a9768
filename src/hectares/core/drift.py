"""How far the values of a scene lie from those that training saw: by band, and pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.bands import BandStats

FAR = 2.0
"""Deviations by which the mean of a band may differ before it is worth a word."""
OFTEN = 0.05
"""Share of pixels out of the range of training that is worth a word."""
_WIDENED = 0.5
"""By how much of itself the span between percentiles 2 and 98 of training is widened on both sides."""
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ValueRange:
    """What values a band had in training, but for rare ones: ends of each band (C,).

    Percentiles 2 and 98, widened on both sides by half of what lies between them, but not beyond the smallest and the
    largest value that training saw. Normally distributed values lie inside but for 4 in 100,000.

    >>> stats = BandStats(("nir",), (50.0,), (20.0,), (10.0,), (90.0,), minimum=(4.0,), maximum=(200.0,))
    >>> ValueRange.of(stats)
    ValueRange(low=(4.0,), high=(130.0,))
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, stats: BandStats) -> ValueRange | None:
        """Give the range of the training pixels; None if it was not stored."""
        if not stats.low or not stats.high:
            return None
        low, high = np.array(stats.low), np.array(stats.high)
        margin = _WIDENED * (high - low)
        low, high = low - margin, high + margin
        if stats.minimum and stats.maximum:
            low, high = np.maximum(low, stats.minimum), np.minimum(high, stats.maximum)
        return cls(tuple(low.tolist()), tuple(high.tolist()))

    def leaves(self, image: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which values of an image (C, ...) lie out of the range of their band.

        >>> ValueRange((4.0,), (130.0,)).leaves(np.array([[3, 4, 130, 131]])).tolist()
        [[True, False, False, True]]
        """
        shape = (len(self.low), *(1,) * (image.ndim - 1))
        found: NDArray[np.bool_] = (image < np.reshape(self.low, shape)) | (image > np.reshape(self.high, shape))
        return found


@dataclass(frozen=True, slots=True)
class BandDrift:
    """The values of one band of a scene against those of training."""

    name: str
    mean: float
    high: float
    """Percentile 98."""
    trained_mean: float
    trained_high: float
    score: float
    """How far the means lie apart, in deviations of training; positive if the scene is brighter."""
    out_of_range: float
    """Share of the pixels whose value lies out of the range of training."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The values of a scene against those of training, from an even sample of its pixels."""

    pixels: int
    bands: tuple[BandDrift, ...]
    out_of_range: float
    """Share of the pixels that are out of range in any band."""

    @classmethod
    def measure(cls, stats: BandStats, values: NDArray[Any]) -> Drift | None:
        """Compare pixels (C, n) with the statistics of training; None without pixels, or if those were not stored.

        >>> stats = BandStats(("red",), (50.0,), (20.0,), (10.0,), (90.0,))
        >>> found = Drift.measure(stats, np.array([[90, 90, 90, 140]]))
        >>> found.bands[0].score, found.out_of_range        # the range is -30 to 130
        (2.625, 0.25)
        """
        usual = ValueRange.of(stats)
        if usual is None or not values.shape[1]:
            return None
        exact = values.astype(np.float64)
        means, highs, outside = exact.mean(axis=1), np.percentile(exact, 98, axis=1), usual.leaves(exact)
        bands = []
        for i, name in enumerate(stats.names):
            spread = stats.std[i]
            score = (means[i] - stats.mean[i]) / spread if spread > 0 else 0.0
            numbers = (means[i], highs[i], stats.mean[i], stats.high[i], score, outside[i].mean())
            bands.append(BandDrift(name, *(round(float(v), _DIGITS) for v in numbers)))
        return cls(values.shape[1], tuple(bands), round(float(outside.any(axis=0).mean()), _DIGITS))

    @property
    def farthest(self) -> BandDrift:
        """The band whose mean lies farthest from that of training."""
        return max(self.bands, key=lambda b: abs(b.score))

    def to_json(self) -> dict[str, Any]:
        """Give the numbers as a record."""
        return asdict(self)


def otherwise_scaled(bands: Sequence[BandDrift]) -> list[BandDrift]:
    """Give the bands whose percentile 98 is less than a quarter of that of training, or more than four times it."""
    return [b for b in bands if b.trained_high > 0 and not b.trained_high / 4 <= b.high <= b.trained_high * 4]
