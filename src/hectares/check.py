"""The data doctor: reads everything, and says what is wrong and where, before hours of work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hectares.config.check import CheckConfig
from hectares.doctor.account import ClassRow
from hectares.doctor.finding import Finding, Ledger, Severity, from_error, from_problem
from hectares.doctor.pixels import PixelTally, examine_grid, scan_windows
from hectares.doctor.shapes import ShapeFile, examine_shapes
from hectares.doctor.survey import Survey
from hectares.errors import CatalogError, ConfigError, HectaresError, InputError, Interrupted
from hectares.formats.folders import IMAGE_FOLDERS
from hectares.formats.options import OPTIONS, flag, given_options, refuse_unusable
from hectares.formats.registry import Format, find_format, used_by
from hectares.io.artefact import read_json
from hectares.io.builtin import locate
from hectares.io.catalog import Catalog, read_catalog, read_legend
from hectares.io.places import check_places, write_places
from hectares.io.rasters.class_map import LEGEND_TAG, ClassMap, open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.segmenter import SPEC_FILE, find_segmenter
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.vector_file import SUFFIXES as VECTORS
from hectares.monitor import QUIET, Monitor, Problem, track

Kind = Literal["scene", "class map", "data set", "chips", "segmenter", "vectors", "unknown"]
_DEPTH = 3


@dataclass(frozen=True)
class Examined:
    """What was found in one path."""

    path: Path
    kind: Kind
    findings: tuple[Finding, ...]
    """The gravest first; of very many of one check, the first of them."""
    counts: Mapping[tuple[str, Severity], int]
    """How many findings each check had."""
    facts: Mapping[str, Any]
    classes: tuple[ClassRow, ...] = ()

    @property
    def problems(self) -> int:
        """How many findings have weight."""
        return sum(n for (_, severity), n in self.counts.items() if severity != "note")


@dataclass(frozen=True)
class Checkup:
    """What was found in all paths."""

    examined: tuple[Examined, ...]
    places: Path | None = None
    """The file of places that was written."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings."""
        return tuple(f for e in self.examined for f in e.findings)

    @property
    def problems(self) -> int:
        """How many findings have weight; 0 is a clean bill of health."""
        return sum(e.problems for e in self.examined)


def check_paths(
    paths: Sequence[Path],
    config: CheckConfig = CheckConfig(),  # noqa: B008 - a frozen value
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Checkup:
    """Examine scenes, class maps, data sets, catalogs, chips, segmenters and vector files."""
    if config.places is not None:
        check_places(config.places)
        if not overwrite and config.places.exists():
            raise ConfigError(f"--places {config.places}: exists already; give another name, or --overwrite")
    paths = [locate(path) for path in paths]
    _refuse_missing(paths)
    _refuse_unused(paths, config)
    examined = tuple(_examine(Path(path), config, monitor) for path in paths)
    checkup = Checkup(examined)
    rows = [row for f in checkup.findings if f.has_weight for row in _place_rows(f)]
    if config.places is None or not rows:
        return checkup
    return replace(checkup, places=write_places(config.places, rows, overwrite=overwrite))


def _place_rows(finding: Finding) -> Iterator[dict[str, Any]]:
    head = {
        "check": finding.check,
        "severity": finding.severity,
        "scene": finding.scene,
        "file": finding.where,
        "what": finding.what,
        "remedy": finding.remedy,
    }
    for place in finding.places or (None,):
        yield head | {name: getattr(place, name, None) for name in ("row", "col", "lon", "lat")}


def _refuse_missing(paths: Sequence[Path]) -> None:
    """Refuse paths that are not there before hours of work on the others."""
    missing = [p for p in map(Path, paths) if not os.path.lexists(p) and not os.path.lexists(split_layer_name(p)[0])]
    if missing:
        more = f" (and {len(missing) - 1} more: {', '.join(map(str, missing[1:]))})" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}: there is no such file or folder{more}")


def _refuse_unused(paths: Sequence[Path], config: CheckConfig) -> None:
    """Refuse an option about data sets or vector files that none of the paths has a use for."""
    refuse_unusable(config)
    used = {name for path in paths for name in _used_options(Path(path), config)}
    for name in given_options(config):
        if name not in used:
            raise ConfigError(f"{flag(name)} has no effect on what is checked here; as to data sets, {used_by(name)}")


