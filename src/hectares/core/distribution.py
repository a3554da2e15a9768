"""How the values of bands are distributed, collected part by part: by counting, or from an even sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class CountedValues:
    """Integers of up to 16 bit: every value is counted, so that all results are exact.

    >>> values = CountedValues.empty(1, np.dtype(np.int16))
    >>> values.add(np.array([[-5, 3, 3, 7]], np.int16))
    >>> values.percentile(50), values.limits()
    (array([3.]), (array([-5.]), array([7.])))
    """

    def __init__(self, lowest: int, counts: NDArray[np.int64]) -> None:
        self.lowest = lowest
        self.counts = counts

    @classmethod
    def empty(cls, bands: int, dtype: np.dtype[Any]) -> CountedValues:
        """Make room for the values of a type."""
        limits = np.iinfo(dtype)
        return cls(int(limits.min), np.zeros((bands, int(limits.max) - int(limits.min) + 1), np.int64))

    @property
    def count(self) -> int:
        """Pixels so far."""
        return int(self.counts[0].sum())

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each band."""
        total: NDArray[np.int64] = self.counts @ self._values
        return total / self.count

    def add(self, values: NDArray[Any]) -> None:
        """Add pixels (C, n)."""
        size = self.counts.shape[1]
        for i, band in enumerate(values):
            self.counts[i] += np.bincount(band.astype(np.int64) - self.lowest, minlength=size)

    def merged(self, other: CountedValues) -> CountedValues:
        """Give the distribution of the pixels of both."""
        return CountedValues(self.lowest, self.counts + other.counts)

    def deviation(self) -> NDArray[np.float64]:
        """Give the standard deviation."""
        away = (self._values - self.mean[:, None]) ** 2
        result: NDArray[np.float64] = np.sqrt((self.counts * away).sum(axis=1) / self.count)
        return result

    def percentile(self, percent: float) -> NDArray[np.float64]:
        """Give the value below which this share lies, interpolated as `np.percentile` does."""
        place = percent / 100 * (self.count - 1)
        below = int(place)
        sums = self.counts.cumsum(axis=1)
        found = np.array([np.searchsorted(s, (below, min(below + 1, self.count - 1)), side="right") for s in sums])
        low, high = found[:, 0] + self.lowest, found[:, 1] + self.lowest
        result: NDArray[np.float64] = low + (high - low) * (place - below)
        return result

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the smallest and the largest value."""
        seen = self.counts > 0
        low = seen.argmax(axis=1) + self.lowest
        high = seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1) + self.lowest
        return low.astype(np.float64), high.astype(np.float64)

    @property
    def _values(self) -> NDArray[np.int64]:
        return np.arange(self.counts.shape[1], dtype=np.int64) + self.lowest


class SampledValues:
    """Values of any type; percentiles come from all pixels, or evenly from at most `keep` of them.

    Mean and deviation are those of all pixels, merged pairwise, so that large values with a small spread keep their
    digits. When the sample is full, every third pixel stays and every third of those to come is taken: by threes,
    because images have widths of powers of two, where a step of two would always meet the same columns.
    Source: Chan, Golub and LeVeque 1983 (doi 10.1080/00031305.1983.10483115).
    """

    def __init__(self, bands: int, *, keep: int) -> None:
        self.count = 0
        self.mean = np.zeros(bands)
        self.m2 = np.zeros(bands)
        self.low, self.high = np.full(bands, np.inf), np.full(bands, -np.inf)
        self._keep = keep
        self.kept: list[NDArray[Any]] = []
        self.step = 1

    def add(self, values: NDArray[Any]) -> None:
        """Add pixels (C, n)."""
        exact = values.astype(np.float64)
        mean = exact.mean(axis=1)
        m2 = ((exact - mean[:, None]) ** 2).sum(axis=1)
        self.kept.append(values[:, -self.count % self.step :: self.step].copy())
        self._join(values.shape[1], mean, m2, exact.min(axis=1), exact.max(axis=1))

    def merged(self, other: SampledValues) -> SampledValues:
        """Give the distribution of the pixels of both."""
        both = SampledValues(self.mean.size, keep=self._keep)
        for part in (self, other):
            if part.count:
                both.thin_to(part.step)
                both.kept += [k[:, :: both.step // part.step] for k in part.sample()]
                both._join(part.count, part.mean, part.m2, part.low, part.high)
        return both

    def deviation(self) -> NDArray[np.float64]:
        """Give the standard deviation."""
        result: NDArray[np.float64] = np.sqrt(self.m2 / self.count)
        return result

    def percentile(self, percent: float) -> NDArray[np.float64]:
        """Give the value below which this share lies, interpolated as `np.percentile` does."""
        result: NDArray[np.float64] = np.percentile(self.sample()[0].astype(np.float64), percent, axis=1)
        return result

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the smallest and the largest value."""
        return self.low, self.high

    def _join(
        self,
        count: int,
        mean: NDArray[np.float64],
        m2: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
    ) -> None:
        total = self.count + count
        delta = mean - self.mean
        self.m2 = self.m2 + m2 + delta**2 * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.count = total
        while sum(k.shape[1] for k in self.kept) > self._keep:
            self.thin_to(3 * self.step)

    def thin_to(self, step: int) -> None:
        """Keep only pixels whose number is a multiple of a step."""
        if step > self.step:
            self.kept = [k[:, :: step // self.step] for k in self.sample()]
            self.step = step

    def sample(self) -> list[NDArray[Any]]:
        """Give the kept pixels as one array (C, m), in a list, which is empty if there are none."""
        if len(self.kept) > 1:
            self.kept = [np.concatenate(self.kept, axis=1)]
        return self.kept
