"""Many scenes to one map: mapped as one where their pixels coincide, else one by one, and merged window by window.

As one, they are mapped as a scene is: windows reach from one scene into the next. One by one, the maps of the scenes
are kept in the journal folder beside the target until the mosaic is in place, so that a stopped run goes on with the
scene, and the batch, that it was at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.core.gaps import KEY, Gaps
from hectares.core.legend import Legend
from hectares.core.mosaic import window_around
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.journal import Journal
from hectares.io.outputs import exclusive, resolve, work_path
from hectares.io.rasters.class_map import open_class_map, save_class_blocks
from hectares.io.rasters.cog import block_windows
from hectares.io.rasters.map_files import check_map_target
from hectares.monitor import QUIET, Monitor, Problem
from hectares.predict import predict_scene, predict_shard
from hectares.scale.computing import compute_batches, map_scene
from hectares.scale.estimate import Cost, estimate_cost
from hectares.scale.finishing import tell_gaps
from hectares.scale.merging import Merging
from hectares.scale.mosaic_plan import MosaicPlan, Part, open_together
from hectares.scale.plan import shard_numbers
from hectares.scale.scene_job import assembly_of, open_job

_SUFFIXES = {".tif", ".tiff", ".png"}
_FACTS = ("network", "bands", "runtime", "device", "precision", "torch", "onnxruntime", "cuda")
"""What the maps of the scenes say of how they were made, and the mosaic as well."""


@dataclass(frozen=True)
class MosaicWork:
    """What is to be computed for a mosaic: all scenes as one, or one of them."""

    scenes: tuple[str, ...]
    target: Path
    together: bool


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
            tell_gaps(target, monitor)
            return target
        check_map_target(target, overwrite=overwrite, inputs=[f for part in plan.parts for f in part.files])
        plan.tell(monitor)
        if plan.apart is None:
            with open_together(plan, config, monitor) as job:
                map_scene(job, target, None, overwrite=overwrite, monitor=monitor)
            return target
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
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> None:
    """Compute one shard, "3/8", of what `predict_mosaic` with the same arguments computes."""
    target, (number, count) = _target(out), shard_numbers(shard)
    plan = MosaicPlan.of(segmenter, scenes, config, mosaic, monitor)
    if plan.is_finished(target, overwrite=overwrite):
        return
    check_map_target(target, overwrite=overwrite, inputs=[f for part in plan.parts for f in part.files])
    if plan.apart is None:
        lock = target.with_name(f"{target.name}-{number}-of-{count}")
        with exclusive(lock), open_together(plan, config, monitor) as job:
            done = assembly_of(job, Journal(target, job.setup.provenance, overwrite=overwrite))
            compute_batches(job, done, job.setup.plan.shard(number, count), monitor)
        return
    Journal(target, plan.header, overwrite=overwrite)
    for part, file in zip(plan.parts, maps_of(target, len(plan.parts)), strict=True):
        if not work_path(target).is_dir():
            raise ArtefactError(
                f"{target}: {work_path(target).name} was removed meanwhile: another run has finished this mosaic, or "
                "begun it anew; give the command again if the map is not there"
            )
        predict_shard(segmenter, part.scene, file, config, shard=shard, keep_same=True, monitor=monitor)


def begin_mosaic(
    segmenter: str | Path,
    scenes: Sequence[str | Path],
    out: str | Path,
    config: PredictConfig,
    mosaic: MosaicConfig,
    *,
    overwrite: bool = False,
) -> list[MosaicWork]:
    """Begin what `predict_mosaic` with the same arguments goes on with, for others to compute; tells nothing."""
    target = _target(out)
    with exclusive(target):
        plan = MosaicPlan.of(segmenter, scenes, config, mosaic, QUIET)
        if plan.is_finished(target, overwrite=overwrite):
            return []
        check_map_target(target, overwrite=overwrite, inputs=[f for part in plan.parts for f in part.files])
        if plan.apart is None:
            if overwrite and work_path(target).exists():  # before several processes find leftovers of another run
                with open_together(plan, config, QUIET) as job:
                    Journal(target, job.setup.provenance, overwrite=True)
            return [MosaicWork(tuple(map(str, scenes)), target, together=True)]
        Journal(target, plan.header, overwrite=overwrite)
        files = maps_of(target, len(plan.parts))
        return [MosaicWork((p.scene,), file, together=False) for p, file in zip(plan.parts, files, strict=True)]


def plan_mosaic(
    segmenter: str | Path,
    scenes: Sequence[str | Path],
    config: PredictConfig,
    mosaic: MosaicConfig,
    *,
    monitor: Monitor = QUIET,
) -> dict[str, Any]:
    """Tell the grid of a mosaic, its scenes in the order they decide, and what it would take. Nothing is written.

    Of scenes that are mapped one by one, one batch of the largest is computed, and stands for the others.
    """
    plan = MosaicPlan.of(segmenter, scenes, config, mosaic, monitor)
    facts = {"apart": plan.apart, "crs": plan.grid.crs, "shape": list(plan.grid.shape), "gsd_m": plan.grid.gsd}
    return {**plan.header["mosaic"], **facts, **_cost_of(segmenter, plan, config, monitor).to_json()}


def _cost_of(segmenter: str | Path, plan: MosaicPlan, config: PredictConfig, monitor: Monitor) -> Cost:
    if plan.apart is None:
        with open_together(plan, config, monitor) as job:
            return estimate_cost(job.setup.work, job.setup.plan)
    sizes = [part.grid.window.pixels for part in plan.parts]
    largest = plan.parts[sizes.index(max(sizes))]
    with open_job(segmenter, largest.scene, config, with_scores=False, monitor=monitor) as job:
        return estimate_cost(job.setup.work, job.setup.plan).for_scenes(sizes, plan.grid.window.pixels)


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
    made, legend = _told_by(files)
    gaps = _gaps_in(files, plan)
    provenance = plan.header | made | {"trained_on": plan.trained_on} | ({KEY: gaps} if gaps else {})
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


def _gaps_in(files: Sequence[Path], plan: MosaicPlan) -> list[dict[str, Any]]:
    """Give the gaps of the maps of the scenes, where they lie in the mosaic; another scene may fill them."""
    found: list[tuple[str, Window]] = []
    for file in files:
        with open_class_map(file) as opened:
            gaps = Gaps.told_by(opened.provenance)
            onto = ((why, window_around(opened.grid, w, plan.grid)) for why, all_ in gaps.windows.items() for w in all_)
            found += [(why, window) for why, window in onto if window.pixels]
    return Gaps.of(found).to_json()


def _told_by(files: Sequence[Path]) -> tuple[dict[str, Any], Legend]:
    """Give what the maps say of how they were made, and their legend."""
    made: dict[str, Any] = {}
    legend: Legend | None = None
    for file in files:
        with open_class_map(file) as opened:
            legend = legend or opened.legend
            made |= {k: opened.provenance[k] for k in _FACTS if k in opened.provenance and k not in made}
    assert legend is not None, "a mosaic has a scene"
    return made, legend
