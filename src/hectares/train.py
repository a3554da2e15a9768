"""Chips to a segmenter and its history.

A RUN folder appears when training is complete:

    run.json                what was trained, from which chips
    history.csv             a line an epoch
    history.png             the learning curve
    segmenter/              segmenter.json, weights.safetensors, model.onnx, history.csv

Until then it grows under a hidden name beside it (`.hectares-RUN`), with checkpoints and the weights of the best
epoch. Randomness is a function of (seed, epoch, step) alone, so that a run that was killed goes on from its last
checkpoint when the same command is given again, and ends with the weights of a run that was not.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.train import TrainConfig, name_of, settings_of
from hectares.core.balance import class_weights, repeat_factors
from hectares.core.scene import LabelledChip
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError, InputError, MissingExtraError, TrainingError
from hectares.io.artefact import read_artefact, save_csv, stamp, write_json
from hectares.io.chips.mixed import open_mixed
from hectares.io.chips.selection import Selection
from hectares.io.chips.store import ChipStore
from hectares.io.journal import difference
from hectares.io.outputs import check_target, exclusive, replace_folder, restore, staged_folder, work_path
from hectares.io.segmenter import find_segmenter, save_segmenter
from hectares.io.weight_sets import read_weight_sets, weights_input
from hectares.monitor import QUIET, Monitor, Problem

try:
    import torch

    from hectares.model.training.fit import device_rank, fit, quiet_libraries
except ImportError as error:
    raise MissingExtraError("training needs torch and lightning: pip install 'hectares[train]'") from error

from hectares.model.augmentation.augment import find_augmentation
from hectares.model.device import resolve_device, resolve_precision
from hectares.model.loss.losses import find_loss
from hectares.model.loss.weighting import find_weighting
from hectares.model.segmenter import weights_of
from hectares.model.training.batch_size import USUAL, largest_batch
from hectares.model.training.beginning import Beginning, begin, check_words
from hectares.model.training.callbacks import HISTORY_COLUMNS, Row, best_row
from hectares.model.training.dataset import ChipDataset, ChipSource, EpochSampler
from hectares.model.training.loader import ChipLoader
from hectares.model.training.module import SegmentationModule
from hectares.model.training.tracking import forward_rows, open_loggers
from hectares.runtime.finishing import MAX_IMAGES, finish_segmenter
from hectares.runtime.protocol import open_runtime
from hectares.runtime.scoring import ChipFeed, Scorer, measure_calibration
from hectares.view.figures import draw_history

KIND = "run"
_SPENT = "seconds"
"""Key of the time that training took; it is no part of what a run is."""
_THREADS_FOR_GPU = 8
_PATIENCE_S = 600
"""How long a process on another machine waits for the first one to begin."""


@dataclass(frozen=True)
class _Trained:
    """What came out: what training began with, now with the weights of its best epoch, and its history."""

    start: Beginning
    rows: list[Row]
    seconds: float


def train_segmenter(
    chips: str | Path,
    out: str | Path,
    config: TrainConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Train a network on chips and save the segmenter of the best epoch; gives the RUN folder.

    An unfinished run of the same configuration goes on by itself. Raises ArtefactError if the folder holds a
    finished run, or an unfinished one of another configuration, unless `overwrite` is given; TrainingError if the
    loss is not finite; Interrupted if the monitor asks to stop. In a process that was started to help the first one,
    it ends the process when training is done.
    """
    stores, run = open_mixed([Path(chips), *(folder for folder, _ in config.mixed)]), Path(out).resolve()
    if any(run in store.folder.resolve().parents for store in stores):
        raise ArtefactError(f"{run}: holds the chips of this command; choose another folder for the run")
    chosen = [Selection.of(store, bands=config.bands, only=config.only) for store in stores]
    first, px = chosen[0], stores[0].chip_px
    check_words(config, multilabel=first.multilabel, band_names=first.stats.names, chip_px=px)
    if device_rank():
        _await_start(run)
        _fit(chosen, work_path(run), config, _facts(config), QUIET)
        raise SystemExit(0)
    with exclusive(run):
        try:
            _train(chosen, run, config, overwrite=overwrite, monitor=monitor)
        except (ConfigError, InputError, TrainingError):  # nothing to go on from: the corrected command starts anew
            shutil.rmtree(work_path(run), ignore_errors=True)
            raise
    return run


