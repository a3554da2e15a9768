"""Knobs of `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError

BEST = "best"
"""The run with the highest mean IoU, where the name of a run is asked for."""


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """How runs are compared, and how those of a recipe are trained."""

    recipe: str | None = None
    """Train the runs of a recipe, by name or as a YAML file, and compare them; `hectares recipes` lists them."""
    chips: Path | None = None
    """The chips that finished runs are scored on."""
    split: Literal["train", "val", "test"] = "test"
    """Which of the chips are scored."""
    against: str | None = None
    """The run that differences are counted from, by name, or best; by default the first one."""
    weights: str | None = None
    """What stands for WEIGHTS in a recipe: imagenet, a set of `hectares weights`, hf-hub:ORG/NAME, or FILE."""
    epochs: int | None = None
    """Epochs of every run of a recipe, at most."""
    steps_per_epoch: int | None = None
    """Steps an epoch of every run of a recipe."""
    batch: str | None = None
    """Chips a step of every run of a recipe, or auto."""
    seed: int | None = None
    """Seed of every run of a recipe."""
    train: tuple[str, ...] = ()
    """Another option of `train` for every run of a recipe, as OPTION=VALUE; may be given several times."""
    without: tuple[str, ...] = ()
    """Classes to leave out of the scores, by name; may be given several times."""
    examples: int = 6
    """Chips in the figure: a third each of the worst, the middle and the best, by the mean over the runs."""
    level: float = 0.95
    """Share of cases in which an interval should hold the score."""
    draws: int = 2000
    """How often units are drawn anew for the intervals."""
    device: str = "auto"
    """auto, cpu or cuda, for training and scoring."""

    def __post_init__(self) -> None:
        at_least(0, examples=self.examples, seed=self.seed)
        at_least(1, epochs=self.epochs, steps_per_epoch=self.steps_per_epoch)
        at_least(100, draws=self.draws)
        between(0.5, 0.999, level=self.level)
        if self.recipe is not None and self.chips is not None:
            raise ConfigError("--chips is for finished runs; with --recipe, name the chips first: compare CHIPS OUT")
        if self.recipe is None:
            only: dict[str, object] = {
                "weights": self.weights,
                "epochs": self.epochs,
                "steps_per_epoch": self.steps_per_epoch,
            }
            only |= {"batch": self.batch, "seed": self.seed, "train": self.train or None}
            for name, value in only.items():
                if value is not None:
                    raise ConfigError(f"--{name.replace('_', '-')} is for runs that are trained now; give --recipe")
        _ = self.shared

    def check_against(self, names: Sequence[str]) -> None:
        """Raise ConfigError if differences are asked for from a run that is not among these."""
        if self.against is not None and self.against not in {*names, BEST}:
            known = ", ".join(names)
            raise ConfigError(f"--against {self.against}: there is no such run; runs are {known}, or {BEST}")

    @property
    def shared(self) -> dict[str, str]:
        """Options of `train` for every run, as given here."""
        found = {}
        for text in self.train:
            name, equals, value = text.partition("=")
            if not (equals and name):
                raise ConfigError(f"--train {text!r} is not OPTION=VALUE; for example --train lr=1e-4")
            found[name.strip().replace("-", "_")] = value
        plain = {"epochs": self.epochs, "steps_per_epoch": self.steps_per_epoch, "batch": self.batch, "seed": self.seed}
        for name, number in plain.items():
            if number is not None:
                found[name] = str(number)
        if self.recipe is not None and self.device != "auto":
            found["device"] = self.device
        return found
