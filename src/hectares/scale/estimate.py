"""What a prediction will take, found out by one batch: time, memory, disk."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from hectares.scale.plan import WorkPlan
from hectares.scale.stream import AHEAD, BEHIND, READERS
from hectares.scale.tiles import Prepared, TileWork, kept_dtype, part_of

_TRIED = 9
_FILE_CACHE = 64 * 2**20
_OVERVIEWS = 4 / 3


@dataclass(frozen=True)
class Cost:
    """What a prediction takes on this machine, as far as one batch can tell."""

    batches: int
    seconds_a_batch: float
    minutes: float
    """If no tile is empty; empty ones are skipped."""
    peak_memory_mib: float
    disk_mib: float
    """At most, while it runs: pixels are compressed, but how well is not known before."""
    tiles: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the numbers as a record."""
        return asdict(self)

    def for_scenes(self, pixels: Sequence[int], merged_px: int) -> Cost:
        """Give what scenes take that are mapped one by one and merged, where this is for the largest of them.

        `pixels` are those of each scene, `merged_px` those of the mosaic; the time to merge is not in it.

        >>> Cost(8, 0.5, 0.1, 300.0, 3.0).for_scenes([30, 60], 80)
        Cost(batches=12, seconds_a_batch=0.5, minutes=0.15, peak_memory_mib=300.0, disk_mib=3.0, tiles={})
        """
        times, kept = sum(pixels) / max(pixels), sum(pixels) * _OVERVIEWS / 2**20
        mapping = self.disk_mib + kept - max(pixels) * _OVERVIEWS / 2**20
        merging = kept + merged_px * (1 + _OVERVIEWS) / 2**20
        return replace(
            self,
            batches=math.ceil(self.batches * times),
            minutes=round(self.minutes * times, 3),
            disk_mib=round(max(mapping, merging), 1),
            tiles={},
        )


def estimate_cost(work: TileWork, plan: WorkPlan) -> Cost:
    """Compute one batch twice, the second time with a watch, and add up what the whole scene takes."""
    prepared, reading = _busy_batch(work, plan)
    answer = work.answer(prepared.images)
    started = time.monotonic()
    answer = work.answer(prepared.images)
    computing = time.monotonic() - started
    deciding = time.monotonic()
    work.decide(prepared, answer)
    deciding = time.monotonic() - deciding
    seconds = max(computing, (reading / READERS), deciding)
    batch_bytes = sum(image.nbytes for image in prepared.images)
    waiting = (AHEAD + READERS) * batch_bytes + BEHIND * (answer.nbytes + batch_bytes)
    peak = _peak_bytes() + waiting + 2 * _FILE_CACHE
    height, width = plan.tiling.tile_shape
    return Cost(
        batches=len(plan),
        seconds_a_batch=round(seconds, 4),
        minutes=round(seconds * len(plan) / 60, 3),
        peak_memory_mib=round(peak / 2**20, 1),
        disk_mib=round(_disk_bytes(work, plan) / 2**20, 1),
        tiles={
            "count": len(plan.tiling),
            "rows": plan.tiling.counts[0],
            "cols": plan.tiling.counts[1],
            "height_px": height,
            "width_px": width,
            "context_px": plan.tiling.context,
            "overcompute": round(plan.tiling.overcompute, 4),
        },
    )


def _busy_batch(work: TileWork, plan: WorkPlan) -> tuple[Prepared, float]:
    """Read batches spread over the scene until one has something to compute."""
    for number in _spread(len(plan)):
        started = time.monotonic()
        prepared = work.read(plan[number])
        if prepared.busy:
            return prepared, time.monotonic() - started
    bands = len(work.source.bands)
    blank = np.zeros((1, bands, *plan.tiling.tile_shape), np.float32)
    tile = plan[0][0]
    part = part_of(tile, work.source.grid, work.decision)
    valid = np.ones(part.shape, np.bool_)
    return Prepared((tile,), [part], [valid], [0], tuple(blank for _ in work.scales)), 0.0


def _spread(count: int) -> Iterator[int]:
    """Numbers from the middle outwards."""
    yield from dict.fromkeys([count // 2, *np.linspace(0, count - 1, _TRIED).round().astype(int).tolist()])


def _disk_bytes(work: TileWork, plan: WorkPlan) -> float:
    """Journal, plain file and result with overviews, all at once."""
    pixels = float(work.source.grid.window.pixels)
    total = pixels * (2 + _OVERVIEWS)
    kept = kept_dtype(work.decision)
    if kept is not None:
        journal = plan.tiling.overcompute if work.decision.blended else 1.0
        total += pixels * work.classes * kept.itemsize * journal
    if work.decision.kept != "none":
        total += pixels * work.classes * np.dtype(work.decision.kept).itemsize * (1 + _OVERVIEWS)
    return total


def _peak_bytes() -> int:
    if sys.platform == "win32":  # pragma: no cover - Windows does not tell
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
