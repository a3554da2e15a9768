"""Polygons as people draw them: what is missing, crossed or flat is found, repaired where it can be, and told."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.grid import linear_unit_m, parse_crs
from hectares.errors import VectorError
from hectares.io.shapes.burning import mend
from hectares.monitor import Problem, Severity

Geometries = NDArray[np.object_]
_SHOWN = 5
_POLYGONS = (3, 6)
_COLLECTION = 7
_NO_NUMBERS = "coordinates that are no numbers, or rings that do not close"
_M_PER_DEGREE = 111_320.0


# --- Clean ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cleaned:
    """Geometries that can be used, and what became of the others."""

    geometries: Geometries
    kept: NDArray[np.intp]
    """Their positions in what was given."""
    notes: tuple[Problem, ...]


class _Cleaner:
    """Takes geometries out of a list, and keeps account."""

    def __init__(self, where: str, geometries: Geometries, absent: NDArray[np.bool_], ids: Sequence[int]) -> None:
        self.where = where
        self.ids = np.asarray(ids, np.int64)
        self.notes: list[Problem] = []
        self.geometries = geometries
        self.kept = np.arange(len(geometries))
        self.drop(absent | shapely.is_empty(geometries), "no geometry", severity="incomplete")
        self.drop(shapely.is_missing(self.geometries), _NO_NUMBERS, severity="incomplete")

    def count(self, which: NDArray[np.bool_]) -> str:
        """Give `2 features (4, 9)`."""
        ids = self.ids[self.kept[which]]
        more = "" if len(ids) <= _SHOWN else " ..."
        return f"{len(ids)} feature{'s' * (len(ids) != 1)} ({', '.join(map(str, ids[:_SHOWN]))}{more})"

    def drop(
        self, which: NDArray[np.bool_], has: str, remedy: str = "left out", *, severity: Severity = "warning"
    ) -> None:
        """Leave geometries out, with a note."""
        if which.any():
            self.notes.append(Problem(self.where, f"{self.count(which)} with {has}", remedy, severity))
            self.kept, self.geometries = self.kept[~which], self.geometries[~which]


def read_wkb(where: str, wkb: NDArray[np.object_]) -> Geometries:
    """Give plane geometries (N,) from well-known binary; None where there is none, or it is no geometry."""
    try:
        with np.errstate(invalid="ignore"):  # NaN in a coordinate is for `clean` to find
            geometries: Geometries = shapely.force_2d(shapely.from_wkb(wkb, on_invalid="fix"))
    except NotImplementedError:
        raise VectorError(
            f"{where}: holds curves; turn them into lines: `ogr2ogr -nlt CONVERT_TO_LINEAR out.gpkg FILE`"
        ) from None
    return geometries


def clean(
    where: str,
    geometries: Geometries,
    ids: Sequence[int],
    *,
    absent: NDArray[np.bool_],
    crs: str,
    polygons: bool,
    skip_bad: bool = False,
) -> Cleaned:
    """Leave out what is `absent`, empty or not a number, and repair polygons.

    With `polygons`, only polygons come out: lines and points raise VectorError, or are left out with `skip_bad`,
    and polygons without an area are left out.
    """
    cleaner = _Cleaner(where, geometries, absent, ids)
    coordinates, owner = shapely.get_coordinates(cleaner.geometries, return_index=True)
    wrong = np.zeros(len(cleaner.geometries), np.bool_)
    wrong[owner[~np.isfinite(coordinates).all(axis=1)]] = True
    cleaner.drop(wrong, _NO_NUMBERS, severity="incomplete")
    if polygons:
        _only_polygons(cleaner, skip_bad=skip_bad)
    _repair(cleaner, crs)
    if polygons:
        cleaner.drop(shapely.area(cleaner.geometries) == 0, "no area")
    return Cleaned(cleaner.geometries, cleaner.kept, tuple(cleaner.notes))


def _only_polygons(cleaner: _Cleaner, *, skip_bad: bool) -> None:
    cleaner.geometries = polygonal(cleaner.geometries)
    flat = shapely.is_empty(cleaner.geometries)
    if flat.any() and not skip_bad:
        raise VectorError(
            f"{cleaner.where}: {cleaner.count(flat)} are lines or points, which have no area; "
            "give them a width (Buffer in a GIS), or leave them out with --skip-bad"
        )
    cleaner.drop(flat, "lines or points")


def _repair(cleaner: _Cleaner, crs: str) -> None:
    """Repair polygons that cross themselves; both lobes of a bow-tie count, and holes outside of it do not."""
    kinds = shapely.get_type_id(cleaner.geometries)
    broken = ~shapely.is_valid(cleaner.geometries) & np.isin(kinds, (*_POLYGONS, _COLLECTION))
    if not broken.any():
        return
    before = cleaner.geometries[broken]
    after = np.array([shapely.union_all([mend(p) for p in shapely.get_parts(g)]) for g in polygonal(before)], object)
    sizes = " to ".join(f"{area_m2(shapely.area(g).sum(), before, crs):.4g}" for g in (before, after))
    count = cleaner.count(broken)
    cleaner.notes.append(
        Problem(cleaner.where, f"{count} cross themselves", f"repaired: their area goes from {sizes} m²")
    )
    cleaner.geometries = cleaner.geometries.copy()
    cleaner.geometries[broken] = after


def polygonal(geometries: Geometries) -> Geometries:
    """Give the polygons in each geometry; an empty one where there are only lines and points.

    >>> mixed = shapely.GeometryCollection([shapely.box(0, 0, 2, 1), shapely.Point(5, 5)])
    >>> polygonal(np.array([mixed], dtype=object))[0].area
    2.0
    """
    odd = ~np.isin(shapely.get_type_id(geometries), _POLYGONS)
    if not odd.any():
        return geometries
    result = geometries.copy()
    for i in np.flatnonzero(odd):
        parts = shapely.get_parts(geometries[i])
        while (shapely.get_type_id(parts) == _COLLECTION).any():
            parts = shapely.get_parts(parts)
        parts = shapely.get_parts(parts[np.isin(shapely.get_type_id(parts), _POLYGONS)])
        result[i] = parts[0] if len(parts) == 1 else shapely.MultiPolygon(list(parts))
    return result


def area_m2(area: float, near: Geometries, crs: str) -> float:
    """Give an area in units of a CRS in square metres; on degrees roughly, by the latitude in the middle."""
    parsed = parse_crs(crs)
    if not parsed.is_geographic:
        return float(area * linear_unit_m(parsed) ** 2)
    _, south, _, north = shapely.total_bounds(near)
    return float(area * _M_PER_DEGREE**2 * np.cos(np.radians((south + north) / 2)))


# --- Overlaps ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two geometries that share an area."""

    first: int
    second: int
    area: float
    """In units of their coordinates."""


