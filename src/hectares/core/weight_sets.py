"""What is known about weights that others publish: for which encoder, and which bands their first layer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hectares.core.band_roles import role_of, wavelength_nm
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class KnownBand:
    """A band that weights were trained on."""

    name: str
    role: str | None
    """What it measures; see `core.band_roles`."""
    nm: float | None
    """Center, in nm."""


def known_bands(names: Sequence[str], nm: Sequence[float | None] = ()) -> tuple[KnownBand, ...]:
    """Give bands by their names, with their centers where the names tell or where they are given.

    >>> known_bands(["B04", "height"])
    (KnownBand(name='B04', role='red', nm=665.0), KnownBand(name='height', role=None, nm=None))
    """
    centers = nm or tuple(wavelength_nm(name, names) for name in names)
    return tuple(KnownBand(n, role_of(n, names), c) for n, c in zip(names, centers, strict=True))


@dataclass(frozen=True, slots=True)
class WeightSet:
    """Published weights of an encoder."""

    name: str
    summary: str
    encoder: str
    """The encoder they fit, as the library of networks calls it."""
    bands: tuple[KnownBand, ...]
    """What the first layer takes, in its order."""
    hub: str
    """Repository on the Hugging Face hub."""
    revision: str
    """Commit of the repository."""
    file: str
    """Name of the file in it."""
    sha256: str
    """The SHA-256 of the file, or its first digits."""
    license: str
    scaling: str
    """What the values were when the weights were trained, for people to read."""


@dataclass(frozen=True, slots=True)
class WeightSets:
    """All weights that are known."""

    bands: Mapping[str, tuple[KnownBand, ...]]
    """Orders of bands by name: rgb, sentinel-2."""
    sets: Mapping[str, WeightSet]

    def bands_of(self, text: str) -> tuple[KnownBand, ...]:
        """Give the bands that a text means: an order of bands, a set of weights, or names with commas.

        >>> [b.role for b in WeightSets({}, {}).bands_of("B08, B04,B03,B02")]
        ['nir', 'red', 'green', 'blue']
        """
        if text in self.bands:
            return self.bands[text]
        if text in self.sets:
            return self.sets[text].bands
        names = [name.strip() for name in text.split(",")]
        if len(names) < 2 or not all(names):
            known = ", ".join((*self.bands, *self.sets))
            raise ConfigError(f"weights of bands {text!r}: expected one of {known}, or names with commas")
        return known_bands(names)

    def by_file(self, name: str) -> WeightSet | None:
        """Give the set whose file has this name; publishers put the hash into it, so that it is the only one."""
        return next((s for s in self.sets.values() if s.file == name), None)
