"""The shapes of a vector file as labels: what class each has, and where it lies on the grid of an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from hectares.core.grid import Grid, parse_crs
from hectares.core.legend import IGNORE, Legend
from hectares.errors import LegendError, VectorError
from hectares.io.catalog import LabelRules, VectorLabel
from hectares.io.shapes.pixel_shapes import FINE
from hectares.io.shapes.polygons import Geometries, polygonal
from hectares.io.shapes.vectors import VectorLayer, looks_like_degrees, read_layer

SPLIT_FIELD = "split"
_EDGE_PX = 8
"""Edges are cut into pieces of so many pixels before they change CRS: over such a length, a line bends by nothing."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_SHOWN = 10


class FileShapes:
    """The shapes of a file in its own CRS, found by place; read once for all scenes."""

    def __init__(self, path: Path, layer: VectorLayer, field: str | None) -> None:
        self.path = path
        self.layer = layer
        self._field = field
        self.geometries: Geometries = np.array(layer.geometries, dtype=object)
        self._tree = shapely.STRtree(self.geometries)
        self._values: tuple[Any, ...] = ()
        self._codes = np.zeros(len(self.geometries), np.intp)
        if field is not None:
            order: dict[Any, int] = {}
            keys = (_key(value) for value in layer.attributes[field])
            self._codes = np.array([order.setdefault(key, len(order)) for key in keys], np.intp)
            self._values = tuple(order)

    @property
    def values(self) -> dict[Any, int]:
        """Values of the attribute with their counts, in the order of the file; null is None."""
        counts = np.bincount(self._codes, minlength=len(self._values)).tolist() if self._values else []
        return dict(zip(self._values, counts, strict=True))

    @property
    def column(self) -> tuple[Any, ...]:
        """The attribute of each shape."""
        return () if self._field is None else self.layer.attributes[self._field]

    def meets(self, grid: Grid) -> bool:
        """Tell if a shape reaches into a grid."""
        scene = shapely.box(0, 0, grid.shape[1], grid.shape[0])
        return bool(shapely.intersects(self.on_grid(grid)[1], scene).any())

    def part(self, value: str) -> tuple[FileShapes, FileShapes]:
        """Divide the shapes into those with a value of the attribute, as text, and all others."""
        assert self._field is not None  # the value was found in it
        column = self.column
        parts = []
        for wanted in (True, False):
            kept = [i for i, v in enumerate(column) if (str(v) == value) == wanted]
            layer = replace(
                self.layer,
                geometries=tuple(self.layer.geometries[i] for i in kept),
                attributes={self._field: tuple(column[i] for i in kept)},
                ids=tuple(self.layer.ids[i] for i in kept),
            )
            parts.append(FileShapes(self.path, layer, self._field))
        return parts[0], parts[1]

    def classes(self, label: VectorLabel, legend: Legend, rules: LabelRules) -> NDArray[np.int16]:
        """Give the class index of each shape; 255 for those to be ignored, -1 for those left out."""
        if label.field is None:
            return np.full(len(self.geometries), _only_class(label, self.layer, legend, rules), np.int16)
        table = np.array([_class_of(value, legend) for value in self._values], np.int16)
        unknown = [
            i for i in np.flatnonzero(table < 0).tolist() if not (rules.skip_bad and self._values[i] in {None, ""})
        ]
        if unknown:
            raise LegendError(self._unknown(label, legend, unknown))
        return table[self._codes] if len(table) else np.empty(0, np.int16)

    def _unknown(self, label: VectorLabel, legend: Legend, unknown: Sequence[int]) -> str:
        counts = np.bincount(self._codes, minlength=len(self._values))
        most = sorted(unknown, key=lambda i: -int(counts[i]))
        listed = []
        for i in most[:_SHOWN]:
            value = "no value" if self._values[i] in {None, ""} else repr(self._values[i])
            first = self.layer.ids[int(np.argmax(self._codes == i))]
            listed.append(f"{value} ({counts[i]} feature{'s' * bool(counts[i] > 1)}, first {first})")
        more = f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
        known = ", ".join(f"{c} {n}" for c, n in zip(legend.source_codes, legend.names, strict=True))
        remedy = (
            "; --skip-bad leaves out features without a value" if {None, ""} & {self._values[i] for i in most} else ""
        )
        return (
            f"{label.path}: attribute {label.field!r} holds {', '.join(listed)}{more}, which the legend does not know; "
            f"it has {known}: add them, or choose another --class-field{remedy}"
        )

    def on_grid(self, grid: Grid) -> tuple[NDArray[np.intp], Geometries]:
        """Give the shapes near a grid: their positions, and their outlines in its pixels.

        Raises VectorError if all shapes lie elsewhere because they count degrees and are declared otherwise.
        """
        assert grid.crs is not None  # checked when the label is opened
        forth = None
        if grid.crs != self.layer.crs:
            forth = pyproj.Transformer.from_crs(parse_crs(self.layer.crs), parse_crs(grid.crs), always_xy=True)
        around = self._around(grid)
        if around is None:
            near, parts = np.arange(len(self.geometries)), self.geometries
        else:
            near = np.sort(self._tree.query(around.frame, predicate="intersects"))
            parts = self.geometries[near]
            crossing = ~shapely.covered_by(parts, around.frame)
            if crossing.any():  # what is far away may have no place in the CRS of the image
                parts[crossing] = polygonal(shapely.intersection(parts[crossing], around.frame))
        if not len(near) and looks_like_degrees(self.layer):
            raise VectorError(
                f"{self.path}: is declared {self.layer.crs[:40]}, which counts metres, but all of it lies within ±180, "
                "±90: probably degrees; assign it EPSG:4326 (`ogr2ogr -a_srs EPSG:4326 out.gpkg FILE`)"
            )
        if forth is not None:
            parts = shapely.segmentize(parts, self._coarse_step if around is None else around.step)
        outlines = _cut_far(shapely.transform(parts, lambda points: _to_pixels(points, forth, grid)), grid.shape)
        usable = np.isfinite(shapely.bounds(outlines).reshape(-1, 4)).all(axis=1)  # not empty, not beyond the horizon
        return near[usable], outlines[usable]

    @property
    def _coarse_step(self) -> NDArray[np.float64]:
        """Length of pieces of edges, a hundredth of the extent of each shape."""
        west, south, east, north = shapely.bounds(self.geometries).reshape(-1, 4).T
        steps: NDArray[np.float64] = np.maximum(np.maximum(east - west, north - south), 1e-12) / 100
        return steps

    def _around(self, grid: Grid) -> _Around | None:
        """Give the box of the scene in the CRS of the shapes; None over a pole or the antimeridian."""
        assert grid.crs is not None
        west, south, east, north = grid.bounds
        if grid.crs != self.layer.crs:
            back = pyproj.Transformer.from_crs(parse_crs(grid.crs), parse_crs(self.layer.crs), always_xy=True)
            west, south, east, north = back.transform_bounds(west, south, east, north, densify_pts=21)
        if not np.isfinite([west, south, east, north]).all() or west >= east:
            return None
        margin = 0.1 * max(east - west, north - south)
        step = _EDGE_PX * ((east - west) * (north - south) / (grid.shape[0] * grid.shape[1])) ** 0.5
        return _Around(shapely.box(west - margin, south - margin, east + margin, north + margin), step)


