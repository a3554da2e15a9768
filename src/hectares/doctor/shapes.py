"""Vector labels: broken, repeated, thin and overlapping shapes, and shapes that lie nowhere near a scene."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from hectares.core.grid import Grid, parse_crs
from hectares.doctor.finding import Finding, Place, from_error
from hectares.errors import HectaresError, Interrupted
from hectares.io.shapes.polygons import Overlap, area_m2, find_overlaps, polygonal, slivers
from hectares.io.shapes.vector_file import read_vector
from hectares.io.shapes.vectors import VectorLayer, looks_like_degrees, read_layer

_M_PER_DEGREE = 111_320.0
_MOST_PLACES = 100
_NOTED_PX = 0.5
"""Overlaps and slivers of less than half a pixel burn nothing."""
_THIN = 0.05
"""Of the usual width in the layer, where the size of a pixel is unknown."""
_LISTED = 5
_SPOT = re.compile(r"\[(\S+) (\S+)\]")

Shapes = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class ShapeFile:
    """A vector file of labels, and how it is read."""

    path: Path
    layer: str | None = None
    field: str | None = None
    crs: str | None = None
    may_be_empty: bool = False
    """No shape, even no byte, says that there is nothing in the scene."""


def examine_shapes(file: ShapeFile, grids: Sequence[Grid] = ()) -> tuple[list[Finding], dict[str, Any]]:
    """Examine a vector file, give findings and facts; `grids` are the georeferenced scenes that it labels."""
    if file.may_be_empty and file.path.is_file() and file.path.stat().st_size == 0:
        return [], {"shapes": 0}
    try:
        columns = [] if file.field is None else [file.field]
        layer = read_layer(file.path, layer=file.layer, crs=file.crs, columns=columns)
    except Interrupted:
        raise
    except HectaresError as error:
        check = "units" if "probably metres" in str(error) else "shapes"
        return [from_error(check, str(file.path), error)], {}
    return list(_examine(file, layer, grids)), {"shapes": len(layer.geometries), "crs": layer.crs}


def _examine(file: ShapeFile, layer: VectorLayer, grids: Sequence[Grid]) -> Iterator[Finding]:
    where = str(file.path)
    if looks_like_degrees(layer):
        what = f"is declared {layer.crs}, but all of it lies within 180 by 90: probably degrees"
        yield Finding("units", "error", where, what, "assign EPSG:4326 if it is so")
    shapes = polygonal(np.array(layer.geometries, dtype=object))
    kept = ~shapely.is_empty(shapes)
    shapes = shapes[kept]
    exam = _Exam(where, layer, shapes, np.array(layer.ids or range(len(kept)), np.int64)[kept], _pixel(layer, grids))
    yield from _invalid(file, layer.crs)
    if not len(shapes):
        if not file.may_be_empty:
            yield Finding("shapes", "error", where, "has no polygon", "give a layer of polygons")
        return
    values = () if file.field is None else layer.attributes.get(file.field, ())
    yield from exam.outside(grids)
    yield from exam.repeated()
    yield from exam.thin()
    yield from exam.overlapping([v for v, k in zip(values, kept, strict=True) if k] if values else None)


def _pixel(layer: VectorLayer, grids: Sequence[Grid]) -> float | None:
    """Give the size of the finest pixel in units of the layer."""
    if not grids:
        return None
    gsd = min(min(grid.gsd) for grid in grids)
    parsed = parse_crs(layer.crs)
    return gsd / _M_PER_DEGREE if parsed.is_geographic else gsd / float(parsed.axis_info[0].unit_conversion_factor)


@dataclass(frozen=True)
class _Exam:
    where: str
    layer: VectorLayer
    shapes: Shapes
    ids: NDArray[np.int64]
    pixel: float | None

    def outside(self, grids: Sequence[Grid]) -> Iterator[Finding]:
        """Name shapes that lie in no scene."""
        if not grids:
            return
        boxes = np.array([_footprint(grid, self.layer.crs) for grid in grids], dtype=object)
        hit = np.zeros(len(self.shapes), np.bool_)
        hit[shapely.STRtree(self.shapes).query(boxes, predicate="intersects")[1]] = True
        missed = np.flatnonzero(~hit)
        if not missed.size:
            return
        if missed.size == len(self.shapes):
            box = ", ".join(f"{v:.6g}" for v in shapely.total_bounds(self.shapes))
            scenes = ", ".join(f"{v:.6g}" for v in shapely.total_bounds(boxes))
            what = f"none of its {missed.size} shapes lies in a scene: ({box}) against ({scenes}) in {self.layer.crs}"
            yield self._finding("outside", "error", what, "check its CRS, and that of the images", missed)
        else:
            what = f"{missed.size} of {len(self.shapes)} shapes lie in no scene"
            yield self._finding("outside", "note", what, "they label nothing", missed)

    def repeated(self) -> Iterator[Finding]:
        """Name shapes that stand twice, whichever way they are drawn."""
        first: dict[bytes, int] = {}
        twice = []
        for i, wkb in enumerate(shapely.to_wkb(shapely.normalize(self.shapes))):
            if first.setdefault(wkb, i) != i:
                twice.append(i)
        if twice:
            what = f"{len(twice)} shape(s) stand twice"
            yield self._finding("repeated shapes", "warning", what, "delete the copies", np.array(twice))

    def thin(self) -> Iterator[Finding]:
        """Name slivers: narrower than half a pixel, or than a twentieth of what is usual in the layer."""
        lengths = shapely.length(self.shapes)
        widths = 2 * shapely.area(self.shapes) / np.maximum(lengths, 1e-300)
        limit = _NOTED_PX * self.pixel if self.pixel else _THIN * float(np.median(widths))
        found = slivers(self.shapes, limit)
        if found.size:
            how = "half a pixel" if self.pixel else "a twentieth of what is usual in the layer"
            what = f"{found.size} sliver(s) are on average narrower than {how}"
            yield self._finding("slivers", "warning", what, "delete them, or merge them with a neighbor", found)

    def overlapping(self, classes: Sequence[Any] | None) -> Iterator[Finding]:
        """Name pairs of classes that overlap, with their areas; without classes, shapes that do."""
        least = 0.0 if self.pixel is None else _NOTED_PX * self.pixel**2
        pairs: dict[tuple[str, str], list[Overlap]] = defaultdict(list)
        for overlap in find_overlaps(self.shapes, classes, tolerance=1e-4):
            if overlap.area > least:
                names = ("", "") if classes is None else (str(classes[overlap.first]), str(classes[overlap.second]))
                a, b = sorted(names)
                pairs[a, b].append(overlap)
        for (a, b), found in sorted(pairs.items()):
            found.sort(key=lambda o: -o.area)
            size = area_m2(sum(o.area for o in found), self.shapes, self.layer.crs)
            ids = ", ".join(f"{self.ids[o.first]} with {self.ids[o.second]}" for o in found[:_LISTED])
            ids += " ..." if len(found) > _LISTED else ""
            one, other = ([o.first for o in found[:_MOST_PLACES]], [o.second for o in found[:_MOST_PLACES]])
            places = self._places(shapely.intersection(self.shapes[one], self.shapes[other]))
            if classes is None:
                what = f"{len(found)} pair(s) of shapes overlap, by {size:,.4g} m² (feature {ids})"
                remedy = "they are one area in the label"
                yield Finding("overlaps", "note", self.where, what, remedy, "", places, len(found))
            else:
                what = f"{a} and {b} overlap in {len(found)} place(s), by {size:,.4g} m² (feature {ids})"
                remedy = "say which is on top with --priority, or keep both with --multilabel"
                yield Finding("overlaps", "warning", self.where, what, remedy, "", places, len(found))

    def _finding(self, check: str, severity: Any, what: str, remedy: str, which: NDArray[Any]) -> Finding:
        places = self._places(self.shapes[which[:_MOST_PLACES]])
        ids = ", ".join(map(str, self.ids[which[:_LISTED]].tolist()))
        more = " ..." if len(which) > _LISTED else ""
        return Finding(check, severity, self.where, f"{what} (feature {ids}{more})", remedy, "", places, len(which))

    def _places(self, shapes: Shapes) -> tuple[Place, ...]:
        spots = shapely.get_coordinates(shapely.point_on_surface(shapes))
        return tuple(Place.of_point(self.layer.crs, x, y) for x, y in spots.tolist())


def _footprint(grid: Grid, crs: str) -> shapely.Geometry:
    assert grid.crs is not None  # only georeferenced scenes have a footprint
    outline = shapely.segmentize(shapely.Polygon(grid.corners), max(grid.bounds[2] - grid.bounds[0], 1e-12) / 8)
    if grid.crs == crs:
        return outline
    transformer = pyproj.Transformer.from_crs(parse_crs(grid.crs), parse_crs(crs), always_xy=True)

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return shapely.transform(outline, project)


def _invalid(file: ShapeFile, crs: str) -> Iterator[Finding]:
    """Name shapes that cross themselves, and what has no geometry, with the spot."""
    raw = read_vector(file.path, layer=file.layer, columns=[])
    with np.errstate(invalid="ignore"):  # NaN in a coordinate makes a shape invalid, which is what is looked for
        shapes = shapely.from_wkb(raw.wkb, on_invalid="ignore")
    where, ids = str(file.path), np.array(raw.ids)
    absent = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    broken = np.flatnonzero(~absent & ~shapely.is_valid(shapes))
    if broken.size:
        reasons = shapely.is_valid_reason(shapes[broken])
        places = []
        for reason in reasons[:_MOST_PLACES]:
            spot = _SPOT.search(reason)
            if spot is not None:
                places.append(Place.of_point(crs, float(spot[1]), float(spot[2])))
        what = f"{broken.size} shape(s) are broken, first feature {ids[broken[0]]}: {reasons[0]}"
        remedy = "they are repaired when they are read; look at them"
        yield Finding("broken shapes", "warning", where, what, remedy, "", tuple(places), int(broken.size))
    if absent.any():
        listed = ", ".join(map(str, ids[absent][:_LISTED].tolist()))
        what = f"{int(absent.sum())} feature(s) have no geometry ({listed})"
        remedy = "they are left out; delete them"
        yield Finding("broken shapes", "warning", where, what, remedy, count=int(absent.sum()))
