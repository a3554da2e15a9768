"""Finished batches of a journal put together, block by block: memory is that of a few batches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.decision import taper
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE
from hectares.core.window import Tile, Window
from hectares.io.journal import BATCH, SCORES, Journal
from hectares.scale.plan import WorkPlan
from hectares.scale.tiles import Decision, TileResult, kept_dtype, part_of

_HELD_BYTES = 32 * 2**20


@dataclass
class Assembly:
    """What the batches of a scene add up to. Batches that are used again soon are held, 32 MiB of them."""

    plan: WorkPlan
    grid: Grid
    journal: Journal
    decision: Decision
    classes: int
    _held: OrderedDict[tuple[str, int], list[NDArray[Any]]] = field(default_factory=OrderedDict)

    def has(self, number: int) -> bool:
        """Tell if a batch is done, with all that is kept of it."""
        kinds = (BATCH,) if kept_dtype(self.decision) is None else (BATCH, SCORES)
        return all(self.journal.has(number, kind) for kind in kinds)

    def keep(self, number: int, results: Sequence[TileResult]) -> None:
        """Put a finished batch into the journal."""
        scores = [r.scores for r in results if r.scores is not None]
        if scores:
            self.journal.put(number, scores, SCORES)
        self.journal.put(number, [] if self.decision.blended else [r.indices for r in results])

    def indices(self, windows: Sequence[Window]) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        """Yield windows and their class indices (h, w)."""
        for window in windows:
            if self.decision.blended:
                scores, valid = self._blend(window)
                found = self.decision.classes(scores, valid)
                assert found is not None, "what is not finite was left out"
                yield window, found
                continue
            indices = np.full(window.shape, IGNORE, np.uint8)
            for tile, batch, place in self._tiles(window):
                core = tile.core & window
                part = self._get(BATCH, batch)[place]
                indices[core.within(window).slices] = part[core.within(tile.core).slices]
            yield window, indices

    def scores(self, windows: Sequence[Window]) -> Iterator[tuple[Window, NDArray[Any]]]:
        """Yield windows and their scores (K, h, w), as they are kept in a file."""
        for window in windows:
            if self.decision.blended:
                yield window, self.decision.keep(*self._blend(window))
                continue
            kind = kept_dtype(self.decision)
            scores = np.empty((self.classes, *window.shape), kind)
            for tile, batch, place in self._tiles(window):
                core = tile.core & window
                part = self._get(SCORES, batch)[place]
                scores[:, *core.within(window).slices] = part[:, *core.within(tile.core).slices]
            yield window, scores

    def _tiles(self, window: Window) -> Iterator[tuple[Tile, int, int]]:
        for number in self.plan.tiling.over(window, reads=self.decision.blended):
            yield self.plan.tiling[number], *self.plan.place(number)

    def _blend(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Give the weighted mean of the scores of all tiles, and where there is any."""
        total = np.zeros((self.classes, *window.shape), np.float32)
        weight = np.zeros(window.shape, np.float32)
        for tile, batch, place in self._tiles(window):
            seen = tile.read & self.grid.window
            shared = seen & window
            here = shared.within(window).slices
            scores = self._get(SCORES, batch)[place][:, *shared.within(seen).slices].astype(np.float32)
            known = np.isfinite(scores[0])
            share = np.where(known, self._weights(tile)[shared.within(tile.read).slices], np.float32(0))
            total[:, *here] += np.where(known, scores, np.float32(0)) * share
            weight[here] += share
        valid = weight > 0
        total /= np.where(valid, weight, np.float32(1))
        return total, valid

    def _weights(self, tile: Tile) -> NDArray[np.float32]:
        """Weights (h, w) of a tile: falling off where it overlaps with others, and nowhere else."""
        overlaps = self.plan.tiling.overlaps(tile)
        rows, cols = (taper(length, *shared) for length, shared in zip(tile.read.shape, overlaps, strict=True))
        return rows[:, None] * cols

    def _get(self, kind: str, number: int) -> list[NDArray[Any]]:
        held = self._held.get((kind, number))
        if held is None:
            shapes: list[tuple[int, ...]] = [part_of(t, self.grid, self.decision).shape for t in self.plan[number]]
            dtype: np.dtype[Any] = np.dtype(np.uint8)
            if kind == SCORES:
                shapes = [(self.classes, *shape) for shape in shapes]
                dtype = kept_dtype(self.decision) or dtype
            held = self._held[kind, number] = self.journal.get(number, shapes, kind, dtype)
            while len(self._held) > 1 and sum(p.nbytes for parts in self._held.values() for p in parts) > _HELD_BYTES:
                self._held.popitem(last=False)
        self._held.move_to_end((kind, number))
        return held