def _train(chosen: Sequence[Selection], run: Path, config: TrainConfig, *, overwrite: bool, monitor: Monitor) -> None:
    facts = _facts(config)
    work = _start(run, chosen, config, facts, overwrite=overwrite)
    store = chosen[0].store
    if not store.counts.get("val"):
        what = "the chips have no validation split, so the training chips stand in"
        monitor.problem(Problem(str(store.folder), what, "scores are too good; prepare them with another --split"))
    trained = _fit(chosen, work, config, facts, monitor)
    _save(work, chosen, config, trained, facts, monitor)
    head = read_artefact(work / "run.json", KIND) | {_SPENT: round(trained.seconds, 1)}
    write_json(work / "run.json", head, overwrite=True)
    shutil.rmtree(work / "checkpoints")
    replace_folder(work, run)


# --- Start and finish -------------------------------------------------------------------------------------


def _facts(config: TrainConfig) -> dict[str, str]:
    """What the weights depend on besides chips and configuration."""
    device = resolve_device(config.device)
    facts = {
        "device": device,
        "precision": resolve_precision(config.precision, device),
        "torch": torch.__version__,
        "lightning": version("lightning"),
    }
    if device == "cpu":  # sums are split among threads, so that another number of them gives other last bits
        facts["processor_threads"] = str(torch.get_num_threads())
    return facts


def _inputs(chosen: Sequence[Selection]) -> dict[str, str]:
    names = ["chips", *(f"chips_{n}" for n in range(2, len(chosen) + 1))]
    return {name: c.store.fingerprint for name, c in zip(names, chosen, strict=True)}


def _start(
    run: Path, chosen: Sequence[Selection], config: TrainConfig, facts: Mapping[str, str], *, overwrite: bool
) -> Path:
    """Take up an unfinished run of the same work, or begin a new one; gives the hidden folder it grows in."""
    restore(run)
    if run.is_dir() and not any(run.iterdir()):
        run.rmdir()
    if run.exists() and not (run / "run.json").is_file():
        raise ArtefactError(f"{run}: exists and is not a run; choose another folder")
    check_target(run, overwrite=overwrite)
    inputs = _inputs(chosen) | weights_input(config.weights)  # the name alone would take another file for this one
    head = stamp(KIND, config=settings_of(config), inputs=inputs) | {"facts": dict(facts)}
    work = work_path(run)
    if (work / "run.json").is_file():
        earlier = read_artefact(work / "run.json", KIND)
        earlier.pop(_SPENT, None)
        if earlier == head:
            return work
        if not overwrite:
            raise ArtefactError(
                f"{run}: an unfinished run of another configuration lies here ({difference(earlier, head)}); "
                "give --overwrite to discard it, or repeat the earlier command to finish it"
            )
    shutil.rmtree(work, ignore_errors=True)
    (work / "checkpoints").mkdir(parents=True)
    write_json(work / "run.json", head, overwrite=False)
    return work


