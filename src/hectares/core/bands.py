"""Bands by number and name, their statistics, and which of them a network is fed with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.band_roles import role_of
from hectares.core.distribution import CountedValues, SampledValues
from hectares.core.indices import SpectralIndex, parse_index
from hectares.errors import BandError, ConfigError

# --- Statistics -------------------------------------------------------------------------------------------


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
    minimum: tuple[float, ...] = ()
    """Smallest value of each band; empty if not measured."""
    maximum: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        optional = (self.low, self.high, self.minimum, self.maximum)
        sizes = {len(v) for v in (self.names, self.mean, self.std)} | {len(v) for v in optional if v}
        if len(sizes) != 1 or not self.names:
            raise BandError(f"statistics of {len(self.names)} bands need as many means and deviations")
        if not np.isfinite([*self.mean, *self.std]).all() or min(self.std) < 0:
            raise BandError(f"statistics must be finite, got mean {self.mean} and std {self.std}")

    def normalize(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Give (image - mean) / std for an array (..., C, H, W); a constant band gives 0."""
        mean = np.array(self.mean, np.float32)[:, None, None]
        scale = np.array([1 / s if s > 0 else 1.0 for s in self.std], np.float32)[:, None, None]
        return (image.astype(np.float32) - mean) * scale

    def take(self, positions: Sequence[int]) -> BandStats:
        """Give the statistics of some bands, in this order.

        >>> BandStats(("red", "nir"), (100.0, 3000.0), (20.0, 500.0)).take([1]).names
        ('nir',)
        """
        columns = (getattr(self, field) for field in self.__dataclass_fields__)
        return BandStats(*(tuple(column[p] for p in positions) if column else () for column in columns))

    def to_json(self) -> dict[str, list[Any]]:
        """Give the statistics as a record."""
        return {field: list(getattr(self, field)) for field in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, record: dict[str, list[Any]]) -> BandStats:
        """Read a record written by `to_json`; older ones lack the extremes."""
        return cls(**{field: tuple(values) for field, values in record.items()})


