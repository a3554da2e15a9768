"""COCO results: a list of predicted objects with scores, checked in one pass."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as masks

from hectares.errors import InputError
from hectares.io.artefact import read_json
from hectares.io.shapes.coco_schema import CocoImage, packed_ring
from hectares.io.shapes.rle import rle_fault

EXPECTED = "a list [{image_id, category_id, segmentation, score}, ...]"
_SHOWN = 20
_NUMBERS = {int, float}
Runs = dict[str, Any]
"""Compressed run lengths as pycocotools has them."""


@dataclass(frozen=True, slots=True)
class ResultFault:
    """Something in a file of results that cannot be used."""

    place: str
    """JSON path."""
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.place} is {self.found}; expected {self.expected}"


@dataclass(frozen=True)
class CocoResults:
    """Predictions whose image, category and score are known, in file order; shapes are not looked at yet."""

    path: Path
    entries: NDArray[np.int64]
    """(n,) position in the file."""
    images: NDArray[np.int64]
    """(n,) `image_id`."""
    categories: NDArray[np.int64]
    """(n,) `category_id`."""
    scores: NDArray[np.float64]
    """(n,)."""
    shapes: tuple[Any, ...]
    """(n,) `segmentation` as it stands there."""
    boxes: tuple[Any, ...]
    """(n,) `bbox`, or None."""
    faults: tuple[ResultFault, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def refuse(self, faults: Sequence[ResultFault]) -> None:
        """Raise InputError with these faults, if there are any."""
        if faults:
            listed = "".join(f"\n  {f}" for f in faults[:_SHOWN])
            more = f"\n  ... and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
            raise InputError(f"{self.path}: has {len(faults)} fault(s); mend the program that wrote it:{listed}{more}")


def pack_prediction(record: dict[str, Any]) -> dict[str, Any]:
    """Give a prediction with its rings as arrays, which take less memory; any other object as it is."""
    shape = record.get("segmentation")
    if "image_id" in record and type(shape) is list:
        return record | {"segmentation": [packed_ring(ring) for ring in shape]}
    return record


def read_results(path: Path, content: object = None) -> CocoResults:
    """Read a file of COCO results. Raises InputError if it is no list; faults of its entries stand in `faults`.

    `content` is what was read already, with `pack_prediction`.
    """
    content = read_json(path, pack=pack_prediction) if content is None else content
    if not isinstance(content, list):
        keys = f" with the keys {', '.join(list(content)[:5])}" if isinstance(content, dict) else ""
        raise InputError(f"{path}: holds a {type(content).__name__}{keys}; expected {EXPECTED}")
    faults: list[ResultFault] = []
    rows: list[tuple[int, int, int, float]] = []
    shapes, boxes = [], []
    for i, entry in enumerate(content):
        fault = _entry_fault(entry)
        if fault is not None:
            faults.append(ResultFault(f"[{i}]{fault[0]}", *fault[1:]))
            continue
        rows.append((i, entry["image_id"], entry["category_id"], float(entry["score"])))
        shapes.append(entry["segmentation"])
        boxes.append(entry.get("bbox"))
    entries, images, categories = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    scores = np.array([row[3] for row in rows], np.float64)
    return CocoResults(path, entries, images, categories, scores, tuple(shapes), tuple(boxes), tuple(faults))


def _entry_fault(entry: object) -> tuple[str, str, str] | None:
    """Say what is wrong with an entry apart from its shape: place in it, what was found, what was expected."""
    if not isinstance(entry, dict):
        return "", _short(entry), "an object"
    keys = ("image_id", "category_id", "segmentation", "score")
    missing = [k for k in keys if k not in entry]
    if missing:
        return "", f"an object without {' and '.join(missing)}", f"the keys {', '.join(keys)}"
    for key in keys[:2]:
        if type(entry[key]) is not int or not -(2**63) <= entry[key] < 2**63:
            return f".{key}", _short(entry[key]), "a whole number"
    if type(entry["score"]) not in _NUMBERS or not math.isfinite(entry["score"]):
        return ".score", _short(entry["score"]), "a number"
    if not isinstance(entry["segmentation"], (list, dict)) or not entry["segmentation"]:
        return ".segmentation", _short(entry["segmentation"]), "run lengths {size, counts} or rings [[x1, y1, ...]]"
    return None


def shape_fault(shape: Any, size: CocoImage) -> tuple[str, str, str] | None:
    """Say why a `segmentation` is no shape on an image: place in it, found, expected; None if it is one."""
    if isinstance(shape, dict):
        fault = rle_fault(shape, size.height, size.width)
        wanted = f"run lengths over {size.height} x {size.width} px (height x width)"
        return None if fault is None else ("", f"no mask: it {fault}", wanted)
    for r, ring in enumerate(shape):
        numbers = packed_ring(ring)
        if type(numbers) is not array or len(numbers) < 6 or len(numbers) % 2:
            return f"[{r}]", _short(ring), "pairs of x and y, at least three"
        points = np.frombuffer(numbers, np.float64).reshape(-1, 2)
        if not np.isfinite(points).all():
            return f"[{r}]", "a ring with a number that is not finite", "finite numbers"
        low, high = points.min(axis=0), points.max(axis=0)
        if (high <= 0).any() or (low >= (size.width, size.height)).any():
            found = f"a ring of x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}"
            return f"[{r}]", found, f"a ring that reaches into {size.width} x {size.height} px (width x height)"
        if np.unique(points, axis=0).shape[0] < 3:
            return f"[{r}]", f"{_short(list(ring))}, fewer than 3 distinct points", "a polygon"
    return None


def to_runs(shape: Any, size: CocoImage) -> Runs:
    """Give a checked `segmentation` as compressed run lengths; several rings are their union."""
    if isinstance(shape, dict):
        return compressed(shape["counts"], (size.height, size.width))
    rings = [np.frombuffer(packed_ring(ring), np.float64) for ring in shape]
    runs: Runs = masks.merge(masks.frPyObjects(rings, size.height, size.width))
    return runs


def compressed(counts: str | Sequence[int], shape: tuple[int, int]) -> Runs:
    """Give checked counts of a mask (height, width) in the form that pycocotools works on."""
    if isinstance(counts, str):
        return {"size": list(shape), "counts": counts.encode("ascii")}
    runs: Runs = masks.frPyObjects({"size": list(shape), "counts": list(counts)}, *shape)
    return runs


def group_by_image(images: NDArray[np.int64]) -> Mapping[int, NDArray[np.int64]]:
    """Give the positions of each image, in file order.

    >>> {k: v.tolist() for k, v in group_by_image(np.array([7, 2, 7])).items()}
    {2: [1], 7: [0, 2]}
    """
    order = np.argsort(images, kind="stable")
    values, begins = np.unique(images[order], return_index=True)
    ends = [*begins[1:].tolist(), len(images)]
    return {v: order[b:e] for v, b, e in zip(values.tolist(), begins.tolist(), ends[: len(begins)], strict=True)}


def _short(value: object, longest: int = 60) -> str:
    text = repr(list(value)[:8] if isinstance(value, array) else value)
    return text if len(text) <= longest else f"{text[:longest]}..."
