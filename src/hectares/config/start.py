"""Knobs of `demo`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """How large and how long the demo is."""

    size_px: int = 2048
    """Side of the two generated scenes, in pixels."""
    epochs: int = 20
    """Training epochs."""
    width: int = 16
    """Channels of the first level of the U-Net."""
    seed: int = 7
    """Seed of the generated town and of the training."""

    def __post_init__(self) -> None:
        at_least(256, size_px=self.size_px)
        at_least(1, epochs=self.epochs, width=self.width)
