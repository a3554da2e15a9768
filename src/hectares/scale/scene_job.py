"""One scene, from its files to its map: opened, computed batch by batch, put together."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from hectares.config.predict import PredictConfig
from hectares.core.seams import SeamCounter
from hectares.core.window import Window
from hectares.io.journal import Journal
from hectares.io.outputs import work_path
from hectares.io.rasters.rescaled import RescaledScene
from hectares.io.rasters.scenes import SceneFile
from hectares.io.scene_contract import InputRule, compare_gsd, date_of, open_for, rescale, scene_files
from hectares.io.scene_values import RangeRaster, range_file, tell_drift
from hectares.io.shapes.vectors import split_layer_name
from hectares.monitor import Monitor, Problem
from hectares.runtime.answering import VIEWS
from hectares.runtime.protocol import open_runtime
from hectares.scale.assembling import Assembly
from hectares.scale.blueprint import Blueprint
from hectares.scale.finishing import finish_map, is_made, tell_faults
from hectares.scale.onto_scene import OntoScene
from hectares.scale.setup import Setup, find_members, set_up
from hectares.scale.stream import Keep, stream
from hectares.scale.tiles import TileResult


@dataclass(frozen=True, eq=False)
class SceneJob:
    """A scene that is open, and all that is to be done with it."""

    source: SceneFile
    setup: Setup
    inputs: list[Path]
    passes: int
    out_of_range: RangeRaster | None = None
    """The raster of values out of range, if it is to be written beside the map."""


@contextmanager
def open_job(
    segmenter: str | Path, scene: str | Path, config: PredictConfig, *, with_scores: bool, monitor: Monitor
) -> Iterator[SceneJob]:
    """Open a scene and the segmenters that are to map it; see `predict_scene` for what is refused."""
    members = find_members(segmenter, config)
    files = scene_files(scene, members[0].spec.bands, allow_remote=config.allow_remote)
    _tell_masks(files, monitor)
    rule = InputRule(config.bidx, config.gsd_tolerance, config.resample)
    with open_for(members[0].spec, files, rule, monitor) as source:
        tiles = rescale(members[0].spec, source, rule)
        for other in members[1:]:
            compare_gsd(other.spec, source if tiles is None else tiles, replace(rule, resample=False), monitor)
        runtimes = [
            open_runtime(
                m,
                name=config.runtime,
                device=config.device,
                threads=config.threads,
                precision=config.precision,
                monitor=monitor,
            )
            for m in members
        ]
        setup = set_up(
            members, runtimes, files, source, config,
            with_scores=with_scores, monitor=monitor, tiles=tiles, acquired=date_of(scene, source),
        )  # fmt: skip
        tell_drift(members[0].spec, source.path, setup.drift, monitor)
        inputs = [*files, *(path for m in members for path in m.folder.iterdir())]
        if config.aoi is not None:
            inputs.append(split_layer_name(config.aoi)[0])
        wanted = RangeRaster.of(members[0], setup.provenance) if config.out_of_range else None
        yield SceneJob(source, setup, inputs, len(members) * len(VIEWS[config.tta]), wanted)


def _tell_masks(files: Sequence[Path], monitor: Monitor) -> None:
    """Tell of masks beside the files: what lies beside an image is not read."""
    for mask in (file.with_name(f"{file.name}.msk") for file in files):
        if mask.is_file():
            remedy = "what it hides is mapped; copy the image with the mask inside (GDAL_TIFF_INTERNAL_MASK=YES)"
            monitor.problem(Problem(str(mask), "a mask beside the image is not read", remedy))


def map_scene(job: SceneJob, target: Path, beside: Path | None, *, overwrite: bool, monitor: Monitor) -> None:
    """Compute what the journal does not have yet, and put all of it together as map and scores."""
    setup, grid = job.setup, job.source.grid
    journal = Journal(target, setup.provenance, overwrite=overwrite)
    done = assembly_of(job, journal)
    compute_batches(job, done, range(len(setup.plan)), monitor)
    if job.out_of_range is not None:
        job.out_of_range.save(range_file(target), journal.folder, job.source, monitor)
    finish_map(
        Blueprint.of(setup, grid), journal, on_scene(job, done), target, beside,
        overwrite=overwrite, seams=seams_of(job), monitor=monitor,
    )  # fmt: skip


def assembly_of(job: SceneJob, journal: Journal) -> Assembly:
    """Give the batches that a journal keeps as one scene."""
    work = job.setup.work
    return Assembly(job.setup.plan, work.source.grid, journal, work.decision, work.classes)


def on_scene(job: SceneJob, done: Assembly) -> Assembly | OntoScene:
    """Give what batches add up to, on the grid of the scene."""
    tiles = job.setup.work.source
    return OntoScene(done, tiles, job.setup.area) if isinstance(tiles, RescaledScene) else done


def seams_of(job: SceneJob) -> SeamCounter | None:
    """Give what counts seams; None where the pixels of the map are not those of the tiles: larger ones hide in them."""
    return None if isinstance(job.setup.work.source, RescaledScene) else SeamCounter.of(job.setup.plan.tiling)


def compute_batches(job: SceneJob, done: Assembly, numbers: Sequence[int], monitor: Monitor) -> None:
    """Compute those batches that the journal does not have yet, and tell what is wrong with any of them.

    Batches that a process died at come first and one at a time, so that the next death tells which one it was.
    """
    journal, plan, total = done.journal, job.setup.plan, len(numbers)
    todo = [n for n in numbers if not done.has(n)]
    risky = dict.fromkeys(journal.find_marks(set(todo)))
    keep = _keeper(job, done)
    monitor.progress("predicting", total - len(todo), total, "resumed" if len(todo) < total else "")
    count = total - len(todo)
    try:
        for some in [*([n] for n in risky), [n for n in todo if n not in risky]]:
            running = stream(job.setup.work, plan, _begun(some, done), keep)
            with closing(running):
                for _ in running:
                    count += 1
                    monitor.progress("predicting", count, total)
                    monitor.raise_if_stopped()
    finally:
        journal.end_all()
    tell_faults(job.source.path, plan, journal, numbers, monitor)


def _begun(numbers: Iterable[int], done: Assembly) -> Iterator[int]:
    """Mark batches as they are begun; those that another process did meanwhile are left out."""
    for number in numbers:
        if not done.has(number):
            done.journal.begin(number, {"windows": [astuple(tile.core) for tile in done.plan[number]]})
            yield number


def _keeper(job: SceneJob, done: Assembly) -> Keep:
    """Give what puts finished batches into the journal, with what is wrong with them."""
    noted: set[Window] = set()

    def keep(number: int, results: list[TileResult]) -> None:
        broken = [t.core for t, r in zip(done.plan[number], results, strict=True) if r.is_broken]
        damage = [w for w in job.source.damage if w not in noted]
        if broken or damage:
            done.journal.note(number, {"broken": [astuple(w) for w in broken], "damage": [astuple(w) for w in damage]})
        noted.update(damage)
        done.keep(number, results)
        done.journal.end(number)

    return keep


def is_finished(target: Path, beside: Path | None, job: SceneJob, *, overwrite: bool, keep_same: bool) -> bool:
    """Tell if nothing is left to do: the map is wanted as it is, or the run was killed right after placing it."""
    left = work_path(target)
    if overwrite or not (keep_same or left.is_dir()) or not target.is_file():
        return False
    if not is_made(target, beside, job.setup.provenance):
        return False
    if job.out_of_range is not None and not job.out_of_range.is_in(range_file(target)):
        return False
    shutil.rmtree(left, ignore_errors=True)
    return True
