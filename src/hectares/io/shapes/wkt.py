"""Multipolygons as well-known text in a CSV, in the anonymous degrees of DSTL.

x runs from 0 to Xmax, y from 0 down to Ymin; `grid_sizes.csv` gives both for every image.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import CatalogError, GridError, LegendError, VectorError
from hectares.io.catalog import LabelRules, WktLabel
from hectares.io.shapes.burning import Burned, burn_polygons, mend, outside
from hectares.io.table import read_table
from hectares.monitor import Problem

CLASS_TYPES = range(1, 11)
COLUMNS = ("ImageId", "ClassType", "MultipolygonWKT")

_NUMBERS = frozenset(map(str, CLASS_TYPES))
_HEAD = re.compile(r"\s*(?:SRID=\d+;)?\s*([A-Za-z]+)\s*(ZM|Z|M)?\s*(EMPTY\s*\Z|\()", re.IGNORECASE)
_SRID = re.compile(r"\s*SRID=\d+;", re.IGNORECASE)
_FEW = 0.01
"""A class of which less than this share of polygons reach into the image probably lies elsewhere."""
_AREA_TOLERANCE = 0.05


# --- Coordinates ------------------------------------------------------------------------------------------


def to_pixels(geometry: Any, shape: tuple[int, int], extent: tuple[float, float]) -> Any:
    """Bring geometry in degrees to pixels (x = col, y = row) of an image (height, width) with (Xmax, Ymin).

    Takes one geometry or an array of them. Source: evaluation rule of the DSTL challenge,
    W' = W * W / (W + 1), H' = H * H / (H + 1), col = x * W' / Xmax, row = y * H' / Ymin.

    >>> corner = to_pixels(shapely.Point(0.009188, -0.00904), (3349, 3391), (0.009188, -0.00904))
    >>> round(corner.x, 6), round(corner.y, 6)
    (3390.000295, 3348.000299)
    """
    factors = _factors(shape, extent)
    return shapely.transform(geometry, lambda points: points * factors)


def to_degrees(geometry: Any, shape: tuple[int, int], extent: tuple[float, float]) -> Any:
    """Bring geometry in pixels back to degrees: the inverse of `to_pixels`.

    >>> corner = to_degrees(shapely.Point(9 * 9 / 10, 4 * 4 / 5), (4, 9), (0.009, -0.008))
    >>> round(corner.x, 9), round(corner.y, 9)
    (0.009, -0.008)
    """
    factors = _factors(shape, extent)
    return shapely.transform(geometry, lambda points: points / factors)


def _factors(shape: tuple[int, int], extent: tuple[float, float]) -> NDArray[np.float64]:
    """Give pixels per degree along x and y; the latter is negative."""
    (height, width), (x_max, y_min) = shape, extent
    if not (0 < x_max < math.inf and -math.inf < y_min < 0):
        raise GridError(f"an image has Xmax {x_max} and Ymin {y_min}; expected Xmax above and Ymin below 0")
    return np.array([width * width / (width + 1) / x_max, height * height / (height + 1) / y_min])


# --- The table --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WktCell:
    """The text of one class of one image."""

    row: int
    text: str


def read_wkt_table(path: Path) -> Mapping[str, Mapping[int, WktCell]]:
    """Read a CSV of ImageId, ClassType, MultipolygonWKT: image to class number to cell; kept while unchanged.

    Raises CatalogError naming row and column of what is no such table, stands twice, or is no class of 1 to 10.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read ({error.strerror})") from error
    return _read_cells(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=2)
def _read_cells(path: Path, _size: int, _mtime_ns: int) -> Mapping[str, Mapping[int, WktCell]]:
    table = read_table(path)
    image, class_type, text = table.columns(*COLUMNS)
    cells: dict[str, dict[int, WktCell]] = {}
    for row in table.rows:
        name, number = row.cells[image].strip(), row.cells[class_type].strip()
        if not name:
            raise CatalogError(f"{path}: row {row.number}, column {COLUMNS[0]}: is empty; expected the id of an image")
        if number not in _NUMBERS:
            raise CatalogError(
                f"{path}: row {row.number}, column {COLUMNS[1]}: is {number!r}; expected a class of 1 to 10"
            )
        of_image = cells.setdefault(name, {})
        if int(number) in of_image:
            raise CatalogError(
                f"{path}: rows {of_image[int(number)].row} and {row.number} are both for image {name}, "
                f"class {number}; keep one of them"
            )
        of_image[int(number)] = WktCell(row.number, row.cells[text])
    return cells


