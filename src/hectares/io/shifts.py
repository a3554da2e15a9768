"""Measured shifts of image files against each other, kept in a small file beside the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hectares.errors import CatalogError
from hectares.io.artefact import read_json, write_json

SHIFTS_FILE = "shifts.json"


@dataclass(frozen=True, slots=True)
class StoredShift:
    """By how many pixels of its file content lies too far down and right."""

    rows: float
    cols: float
    method: str = "given"
    """How it was found."""
    confidence: float | None = None
    """How sure it is, 0 to 1, where the method says so."""


Shifts = dict[str, dict[str, StoredShift]]
"""Image id to kind of file to shift."""


def read_shifts(path: Path) -> Shifts:
    """Read the shifts of a file that was measured or written by hand; empty if there is none.

    Raises CatalogError naming the image and file kind of what is no shift.
    """
    if not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, Mapping):
        raise CatalogError(f"{path}: is a {type(content).__name__}; expected image ids with their shifts")
    shifts: Shifts = {}
    for image, kinds in content.items():
        if not isinstance(kinds, Mapping):
            raise CatalogError(f'{path}: {image} is {kinds!r}; expected {{"M": {{"rows": 1.5, "cols": -2.25}}}}')
        shifts[image] = {kind: _shift(f"{path}: {image}.{kind}", record) for kind, record in kinds.items()}
    return shifts


def _shift(where: str, record: object) -> StoredShift:
    if not isinstance(record, Mapping) or not {"rows", "cols"} <= set(record) <= set(StoredShift.__dataclass_fields__):
        raise CatalogError(f'{where} is {record!r}; expected {{"rows": 1.5, "cols": -2.25}}')
    method, confidence = record.get("method", "given"), record.get("confidence")
    numbers = [record["rows"], record["cols"], *([] if confidence is None else [confidence])]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise CatalogError(f"{where} is {dict(record)}; expected numbers of pixels")
    return StoredShift(float(record["rows"]), float(record["cols"]), str(method), confidence)


def write_shifts(path: Path, shifts: Mapping[str, Mapping[str, StoredShift]]) -> None:
    """Write shifts, complete or not at all, in the place of those that are there."""
    content = {image: {kind: asdict(shift) for kind, shift in kinds.items()} for image, kinds in shifts.items()}
    write_json(path, content, overwrite=True)
