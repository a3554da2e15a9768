"""Areas on the ellipsoid, whatever the CRS.

A pixel's footprint has edges that are straight in the raster's own CRS. Its area on the ellipsoid is the
integral of J, the area on the ellipsoid of a unit square of the map, over the pixel.

- In a geographic CRS J is known in closed form, and so is the area of a pixel of an upright grid.
- In a projected CRS J = |dr/dx × dr/dy|, where r is the point of the ellipsoid in space. Derivatives in
  space have no singularity at the poles or the antimeridian. J is smooth, so over a block of pixels it is a
  polynomial of low degree, whose integral over every pixel is a product of two small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from hectares.core.grid import Grid, linear_unit_m, parse_crs
from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import GridError, GsdError, LegendError

FloatArray = NDArray[np.float64]

TOLERANCE = 1e-8
"""Largest relative error of a pixel's area from replacing J by a polynomial; checked on every block."""
_SUMMED_AT_ONCE = 2**14
_NODES = 6
_STEP_M = 4000.0
"""Half the base of the finite differences: large against the rounding of map coordinates (1e-9 m), and so
small against the Earth that the fourth-order formula is right to 1e-13."""


# --- Area of pixels ---------------------------------------------------------------------------------------


def pixel_area(grid: Grid, window: Window) -> FloatArray:
    """Give the area of each pixel of a window on the ellipsoid, m2, (h, w).

    Exact per row where the grid is geographic and upright; elsewhere right to 1e-8.
    The result may be a read-only view. Raises GridError without a CRS, or outside the domain of the CRS.

    >>> from affine import Affine
    >>> web = Grid("EPSG:3857", Affine(10, 0, 1.0e6, 0, -10, 8_399_737.9), (2, 2))
    >>> pixel_area(web, web.window).round(2)     # at 60 N: a quarter of the nominal 100 m2
    array([[25.08, 25.08],
           [25.08, 25.08]])
    """
    if grid.crs is None:
        raise GridError("this map has no CRS; areas need one, or the ground sampling distance in metres")
    crop = grid.crop(window)
    if grid.is_geographic and grid.is_north_up:
        return np.broadcast_to(_row_areas(crop)[:, None], window.shape)
    return _smooth_areas(crop)


