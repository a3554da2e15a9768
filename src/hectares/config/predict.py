"""Knobs of `predict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hectares.config.checks import at_least


@dataclass(frozen=True, slots=True)
class PredictConfig:
    """How a scene becomes a class map."""

    tile_px: int = 1024
    """Side of the windows the network sees, fitted so that equal windows cover the scene."""
    overlap_px: int | None = None
    """Overlap of neighboring windows; half of it is context on each side. By default half a training chip."""
    batch: int = 1
    """Windows a forward pass; on a processor 1 is fastest."""
    bidx: str | None = None
    """Bands of the scene by 1-based number or name, if their names do not say which is which: 3,2,1."""
    gsd_tolerance: float = 0.25
    """Largest relative difference between the pixel size of the scene and of the training images."""
    runtime: Literal["auto", "torch", "onnx"] = "auto"
    """What runs the network; auto takes onnx where the run holds a checked export and there is no GPU, else torch."""
    device: str = "auto"
    """auto, cpu or cuda."""

    def __post_init__(self) -> None:
        at_least(1, tile_px=self.tile_px, batch=self.batch)
        at_least(0, overlap_px=self.overlap_px, gsd_tolerance=self.gsd_tolerance)
