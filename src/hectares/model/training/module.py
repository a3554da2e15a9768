"""The Lightning module: network, loss, optimizer, confusion. Nothing about files.

What is learned rests in the network and, if asked for, in a running mean of its weights. All else that a resumed run
must know goes through `on_save_checkpoint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from hectares.config.train import TrainConfig
from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.errors import TrainingError
from hectares.model.loss.logits import refuse_probabilities
from hectares.model.loss.losses import find_loss
from hectares.model.networks.any_size import AnySize
from hectares.model.training.freezing import Freezing, parameter_groups
from hectares.model.training.schedules import drop_share, lr_share, plateau_share

_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "sgd": torch.optim.SGD,
}
_FUSED = {"adam", "adamw", "sgd"}
"""Optimizers that update all weights in one call: of small networks, one call a weight takes a tenth of a step."""
_LOOKED_AT = 3
"""Steps in which outputs are looked at, whether they are logits."""
_EMA_START = 10
"""The running mean forgets faster in the first steps, so that a short run is not held by its random beginning."""


class SegmentationModule(pl.LightningModule):
    """Trains a network on (image, label) batches and scores it on validation batches."""

    def __init__(
        self,
        network: AnySize,
        config: TrainConfig,
        *,
        classes: int,
        multilabel: bool = False,
        class_weights: Sequence[float] = (),
        freezing: Freezing | None = None,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.averaged = _running_mean(network, config.ema) if config.ema else None
        self.config = config
        self.losses: list[float] = []
        """Validation loss of each finished epoch."""
        self._loss = find_loss(config.loss, multilabel=multilabel)
        weights = torch.tensor(class_weights, dtype=torch.float32) if len(class_weights) else None
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)
        self._classes = classes
        self._multilabel = multilabel
        self._freezing = freezing
        self._inner = torch.compile(network.inner) if config.compile else network.inner
        self.train_mean, self.val_mean = _Mean(), _Mean()
        self.confusion = self._no_counts()

    @property
    def learned(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.network if self.averaged is None else self.averaged.module

    def _no_counts(self) -> Confusion | PlaneConfusion:
        return PlaneConfusion.empty(self._classes) if self._multilabel else Confusion.empty(self._classes)

    def forward(self, image: Tensor) -> Tensor:
        """Scaled image to the logits of the pixels that are trained on: all, unless the network cuts off a border."""
        logits: Tensor = self._inner(image.contiguous(memory_format=torch.channels_last))
        return logits

    # --- Training -----------------------------------------------------------------------------------------

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        """Give the loss of a batch. Raises TrainingError if it is not finite."""
        image, label, *weights = batch
        logits = self(image)
        if self.global_step < _LOOKED_AT:
            refuse_probabilities(logits)
        label, *weights = (self.network.cut(part) for part in (label, *weights))
        loss = self._loss(logits, label, self.class_weights, weights[0] if weights else None)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {float(loss.detach())} in epoch {self.current_epoch + 1}, step {index + 1}; "
                f"use a smaller --lr (it is {self.config.lr}) or --precision fp32"
            )
        self.train_mean.add(loss.detach(), len(image))
        return loss

    def begin_step(self, step: int, steps: int) -> None:
        """Freeze what is frozen in this epoch, and set the learning rates for a step of the optimizer."""
        if self._freezing is not None:
            self._freezing.apply(self.current_epoch)
        c = self.config
        share = lr_share(c.schedule, step, steps, warm_up=c.warm_up)
        if c.schedule == "plateau":
            least = c.smallest_lr / c.lr
            share *= plateau_share(self.losses, patience=c.plateau_patience, factor=c.plateau_factor, smallest=least)
        if c.schedule == "drop":
            share *= drop_share(self.current_epoch + 1, c.drop_at)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["highest_lr"] * share

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # the signature is Lightning's
        """Take a step, and bring the running mean up to date."""
        super().optimizer_step(*args, **kwargs)
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give the optimizer; its learning rate is set step by step."""
        config = self.config
        options: dict[str, Any] = {"lr": config.lr}
        if config.optimizer in {"adamw", "sgd"}:
            options["weight_decay"] = config.weight_decay
        if config.optimizer == "sgd":
            options["momentum"] = config.momentum
        if (
            config.optimizer in _FUSED and self.trainer.precision == "32-true"
        ):  # else Lightning could not clip gradients
            options["fused"] = True
        groups = parameter_groups(self.network, lr=config.lr, encoder_lr=config.encoder_lr)
        return _OPTIMIZERS[config.optimizer](groups, **options)

    # --- Validation ---------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Start counting anew."""
        self.confusion, self.val_mean = self._no_counts(), _Mean()

    def validation_step(self, batch: tuple[Tensor, ...], _: int) -> None:
        """Count loss and confusion of a batch."""
        image, label, *weights = batch
        logits = self.learned(image.contiguous(memory_format=torch.channels_last))
        loss = self._loss(logits, label, self.class_weights, weights[0] if weights else None)
        self.val_mean.add(loss.detach(), len(image))
        reference = label.to(torch.uint8).cpu().numpy()
        if isinstance(self.confusion, PlaneConfusion):
            planes = (logits > 0).to(torch.uint8).cpu().numpy()
            self.confusion += PlaneConfusion.count(reference.swapaxes(0, 1), planes.swapaxes(0, 1))
        else:
            predicted = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
            self.confusion += Confusion.count(reference, predicted, classes=self._classes)

    def on_validation_epoch_end(self) -> None:
        """Add up what the devices have counted."""
        if self.trainer.world_size > 1:
            counts = torch.from_numpy(self.confusion.counts).to(self.device)
            summed = self.all_gather(counts).sum(dim=0).cpu().numpy()  # type: ignore[union-attr]
            self.confusion = type(self.confusion)(summed)
            self.val_mean = self.summed(self.val_mean)

    def summed(self, mean: _Mean) -> _Mean:
        """Give a mean over all devices."""
        if self.trainer.world_size == 1:
            return mean
        parts = self.all_gather(torch.tensor([mean.total, mean.count], dtype=torch.float64, device=self.device))
        total, count = parts.sum(dim=0).tolist()  # type: ignore[union-attr]
        return _Mean(total, round(count))


class _Mean:
    """A mean that grows, without waiting for the device at every step."""

    def __init__(self, total: float = 0.0, count: int = 0) -> None:
        self._total: float | Tensor = total
        self.count = count

    def add(self, value: Tensor, times: int) -> None:
        """Count a value."""
        self._total = self._total + value.double() * times
        self.count += times

    @property
    def total(self) -> float:
        return float(self._total)

    @property
    def value(self) -> float:
        """The mean, NaN of nothing."""
        return self.total / self.count if self.count else float("nan")


def _running_mean(network: nn.Module, decay: float) -> AveragedModel:
    """Give a running mean of parameters and statistics. Source: Tarvainen and Valpola 2017 (NIPS)."""

    @torch.no_grad()
    def average(means: Any, values: Any, step: Tensor | int) -> None:  # lists of tensors or tuples, as torch likes
        n = int(step)
        keep = min(decay, (1 + n) / (_EMA_START + n))
        for mean, value in zip(means, values, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.dtype), 1 - keep)
            else:
                mean.copy_(value)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
