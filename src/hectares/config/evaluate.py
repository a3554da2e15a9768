"""Knobs of `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """How a map or a run is scored."""

    split: Literal["train", "val", "test"] = "test"
    """Which chips are scored, when the reference is a folder of chips."""
    without: tuple[str, ...] = ()
    """Classes to leave out of the scores, by name; may be given several times."""
    legend: Path | None = None
    """Legend of a reference raster, if its codes or colors are not those of the map; classes are matched by name."""
    scene: Path | None = None
    """The image of the place, for the pictures of examples when a map is scored."""
    examples: int = 6
    """Pictures of image, reference and prediction in the figure, from the worst to the best."""
    device: str = "auto"
    """auto, cpu or cuda."""

    def __post_init__(self) -> None:
        at_least(0, examples=self.examples)
