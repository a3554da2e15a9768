"""Segmenter and scene to a class map, streamed tile by tile.

Tiles are read with context and keep only their core, and cores partition the scene. The tiles of a batch depend
on the tile index alone. Finished batches are kept in a journal beside the target, so that a killed run goes on
and gives the same bytes. Memory depends on tile and batch, not on the scene.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.predict import PredictConfig
from hectares.core.legend import IGNORE
from hectares.core.scene import Chip, RasterSource
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Tile, Tiling, Window
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.artefact import plain, stamp
from hectares.io.journal import Journal
from hectares.io.outputs import check_target, exclusive, resolve
from hectares.io.rasters.class_map import open_class_map, save_class_map, style_path
from hectares.io.rasters.scenes import SceneFile
from hectares.io.scene_contract import InputRule, hash_scene, open_for, scene_files, scene_scaling
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.monitor import QUIET, Monitor, Problem
from hectares.runtime.protocol import Runtime, open_runtime

ScoreFunction = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(B, C, h, w), scaled, to (B, K, h, w); logits do as well as scores."""
ScaleFunction = Callable[[NDArray[Any]], NDArray[np.float32]]
"""(C, h, w) in raster units to what the network sees."""

_READ_AHEAD = 2  # batches


def predict_scene(
    segmenter: str | Path,
    scene: str | Path,
    out: str | Path,
    config: PredictConfig,
    *,
    overwrite: bool = False,
    keep_same: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Write the class map of a scene. Memory depends on tile and batch, not on the scene.

    `keep_same` leaves a finished map of the same inputs and configuration as it is, instead of refusing.

    Raises BandError if bands are missing, GsdError if the GSD differs by more than config.gsd_tolerance,
    ArtefactError if the target exists or an unfinished run of another configuration lies there.
    """
    target, files = resolve(out), scene_files(scene)
    if target.suffix.lower() not in {".tif", ".tiff"}:
        raise ArtefactError(f"{target}: a class map is a GeoTIFF; end its name in .tif")
    stored = find_segmenter(segmenter)
    if stored.spec.multilabel:
        raise ArtefactError(
            f"{segmenter}: its classes may overlap, so no map of one class a pixel can be made; "
            "score it with `hectares evaluate`, or train on chips without --multilabel to make a map"
        )
    rule = InputRule(config.bidx, config.gsd_tolerance)
    with exclusive(target), open_for(stored.spec, files, rule, monitor) as source:
        runtime = open_runtime(stored, name=config.runtime, device=config.device)
        tiling = plan_tiles(source, stored.spec, config, stride=runtime.stride)
        provenance = _provenance(stored, files, config, runtime, tiling)
        if keep_same and not overwrite and _is_finished(target, provenance):
            return target
        for path in (target, style_path(target)):
            check_target(path, overwrite=overwrite, inputs=[*files, *stored.folder.iterdir()])
        journal = Journal(target, provenance, overwrite=overwrite)
        _predict_batches(source, runtime, tiling, config.batch, journal, monitor)
        _report_damage(source, monitor)
        monitor.progress("writing map", 0, 1)
        legend = stored.spec.legend
        strips = (legend.decode(strip) for strip in _strips(tiling, config.batch, journal))
        save_class_map(target, journal.folder, strips, source.grid, legend, provenance, overwrite=overwrite)
        monitor.progress("writing map", 1, 1)
        journal.close()
    return target


def predict_scenes(
    segmenter: str | Path,
    scenes: Sequence[Path],
    out: Path,
    config: PredictConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> list[Path]:
    """Write the class map of one scene to a file, or those of several into a folder, under the scenes' names.

    Of several scenes, those that are refused are listed as problems; gives the maps that were made.
    """
    if len(scenes) == 1 and not out.is_dir():
        return [predict_scene(segmenter, scenes[0], out, config, overwrite=overwrite, monitor=monitor)]
    targets = [out / f"{scene.stem}.tif" for scene in scenes]
    twice = [t.name for t, n in Counter(targets).items() if n > 1]
    if twice:
        raise ConfigError(f"several scenes would give {out / twice[0]}; map them one by one")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: is a file; several scenes need a folder")
    made: list[Path] = []
    refused: list[InputError] = []
    for scene, target in zip(scenes, targets, strict=True):
        try:
            predict_scene(segmenter, scene, target, config, overwrite=overwrite, keep_same=True, monitor=monitor)
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
    for number in range(batch_count(tiling, batch)):
        tiles = tiles_of_batch(tiling, batch, number)
        chips = [source.read(t.read) for t in tiles]
        yield from zip((t.core for t in tiles), _classify(chips, tiles, scores, scale).indices, strict=True)


# --- The plan ---------------------------------------------------------------------------------------------


def plan_tiles(source: RasterSource, spec: SegmenterSpec, config: PredictConfig, *, stride: int) -> Tiling:
    """Divide a scene into tiles; by default neighbors overlap by half a training chip."""
    overlap = spec.tile_px // 2 if config.overlap_px is None else config.overlap_px
    return Tiling(source.grid.shape, size=max(config.tile_px, overlap + stride), overlap=overlap, stride=stride)


def batch_count(tiling: Tiling, batch: int) -> int:
    """Give the number of batches; a batch never spans two rows of tiles."""
    rows, cols = tiling.counts
    return rows * -(-cols // batch)


def tiles_of_batch(tiling: Tiling, batch: int, number: int) -> list[Tile]:
    """Give the tiles of a batch: a function of its number alone, so that a resumed run regroups nothing."""
    _, cols = tiling.counts
    row, group = divmod(number, -(-cols // batch))
    first = row * cols + group * batch
    return [tiling[i] for i in range(first, min(first + batch, (row + 1) * cols))]


# --- Provenance -------------------------------------------------------------------------------------------


def _provenance(
    stored: StoredSegmenter, files: Sequence[Path], config: PredictConfig, runtime: Runtime, tiling: Tiling
) -> dict[str, Any]:
    """Everything the map depends on, and which parts of the scene the segmenter was trained on."""
    inputs = {"scene": hash_scene(files), "segmenter": stored.sha256}
    seen = [w for f in stored.spec.footprint if f["sha256"] == inputs["scene"] for w in f["windows"]]  # type: ignore[union-attr]
    return stamp("class-map", config=asdict(config), inputs=inputs) | {
        "scene": files[0].name,
        "trained_on": seen,
        "network": stored.spec.network,
        "bands": list(stored.spec.bands),
        "tile_px": list(tiling.tile_shape),
        "overlap_px": tiling.overlap,
        **runtime.facts,
    }


def _is_finished(target: Path, provenance: dict[str, Any]) -> bool:
    if not target.is_file():
        return False
    with open_class_map(target) as earlier:
        return bool(earlier.provenance == plain(provenance))


# --- The stream -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Classified:
    """Class indices of the cores of a batch, and the tiles whose logits were not finite."""

    indices: list[NDArray[np.uint8]]
    broken: list[Tile]


def _predict_batches(
    source: SceneFile, runtime: Runtime, tiling: Tiling, batch: int, journal: Journal, monitor: Monitor
) -> None:
    """Predict the batches that the journal does not have yet. Reading runs ahead in a thread."""
    scale = scene_scaling(runtime.spec, source, monitor).apply
    total = batch_count(tiling, batch)
    todo = [n for n in range(total) if not journal.has(n)]
    broken: list[Tile] = []
    monitor.progress("predicting", total - len(todo), total, "resumed" if len(todo) < total else "")
    for done, (number, tiles, chips) in enumerate(_read_ahead(source, tiling, batch, todo), start=1):
        result = _classify(chips, tiles, runtime.logits, scale)
        broken += result.broken
        journal.put(number, result.indices)
        monitor.progress("predicting", total - len(todo) + done, total)
        monitor.raise_if_stopped()
    if broken:
        if len(broken) == len(tiling):
            raise InputError(f"{source.path}: the network gives no finite value anywhere; train it again")
        core = broken[0].core
        what = f"{len(broken)} tile(s) gave values that are not finite, first at row {core.row}, col {core.col}"
        monitor.problem(Problem(str(source.path), what, "they are nodata in the map", "incomplete"))


def _classify(
    chips: Sequence[Chip], tiles: Sequence[Tile], scores: ScoreFunction, scale: ScaleFunction | None
) -> _Classified:
    """Class indices of the cores; tiles with nothing valid are not sent through the network."""
    indices = [np.full(t.core.shape, IGNORE, np.uint8) for t in tiles]
    cores = [t.core.within(t.read).slices for t in tiles]
    busy = [i for i, chip in enumerate(chips) if chip.valid[cores[i]].any()]
    broken: list[Tile] = []
    if not busy:
        return _Classified(indices, broken)
    images = [chips[i].image.astype(np.float32) if scale is None else scale(chips[i].image) for i in busy]
    batch = np.stack([image * chips[i].valid for image, i in zip(images, busy, strict=True)])
    for raw, i in zip(scores(batch), busy, strict=True):
        core, valid = raw[:, *cores[i]], chips[i].valid[cores[i]]
        if not np.isfinite(core[:, valid]).all():
            broken.append(tiles[i])
            continue
        indices[i][valid] = core.argmax(axis=0)[valid]
    return _Classified(indices, broken)


def _read_ahead(
    source: RasterSource, tiling: Tiling, batch: int, numbers: Sequence[int]
) -> Iterator[tuple[int, list[Tile], list[Chip]]]:
    """Yield batches in order while a thread reads the next ones; errors of the thread surface here."""
    ready: queue.Queue[tuple[int, list[Tile], list[Chip]] | BaseException | None] = queue.Queue(_READ_AHEAD)
    stop = threading.Event()

    def put(item: tuple[int, list[Tile], list[Chip]] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for number in numbers:
                tiles = tiles_of_batch(tiling, batch, number)
                put((number, tiles, [source.read(t.read) for t in tiles]))
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put(error)

    reader = threading.Thread(target=read, name="hectares-reader", daemon=True)
    reader.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        reader.join()


def _strips(tiling: Tiling, batch: int, journal: Journal) -> Iterator[NDArray[np.uint8]]:
    """Class indices of one row of tiles after the other, (h, W)."""
    rows, cols = tiling.counts
    per_row = -(-cols // batch)
    for row in range(rows):
        cores: list[NDArray[np.uint8]] = []
        for number in range(row * per_row, (row + 1) * per_row):
            cores += journal.get(number, [t.core.shape for t in tiles_of_batch(tiling, batch, number)])
        yield np.concatenate(cores, axis=1)


def _report_damage(source: SceneFile, monitor: Monitor) -> None:
    if source.damage:
        first = source.damage[0]
        what = f"{len(source.damage)} block(s) cannot be decoded, first at row {first.row}, col {first.col}"
        monitor.problem(
            Problem(str(source.path), what, "they are nodata in the map; fetch the file again", "incomplete")
        )
