"""Tiny vector files in every format, and a folder of images with vector labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import shapely

from factory import UTM, save_raster

SHAPE = (24, 30)
"""Of an image at `factory.UTM`: pixels of 10 m from 500120 to the east and from 5000370 to the south, EPSG:32633."""


def box(row: float, col: float, row_end: float, col_end: float) -> shapely.Polygon:
    """Give a rectangle of pixels in the coordinates of the image."""
    (west, north), (east, south) = UTM @ (col, row), UTM @ (col_end, row_end)
    return shapely.box(west, south, east, north)


def moved(geometries: Sequence[shapely.Geometry], crs: str, source: str = "EPSG:32633") -> list[shapely.Geometry]:
    """Bring the corners of geometries to another CRS."""
    transformer = pyproj.Transformer.from_crs(source, crs, always_xy=True)
    return [
        shapely.transform(g, lambda p: np.column_stack(transformer.transform(p[:, 0], p[:, 1]))) for g in geometries
    ]


def write_geojson(
    path: Path, features: Sequence[tuple[shapely.Geometry | None, Mapping[str, object]]], *, crs: str | None = None
) -> Path:
    """Write GeoJSON as it comes; without `crs` it means longitude and latitude."""
    content: dict[str, object] = {"type": "FeatureCollection"}
    if crs is not None:
        content["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs.split(':')[1]}"}}
    content["features"] = [
        {
            "type": "Feature",
            "properties": dict(properties),
            "geometry": None if g is None else shapely.geometry.mapping(g),
        }
        for g, properties in features
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_ogr(
    path: Path,
    geometries: Sequence[shapely.Geometry],
    fields: Mapping[str, Sequence[object]] | None = None,
    *,
    driver: str = "GPKG",
    crs: str | None = "EPSG:32633",
    layer: str | None = None,
    append: bool = False,
) -> Path:
    """Write polygons by the vector library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = fields or {}
    kinds = [int if all(type(v) is int for v in values) else object for values in fields.values()]
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(geometries, dtype=object)),
        field_data=[np.array(v, dtype=k) for v, k in zip(fields.values(), kinds, strict=True)],
        fields=list(fields),
        geometry_type="Unknown" if driver != "ESRI Shapefile" else "Polygon",
        crs=crs,
        driver=driver,
        layer=layer or path.stem,
        append=append,
    )
    return path


def write_geoparquet(
    path: Path,
    geometries: Sequence[shapely.Geometry | None],
    fields: Mapping[str, Sequence[object]],
    **column: object,
) -> Path:
    """Write GeoParquet 1.1 with a covering; `column` adds to what is said of the geometry: crs, encoding."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    boxes = [
        None if g is None else dict(zip(("xmin", "ymin", "xmax", "ymax"), g.bounds, strict=True)) for g in geometries
    ]
    columns = {name: list(values) for name, values in fields.items()}
    wkb = [None if g is None else shapely.to_wkb(g) for g in geometries]
    table = pa.table({**columns, "geometry": wkb, "bbox": boxes})
    about = {"encoding": "WKB", "geometry_types": ["Polygon"], **column}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": about}}
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


def write_image(path: Path, value: int = 9, **options: object) -> Path:
    """Write an image with one band."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full(SHAPE, value, np.uint8)
    image[3, 4] = 1
    save_raster(path, image, **options)
    return path


FOREST, LAKE, FAR = box(2, 3, 10, 12), box(8, 10, 16, 20), box(500, 500, 510, 520)
LEFT, RIGHT = box(0, 0, 24, 14), box(0, 18, 24, 30)


def write_source(folder: Path, *, aoi: bool = True, splits: bool = True) -> Path:
    """Write a scene with a GeoPackage of land in its own CRS, and areas in degrees with a gap between them."""
    write_image(folder / "scene.tif")
    write_ogr(folder / "land.gpkg", [FOREST, LAKE, FAR], {"kind": ["forest", "lake", "forest"], "code": [3, 7, 3]})
    if aoi:
        names = [{"split": "train"}, {"split": "Valid"}] if splits else [{}, {}]
        write_geojson(folder / "aoi.geojson", list(zip(moved([LEFT, RIGHT], "EPSG:4326"), names, strict=True)))
    return folder
