"""The loop: batches in, weights of the best epoch out. It can be killed at any step and goes on from its folder.

last.ckpt  previous.ckpt      where to go on from
best.safetensors              weights of the best epoch so far
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from safetensors import SafetensorError
from safetensors.torch import load_file

from hectares.config.train import TrainConfig
from hectares.errors import TrainingError
from hectares.model.networks.zoo import AnySize
from hectares.model.training.callbacks import KEY, Progress, Row
from hectares.model.training.loader import ChipLoader
from hectares.model.training.module import SegmentationModule
from hectares.monitor import Monitor, Problem

_PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def device_rank() -> int:
    """Give the number of this process among those that train together; 0 for the first, and for one alone."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def fit(
    module: SegmentationModule,
    training: ChipLoader,
    scoring: ChipLoader,
    folder: Path,
    *,
    device: str,
    precision: str,
    on_epoch: Callable[[Sequence[Row]], None],
    monitor: Monitor,
) -> tuple[list[Row], float]:
    """Train until nothing is left to do, from the last checkpoint in the folder if there is one.

    Gives the history and the seconds it took; the network of the module then has the weights of its best epoch.
    Raises TrainingError if the loss is not finite, Interrupted if the monitor asks to stop.
    """
    config = module.config
    checkpoint, state = _latest_checkpoint(folder, monitor)
    progress = Progress(folder, monitor, on_epoch, earlier=state)
    if not progress.is_over(config):
        training.start_at(int(state.get("batches", 0)))
        with quiet_libraries():
            trainer = _trainer(config, progress, device, precision)
            try:
                trainer.fit(module, training, scoring, ckpt_path=checkpoint, weights_only=True)
            except TrainingError as error:
                batch = training.names_of(trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx)
                raise TrainingError(f"{error}. The last batch had the chips {', '.join(batch)}") from error
        _report_damaged((training, scoring), monitor)
    if not device_rank():
        _fill_best(module.network, folder / "best.safetensors")
    return progress.rows, progress.seconds


def _trainer(config: TrainConfig, progress: Progress, device: str, precision: str) -> pl.Trainer:
    together = config.devices * config.nodes > 1
    strategy = "ddp_find_unused_parameters_true" if config.freeze_epochs else "ddp"
    on_gpu = device.startswith("cuda")
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy=strategy if together else "auto",
        sync_batchnorm=together and on_gpu,
        precision=_PRECISIONS[precision],
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.clip or None,
        callbacks=[progress],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _report_damaged(loaders: Sequence[ChipLoader], monitor: Monitor) -> None:
    damaged = [text for loader in loaders for text in loader.damaged.values()]
    if damaged:
        what = f"{len(damaged)} chip(s) cannot be read, the first because: {damaged[0]}"
        monitor.problem(Problem("chips", what, "training went on without them", "incomplete"))


def _latest_checkpoint(folder: Path, monitor: Monitor) -> tuple[Path | None, Mapping[str, Any]]:
    """Give the checkpoint to go on from and what it says of itself; one cut short is stepped over."""
    for name in ("last.ckpt", "previous.ckpt"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            return path, torch.load(path, map_location="cpu", weights_only=True)[KEY]
        except Exception:  # noqa: BLE001 - damaged bytes raise whatever they lead to
            what = "is cut short: the disk was full, or the run was killed while writing it"
            monitor.problem(Problem(str(path), what, "training goes on from the checkpoint before it"))
            path.unlink()
    return None, {}


def _fill_best(network: AnySize, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); give --overwrite to train again") from error


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep Lightning's hints about itself from the user; put everything back afterwards."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
