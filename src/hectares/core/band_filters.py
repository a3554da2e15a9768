"""First layers for other bands than they were trained on: every band gets a filter by what it measures.

A filter of a band belongs to a band of the scene that

1. has the same role or name, and not another wavelength;
2. else is the nearest in wavelength, if not farther than 5 % of it (34 nm at red, 80 nm at swir1);
3. else, it gets the mean of all filters: what all bands have in common.

All bands of the third kind together weigh as much as one of the others, however many they are, so that they do not
drown what the filters know: beside red, green and blue a fourth band takes a quarter, and so do nine. The weights that
each filter is given over the bands sum up to one. So a pixel with one value in all bands is answered as before, and so
is, in the mean, a scene of scaled bands that rise and fall together. A filter whose band is not in the scene is spread
over all bands: their mean stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.band_roles import role_of, wavelength_nm
from hectares.core.weight_sets import KnownBand, known_bands

FARTHEST = 0.05
"""Wavelengths farther from each other than this share of the longer one are different bands."""

Rule = Literal["name", "role", "wavelength", "mean"]


@dataclass(frozen=True, slots=True)
class FilterSource:
    """Where the filter of a band comes from."""

    band: str
    rule: Rule
    origin: str | None
    """The band that the filter was trained on; None for the mean of all."""

    def __str__(self) -> str:
        """Say it in words.

        >>> str(FilterSource("B08", "mean", None)), str(FilterSource("B04", "role", "red"))
        ('B08 from the mean of all', 'B04 from red (role)')
        """
        return (
            f"{self.band} from the mean of all"
            if self.origin is None
            else f"{self.band} from {self.origin} ({self.rule})"
        )


def match_bands(names: Sequence[str], known: Sequence[KnownBand]) -> tuple[FilterSource, ...]:
    """Say for each band of a scene where its filter comes from.

    >>> rgb = known_bands(["red", "green", "blue"])
    >>> [str(s) for s in match_bands(["B02", "650 nm", "ndvi"], rgb)]
    ['B02 from blue (role)', '650 nm from red (wavelength)', 'ndvi from the mean of all']
    """
    return tuple(_match(name, names, known) for name in names)


def filter_shares(sources: Sequence[FilterSource], known: Sequence[KnownBand]) -> NDArray[np.float64]:
    """Give shares (bands, known): the filter of a band is the sum of the known filters times its row.

    Columns sum up to one.

    >>> rgb = known_bands(["red", "green", "blue"])
    >>> filter_shares(match_bands(["B03", "B08", "B04", "B02"], rgb), rgb)
    array([[0.  , 0.75, 0.  ],
           [0.25, 0.25, 0.25],
           [0.75, 0.  , 0.  ],
           [0.  , 0.  , 0.75]])
    """
    order = [band.name for band in known]
    shares = np.zeros((len(sources), len(known)))
    strangers = sum(source.origin is None for source in sources)
    for row, source in zip(shares, sources, strict=True):
        if source.origin is None:
            row[:] = 1 / (len(known) * strangers)
        else:
            row[order.index(source.origin)] = 1
    lost = [k for k, name in enumerate(order) if name not in {s.origin for s in sources}]
    shares[:, lost] = 1
    return np.asarray(shares / shares.sum(axis=0))


def _match(name: str, names: Sequence[str], known: Sequence[KnownBand]) -> FilterSource:
    (band,) = known_bands([name], [wavelength_nm(name, names)])
    role = role_of(name, names)
    for other in known:
        if _key(other.name) == _key(name) and not _apart(band.nm, other.nm):
            return FilterSource(name, "name", other.name)
    for other in known:
        if role is not None and other.role == role and not _apart(band.nm, other.nm):
            return FilterSource(name, "role", other.name)
    near = [(abs(band.nm - o.nm), o.name) for o in known if band.nm and o.nm and not _apart(band.nm, o.nm)]
    return FilterSource(name, "wavelength", min(near)[1]) if near else FilterSource(name, "mean", None)


def _key(name: str) -> str:
    return name.strip().lower()


def _apart(one: float | None, two: float | None) -> bool:
    return one is not None and two is not None and abs(one - two) > FARTHEST * max(one, two)
