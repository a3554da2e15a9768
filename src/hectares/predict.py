"""Segmenter and scene to a class map, streamed tile by tile.

Tiles are read with context and keep only their core, and cores partition the scene; or they are blended. The tiles of
a batch depend on the tile index alone. Finished batches are kept in a journal beside the target, so that a killed run
goes on and gives the same bytes. Memory depends on tile and batch, not on the scene.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hectares.config.predict import PredictConfig
from hectares.core.scene import RasterSource
from hectares.core.seams import SeamCounter
from hectares.core.window import Tiling, Window
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.artefact import plain
from hectares.io.journal import Journal
from hectares.io.outputs import check_target, exclusive, resolve, work_path
from hectares.io.rasters.class_map import open_class_map, save_class_blocks
from hectares.io.rasters.cog import block_windows
from hectares.io.rasters.map_files import check_map_target
from hectares.io.rasters.scenes import SceneFile
from hectares.io.rasters.score_map import is_of, save_scores
from hectares.io.scene_contract import InputRule, compare_gsd, open_for, scene_files
from hectares.io.shapes.vectors import split_layer_name
from hectares.monitor import QUIET, Monitor, Problem
from hectares.runtime.answering import VIEWS
from hectares.runtime.protocol import open_runtime
from hectares.scale.assembling import Assembly
from hectares.scale.estimate import Cost, estimate_cost
from hectares.scale.plan import WorkPlan
from hectares.scale.setup import Setup, find_members, set_up
from hectares.scale.stream import stream
from hectares.scale.tiles import Decision, ScaleFunction, TileResult, TileWork

T = TypeVar("T")
ScoreFunction = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(B, C, h, w), scaled, to (B, K, h, w); logits do as well as scores."""
_SUFFIXES = {".tif", ".tiff"}
_NOTED = ("broken", "damage")
"""What is noted about batches: cores without finite values, and blocks that cannot be decoded."""


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
    with exclusive(target), _prepared(segmenter, scene, config, with_scores=beside is not None, monitor=monitor) as job:
        if _is_finished(target, beside, job, overwrite=overwrite, keep_same=keep_same):
            return target
        check_map_target(target, overwrite=overwrite, inputs=job.inputs)
        if beside is not None:
            again = overwrite or is_of(beside, job.setup.provenance)
            check_target(beside, overwrite=again, inputs=job.inputs)
        _predict(job, target, beside, overwrite=overwrite, monitor=monitor)
    return target


def name_targets(scenes: Sequence[Path], out: Path, scores: Path | None) -> list[tuple[Path, Path, Path | None]]:
    """Give each scene with its map and the file of its scores; see `predict_scenes`."""
    if len(scenes) == 1 and not out.is_dir():
        if scores is not None and scores.is_dir():
            raise ConfigError(f"{scores}: is a folder; the scores of one scene are one file, end its name in .tif")
        return [(scenes[0], out, scores)]
    names = [f"{scene.stem}.tif" for scene in scenes]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ConfigError(f"several scenes would give {out / twice[0]}; map them one by one")
    for folder in (out, scores):
        if folder is not None and (folder.exists() and not folder.is_dir()):
            raise ConfigError(f"{folder}: is a file; several scenes need a folder")
    if scores is not None and scores.resolve() == out.resolve():
        raise ConfigError(f"{out}: is named twice; maps and scores go into two folders")
    return [
        (scene, out / name, None if scores is None else scores / name)
        for scene, name in zip(scenes, names, strict=True)
    ]


def predict_shard(
    segmenter: str | Path,
    scene: str | Path,
    out: str | Path,
    config: PredictConfig,
    *,
    shard: str,
    scores: str | Path | None = None,
    keep_same: bool = False,
    monitor: Monitor = QUIET,
) -> None:
    """Compute the batches of one shard, "3/8", of what `predict_scene` with the same arguments computes.

    They are kept beside the target. When all shards are done, `predict_scene` puts them together, to the same bytes.
    """
    target = _target(out, "a class map is a GeoTIFF, or a PNG", {*_SUFFIXES, ".png"})
    beside = None if scores is None else _target(scores, "scores are a GeoTIFF", _SUFFIXES)
    number, count = _shard(shard)
    mine = target.with_name(f"{target.name}-{number}-of-{count}")
    with exclusive(mine), _prepared(segmenter, scene, config, with_scores=beside is not None, monitor=monitor) as job:
        if keep_same and _is_finished(target, beside, job, overwrite=False, keep_same=True):
            return
        check_map_target(target, overwrite=False, inputs=job.inputs)
        journal = Journal(target, job.setup.provenance, overwrite=False)
        _run_batches(job, _assembly(job, journal), job.setup.plan.shard(number, count), monitor)