def parse_wkt(text: str) -> shapely.Geometry:
    """Read a polygon or multipolygon; a prefix `SRID=...;` is allowed. Raises ValueError saying what it is instead.

    >>> parse_wkt("SRID=4326;POLYGON ((0 0, 2 0, 2 1, 0 0))").area
    1.0
    >>> parse_wkt("MULTIPOLYGON EMPTY").is_empty
    True
    """
    expected = "expected MULTIPOLYGON (((x y, ...))) or MULTIPOLYGON EMPTY"
    shown = repr(text if len(text) <= 50 else f"{text[:25]} ... {text[-20:]}")
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"{shown} is no well-known text; {expected}")
    kind, height, begin = head.groups()
    # Known before parsing: GEOS follows nested collections as deep as they go.
    if kind.upper() not in {"MULTIPOLYGON", "POLYGON"}:
        raise ValueError(f"is a {kind.upper()}; {expected}")
    if begin != "(":
        return shapely.MultiPolygon()
    try:
        with np.errstate(all="ignore"):  # nan and 1e999 are named below
            geometry = shapely.from_wkt(_SRID.sub("", text, count=1))
    except shapely.errors.GEOSException as error:
        raise ValueError(f"{shown} is no well-known text ({error}); {expected}") from error
    points = shapely.get_coordinates(geometry)
    if not np.isfinite(points).all():
        first = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        x, y = points[first]
        raise ValueError(f"point {first + 1} is ({x}, {y}); expected finite numbers")
    if height or shapely.get_coordinate_dimension(geometry) != 2:
        raise ValueError("has heights or measures (Z, M); expected x and y only")
    return geometry


# --- Burning ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layer:
    """The polygons of one class, in pixels, all valid and with an area."""

    name: str
    index: int
    polygons: NDArray[Any]
    repaired: int = 0
    without_area: int = 0


def open_wkt(label: WktLabel, legend: Legend, rules: LabelRules, grid: Grid) -> WktShapes:
    """Open the multipolygons of one image; class numbers are the codes of the legend in its source.

    Classes that the legend does not have are left out. Raises VectorError naming row and column of text that is
    no multipolygon (with `skip_bad` it is left out), CatalogError if the image is not in the file.
    """
    cells = read_wkt_table(label.path).get(label.image)
    if cells is None:
        raise CatalogError(f"{label.path}: has no rows for image {label.image}; expected ten, one a class")
    indices = {code: k for k, code in enumerate(legend.source_codes) if code in CLASS_TYPES}
    if not indices:
        raise LegendError(
            f"{label.path}: its classes are 1 to 10, but the legend has the codes "
            f"{', '.join(map(str, legend.source_codes))}; give a legend with those of the file as code or source_code"
        )
    layers, skipped = [], []
    for number, cell in sorted(cells.items()):
        if number not in indices:
            continue
        where = f"{label.path}: row {cell.row} (image {label.image}, class {number}), column {COLUMNS[2]}"
        try:
            geometry = parse_wkt(cell.text)
        except ValueError as error:
            if not rules.skip_bad:
                raise VectorError(f"{where}: {error}") from error
            skipped.append(Problem(where, str(error), "it is left out"))
            continue
        k = indices[number]
        layers.append(_layer(legend.names[k], k, to_pixels(geometry, grid.shape, label.extent)))
    return WktShapes(label, len(legend), tuple(layers), grid.shape, rules.all_touched, tuple(skipped))


def _layer(name: str, index: int, geometry: shapely.Geometry) -> _Layer:
    """Take a multipolygon apart, and repair what crosses itself or has holes outside."""
    polygons = shapely.get_parts(geometry)
    broken = ~shapely.is_valid(polygons)
    mended = np.array([mend(polygon) for polygon in polygons[broken]], dtype=object)
    lost = int((shapely.area(mended) == 0).sum())
    polygons = np.concatenate([polygons[~broken], shapely.get_parts(mended)])
    return _Layer(name, index, polygons[shapely.area(polygons) > 0], int(broken.sum()) - lost, lost)


