"""Class map to area table: mapped area of each class, on the ellipsoid, in total and per zone.

Mapped area is counted from the map. It carries the errors of the map: see `estimate` for area with confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.config.measure import MeasureConfig
from hectares.core.area import AreaTable, AreaTally, nominal_pixel_area, pixel_area
from hectares.core.window import Window
from hectares.errors import ArtefactError, GsdError, VectorError
from hectares.io.artefact import save_csv, save_json, sha256_file, stamp
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.shapes.features import inside, pixel_window
from hectares.io.shapes.polygons import find_overlaps
from hectares.io.shapes.vectors import read_layer, split_layer_name
from hectares.monitor import QUIET, Monitor, Problem, track

KIND = "areas"
OUTSIDE = "outside all zones"
COLUMNS = ("class_id", "class_name", "pixels", "area_m2", "area_ha", "area_km2", "share")
M2_PER_HA = 10_000.0
M2_PER_KM2 = 1_000_000.0


@dataclass(frozen=True)
class MappedAreas:
    """Areas of a whole map, and of its zones."""

    total: AreaTable
    zones: Mapping[str, AreaTable]
    """By name; empty without zones. The last is what lies outside all zones, if anything does."""

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Give the lines of the table, with the zone first where there are zones."""
        if not self.zones:
            yield from table_rows(self.total)
        for name, table in self.zones.items():
            yield from ((name, *row) for row in table_rows(table))


