"""Knobs of `train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How chips become a segmenter."""

    network: str = "unet-elu"
    """Name of the network; `hectares networks` lists them."""
    encoder: str | None = None
    """Encoder of a library network, such as resnet34."""
    width: int | None = None
    """Channels of the first level, for networks that have a choice; by default those of the publication."""
    weights: str = "none"
    """Start of the encoder: none, imagenet, or a file of weights (.safetensors, .pt, .pth)."""
    epochs: int = 50
    """Passes over the training chips, at most."""
    batch: int = 8
    """Chips a step."""
    steps_per_epoch: int | None = None
    """Steps an epoch; by default those of one pass over the training chips."""
    loss: Literal["auto", "ce", "dice", "ce+dice", "bce"] = "auto"
    """Cross entropy, Dice, their sum, or binary cross entropy for overlapping classes; ignored pixels count in none."""
    balance: Literal["none", "inverse", "median", "effective"] = "none"
    """Weights of classes in the loss, against their frequency: inverse, median frequency, effective number."""
    repeat_rare: float = 0.0
    """Chips with a class that is in less than this share of the chips come more than once an epoch; 0 for never."""
    mix: tuple[str, ...] = ()
    """More chips to draw from, with their share against 1 for the first ones: whole-chips=0.5."""
    optimizer: Literal["adam", "adamw", "adamax", "nadam", "sgd"] = "adamw"
    """Optimiser."""
    lr: float = 1e-3
    """Learning rate, at its highest."""
    weight_decay: float = 1e-4
    """Weight decay, for adamw and sgd."""
    schedule: Literal["none", "cosine", "plateau"] = "cosine"
    """Learning rate over time: constant, warm-up then cosine to zero, or x 0.1 on a plateau of 3 epochs."""
    augment: Literal["none", "flips", "d4"] = "d4"
    """Random flips, or flips and quarter turns, of image and label together."""
    patience: int | None = 15
    """Stop when the validation loss has not fallen for this many epochs."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network; auto takes bf16 where the processor has it."""
    device: str = "auto"
    """auto, cpu or cuda."""
    seed: int = 0
    """Seed of weights, order and augmentation."""

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, batch=self.batch, patience=self.patience, width=self.width)
        at_least(1, steps_per_epoch=self.steps_per_epoch)
        at_least(0, weight_decay=self.weight_decay, clip=self.clip, seed=self.seed)
        at_least(1e-12, lr=self.lr)
        between(0, 1e38, lr=self.lr)
        between(0, 1, repeat_rare=self.repeat_rare)
        _ = self.mixed

    @property
    def mixed(self) -> tuple[tuple[Path, float], ...]:
        """Folders of more chips with their shares."""
        return tuple(_mixed(text) for text in self.mix)


def _mixed(text: str) -> tuple[Path, float]:
    folder, equals, share = text.rpartition("=")
    try:
        weight = float(share) if equals else 1.0
    except ValueError:
        weight = -1.0
    if not 0 < weight < 1e6:
        raise ConfigError(f"--mix {text!r} is not FOLDER=SHARE with a positive share; for example --mix whole=0.5")
    return Path(folder if equals else text), weight