def plan_scene(
    segmenter: str | Path,
    scene: str | Path,
    config: PredictConfig,
    *,
    with_scores: bool = False,
    monitor: Monitor = QUIET,
) -> dict[str, Any]:
    """Tell what a prediction would take: tiles, time of one on this machine, memory, disk. Nothing is written."""
    with _prepared(segmenter, scene, config, with_scores=with_scores, monitor=monitor) as job:
        cost: Cost = estimate_cost(job.setup.work, job.setup.plan)
        made = job.setup.provenance
        shown = ("runtime", "device", "precision", "blend", "tta", "decide")
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


def predict_shards(
    segmenter: str | Path,
    scenes: Sequence[Path],
    out: Path,
    config: PredictConfig,
    *,
    shard: str,
    scores: Path | None = None,
    monitor: Monitor = QUIET,
) -> None:
    """Compute one shard of each scene of what `predict_scenes` with the same arguments computes."""

    def make(scene: Path, target: Path, beside: Path | None, keep_same: bool) -> None:
        predict_shard(
            segmenter, scene, target, config, shard=shard, scores=beside, keep_same=keep_same, monitor=monitor
        )

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
    if len(scenes) == 1 and not out.is_dir():
        make(*jobs[0], False)  # noqa: FBT003 - its map is not kept
        return [out]
    made: list[Path] = []
    refused: list[InputError] = []
    for scene, target, beside in jobs:
        try:
            make(scene, target, beside, True)  # noqa: FBT003 - a finished map is kept
        except InputError as error:  # one bad scene does not keep the others from being mapped
            refused.append(error)
            monitor.problem(Problem(str(scene), str(error).removeprefix(f"{scene}: "), "it has no map", "incomplete"))
        else:
            made.append(target)
    if not made:
        raise refused[0]
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


# --- One scene --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Job:
    """A scene that is open, and all that is to be done with it."""

    source: SceneFile
    setup: Setup
    inputs: list[Path]
    passes: int


@contextmanager
def _prepared(
    segmenter: str | Path, scene: str | Path, config: PredictConfig, *, with_scores: bool, monitor: Monitor
) -> Iterator[_Job]:
    files, members = scene_files(scene), find_members(segmenter, config)
    rule = InputRule(config.bidx, config.gsd_tolerance)
    with open_for(members[0].spec, files, rule, monitor) as source:
        for other in members[1:]:
            compare_gsd(other.spec, source, rule, monitor)
        runtimes = [
            open_runtime(
                m, name=config.runtime, device=config.device, threads=config.threads, precision=config.precision
            )
            for m in members
        ]
        setup = set_up(members, runtimes, files, source, config, with_scores=with_scores, monitor=monitor)
        inputs = [*files, *(path for m in members for path in m.folder.iterdir())]
        if config.aoi is not None:
            inputs.append(split_layer_name(config.aoi)[0])
        yield _Job(source, setup, inputs, len(members) * len(VIEWS[config.tta]))


def _predict(job: _Job, target: Path, beside: Path | None, *, overwrite: bool, monitor: Monitor) -> None:
    setup, grid = job.setup, job.source.grid
    journal = Journal(target, setup.provenance, overwrite=overwrite)
    done = _assembly(job, journal)
    _run_batches(job, done, range(len(setup.plan)), monitor)
    windows = block_windows(grid.shape)
    steps = len(windows) * (1 if beside is None else 2)
    if beside is not None:
        blocks = _told(done.scores(windows), monitor, 0, steps)
        kind = setup.work.decision.kept
        save_scores(beside, journal.folder, blocks, grid, setup.scored, setup.provenance, dtype=kind, monitor=monitor)
    codes = ((window, setup.legend.decode(found)[None]) for window, found in done.indices(windows))
    save_class_blocks(
        target, journal.folder, _told(codes, monitor, steps - len(windows), steps), grid, setup.legend,
        setup.provenance, overwrite=overwrite, seams=SeamCounter.of(setup.plan.tiling), monitor=monitor,
    )  # fmt: skip
    journal.close()