def _used_options(path: Path, config: CheckConfig) -> Sequence[str]:
    try:
        kind = _kind(path, config)
        layout = _layout(path, config) if kind == "data set" else None
    except HectaresError:
        return OPTIONS  # its own error is told with what is found in it
    if kind == "vectors":
        return ("class_field", "crs")
    if kind != "data set":
        return ()
    return ("legend", "limit") if layout is None else layout.used


# --- By kind ----------------------------------------------------------------------------------------------


def _examine(path: Path, config: CheckConfig, monitor: Monitor) -> Examined:
    kind: Kind = "unknown"
    try:
        kind = _kind(path, config)
        match kind:
            case "chips":
                return _chips(path, monitor)
            case "segmenter":
                find_segmenter(path).verify()
                return _examined(path, kind, Ledger())
            case "data set":
                return _data_set(path, config, monitor)
            case "vectors":
                return _vectors(path, config)
            case _:
                return _raster(path, monitor)
    except (Interrupted, ConfigError):
        raise
    except HectaresError as error:
        ledger = Ledger()
        ledger.add([from_error("reading", str(path), error)])
        return _examined(path, kind, ledger)


def _examined(
    path: Path, kind: Kind, ledger: Ledger, facts: Mapping[str, Any] | None = None, classes: Sequence[ClassRow] = ()
) -> Examined:
    return Examined(path, kind, ledger.findings, ledger.counts, facts or {}, tuple(classes))


def _kind(path: Path, config: CheckConfig) -> Kind:
    """Tell what a path is by its name and the names in it."""
    if (path / "chips.json").is_file():
        return "chips"
    if (path / SPEC_FILE).is_file() or (path / "segmenter" / SPEC_FILE).is_file():
        return "segmenter"
    if config.layout is not None or path.name == "catalog.json" or path.is_dir():
        return "data set"
    if path.suffix.lower() == ".csv":
        return "data set"
    file, _ = split_layer_name(path)
    return "vectors" if file.suffix.lower() in VECTORS else "scene"


def _chips(path: Path, monitor: Monitor) -> Examined:
    from hectares.doctor.chips import examine_chips

    ledger = Ledger()
    findings, facts = examine_chips(path, monitor)
    ledger.add(findings)
    return _examined(path, "chips", ledger, facts)


def _vectors(path: Path, config: CheckConfig) -> Examined:
    ledger = Ledger()
    file, layer = split_layer_name(path)
    findings, facts = examine_shapes(ShapeFile(file, layer, config.class_field, config.crs))
    ledger.add(findings)
    return _examined(path, "vectors", ledger, facts)


def _raster(path: Path, monitor: Monitor) -> Examined:
    """Decode every block of a scene or a class map."""
    ledger = Ledger()
    with open_raster(path, tolerate_damage=True) as raster:
        tally = PixelTally(raster)
        for window in track(scan_windows(raster.grid.shape), monitor, f"reading {path.name}"):
            tally.add(raster.read(window), window)
        grid, facts = raster.grid, raster.facts
        ledger.add(examine_grid(grid, str(path), ""))
        ledger.add(tally.findings())
        if not grid.is_georeferenced:
            ledger.add([Finding("CRS", "warning", str(path), "has no CRS", "areas will need --gsd-m")])
        record = {
            "size_px": list(grid.shape),
            "gsd_m": list(grid.gsd) if grid.is_georeferenced else None,
            "bands": [{"names": list(raster.bands), "dtype": raster.dtype.name}],
            "nodata_share": tally.nodata_share,
        }
    if LEGEND_TAG not in facts.tags:
        return _examined(path, "scene", ledger, record)
    with open_class_map(path) as class_map:
        record["bands"] = [{"names": list(class_map.raster.bands), "dtype": class_map.raster.dtype.name}]
        return _examined(path, "class map", ledger, record, _map_classes(class_map, monitor))


