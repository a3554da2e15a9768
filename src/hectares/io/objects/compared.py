"""What readers of objects give: predicted and reference objects of the same classes, and which overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.scoring.objects import ObjectSet, Overlaps
from hectares.monitor import Monitor, track

Kind = Literal["coco", "spacenet", "vector"]
Geometries = NDArray[np.object_]

LEAST_IOU = 0.5
"""Pairs below never count, unless a lower IoU is asked for."""
_AT_ONCE = 200_000
"""Pairs that are intersected at once."""


@dataclass(frozen=True)
class ObjectFile:
    """The objects of one file, and what is said of each."""

    objects: ObjectSet
    ids: NDArray[np.int64]
    """(n,) feature id, row, or `id` of the annotation."""
    boxes: NDArray[np.float64]
    """(n, 4) x and y from, x and y to, in the coordinates of the comparison."""
    geometries: Geometries | None = None
    """(n,) in the CRS of the comparison; None for masks."""


@dataclass(frozen=True)
class Compared:
    """Two files of objects on common ground."""

    kind: Kind
    names: tuple[str, ...]
    """Of the classes."""
    images: tuple[str, ...]
    """Of the images; one without a name for a vector file."""
    predicted: ObjectFile
    reference: ObjectFile
    overlaps: Overlaps
    crs: str | None
    unit: str
    """Of sizes: m2, px, or deg2."""


def overlaps_of(predicted: ObjectFile, reference: ObjectFile, least: float, monitor: Monitor) -> Overlaps:
    """Find the pairs of polygons of one class and image whose IoU is at least `least`, by an index of boxes.

    Boxes tell of most neighbors that they overlap too little; only the others are intersected.
    """
    images = np.unique(np.concatenate([predicted.objects.images, reference.objects.images]))
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for image in track(images.tolist(), monitor, "comparing objects"):
        a = np.flatnonzero(predicted.objects.images == image) if len(images) > 1 else np.arange(len(predicted.objects))
        b = np.flatnonzero(reference.objects.images == image) if len(images) > 1 else np.arange(len(reference.objects))
        if len(a) and len(b):
            found += _pairs(predicted, reference, a, b, least)
    if not found:
        nothing = np.zeros(0, np.int64)
        return Overlaps(nothing, nothing, np.zeros(0))
    first, second, iou = (np.concatenate(part) for part in zip(*found, strict=True))
    return Overlaps(first, second, iou)


def _pairs(
    predicted: ObjectFile, reference: ObjectFile, a: NDArray[np.int64], b: NDArray[np.int64], least: float
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    assert predicted.geometries is not None  # masks are compared elsewhere
    assert reference.geometries is not None
    first, second = shapely.STRtree(reference.geometries[b]).query(predicted.geometries[a])
    first, second = a[first], b[second]
    same = predicted.objects.classes[first] == reference.objects.classes[second]
    first, second = first[same], second[same]
    shared = _shared_box(predicted.boxes[first], reference.boxes[second])
    sizes, others = predicted.objects.sizes[first], reference.objects.sizes[second]
    near = shared >= least * np.maximum(sizes, others)
    first, second, sizes, others = first[near], second[near], sizes[near], others[near]
    found = []
    for begin in range(0, len(first), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        p, r = first[part], second[part]
        common = shapely.area(shapely.intersection(predicted.geometries[p], reference.geometries[r]))
        iou = common / (sizes[part] + others[part] - common)
        enough = iou >= least
        found.append((p[enough], r[enough], iou[enough]))
    return found


def _shared_box(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    area: NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=1)
    return area
