"""Knobs of `export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """How the exported form is compared with the network it is made from."""

    chips: Path | None = None
    """Folder of chips to compare on; by default what was measured when training ended, or random tiles."""
    split: Literal["train", "val", "test"] = "val"
    """Which of these chips."""
    tool: Literal["any", "deepness"] = "any"
    """Who runs the file: any tool, that scales pixels itself; or Deepness in QGIS, with all it needs in the file."""
