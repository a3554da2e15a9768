"""Many scenes to one map: the map of each is made once, and then all are merged window by window.

The maps of the scenes are kept in the journal folder beside the target until the mosaic is in place, so that a stopped
run goes on with the scene, and the batch, that it was at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.mosaic import mosaic_grid, window_around
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Window
from hectares.errors import ArtefactError, ConfigError, GridError, InputError, VectorError
from hectares.io.artefact import plain, sha256_file, stamp
from hectares.io.journal import Journal
from hectares.io.outputs import exclusive, resolve, work_path
from hectares.io.rasters.class_map import open_class_map, save_class_blocks
from hectares.io.rasters.cog import block_windows
from hectares.io.rasters.map_files import check_map_target
from hectares.io.rasters.raster_header import MAX_PIXELS
from hectares.io.remote import scene_name
from hectares.io.scene_contract import InputRule, date_of, hash_scene, open_for, scene_files
from hectares.io.shapes.area_of_interest import read_area
from hectares.io.shapes.vectors import split_layer_name
from hectares.monitor import QUIET, Monitor, Problem
from hectares.predict import predict_scene, predict_shard
from hectares.scale.merging import Merging
from hectares.scale.setup import find_members, settings_of

_SUFFIXES = {".tif", ".tiff", ".png"}
_FACTS = ("network", "bands", "runtime", "device", "precision", "torch", "onnxruntime", "cuda")
"""What the maps of the scenes say of how they were made, and the mosaic as well."""


def predict_mosaic(
    segmenter: str | Path,
    scenes: Sequence[str | Path],
    out: str | Path,
    config: PredictConfig,
    mosaic: MosaicConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Write one class map of many scenes, which may overlap, and lie in several UTM zones.

    Scenes that are refused are listed as problems and left out. Raises InputError if none can be mapped, ArtefactError
    if the target exists or an unfinished run of another configuration lies there.
    """
    target = _target(out)
    with exclusive(target):
        plan = MosaicPlan.of(segmenter, scenes, config, mosaic, monitor)
        if plan.is_finished(target, overwrite=overwrite):
            return target
        check_map_target(target, overwrite=overwrite, inputs=[f for part in plan.parts for f in part.files])
        journal, files = Journal(target, plan.header, overwrite=overwrite), maps_of(target, len(plan.parts))
        for number, part in enumerate(plan.parts):
            monitor.progress("mapping scenes", number, len(plan.parts), part.name)
            _map_part(segmenter, part, files[number], config, target, overwrite=overwrite, monitor=monitor)
        monitor.progress("mapping scenes", len(plan.parts), len(plan.parts))
        _merge(plan, files, journal, target, overwrite=overwrite, monitor=monitor)
    return target


def predict_mosaic_shard(
    segmenter: str | Path,
    scenes: Sequence[str | Path],
    out: str | Path,
    config: PredictConfig,
    mosaic: MosaicConfig,
    *,
    shard: str,
    monitor: Monitor = QUIET,
) -> None:
    """Compute one shard, "3/8", of each scene of what `predict_mosaic` with the same arguments computes."""
    target = _target(out)
    plan = MosaicPlan.of(segmenter, scenes, config, mosaic, monitor)
    if plan.is_finished(target, overwrite=False):
        return
    check_map_target(target, overwrite=False, inputs=[f for part in plan.parts for f in part.files])
    Journal(target, plan.header, overwrite=False)
    for part, file in zip(plan.parts, maps_of(target, len(plan.parts)), strict=True):
        predict_shard(segmenter, part.scene, file, config, shard=shard, keep_same=True, monitor=monitor)


def plan_mosaic(
    segmenter: str | Path,
    scenes: Sequence[str | Path],
    config: PredictConfig,
    mosaic: MosaicConfig,
    *,
    monitor: Monitor = QUIET,
) -> dict[str, Any]:
    """Tell the grid of a mosaic, which scenes it is made of, and in which order they decide. Nothing is written."""
    plan = MosaicPlan.of(segmenter, scenes, config, mosaic, monitor)
    return {**plan.header["mosaic"], "crs": plan.grid.crs, "shape": list(plan.grid.shape), "gsd_m": plan.grid.gsd}


# --- What is to be done -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """A scene of a mosaic."""

    scene: str
    files: list[Path]
    grid: Grid
    acquired: str | None
    sha256: str

    @property
    def name(self) -> str:
        """The name of its first file."""
        return self.files[0].name


