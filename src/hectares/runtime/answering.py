"""The answer to a batch: of one network, of several, and of turned and mirrored copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.decision import log_softmax_planes, softmax_planes
from hectares.runtime.protocol import Runtime

Batch = NDArray[np.float32]
ViewSet = Literal["none", "flips", "d4"]
Mean = Literal["arithmetic", "geometric"]


@dataclass(frozen=True, slots=True)
class View:
    """One of the eight ways to lay a square on itself."""

    transpose: bool = False
    flip_rows: bool = False
    flip_cols: bool = False

    def apply(self, batch: Batch) -> Batch:
        """Turn a batch (B, C, h, w)."""
        turned = batch.swapaxes(-1, -2) if self.transpose else batch
        return np.ascontiguousarray(turned[..., :: self._step(self.flip_rows), :: self._step(self.flip_cols)])

    def undo(self, batch: Batch) -> Batch:
        """Turn it back.

        >>> corner = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
        >>> all(np.array_equal(view.undo(view.apply(corner)), corner) for view in VIEWS["d4"])
        True
        """
        back = batch[..., :: self._step(self.flip_rows), :: self._step(self.flip_cols)]
        return back.swapaxes(-1, -2) if self.transpose else back

    @staticmethod
    def _step(flip: bool) -> int:
        return -1 if flip else 1


_FLIPS = tuple(View(flip_rows=rows, flip_cols=cols) for rows in (False, True) for cols in (False, True))
VIEWS: dict[ViewSet, tuple[View, ...]] = {
    "none": _FLIPS[:1],
    "flips": _FLIPS,
    "d4": (*_FLIPS, *(View(transpose=True, flip_rows=v.flip_rows, flip_cols=v.flip_cols) for v in _FLIPS)),
}


@dataclass(frozen=True, eq=False)
class Member:
    """A network, and what its logits are divided by before they become scores."""

    runtime: Runtime
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Answering:
    """Asks every member about every view, and gives the mean of the scores.

    A single member that is asked once gives its logits as they are: see `are_logits`.
    """

    members: Sequence[Member]
    views: tuple[View, ...] = VIEWS["none"]
    mean: Mean = "arithmetic"

    @property
    def are_logits(self) -> bool:
        """True if the answer is logits, False if it is scores."""
        return len(self.members) == len(self.views) == 1

    @property
    def passes(self) -> int:
        """Number of forward passes a batch."""
        return len(self.members) * len(self.views)

    def __call__(self, images: Sequence[Batch]) -> Batch:
        """One batch (B, C, h, w) for each member to logits or scores (B, K, h, w)."""
        if self.are_logits:
            return self.members[0].runtime.logits(images[0])
        total: Batch | None = None
        for member, image in zip(self.members, images, strict=True):
            for view in self.views:
                logits = view.undo(member.runtime.logits(view.apply(image)))
                single = softmax_planes if self.mean == "arithmetic" else log_softmax_planes
                scores = single(logits, member.temperature)
                total = scores if total is None else np.add(total, scores, out=total)
        assert total is not None, "there is a member and a view"
        total /= np.float32(self.passes)
        return total if self.mean == "arithmetic" else softmax_planes(total)
