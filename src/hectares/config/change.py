"""Knobs of `change`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hectares.config.checks import between, needs


@dataclass(frozen=True, slots=True)
class ChangeConfig:
    """How two class maps become a table of change."""

    map: Path | None = None
    """Also write a class map of the change, whose classes are the pairs that occur: draw a sample from it."""
    other_below: float = 0.0
    """In that map, changes with less than this share of the area are one class, `other change`."""

    def __post_init__(self) -> None:
        between(0.0, 1.0, other_below=self.other_below)
        needs("--map", given=self.map is not None, other_below=self.other_below > 0)
