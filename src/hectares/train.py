"""Chips to a segmenter and its history.

A RUN folder appears when training is complete:

    run.json                what was trained, from which chips
    history.csv             a line an epoch
    history.png             the learning curve
    segmenter/              segmenter.json, weights.safetensors, history.csv

Until then it grows under a hidden name beside it (`.hectares-RUN`), with a checkpoint of the last and of the best
epoch. Randomness is a function of (seed, epoch, step) alone, so that a run that was killed goes on after its last
whole epoch when the same command is given again, and ends with the weights of a run that was not.
"""

from __future__ import annotations

import contextlib
import csv
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hectares.config.train import TrainConfig
from hectares.core.balance import class_weights, repeat_factors
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError, InputError, MissingExtraError, TrainingError
from hectares.io.artefact import read_artefact, save_csv, stamp, write_json
from hectares.io.chips.cutting import CuttingRule
from hectares.io.chips.mixed import open_mixed
from hectares.io.chips.store import ChipStore
from hectares.io.journal import difference
from hectares.io.outputs import check_target, exclusive, replace_folder, restore, staged_folder, work_path
from hectares.io.segmenter import save_segmenter
from hectares.monitor import QUIET, Monitor, Problem

try:
    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
    from torch.utils.data import DataLoader
except ImportError as error:
    raise MissingExtraError("training needs torch and lightning: pip install 'hectares[train]'") from error

from hectares.model.dataset import ChipDataset, ChipSource, EpochSampler
from hectares.model.device import resolve_device, resolve_precision
from hectares.model.losses import find_loss
from hectares.model.module import SegmentationModule
from hectares.model.pretrained import load_encoder
from hectares.model.segmenter import weights_of
from hectares.model.zoo import AnySize, build_network, network_options
from hectares.view.figures import draw_history

