"""Where the pixels of a raster lie on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import pyproj
from affine import Affine
from pyproj.exceptions import CRSError

from hectares.core.window import Window
from hectares.errors import GridError, GsdError


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a raster lie on the ground.

    A raster without a georeference has `crs` None; its transform counts pixels, or what a world file says.

    >>> grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (200, 300))
    >>> grid.gsd
    (10.0, 10.0)
    >>> grid.bounds
    (500000.0, 4998000.0, 503000.0, 5000000.0)
    >>> grid.crop(Window(row=0, col=100, height=50, width=50)).transform.c
    501000.0
    """

    crs: str | None
    """Normalised on construction: the authority code if there is one, else WKT."""
    transform: Affine
    """From (col, row) of a pixel's upper left corner to (x, y)."""
    shape: tuple[int, int]
    """Height and width in pixels."""

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise GridError(f"a grid needs at least one pixel, got {self.shape[0]} x {self.shape[1]}")
        if not 0 < abs(self.transform.determinant) < float("inf"):  # also refuses NaN
            raise GridError(f"the transform {tuple(self.transform)[:6]} maps pixels to a line, not to an area")
        if self.crs is not None:
            object.__setattr__(self, "crs", normalize_crs(self.crs))

    @property
    def is_georeferenced(self) -> bool:
        """True if the place of the pixels is known."""
        return self.crs is not None

    @property
    def is_geographic(self) -> bool:
        """True if coordinates are angles."""
        return self.crs is not None and parse_crs(self.crs).is_geographic

    @property
    def is_north_up(self) -> bool:
        """True if rows run along x and columns along y (in either direction)."""
        return bool(self.transform.b == 0 and self.transform.d == 0)

    @property
    def window(self) -> Window:
        """The window that holds all pixels."""
        return Window(0, 0, *self.shape)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Map coordinates (x, y) of the four outer corners, clockwise from the first pixel."""
        height, width = self.shape
        return tuple(self.transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height)))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the smallest upright box around all pixels."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def gsd(self) -> tuple[float, float]:
        """Metres per pixel from row to row and from column to column.

        Nominal if the CRS is projected, on the ellipsoid at the centre if it is geographic.
        Raises GsdError if there is no georeference: there are no metres then.
        """
        if self.crs is None:
            raise GsdError("this raster has no CRS, so its ground sampling distance is unknown; give it in metres")
        t = self.transform
        crs = parse_crs(self.crs)
        if not crs.is_geographic:
            unit_m = linear_unit_m(crs)
            return (t.b**2 + t.e**2) ** 0.5 * unit_m, (t.a**2 + t.d**2) ** 0.5 * unit_m
        geod = crs.get_geod()
        assert geod is not None
        unit = angular_unit_deg(crs)
        row, col = self.shape[0] / 2, self.shape[1] / 2
        center, below, right = t @ (col, row), t @ (col, row + 1), t @ (col + 1, row)
        return (
            float(geod.line_length([center[0] * unit, below[0] * unit], [center[1] * unit, below[1] * unit])),
            float(geod.line_length([center[0] * unit, right[0] * unit], [center[1] * unit, right[1] * unit])),
        )

    @property
    def center_lonlat(self) -> tuple[float, float] | None:
        """Longitude and latitude (WGS84) of the middle; None without a CRS, or outside its domain.

        >>> Grid("EPSG:4326", Affine(0.5, 0, 10, 0, -0.5, 50), (2, 4)).center_lonlat
        (11.0, 49.5)
        >>> Grid("EPSG:4326", Affine(0.5, 0, 359, 0, -0.5, 50), (2, 4)).center_lonlat
        (0.0, 49.5)
        """
        if self.crs is None:
            return None
        x, y = self.transform @ (self.shape[1] / 2, self.shape[0] / 2)
        to_degrees = pyproj.Transformer.from_crs(parse_crs(self.crs).to_2d(), "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(x, y)
        if 180 < abs(lon) <= 360:  # a grid of degrees that go on beyond 180, such as from 0 to 360
            lon -= math.copysign(360, lon)
        return (float(lon), float(lat)) if abs(lon) <= 180 and abs(lat) <= 90 else None

    def crop(self, window: Window) -> Grid:
        """Give the grid of a window, which may reach beyond this grid."""
        shifted = self.transform @ Affine.translation(window.col, window.row)
        return Grid(self.crs, shifted, window.shape)


def same_grid(a: Grid, b: Grid, tolerance_px: float = 0.01) -> bool:
    """Tell if pixels coincide to within the tolerance. Equality of grids itself is exact.

    >>> a = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (20, 30))
    >>> same_grid(a, Grid("EPSG:32633", Affine(10, 0, 500_000.05, 0, -10, 5_000_000), (20, 30)))
    True
    """
    if a.crs != b.crs or a.shape != b.shape:
        return False
    back = ~a.transform
    for x, y in ((0, 0), (a.shape[1], 0), (0, a.shape[0])):
        col, row = back @ (b.transform @ (x, y))
        if abs(col - x) > tolerance_px or abs(row - y) > tolerance_px:
            return False
    return True


def normalize_crs(crs: str) -> str:
    """Give the authority code of a CRS if one means exactly the same, else its WKT.

    >>> normalize_crs("epsg:4326")
    'EPSG:4326'
    """
    parsed = parse_crs(crs)
    authority = parsed.to_authority(min_confidence=90)
    if authority is not None:
        code = ":".join(authority)
        if parse_crs(code).equals(parsed, ignore_axis_order=True):
            return code
    return parsed.to_wkt()


@lru_cache(maxsize=64)
def parse_crs(crs: str) -> pyproj.CRS:
    """Parse a CRS from an authority code or WKT. Raises GridError if it is none."""
    try:
        return pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise GridError(f"{crs[:80]!r} is no coordinate reference system; give for example EPSG:32633") from error


def linear_unit_m(crs: pyproj.CRS) -> float:
    """Length of one unit of a projected CRS in metres.

    >>> linear_unit_m(parse_crs("EPSG:2263"))  # New York, US survey feet
    0.30480060960121924
    """
    axes = crs.axis_info
    if not axes:
        raise GridError(f"{crs.name} names no axes, so its unit is unknown; reproject to a projected CRS")
    return float(axes[0].unit_conversion_factor)


def angular_unit_deg(crs: pyproj.CRS) -> float:
    """Size of one unit of a geographic CRS in degrees, 1 unless it counts in grads.

    >>> round(angular_unit_deg(parse_crs("EPSG:4807")), 9)  # Paris, in grads: 400 to a circle
    0.9
    """
    return math.degrees(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else 1.0
