"""A segmenter whose network is a plain function: the scores of classes are the values of bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.io.artefact import stamp
from hectares.io.segmenter import save_segmenter

BANDS = ("a", "b", "c")


@dataclass
class PlainRuntime:
    """Gives the bands as logits; remembers how many batches it was given."""

    spec: SegmenterSpec
    stop_after: int | None = None
    stride: int = 4
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=lambda: {"runtime": "plain"})

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Give the bands as logits."""
        if self.stop_after is not None and len(self.shapes) >= self.stop_after:
            raise KeyboardInterrupt
        self.shapes.append(image.shape)
        return image


@dataclass
class PlainSegmenter:
    """A stored segmenter, and the runtimes that were opened for it."""

    folder: Path
    stop_after: int | None = None
    runtimes: list[PlainRuntime] = field(default_factory=list)

    @property
    def batches(self) -> int:
        """How many batches were computed so far."""
        return sum(len(r.shapes) for r in self.runtimes)


MakeSegmenter = Callable[..., PlainSegmenter]


def plain_segmenter(monkeypatch: pytest.MonkeyPatch, folder: Path, legend: Legend, **changes: Any) -> PlainSegmenter:
    """Save a segmenter of the bands a, b, c whose runtime is a plain function."""
    folder.mkdir()
    stats = BandStats(BANDS, (100.0,) * 3, (40.0,) * 3, (20.0,) * 3, (180.0,) * 3, (0.0,) * 3, (255.0,) * 3)
    fields = {"stats": stats, "gsd_m": 10.0, "tile_px": 8, "scaling": "none"} | changes
    spec = SegmenterSpec("plain", {}, legend=legend.for_maps(), **fields)
    save_segmenter(folder, spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
    made = PlainSegmenter(folder)

    def open_runtime(stored: Any, **_: object) -> PlainRuntime:
        made.runtimes.append(PlainRuntime(stored.spec, made.stop_after))
        return made.runtimes[-1]

    monkeypatch.setattr("hectares.scale.scene_job.open_runtime", open_runtime)
    return made
