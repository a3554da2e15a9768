"""What happens around the steps of training: seeds, learning rate, history, checkpoints, stopping.

A checkpoint holds weights, optimizer, scaler, loops, and under the key `hectares` the rows of the history and how far
the epoch has come. All randomness is a function of (seed, epoch, step), so that nothing else is needed to go on.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from safetensors.torch import save_file

from hectares.config.train import TrainConfig
from hectares.errors import Interrupted, TrainingError
from hectares.model.training.module import SegmentationModule, _Mean
from hectares.model.training.schedules import best_epoch, should_stop
from hectares.monitor import Monitor

Row = dict[str, float]
"""A line of the history: epoch, lr, train_loss, val_loss, val_miou, val_accuracy."""
HISTORY_COLUMNS = ("epoch", "lr", "train_loss", "val_loss", "val_miou", "val_accuracy")
KEY = "hectares"
_LOOK_EVERY = 16
"""Devices that train together look at the clock of the first one this often."""


def best_row(rows: Sequence[Row], config: TrainConfig) -> Row:
    """Give the line of the best epoch."""
    values, highest = _marks(rows, config)
    return rows[best_epoch(values, highest=highest)]


def _marks(rows: Sequence[Row], config: TrainConfig) -> tuple[list[float], bool]:
    """What makes an epoch the best one, and if more of it is better."""
    by_miou = config.choose_by == "miou"
    return [row["val_miou" if by_miou else "val_loss"] for row in rows], by_miou


class Progress(pl.Callback):
    """Runs a training that can be stopped or killed at any step, and goes on as if it had not been."""

    def __init__(
        self,
        folder: Path,
        monitor: Monitor,
        on_epoch: Callable[[Sequence[Row]], None],
        *,
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        state = earlier or {}
        self.rows: list[Row] = [dict(row) for row in state.get("rows", ())]
        self._mean = _Mean(*state.get("train_mean", (0.0, 0)))
        self._folder = folder
        self._monitor = monitor
        self._on_epoch = on_epoch
        self._saved = time.monotonic()
        self._began = self._saved - float(state.get("seconds", 0.0))

    @property
    def seconds(self) -> float:
        """Time spent in training, in this run and those it goes on from."""
        return time.monotonic() - self._began

    # --- Epochs -------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: pl.Trainer, module: SegmentationModule) -> None:  # type: ignore[override]
        """Take up what an earlier run has counted."""
        del trainer
        module.losses = [row["val_loss"] for row in self.rows]
        module.train_mean = self._mean

    def on_train_epoch_end(self, trainer: pl.Trainer, module: SegmentationModule) -> None:  # type: ignore[override]
        """Add a line to the history, keep the best weights, save, and decide whether to stop."""
        config = module.config
        if not math.isfinite(module.val_mean.value):
            raise TrainingError(
                f"the validation loss is {module.val_mean.value} after epoch {trainer.current_epoch + 1}; use a "
                f"smaller --lr (it is {config.lr}) or --precision fp32"
            )
        train = module.summed(module.train_mean)
        module.train_mean = _Mean()
        row = {
            "epoch": trainer.current_epoch + 1,
            "lr": trainer.optimizers[0].param_groups[-1]["lr"],
            "train_loss": train.value,
            "val_loss": module.val_mean.value,
            "val_miou": module.confusion.mean_iou,
            "val_accuracy": module.confusion.accuracy,
        }
        self.rows.append({column: float(row[column]) for column in HISTORY_COLUMNS})
        module.losses.append(module.val_mean.value)
        if trainer.is_global_zero:
            if best_row(self.rows, config) is self.rows[-1]:
                _save_weights(module, self._folder / "best.safetensors")
            self._on_epoch(self.rows)
        self._save(trainer)
        trainer.should_stop = self.is_over(config)
        self._monitor.raise_if_stopped()

    def is_over(self, config: TrainConfig) -> bool:
        """Tell if there is nothing left to train, from the history alone."""
        if not self.rows:
            return False
        values, highest = _marks(self.rows, config)
        return len(self.rows) >= config.epochs or should_stop(values, config.patience, highest=highest)

    # --- Steps --------------------------------------------------------------------------------------------

    def on_train_batch_start(self, trainer: pl.Trainer, module: SegmentationModule, _: Any, index: int) -> None:  # type: ignore[override]
        """Make what is random inside the network a function of (seed, epoch, step, device)."""
        place = (module.config.seed, trainer.current_epoch, index, trainer.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        batches = int(trainer.num_training_batches)
        a_step = trainer.accumulate_grad_batches
        module.begin_step(trainer.global_step, -(-batches // a_step) * module.config.epochs)

    def on_train_batch_end(self, trainer: pl.Trainer, module: SegmentationModule, *rest: Any) -> None:  # type: ignore[override]
        """Report, and save if it is time or the user wants to stop."""
        index = rest[-1]
        batches = int(trainer.num_training_batches)
        done = trainer.current_epoch * batches + index + 1
        self._monitor.progress("training", done, module.config.epochs * batches, self._note())
        if index + 1 == batches or (index + 1) % trainer.accumulate_grad_batches:
            return  # the end of the epoch saves; half of a step cannot be saved
        try:
            self._monitor.raise_if_stopped()
        except Interrupted:
            if trainer.world_size == 1:
                self._save(trainer)
            raise
        if self._is_due(trainer, index, module.config.checkpoint_minutes):
            self._save(trainer)

    def on_validation_batch_end(self, *_: Any) -> None:
        """Stop here as well: a validation may take long, and is done again."""
        self._monitor.raise_if_stopped()

    def _note(self) -> str:
        if not self.rows:
            return ""
        return f"epoch {len(self.rows)}: loss {self.rows[-1]['val_loss']:.3f}, mIoU {self.rows[-1]['val_miou']:.3f}"

    # --- Checkpoints --------------------------------------------------------------------------------------

    def _is_due(self, trainer: pl.Trainer, index: int, minutes: float) -> bool:
        due = time.monotonic() - self._saved >= 60 * minutes
        if trainer.world_size == 1:
            return due
        return index % _LOOK_EVERY == 0 and bool(trainer.strategy.broadcast(due))

    def on_save_checkpoint(self, trainer: pl.Trainer, module: SegmentationModule, checkpoint: dict[str, Any]) -> None:  # type: ignore[override]
        """Add history and position."""
        within = trainer.fit_loop.epoch_loop.batch_idx + 1
        ended = len(self.rows) > trainer.current_epoch
        checkpoint[KEY] = {
            "rows": self.rows,
            "train_mean": (module.train_mean.total, module.train_mean.count),
            "epoch": len(self.rows),
            "batches": 0 if ended else within,
            "seconds": self.seconds,
        }

    def _save(self, trainer: pl.Trainer) -> None:
        """Replace the last checkpoint in one step; the one before it stays as well."""
        part = self._folder / "last.part"
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            last = self._folder / "last.ckpt"
            if last.exists():
                last.replace(self._folder / "previous.ckpt")
            part.replace(last)
        self._saved = time.monotonic()


def _save_weights(module: SegmentationModule, path: Path) -> None:
    state = {name: value.detach().cpu().contiguous() for name, value in module.learned.state_dict().items()}
    part = path.with_suffix(".part")
    save_file(state, part)
    part.replace(path)
