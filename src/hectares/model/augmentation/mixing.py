"""Chips made of several chips. Labels are cut and put together, never averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.model.augmentation.warp import Sample

Mix = Callable[[Sample, Callable[[], Sample], np.random.Generator, Sequence[float]], Sample]
"""Mixes a chip with others of its shape, which the second argument gives."""


def rectangle(rng: np.random.Generator, shape: tuple[int, ...], smallest: float, largest: float) -> tuple[slice, slice]:
    """Draw a rectangle within a chip (h, w) whose sides are such shares of the sides of the chip; 1 px at least."""
    spans = []
    for size in shape:
        side = min(size, max(1, round(size * rng.uniform(smallest, largest))))
        start = int(rng.integers(size - side + 1))
        spans.append(slice(start, start + side))
    rows, cols = spans
    return rows, cols


def _mosaic(sample: Sample, other: Callable[[], Sample], rng: np.random.Generator, values: Sequence[float]) -> Sample:
    """Four chips that meet at a point somewhere in the middle; each pixel stays at its place in its chip."""
    del values
    height, width = sample[1].shape
    row, col = (int(size * rng.uniform(0.25, 0.75)) for size in (height, width))
    quarters = [
        (rows, cols) for rows in (slice(0, row), slice(row, None)) for cols in (slice(0, col), slice(col, None))
    ]
    mixed = _own(sample)
    for index in rng.permutation(4)[1:]:
        _put(mixed, other(), quarters[index])
    return mixed


def _cutmix(sample: Sample, other: Callable[[], Sample], rng: np.random.Generator, values: Sequence[float]) -> Sample:
    """A rectangle of another chip. Source: Yun et al. 2019 (CutMix), with labels of pixels."""
    mixed = _own(sample)
    _put(mixed, other(), rectangle(rng, sample[1].shape, values[0] / 2, values[0]))
    return mixed


def _classmix(sample: Sample, other: Callable[[], Sample], rng: np.random.Generator, values: Sequence[float]) -> Sample:
    """Half of the classes of another chip, cut out along their borders. Source: Olsson et al. 2021 (ClassMix)."""
    del values
    donor = other()
    label = donor[2]
    planes = label.ndim == 3
    present = np.flatnonzero((label == 1).any(axis=(1, 2))) if planes else np.unique(label[label != IGNORE])
    if not len(present):
        return sample
    chosen = rng.permutation(present)[: (len(present) + 1) // 2]
    where = (label[chosen] == 1).any(axis=0) if planes else np.isin(label, chosen)
    mixed = _own(sample)
    _put(mixed, donor, where)
    return mixed


MIXES: Mapping[str, Mix] = {"mosaic": _mosaic, "cutmix": _cutmix, "classmix": _classmix}


def _own(sample: Sample) -> Sample:
    image, valid, label = sample
    return image.copy(), valid.copy(), label.copy()


def _put(target: Sample, source: Sample, where: tuple[slice, slice] | NDArray[np.bool_]) -> None:
    """Copy pixels of one chip to the same places of another, in place."""
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = list(zip(target, source, strict=True))
    for into, taken in pairs:
        if isinstance(where, tuple):
            into[..., *where] = taken[..., *where]
        else:
            np.copyto(into, taken, where=where)