def find_overlaps(
    geometries: Sequence[shapely.Geometry] | Geometries,
    groups: Sequence[Hashable] | None = None,
    *,
    tolerance: float = 1e-9,
) -> list[Overlap]:
    """Give the pairs of polygons that overlap, by position; neighbors that only touch do not.

    With `groups`, only pairs of two groups. A pair counts from `tolerance` of the smaller area on: drawn
    borders coincide only nearly.

    >>> find_overlaps([shapely.box(0, 0, 2, 2), shapely.box(1, 0, 3, 2), shapely.box(3, 0, 4, 2)])
    [Overlap(first=0, second=1, area=2.0)]
    """
    shapes = np.array(geometries, dtype=object)
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    once = first < second
    if groups is not None:
        names: dict[Hashable, int] = {}
        numbers = np.array([names.setdefault(g, len(names)) for g in groups], np.int64)
        once &= numbers[first] != numbers[second]
    first, second = first[once], second[once]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    smaller = np.minimum(shapely.area(shapes[first]), shapely.area(shapes[second]))
    found = np.flatnonzero(shared > tolerance * smaller)
    order = found[np.lexsort((second[found], first[found]))]
    return [Overlap(int(first[i]), int(second[i]), float(shared[i])) for i in order]


def slivers(geometries: Sequence[shapely.Geometry] | Geometries, width: float) -> NDArray[np.intp]:
    """Give the positions of polygons that are on average narrower than a width: twice area through perimeter.

    >>> slivers([shapely.box(0, 0, 9, 9), shapely.box(0, 0, 9, 0.2)], width=0.5).tolist()
    [1]
    """
    shapes = np.array(geometries, dtype=object)
    return np.flatnonzero(2 * shapely.area(shapes) < width * shapely.length(shapes))
