"""Where a raster lies, in words."""

from __future__ import annotations

from hectares.core.grid import Grid, parse_crs
from hectares.view.numbers import number
from hectares.view.tables import Fact


def place_facts(grid: Grid) -> tuple[Fact, ...]:
    """Give CRS, extent, pixel size and size of a grid as facts for people."""
    height, width = grid.shape
    size = Fact("size", f"{width:,} × {height:,} px")
    if grid.crs is None:
        return (size, Fact("place", "unknown: the file has no coordinate reference system"))
    rows_m, cols_m = grid.gsd
    ground = f", {_length(width * cols_m)} × {_length(height * rows_m)}"
    name = parse_crs(grid.crs).name
    code = grid.crs if len(grid.crs) < 20 else "not in the EPSG list"
    decimals = 5 if grid.is_geographic else 0
    west, south, east, north = (number(edge, decimals) for edge in grid.bounds)
    extent = f"x {west} to {east}, y {south} to {north}"
    center = _center(grid)
    pixel = f"{_meters(cols_m)} m" if abs(rows_m / cols_m - 1) < 0.005 else f"{_meters(cols_m)} × {_meters(rows_m)} m"
    return (
        *([Fact("center", center)] if center else []),
        Fact("size", size.value + ground),
        Fact("pixel", pixel),
        Fact("coordinates", f"{name} ({code})"),
        Fact("extent", extent),
    )


def place_line(grid: Grid) -> str:
    """Give the center and the size of a grid on one line."""
    facts = {fact.label: fact.value for fact in place_facts(grid)}
    return ", ".join(facts[label] for label in ("center", "size") if label in facts)


def _center(grid: Grid) -> str | None:
    """Latitude and longitude of the middle; None where they cannot be computed."""
    if grid.center_lonlat is None:
        return None
    lon, lat = grid.center_lonlat
    return f"{abs(lat):.4f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.4f}° {'E' if lon >= 0 else 'W'}"


def _length(meters: float) -> str:
    """Write a length on the ground.

    >>> _length(12_345.0), _length(840.0), _length(6.5)
    ('12.3 km', '840 m', '6.5 m')
    """
    if meters >= 1000:
        return f"{meters / 1000:,.1f} km"
    return f"{meters:.0f} m" if meters >= 10 else f"{meters:.1f} m"


def _meters(size: float) -> str:
    """Write the size of a pixel in meters: three digits.

    >>> _meters(10.0), _meters(0.05), _meters(9.99999)
    ('10', '0.05', '10')
    """
    return f"{size:.3g}"