def _assembly(job: _Job, journal: Journal) -> Assembly:
    work = job.setup.work
    return Assembly(job.setup.plan, job.source.grid, journal, work.decision, work.classes)


def _run_batches(job: _Job, done: Assembly, numbers: range, monitor: Monitor) -> None:
    """Compute those batches that the journal does not have yet, and tell what is wrong with any of them."""
    plan, total = job.setup.plan, len(numbers)
    todo = [n for n in numbers if not done.has(n)]
    noted: set[Window] = set()

    def keep(number: int, results: list[TileResult]) -> None:
        broken = [t.core for t, r in zip(plan[number], results, strict=True) if r.is_broken]
        damage = [w for w in job.source.damage if w not in noted]
        if broken or damage:
            done.journal.note(number, {"broken": [astuple(w) for w in broken], "damage": [astuple(w) for w in damage]})
        noted.update(damage)
        done.keep(number, results)

    monitor.progress("predicting", total - len(todo), total, "resumed" if len(todo) < total else "")
    running = stream(job.setup.work, plan, todo, keep)
    with closing(running):
        for count, _ in enumerate(running, start=total - len(todo) + 1):
            monitor.progress("predicting", count, total)
            monitor.raise_if_stopped()
    notes = done.journal.notes(numbers)
    broken, damage = (sorted({Window(*w) for note in notes for w in note[kind]}, key=astuple) for kind in _NOTED)
    if broken:
        if len(broken) == len(plan.tiling):
            done.journal.close()  # nothing in it is worth going on with
            raise InputError(f"{job.source.path}: the network gives no finite value anywhere; train it again")
        what = f"{len(broken)} tile(s) gave values that are not finite, {_first(broken)}"
        monitor.problem(Problem(str(job.source.path), what, "they are nodata in the map", "incomplete"))
    if damage:
        what = f"{len(damage)} block(s) cannot be decoded, {_first(damage)}"
        remedy = "they are nodata in the map; fetch the file again"
        monitor.problem(Problem(str(job.source.path), what, remedy, "incomplete"))


def _first(windows: Sequence[Window]) -> str:
    return f"first at row {windows[0].row}, col {windows[0].col}"


def _told(blocks: Iterator[T], monitor: Monitor, before: int, steps: int) -> Iterator[T]:
    """Pass blocks on, and tell how many there were."""
    monitor.progress("writing map", before, steps)
    for number, block in enumerate(blocks, start=before + 1):
        yield block
        monitor.progress("writing map", number, steps)
        monitor.raise_if_stopped()


def _is_finished(target: Path, beside: Path | None, job: _Job, *, overwrite: bool, keep_same: bool) -> bool:
    """Tell if nothing is left to do: the map is wanted as it is, or the run was killed right after placing it."""
    left = work_path(target)
    if overwrite or not (keep_same or left.is_dir()) or not target.is_file():
        return False
    try:
        with open_class_map(target) as earlier:
            same = bool(earlier.provenance == plain(job.setup.provenance))
    except (InputError, ArtefactError):
        return False  # something else that has this name
    if not same or (beside is not None and not is_of(beside, job.setup.provenance)):
        return False
    shutil.rmtree(left, ignore_errors=True)
    return True


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if found is None:
        raise ConfigError(f"--shard is {text!r}; expected I/N, for example 3/8")
    return int(found[1]), int(found[2])


def _target(path: str | Path, what: str, suffixes: set[str]) -> Path:
    target = resolve(path)
    if target.suffix.lower() not in suffixes:
        raise ArtefactError(f"{target}: {what}; end its name in .tif")
    if target.is_dir():
        raise ArtefactError(f"{target}: is a folder; expected the name of a file")
    return target