class BandStatsCounter:
    """Collects band statistics chip by chip, from valid pixels only; two counters add up with `+`.

    For integers of up to 16 bit everything is exact. For other types the percentiles come from an even sample of at
    most `keep` pixels; mean, deviation and extremes from all.

    >>> counter = BandStatsCounter(["gray"])
    >>> counter.add(np.array([[[1, 3, 99]]], np.uint8), np.array([[True, True, False]]))
    >>> counter.result().mean, counter.result().maximum
    ((2.0,), (3.0,))
    """

    def __init__(self, names: Sequence[str], *, keep: int = 2**18) -> None:
        self.names = tuple(names)
        self._keep = keep
        self.dtype: np.dtype[Any] | None = None
        self.values: CountedValues | SampledValues | None = None

    def add(self, image: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Add the valid pixels of an image (C, h, w); all images have one type."""
        values = image.reshape(len(image), -1) if valid.all() else image[:, valid]
        if values.shape[1] == 0:
            return
        if self.values is None:
            self.dtype = image.dtype
            counted = image.dtype.kind in "iu" and image.dtype.itemsize <= 2
            bands = len(self.names)
            self.values = CountedValues.empty(bands, image.dtype) if counted else SampledValues(bands, keep=self._keep)
        elif image.dtype != self.dtype:
            raise BandError(f"statistics of {self.dtype} pixels cannot go on with pixels of {image.dtype}")
        self.values.add(values)

    def __add__(self, other: BandStatsCounter) -> BandStatsCounter:
        """Give the counter of the pixels of both."""
        if other.names != self.names:
            raise BandError(f"statistics of {', '.join(self.names)} and {', '.join(other.names)} do not add up")
        if self.values is None or other.values is None:
            return deepcopy(self if other.values is None else other)
        if self.dtype != other.dtype:
            raise BandError(f"statistics of {self.dtype} and of {other.dtype} pixels do not add up")
        both = BandStatsCounter(self.names, keep=self._keep)
        both.dtype = self.dtype
        both.values = self.values.merged(other.values)  # type: ignore[arg-type]  # of one kind, as of one type
        return both

    def result(self) -> BandStats:
        """Give the statistics so far. Raises BandError if no pixel was valid."""
        if self.values is None:
            raise BandError("no training pixel is valid, so there are no band statistics; check nodata and labels")
        values = self.values
        columns = (values.mean, values.deviation(), values.percentile(2), values.percentile(98), *values.limits())
        return BandStats(self.names, *(tuple(map(float, column)) for column in columns))


# --- Choice -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BandPlan:
    """What lies between the files of a scene and the bands a network sees, except for scaling.

    >>> plan = BandPlan("red,nir", ("ndvi", "bright=max(red,nir)"))
    >>> plan.index_names
    ('ndvi', 'bright')
    >>> BandPlan.from_json(plan.to_json()) == plan
    True
    """

    bands: str = "all"
    """Bands of all files together, by 1-based number or name, in the wanted order; or `all`."""
    indices: tuple[str, ...] = ()
    """Spectral indices that follow as extra bands: `ndvi`, or `name=formula`."""
    reflectance_scale: float = 1.0
    """Factor that turns values into reflectance of 0 to 1 for indices; 1 also stands for what a file says itself."""
    harmonize: bool = False
    """Take the offset of 1000 out of Sentinel-2 scenes of processing baseline 04.00 and later."""

    def __post_init__(self) -> None:
        parse_bands(self.bands)
        object.__setattr__(self, "indices", tuple(self.indices))
        names = [name.lower() for name in self.index_names]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"two indices are named {twice!r}; give one of them another name: {twice}2=...")
        if not (math.isfinite(self.reflectance_scale) and self.reflectance_scale > 0):
            raise ConfigError(f"reflectance_scale is {self.reflectance_scale}; expected a positive factor, as 0.0001")

    @property
    def computed(self) -> tuple[SpectralIndex, ...]:
        """The indices, ready to compute."""
        return tuple(parse_index(text) for text in self.indices)

    @property
    def index_names(self) -> tuple[str, ...]:
        """Names of the indices, as bands."""
        return tuple(index.name for index in self.computed)

    def to_json(self) -> dict[str, Any]:
        """Give the plan as a record."""
        return {
            "bands": self.bands,
            "indices": list(self.indices),
            "reflectance_scale": self.reflectance_scale,
            "harmonize": self.harmonize,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> BandPlan:
        """Read a record written by `to_json`."""
        return cls(record["bands"], tuple(record["indices"]), record["reflectance_scale"], record["harmonize"])


def choose_bands(wanted: str | Sequence[str], available: Sequence[str]) -> tuple[int, ...]:
    """Give the 0-based positions of the wanted bands, in the wanted order.

    `wanted` is `all`, or 1-based numbers or names, as a list or separated by commas.

    >>> choose_bands("4,3,2", ["B01", "B02", "B03", "B04"])
    (3, 2, 1)
    >>> choose_bands("red,nir", ["blue", "red", "nir"])
    (1, 2)
    >>> choose_bands("red,nir", ["B02", "B03", "B04", "B08"])
    (2, 3)
    >>> choose_bands("0", ["blue", "red"])
    Traceback (most recent call last):
        ...
    hectares.errors.ConfigError: band 0 does not exist; bands are numbered from 1

    Raises ConfigError for what no file could have, BandError for bands that this one does not have.
    """
    items = parse_bands(wanted)
    if items == ("all",):
        return tuple(range(len(available)))
    positions = tuple(_band_position(item, available) for item in items)
    if len(set(positions)) != len(positions):
        raise ConfigError(f"bands {','.join(items)} name the same band twice")
    return positions


def parse_bands(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """Give the numbers and names of a choice of bands. Raises ConfigError for what no file could have.

    >>> parse_bands("4, 3,nir")
    ('4', '3', 'nir')
    """
    items = tuple(item.strip() for item in (wanted.split(",") if isinstance(wanted, str) else wanted))
    text = ",".join(items)
    if not any(items):
        raise ConfigError("no band was asked for; give numbers from 1, names, or `all`")
    if not all(items):
        raise ConfigError(f"bands {text!r}: one of them has no name; give numbers from 1, or names, as 4,3,2")
    for item in items:
        if item.removeprefix("-").isdecimal() and int(item) < 1:
            raise ConfigError(f"band {item} does not exist; bands are numbered from 1")
    if len({item.lower() for item in items}) < len(items):
        raise ConfigError(f"bands {text} name the same band twice")
    return items


def _band_position(item: str, available: Sequence[str]) -> int:
    listed = ", ".join(f"{n} {name}" for n, name in enumerate(available, start=1))
    if item.isdecimal():
        number = int(item)
        if number > len(available):
            raise BandError(f"band {number} does not exist; there are {len(available)} bands ({listed})")
        return number - 1
    matches = [i for i, name in enumerate(available) if name.lower() == item.lower()]
    role = role_of(item, (item,))
    if not matches and role is not None:  # by what it measures: red is B04 of Sentinel-2
        matches = [i for i, name in enumerate(available) if role_of(name, available) == role]
        if len(matches) > 1:
            candidates = " or ".join(available[i] for i in matches)
            raise BandError(f"{item!r} may be the band {candidates}; say which one by its own name")
    if len(matches) != 1:
        problem = "is not among" if not matches else f"stands {len(matches)} times in"
        raise BandError(
            f"band {item!r} {problem} the bands of the scene ({listed}); take a number, or name them with --band-names"
        )
    return matches[0]