def measure_map(
    class_map: str | Path,
    out: str | Path,
    config: MeasureConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> MappedAreas:
    """Write the mapped area of each class as CSV, and as JSON beside it. Memory is that of a strip of the map.

    Raises GridError or GsdError if the map has no georeference and no GSD is given, or has both; VectorError if
    the zones cannot be used.
    """
    target = resolve(out)
    if target.suffix.lower() != ".csv":
        raise ArtefactError(f"{target}: the table is a CSV; end its name in .csv")
    beside = target.with_suffix(".json")
    sources = [Path(class_map)] + ([] if config.zones is None else [split_layer_name(config.zones)[0]])
    for path in (target, beside):
        check_target(path, overwrite=overwrite, inputs=sources)
    with open_class_map(class_map) as opened:
        zones = _read_zones(opened, config, monitor)
        areas = _measure(opened, zones, config, monitor)
        _complain(opened, zones, areas, monitor)
        content = _content(opened, areas, config)
    columns = COLUMNS if not areas.zones else ("zone", *COLUMNS)
    with staged_files([target, beside], overwrite=overwrite, inputs=sources) as (table, record):
        save_csv(table, columns, areas.rows())
        save_json(record, content)
    return areas


def table_rows(table: AreaTable) -> Iterator[tuple[object, ...]]:
    """Give the lines of one area table in the order of `COLUMNS`."""
    for row in table.rows:
        m2 = row.mapped_m2
        yield row.class_id, row.name, row.pixels, m2, m2 / M2_PER_HA, m2 / M2_PER_KM2, table.share(row)


def _measure(
    opened: ClassMap, zones: Mapping[str, shapely.Geometry], config: MeasureConfig, monitor: Monitor
) -> MappedAreas:
    total = AreaTally(opened.legend)
    tallies = {name: AreaTally(opened.legend) for name in zones}
    windows = {name: pixel_window(geometry, opened.grid) for name, geometry in zones.items()}
    rest = AreaTally(opened.legend)
    for strip in track(opened.windows(), monitor, "measuring"):
        indices, areas = opened.read(strip), _pixel_areas(opened, strip, config)
        total.add(indices, areas)
        outside = np.ones(strip.shape, np.bool_)
        for name, geometry in zones.items():
            part = windows[name] & strip
            if not part.pixels:
                continue
            local = part.within(strip).slices
            mask = inside(geometry, opened.grid, part)
            tallies[name].add(indices[local][mask], areas[local][mask])
            outside[local] &= ~mask
        if zones:
            rest.add(indices[outside], areas[outside])
    by_zone = {name: tally.table() for name, tally in tallies.items()}
    if zones and rest.table().total_m2 > 0:
        by_zone[OUTSIDE] = rest.table()
    return MappedAreas(total.table(), by_zone)


def _pixel_areas(opened: ClassMap, window: Window, config: MeasureConfig) -> NDArray[np.float64]:
    if opened.grid.is_georeferenced:
        if config.gsd_m is not None:
            raise GsdError(f"{opened.path}: has a CRS, its pixels are measured on the ellipsoid; leave --gsd-m out")
        return pixel_area(opened.grid, window)
    if config.gsd_m is None:
        raise GsdError(
            f"{opened.path}: has no CRS, so the size of its pixels is unknown; "
            "give it in metres with --gsd-m, or use a georeferenced map"
        )
    return np.full(window.shape, nominal_pixel_area(config.gsd_m))


def _read_zones(opened: ClassMap, config: MeasureConfig, monitor: Monitor) -> dict[str, shapely.Geometry]:
    """Give zones by name in the CRS of the map; features of one name are one zone."""
    if config.zones is None:
        return {}
    path, layer_name = split_layer_name(config.zones)
    if opened.grid.crs is None:
        raise VectorError(f"{opened.path}: has no CRS, so zones cannot be laid over it")
    layer = read_layer(path, layer=layer_name).near(opened.grid.bounds, opened.grid.crs).to_crs(opened.grid.crs)
    for note in layer.notes:
        monitor.problem(note)
    field = config.zone_field or _first_text_field(path, layer.attributes)
    if field not in layer.attributes:
        raise VectorError(f"{path}: has no field {field!r}; it has {', '.join(layer.attributes) or 'none'}")
    parts: dict[str, list[shapely.Geometry]] = {}
    nameless = set(layer.lacking(field))
    if nameless:
        what = f"{len(nameless)} feature(s) have no value in {field!r}"
        monitor.problem(Problem(str(path), what, "they are zones named `feature N`; fill in the field"))
    for fid, name, geometry in zip(layer.ids, layer.attributes[field], layer.geometries, strict=True):
        if geometry.geom_type in {"Polygon", "MultiPolygon", "GeometryCollection"}:
            parts.setdefault(f"feature {fid}" if fid in nameless else str(name), []).append(geometry)
    if not parts:
        raise VectorError(f"{path}: has no polygons; zones are polygons")
    if OUTSIDE in parts:
        raise VectorError(f"{path}: has a zone named {OUTSIDE!r}, the name of what lies in no zone; rename it")
    zones = {name: shapely.union_all(geometries) for name, geometries in parts.items()}
    overlaps = find_overlaps(list(zones.values()))
    if overlaps:
        one, other = (list(zones)[i] for i in (overlaps[0].first, overlaps[0].second))
        what = f"{len(overlaps)} pair(s) of zones overlap, for example {one} and {other}"
        monitor.problem(Problem(str(path), what, "what lies in both counts in each, so that sums are too large"))
    return zones


def _first_text_field(path: Path, attributes: Mapping[str, tuple[Any, ...]]) -> str:
    for name, values in attributes.items():
        if any(isinstance(v, str) for v in values):
            return name
    raise VectorError(
        f"{path}: has no text field to name the zones by; choose one of "
        f"{', '.join(attributes) or 'none'} with --zone-field"
    )


def _complain(opened: ClassMap, zones: Mapping[str, shapely.Geometry], areas: MappedAreas, monitor: Monitor) -> None:
    empty = [name for name in zones if areas.zones[name].total_m2 == 0]
    if len(empty) == len(zones) and zones:
        raise VectorError(
            f"{opened.path}: no zone covers a pixel; the map spans {opened.grid.bounds} in {opened.grid.crs}: "
            "check the CRS of the zones"
        )
    if empty:
        what = f"{len(empty)} of {len(zones)} zones cover no pixel: {', '.join(empty[:5])}"
        monitor.problem(Problem(str(opened.path), what, "their areas are 0"))


def _content(opened: ClassMap, areas: MappedAreas, config: MeasureConfig) -> dict[str, Any]:
    method = "ellipsoid" if opened.grid.is_georeferenced else "nominal pixel size given by hand"
    observed = areas.total.observed_m2
    settings = asdict(config) | {"zones": None if config.zones is None else Path(config.zones).name}
    return stamp(KIND, config=settings, inputs={"map": sha256_file(opened.path)}) | {
        "map": opened.path.name,
        "kind": "reference" if opened.provenance.get("hectares") == "reference" else "mapped",
        "method": method,
        "crs": opened.grid.crs,
        "coverage": observed / areas.total.total_m2 if areas.total.total_m2 else 0.0,
        "legend": opened.legend.to_json(),
        "total": _records(areas.total),
        "zones": {name: _records(table) for name, table in areas.zones.items()},
    }


def _records(table: AreaTable) -> list[dict[str, object]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in table_rows(table)]
