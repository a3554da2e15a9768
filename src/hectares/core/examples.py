"""Which chips to look at: a few that together show every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWS = 0.25
"""A chip shows a class if it has this share of the pixels of the chip that has most of it."""
_FULL = 0.5
"""A chip is full if it has this share of the labelled pixels that are usual."""


def choose_examples(class_counts: NDArray[Any] | Sequence[Sequence[int]], limit: int) -> list[int]:
    """Choose at most `limit` chips so that as many classes as possible are seen, then evenly from the rest.

    `class_counts` (N, K) holds the pixels of each class in each chip. Gives row numbers in ascending order.

    >>> choose_examples([[9, 0, 0], [8, 1, 0], [9, 0, 0], [2, 0, 7], [9, 0, 0]], limit=2)
    [1, 3]
    """
    counts = np.asarray(class_counts)
    chosen: list[int] = []
    if not counts.size:
        return list(range(min(limit, len(counts))))
    most = counts.max(axis=0)
    shows = (counts >= np.maximum(_SHOWS * most, 1)) & (most > 0)
    unseen = most > 0
    clarity = (counts / np.maximum(most, 1)).astype(np.float64)
    while unseen.any() and len(chosen) < limit:
        gain = (shows & unseen).sum(axis=1) + 0.5 * np.where(unseen, clarity, 0).sum(axis=1) / counts.shape[1]
        best = int(gain.argmax())
        chosen.append(best)
        unseen &= ~shows[best]
    totals = counts.sum(axis=1)
    full = np.flatnonzero(totals >= _FULL * np.median(totals))  # slivers at the edge of a scene show little
    rest = np.setdiff1d(full, chosen)
    if len(rest) < limit - len(chosen):
        rest = np.setdiff1d(np.arange(len(counts)), chosen)
    more = min(limit - len(chosen), len(rest))
    places = (np.arange(more) * 2 + 1) * len(rest) // (2 * max(more, 1))
    return sorted([*chosen, *rest[places].tolist()])
