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

_EDGE_PARTS = 100
"""Edges are cut into pieces of 1/100 of the extent of their geometry before they change CRS: lines bend."""


@dataclass(frozen=True)
class VectorLayer:
    """Geometries with attributes."""

    crs: str
    geometries: tuple[shapely.Geometry, ...]
    attributes: Mapping[str, tuple[Any, ...]]

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


def read_layer(path: Path, *, layer: str | None = None) -> VectorLayer:
    """Read a vector layer (GeoPackage, GeoJSON, Shapefile, FlatGeobuf ...).

    Null geometries are left out; invalid polygons are repaired.
    Raises VectorError if the file cannot be read, holds several layers, or has no CRS.
    """
    if not path.is_file():
        raise VectorError(f"{path}: there is no such file")
    try:
        if layer is None:
            layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
            if len(layers) > 1:
                raise VectorError(f"{path}: holds the layers {', '.join(layers)}; name one as FILE:LAYER")
        meta, _, wkb, fields = pyogrio.raw.read(path, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise VectorError(f"{path}: cannot be read as a vector file ({error})") from error
    if meta["crs"] is None:
        raise VectorError(f"{path}: has no CRS; assign one, for a Shapefile by its .prj file")
    geometries = shapely.from_wkb(wkb)
    keep = [i for i, g in enumerate(geometries) if g is not None and not g.is_empty]
    valid = shapely.make_valid(geometries[keep])
    columns = {name: tuple(values[keep].tolist()) for name, values in zip(meta["fields"], fields, strict=True)}
    crs = normalize_crs(meta["crs"])
    _refuse_metres_as_degrees(path, crs, valid)
    return VectorLayer(crs, tuple(valid), columns)


def _refuse_metres_as_degrees(path: Path, crs: str, geometries: NDArray[Any]) -> None:
    """GeoJSON in metres is declared WGS84 by default; its latitudes betray it."""
    if not len(geometries) or not parse_crs(crs).is_geographic:
        return
    bounds = np.abs(shapely.total_bounds(geometries))
    if max(bounds[1], bounds[3]) > 90 or max(bounds[0], bounds[2]) > 540:
        raise VectorError(
            f"{path}: is declared {crs} but reaches {bounds.max():.0f} degrees; "
            "its coordinates are probably metres: save it with the right CRS"
        )


def split_layer_name(text: str | Path) -> tuple[Path, str | None]:
    """Take `FILE` or `FILE:LAYER` apart.

    >>> split_layer_name("zones.gpkg:districts")[1]
    'districts'
    """
    path = Path(text)
    if path.exists() or ":" not in str(text):
        return path, None
    file, layer = str(text).rsplit(":", 1)
    return (Path(file), layer) if Path(file).suffix else (path, None)


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