KIND = "run"
HISTORY_COLUMNS = ("epoch", "lr", "train_loss", "val_loss", "val_miou", "val_accuracy")
_PLUGINS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def train_segmenter(
    chips: str | Path,
    out: str | Path,
    config: TrainConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Train a network on chips and save the segmenter with the best validation loss; gives the RUN folder.

    An unfinished run of the same configuration goes on by itself. Raises ArtefactError if the folder holds a
    finished run, or an unfinished one of another configuration, unless `overwrite` is given; TrainingError if the
    loss is not finite; Interrupted if the monitor asks to stop.
    """
    stores, run = open_mixed([Path(chips), *(folder for folder, _ in config.mixed)]), Path(out).resolve()
    if any(run in store.folder.resolve().parents for store in stores):
        raise ArtefactError(f"{run}: holds the chips of this command; choose another folder for the run")
    find_loss(config.loss, multilabel=stores[0].multilabel)
    with exclusive(run):
        try:
            _train(stores, run, config, overwrite=overwrite, monitor=monitor)
        except (ConfigError, InputError, TrainingError):  # nothing to go on from: the corrected command starts anew
            shutil.rmtree(work_path(run), ignore_errors=True)
            raise
    return run


def _train(stores: list[ChipStore], run: Path, config: TrainConfig, *, overwrite: bool, monitor: Monitor) -> None:
    store = stores[0]
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    options = network_options(config.network, encoder=config.encoder, width=config.width)
    facts = {"device": device, "precision": precision, "torch": torch.__version__, "lightning": version("lightning")}
    work = _start(run, stores, config, facts, overwrite=overwrite)
    validation = "val" if store.counts.get("val") else "train"
    if validation == "train":
        what = "the chips have no validation split, so the training chips stand in"
        monitor.problem(Problem(str(store.folder), what, "scores are too good; prepare them with another --split"))
    with torch.random.fork_rng(), _quiet_libraries():
        torch.manual_seed(config.seed)
        network = _network(store, config, options, monitor)
        weights = class_weights(store.class_counts("train"), config.balance) if config.balance != "none" else ()
        module = SegmentationModule(
            network, config, classes=len(store.legend), multilabel=store.multilabel, class_weights=tuple(weights)
        )
        history = _History(work / "history.csv", config.epochs, monitor)
        trainer, best = _trainer(work, config, device, precision, history)
        training = _loader(stores, "train", config, train=True)
        scoring = _loader(stores[:1], validation, config, train=False)
        resume, epochs_done = _latest_checkpoint(work / "checkpoints", monitor)
        history.keep_until(epochs_done)
        trainer.fit(module, training, scoring, ckpt_path=resume, weights_only=True)
        _restore_best(network, Path(best.best_model_path))
    _save(work, stores, config, options, network, history, facts)
    shutil.rmtree(work / "checkpoints")
    replace_folder(work, run)


def _network(store: ChipStore, config: TrainConfig, options: Mapping[str, Any], monitor: Monitor) -> AnySize:
    """Build the network with the weights it starts from."""
    hub = config.weights if config.weights == "imagenet" else None
    bands, classes = len(store.stats.names), len(store.legend)
    network = build_network(config.network, options, bands=bands, classes=classes, pretrained=hub)
    if config.weights not in {"none", "imagenet"}:
        load_encoder(network, Path(config.weights), monitor)
    return network


# --- Start and finish -------------------------------------------------------------------------------------


def _inputs(stores: Sequence[ChipStore]) -> dict[str, str]:
    names = ["chips", *(f"chips_{n}" for n in range(2, len(stores) + 1))]
    return {name: store.fingerprint for name, store in zip(names, stores, strict=True)}


def _start(
    run: Path, stores: Sequence[ChipStore], config: TrainConfig, facts: Mapping[str, str], *, overwrite: bool
) -> Path:
    """Take up an unfinished run of the same work, or begin a new one; gives the hidden folder it grows in."""
    restore(run)
    if run.is_dir() and not any(run.iterdir()):
        run.rmdir()
    if run.exists() and not (run / "run.json").is_file():
        raise ArtefactError(f"{run}: exists and is not a run; choose another folder")
    check_target(run, overwrite=overwrite)
    head = stamp(KIND, config=asdict(config), inputs=_inputs(stores)) | {"facts": dict(facts)}
    work = work_path(run)
    if (work / "run.json").is_file():
        earlier = read_artefact(work / "run.json", KIND)
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


def _save(
    work: Path,
    stores: Sequence[ChipStore],
    config: TrainConfig,
    options: Mapping[str, Any],
    network: AnySize,
    history: _History,
    facts: Mapping[str, str],
) -> None:
    """Write the segmenter with the weights of the best epoch."""
    draw_history(history.rows, work / "history.png")
    store = stores[0]
    spec = SegmenterSpec(
        network=config.network,
        options=options,
        stats=store.stats,
        scaling=str(store.content["scaling"]),
        depths=tuple(store.content["depths"]),
        plan=CuttingRule.from_json(store.content["cutting"]).plan,
        legend=store.legend.for_maps(),
        multilabel=store.multilabel,
        gsd_m=store.gsd_m,
        tile_px=store.chip_px,
        dtype=str(store.content["dtype"]),
        footprint=tuple(f for s in stores for f in _footprint(s)),
    )
    head = stamp("segmenter", config=asdict(config), inputs=_inputs(stores)) | {
        "facts": dict(facts),
        "best": history.best(),
        "epochs": len(history.rows),
    }
    with staged_folder(work / "segmenter", overwrite=True) as folder:
        save_segmenter(folder, spec, weights_of(network), head)
        history.save(folder / "history.csv")


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


def _loader(stores: Sequence[ChipStore], split: str, config: TrainConfig, *, train: bool) -> DataLoader[Any]:
    weights = [1.0, *(share for _, share in config.mixed)]
    rare = config.repeat_rare if train else 0.0
    sources = [_source(store, stores[0], split, weight, rare) for store, weight in zip(stores, weights, strict=False)]
    dataset = ChipDataset(sources, augmentation=config.augment if train else "none", move=train, seed=config.seed)
    items = config.batch * config.steps_per_epoch if train and config.steps_per_epoch else None
    sizes, shares = [len(s.chips) for s in sources], [s.weight for s in sources]
    repeats = [s.repeats for s in sources]
    sampler = EpochSampler(sizes, weights=shares, repeats=repeats, seed=config.seed, shuffle=train, items=items)
    # The last, smaller batch is dropped only if another one is left: batch normalisation needs two pixels a channel.
    drop_last = train and len(sampler) > config.batch
    return DataLoader(dataset, batch_size=config.batch, sampler=sampler, drop_last=drop_last)


def _source(store: ChipStore, first: ChipStore, split: str, weight: float, repeat_rare: float) -> ChipSource:
    """The chips of a split, scaled as the first store says, which the segmenter will do; or by range of the scene."""
    scenes = [r.scene for r in store.records(split)] if store.scaling.by_scene else []
    by_scene = {name: store.scaling_of(name) for name in set(scenes)}

    def scale(number: int, image: NDArray[Any]) -> NDArray[np.float32]:
        scaling = by_scene[scenes[number]] if scenes else first.scaling
        return scaling.apply(image)

    repeats = repeat_factors(store.class_counts(split), repeat_rare) if repeat_rare else None
    return ChipSource(store.chips(split), scale, weight, repeats)


def _trainer(
    work: Path, config: TrainConfig, device: str, precision: str, history: _History
) -> tuple[pl.Trainer, ModelCheckpoint]:
    best = ModelCheckpoint(
        dirpath=work / "checkpoints",
        filename="best",
        monitor="val_loss",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[pl.Callback] = [history, best, _Stop(history.monitor)]
    if config.patience is not None:
        callbacks.append(EarlyStopping("val_loss", patience=config.patience, check_on_train_epoch_end=True))
    trainer = pl.Trainer(
        accelerator="gpu" if device.startswith("cuda") else "cpu",
        devices=1,
        precision=_PLUGINS[precision],
        max_epochs=config.epochs,
        gradient_clip_val=config.clip or None,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    return trainer, best


def _latest_checkpoint(folder: Path, monitor: Monitor) -> tuple[Path | None, int]:
    """Give the checkpoint to go on from and its number of finished epochs; one cut short is stepped over."""
    for name in ("last.ckpt", "best.ckpt"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            return path, int(torch.load(path, map_location="cpu", weights_only=True)["epoch"]) + 1
        except Exception:  # noqa: BLE001 - damaged bytes raise whatever they lead to
            what = "is cut short: the disk was full, or the run was killed while writing it"
            monitor.problem(Problem(str(path), what, "training goes on from the checkpoint before it"))
            path.unlink()
    return None, 0


def _restore_best(network: AnySize, checkpoint: Path) -> None:
    """Fill in the weights of the epoch with the lowest validation loss."""
    if not checkpoint.is_file():
        raise TrainingError(f"{checkpoint}: is missing; give --overwrite to train again")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})


class _Stop(pl.Callback):
    """Leaves the loop between two steps when the user asks to stop."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def on_train_batch_end(self, *_: object) -> None:
        self._monitor.raise_if_stopped()


class _History(pl.Callback):
    """Collects a line an epoch, keeps the CSV up to date, reports progress, and seeds each epoch."""

    def __init__(self, path: Path, epochs: int, monitor: Monitor) -> None:
        self._path = path
        self._epochs = epochs
        self.monitor = monitor
        self.rows: list[dict[str, float]] = []

    def keep_until(self, epochs: int) -> None:
        """Take up the lines of the epochs that a checkpoint covers."""
        if epochs and self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                lines = list(csv.DictReader(file))[:epochs]
            self.rows = [{k: float(v) if v else float("nan") for k, v in line.items()} for line in lines]
            for row in self.rows:
                row["epoch"] = int(row["epoch"])

    def best(self) -> dict[str, float]:
        """The line with the lowest validation loss."""
        return min(self.rows, key=lambda row: row["val_loss"])

    def save(self, path: Path) -> None:
        """Write all lines."""
        save_csv(path, HISTORY_COLUMNS, ([row[c] for c in HISTORY_COLUMNS] for row in self.rows))

    def on_train_epoch_start(self, trainer: pl.Trainer, module: SegmentationModule) -> None:  # type: ignore[override]
        """Make what is random inside the network (dropout) a function of (seed, epoch)."""
        seed = int(np.random.SeedSequence((module.seed, trainer.current_epoch)).generate_state(1)[0])
        torch.manual_seed(seed)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        steps = int(trainer.num_training_batches)
        done = trainer.current_epoch * steps + (trainer.fit_loop.epoch_loop.batch_idx + 1)
        self.monitor.progress("training", done, self._epochs * steps, self._note())

    def on_train_epoch_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        logged = {k: float(v) for k, v in trainer.callback_metrics.items()}
        logged |= {"epoch": trainer.current_epoch + 1, "lr": trainer.optimizers[0].param_groups[0]["lr"]}
        self.rows.append({c: logged.get(c, float("nan")) for c in HISTORY_COLUMNS})
        work = self._path.with_suffix(".part")
        self.save(work)
        work.replace(self._path)

    def _note(self) -> str:
        if not self.rows:
            return ""
        return f"epoch {len(self.rows)}: loss {self.rows[-1]['val_loss']:.3f}, mIoU {self.rows[-1]['val_miou']:.3f}"


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep Lightning's hints about itself from the user; put everything back afterwards."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
            yield
    finally:
        logger.setLevel(level)
