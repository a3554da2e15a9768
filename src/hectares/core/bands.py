"""Bands by number and name, and their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.errors import BandError


@dataclass(frozen=True, slots=True)
class BandStats:
    """Mean and standard deviation of each band, in the units of the raster.

    >>> stats = BandStats(("red", "nir"), mean=(100.0, 3000.0), std=(20.0, 500.0))
    >>> stats.normalize(np.array([[[120]], [[2500]]], np.uint16)).ravel()
    array([ 1., -1.], dtype=float32)
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...] = ()
    """2nd percentile of each band in the training pixels; empty if not measured."""
    high: tuple[float, ...] = ()
    """98th percentile."""

    def __post_init__(self) -> None:
        sizes = {len(v) for v in (self.names, self.mean, self.std)} | {len(v) for v in (self.low, self.high) if v}
        if len(sizes) != 1 or not self.names:
            raise BandError(f"statistics of {len(self.names)} bands need as many means and deviations")
        if not np.isfinite([*self.mean, *self.std]).all() or min(self.std) < 0:
            raise BandError(f"statistics must be finite, got mean {self.mean} and std {self.std}")

    def normalize(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Give (image - mean) / std for an array (..., C, H, W); a constant band gives 0."""
        mean = np.array(self.mean, np.float32)[:, None, None]
        scale = np.array([1 / s if s > 0 else 1.0 for s in self.std], np.float32)[:, None, None]
        return (image.astype(np.float32) - mean) * scale

    def to_json(self) -> dict[str, list[Any]]:
        """Give the statistics as a record."""
        return {field: list(getattr(self, field)) for field in ("names", "mean", "std", "low", "high")}

    @classmethod
    def from_json(cls, record: dict[str, list[Any]]) -> BandStats:
        """Read a record written by `to_json`."""
        return cls(**{field: tuple(values) for field, values in record.items()})


class BandStatsCounter:
    """Collects band statistics chip by chip, in float64, from valid pixels only.

    Sums are merged pairwise (Chan, Golub and LeVeque 1983), so that large values with a small spread keep
    their digits. Percentiles come from an even subsample of at most `keep` pixels a chip.
    """

    def __init__(self, names: Sequence[str], *, keep: int = 4096) -> None:
        self._names = tuple(names)
        self._keep = keep
        self._count = 0
        self._mean = np.zeros(len(names))
        self._m2 = np.zeros(len(names))
        self._kept: list[NDArray[Any]] = []

    def add(self, image: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Add the valid pixels of an image (C, h, w)."""
        values = image[:, valid].astype(np.float64)
        n = values.shape[1]
        if n == 0:
            return
        mean = values.mean(axis=1)
        m2 = ((values - mean[:, None]) ** 2).sum(axis=1)
        delta = mean - self._mean
        total = self._count + n
        self._m2 += m2 + delta**2 * (self._count * n / total)
        self._mean = self._mean + delta * (n / total)
        self._count = total
        self._kept.append(values[:, :: max(1, n // self._keep)].astype(np.float32))

    def result(self) -> BandStats:
        """Give the statistics so far. Raises BandError if no pixel was valid."""
        if self._count == 0:
            raise BandError("no training pixel is valid, so there are no band statistics; check nodata and labels")
        low, high = np.percentile(np.concatenate(self._kept, axis=1), (2, 98), axis=1)
        std = np.sqrt(self._m2 / self._count)
        return BandStats(
            self._names,
            tuple(map(float, self._mean)),
            tuple(map(float, std)),
            tuple(map(float, low)),
            tuple(map(float, high)),
        )


def choose_bands(wanted: str | Sequence[str], available: Sequence[str]) -> tuple[int, ...]:
    """Give the 0-based positions of the wanted bands, in the wanted order.

    `wanted` is `all`, or 1-based numbers or names, as a list or separated by commas.

    >>> choose_bands("4,3,2", ["B01", "B02", "B03", "B04"])
    (3, 2, 1)
    >>> choose_bands("red,nir", ["blue", "red", "nir"])
    (1, 2)
    >>> choose_bands("0", ["blue", "red"])
    Traceback (most recent call last):
        ...
    hectares.errors.BandError: band 0 does not exist; bands are numbered from 1 (1 blue, 2 red)
    """
    items = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    items = [item.strip() for item in items if item.strip()]
    if items == ["all"]:
        return tuple(range(len(available)))
    if not items:
        raise BandError("no band was asked for; give numbers from 1, names, or `all`")
    positions = tuple(_band_position(item, available) for item in items)
    if len(set(positions)) != len(positions):
        raise BandError(f"bands {','.join(items)} name the same band twice")
    return positions


def _band_position(item: str, available: Sequence[str]) -> int:
    listed = ", ".join(f"{n} {name}" for n, name in enumerate(available, start=1))
    if item.removeprefix("-").isdecimal():
        number = int(item)
        if number == 0:
            raise BandError(f"band 0 does not exist; bands are numbered from 1 ({listed})")
        if not 1 <= number <= len(available):
            raise BandError(f"band {number} does not exist; there are {len(available)} bands ({listed})")
        return number - 1
    matches = [i for i, name in enumerate(available) if name.lower() == item.lower()]
    if len(matches) != 1:
        problem = "is not among" if not matches else f"stands {len(matches)} times in"
        raise BandError(f"band {item!r} {problem} the bands of the scene ({listed})")
    return matches[0]
