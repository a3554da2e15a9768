"""The Lightning module: network, loss, optimiser, confusion. Nothing about files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from hectares.config.train import TrainConfig
from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.errors import TrainingError
from hectares.model.losses import find_loss

_WARM_UP = 0.05  # share of the steps
_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "sgd": torch.optim.SGD,
}


class SegmentationModule(pl.LightningModule):
    """Trains a network on (image, label) batches and scores it on validation batches."""

    def __init__(
        self,
        network: nn.Module,
        config: TrainConfig,
        *,
        classes: int,
        multilabel: bool = False,
        class_weights: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.seed = config.seed
        self._config = config
        self._loss = find_loss(config.loss, multilabel=multilabel)
        weights = torch.tensor(class_weights, dtype=torch.float32) if len(class_weights) else None
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)
        self._classes = classes
        self._multilabel = multilabel
        self.confusion = self._no_counts()

    def _no_counts(self) -> Confusion | PlaneConfusion:
        return PlaneConfusion.empty(self._classes) if self._multilabel else Confusion.empty(self._classes)

    def forward(self, image: Tensor) -> Tensor:
        """Normalised image to logits."""
        logits: Tensor = self.network(image.contiguous(memory_format=torch.channels_last))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Give the loss of a batch. Raises TrainingError if it is not finite."""
        image, label = batch
        loss = self._loss(self(image), label, self.class_weights)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {float(loss.detach())} in epoch {self.current_epoch + 1}, step {index + 1}; "
                f"use a smaller --lr (it is {self._config.lr}) or --precision fp32"
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(image))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start counting anew."""
        self.confusion = self._no_counts()

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count loss and confusion of a batch."""
        image, label = batch
        logits = self(image)
        self.log("val_loss", self._loss(logits, label, self.class_weights), on_epoch=True, batch_size=len(image))
        reference = label.to(torch.uint8).cpu().numpy()
        if isinstance(self.confusion, PlaneConfusion):
            planes = (logits > 0).to(torch.uint8).cpu().numpy()
            self.confusion += PlaneConfusion.count(reference.swapaxes(0, 1), planes.swapaxes(0, 1))
        else:
            predicted = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
            self.confusion += Confusion.count(reference, predicted, classes=self._classes)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole validation split, from one confusion matrix."""
        self.log("val_miou", self.confusion.mean_iou)
        self.log("val_accuracy", self.confusion.accuracy)

    def configure_optimizers(self) -> Any:  # Lightning takes several forms
        """Give optimiser and schedule."""
        config = self._config
        options: dict[str, Any] = {"lr": config.lr}
        if config.optimizer in {"adamw", "sgd"}:
            options["weight_decay"] = config.weight_decay
        if config.optimizer == "sgd":
            options["momentum"] = 0.9
        optimizer = _OPTIMIZERS[config.optimizer](self.parameters(), **options)
        if config.schedule == "none":
            return optimizer
        if config.schedule == "plateau":
            plateau = ReduceLROnPlateau(optimizer, factor=0.1, patience=3, min_lr=1e-6)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
        steps = int(self.trainer.estimated_stepping_batches)
        cosine = LambdaLR(optimizer, lambda step: warm_up_then_cosine(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}


def warm_up_then_cosine(step: int, steps: int) -> float:
    """Share of the highest learning rate at a step: a linear start, then half a cosine to zero.

    >>> [round(warm_up_then_cosine(s, 100), 2) for s in (0, 4, 5, 52, 100)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
