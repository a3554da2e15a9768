"""Segmenter and scene to a class map, streamed tile by tile.

Tiles are read with context and keep only their core, and cores partition the scene; or they are blended. The tiles of
a batch depend on the tile index alone. Finished batches are kept in a journal beside the target, so that a killed run
goes on and gives the same bytes. Memory depends on tile and batch, not on the scene.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.predict import PredictConfig
from hectares.core.scene import RasterSource
from hectares.core.window import Tiling, Window
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.journal import Journal
from hectares.io.outputs import check_target, exclusive, resolve, work_path
from hectares.io.rasters.map_files import check_map_target, tell_shared_name
from hectares.io.rasters.score_map import is_of
from hectares.io.remote import scene_name
from hectares.io.scene_values import range_file
from hectares.monitor import QUIET, Monitor, Problem
from hectares.scale.computing import compute_batches, map_scene
from hectares.scale.estimate import Cost, estimate_cost
from hectares.scale.plan import WorkPlan, shard_numbers
from hectares.scale.scene_job import assembly_of, is_finished, open_job
from hectares.scale.shard_folder import SUFFIX as SHARD
from hectares.scale.shard_folder import write_shard
from hectares.scale.tiles import Decision, ScaleFunction, TileWork

ScoreFunction = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(B, C, h, w), scaled, to (B, K, h, w); logits do as well as scores."""
_SUFFIXES = {".tif", ".tiff"}