def _map_classes(class_map: ClassMap, monitor: Monitor) -> list[ClassRow]:
    from hectares.core.area import pixel_area
    from hectares.doctor.account import Account
    from hectares.doctor.labels import count_classes

    account, legend, placed = Account(class_map.legend), class_map.legend, class_map.grid.is_georeferenced
    for window in track(class_map.windows(), monitor, "counting classes"):
        area = pixel_area(class_map.grid, window) if placed else None
        pixels, area_m2 = count_classes(class_map.read(window), len(legend), area)
        account.add_label(None, pixels, area_m2 if placed else None, int(pixels[:-1].sum()))
    return account.classes()


# --- Data sets --------------------------------------------------------------------------------------------


class _Collector:
    """A monitor that keeps problems as findings and hands on everything else."""

    def __init__(self, monitor: Monitor) -> None:
        self.problems: list[Problem] = []
        self._monitor = monitor

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Hand it on."""
        self._monitor.progress(stage, done, total, note)

    def problem(self, problem: Problem) -> None:
        """Keep it."""
        self.problems.append(problem)

    def raise_if_stopped(self) -> None:
        """Hand it on."""
        self._monitor.raise_if_stopped()


def _data_set(path: Path, config: CheckConfig, monitor: Monitor) -> Examined:
    ledger = Ledger()
    catalog = _read(path, config, ledger, monitor)
    if catalog is None:
        return _examined(path, "data set", ledger)
    survey = Survey(catalog, str(path), config)
    survey.ledger = ledger
    survey.run(monitor)
    return _examined(path, "data set", ledger, survey.facts, survey.account.classes())


def _read(path: Path, config: CheckConfig, ledger: Ledger, monitor: Monitor) -> Catalog | None:
    """Read the catalog; where its reader refuses, note why and go on with what is complete."""
    layout = _layout(path, config)
    if layout is None:
        return _read_own(path, config)
    collector = _Collector(monitor)
    config = layout.only_used(config)  # the others are for other paths
    try:
        catalog = layout.read(path, config, collector)
    except (Interrupted, ConfigError):
        raise
    except CatalogError as error:
        lenient = layout.only_used(replace(config, allow_unmatched=True, skip_bad=True))
        try:
            catalog = layout.read(path, lenient, collector)
        except InputError:
            ledger.add([from_error("pairs", str(path), error)])
            return None
        ledger.add(
            [
                from_problem("pairs", p, None if p.severity == "note" else "error")
                for p in dict.fromkeys(collector.problems)
            ]
        )
        if not collector.problems:
            ledger.add([from_error("pairs", str(path), error)])
        return catalog
    except InputError as error:
        ledger.add([from_error("reading", str(path), error)])
        return None
    ledger.add([from_problem("source", p) for p in collector.problems])
    return catalog


def _layout(path: Path, config: CheckConfig) -> Format | None:
    """Give the layout of a data set; None for a catalog of our own."""
    if config.layout is not None:
        return find_format(config.layout)
    if path.name == "catalog.json" or _lists_scenes(path / "catalog.json"):
        return None
    if not path.is_dir() or _has_image_folder(path, _DEPTH):
        return find_format("folders")
    raise CatalogError(
        f"{path}: is a folder without catalog.json or chips.json; "
        "give single files, chips, a run, a catalog, or say what it is with --layout (see `hectares formats`)"
    )


def _lists_scenes(catalog: Path) -> bool:
    """Tell if a catalog is there and not the empty one that `init` writes for the user to fill, or not."""
    if not catalog.exists():
        return False
    content = read_json(catalog)
    return not isinstance(content, dict) or content.get("scenes") != [] or not _has_image_folder(catalog.parent, _DEPTH)


def _read_own(path: Path, config: CheckConfig) -> Catalog:
    """Read a `catalog.json`; scenes without a label stay in: they may be there to be predicted."""
    legend = None if config.legend is None else read_legend(config.legend)
    file = path / "catalog.json" if path.is_dir() else path
    return read_catalog(file, legend=legend).first(config.limit)


def _has_image_folder(folder: Path, depth: int) -> bool:
    children = [p for p in sorted(folder.iterdir()) if p.is_dir() and not p.is_symlink()]
    if any(p.name.lower() in IMAGE_FOLDERS for p in children):
        return True
    return depth > 1 and any(_has_image_folder(p, depth - 1) for p in children)
