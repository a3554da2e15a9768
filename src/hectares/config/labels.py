"""Knobs of `labels`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: F401 - the command line resolves inherited annotations here
from typing import Literal  # noqa: F401

from hectares.config.source import SourceConfig


@dataclass(frozen=True, slots=True)
class LabelsConfig(SourceConfig):
    """Which label rasters are written."""

    split_classes: bool = False
    """One raster a class, 1 where it is and 0 where not, in a folder of its name, instead of one for all classes."""
    pictures: bool = True
    """Put a PNG in the colors of the classes beside each raster, with a world file where its place is known."""
