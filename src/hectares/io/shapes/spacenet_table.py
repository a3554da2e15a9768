"""Buildings of SpaceNet as a table: one polygon in pixels a row, read strictly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.errors import CatalogError
from hectares.io.shapes.burning import mend
from hectares.io.shapes.wkt import parse_wkt
from hectares.io.table import Row, read_table

COLUMNS = ("ImageId", "BuildingId", "PolygonWKT_Pix", "Confidence")
"""Of a submission; files of labels have PolygonWKT_Geo instead of the last."""
NO_BUILDING = -1
"""BuildingId of an image without buildings."""


@dataclass(frozen=True, slots=True)
class TableFault:
    """A cell that is not what it should be."""

    row: int
    """As a spreadsheet counts: the header is row 1."""
    column: str
    found: str
    expected: str

    @property
    def place(self) -> str:
        """Row and column."""
        return f"row {self.row}, column {self.column}"

    def __str__(self) -> str:
        return f"{self.place}: is {self.found}; expected {self.expected}"


@dataclass(frozen=True)
class Buildings:
    """The buildings of a table, in file order."""

    path: Path
    images: tuple[str, ...]
    """All that the table names, in its order; some may have no building."""
    rows: NDArray[np.int64]
    """(n,)."""
    image: NDArray[np.int64]
    """(n,) position in `images`."""
    polygons: NDArray[np.object_]
    """(n,) in pixels, x = column and y = row."""
    scores: NDArray[np.float64]
    """(n,) Confidence; NaN in files of labels."""
    faults: tuple[TableFault, ...]


def read_buildings(path: Path, *, scored: bool | None = None) -> Buildings:
    """Read a table of buildings; faults of rows stand in `faults`.

    `scored` tells if a Confidence is needed; None takes it where it is. Raises CatalogError without the columns.
    """
    table = read_table(path)
    scored = COLUMNS[3] in table.header if scored is None else scored
    at = table.columns(*(COLUMNS if scored else COLUMNS[:3]))
    images: dict[str, int] = {}
    seen: dict[tuple[str, int], int] = {}
    empty: dict[str, int] = {}
    faults: list[TableFault] = []
    found: list[tuple[int, int, Any, float]] = []
    for row in table.rows:
        cells = [row.cells[i].strip() for i in at]
        fault = _identity_fault(row, cells, seen, empty)
        if fault is None:
            number = images.setdefault(cells[0], len(images))
            polygon, fault = _polygon(row, cells, repair=not scored)
            score = math.nan
            if scored and polygon is not None and fault is None:
                score, fault = _score(row, cells[3])
            if fault is None and polygon is not None:
                found.append((row.number, number, polygon, score))
        if fault is not None:
            faults.append(fault)
    polygons = np.empty(len(found), dtype=object)
    polygons[:] = [f[2] for f in found]
    return Buildings(
        path,
        tuple(images),
        np.array([f[0] for f in found], np.int64),
        np.array([f[1] for f in found], np.int64),
        polygons,
        np.array([f[3] for f in found], np.float64),
        tuple(faults),
    )


def refuse_faults(buildings: Buildings) -> None:
    """Raise CatalogError with the first faults of a table, if there are any."""
    if buildings.faults:
        listed = "".join(f"\n  {f}" for f in buildings.faults[:20])
        raise CatalogError(f"{buildings.path}: has {len(buildings.faults)} fault(s):{listed}")


def _identity_fault(
    row: Row, cells: list[str], seen: dict[tuple[str, int], int], empty: dict[str, int]
) -> TableFault | None:
    image, text = cells[0], cells[1]
    if not image:
        return TableFault(row.number, COLUMNS[0], "empty", "the id of an image")
    try:
        number = int(text)
    except ValueError:
        return TableFault(row.number, COLUMNS[1], repr(text), "a whole number above 0, or -1 for no building")
    if number != NO_BUILDING and number < 1:
        return TableFault(row.number, COLUMNS[1], str(number), "a whole number above 0, or -1 for no building")
    if (image, number) in seen:
        what = f"{number}, which row {seen[image, number]} of {image} has too"
        return TableFault(row.number, COLUMNS[1], what, "a number that is unique in the image")
    if image in empty or (number == NO_BUILDING and any(name == image for name, _ in _last(seen))):
        return TableFault(row.number, COLUMNS[1], str(number), f"no building beside the -1 of {image}")
    seen[image, number] = row.number
    if number == NO_BUILDING:
        empty[image] = row.number
    return None


def _last(seen: dict[tuple[str, int], int]) -> list[tuple[str, int]]:
    """Give the latest entry: rows of an image follow each other."""
    return [next(reversed(seen))] if seen else []


def _polygon(row: Row, cells: list[str], *, repair: bool) -> tuple[shapely.Geometry | None, TableFault | None]:
    """Give the polygon of a row, None for a row that says that there is no building, and what is wrong with it.

    Labels are as they are: with `repair`, those that cross themselves are mended.
    """
    expected = "POLYGON ((x y, ...)) in pixels, valid and with an area"
    text, none = cells[2], int(cells[1]) == NO_BUILDING
    try:
        polygon = parse_wkt(_without_height(text))
    except ValueError as error:
        return None, TableFault(row.number, COLUMNS[2], f"no polygon: {error}", expected)
    if none:
        wanted = "POLYGON EMPTY beside the BuildingId -1"
        return None, None if polygon.is_empty else TableFault(row.number, COLUMNS[2], _short(text), wanted)
    if repair and not polygon.is_valid:
        polygon = mend(polygon)
    if not polygon.is_valid:
        reason = shapely.is_valid_reason(polygon)
        return None, TableFault(row.number, COLUMNS[2], f"invalid ({reason})", expected)
    if polygon.is_empty or polygon.area == 0:
        return None, TableFault(row.number, COLUMNS[2], f"{_short(text)}, without an area", expected)
    if polygon.geom_type != "Polygon" and not repair:
        return None, TableFault(row.number, COLUMNS[2], f"a {polygon.geom_type}", "one POLYGON a row")
    return polygon, None


def _without_height(text: str) -> str:
    """Leave out the third number of points, which is 0 in the files of the contest."""
    if "(" not in text:
        return text
    first = text.partition("(")[2].lstrip("( ").partition(",")[0].partition(")")[0]
    if len(first.split()) != 3:
        return text
    geometry = shapely.from_wkt(text, on_invalid="ignore")
    return text if geometry is None else shapely.to_wkt(shapely.force_2d(geometry), rounding_precision=-1)


def _score(row: Row, text: str) -> tuple[float, TableFault | None]:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        return math.nan, TableFault(row.number, COLUMNS[3], repr(text), "a number above 0")
    return value, None


def _short(text: str, longest: int = 60) -> str:
    return repr(text if len(text) <= longest else f"{text[:longest]}...")