def _await_start(run: Path) -> None:
    """Wait until the first process has begun; on another machine that may take a moment."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (work_path(run) / "run.json").is_file():
        if time.monotonic() > deadline:
            raise ArtefactError(f"{run}: the first process has not begun; all machines must see this folder")
        time.sleep(0.2)


def _save(
    work: Path,
    chosen: Sequence[Selection],
    config: TrainConfig,
    trained: _Trained,
    facts: Mapping[str, str],
    monitor: Monitor,
) -> None:
    """Write the segmenter with the weights of the best epoch."""
    best = best_row(trained.rows, config)
    draw_history(trained.rows, work / "history.png", best_epoch=best["epoch"])
    _save_history(work / "history.csv", trained.rows)
    first, store = chosen[0], chosen[0].store
    spec = SegmenterSpec(
        network=config.network,
        options=trained.start.options,
        stats=first.stats,
        scaling=str(store.content["scaling"]),
        depths=first.depths,
        plan=first.plan,
        legend=first.legend,
        only=config.only,
        multilabel=first.multilabel,
        gsd_m=store.gsd_m,
        tile_px=store.chip_px,
        dtype=str(store.content["dtype"]),
        footprint=tuple(f for c in chosen for f in _footprint(c.store)),
    )
    loaded = None if trained.start.loaded is None else trained.start.loaded.to_json()
    if loaded is not None:
        loaded["source"] = name_of(str(loaded["source"]))
    head = stamp("segmenter", config=settings_of(config), inputs=_inputs(chosen)) | {
        "facts": dict(facts),
        "best": best,
        "epochs": len(trained.rows),
        "weights": loaded,
    }
    with staged_folder(work / "segmenter", overwrite=True) as folder:
        save_segmenter(folder, spec, weights_of(trained.start.network), head)
        _save_history(folder / "history.csv", trained.rows)
        _finish(folder, first, facts["device"], monitor)


def _finish(folder: Path, chosen: Selection, device: str, monitor: Monitor) -> None:
    """Export the segmenter, and measure on validation chips how well the export agrees and how sure it may be."""
    split = "val" if chosen.store.counts.get("val") else "train"
    monitor.progress("checking the segmenter", 0, 2)
    records, stored = chosen.store.records(split), find_segmenter(folder)
    feed = ChipFeed(chosen.chips(split), lambda n: chosen.scaling_of(records[n].scene))
    scorer = Scorer(open_runtime(stored, name="torch", device=device))
    calibration = measure_calibration(scorer, feed) | {"measured_on": f"{split} chips"}
    monitor.progress("checking the segmenter", 1, 2)
    images = (feed.scaling(n).apply(chip.image) * chip.valid for n, chip in _spread(feed, MAX_IMAGES))
    finish_segmenter(folder, images, calibration=calibration, measured_on=f"{split} chips", monitor=monitor)
    monitor.progress("checking the segmenter", 2, 2)


def _spread(feed: ChipFeed, most: int) -> Iterator[tuple[int, LabelledChip]]:
    """Give some chips, evenly over all."""
    for n in range(0, len(feed.reader), max(1, len(feed.reader) // most)):
        yield n, feed.reader.read(n)


def _save_history(path: Path, rows: Sequence[Row]) -> None:
    save_csv(path, HISTORY_COLUMNS, ([row[c] for c in HISTORY_COLUMNS] for row in rows))


def _footprint(store: ChipStore) -> Iterator[dict[str, Any]]:
    """The scenes and windows that training and model choice have seen."""
    seen: dict[str, list[list[int]]] = {}
    for split in ("train", "val"):
        for record in store.records(split):
            w = record.window
            seen.setdefault(record.scene, []).append([w.row, w.col, w.height, w.width])
    for scene, windows in seen.items():
        yield {"scene": scene, "sha256": store.content["inputs"].get(scene), "windows": windows}


# --- The loop ---------------------------------------------------------------------------------------------


def _fit(
    chosen: Sequence[Selection], work: Path, config: TrainConfig, facts: Mapping[str, str], monitor: Monitor
) -> _Trained:
    """Train until nothing is left to do."""
    first = chosen[0]
    with torch.random.fork_rng(), quiet_libraries():
        torch.manual_seed(config.seed)
        start = begin(
            config,
            band_names=first.stats.names,
            classes=len(first.legend),
            chip_px=first.store.chip_px,
            sets=read_weight_sets(),
            monitor=monitor,
        )
        counts = first.class_counts("train")
        weights = class_weights(counts, config.balance) if config.balance != "none" else ()
        module = SegmentationModule(
            start.network,
            config,
            classes=len(first.legend),
            multilabel=first.multilabel,
            class_weights=tuple(weights),
            freezing=start.freezing,
        )
        batch = _batch(first, module, work, facts)
        training = _loader(chosen, "train", config, batch, facts["device"], train=True)
        validation = "val" if first.store.counts.get("val") else "train"
        scoring = _loader(chosen[:1], validation, config, batch, facts["device"], train=False)
        loggers = [] if device_rank() else open_loggers(config.log, work, work.name, settings_of(config))
        log = forward_rows(loggers, monitor)

        def on_epoch(rows: Sequence[Row]) -> None:
            _save_history(work / "history.part", rows)
            (work / "history.part").replace(work / "history.csv")
            log(rows)

        rows, seconds = fit(
            module,
            training,
            scoring,
            work / "checkpoints",
            device=facts["device"],
            precision=facts["precision"],
            on_epoch=on_epoch,
            monitor=monitor,
        )
    return _Trained(start, rows, seconds)


def _batch(chosen: Selection, module: SegmentationModule, work: Path, facts: Mapping[str, str]) -> int:
    """Give the chips a step; an automatic number is found once, so that a resumed run has the same."""
    config, store = module.config, chosen.store
    if config.batch != "auto":
        return config.batch
    kept = work / "batch.txt"
    if kept.is_file():
        return int(kept.read_text(encoding="utf-8"))
    batch, square = USUAL, (store.chip_px, store.chip_px)
    if facts["device"].startswith("cuda"):
        label = (len(chosen.legend), *square) if chosen.multilabel else square
        module.network.to(facts["device"])
        loss = find_loss(config.loss, multilabel=chosen.multilabel)
        image = (len(chosen.positions), *square)
        batch = min(largest_batch(module.network, loss, image, label, facts["precision"]), store.counts["train"])
    kept.write_text(str(batch), encoding="utf-8")
    return batch


def _loader(
    chosen: Sequence[Selection], split: str, config: TrainConfig, batch: int, device: str, *, train: bool
) -> ChipLoader:
    weights = [1.0, *(share for _, share in config.mixed)]
    rare, ranks = config.repeat_rare if train else 0.0, config.devices * config.nodes
    sources = [_source(c, chosen[0], split, weight, rare) for c, weight in zip(chosen, weights, strict=False)]
    dataset = ChipDataset(
        sources,
        augmentation=find_augmentation(config.augment if train else "none"),
        move=train,
        seed=config.seed,
        weigh=find_weighting(config.pixel_weights),
    )
    sampler = EpochSampler(
        [len(s.chips) for s in sources],
        weights=[s.weight for s in sources],
        repeats=[s.repeats for s in sources],
        seed=config.seed,
        shuffle=train,
        items=batch * config.steps_per_epoch * ranks if train and config.steps_per_epoch else None,
    )
    if ranks > 1:
        sampler.shard(device_rank(), ranks)
    on_gpu = device.startswith("cuda")
    threads = config.threads if config.threads is not None else _THREADS_FOR_GPU if on_gpu else 1
    # The last, smaller batch is dropped only if another one is left: batch normalization needs two pixels a channel.
    drop_last = train and len(sampler) > batch
    return ChipLoader(dataset, sampler, batch=batch, drop_last=drop_last, threads=threads, pin=on_gpu)


def _source(chosen: Selection, first: Selection, split: str, weight: float, repeat_rare: float) -> ChipSource:
    """The chips of a split, scaled as the first chips say, which the segmenter will do; or by range of the scene."""
    store, scaling = chosen.store, first.scaling
    scenes = [r.scene for r in store.records(split)] if scaling.by_scene else []
    by_scene = {name: chosen.scaling_of(name) for name in set(scenes)}

    def scale(number: int, image: NDArray[Any]) -> NDArray[np.float32]:
        return (by_scene[scenes[number]] if scenes else scaling).apply(image)

    repeats = repeat_factors(chosen.class_counts(split), repeat_rare) if repeat_rare else None
    names = [f"{r.scene} r{r.window.row} c{r.window.col}" for r in store.records(split)]
    return ChipSource(chosen.chips(split), scale, weight, repeats, names, first.spread)
