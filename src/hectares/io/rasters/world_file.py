"""World files: six numbers beside a picture that say where it lies."""

from __future__ import annotations

import math
from pathlib import Path

from affine import Affine

from hectares.errors import InputError, RasterError
from hectares.io.text import read_text

_MAX_BYTES = 4096
_TERMS = (
    "x per column", "y per column", "x per row", "y per row", "x of the first pixel's center", "y of it",
)  # fmt: skip


def find_world_file(image: Path) -> Path | None:
    """Give the world file beside an image, if there is one: .tfw, .tifw, .wld ..., in small or capital letters."""
    for suffix in world_suffixes(image.suffix):
        for spelling in (suffix, suffix.upper(), suffix.capitalize()):
            path = image.with_suffix(f".{spelling}")
            if path.is_file():
                return path
    return None


def world_suffixes(suffix: str) -> tuple[str, ...]:
    """Give the usual suffixes of world files for the suffix of a raster, without the dot, the commonest first.

    >>> world_suffixes(".tif"), world_suffixes(".JPEG")
    (('tfw', 'tifw', 'wld'), ('jgw', 'jpegw', 'wld'))
    """
    letters = suffix.lower().removeprefix(".")
    if not letters:
        return ()
    short = {"jp2": "j2w"}.get(letters, f"{letters[0]}{letters[-1]}w")
    return (short, f"{letters}w", "wld")


def read_world_file(path: Path) -> Affine:
    """Read the transform from the upper left corner of pixels; the file itself speaks of their centers.

    Raises RasterError naming the line that is wrong. A decimal comma is taken for a point.
    Source: the lines are A, D, B, E, C and F, with x = A col + B row + C and y = D col + E row + F.
    """
    try:
        lines = read_text(path, limit=_MAX_BYTES).splitlines()
    except InputError as error:
        raise RasterError(str(error)) from error
    rows = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(rows) != len(_TERMS):
        place = f"line {rows[6][0]} {rows[6][1][:40]!r} is one too many" if len(rows) > 6 else f"it has {len(rows)}"
        raise RasterError(f"{path}: a world file has six lines with one number each; {place}")
    a, d, b, e, c, f = (_number(path, *row, term) for row, term in zip(rows, _TERMS, strict=True))
    if a * e - b * d == 0:
        raise RasterError(f"{path}: lines 1 to 4 ({a}, {d}, {b}, {e}) give pixels without area; correct or remove it")
    return Affine(a, b, c, d, e, f) @ Affine.translation(-0.5, -0.5)


def _number(path: Path, line: int, text: str, term: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RasterError(f"{path}:{line}: {text[:40]!r} is no number; expected {term}, like 0.05 or -0.05")
    return value


def world_file_text(transform: Affine) -> str:
    """Give the content of the world file of a transform.

    >>> world_file_text(Affine(10, 0, 500_000, 0, -10, 5_000_000)).split()
    ['10.0', '0.0', '0.0', '-10.0', '500005.0', '4999995.0']
    """
    t = transform
    x, y = t @ (0.5, 0.5)
    return "".join(f"{float(v)!r}\n" for v in (t.a, t.d, t.b, t.e, x, y))
