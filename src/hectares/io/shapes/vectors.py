"""Vector files: layers of geometries with attributes, in any CRS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray

from hectares.core.grid import normalize_crs, parse_crs
from hectares.errors import VectorError
from hectares.io.outputs import staged_file
from hectares.io.shapes.polygons import clean, read_wkb
from hectares.io.shapes.vector_file import read_vector
from hectares.monitor import Problem

_EDGE_PARTS = 100
"""Edges are cut into pieces of 1/100 of the extent of their geometry before they change CRS: lines bend."""


@dataclass(frozen=True)
class VectorLayer:
    """Geometries with attributes."""

    crs: str
    geometries: tuple[shapely.Geometry, ...]
    attributes: Mapping[str, tuple[Any, ...]]
    """Those that were read; text stays text ("007", "NA"), null is None."""
    name: str = ""
    fields: tuple[str, ...] = ()
    """Names of all attributes in the file."""
    ids: tuple[int, ...] = ()
    """Feature ids, as GIS programs show them; empty for a layer that is not from a file."""
    notes: tuple[Problem, ...] = ()
    """What was left out or repaired while it was read."""

    def lacking(self, field: str) -> tuple[int, ...]:
        """Give the ids of features without a value in a field (null, or no text but blanks)."""
        values = zip(self.ids, self.attributes[field], strict=True)
        return tuple(i for i, v in values if v is None or (isinstance(v, str) and not v.strip()))

    def near(self, bounds: tuple[float, float, float, float], crs: str) -> VectorLayer:
        """Give the parts near a box of another CRS; what lies on the other side of the Earth has no place in it."""
        transformer = pyproj.Transformer.from_crs(parse_crs(crs), parse_crs(self.crs), always_xy=True)
        west, south, east, north = transformer.transform_bounds(*bounds, densify_pts=21)
        if not np.isfinite([west, south, east, north]).all() or west >= east:  # over a pole or the antimeridian
            return self
        margin = max(east - west, north - south)
        box = shapely.box(west - margin, south - margin, east + margin, north + margin)
        return replace(self, geometries=tuple(shapely.intersection(np.array(self.geometries, dtype=object), box)))

    def to_crs(self, crs: str) -> VectorLayer:
        """Give the layer in another CRS, with bent edges where straight ones do not stay straight."""
        if normalize_crs(crs) == self.crs:
            return self
        transformer = pyproj.Transformer.from_crs(parse_crs(self.crs), parse_crs(crs), always_xy=True)
        geometries = np.array(self.geometries, dtype=object)
        west, south, east, north = shapely.bounds(geometries).reshape(-1, 4).T
        extent = np.nan_to_num(np.maximum(east - west, north - south))
        fine = shapely.segmentize(geometries, np.where(extent > 0, extent, 1) / _EDGE_PARTS)

        def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

        return replace(self, crs=normalize_crs(crs), geometries=tuple(shapely.transform(fine, project)))


def read_layer(
    path: Path,
    *,
    layer: str | None = None,
    crs: str | None = None,
    columns: Sequence[str] | None = None,
    polygons: bool = False,
    skip_bad: bool = False,
) -> VectorLayer:
    """Read a vector layer (GeoPackage, GeoJSON, Shapefile, FlatGeobuf, GeoParquet).

    Features without a geometry are left out, polygons that cross themselves are repaired: see `VectorLayer.notes`.
    `crs` counts where the file names none; `columns` are the attributes to read, all by default. With `polygons`,
    lines and points raise VectorError, or are left out with `skip_bad`.
    Raises VectorError if the file cannot be read, holds several layers, or has no CRS.
    """
    raw = read_vector(path, layer=layer, columns=columns)
    named = raw.crs or crs
    if named is None:
        raise VectorError(
            f"{path}: has no CRS (a Shapefile names it in its .prj file); assign one in a GIS, "
            "or give it with --crs where the command takes it"
        )
    geometries = read_wkb(str(path), raw.wkb)
    bounds = shapely.total_bounds(geometries) if len(geometries) else np.full(4, np.nan)
    if _is_beyond_degrees(bounds, named):  # GeoJSON in metres is declared WGS84 by default
        if crs is None or _is_beyond_degrees(bounds, crs):
            raise VectorError(
                f"{path}: is declared {named[:40]} but reaches {np.abs(bounds).max():.0f} degrees; its coordinates are "
                "probably metres: save it with the right CRS, or give it with --crs where the command takes it"
            )
        named = crs
    named = normalize_crs(named)
    absent = np.array([w is None for w in raw.wkb], np.bool_)
    found = clean(str(path), geometries, raw.ids, absent=absent, crs=named, polygons=polygons, skip_bad=skip_bad)
    return VectorLayer(
        named,
        tuple(found.geometries),
        {name: tuple(values[i] for i in found.kept) for name, values in raw.columns.items()},
        name=raw.name,
        fields=raw.fields,
        ids=tuple(raw.ids[i] for i in found.kept),
        notes=(*found.notes, *raw.notes),
    )


def _is_beyond_degrees(bounds: NDArray[np.float64], crs: str) -> bool:
    if not np.isfinite(bounds).all() or not parse_crs(crs).is_geographic:
        return False
    west, south, east, north = np.abs(bounds)
    return bool(max(south, north) > 90 or max(west, east) > 540)


def looks_like_degrees(layer: VectorLayer) -> bool:
    """Tell if a layer that is declared to count metres counts degrees: all of it lies within ±180 and ±90 of them."""
    if not layer.geometries or parse_crs(layer.crs).is_geographic:
        return False
    west, south, east, north = np.abs(shapely.total_bounds(np.array(layer.geometries, dtype=object)))
    return bool(max(west, east) <= 180 and max(south, north) <= 90)


def write_layer(path: str | Path, layer: VectorLayer, *, name: str, driver: str = "GPKG", overwrite: bool) -> None:
    """Write polygons with attributes, complete or not at all."""
    with staged_file(path, overwrite=overwrite) as work:
        pyogrio.raw.write(
            work,
            geometry=shapely.to_wkb(np.array(layer.geometries, dtype=object)),
            field_data=[np.array(v, dtype=_field_type(v)) for v in layer.attributes.values()],
            fields=list(layer.attributes),
            geometry_type="MultiPolygon",
            promote_to_multi=True,
            crs=layer.crs,
            driver=driver,
            layer=name,
        )


def _field_type(values: Sequence[object]) -> type:
    kinds = {type(v) for v in values}
    return kinds.pop() if len(kinds) == 1 and kinds <= {int, float} else object
