"""COCO results against COCO annotations: pixels are compared, as pycocotools compares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as masks

from hectares.core.scoring.objects import ObjectSet, Overlaps
from hectares.errors import CatalogError, InputError
from hectares.io.artefact import read_json
from hectares.io.objects.compared import LEAST_IOU, Compared, ObjectFile
from hectares.io.shapes.coco_results import (
    CocoResults,
    ResultFault,
    Runs,
    group_by_image,
    read_results,
    shape_fault,
    to_runs,
)
from hectares.io.shapes.coco_schema import CocoContent, CocoImage, Shapes, pack_annotation, read_content
from hectares.io.shapes.rings import rings_of
from hectares.monitor import Monitor, Problem, track

_SHOWN = 5


def compare_coco(
    predicted: Path, reference: Path, monitor: Monitor, *, least: float = LEAST_IOU, skip_bad: bool = False
) -> Compared:
    """Read both files and find the pairs of masks that overlap.

    Annotations that are broken count as objects that nobody can find, unless `skip_bad` leaves them out.
    Raises CatalogError or InputError naming what makes a file unusable: predictions for unknown images among it.
    """
    truth = _read_truth(reference, monitor, skip_bad=skip_bad)
    results = read_results(predicted)
    results.refuse(results.faults)
    chosen = _known(results, truth, monitor)
    return _compare(results, chosen, truth, least, monitor)


@dataclass(frozen=True)
class _Truth:
    path: Path
    content: CocoContent
    crowd: NDArray[np.bool_]
    """Of `content.shapes`."""
    broken: tuple[tuple[int, int], ...]
    """Image and category (positions) of annotations without a usable shape."""

    @property
    def images(self) -> tuple[CocoImage, ...]:
        return self.content.images


def _read_truth(path: Path, monitor: Monitor, *, skip_bad: bool) -> _Truth:
    content = read_json(path, pack=pack_annotation_with_crowd)
    found = read_content(content)
    if not all(f.skippable for f in found.faults):
        raise CatalogError(f"{path}: {next(f for f in found.faults if not f.skippable)}; mend the file")
    crowds = {i for i, entry in enumerate(content["annotations"]) if isinstance(entry, dict) and entry.get("iscrowd")}
    if found.first_shapeless is not None:
        what = f"{len(found.shapeless)} annotation(s) have no shape, the first is annotations[{found.first_shapeless}]"
        monitor.problem(Problem(str(path), what, "they are left out", "incomplete"))
    broken = _broken(content, found) if not skip_bad else ()
    if found.faults:
        listed = "; ".join(map(str, found.faults[:_SHOWN]))
        remedy = "they are left out" if skip_bad else "they count as missed; --skip-bad leaves them out"
        monitor.problem(Problem(str(path), f"{len(found.faults)} annotation(s) are broken: {listed}", remedy))
    crowd = np.isin(found.shapes.entry, np.array(sorted(crowds), np.int64))
    return _Truth(path, found, crowd, broken)


def pack_annotation_with_crowd(record: dict[str, Any]) -> dict[str, Any]:
    """Give an annotation with its numbers as arrays, and whether it stands for a crowd."""
    packed = pack_annotation(record)
    return packed | {"iscrowd": record["iscrowd"]} if packed is not record and record.get("iscrowd") else packed


def _broken(content: Mapping[str, Any], found: CocoContent) -> tuple[tuple[int, int], ...]:
    """Give image and category of annotations whose shape is broken."""
    at_image = {image.id: n for n, image in enumerate(found.images)}
    at_category = {category.id: n for n, category in enumerate(found.categories)}
    pairs = []
    for fault in found.faults:
        if fault.image is not None:
            entry = content["annotations"][int(fault.place.split("[")[1].split("]")[0])]
            category = at_category.get(entry.get("category_id"))
            if category is not None:
                pairs.append((at_image[entry["image_id"]], category))
    return tuple(pairs)


def _known(results: CocoResults, truth: _Truth, monitor: Monitor) -> NDArray[np.int64]:
    """Give the predictions of categories that the reference has; refuse those of unknown images."""
    ids = np.array([image.id for image in truth.images], np.int64)
    strange = np.flatnonzero(~np.isin(results.images, ids))
    if len(strange):
        first = int(strange[0])
        raise InputError(
            f"{results.path}: [{results.entries[first]}].image_id is {results.images[first]}, which {truth.path.name} "
            f"does not have (its images are {ids.min()} to {ids.max()}; {len(strange)} predictions are like this); "
            "score predictions against the annotations of the same split"
        )
    known = np.isin(results.categories, [c.id for c in truth.content.categories])
    if not known.all():
        listed = ", ".join(map(str, np.unique(results.categories[~known])[:_SHOWN]))
        have = ", ".join(f"{c.id} {c.name}" for c in truth.content.categories[:_SHOWN])
        what = f"{int((~known).sum())} prediction(s) are of category {listed}; {truth.path.name} has {have}"
        monitor.problem(Problem(str(results.path), what, "they are left out, as pycocotools does"))
    return np.flatnonzero(known)


@dataclass
class _Columns:
    """What is collected image by image."""

    images: list[int]
    classes: list[int]
    sizes: list[float]
    ids: list[int]
    boxes: list[NDArray[np.float64]]

    @classmethod
    def empty(cls) -> _Columns:
        return cls([], [], [], [], [])

    def add(self, image: int, category: int, number: int, runs: Runs | None) -> None:
        self.images.append(image)
        self.classes.append(category)
        self.sizes.append(0.0 if runs is None else float(masks.area(runs)))
        self.ids.append(number)
        box = np.zeros(4) if runs is None else masks.toBbox(runs)
        self.boxes.append(np.concatenate([box[:2], box[:2] + box[2:]]))

    def file(self, scores: NDArray[np.float64], crowd: NDArray[np.bool_]) -> ObjectFile:
        classes, images = np.array(self.classes, np.int64), np.array(self.images, np.int64)
        objects = ObjectSet(classes, images, np.array(self.sizes, np.float64), scores, crowd)
        boxes = np.stack(self.boxes) if self.boxes else np.zeros((0, 4))
        return ObjectFile(objects, np.array(self.ids, np.int64), boxes)


def _compare(
    results: CocoResults, chosen: NDArray[np.int64], truth: _Truth, least: float, monitor: Monitor
) -> Compared:
    """Go through the images by id, and compare the masks of each class."""
    order = sorted(range(len(truth.images)), key=lambda i: truth.images[i].id)
    categories = {c.id: k for k, c in enumerate(truth.content.categories)}
    of_image = group_by_image(results.images[chosen])
    predicted, reference = _Columns.empty(), _Columns.empty()
    scores: list[float] = []
    crowd: list[bool] = []
    pairs: list[NDArray[np.float64]] = []
    faults: list[ResultFault] = []
    for number, position in track(list(enumerate(order)), monitor, "comparing masks"):
        image = truth.images[position]
        mine = chosen[of_image.get(image.id, np.zeros(0, np.int64))]
        found = _runs_of_image(results, mine, image, faults)
        objects = _runs_of_truth(truth, position)
        begin, start = len(predicted.ids), len(reference.ids)
        for i, runs in found:
            predicted.add(number, categories[int(results.categories[i])], int(results.entries[i]), runs)
            scores.append(float(results.scores[i]))
        for row, runs in objects:
            shapes = truth.content.shapes
            reference.add(number, int(shapes.category[row]), int(shapes.id[row]), runs)
            crowd.append(bool(truth.crowd[row]))
        pairs += _pairs(predicted, reference, (begin, start), found, objects, crowd, least)
        for _, category in (b for b in truth.broken if b[0] == position):
            reference.add(number, category, -1, None)
            crowd.append(False)
    results.refuse(faults)
    table = np.concatenate(pairs) if pairs else np.zeros((0, 3))
    first, second = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return Compared(
        "coco",
        tuple(c.name for c in truth.content.categories),
        tuple(truth.images[i].file_name for i in order),
        predicted.file(np.array(scores, np.float64), np.zeros(len(scores), np.bool_)),
        reference.file(np.full(len(crowd), np.nan), np.array(crowd, np.bool_)),
        Overlaps(first, second, table[:, 2]),
        None,
        "px",
    )


def _runs_of_image(
    results: CocoResults, mine: NDArray[np.int64], image: CocoImage, faults: list[ResultFault]
) -> list[tuple[int, Runs]]:
    found = []
    for i in mine.tolist():
        fault = shape_fault(results.shapes[i], image)
        if fault is not None:
            faults.append(ResultFault(f"[{results.entries[i]}].segmentation{fault[0]}", *fault[1:]))
        else:
            found.append((i, to_runs(results.shapes[i], image)))
    return found


def _runs_of_truth(truth: _Truth, position: int) -> list[tuple[int, Runs]]:
    """Give the shapes of an image, with their rows, in file order."""
    shapes, image = truth.content.shapes, truth.images[position]
    first, last = np.searchsorted(shapes.image, [position, position + 1]).tolist()
    return [(row, _truth_runs(shapes, row, image)) for row in range(first, last)]


def _truth_runs(shapes: Shapes, row: int, image: CocoImage) -> Runs:
    if shapes.rings[row] == 0:
        counts = shapes.runs[int(shapes.entry[row])]
        return to_runs({"counts": counts}, image)
    numbers, ends = shapes.polygons.points.reshape(-1), 2 * shapes.polygons.ends
    rings = rings_of(shapes.ring[row : row + 1], shapes.rings[row : row + 1])
    found = [numbers[ends[r] : ends[r + 1]] for r in rings.tolist()]
    runs: Runs = masks.merge(masks.frPyObjects(found, image.height, image.width))
    return runs


def _pairs(
    predicted: _Columns,
    reference: _Columns,
    begins: tuple[int, int],
    found: list[tuple[int, Runs]],
    objects: list[tuple[int, Runs]],
    crowd: list[bool],
    least: float,
) -> list[NDArray[np.float64]]:
    """Give predicted, reference and IoU (n, 3) of pairs of one image, class by class."""
    classes = np.array(predicted.classes[begins[0] :], np.int64)
    others = np.array(reference.classes[begins[1] :], np.int64)
    pairs = []
    for k in np.intersect1d(classes, others):
        a, b = np.flatnonzero(classes == k), np.flatnonzero(others == k)
        many = [int(crowd[begins[1] + j]) for j in b]
        iou = masks.iou([found[i][1] for i in a], [objects[j][1] for j in b], many)
        p, r = np.nonzero(iou >= least)
        pairs.append(np.column_stack([begins[0] + a[p], begins[1] + b[r], iou[p, r]]))
    return pairs
