"""Two class maps of one place to a table of change: how much of each class became which, on the ellipsoid.

Mapped change carries the errors of both maps. A sample drawn from the map of change tells how much of it is real.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.change import ChangeConfig
from hectares.core.area import pixel_area
from hectares.core.survey.change import ChangeLegend, ChangeTable, ChangeTally, change_legend
from hectares.errors import ArtefactError, InputError
from hectares.io.artefact import check_record, save_csv, save_json, sha256_file, stamp
from hectares.io.outputs import check_target, resolve, staged_files, work_path
from hectares.io.rasters.aid import require_grid
from hectares.io.rasters.class_map import ClassMap, open_class_map, save_class_map
from hectares.monitor import QUIET, Monitor, Problem, track

KIND = "change"
COLUMNS = ("from_id", "from_name", "to_id", "to_name", "pixels", "area_m2", "area_ha", "area_km2", "share")
M2_PER_HA = 10_000.0
M2_PER_KM2 = 1_000_000.0


@dataclass(frozen=True)
class MappedChange:
    """What became what."""

    table: ChangeTable

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Give the lines of the table in the order of `COLUMNS`."""
        for r in self.table.rows:
            m2 = r.area_m2
            yield (r.from_id, r.from_name, r.to_id, r.to_name, r.pixels,
                   m2, m2 / M2_PER_HA, m2 / M2_PER_KM2, self.table.share(r))  # fmt: skip


def measure_change(
    before: str | Path,
    after: str | Path,
    out: str | Path,
    config: ChangeConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> MappedChange:
    """Write the area of each pair of classes as CSV, and as JSON beside it. Memory is that of a strip of the maps.

    Raises GridError if the maps do not lie pixel on pixel; legends may differ, and a class stays if its name does.
    """
    target = resolve(out)
    if target.suffix.lower() != ".csv":
        raise ArtefactError(f"{target}: the table is a CSV; end its name in .csv")
    inputs = [Path(before), Path(after)]
    targets = [target, target.with_suffix(".json")]
    for path in (*targets, *([] if config.map is None else [resolve(config.map)])):
        check_target(path, overwrite=overwrite, inputs=inputs)
    check_record(targets[1], KIND)
    hashes = {"before": sha256_file(inputs[0]), "after": sha256_file(inputs[1])}
    if hashes["before"] == hashes["after"]:
        raise InputError(f"{after}: is the same map as {before}; give the maps of two dates")
    with open_class_map(before) as first, open_class_map(after) as second:
        require_grid(second.path, second.raster, first.grid, first.path)
        found = MappedChange(_tally(first, second, monitor))
        _tell(first, second, monitor)
        legend = None
        if config.map is not None:
            legend = change_legend(found.table, first.legend, second.legend, other_below=config.other_below)
        settings = asdict(config) | {"map": None if config.map is None else Path(config.map).name}
        head = stamp(KIND, config=settings, inputs=hashes)
        content = head | _content(found, first, second)
        with staged_files(targets, overwrite=overwrite, inputs=inputs) as (table, record):
            save_csv(table, COLUMNS, found.rows())
            save_json(record, content)
            if legend is not None and config.map is not None:
                provenance = head | {"trained_on": _seen(first, second), "maps": [first.path.name, second.path.name]}
                _write_map(resolve(config.map), legend, (first, second), provenance, monitor, overwrite=overwrite)
    return found


def _tally(first: ClassMap, second: ClassMap, monitor: Monitor) -> ChangeTable:
    tally = ChangeTally(first.legend, second.legend)
    for window in track(first.windows(), monitor, "comparing"):
        tally.add(first.read(window), second.read(window), pixel_area(first.grid, window))
    return tally.table()


def _tell(first: ClassMap, second: ClassMap, monitor: Monitor) -> None:
    if not set(first.legend.names) & set(second.legend.names):
        what = f"shares no class name with {first.path.name} ({', '.join(second.legend.names[:5])} …)"
        remedy = "everything counts as changed; give classes that mean the same the same name in both legends"
        monitor.problem(Problem(str(second.path), what, remedy, "incomplete"))


def _content(found: MappedChange, first: ClassMap, second: ClassMap) -> dict[str, Any]:
    table = found.table
    return {
        "maps": [first.path.name, second.path.name],
        "kind": "mapped change",
        "method": "ellipsoid",
        "crs": first.grid.crs,
        "legends": [first.legend.to_json(), second.legend.to_json()],
        "coverage": table.observed_m2 / table.total_m2,
        "stable_ha": table.stable_m2 / M2_PER_HA,
        "observed_ha": table.observed_m2 / M2_PER_HA,
        "rows": [dict(zip(COLUMNS, row, strict=True)) for row in found.rows()],
    }


def _seen(first: ClassMap, second: ClassMap) -> list[list[int]]:
    """Windows that the segmenter of either map was trained on."""
    seen = [*first.provenance.get("trained_on", ()), *second.provenance.get("trained_on", ())]
    return [list(w) for w in dict.fromkeys(tuple(w) for w in seen)]


def _write_map(
    target: Path,
    legend: ChangeLegend,
    maps: tuple[ClassMap, ClassMap],
    provenance: dict[str, Any],
    monitor: Monitor,
    *,
    overwrite: bool,
) -> None:
    first, second = maps
    work = work_path(target)
    work.mkdir(exist_ok=True)  # one that is there is what a killed run left
    try:
        strips = (legend.legend.decode(s) for s in _strips(first, second, legend, monitor))
        save_class_map(target, work, strips, first.grid, legend.legend, provenance, overwrite=overwrite)
    finally:
        shutil.rmtree(work)


def _strips(first: ClassMap, second: ClassMap, legend: ChangeLegend, monitor: Monitor) -> Iterator[NDArray[np.uint8]]:
    """Class indices of the change over the whole width, from top to bottom."""
    held: list[NDArray[np.uint8]] = []
    row = 0
    for window in track(first.windows(), monitor, "writing the map"):
        if window.row != row:
            yield np.concatenate(held, axis=1)
            held, row = [], window.row
        held.append(legend.read(first.read(window), second.read(window)))
    yield np.concatenate(held, axis=1)
