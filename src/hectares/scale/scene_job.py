"""One scene and all that is to be done with it: opened, looked at on either grid, found finished."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hectares.config.predict import PredictConfig
from hectares.core.seams import SeamCounter
from hectares.io.acquired import Acquired
from hectares.io.journal import Journal
from hectares.io.outputs import work_path
from hectares.io.rasters.rescaled import RescaledScene
from hectares.io.rasters.scenes import PlacedSource
from hectares.io.scene_contract import InputRule, compare_gsd, date_of, open_for, rescale, scene_files
from hectares.io.scene_values import RangeRaster, range_file, tell_drift
from hectares.io.segmenter import StoredSegmenter
from hectares.io.shapes.layer_name import split_layer_name
from hectares.monitor import Monitor, Problem
from hectares.runtime.answering import VIEWS
from hectares.runtime.protocol import open_runtime
from hectares.scale.assembling import Assembly
from hectares.scale.finishing import is_made, tell_gaps
from hectares.scale.onto_scene import OntoScene
from hectares.scale.setup import Setup, find_members, set_up


@dataclass(frozen=True, eq=False)
class SceneJob:
    """A scene that is open, and all that is to be done with it."""

    source: PlacedSource
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
    tell_masks(files, monitor)
    with open_for(members[0].spec, files, input_rule(config), monitor) as source:
        taken = date_of(scene, source)
        job = job_of(members, source, files, config, with_scores=with_scores, acquired=taken, monitor=monitor)
        tell_drift(members[0].spec, source.path, job.setup.drift, monitor)
        yield job


def input_rule(config: PredictConfig) -> InputRule:
    """Give what the options say about a scene."""
    return InputRule(config.bidx, config.gsd_tolerance, config.resample)


def job_of(
    members: Sequence[StoredSegmenter],
    source: PlacedSource,
    files: Sequence[Path],
    config: PredictConfig,
    *,
    with_scores: bool = False,
    acquired: Acquired | None = None,
    monitor: Monitor,
) -> SceneJob:
    """Make all ready that is to be done with a source that is open, and was made of `files`."""
    rule = input_rule(config)
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
        with_scores=with_scores, monitor=monitor, tiles=tiles, acquired=acquired,
    )  # fmt: skip
    inputs = [*files, *(path for m in members for path in m.folder.iterdir())]
    if config.aoi is not None:
        inputs.append(split_layer_name(config.aoi)[0])
    wanted = RangeRaster.of(members[0], setup.provenance) if config.out_of_range else None
    return SceneJob(source, setup, inputs, len(members) * len(VIEWS[config.tta]), wanted)


def tell_masks(files: Sequence[Path], monitor: Monitor) -> None:
    """Tell of masks beside the files: what lies beside an image is not read."""
    for mask in (file.with_name(f"{file.name}.msk") for file in files):
        if mask.is_file():
            remedy = "what it hides is mapped; copy the image with the mask inside (GDAL_TIFF_INTERNAL_MASK=YES)"
            monitor.problem(Problem(str(mask), "a mask beside the image is not read", remedy))


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


def is_finished(
    target: Path, beside: Path | None, job: SceneJob, *, overwrite: bool, keep_same: bool, monitor: Monitor
) -> bool:
    """Tell if nothing is left to do: the map is wanted as it is, or the run was killed right after placing it."""
    left = work_path(target)
    if overwrite or not (keep_same or left.is_dir()) or not target.is_file():
        return False
    if not is_made(target, beside, job.setup.provenance):
        return False
    if job.out_of_range is not None and not job.out_of_range.is_in(range_file(target)):
        return False
    shutil.rmtree(left, ignore_errors=True)
    tell_gaps(target, monitor)
    return True
