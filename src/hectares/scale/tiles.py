"""The tile function: pixels of a batch of tiles, what the network is shown of them, what is kept of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hectares.core.decision import choose_classes, quantize_scores, softmax_planes
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE
from hectares.core.scene import Chip, RasterSource
from hectares.core.window import Tile, Window

Batch = NDArray[np.float32]
"""(B, C, h, w), scaled, 0 where not valid; or what came of it, (B, K, h, w)."""
ScaleFunction = Callable[[NDArray[Any]], NDArray[np.float32]]
"""(C, h, w) in raster units to what the network sees."""
Answer = Callable[[Sequence[Batch]], Batch]
"""One batch for each network, scaled as it wants, to logits or scores (B, K, h, w)."""
ScoresKept = Literal["none", "uint8", "float32"]
Fault = Literal["broken", "raised", "fatal"]
"""The network gave values that are not finite; it failed; it, or what was read for it, ended the process."""


class Area(Protocol):
    """Where an answer is wanted."""

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels of a window lie inside, (h, w)."""


@dataclass(frozen=True, eq=False)
class Decision:
    """What is kept of an answer."""

    temperature: float | None = None
    """What logits are divided by before they become scores; None if the answer is to be taken as it is."""
    unsure: float | None = None
    """Pixels whose best score is lower get a class of their own, after the last one."""
    kept: ScoresKept = "none"
    factors: NDArray[np.float32] | None = None
    """What the scores of each class (K,) are multiplied by before the largest is taken; kept scores are not."""
    blended: bool = False
    """Keep the scores of whole tiles instead of cores: the classes follow when all are there."""

    def scores(self, answer: Batch) -> Batch:
        """Give the scores of an answer (K, h, w)."""
        return answer if self.temperature is None else softmax_planes(answer, self.temperature)

    def classes(self, scores: Batch, valid: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
        """Give the class of each valid pixel, else 255; None if a score is not finite."""
        weighed = scores if self.factors is None else scores * self.factors[:, None, None]
        indices = choose_classes(weighed, valid)
        if indices is not None and self.unsure is not None:
            indices[valid & (scores.max(axis=0) < self.unsure)] = len(scores)
        return indices

    def keep(self, scores: Batch, valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Give scores as they are kept in a file."""
        if self.kept == "uint8":
            return quantize_scores(scores, valid)
        return np.where(valid, scores, np.float32(np.nan))


@dataclass(frozen=True, eq=False)
class TileWork:
    """All that is needed to compute any batch of a scene, in any process."""

    source: RasterSource
    scales: Sequence[ScaleFunction | None]
    """One for each network; None for the values as they are."""
    answer: Answer
    decision: Decision
    classes: int
    area: Area | None = None

    def read(self, tiles: Sequence[Tile]) -> Prepared:
        """Read a batch and scale it; tiles without a valid pixel that is asked for are left out."""
        parts = [part_of(t, self.source.grid, self.decision) for t in tiles]
        valid = [np.zeros(part.shape, np.bool_) for part in parts]
        chips: dict[int, Chip] = {}
        for i, (tile, part) in enumerate(zip(tiles, parts, strict=True)):
            wanted = None if self.area is None else self.area.mask(part)
            if wanted is not None and not wanted.any():
                continue
            chip = self.source.read(tile.read)
            seen = chip.valid[part.within(tile.read).slices]
            valid[i] = seen if wanted is None else seen & wanted
            if valid[i].any():
                chips[i] = chip
        images = tuple(_stack([_scaled(chip, scale) for chip in chips.values()]) for scale in self.scales)
        return Prepared(tuple(tiles), parts, valid, list(chips), images if chips else ())

    def decide(self, prepared: Prepared, answer: Batch | None) -> list[TileResult]:
        """Give what is kept of each tile of a batch; `answer` is None if no tile was busy."""
        results = [self._nothing(part) for part in prepared.parts]
        if answer is None:
            return results
        for raw, i in zip(answer, prepared.busy, strict=True):
            tile, part, valid = prepared.tiles[i], prepared.parts[i], prepared.valid[i]
            planes = raw[:, *part.within(tile.read).slices]
            scores = self.decision.scores(planes)
            indices = self.decision.classes(scores, valid)
            if indices is None:
                results[i] = self._nothing(part, fault="broken")
            elif self.decision.blended:
                results[i] = TileResult(indices, np.where(valid, scores, np.float32(np.nan)).astype(np.float16))
            elif self.decision.kept != "none":
                results[i] = TileResult(indices, self.decision.keep(scores, valid))
            else:
                results[i] = TileResult(indices)
        return results

    def run(self, tiles: Sequence[Tile]) -> list[TileResult]:
        """Compute a batch from beginning to end."""
        prepared = self.read(tiles)
        return self.decide(prepared, self.answer(prepared.images) if prepared.busy else None)

    def nothing(self, tile: Tile, *, fault: Fault) -> TileResult:
        """Give what is kept of a tile that is left out."""
        return self._nothing(part_of(tile, self.source.grid, self.decision), fault=fault)

    def _nothing(self, part: Window, *, fault: Fault | None = None) -> TileResult:
        indices = np.full(part.shape, IGNORE, np.uint8)
        kind = kept_dtype(self.decision)
        if kind is None:
            return TileResult(indices, fault=fault)
        fill = IGNORE if kind.kind == "u" else np.nan
        return TileResult(indices, np.full((self.classes, *part.shape), fill, kind), fault=fault)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A batch that was read."""

    tiles: tuple[Tile, ...]
    parts: list[Window]
    """What each tile answers for, in the frame of the scene."""
    valid: list[NDArray[np.bool_]]
    """Pixels of the parts that get an answer."""
    busy: list[int]
    """Tiles that are sent through the network."""
    images: tuple[Batch, ...]
    """The busy ones, once for each network; empty if there are none."""


@dataclass(frozen=True, eq=False)
class TileResult:
    """What is kept of one tile."""

    indices: NDArray[np.uint8]
    """(h, w) class indices of its part; 255 for no answer."""
    scores: NDArray[Any] | None = None
    """(K, h, w), as `kept_dtype` says."""
    fault: Fault | None = None
    """Why there is no answer where there should be one."""


def kept_dtype(decision: Decision) -> np.dtype[Any] | None:
    """Give the type of the scores that are kept of each tile; None if none are."""
    if decision.blended:
        return np.dtype(np.float16)
    return None if decision.kept == "none" else np.dtype(decision.kept)


def part_of(tile: Tile, grid: Grid, decision: Decision) -> Window:
    """Give what a tile answers for: its core, or all that it sees of the scene if answers are blended."""
    return tile.read & grid.window if decision.blended else tile.core


def _scaled(chip: Chip, scale: ScaleFunction | None) -> NDArray[np.float32]:
    image = chip.image.astype(np.float32) if scale is None else scale(chip.image)
    if chip.valid.all():
        return image
    masked: NDArray[np.float32] = image * chip.valid
    return masked


def _stack(images: Sequence[NDArray[np.float32]]) -> Batch:
    """Give one batch of images; a single one is not copied."""
    if len(images) == 1:
        return images[0][None]
    return np.stack(images) if images else np.empty((0, 0, 0, 0), np.float32)