@dataclass(frozen=True, eq=False)
class MosaicPlan:
    """The scenes of a mosaic in the order they decide, its grid, and what its map says of itself."""

    parts: list[Part]
    grid: Grid
    deepest: bool
    header: dict[str, Any]

    @classmethod
    def of(
        cls,
        segmenter: str | Path,
        scenes: Sequence[str | Path],
        config: PredictConfig,
        mosaic: MosaicConfig,
        monitor: Monitor,
    ) -> MosaicPlan:
        """Open every scene, and tell about those that are refused."""
        if config.out_of_range:
            raise ConfigError("--out-of-range is written beside the map of one scene; give it without --mosaic")
        members = find_members(segmenter, config)
        parts, left_out = _parts(members[0].spec, scenes, config, monitor)
        given = [p.name for p in parts]
        grid = mosaic_grid([p.grid for p in parts], crs=mosaic.crs, gsd_m=mosaic.gsd_m)
        if grid.window.pixels > MAX_PIXELS:
            raise GridError(
                f"the mosaic would have {grid.shape[0]} x {grid.shape[1]} px, more than {MAX_PIXELS:.0e}; give a "
                "larger --gsd-m, or fewer scenes"
            )
        if mosaic.overlap_rule == "newest":
            parts = _newest_first(parts)
        settings = settings_of(config) | {k: v for k, v in asdict(mosaic).items() if k != "mosaic"}
        inputs = {f"scene {n}": p.sha256 for n, p in enumerate(parts, start=1)} | {"segmenter": members[0].sha256}
        inputs |= {f"segmenter {n}": m.sha256 for n, m in enumerate(members[1:], start=2)}
        if config.aoi is not None:
            inputs["aoi"] = sha256_file(split_layer_name(config.aoi)[0])
        shown = [{"name": p.name, "acquired": p.acquired, "crs": p.grid.crs, "shape": p.grid.shape} for p in parts]
        header = stamp("class-map", config=settings, inputs=inputs) | {
            "scene": f"{given[0]} and {len(given) - 1} more" if len(given) > 1 else given[0],
            "mosaic": plain({"rule": mosaic.overlap_rule, "scenes": shown, "left_out": left_out}),
        }
        dates = sorted({p.acquired for p in parts if p.acquired is not None})
        if dates:
            header["acquired"] = dates[0] if len(dates) == 1 else f"{dates[0]}/{dates[-1]}"
        return cls(parts, grid, mosaic.overlap_rule == "center", header)

    def is_finished(self, target: Path, *, overwrite: bool) -> bool:
        """Tell if nothing is left to do: the run was killed right after placing the map."""
        if overwrite or not work_path(target).is_dir() or not target.is_file():
            return False
        try:
            with open_class_map(target) as earlier:
                same = all(earlier.provenance.get(key) == value for key, value in plain(self.header).items())
        except (InputError, ArtefactError):
            return False
        if same:
            shutil.rmtree(work_path(target), ignore_errors=True)
        return same


def _parts(
    spec: SegmenterSpec, scenes: Sequence[str | Path], config: PredictConfig, monitor: Monitor
) -> tuple[list[Part], list[str]]:
    """Open the scenes; those that are refused become problems. Raises InputError if all of them are."""
    parts: list[Part] = []
    refused: list[tuple[str, InputError]] = []
    for number, scene in enumerate(scenes):
        monitor.progress("looking at scenes", number, len(scenes))
        monitor.raise_if_stopped()
        try:
            parts.append(_look_at(spec, str(scene), config))
        except InputError as error:
            refused.append((scene_name(scene), error))
    monitor.progress("looking at scenes", len(scenes), len(scenes))
    if not parts:
        raise refused[0][1]
    for scene, reason in refused:
        outside = isinstance(reason, VectorError)  # beyond the area of interest
        remedy = "the mosaic is made without it"
        what = str(reason).removeprefix(f"{scene}: ")
        monitor.problem(Problem(scene, what, remedy, "note" if outside else "incomplete"))
    return parts, [Path(scene).name for scene, _ in refused]


def _look_at(spec: SegmenterSpec, scene: str, config: PredictConfig) -> Part:
    files = scene_files(scene, spec.bands, allow_remote=config.allow_remote)
    rule = InputRule(config.bidx, config.gsd_tolerance, config.resample)
    with open_for(spec, files, rule, QUIET) as source:
        if not source.grid.is_georeferenced:
            raise GridError(f"{source.path}: has no CRS, so that its place in a mosaic is unknown; give it one first")
        if config.aoi is not None:
            read_area(config.aoi, source.grid, source.path, QUIET)
        taken = date_of(scene, source)
        return Part(scene, files, source.grid, None if taken is None else taken.when, hash_scene(files))


