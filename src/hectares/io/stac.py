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

from hectares.core.grid import Grid, parse_crs
from hectares.core.legend import MAP_NODATA, LandClass, Legend, hex_color

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
UNKNOWN_TIMES = {
    "datetime": None, "start_datetime": "1800-01-01T00:00:00Z", "end_datetime": "2200-01-01T00:00:00Z"
}  # fmt: skip
"""A date is not known: STAC wants a range then, and this one holds every photograph."""
SHA256 = "1220"
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
    from hectares.io.footprint import degree_box, footprint  # it loads a library that only writing needs

    geometry = footprint(grid)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": name,
        "geometry": None if geometry is None else geometry.__geo_interface__,
        "properties": _times(provenance.get("acquired")) | _placed(grid) | _made(legend, provenance),
        "links": [],
        "assets": {},
    }
    if geometry is not None:
        item["bbox"] = degree_box(geometry)
    for number, (file, (sha256, size)) in enumerate(files.items()):
        suffix = Path(file).suffix.lower()
        asset: dict[str, Any] = {
            "href": f"./{file}",
            "type": _TYPES[".tif" if number == 0 else suffix],
            "file:checksum": SHA256 + sha256,
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
        if checksum.startswith(SHA256):
            found[str(asset["href"]).removeprefix("./")] = checksum.removeprefix(SHA256)
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


def class_entry(found: LandClass) -> dict[str, Any]:
    """Give a class in the form of the extension classification, whose names are of letters and digits.

    >>> class_entry(Legend.of({4: "Wald, dicht"}).classes[0])["name"]
    'Wald-dicht'
    """
    short = re.sub(r"[^0-9A-Za-z_-]+", "-", found.name).strip("-") or f"class-{found.code}"
    color = hex_color(found.color)[1:].upper()
    return {"value": found.code, "name": short, "title": found.name, "description": found.name, "color_hint": color}


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
    what = "The date of the scene is not recorded; start and end are placeholders that STAC demands."
    return UNKNOWN_TIMES | {"description": what}


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
    in_order = sorted(legend.classes, key=lambda c: c.code)
    classes = [class_entry(c) | {"count": pixels.get(c.code, 0)} for c in in_order]
    nodata = {"value": MAP_NODATA, "name": "nodata", "description": "not observed", "nodata": True}
    found = {
        "name": "class",
        "data_type": "uint8",
        "nodata": MAP_NODATA,
        "raster:sampling": "area",
        "classification:classes": [*classes, nodata | {"count": pixels.get(MAP_NODATA, 0)}],
    }
    return found | ({"raster:spatial_resolution": sum(grid.gsd) / 2} if grid.is_georeferenced else {})