@dataclass(frozen=True, slots=True)
class _Around:
    """Where a scene lies in the CRS of shapes."""

    frame: shapely.Geometry
    step: float
    """Length of some pixels, in the units of that CRS."""


def _to_pixels(points: NDArray[np.float64], forth: pyproj.Transformer | None, grid: Grid) -> NDArray[np.float64]:
    xs, ys = (points[:, 0], points[:, 1]) if forth is None else forth.transform(points[:, 0], points[:, 1])
    cols, rows = ~grid.transform @ (np.asarray(xs), np.asarray(ys))
    return np.round(np.column_stack([cols, rows]) * FINE) / FINE


def _cut_far(outlines: Geometries, shape: tuple[int, int]) -> Geometries:
    """Cut outlines in pixels that reach far beyond a scene: pixels are counted in 32 bits when they are burned."""
    height, width = shape
    left, top, right, bottom = shapely.bounds(outlines).reshape(-1, 4).T
    far = (left < -width) | (top < -height) | (right > 2 * width) | (bottom > 2 * height)
    far &= np.isfinite(left) & np.isfinite(top) & np.isfinite(right) & np.isfinite(bottom)
    if far.any():
        valid = shapely.make_valid(outlines[far], method="structure", keep_collapsed=False)
        outlines = outlines.copy()
        outlines[far] = polygonal(shapely.intersection(valid, shapely.box(-2, -2, width + 2, height + 2)))
    return outlines


