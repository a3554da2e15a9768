"""Knobs of `train`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How chips become a segmenter."""

    bands: str = "all"
    """Bands of the chips to learn from, by 1-based number or name, in order: red,green,blue."""
    network: str = "unet-elu"
    """Name of the network; `hectares networks` lists them."""
    encoder: str | None = None
    """Encoder of a library network, such as resnet34."""
    width: int | None = None
    """Channels of the first level, for networks that have a choice; by default those of the publication."""
    network_option: tuple[str, ...] = ()
    """What else a network can be told, as NAME=VALUE; `hectares networks NAME` lists it; may be given several times."""
    weights: str = "none"
    """Start of the encoder: none, imagenet, a set of `hectares weights`, hf-hub:ORG/NAME, or FILE[#sha256=HEX]."""
    weights_bands: str | None = None
    """Bands that the weights take, in their order, where they do not say: rgb, sentinel-2, or B02,B03,B04."""
    weights_download: bool = False
    """Fetch named weights if they are not on this machine."""
    freeze_epochs: int | Literal["all"] = 0
    """Epochs in which the encoder stays as it is; all for the whole training."""
    unfreeze_every: int = 0
    """Epochs from one stage of the encoder that begins to learn to the next, the deepest first; 0 for all at once."""
    encoder_lr: float | None = None
    """Learning rate of the encoder at its highest, if not that of the rest."""
    epochs: int = 50
    """Passes over the training chips, at most."""
    batch: int | Literal["auto"] = 8
    """Chips a step and device; auto takes the largest that fits on the GPU, 8 on a processor."""
    accumulate: int = 1
    """Batches whose gradients are added up before a step."""
    steps_per_epoch: int | None = None
    """Steps an epoch; by default those of one pass over the training chips."""
    loss: str = "auto"
    """A loss or a sum of some: ce, ce+dice, bce+0.5*jaccard, focal(gamma=2); ignored pixels count in none."""
    pixel_weights: str = "none"
    """Weights of pixels in the loss: none, borders (between close objects), size (small objects), borders+size."""
    balance: Literal["none", "inverse", "median", "effective"] = "none"
    """Weights of classes in the loss, against their frequency: inverse, median frequency, effective number."""
    repeat_rare: float = 0.0
    """Chips with a class that is in less than this share of the chips come more than once an epoch; 0 for never."""
    only: str | None = None
    """Learn this class against all others, as a segmenter of two classes."""
    mix: tuple[str, ...] = ()
    """More chips to draw from, with their share against 1 for the first ones: whole-chips=0.5."""
    optimizer: Literal["adam", "adamw", "adamax", "nadam", "sgd"] = "adamw"
    """Optimizer."""
    lr: float = 1e-3
    """Learning rate, at its highest."""
    weight_decay: float = 1e-4
    """Weight decay, for adamw and sgd."""
    momentum: float = 0.9
    """Momentum, for sgd."""
    schedule: Literal["none", "cosine", "poly", "plateau", "drop"] = "cosine"
    """Learning rate over time: constant, cosine or polynomial to zero, cut on a plateau or at --drop-at."""
    drop_at: tuple[int, ...] = ()
    """Epochs after which the learning rate is a tenth, for drop; may be given several times."""
    warm_up: float | None = None
    """Share of the steps in which the learning rate rises to its highest; by default 0.05 for cosine and poly."""
    plateau_patience: int = 3
    """Epochs without a lower validation loss before the learning rate is cut, for plateau."""
    plateau_factor: float = 0.1
    """What the learning rate is multiplied by on a plateau."""
    smallest_lr: float = 0.0
    """The learning rate is not cut below this, for plateau."""
    augment: str = "d4"
    """Random changes of image and label together: none, flips, d4, light, strong, or steps such as d4+rotate(45)."""
    patience: int | None = 15
    """Stop when the best epoch is this many epochs ago; 0 for never."""
    choose_by: Literal["loss", "miou"] = "loss"
    """What makes an epoch the best one: the lowest validation loss, or the highest mean IoU."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    ema: float = 0.0
    """Decay of a running mean of the weights that is validated and kept in their place, such as 0.999; 0 for none."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network; auto takes bf16 where the processor has it."""
    device: str = "auto"
    """auto, cpu or cuda."""
    devices: int = 1
    """Number of devices on a machine that train together."""
    nodes: int = 1
    """Number of machines that train together; start the same command on each with torchrun or SLURM."""
    compile: bool = False
    """Compile the network before training: slow to begin, faster on a GPU."""
    threads: int | None = None
    """Threads that read chips ahead; by default 1 on a processor, 8 for a GPU."""
    log: tuple[Literal["tensorboard", "mlflow"], ...] = ()
    """Where to log besides history.csv; the logs lie in the folder of the run."""
    checkpoint_minutes: float = 5.0
    """Time between checkpoints within an epoch, from which a killed run goes on."""
    seed: int = 0
    """Seed of weights, order and augmentation."""

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, batch=None if self.batch == "auto" else self.batch)
        at_least(1, steps_per_epoch=self.steps_per_epoch, accumulate=self.accumulate, width=self.width)
        at_least(1, plateau_patience=self.plateau_patience, devices=self.devices, nodes=self.nodes)
        at_least(0, weight_decay=self.weight_decay, clip=self.clip, seed=self.seed, threads=self.threads)
        at_least(0, patience=self.patience, checkpoint_minutes=self.checkpoint_minutes, smallest_lr=self.smallest_lr)
        between(0, 0.999999, ema=self.ema, momentum=self.momentum, warm_up=self.warm_up)
        at_least(0, freeze_epochs=None if self.freeze_epochs == "all" else self.freeze_epochs)
        at_least(0, unfreeze_every=self.unfreeze_every)
        between(1e-12, 1e38, encoder_lr=self.encoder_lr)
        between(1e-6, 1, plateau_factor=self.plateau_factor)
        at_least(1e-12, lr=self.lr)
        between(0, 1e38, lr=self.lr)
        between(0, 1, repeat_rare=self.repeat_rare)
        if bool(self.drop_at) != (self.schedule == "drop"):
            raise ConfigError("--schedule drop and --drop-at go together: --schedule drop --drop-at 25")
        _ = self.mixed

    @property
    def mixed(self) -> tuple[tuple[Path, float], ...]:
        """Folders of more chips with their shares."""
        return tuple(_mixed(text) for text in self.mix)


def name_of(place: str) -> str:
    """Give the last part of a path, which says nothing of the machine; names of a hub stay whole.

    >>> name_of("/home/ann/weights/b0.pth"), name_of("imagenet"), name_of("hf-hub:timm/b0")
    ('b0.pth', 'imagenet', 'hf-hub:timm/b0')
    """
    return place if place.startswith("hf-hub:") else PurePath(place).name


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """Give the options as artefacts keep them: files and folders by name alone, for artefacts leave the machine."""
    return asdict(config) | {"weights": name_of(config.weights), "mix": [name_of(text) for text in config.mix]}


def _mixed(text: str) -> tuple[Path, float]:
    folder, equals, share = text.rpartition("=")
    try:
        weight = float(share) if equals else 1.0
    except ValueError:
        weight = -1.0
    if not 0 < weight < 1e6:
        raise ConfigError(f"--mix {text!r} is not FOLDER=SHARE with a positive share; for example --mix whole=0.5")
    return Path(folder if equals else text), weight