@dataclass(frozen=True)
class WktShapes:
    """The multipolygons of one image as planes, one a class; burned once, at the first read."""

    label: WktLabel
    classes: int
    layers: tuple[_Layer, ...]
    shape: tuple[int, int]
    all_touched: bool
    skipped: tuple[Problem, ...] = field(default=())

    @cached_property
    def _burned(self) -> tuple[Burned, ...]:
        return tuple(burn_polygons(layer.polygons, self.shape, all_touched=self.all_touched) for layer in self.layers)

    def burn(self, window: Window) -> NDArray[np.bool_]:
        """Give one plane a class (K, h, w), True where a polygon covers the center of the pixel, or touches it."""
        planes = np.zeros((self.classes, *window.shape), np.bool_)
        part = window & Window(0, 0, *self.shape)
        first, last = part.col // 8, -(-part.col_end // 8)
        skip = part.col - 8 * first
        target = part.within(window).slices
        for layer, burned in zip(self.layers, self._burned, strict=True):
            bits = np.unpackbits(burned.bits[part.row : part.row_end, first:last], axis=1)
            planes[layer.index][target] = bits[:, skip : skip + part.width]
        return planes

    def labelled(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels (h, w) were labelled: all of the image."""
        return np.ones(window.shape, np.bool_)

    @cached_property
    def notes(self) -> tuple[Problem, ...]:
        """What was repaired, left out, too small to burn, or outside of the image."""
        where = f"{self.label.path}, image {self.label.image}"
        off = [outside(layer.polygons, self.shape) for layer in self.layers]
        missed = [~burned.hit for burned in self._burned]
        kinds = (
            ("cross themselves or have holes outside", [y.repaired for y in self.layers], "they are repaired"),
            ("have no area", [y.without_area for y in self.layers], "they are left out"),
            ("lie outside of the image", [int(o.sum()) for o in off], "they are left out"),
            (
                "cover no pixel",
                [int((m & ~o).sum()) for m, o in zip(missed, off, strict=True)],
                "they are thinner than a pixel and do not appear in the label; --all-touched burns them",
            ),
        )
        notes = list(self.skipped)
        for what, counts, remedy in kinds:
            if any(counts):
                listed = ", ".join(f"{y.name} {n}" for y, n in zip(self.layers, counts, strict=True) if n)
                notes.append(Problem(where, f"{sum(counts)} polygon(s) {what} ({listed})", remedy))
        for layer, burned in zip(self.layers, self._burned, strict=True):
            notes += self._elsewhere(where, layer)
            notes += self._other_area(where, layer, burned)
        return tuple(notes)

    def _elsewhere(self, where: str, layer: _Layer) -> list[Problem]:
        total, hits = len(layer.polygons), int((~outside(layer.polygons, self.shape)).sum())
        if not total or hits >= _FEW * total:
            return []
        west, south, east, north = shapely.total_bounds(to_degrees(layer.polygons, self.shape, self.label.extent))
        x_max, y_min = self.label.extent
        what = (
            f"{hits} of {total} polygon(s) of {layer.name} are on the image: they span x {west:.6g} to {east:.6g} and "
            f"y {south:.6g} to {north:.6g}, the image 0 to {x_max:.6g} and {y_min:.6g} to 0"
        )
        return [Problem(where, what, "check their coordinates, and Xmax and Ymin in grid_sizes.csv")]

    def _other_area(self, where: str, layer: _Layer, burned: Burned) -> list[Problem]:
        """Compare areas; what pixel edges explain, about the root of the outline's length, is no news."""
        if abs(burned.pixels - shapely.area(layer.polygons).sum()) <= _AREA_TOLERANCE * burned.pixels:
            return []  # spares a union that is slow for long outlines
        height, width = self.shape
        union = shapely.intersection(shapely.union_all(layer.polygons), shapely.box(0, 0, width, height))
        difference = abs(burned.pixels - union.area)
        if difference <= _AREA_TOLERANCE * union.area or difference <= math.sqrt(union.length):
            return []
        what = f"{layer.name} covers {burned.pixels} px, its polygons {union.area:.1f} px"
        return [Problem(where, what, "its polygons are small or thin against a pixel; mind that in areas")]