def _key(value: Any) -> Any:
    """Give a value by which shapes are told apart: 3.0 is 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _class_of(value: Any, legend: Legend) -> int:
    """Find a class by name or code; 255 for codes that the legend ignores, -1 if there is none.

    A number is a code first, text a name first. Text is a code only if it is written as one: "7", not "007".
    """
    if value is None or value == "":
        return -1
    by_name = legend.names.index(str(value)) if str(value) in legend.names else -1
    if isinstance(value, str) and (by_name >= 0 or not _WHOLE.fullmatch(value)):
        return by_name
    if not isinstance(value, (int, str)):
        return by_name
    code = int(value)
    if code in legend.source_codes:
        return legend.source_codes.index(code)
    return IGNORE if code in {legend.nodata, *legend.also_ignore} else by_name


def _only_class(label: VectorLabel, layer: VectorLayer, legend: Legend, rules: LabelRules) -> int:
    """Find the one class that shapes without an attribute can be."""
    others = [k for k, name in enumerate(legend.names) if name != rules.background]
    if len(others) == 1:
        return others[0]
    raise LegendError(
        f"{label.path}: which of {', '.join(legend.names[k] for k in others)} are its shapes? Name the attribute that "
        f"says so with --class-field ({', '.join(layer.fields) or 'it has none'}), or the class of uncovered pixels "
        "with --background"
    )


# --- Files, read once -------------------------------------------------------------------------------------


def label_shapes(label: VectorLabel, *, skip_bad: bool = False) -> FileShapes:
    """Give the shapes of a label; a file is read once, however many scenes share it."""
    if label.may_be_empty and label.path.is_file() and label.path.stat().st_size == 0:
        return FileShapes(label.path, VectorLayer("EPSG:4326", (), {}), None)
    shapes = _read(label.path, _version(label.path), label.layer, label.crs, label.field, skip_bad=skip_bad)
    if label.field is not None and label.field not in shapes.layer.attributes:
        raise VectorError(
            f"{label.path}: has no attribute {label.field!r}; it has {', '.join(shapes.layer.fields) or 'none'}: "
            "choose one with --class-field"
        )
    return shapes


def label_areas(label: VectorLabel) -> tuple[FileShapes, ...]:
    """Give the areas that were labelled, and those of other splits if the label is for one; () if there are none.

    Raises VectorError if no area belongs to the split.
    """
    if label.aoi is None:
        return ()
    areas = read_areas(label.aoi, layer=label.aoi_layer, crs=label.crs)
    if label.aoi_split is None:
        return (areas,)
    if label.aoi_split not in map(str, areas.values):
        raise VectorError(
            f"{label.aoi}: no area has {SPLIT_FIELD} {label.aoi_split!r}; "
            f"there are {', '.join(map(str, areas.values)) or 'none'}"
        )
    return areas.part(label.aoi_split)


def read_areas(path: Path, *, layer: str | None = None, crs: str | None = None) -> FileShapes:
    """Read areas, told apart by their attribute `split` if they have one; a file is read once."""
    return _read_areas(path, _version(path), layer, crs)


def _version(path: Path) -> tuple[int, int]:
    """Tell versions of a file apart, so that one that was rewritten is read again."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0  # the reader says what is wrong
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _read(
    path: Path, version: tuple[int, int], layer: str | None, crs: str | None, field: str | None, *, skip_bad: bool
) -> FileShapes:
    del version  # it is part of the key
    columns = [] if field is None else [field]
    found = read_layer(path, layer=layer, crs=crs, columns=columns, polygons=True, skip_bad=skip_bad)
    return FileShapes(path, found, field if field in found.attributes else None)


@lru_cache(maxsize=8)
def _read_areas(path: Path, version: tuple[int, int], layer: str | None, crs: str | None) -> FileShapes:
    del version
    found = read_layer(path, layer=layer, crs=crs, polygons=True)
    field = next((name for name in found.fields if name.lower() == SPLIT_FIELD and name in found.attributes), None)
    return FileShapes(path, found, field)
