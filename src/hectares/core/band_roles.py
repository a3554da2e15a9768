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
    "water_vapor": ("water_vapour",),
    "cirrus": (),
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
    "9": "water_vapor",
    "10": "cirrus",
    "11": "swir1",
    "12": "swir2",
}
_WAVELENGTHS_NM = {
    "coastal": 443.0,
    "blue": 490.0,
    "green": 560.0,
    "yellow": 605.0,
    "red": 665.0,
    "red_edge": 705.0,
    "red_edge2": 740.0,
    "red_edge3": 783.0,
    "nir": 842.0,
    "nir_narrow": 865.0,
    "nir2": 950.0,
    "water_vapor": 945.0,
    "cirrus": 1375.0,
    "swir1": 1610.0,
    "swir2": 2190.0,
}
"""Centers of bands. Source: Sentinel-2 User Handbook, table 1; yellow and nir2 are those of WorldView-2 and 3."""
_WORLDVIEW_3_SWIR_NM = (1210.0, 1570.0, 1660.0, 1730.0, 2165.0, 2205.0, 2260.0, 2330.0)
_IN_THE_NAME = re.compile(r"(?:.*[_\D])?(\d{3,4}(?:\.\d+)?)_?nm")


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


def wavelength_nm(name: str, names: Sequence[str]) -> float | None:
    """Give the center of a band in nm, by its name and those of the other bands; None if the names do not tell.

    It stands in the name itself (`865nm`), or follows from what the band measures. Beside swir3 to swir8, swir1 and
    swir2 are those of WorldView-3.

    >>> wavelength_nm("B04", ["B04", "B08"]), wavelength_nm("band_865 nm", [])
    (665.0, 865.0)
    >>> wavelength_nm("swir1", ["swir1", "swir2"]), wavelength_nm("swir1", ["swir1", "swir2", "swir3"])
    (1610.0, 1210.0)
    >>> wavelength_nm("height", ["red", "height"]) is None
    True
    """
    key, keys = _key(name), {_key(n) for n in names}
    if found := _IN_THE_NAME.fullmatch(key):
        return float(found[1])
    many = [f"swir{n}" for n in range(1, 1 + len(_WORLDVIEW_3_SWIR_NM))]
    if key in many and keys & set(many[2:]):
        return _WORLDVIEW_3_SWIR_NM[many.index(key)]
    return _WAVELENGTHS_NM.get(role_of(name, names) or "")


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
