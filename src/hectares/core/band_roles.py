"""What the bands of a scene measure, by their names: `red` is B04 of Sentinel-2 as well."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hectares.errors import BandError

_ALIASES: dict[str, tuple[str, ...]] = {
    "coastal": ("coastal_aerosol", "coastal_blue"),
    "blue": (),
    "green": (),
    "yellow": (),
    "red": (),
    "red_edge": ("rededge", "re", "red_edge1", "red_edge_1", "rededge1", "re1"),
    "red_edge2": ("red_edge_2", "rededge2", "re2"),
    "red_edge3": ("red_edge_3", "rededge3", "re3"),
    "nir": ("nir1", "nir_1", "near_infrared"),
    "nir2": ("nir_2",),
    "nir_narrow": ("narrow_nir", "nir08"),
    "swir1": ("swir_1", "swir16"),
    "swir2": ("swir_2", "swir22"),
}
_ROLES = {name: role for role, names in _ALIASES.items() for name in (role, *names)}
_NUMBERED = re.compile(r"b0?(\d{1,2}a?)")
_SENTINEL_2 = {
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "red_edge",
    "6": "red_edge2",
    "7": "red_edge3",
    "8": "nir",
    "8a": "nir_narrow",
    "11": "swir1",
    "12": "swir2",
}


def role_of(name: str, names: Sequence[str]) -> str | None:
    """Give what a band measures, by its name and those of the other bands; None if the names do not tell.

    B05 is the red edge on Sentinel-2 and near infrared on Landsat 8: numbers beyond B04 count as those of
    Sentinel-2 only beside B08, B8A or B12; numbers without a zero only beside B8A or B12, or as 2, 3, 4 and 8.

    >>> role_of("B05", ["B04", "B05", "B08"])
    'red_edge'
    >>> role_of("B05", ["B02", "B03", "B04", "B05"]) is None
    True
    """
    key = _key(name)
    if key in _ROLES:
        return _ROLES[key]
    found = _NUMBERED.fullmatch(key)
    if found is None:
        return None
    keys = {_key(n) for n in names}
    if keys & {"b8a", "b08a", "b12", "b08"} or {"b8"} < keys <= {"b2", "b3", "b4", "b8"}:
        return _SENTINEL_2.get(found[1])
    return _SENTINEL_2[found[1]] if key in {"b01", "b02", "b03", "b04"} else None


def find_band(word: str, names: Sequence[str]) -> int:
    """Give the position of the band that a word means: by its own name, else by what it measures.

    >>> find_band("nir", ["B02", "B03", "B04", "B08"])
    3
    >>> find_band("nir", ["nir1", "near infrared"])
    Traceback (most recent call last):
        ...
    hectares.errors.BandError: 'nir' may be the band nir1 or near infrared; say which one by its own name
    """
    exact = [i for i, name in enumerate(names) if name.lower() == word.lower()]
    if len(exact) == 1:
        return exact[0]
    role = role_of(word, (word,))
    matches = exact or [i for i, name in enumerate(names) if role is not None and role_of(name, names) == role]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise BandError(
            f"{word!r} may be the band {' or '.join(names[i] for i in matches)}; say which one by its own name"
        )
    raise BandError(
        f"no band is {word!r}; there are {', '.join(names)}. Name them by what they measure "
        f"(--band-names with {', '.join(_ALIASES)})"
    )


def _key(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())
