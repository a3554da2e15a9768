"""Class map to reference points: a probability sample for estimating areas, and a page to label it on.

Strata are the classes of the map, or its classes within zones. Points are pixels, drawn without replacement in
proportion to their true area, never on nodata and never where the segmenter was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares import __version__
from hectares.config.sample import EXPECTED_ACCURACY, SampleConfig
from hectares.core.scene import Chip
from hectares.core.survey.allocation import shares_from_survey
from hectares.core.survey.estimators import LEAST_POINTS
from hectares.core.survey.pixel_draw import scattered
from hectares.core.survey.point_plan import (
    Population,
    expected_precision,
    expected_shares,
    points_by_size,
    points_by_target,
)
from hectares.errors import ArtefactError, ConfigError, GridError, InputError
from hectares.io.artefact import fingerprint, sha256_file, stamp
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.zones import read_zones, tell_overlaps
from hectares.io.survey.point_chips import Crop, Surroundings, coarser
from hectares.io.survey.sample import KIND, Point, Sample, Stratum, count_labels, read_sample, save_sample
from hectares.io.survey.sampling_frame import FrameAreas, SamplingFrame, lonlat
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view import render
from hectares.view.label_page import Shot, Task, render_label_page, task_record

M2_PER_HA = 10_000.0
_RGB = ("red", "green", "blue")
_NEAR_PX, _FAR = 21, 6
"""Side of the picture of a point in pixels of the map, and how many times wider its surroundings are."""
_LEAST_SCENE_PX = 16
_PICTURE_PX = 256
_STRETCHED = 40
"""Points whose surroundings set the contrast of all pictures."""


@dataclass(frozen=True)
class DrawnSample:
    """A sample, and what is expected of it."""

    sample: Sample
    precision: NDArray[np.float64]
    """(H,) half of the interval expected for the area of the class of each stratum in its zone, as a share of it."""
    added: int
    """Points that were not in an earlier sample."""
    page: Path | None = None
    """The page to label the points on."""


def sample_map(
    class_map: str | Path,
    out: str | Path,
    config: SampleConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> DrawnSample:
    """Draw reference points from a class map and write them as GeoPackage, with a page beside it if a scene is given.

    The same map, settings and seed give the same bytes. Memory is that of a window of the map.
    Raises GridError if the map has no CRS, ConfigError if it cannot give as many points as asked for, InputError if
    an earlier sample is not of this map, and ArtefactError rather than replace labels.
    """
    target = resolve(out)
    page = target.with_suffix(".html") if config.scene is not None else None
    inputs = [Path(class_map), *(p for p in (config.after, config.labels, config.scene) if p is not None)]
    inputs += [] if config.zones is None else [split_layer_name(config.zones)[0]]
    if not config.plan:
        _check_targets(target, page, config, inputs, overwrite=overwrite)
    if config.size is None and not config.target:
        raise ConfigError("how many points? give --size N, or the precision wanted, as in --target forest=5%")
    if config.scene is not None:
        _check_scene(config.scene)
    with open_class_map(class_map) as opened:
        if opened.grid.crs is None:
            raise GridError(f"{opened.path}: has no CRS, so there is no area to estimate and no place to look at")
        first = _read_first(opened, config)
        zones = _zones_of(opened, config, monitor)
        frame = SamplingFrame(opened, zones)
        areas = frame.measure(monitor)
        _tell(frame, areas, monitor)
        drawn = _draw(frame, areas, first, config, monitor)
    if config.plan:
        return drawn
    tasks = _photograph(drawn.sample, config, monitor) if page is not None else []
    with staged_files([target, *([page] if page else [])], overwrite=overwrite, inputs=inputs) as works:
        save_sample(works[0], drawn.sample)
        if page is not None:
            token = fingerprint([(p.id, p.row, p.col) for p in drawn.sample.points])[:16]
            text = render_label_page(target.stem, token, drawn.sample.legend, tasks, __version__)
            works[1].write_text(text, encoding="utf-8")
    stale = target.with_suffix(".html")
    if page is None and stale.exists():
        monitor.problem(Problem(str(stale), "is the page of an earlier sample", "delete it, or give --scene", "note"))
    return replace(drawn, page=page)


# --- What is given ----------------------------------------------------------------------------------------


def _check_targets(
    target: Path, page: Path | None, config: SampleConfig, inputs: Sequence[Path], *, overwrite: bool
) -> None:
    if target.suffix.lower() != ".gpkg":
        raise ArtefactError(f"{target}: the sample is a GeoPackage; end its name in .gpkg")
    for path in (target, *([page] if page else [])):
        check_target(path, overwrite=overwrite, inputs=inputs)
    if not target.exists():
        return
    labels = count_labels(target)
    if labels and not config.discard_labels:
        raise ArtefactError(
            f"{target}: holds labels of {labels} points, which would be lost; choose another name, go on from it with "
            "--after, or give --discard-labels as well"
        )


def _check_scene(path: Path) -> None:
    """Refuse an image that will not do, before the map is read."""
    with open_raster(path) as raster:
        if raster.grid.crs is None:
            raise GridError(f"{path}: has no CRS, so points cannot be found on it; give a georeferenced image")


def _read_first(opened: ClassMap, config: SampleConfig) -> Sample | None:
    if config.after is None:
        return None
    first = read_sample(config.after, config.labels)
    if first.map_sha256 != sha256_file(opened.path):
        raise InputError(
            f"{config.after}: was drawn from {first.design.get('map')}, which is not {opened.path} as it is now; "
            "points can only be added to a sample of the same map"
        )
    return first


def _zones_of(opened: ClassMap, config: SampleConfig, monitor: Monitor) -> dict[str, shapely.Geometry]:
    if config.zones is None:
        return {}
    zones = read_zones(config.zones, config.zone_field, opened.grid, opened.path, monitor)
    tell_overlaps(zones, config.zones, "what lies in both counts for the first one", monitor)
    return zones


def _tell(frame: SamplingFrame, areas: FrameAreas, monitor: Monitor) -> None:
    """Say what the sample will not speak of."""
    path, whole = str(frame.opened.path), float(areas.area_m2.sum())

    def note(what: str, remedy: str) -> None:
        monitor.problem(Problem(path, what, remedy, "note"))

    if areas.excluded_m2 > 0:
        what = f"{areas.excluded_m2 / M2_PER_HA:,.1f} ha ({areas.excluded_m2 / whole:.1%}) were used to train the map"
        note(what, "no point falls there: what is estimated holds for the map outside the training areas")
    if "trained_on" not in frame.opened.provenance:
        note("does not say what it was trained on", "points may fall on training areas, where the map is too good")
    if areas.outside_m2 > 0:
        note(f"{areas.outside_m2 / M2_PER_HA:,.1f} ha lie in no zone", "no point falls there")
    if areas.too_small:
        what = f"{areas.too_small} stratum or strata have fewer than {LEAST_POINTS} pixels that points could fall on"
        note(what, "no point falls there: what is estimated holds for the rest")


# --- The draw ---------------------------------------------------------------------------------------------


def _draw(
    frame: SamplingFrame, areas: FrameAreas, first: Sample | None, config: SampleConfig, monitor: Monitor
) -> DrawnSample:
    population, legend = frame.population(areas), frame.opened.legend
    empty = _strata(frame, areas, np.zeros(len(areas.units), np.int64))
    before = np.zeros(len(empty), np.int64)
    if first is not None:
        _check_strata(first, empty, config)
        before = np.array([s.drawn for s in first.strata], np.int64)
    shares = _shares(population, first, legend.names, config)
    wanted = config.targets(legend.names)
    if wanted:
        targets = np.array([wanted.get(name, np.nan) for name in legend.names])
        _refuse_absent(population, wanted, legend.names, frame.opened.path)
        level, least = config.confidence, config.min_per_class
        points = points_by_target(population, targets, shares, level=level, least=least, before=before)
    else:
        assert config.size is not None
        points = points_by_size(
            population, config.size, shares, config.allocation, least=config.min_per_class, before=before
        )
    precision = expected_precision(population, points, shares, level=config.confidence)
    strata = _strata(frame, areas, points)
    design = _design(frame, first, config, int(points.sum() - before.sum()))
    drawn: list[Point] = []
    if not config.plan:
        drawn = _place(frame, areas, strata, first, design["seed"], monitor)
    sample = Sample(tuple(drawn), strata, legend, frame.opened.grid, design)
    return DrawnSample(sample, precision, int(points.sum() - before.sum()))


def _strata(frame: SamplingFrame, areas: FrameAreas, points: NDArray[np.int64]) -> tuple[Stratum, ...]:
    classes = frame.opened.legend.classes
    return tuple(
        Stratum(
            h + 1, frame.zones[areas.zone[h]], classes[areas.mapped[h]].code, classes[areas.mapped[h]].name,
            float(areas.area_m2[h]), float(areas.sampled_m2[h]), int(areas.units[h]), int(points[h]),
        )
        for h in range(len(points))
    )  # fmt: skip


def _check_strata(first: Sample, strata: Sequence[Stratum], config: SampleConfig) -> None:
    def keys(of: Sequence[Stratum]) -> list[tuple[str, int, int]]:
        return [(s.zone, s.code, s.units) for s in of]

    if keys(first.strata) != keys(strata):
        zones = first.design.get("config", {}).get("zones")
        raise InputError(
            f"{config.after}: has other strata than asked for now; it was drawn "
            + (f"with --zones {zones}: give the same zones" if zones else "without zones: leave --zones out")
        )


def _shares(
    population: Population, first: Sample | None, names: Sequence[str], config: SampleConfig
) -> NDArray[np.float64]:
    """(H, K) what the strata hold: learned from an earlier sample, else assumed."""
    expected = config.accuracies(names)
    if first is None:
        return expected_shares(population, np.array([expected.get(n, EXPECTED_ACCURACY) for n in names]))
    if expected:
        raise ConfigError("--expect is what one assumes without labels; --after has them, leave --expect out")
    labelled = first.counts().sum(axis=(1, 2))
    for s in first.strata:
        if s.units and labelled[s.number - 1] < LEAST_POINTS:
            raise InputError(
                f"{config.after}: stratum {s.number} ({' '.join(filter(None, (s.zone, s.name)))}) has "
                f"{labelled[s.number - 1]} labelled point(s); label at least {LEAST_POINTS} of each stratum first"
            )
    shares = np.zeros((len(first.strata), len(names)))
    for places in population.by_zone():
        shares[places] = shares_from_survey(first.survey(places.tolist()))
    return shares


def _refuse_absent(population: Population, wanted: Mapping[str, float], names: Sequence[str], path: Path) -> None:
    shown = {names[k] for k in population.mapped[population.open]}
    for name in wanted:
        if name not in shown:
            raise ConfigError(f"--target {name}: {path} shows none of it where points can be drawn; leave it out")


def _design(frame: SamplingFrame, first: Sample | None, config: SampleConfig, added: int) -> dict[str, Any]:
    settings = asdict(config) | {"zones": None if config.zones is None else Path(config.zones).name}
    for name in ("after", "labels", "scene"):
        settings[name] = None if settings[name] is None else Path(settings[name]).name
    del settings["plan"], settings["discard_labels"]
    earlier = list(first.design.get("rounds", ())) if first is not None else []
    seed = int(first.design["seed"]) if first is not None else config.seed
    return stamp(KIND, config=settings, inputs={"map": sha256_file(frame.opened.path)}) | {
        "map": frame.opened.path.name,
        "seed": seed,
        "rounds": [*earlier, {"points": added, "size": config.size, "target": list(config.target)}],
        "excluded": [[w.row, w.col, w.height, w.width] for w in frame.excluded],
        "selection": "within a stratum in proportion to the area of a pixel, without replacement (sequential Poisson)",
    }


def _place(
    frame: SamplingFrame,
    areas: FrameAreas,
    strata: Sequence[Stratum],
    first: Sample | None,
    seed: int,
    monitor: Monitor,
) -> list[Point]:
    """Draw the points, and number new ones so that their numbers tell nothing of their strata."""
    pixels = frame.draw(areas, np.array([s.drawn for s in strata], np.int64), seed, monitor)
    old = {(p.row, p.col): p for p in first.points} if first is not None else {}
    taken = [(int(r), int(c)) in old for r, c in zip(pixels.row, pixels.col, strict=True)]
    if first is not None:
        before = pixels.first(np.array([s.drawn for s in first.strata], np.int64))
        if before.tolist() != taken:
            raise InputError(
                f"{frame.opened.path}: gives other points than the earlier sample has; its points were moved, or an "
                "other version of hectares drew them: draw a new sample"
            )
    number = max(p.round for p in first.points) + 1 if first is not None else 1
    lon, lat = lonlat(frame.opened.grid, pixels.row, pixels.col)
    last = max((p.id for p in old.values()), default=0)
    points: list[Point] = []
    for at in scattered(pixels.row, pixels.col, seed).tolist():
        h, row, col = int(pixels.stratum[at]), int(pixels.row[at]), int(pixels.col[at])
        s = strata[h]
        weight = s.sampled_area_m2 / s.drawn
        if taken[at]:
            points.append(replace(old[row, col], weight_m2=weight))
        else:
            last += 1
            points.append(Point(last, h + 1, s.zone, s.code, row, col, lon[at], lat[at], weight, number))
    return sorted(points, key=lambda p: p.id)


# --- The page ---------------------------------------------------------------------------------------------


def _photograph(sample: Sample, config: SampleConfig, monitor: Monitor) -> list[dict[str, object]]:
    """Take the pictures of the points nobody has looked at."""
    assert config.scene is not None
    points = [p for p in sample.points if not p.is_seen]
    with open_raster(config.scene, tolerate_damage=True) as raster:
        wanted = [str(band + 1) for band in render.rgb_bands(raster.bands)]
        raster.select(config.rgb or list(dict.fromkeys(wanted)))
        map_m, scene_m = max(sample.grid.gsd), max(raster.grid.gsd)
        near_m = config.chip_m or max(_NEAR_PX * map_m, _LEAST_SCENE_PX * scene_m)
        far = [_cut(raster, Surroundings(p.lon, p.lat, near_m * _FAR)) for p in points[:_STRETCHED]]
        common = render.stretch_limits([(c.image, c.valid) for c in far], _RGB)
        tasks, dark = [], 0
        for n, p in enumerate(track(points, monitor, "cutting pictures")):
            around = far[n] if n < len(far) else _cut(raster, Surroundings(p.lon, p.lat, near_m * _FAR))
            here = _cut(raster, Surroundings(p.lon, p.lat, near_m))
            dark += not here.valid[_PICTURE_PX // 2, _PICTURE_PX // 2]
            shots = []
            for chip, side_m in ((here, near_m), (around, near_m * _FAR)):
                outline = Surroundings(p.lon, p.lat, side_m).outline_of(sample.grid, p.row, p.col)
                limits = render.own_limits(chip.image, chip.valid, _RGB, common)
                shots.append(Shot(render.to_rgb(chip.image, _RGB, chip.valid, limits=limits), side_m, tuple(outline)))
            tasks.append(task_record(Task(p.id, p.lon, p.lat, *shots)))
    if dark == len(points) and points:
        raise InputError(f"{raster.path}: shows none of the {len(points)} points; give an image of the same place")
    if dark:
        what = f"{dark} of {len(points)} points lie where it shows nothing"
        monitor.problem(Problem(str(raster.path), what, "label them as not sure, or from another image"))
    return tasks


def _cut(raster: RasterFile, place: Surroundings) -> Chip:
    """Cut a square from an image: three bands, reduced before it is turned if the image is much finer."""
    window = place.window_in(raster.grid)
    if not (window & raster.grid.window).pixels:
        nothing = np.zeros((_PICTURE_PX, _PICTURE_PX), np.bool_)
        return Chip(np.zeros((3, *nothing.shape), np.float32), nothing)
    crop = Crop(raster, window)
    step = render.overview_step(window.shape, 2 * _PICTURE_PX)
    small = render.image_overview(crop, 2 * _PICTURE_PX)
    cut = place.cut(small, coarser(crop.grid, step, small.valid.shape), _PICTURE_PX)
    bands = list(range(3)) if len(cut.image) == 3 else [0, 0, 0]
    return Chip(cut.image[bands], cut.valid)
