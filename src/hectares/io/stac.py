"""The STAC item beside a class map: where it lies, what its codes mean, how it was made, and the hash of every file.

Source: STAC 1.1.0, https://stacspec.org, with the extensions projection 2.0, raster 2.0, classification 2.0,
processing 1.2 and file 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.polygon import orient

from hectares.core.grid import Grid, parse_crs
from hectares.core.legend import MAP_NODATA, Legend, hex_color

SUFFIX = ".stac.json"
_EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/v{version}/schema.json"
    for name, version in (
        ("projection", "2.0.0"), ("raster", "2.0.0"), ("classification", "2.0.0"), ("processing", "1.2.0"),
        ("file", "2.1.0"),
    )
)  # fmt: skip
_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized", ".qml": "text/xml",
    ".sld": "application/vnd.ogc.sld+xml", ".xml": "text/xml", ".clr": "text/plain",
}  # fmt: skip
_TITLES = {".qml": "QGIS style", ".sld": "Styled Layer Descriptor", ".xml": "Attribute table", ".clr": "Color map"}
_UNKNOWN_TIME = ("1800-01-01T00:00:00Z", "2200-01-01T00:00:00Z")
"""A date is not known: STAC wants a range then, and this one holds every photograph."""
_EDGE_POINTS = 32
_DIGITS = 7
_SHA256 = "1220"
"""Multihash: the function SHA-256 (12), 32 bytes (20)."""


def stac_item(
    name: str,
    grid: Grid,
    legend: Legend,
    provenance: Mapping[str, Any],
    files: Mapping[str, tuple[str, int]],
    pixels: Mapping[int, int],
) -> dict[str, Any]:
    """Give the item of a map; `files` are SHA-256 and bytes by file name, the map first, `pixels` counts by code."""
    geometry = footprint(grid)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": name,
        "geometry": None if geometry is None else shapely.geometry.mapping(geometry),
        "properties": _times(provenance.get("acquired")) | _placed(grid) | _made(legend, provenance),
        "links": [],
        "assets": {},
    }
    if geometry is not None:
        item["bbox"] = _bbox(geometry)
    for number, (file, (sha256, size)) in enumerate(files.items()):
        suffix = Path(file).suffix.lower()
        asset: dict[str, Any] = {
            "href": f"./{file}",
            "type": _TYPES[".tif" if number == 0 else suffix],
            "file:checksum": _SHA256 + sha256,
            "file:size": size,
        }
        if number == 0:
            asset |= {"title": "Class map", "roles": ["data"], "bands": [_band(grid, legend, pixels)]}
        else:
            asset |= {"title": _TITLES[suffix], "roles": ["metadata"]}
        item["assets"]["map" if number == 0 else suffix.removeprefix(".").replace("xml", "attributes")] = asset
    return item


def recorded_hashes(item: Mapping[str, Any]) -> dict[str, str]:
    """Give the SHA-256 that an item names for its files, by name; a hash of another kind is left out."""
    found = {}
    for asset in item["assets"].values():
        checksum = str(asset.get("file:checksum", ""))
        if checksum.startswith(_SHA256):
            found[str(asset["href"]).removeprefix("./")] = checksum.removeprefix(_SHA256)
    return found


def acquired_at(tags: Mapping[str, str]) -> str | None:
    """Read from the tags of a scene when it was taken, as STAC writes it; None where they do not say.

    >>> acquired_at({"ACQUISITIONDATETIME": "2021-07-03 10:20:31"}), acquired_at({"TIFFTAG_DATETIME": "2021:07:03"})
    ('2021-07-03T10:20:31Z', None)
    """
    for key in ("ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "PRODUCT_START_TIME", "SENSING_TIME", "DATETIME"):
        text = tags.get(key, "").strip().removesuffix("Z")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z" if moment.utcoffset() is None else None
    return None


# --- Properties -------------------------------------------------------------------------------------------


def _times(acquired: str | None) -> dict[str, Any]:
    """Give the date of an item: a moment, or first and last where only days are known, or two dates with / between.

    >>> _times("2023-06-01/2023-06-20T10:46:29Z")
    {'datetime': None, 'start_datetime': '2023-06-01T00:00:00Z', 'end_datetime': '2023-06-20T10:46:29Z'}
    """
    if acquired is not None:
        first, _, last = acquired.partition("/")
        if not last and "T" in first:
            return {"datetime": first}
        last = last or first
        start = first if "T" in first else f"{first}T00:00:00Z"
        return {"datetime": None, "start_datetime": start, "end_datetime": last if "T" in last else f"{last}T23:59:59Z"}
    start, end = _UNKNOWN_TIME
    return {
        "datetime": None,
        "start_datetime": start,
        "end_datetime": end,
        "description": "The date of the scene is not recorded; start and end are placeholders that STAC demands.",
    }


def _placed(grid: Grid) -> dict[str, Any]:
    t = grid.transform
    found: dict[str, Any] = {"proj:shape": list(grid.shape), "proj:transform": [t.a, t.b, t.c, t.d, t.e, t.f]}
    if grid.crs is None:
        return {"proj:code": None} | found
    found["proj:bbox"] = list(grid.bounds)
    if re.fullmatch(r"[A-Za-z_]+:[0-9A-Za-z]+", grid.crs):
        return {"proj:code": grid.crs} | found
    return {"proj:code": None, "proj:wkt2": parse_crs(grid.crs).to_wkt()} | found


def _made(legend: Legend, provenance: Mapping[str, Any]) -> dict[str, Any]:
    software = {"hectares": str(provenance.get("version", "unknown"))}
    software |= {k: str(provenance[k]) for k in ("torch", "onnxruntime", "openvino", "cuda") if k in provenance}
    scene, network = provenance.get("scene"), provenance.get("network")
    source = "" if scene is None else f" of {scene}" + ("" if network is None else f" by {network}")
    found = {
        "title": f"Class map{source}",
        "processing:software": software,
        "processing:lineage": f"Class map{source}: {', '.join(legend.names)}.",
    }
    inputs = provenance.get("inputs")
    return found | ({"hectares:inputs": dict(inputs)} if inputs else {})


def _band(grid: Grid, legend: Legend, pixels: Mapping[int, int]) -> dict[str, Any]:
    classes = []
    for c in sorted(legend.classes, key=lambda c: c.code):
        short = re.sub(r"[^0-9A-Za-z_-]+", "-", c.name).strip("-") or f"class-{c.code}"
        entry = {"value": c.code, "name": short, "title": c.name, "description": c.name}
        classes.append(entry | {"color_hint": hex_color(c.color)[1:].upper(), "count": pixels.get(c.code, 0)})
    nodata = {"value": MAP_NODATA, "name": "nodata", "description": "not observed", "nodata": True}
    found = {
        "name": "class",
        "data_type": "uint8",
        "nodata": MAP_NODATA,
        "raster:sampling": "area",
        "classification:classes": [*classes, nodata | {"count": pixels.get(MAP_NODATA, 0)}],
    }
    return found | ({"raster:spatial_resolution": sum(grid.gsd) / 2} if grid.is_georeferenced else {})


# --- Geometry ---------------------------------------------------------------------------------------------


def footprint(grid: Grid) -> shapely.Geometry | None:
    """Give the outline of a grid in degrees (WGS84), cut at the antimeridian; None without a place on the earth.

    Edges are straight in the CRS of the grid, so that points between the corners follow them.
    Source: RFC 7946, sections 3.1.6 and 3.1.9.

    >>> from affine import Affine
    >>> footprint(Grid("EPSG:4326", Affine(1, 0, 179, 0, -1, 11), (1, 2))).bounds
    (-180.0, 10.0, 180.0, 11.0)
    """
    if grid.crs is None:
        return None
    crs = parse_crs(grid.crs).to_2d()
    x, y = _outline(grid)
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    turns = np.unwrap(lon, period=360)
    ring = list(zip(turns.tolist(), np.clip(lat, -90, 90).tolist(), strict=True))
    around = round((turns[-1] - turns[0]) / 360)
    if around:  # the pole lies inside: the outline runs around it once, and along it back
        pole = 90.0 if np.mean(lat) > 0 else -90.0
        ring += [(ring[-1][0], pole), (ring[0][0], pole)]
    return _cut(shapely.Polygon(ring))


def _outline(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the outer border of a grid in its CRS, closed."""
    height, width = grid.shape
    step = np.arange(_EDGE_POINTS) / _EDGE_POINTS
    cols = np.concatenate([step * width, np.full(_EDGE_POINTS, width), (1 - step) * width, np.zeros(_EDGE_POINTS + 1)])
    rows = np.concatenate([np.zeros(_EDGE_POINTS), step * height, np.full(_EDGE_POINTS, height), (1 - step) * height])
    rows = np.append(rows, 0.0)
    t = grid.transform
    return t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f


