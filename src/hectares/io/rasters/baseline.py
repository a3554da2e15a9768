"""Which offset the values of a Sentinel-2 scene carry: it depends on when they were processed, not acquired.

Since processing baseline 04.00, 1000 is added to the values of level 1C and 2A, so that noise over dark ground stays
above 0. Old scenes that were processed again have it too; 0 stays nodata. Source: Sentinel-2 Products Specification
Document 14.8 (RADIO_ADD_OFFSET, BOA_ADD_OFFSET).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hectares.core.band_roles import role_of
from hectares.errors import BandError

OFFSET = 1000.0
_FIRST_WITH_OFFSET = (4, 0)
_UNKNOWN = (99, 99)
"""Products that users processed themselves."""
_IN_NAME = re.compile(r"(?:^|_)N(\d\d)\.?(\d\d)(?=_|\.|$)", re.IGNORECASE)
_IN_TAG = re.compile(r"N?(\d\d?)\.?(\d\d)", re.IGNORECASE)
_NUMBERED = re.compile(r"b(\d{1,2}|0?8a)|band_\d+|gray", re.IGNORECASE)


def sentinel2_offset(path: Path, tags: Mapping[str, str]) -> float:
    """Give what was added to the values of a file: 0 or 1000, by its tags or else by the names above it.

    Looked for are the tags BOA_ADD_OFFSET, RADIO_ADD_OFFSET, PROCESSING_BASELINE and PRODUCT_URI, and a part
    `_N0400_` in the name of the file or of a folder above it. Raises BandError if none tells.

    >>> sentinel2_offset(Path("S2B_MSIL2A_20230601T104629_N0509_R051_T31UES_20230601T133000.SAFE/B04.tif"), {})
    1000.0
    >>> sentinel2_offset(Path("a.tif"), {"PROCESSING_BASELINE": "03.01"})
    0.0
    """
    lowered = {key.lower(): value.strip() for key, value in tags.items()}
    if any(key.endswith("boa_offset_applied") and value.lower() == "true" for key, value in lowered.items()):
        return 0.0
    stated = {value for key, value in lowered.items() if re.search(r"(boa|radio)_add_offset", key)}
    if stated:
        return _stated_offset(path, stated)
    baseline = _baseline(path, lowered)
    if baseline is None or baseline == _UNKNOWN:
        raise BandError(
            f"{path}: neither its tags nor the names of its folders tell its processing baseline (as _N0400_), so that "
            "its offset is unknown; write it into the file with `gdal_edit.py -mo PROCESSING_BASELINE=05.09`, "
            "or leave out --harmonize"
        )
    return OFFSET if baseline >= _FIRST_WITH_OFFSET else 0.0


def is_reflectance(name: str, names: Sequence[str]) -> bool:
    """Tell if a band may be reflectance of Sentinel-2, rather than a height, a mask or a class.

    >>> [is_reflectance(name, ()) for name in ("B04", "B8A", "nir", "band_3", "SCL", "dsm")]
    [True, True, True, True, False, False]
    """
    return _NUMBERED.fullmatch(name.strip()) is not None or role_of(name, names) is not None


def _stated_offset(path: Path, stated: set[str]) -> float:
    try:
        values = {abs(float(word)) for text in stated for word in re.split(r"[\s,;]+", text) if word}
    except ValueError:
        values = set()
    if len(values) != 1:
        raise BandError(
            f"{path}: states the offsets {', '.join(sorted(stated))}; expected one number for all bands, as -1000"
        )
    return values.pop()


def _baseline(path: Path, tags: Mapping[str, str]) -> tuple[int, int] | None:
    for key, value in tags.items():
        found = _IN_TAG.fullmatch(value) if key.endswith("processing_baseline") else None
        if found:
            return int(found[1]), int(found[2])
    for name in (tags.get("product_uri", ""), *reversed(path.resolve().parts)):
        found = _IN_NAME.search(name)
        if found:
            return int(found[1]), int(found[2])
    return None
