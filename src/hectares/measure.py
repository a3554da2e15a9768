"""Class maps to area table: mapped area of each class, on the ellipsoid, in total and per zone.

Mapped area is counted from the map. It carries the errors of the map: see `estimate` for area with confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.config.measure import MeasureConfig
from hectares.core.area import AreaTable, AreaTally, nominal_pixel_area, pixel_area
from hectares.core.gaps import KEY, Gaps
from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import ArtefactError, ConfigError, GsdError, InputError, LegendError, VectorError
from hectares.io.artefact import check_record, save_csv, save_json, sha256_file, stamp
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.overlap import counted_pixels
from hectares.io.shapes.features import covered_shares, inside, pixel_window
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.zones import OUTSIDE as OUTSIDE
from hectares.io.shapes.zones import read_zones, tell_overlaps
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view.area_chart import draw_areas

KIND = "areas"
COLUMNS = ("class_id", "class_name", "pixels", "area_m2", "area_ha", "area_km2", "area_acres", "share")
M2_PER_HA = 10_000.0
M2_PER_KM2 = 1_000_000.0
M2_PER_ACRE = 4046.8564224
"""The international acre."""
_ROUNDING = 1e-9
"""Less than this share of a pixel is what arithmetic leaves between zones that share a border."""


@dataclass(frozen=True)
class MappedAreas:
    """Areas of one map, or of several together, and of their zones."""

    total: AreaTable
    zones: Mapping[str, AreaTable]
    """By name; empty without zones. The last is what lies outside all zones, if anything does."""
    overlap_m2: float = 0.0
    """What several maps show, and counts once."""
    kind: str = "mapped"
    """`reference` if they were counted from labels."""

    @property
    def coverage(self) -> float:
        """Share of the area that shows a class; the rest is nodata."""
        return self.total.observed_m2 / self.total.total_m2 if self.total.total_m2 else 0.0

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
    """Write the mapped area of each class of a map; see `measure_maps`."""
    return measure_maps([class_map], out, config, overwrite=overwrite, monitor=monitor)


def measure_maps(
    class_maps: Sequence[str | Path],
    out: str | Path,
    config: MeasureConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> MappedAreas:
    """Write the mapped area of each class as CSV, with JSON and a figure beside it. Memory is that of a few windows.

    Where several maps overlap, the first one that shows a class counts, so that no ground counts twice.
    Raises GridError or GsdError if a map has no georeference and no GSD is given, or has both; LegendError if the
    classes of the maps differ; VectorError if the zones cannot be used; InputError below the least coverage.
    """
    target = resolve(out)
    if target.suffix.lower() != ".csv":
        raise ArtefactError(f"{target}: the table is a CSV; end its name in .csv")
    targets = [target, target.with_suffix(".json"), target.with_suffix(".png")]
    sources = [Path(m) for m in class_maps]
    sources += [] if config.zones is None else [split_layer_name(config.zones)[0]]
    _refuse_own_figure(targets, sources)
    for path in targets:
        check_target(path, overwrite=overwrite, inputs=sources)
    check_record(targets[1], KIND)
    with ExitStack() as stack:
        maps = [stack.enter_context(open_class_map(m)) for m in class_maps]
        legend = _common_legend(maps)
        found = [_zones_of(opened, config, monitor) for opened in maps]
        areas = replace(_measure(maps, legend, found, config, monitor), kind=_kind_of(maps))
        _complain(maps, areas, config, monitor)
        content = _content(maps, legend, areas, config)
    columns = COLUMNS if not areas.zones else ("zone", *COLUMNS)
    with staged_files(targets, overwrite=overwrite, inputs=sources) as (table, record, figure):
        save_csv(table, columns, areas.rows())
        save_json(record, content)
        zones = {name: _hectares(table) for name, table in areas.zones.items()}
        draw_areas(_hectares(areas.total), zones, legend, figure, kind=areas.kind)
    return areas


def table_rows(table: AreaTable) -> Iterator[tuple[object, ...]]:
    """Give the lines of one area table in the order of `COLUMNS`."""
    for row in table.rows:
        m2 = row.mapped_m2
        units = (m2, m2 / M2_PER_HA, m2 / M2_PER_KM2, m2 / M2_PER_ACRE)
        yield row.class_id, row.name, row.pixels, *units, table.share(row)


def _refuse_own_figure(targets: Sequence[Path], sources: Sequence[Path]) -> None:
    """Refuse a table beside which the record or the figure would take the place of an input."""
    for target in targets[1:]:
        if any(target.exists() and source.exists() and target.samefile(source) for source in sources):
            what = "figure" if target.suffix == ".png" else "record"
            raise ArtefactError(
                f"{targets[0]}: the {what} beside the table would be {target.name}, which is an input of this command; "
                f"give the table another name, like {target.stem}-areas.csv"
            )


# --- What is measured -------------------------------------------------------------------------------------


def _common_legend(maps: Sequence[ClassMap]) -> Legend:
    first = maps[0]
    if len(maps) > 1 and first.grid.crs is None:
        raise ConfigError(f"{first.path}: has no CRS, so it cannot be seen if maps overlap; measure them one by one")
    paths = [m.path.resolve() for m in maps]
    for number, other in enumerate(maps):
        if paths[number] in paths[:number]:
            raise ConfigError(f"{other.path}: is given twice")
        mine, theirs = ({c.code: c.name for c in m.legend.classes} for m in (first, other))
        if mine != theirs:
            odd = next(iter(set(mine.items()) ^ set(theirs.items())))
            raise LegendError(
                f"{other.path}: has other classes than {first.path} (class {odd[0]}, {odd[1]!r}, is in one of them "
                "only); measure them one by one"
            )
    return first.legend


def _zones_of(opened: ClassMap, config: MeasureConfig, monitor: Monitor) -> Mapping[str, shapely.Geometry]:
    if config.zones is None:
        return {}
    zones = read_zones(config.zones, config.zone_field, opened.grid, opened.path, monitor)
    tell_overlaps(zones, config.zones, "what lies in both counts in each, so that sums are too large", monitor)
    return zones


class _Tallies:
    """Adds up a total, each zone, and what lies outside all of them."""

    def __init__(self, legend: Legend, names: Sequence[str]) -> None:
        self.total, self.rest = AreaTally(legend), AreaTally(legend)
        self.zones = {name: AreaTally(legend) for name in names}
        self.overlap_m2 = 0.0

    def areas(self) -> MappedAreas:
        tables = {name: tally.table() for name, tally in self.zones.items()}
        rest = self.rest.table()
        if tables and (any(row.pixels for row in rest.rows) or rest.total_m2 > 0):
            tables[OUTSIDE] = rest
        return MappedAreas(self.total.table(), tables, self.overlap_m2)


def _measure(
    maps: Sequence[ClassMap],
    legend: Legend,
    zones: Sequence[Mapping[str, shapely.Geometry]],
    config: MeasureConfig,
    monitor: Monitor,
) -> MappedAreas:
    names = list(dict.fromkeys(name for found in zones for name in found))
    tallies = _Tallies(legend, names)
    windows = [(number, window) for number, opened in enumerate(maps) for window in opened.windows()]
    places = [{n: pixel_window(g, m.grid) for n, g in found.items()} for m, found in zip(maps, zones, strict=True)]
    for number, window in track(windows, monitor, "measuring"):
        opened = maps[number]
        indices, areas = opened.read(window), _pixel_areas(opened, window, config)
        counted = np.ones(window.shape, np.bool_)
        if len(maps) > 1:
            counted = counted_pixels(maps, number, window, indices)
            tallies.overlap_m2 += float(areas[~counted & (indices != IGNORE)].sum())
        tallies.total.add(indices[counted], areas[counted])
        if names:
            near = {n: g for n, g in zones[number].items() if (places[number][n] & window).pixels}
            _add_zones(tallies, opened, near, (window, indices, areas, counted), config)
    return tallies.areas()


def _add_zones(
    tallies: _Tallies,
    opened: ClassMap,
    zones: Mapping[str, shapely.Geometry],
    content: tuple[Window, NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_]],
    config: MeasureConfig,
) -> None:
    """Add a window to the zones that reach into it, and the rest to what lies outside all."""
    window, indices, areas, counted = content
    left = np.ones(window.shape)
    homeless = np.ones(window.shape, np.bool_)
    for name, geometry in zones.items():
        part = pixel_window(geometry, opened.grid) & window
        local = part.within(window).slices
        home = inside(geometry, opened.grid, part)
        share = covered_shares(geometry, opened.grid, part) if config.edges == "share" else home.astype(np.float64)
        share = np.where(share > _ROUNDING, share, 0.0)
        chosen = counted[local] & ((share > 0) | home)
        tallies.zones[name].add(indices[local][chosen], (areas[local] * share)[chosen], home[chosen])
        left[local] -= share
        homeless[local] &= ~home
    left = np.where(left > _ROUNDING, left, 0.0)
    chosen = counted & ((left > 0) | homeless)
    tallies.rest.add(indices[chosen], (areas * left)[chosen], homeless[chosen])


def _pixel_areas(opened: ClassMap, window: Window, config: MeasureConfig) -> NDArray[np.float64]:
    if opened.grid.is_georeferenced:
        if config.gsd_m is not None:
            raise GsdError(f"{opened.path}: has a CRS, its pixels are measured on the ellipsoid; leave --gsd-m out")
        return pixel_area(opened.grid, window)
    if config.gsd_m is None:
        raise GsdError(
            f"{opened.path}: has no CRS, so the size of its pixels is unknown; "
            "give it in meters with --gsd-m, or use a georeferenced map"
        )
    return np.full(window.shape, nominal_pixel_area(config.gsd_m))


# --- What is said -----------------------------------------------------------------------------------------


def _complain(maps: Sequence[ClassMap], areas: MappedAreas, config: MeasureConfig, monitor: Monitor) -> None:
    first = maps[0]
    if areas.coverage < config.min_coverage:
        raise InputError(
            f"{', '.join(str(m.path) for m in maps)}: {areas.coverage:.1%} of the area shows a class, the rest is "
            f"nodata; at least {config.min_coverage:.1%} is asked for with --min-coverage"
        )
    for opened in maps:
        for sentence in Gaps.told_by(opened.provenance).sentences():
            remedy = "what has no class there counts as nodata, and in no area"
            monitor.problem(Problem(str(opened.path), f"the map has gaps: {sentence}", remedy, "incomplete"))
    zones = [name for name in areas.zones if name != OUTSIDE]
    empty = [name for name in zones if areas.zones[name].total_m2 == 0]
    if zones and len(empty) == len(zones):
        raise VectorError(
            f"{first.path}: no zone covers a pixel; the map spans {first.grid.bounds} in {first.grid.crs}: "
            "check the CRS of the zones"
        )
    if empty:
        what = f"{len(empty)} of {len(zones)} zones cover no pixel: {', '.join(empty[:5])}"
        monitor.problem(Problem(str(first.path), what, "their areas are 0"))
    if areas.overlap_m2 > 0:
        what = f"{len(maps)} maps show {areas.overlap_m2 / M2_PER_HA:,.2f} ha more than once"
        monitor.problem(Problem(str(first.path), what, "the first map that shows a class counts", "note"))


def _kind_of(maps: Sequence[ClassMap]) -> str:
    return "reference" if all(m.provenance.get("hectares") == "reference" for m in maps) else "mapped"


def _content(maps: Sequence[ClassMap], legend: Legend, areas: MappedAreas, config: MeasureConfig) -> dict[str, Any]:
    method = "ellipsoid" if maps[0].grid.is_georeferenced else "nominal pixel size given by hand"
    settings = asdict(config) | {"zones": None if config.zones is None else Path(config.zones).name}
    inputs = {"map" if n == 0 else f"map {n + 1}": sha256_file(m.path) for n, m in enumerate(maps)}
    gaps = [Gaps.told_by(m.provenance).to_json() for m in maps]
    return stamp(KIND, config=settings, inputs=inputs) | {
        "map": ", ".join(m.path.name for m in maps),
        "kind": areas.kind,
        "method": method,
        "crs": maps[0].grid.crs,
        "coverage": areas.coverage,
        "overlap_m2": areas.overlap_m2,
        "legend": legend.to_json(),
        "total": _records(areas.total),
        "zones": {name: _records(table) for name, table in areas.zones.items()},
        **({KEY: gaps} if any(gaps) else {}),
    }


def _records(table: AreaTable) -> list[dict[str, object]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in table_rows(table)]


def _hectares(table: AreaTable) -> list[float]:
    return [row.mapped_m2 / M2_PER_HA for row in table.rows if row.class_id is not None]