def _newest_first(parts: Sequence[Part]) -> list[Part]:
    """Order scenes by date, the newest first; those of one date stay as given."""
    unknown = next((p for p in parts if p.acquired is None), None)
    if unknown is not None:
        raise ConfigError(
            f"{unknown.files[0]}: neither tags, a .json beside it nor its name tell when it was taken, which "
            "--overlap-rule newest goes by; give --overlap-rule first, and the scenes in the order that they count"
        )
    return sorted(parts, key=lambda p: str(p.acquired), reverse=True)


# --- Doing it ---------------------------------------------------------------------------------------------


def _target(out: str | Path) -> Path:
    target = resolve(out)
    if target.suffix.lower() not in _SUFFIXES or target.is_dir():
        raise ArtefactError(f"{target}: a mosaic is one GeoTIFF, or a PNG; end its name in .tif")
    return target


def maps_of(out: str | Path, count: int) -> list[Path]:
    """Give where the maps of the scenes of a mosaic are kept while it is made."""
    folder = work_path(resolve(out)) / "maps"
    return [folder / f"{number:05d}" / "map.tif" for number in range(count)]


def _map_part(
    segmenter: str | Path,
    part: Part,
    file: Path,
    config: PredictConfig,
    target: Path,
    *,
    overwrite: bool,
    monitor: Monitor,
) -> None:
    """Make the map of a scene, unless it is there; one that was made in another way goes only with `overwrite`."""
    told = _AboutPart(monitor, str(file), f"the map of {part.name}")
    try:
        predict_scene(segmenter, part.scene, file, config, keep_same=True, monitor=told)
    except ArtefactError as error:
        if not (file.exists() or work_path(file).exists()):
            raise
        if not overwrite:
            raise ArtefactError(
                f"{target}: the map of {part.name} was begun in another way before the run was stopped, on another "
                "device or by other versions; give --overwrite to make it anew"
            ) from error
        shutil.rmtree(file.parent)
        predict_scene(segmenter, part.scene, file, config, keep_same=True, monitor=told)


@dataclass(frozen=True)
class _AboutPart:
    """A monitor that calls a work file by what it is."""

    monitor: Monitor
    file: str
    name: str

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        self.monitor.progress(stage, done, total, note)

    def problem(self, problem: Problem) -> None:
        self.monitor.problem(replace(problem, where=self.name) if problem.where == self.file else problem)

    def raise_if_stopped(self) -> None:
        self.monitor.raise_if_stopped()


def _merge(
    plan: MosaicPlan, files: Sequence[Path], journal: Journal, target: Path, *, overwrite: bool, monitor: Monitor
) -> None:
    made, legend, trained_on = _told_by(files, plan.grid)
    provenance = plan.header | made | {"trained_on": trained_on}
    merging = Merging(files, [p.grid for p in plan.parts], plan.grid, legend, deepest=plan.deepest)
    windows = block_windows(plan.grid.shape)

    def blocks() -> Iterator[tuple[Window, Any]]:
        monitor.progress("merging maps", 0, len(windows))
        for number, block in enumerate(merging.blocks(windows), start=1):
            yield block
            monitor.progress("merging maps", number, len(windows))
            monitor.raise_if_stopped()

    try:
        merging.measure(monitor)
        save_class_blocks(
            target, journal.folder, blocks(), plan.grid, legend, provenance, overwrite=overwrite, monitor=monitor
        )
    finally:
        merging.close()
    journal.close()


def _told_by(files: Sequence[Path], grid: Grid) -> tuple[dict[str, Any], Legend, list[list[int]]]:
    """Give what the maps say of how they were made, their legend, and where they were trained on, in a mosaic."""
    made: dict[str, Any] = {}
    trained_on: list[list[int]] = []
    legend: Legend | None = None
    for file in files:
        with open_class_map(file) as opened:
            legend = legend or opened.legend
            made |= {k: opened.provenance[k] for k in _FACTS if k in opened.provenance and k not in made}
            windows = (Window(*w) for w in opened.provenance["trained_on"])
            onto = [window_around(opened.grid, w & opened.grid.window, grid) for w in windows]
            trained_on += [[w.row, w.col, w.height, w.width] for w in onto if w.pixels]
    assert legend is not None, "a mosaic has a scene"
    return made, legend, trained_on
