"""Zones: polygons with names, laid over a class map."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import shapely

from hectares.core.grid import Grid
from hectares.errors import VectorError
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.polygons import find_overlaps
from hectares.io.shapes.vectors import read_layer
from hectares.monitor import Monitor, Problem

OUTSIDE = "outside all zones"
Zones = Mapping[str, shapely.Geometry]
"""By name, in the CRS of a map."""


def read_zones(
    file: str | Path, field: str | None, grid: Grid, map_path: Path, monitor: Monitor
) -> dict[str, shapely.Geometry]:
    """Give zones by name in the CRS of the map; features of one name are one zone.

    `file` is FILE or FILE:LAYER; `field` names a zone, by default the first text attribute.
    """
    path, layer_name = split_layer_name(file)
    if grid.crs is None:
        raise VectorError(f"{map_path}: has no CRS, so zones cannot be laid over it")
    layer = read_layer(path, layer=layer_name).near(grid.bounds, grid.crs).to_crs(grid.crs)
    for note in layer.notes:
        monitor.problem(note)
    if not layer.geometries:
        raise VectorError(f"{path}: has no polygons; zones are polygons")
    field = field or _first_text_field(path, layer.attributes)
    if field not in layer.attributes:
        raise VectorError(f"{path}: has no field {field!r}; it has {', '.join(layer.attributes) or 'none'}")
    parts: dict[str, list[shapely.Geometry]] = {}
    nameless = set(layer.lacking(field))
    if nameless:
        what = f"{len(nameless)} feature(s) have no value in {field!r}"
        monitor.problem(Problem(str(path), what, "they are zones named `feature N`; fill in the field"))
    given = {str(name) for fid, name in zip(layer.ids, layer.attributes[field], strict=True) if fid not in nameless}
    for fid, name, geometry in zip(layer.ids, layer.attributes[field], layer.geometries, strict=True):
        if geometry.geom_type in {"Polygon", "MultiPolygon", "GeometryCollection"}:
            parts.setdefault(_name_for(fid, given) if fid in nameless else str(name), []).append(geometry)
    if not parts:
        raise VectorError(f"{path}: has no polygons; zones are polygons")
    if OUTSIDE in parts:
        raise VectorError(f"{path}: has a zone named {OUTSIDE!r}, the name of what lies in no zone; rename it")
    return {name: shapely.union_all(geometries) for name, geometries in parts.items()}


def _name_for(fid: int, given: AbstractSet[str]) -> str:
    """Name a zone that has no name, as no other is named.

    >>> _name_for(3, {"north"}), _name_for(3, {"feature 3"})
    ('feature 3', 'feature 3 (without a name)')
    """
    name = f"feature {fid}"
    while name in given:
        name += " (without a name)"
    return name


def tell_overlaps(zones: Zones, file: str | Path, remedy: str, monitor: Monitor) -> None:
    """Tell of zones that overlap; `remedy` says what that means for the result."""
    overlaps = find_overlaps(list(zones.values()))
    if overlaps:
        one, other = (list(zones)[i] for i in (overlaps[0].first, overlaps[0].second))
        what = f"{len(overlaps)} pair(s) of zones overlap, for example {one} and {other}"
        monitor.problem(Problem(str(split_layer_name(file)[0]), what, remedy))


def _first_text_field(path: Path, attributes: Mapping[str, tuple[Any, ...]]) -> str:
    for name, values in attributes.items():
        if any(isinstance(v, str) for v in values):
            return name
    if not attributes:
        raise VectorError(f"{path}: its features have no attributes; give them one with the names of the zones")
    raise VectorError(
        f"{path}: has no text field to name the zones by; choose one of {', '.join(attributes)} with --zone-field"
    )