def predict_scene(
    segmenter: str | Path,
    scene: str | Path,
    out: str | Path,
    config: PredictConfig,
    *,
    scores: str | Path | None = None,
    overwrite: bool = False,
    keep_same: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Write the class map of a scene, and the scores of its classes if `scores` names a file for them.

    `keep_same` leaves a finished map of the same inputs and configuration as it is, instead of refusing.

    Raises BandError if bands are missing, GsdError if the GSD differs by more than config.gsd_tolerance,
    ArtefactError if the target exists or an unfinished run of another configuration lies there.
    """
    target = _target(out, "a class map is a GeoTIFF, or a PNG", {*_SUFFIXES, ".png"})
    beside = None if scores is None else _target(scores, "scores are a GeoTIFF", _SUFFIXES)
    if beside == target:
        raise ConfigError(f"{target}: is named twice; class map and scores are two files")
    with (
        exclusive(target),
        open_job(segmenter, scene, config, with_scores=beside is not None, monitor=monitor) as job,
    ):
        if is_finished(target, beside, job, overwrite=overwrite, keep_same=keep_same, monitor=monitor):
            return target
        check_map_target(target, overwrite=overwrite, inputs=job.inputs)
        tell_shared_name(target, job.inputs, monitor)
        if beside is not None:
            again = overwrite or is_of(beside, job.setup.provenance)
            check_target(beside, overwrite=again, inputs=job.inputs)
        if job.out_of_range is not None:
            again = overwrite or job.out_of_range.is_in(range_file(target))
            check_target(range_file(target), overwrite=again, inputs=job.inputs)
        map_scene(job, target, beside, overwrite=overwrite, monitor=monitor)
    return target


def name_targets(scenes: Sequence[Path], out: Path, scores: Path | None) -> list[tuple[Path, Path, Path | None]]:
    """Give each scene with its map and the file of its scores; see `predict_scenes`."""
    if _is_one_file(scenes, out):
        if scores is not None and scores.is_dir():
            raise ConfigError(f"{scores}: is a folder; the scores of one scene are one file, end its name in .tif")
        return [(scenes[0], out, scores)]
    if out.suffix.lower() == SHARD:
        raise ConfigError(f"{out}: is the shard of one scene; give a command for each of the {len(scenes)} scenes")
    for folder in (out, scores):
        if folder is not None and (folder.exists() and not folder.is_dir()):
            raise ConfigError(f"{folder}: is a file; several scenes need a folder")
        if folder is not None and folder.suffix.lower() in {*_SUFFIXES, ".png"} and not folder.exists():
            ways = "name a folder" if folder is scores else "give --mosaic for one map of them all, or name a folder"
            raise ConfigError(f"{folder}: has the name of a file, and there are {len(scenes)} scenes; {ways}")
    names = [f"{Path(scene_name(scene)).stem}.tif" for scene in scenes]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ConfigError(f"several scenes would give {out / twice[0]}; map them one by one")
    if scores is not None and scores.resolve() == out.resolve():
        raise ConfigError(f"{out}: is named twice; maps and scores go into two folders")
    return [
        (scene, out / name, None if scores is None else scores / name)
        for scene, name in zip(scenes, names, strict=True)
    ]


def predict_shard(  # noqa: PLR0913 - what `predict_scene` takes, and which part
    segmenter: str | Path,
    scene: str | Path,
    out: str | Path,
    config: PredictConfig,
    *,
    shard: str,
    scores: str | Path | None = None,
    overwrite: bool = False,
    keep_same: bool = False,
    monitor: Monitor = QUIET,
) -> None:
    """Compute the batches of one shard, "3/8", of what `predict_scene` with the same arguments computes.

    They are kept beside the target. When all shards are done, `predict_scene` puts them together, to the same bytes.
    A map that is there stays until then; without `overwrite` it is refused.
    With a target NAME.shard they become a folder of this name, for `hectares assemble` on another machine.
    """
    what = f"a class map is a GeoTIFF, or a PNG, and a shard for another machine a folder NAME{SHARD}"
    number, count = shard_numbers(shard)
    apart = Path(out).suffix.lower() == SHARD
    target = resolve(out) if apart else _target(out, what, {*_SUFFIXES, ".png"})
    beside = None if scores is None else _target(scores, "scores are a GeoTIFF", _SUFFIXES)
    lock = target if apart else target.with_name(f"{target.name}-{number}-of-{count}")
    with exclusive(lock), open_job(segmenter, scene, config, with_scores=beside is not None, monitor=monitor) as job:
        if apart:
            write_shard(job, target, number, count, monitor)
            return
        same = keep_same and not overwrite
        if same and is_finished(target, beside, job, overwrite=False, keep_same=True, monitor=monitor):
            return
        check_map_target(target, overwrite=overwrite, inputs=job.inputs)
        journal = Journal(target, job.setup.provenance, overwrite=overwrite)
        compute_batches(job, assembly_of(job, journal), job.setup.plan.shard(number, count), monitor)


def plan_scene(
    segmenter: str | Path,
    scene: str | Path,
    config: PredictConfig,
    *,
    with_scores: bool = False,
    monitor: Monitor = QUIET,
) -> dict[str, Any]:
    """Tell what a prediction would take: tiles, time of one on this machine, memory, disk. Nothing is written."""
    with open_job(segmenter, scene, config, with_scores=with_scores, monitor=monitor) as job:
        cost: Cost = estimate_cost(job.setup.work, job.setup.plan)
        made = job.setup.provenance
        shown = ["runtime", "device", "precision", "agreement", "blend", "tta", "decide"]
        shown += ["acquired", "resampled", "drift"]
        return {
            "scene": {"height_px": job.source.grid.shape[0], "width_px": job.source.grid.shape[1]},
            **{key: made.get(key, made["config"].get(key)) for key in shown},
            "passes": job.passes,
            **cost.to_json(),
        }


def predict_scenes(
    segmenter: str | Path,
    scenes: Sequence[Path],
    out: Path,
    config: PredictConfig,
    *,
    scores: Path | None = None,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> list[Path]:
    """Write the class map of one scene to a file, or those of several into a folder, under the scenes' names.

    `scores` is a file or a folder likewise.
    Of several scenes, those that are refused are listed as problems; gives the maps that were made.
    """

    def make(scene: Path, target: Path, beside: Path | None, keep_same: bool) -> None:
        predict_scene(
            segmenter, scene, target, config,
            scores=beside, overwrite=overwrite, keep_same=keep_same, monitor=monitor,
        )  # fmt: skip

    return _each(make, scenes, out, scores, monitor)


def discard_leftovers(
    segmenter: str | Path, scenes: Sequence[Path], out: Path, config: PredictConfig, *, scores: Path | None = None
) -> None:
    """Discard what unfinished runs of another configuration left, before several processes would do so at once.

    What is left of a run of the same configuration stays. Scenes that are refused are left to `predict_scenes`.
    """
    for scene, target, beside in name_targets(scenes, out, scores):
        place = resolve(target)
        if not work_path(place).exists():
            continue
        with (
            contextlib.suppress(InputError),
            exclusive(place),
            open_job(segmenter, scene, config, with_scores=beside is not None, monitor=QUIET) as job,
        ):
            Journal(place, job.setup.provenance, overwrite=True)


def predict_shards(
    segmenter: str | Path,
    scenes: Sequence[Path],
    out: Path,
    config: PredictConfig,
    *,
    shard: str,
    scores: Path | None = None,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> None:
    """Compute one shard of each scene of what `predict_scenes` with the same arguments computes."""

    def make(scene: Path, target: Path, beside: Path | None, keep_same: bool) -> None:
        predict_shard(
            segmenter, scene, target, config,
            shard=shard, scores=beside, overwrite=overwrite, keep_same=keep_same, monitor=monitor,
        )  # fmt: skip

    _each(make, scenes, out, scores, monitor)


def _each(
    make: Callable[[Path, Path, Path | None, bool], None],
    scenes: Sequence[Path],
    out: Path,
    scores: Path | None,
    monitor: Monitor,
) -> list[Path]:
    """Do something for each scene, its map and its scores; of several, those that are refused become problems."""
    jobs = name_targets(scenes, out, scores)
    if _is_one_file(scenes, out):
        make(*jobs[0], False)  # noqa: FBT003 - its map is not kept
        return [out]
    made: list[Path] = []
    refused: list[InputError] = []
    for scene, target, beside in jobs:
        try:
            make(scene, target, beside, True)  # noqa: FBT003 - a finished map is kept
        except InputError as error:  # one bad scene does not keep the others from being mapped
            if len(jobs) == 1:
                raise
            refused.append(error)
            name = scene_name(scene)
            monitor.problem(Problem(name, str(error).removeprefix(f"{name}: "), "it has no map", "incomplete"))
        else:
            made.append(target)
    if not made:
        raise type(refused[0])(f"none of the {len(jobs)} scenes could be mapped; the first of them: {refused[0]}")
    return made


def predict_tiles(
    source: RasterSource,
    scores: ScoreFunction,
    tiling: Tiling,
    *,
    batch: int,
    scale: ScaleFunction | None = None,
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Core windows and their class indices, in row order; 255 where the source is not valid.

    `scores` is any function (B, C, h, w) -> (B, K, h, w): tests pass the identity, no torch needed.
    `scale` makes what the network sees of an image (C, h, w) in raster units; by default the values as they are.
    Where the source is not valid the network sees 0.

    >>> from hectares.core.grid import Grid
    >>> from hectares.core.scene import ArraySource
    >>> from affine import Affine
    >>> image = np.array([[[0, 5, 1]], [[3, 0, 2]]], np.uint8)             # two bands, 1 x 3 px
    >>> source = ArraySource(image, Grid(None, Affine.identity(), (1, 3)), ["a", "b"])
    >>> [(w.col, c.tolist()) for w, c in predict_tiles(source, lambda x: x, Tiling((1, 3), 2, 0), batch=1)]
    [(0, [[1, 0]]), (2, [[1]])]
    """
    work = TileWork(source, [scale], lambda images: scores(images[0]), Decision(), classes=0)
    for tiles in WorkPlan(tiling, batch):
        yield from ((t.core, r.indices) for t, r in zip(tiles, work.run(tiles), strict=True))


def _is_one_file(scenes: Sequence[Path], out: Path) -> bool:
    return len(scenes) == 1 and (out.suffix.lower() == SHARD or not out.is_dir())


def _target(path: str | Path, what: str, suffixes: set[str]) -> Path:
    target = resolve(path)
    if target.suffix.lower() not in suffixes:
        raise ArtefactError(f"{target}: {what}; end its name in .tif")
    if target.is_dir():
        raise ArtefactError(f"{target}: is a folder; expected the name of a file")
    return target
