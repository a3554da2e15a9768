"""Knobs of `sample`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least, between, needs
from hectares.errors import ConfigError

EXPECTED_ACCURACY = 0.8
"""User's accuracy of a class nobody said anything about."""


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """How many reference points are drawn from a class map, from what, and what an interpreter gets."""

    size: int | None = None
    """Points to draw; with --after, on top of the earlier ones. Give this, or --target."""
    target: tuple[str, ...] = ()
    """Half of the interval of a class's area wanted, as CLASS=5%, in every zone; may be given several times."""
    allocation: Literal["proportional", "equal", "neyman"] = "proportional"
    """How --size is shared out among strata: by area, evenly, or by area and expected errors."""
    min_per_class: int | None = None
    """Points of a stratum at least; by default 50, or what --size carries, and 30 with --target."""
    expect: tuple[str, ...] = ()
    """User's accuracy expected, as CLASS=0.9, of which the number of points depends; 0.8 by default."""
    confidence: float = 0.95
    """Share of cases in which an interval should hold the area."""
    after: Path | None = None
    """Earlier sample of the same map, labelled: its errors replace --expect, its points are kept, others are added."""
    labels: Path | None = None
    """Labels of the earlier sample, .csv or .geojson, if they are not inside it."""
    zones: str | None = None
    """Vector file of zones, FILE or FILE:LAYER, in any CRS; strata are then classes within zones."""
    zone_field: str | None = None
    """Attribute that names a zone; by default the first text attribute."""
    seed: int = 0
    """Seed of the draw; --after takes that of the earlier sample."""
    scene: Path | None = None
    """Image of the same place, on any grid: writes a page beside the sample on which points are labelled blindly."""
    rgb: str | None = None
    """Bands of the scene shown as red, green and blue, by 1-based number or name: 4,3,2; by default by their names."""
    chip_m: float | None = None
    """Side of the picture of a point in meters; by default 21 pixels of the map."""
    plan: bool = False
    """Say how many points there would be, and write nothing."""
    discard_labels: bool = False
    """Let --overwrite replace a sample that has labels."""

    def __post_init__(self) -> None:
        at_least(1, size=self.size)
        at_least(2, min_per_class=self.min_per_class)
        at_least(0, seed=self.seed)
        at_least(1e-3, chip_m=self.chip_m)
        between(0.5, 0.999, confidence=self.confidence)
        if self.size is not None and self.target:
            raise ConfigError("--size and --target contradict each other; give one of them")
        if self.seed >= 2**63:
            raise ConfigError(f"--seed is {self.seed}; expected less than 2^63")
        if self.labels is not None and self.after is None:
            raise ConfigError("--labels are those of an earlier sample; give it with --after")
        needs("--zones", given=self.zones is not None, zone_field=self.zone_field is not None)
        shown = {"rgb": self.rgb is not None, "chip_m": self.chip_m is not None}
        needs("--scene", given=self.scene is not None, **shown)
        if self.rgb is not None and self.rgb.count(",") not in {0, 2}:
            raise ConfigError(f"--rgb is {self.rgb!r}; expected three bands as in 4,3,2, or one")
        _ = self.targets([]), self.accuracies([])

    def targets(self, names: Sequence[str]) -> dict[str, float]:
        """Give the half-widths asked for by class, as shares; `names` are the classes of the map, if known."""
        return _parsed("--target", "forest=5%", self.target, names, most=10.0)

    def accuracies(self, names: Sequence[str]) -> dict[str, float]:
        """Give the user's accuracies expected by class; `names` are the classes of the map, if known."""
        return _parsed("--expect", "forest=0.9", self.expect, names, most=1.0)


def _parsed(option: str, example: str, texts: Sequence[str], names: Sequence[str], *, most: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        number = _number(value)
        if not (equals and name.strip()) or number is None or not 0 < number <= (most if "%" in value else 1):
            raise ConfigError(f"{option} {text!r} is not CLASS and a share; for example {option} {example}")
        if names and name not in names:
            raise ConfigError(f"{option} {text!r}: the map has no such class; it has {', '.join(names)}")
        if name in found:
            raise ConfigError(f"{option} gives {name} twice")
        found[name] = number
    return found


def _number(text: str) -> float | None:
    """A share written as 0.05 or as 5%.

    >>> _number("5 %"), _number("0.05"), _number("five")
    (0.05, 0.05, None)
    """
    plain, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        return float(plain) / 100 if percent else float(plain)
    except ValueError:
        return None