def _cut(outline: shapely.Polygon) -> shapely.Geometry | None:
    """Bring an outline, whose longitudes run on beyond 180, back into -180 to 180, as polygons that do not cross it."""
    outline = shapely.make_valid(outline) if not outline.is_valid else outline
    west, _, east, _ = outline.bounds
    parts: list[shapely.Polygon] = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        piece = outline & shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
        moved = shapely.transform(piece, lambda points, by=360 * turn: points - [by, 0])
        parts += [p for p in shapely.get_parts(moved) if p.geom_type == "Polygon" and p.area > 0]
    whole = shapely.union_all([shapely.transform(p, lambda points: points.round(_DIGITS)) for p in parts])
    pieces = [orient(p, 1.0) for p in shapely.get_parts(whole) if p.geom_type == "Polygon"]  # joins halves of a globe
    if not pieces:
        return None
    return pieces[0] if len(pieces) == 1 else shapely.MultiPolygon(pieces)


def _bbox(geometry: shapely.Geometry) -> list[float]:
    """Give west, south, east, north; west is greater than east where the antimeridian is crossed."""
    west, south, east, north = geometry.bounds
    parts = shapely.get_parts(geometry)
    eastern = [p for p in parts if p.bounds[2] == 180]
    western = [p for p in parts if p.bounds[0] == -180]
    if len(parts) == len(eastern) + len(western) and eastern and western and set(eastern).isdisjoint(western):
        return [min(p.bounds[0] for p in eastern), south, max(p.bounds[2] for p in western), north]
    return [west, south, east, north]