def pixel_area_at(grid: Grid, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """Give the area that a pixel has around places counted in pixels, m2 on the ellipsoid; rows and cols broadcast.

    >>> from affine import Affine
    >>> degrees = Grid("EPSG:4326", Affine(0.001, 0, 10, 0, -0.001, 60), (2, 2))
    >>> pixel_area_at(degrees, np.array([0.5]), np.array([0.5])).round(2)
    array([6216.9])
    >>> pixel_area(degrees, degrees.window)[0].round(2)
    array([6216.9, 6216.9])
    """
    if grid.crs is None:
        raise GridError("this map has no CRS; areas need one, or the ground sampling distance in metres")
    t = grid.transform
    x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    areas: FloatArray = _area_of_unit_square(_crs(grid), x, y) * abs(t.determinant)
    return areas


def nominal_pixel_area(gsd_m: float) -> float:
    """Give the area of a pixel from a ground sampling distance given by hand, m2.

    >>> nominal_pixel_area(0.05)
    0.0025000000000000005
    """
    if not (np.isfinite(gsd_m) and gsd_m > 0):
        raise GsdError(f"a ground sampling distance of {gsd_m} m is not possible; give metres per pixel, like 0.5")
    return gsd_m**2


def _row_areas(grid: Grid) -> FloatArray:
    """Area of a pixel in each row of an upright geographic grid, m2, (h,)."""
    crs = parse_crs(_crs(grid))
    a, e2 = _ellipsoid(crs)
    unit = _angular_unit_rad(crs)
    t = grid.transform
    edges: FloatArray = (t.f + t.e * np.arange(grid.shape[0] + 1, dtype=np.float64)) * unit
    _refuse_beyond_poles(edges)
    edges = np.clip(edges, -np.pi / 2, np.pi / 2)
    return np.abs(np.diff(_zone_area(edges, a, e2))) * abs(t.a) * unit


def _refuse_beyond_poles(lat: FloatArray) -> None:
    farthest = np.abs(lat).max()
    if farthest > np.pi / 2 + 1e-9:
        raise GridError(f"rows reach latitude {np.degrees(farthest):.3f} degrees; the poles are at 90")


def _zone_area(lat: FloatArray, a: float, e2: float) -> FloatArray:
    """Area between the equator and a latitude, per radian of longitude, m2.

    Source: Snyder 1987, Map Projections: A Working Manual, USGS PP 1395, eq. 3-12, times a²/2.
    """
    s = np.sin(lat)
    if e2 == 0:
        return a**2 * s
    e = np.sqrt(e2)
    area: FloatArray = a**2 * (1 - e2) / 2 * (s / (1 - e2 * s**2) + np.arctanh(e * s) / e)
    return area


def _smooth_areas(grid: Grid) -> FloatArray:
    """Integrate J over the pixels of a grid, block by block, splitting blocks until J is a polynomial there."""
    areas = np.empty(grid.shape)
    blocks = [grid.window]
    while blocks:
        block = blocks.pop()
        fitted = _fit_block(grid, block)
        if fitted is None:
            blocks.extend(block.halves)
            continue
        coefficients = fitted
        rows = _pixel_means(block.height, coefficients.shape[0])
        cols = _pixel_means(block.width, coefficients.shape[1])
        areas[block.slices] = rows @ coefficients @ cols.T
    areas *= abs(grid.transform.determinant)
    return areas


def _fit_block(grid: Grid, block: Window) -> FloatArray | None:
    """Chebyshev coefficients of J over a block, (rows, cols); None if J is not smooth enough there."""
    node_rows, node_cols = _nodes(block.height), _nodes(block.width)
    values = _unit_area(grid, block, node_rows, node_cols)
    inverse_rows = np.linalg.inv(chebyshev.chebvander(node_rows, len(node_rows) - 1))
    inverse_cols = np.linalg.inv(chebyshev.chebvander(node_cols, len(node_cols) - 1))
    coefficients: FloatArray = inverse_rows @ values @ inverse_cols.T
    if block.pixels == 1:
        return coefficients
    between = np.array([-1.0, -0.83, -0.29, 0.37, 0.79, 1.0])  # none is a node
    expected = _unit_area(grid, block, between, between)
    found = (
        chebyshev.chebvander(between, len(node_rows) - 1)
        @ coefficients
        @ chebyshev.chebvander(between, len(node_cols) - 1).T
    )
    wrong = np.abs(found - expected).max() > TOLERANCE * np.abs(expected).min()
    return None if wrong else coefficients


def _nodes(length: int) -> FloatArray:
    """Chebyshev nodes in [-1, 1]; a single row needs no more than the three that see its curvature."""
    return chebyshev.chebpts1(_NODES if length > 1 else 3)


def _pixel_means(length: int, degree: int) -> FloatArray:
    """Mean of each Chebyshev polynomial over each of `length` pixels that fill [-1, 1]: (length, degree)."""
    edges = np.linspace(-1, 1, length + 1)
    columns = []
    for k in range(degree):
        integral = chebyshev.chebint(np.eye(degree)[k])
        columns.append(np.diff(chebyshev.chebval(edges, integral)) * (length / 2))
    return np.stack(columns, axis=1)


def _unit_area(grid: Grid, block: Window, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """J at points of a block given in [-1, 1] along each axis: (len(rows), len(cols))."""
    row = block.row + (rows[:, None] + 1) / 2 * block.height
    col = block.col + (cols[None, :] + 1) / 2 * block.width
    t = grid.transform
    x, y = t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f
    return _area_of_unit_square(_crs(grid), x, y)


def _area_of_unit_square(crs_text: str, x: FloatArray, y: FloatArray) -> FloatArray:
    """J: square metres on the ellipsoid for one square unit of the map at (x, y)."""
    crs = parse_crs(crs_text)
    a, e2 = _ellipsoid(crs)
    if crs.is_geographic:
        unit = _angular_unit_rad(crs)
        _refuse_beyond_poles(y * unit)
        s2 = np.sin(y * unit) ** 2
        meridian, parallel = a * (1 - e2) / (1 - e2 * s2) ** 1.5, a / np.sqrt(1 - e2 * s2)
        return np.abs(meridian * parallel * np.cos(y * unit)) * unit**2
    step = _STEP_M / linear_unit_m(crs)
    along_x = _derivative([_in_space(crs_text, x + k * step, y) for k in (-2, -1, 1, 2)], step)
    along_y = _derivative([_in_space(crs_text, x, y + k * step) for k in (-2, -1, 1, 2)], step)
    areas: FloatArray = np.linalg.norm(np.cross(along_x, along_y, axis=0), axis=0)
    if not np.isfinite(areas).all():
        raise GridError(
            f"pixels near x {x.flat[0]:.0f}, y {y.flat[0]:.0f} lie outside the domain of {crs.name}; "
            "crop the map, or reproject it to a CRS made for the place"
        )
    return areas


def _derivative(values: list[FloatArray], step: float) -> FloatArray:
    """Fourth-order central difference from the values at -2, -1, 1 and 2 steps."""
    far_left, left, right, far_right = values
    return (far_left - 8 * left + 8 * right - far_right) / (12 * step)


def _in_space(crs_text: str, x: FloatArray, y: FloatArray) -> FloatArray:
    """The point of the ellipsoid below (x, y), as geocentric coordinates in metres: (3, ...)."""
    transformer, unit, a, e2 = _to_geographic(crs_text)
    lon, lat = transformer.transform(x, y)
    lon, lat = np.asarray(lon) * unit, np.asarray(lat) * unit  # degrees, or grads in old French systems
    unknown = ~(np.isfinite(lon) & np.isfinite(lat))
    lon, lat = np.where(unknown, np.nan, lon), np.where(unknown, np.nan, lat)  # outside the domain of the CRS
    s, c = np.sin(lat), np.cos(lat)
    parallel = a / np.sqrt(1 - e2 * s**2)
    return np.stack([parallel * c * np.cos(lon), parallel * c * np.sin(lon), parallel * (1 - e2) * s])


@lru_cache(maxsize=16)
def _to_geographic(crs_text: str) -> tuple[pyproj.Transformer, float, float, float]:
    crs = parse_crs(crs_text)
    geographic = crs.geodetic_crs
    if geographic is None:
        raise GridError(f"{crs.name} is not tied to the Earth, so its pixels have no area; assign a projected CRS")
    transformer = pyproj.Transformer.from_crs(crs.to_2d(), geographic.to_2d(), always_xy=True)
    return transformer, _angular_unit_rad(geographic), *_ellipsoid(crs)


def _ellipsoid(crs: pyproj.CRS) -> tuple[float, float]:
    """Semi-major axis in metres and squared eccentricity."""
    geod = crs.get_geod()
    if geod is None:
        raise GridError(f"{crs.name} has no ellipsoid, so its pixels have no area; assign a projected CRS")
    return float(geod.a), float(geod.es)


def _angular_unit_rad(crs: pyproj.CRS) -> float:
    return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else float(np.radians(1))


def _crs(grid: Grid) -> str:
    assert grid.crs is not None  # checked at the door of `pixel_area`
    return grid.crs


# --- Area of classes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AreaRow:
    """Mapped area of one class, or of nodata."""

    class_id: int | None
    """Code on disk; None for nodata."""
    name: str
    pixels: int
    mapped_m2: float


@dataclass(frozen=True)
class AreaTable:
    """Mapped area of each class in legend order, nodata last."""

    rows: tuple[AreaRow, ...]

    @property
    def observed_m2(self) -> float:
        """Area that is not nodata."""
        return sum(r.mapped_m2 for r in self.rows if r.class_id is not None)

    @property
    def total_m2(self) -> float:
        """Area of all pixels."""
        return sum(r.mapped_m2 for r in self.rows)

    def share(self, row: AreaRow) -> float | None:
        """Fraction of the observed area; None for nodata, or if nothing was observed."""
        if row.class_id is None or self.observed_m2 == 0:
            return None
        return row.mapped_m2 / self.observed_m2


class AreaTally:
    """Adds up pixels and areas of a map that is read window by window.

    Pixels are counted as integers and areas summed in float64, a window at a time.
    """

    def __init__(self, legend: Legend) -> None:
        self._legend = legend
        self._pixels = np.zeros(IGNORE + 1, np.int64)
        self._area_m2 = np.zeros(IGNORE + 1)

    def add(self, class_map: NDArray[np.uint8], area_m2: FloatArray, counted: NDArray[np.bool_] | None = None) -> None:
        """Add class indices with the area of each pixel; all (h, w) or all flat.

        `counted` says which pixels are counted as such, where the areas are of parts of pixels.
        """
        flat = class_map.ravel()
        pixels = np.bincount(flat if counted is None else flat[counted.ravel()], minlength=IGNORE + 1)
        outside = np.flatnonzero(pixels[len(self._legend) : IGNORE])
        if outside.size:
            largest = len(self._legend) + outside[-1]
            raise LegendError(f"class index {largest} is outside a legend of {len(self._legend)} classes")
        self._pixels += pixels
        weights = area_m2.ravel()
        for start in range(0, flat.size, _SUMMED_AT_ONCE):  # sums of sums lose fewer digits than one long sum
            part = slice(start, start + _SUMMED_AT_ONCE)
            self._area_m2 += np.bincount(flat[part], weights=weights[part], minlength=IGNORE + 1)

    def table(self) -> AreaTable:
        """Give the areas so far."""
        rows = [
            AreaRow(c.code, c.name, int(self._pixels[i]), float(self._area_m2[i]))
            for i, c in enumerate(self._legend.classes)
        ]
        nodata = AreaRow(None, "nodata", int(self._pixels[IGNORE]), float(self._area_m2[IGNORE]))
        return AreaTable((*rows, nodata))


def map_area(class_map: NDArray[np.uint8], grid: Grid, legend: Legend) -> AreaTable:
    """Give the area of each class, counted from the map, m2 on the ellipsoid.

    >>> from affine import Affine
    >>> legend = Legend.of({1: "forest", 2: "water"}, nodata=0)
    >>> grid = Grid("EPSG:3857", Affine(10, 0, 1.0e6, 0, -10, 8_399_737.9), (2, 2))
    >>> table = map_area(np.array([[0, 0], [1, 255]], np.uint8), grid, legend)
    >>> [(r.name, r.pixels, round(r.mapped_m2)) for r in table.rows]     # 60 N: 25 m2 a pixel, not 100
    [('forest', 2, 50), ('water', 1, 25), ('nodata', 1, 25)]
    """
    tally = AreaTally(legend)
    tally.add(class_map, pixel_area(grid, grid.window))
    return tally.table()
