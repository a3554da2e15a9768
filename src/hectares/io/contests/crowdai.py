"""crowdAI mapping challenge: buildings as COCO results.

Source: crowdAI/mapping-challenge-starter-kit, and loadRes of pycocotools, by which submissions were read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from pycocotools import mask as masks

from hectares.errors import CatalogError, ConfigError
from hectares.io.artefact import read_json
from hectares.io.contests.map_objects import MapObjects, ObjectRules, object_mask, open_entry, read_objects
from hectares.io.contests.submission import Fault, MapEntry, listed, match_classes
from hectares.io.shapes.coco_results import compressed, read_results, shape_fault, to_runs
from hectares.io.shapes.coco_schema import CocoImage
from hectares.monitor import Monitor, Problem, track

CLASSES = {"building": 100}
"""`category_id` by name."""
MOST = 100
"""Of an image; the evaluator looks at the surest ones only."""
SIDE_PX = 300
_BOX_PX = 1.0
_DECIMALS = 6

Shapes = Literal["rle", "polygons"]


def read_images(template: Path) -> dict[int, CocoImage]:
    """Give the images of a COCO annotation file by id. Raises CatalogError if it lists none."""
    content = read_json(template)
    entries = content.get("images") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise CatalogError(f"{template}: lists no images; expected a COCO file {{images: [...], ...}}")
    images: dict[int, CocoImage] = {}
    for i, entry in enumerate(entries):
        try:
            image = CocoImage(int(entry["id"]), str(entry["file_name"]), int(entry["height"]), int(entry["width"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CatalogError(
                f"{template}: images[{i}] lacks or garbles {error}; expected id, file_name, height and width"
            ) from error
        images[image.id] = image
    return images


def write_crowdai(
    work: Path,
    entries: Sequence[MapEntry],
    renamed: Mapping[str, str],
    images: Mapping[int, CocoImage] | None,
    monitor: Monitor,
    *,
    shapes: Shapes = "rle",
    rules: ObjectRules = ObjectRules(),  # noqa: B008 - frozen
) -> int:
    """Write the buildings of maps as predictions, the surest 100 of each image; give how many.

    `shapes` are run lengths, which are exact, or polygons, which have no holes.
    """
    numbers = image_numbers(entries, images)
    count = crowded = holes = thin = 0
    with work.open("w", encoding="ascii") as file:
        file.write("[")
        for entry, number in track(list(zip(entries, numbers, strict=True)), monitor, "finding buildings"):
            with open_entry(entry) as opened:
                _refuse_size(entry, opened.grid.shape, None if images is None else images[number])
                wanted = match_classes(entry.path, opened.legend, CLASSES, renamed)
                objects = read_objects(entry, opened, wanted, rules)
            surest = _surest(objects)
            crowded += len(objects) > MOST
            for i in surest.tolist():
                record, hole = _prediction(objects, i, number, CLASSES["building"], shapes)
                if record is None:
                    thin += 1
                    continue
                file.write((",\n" if count else "\n") + json.dumps(record, sort_keys=True, allow_nan=False))
                count += 1
                holes += hole
        file.write("\n]\n")
    if crowded:
        what = f"{crowded} image(s) have more than {MOST} buildings"
        monitor.problem(Problem(str(entries[0].path.parent), what, f"the {MOST} surest of each are written", "note"))
    if thin:
        what = f"{thin} building(s) cover no center of a pixel once they are simplified"
        remedy = "they are left out; a smaller --simplify-px or --shapes polygons keeps them"
        monitor.problem(Problem(str(entries[0].path.parent), what, remedy))
    if holes:
        what = f"{holes} building(s) have holes, which rings of COCO cannot show"
        monitor.problem(Problem(str(entries[0].path.parent), what, "they are filled; --shapes rle keeps them"))
    return count


def image_numbers(entries: Sequence[MapEntry], images: Mapping[int, CocoImage] | None) -> list[int]:
    """Give the image id of each map: that of the image with its name, or the number in the name itself."""
    by_stem = {} if images is None else {Path(image.file_name).stem: image.id for image in images.values()}
    numbers = []
    for entry in entries:
        stem = entry.path.stem
        if images is not None and stem not in by_stem:
            known = listed([image.file_name for image in images.values()], 3)
            raise ConfigError(f"{entry.path}: the template has no image of this name; it has {known}")
        if images is None and not stem.isdecimal():
            raise ConfigError(
                f"{entry.path}: its name is no image id, like 000000000007.tif; name the COCO file that lists the "
                "images with --template"
            )
        numbers.append(by_stem[stem] if images is not None else int(stem))
    twice = [n for n, times in Counter(numbers).items() if times > 1]
    if twice:
        raise ConfigError(f"image {twice[0]} has two maps; give one map an image")
    return numbers


def _refuse_size(entry: MapEntry, shape: tuple[int, int], image: CocoImage | None) -> None:
    if image is not None and shape != (image.height, image.width):
        raise ConfigError(
            f"{entry.path}: has {shape[0]} x {shape[1]} px, its image {image.file_name} {image.height} x {image.width} "
            "(height x width); map the image itself"
        )


def _surest(objects: MapObjects) -> NDArray[np.intp]:
    """Give the surest objects in file order; the largest where no scores are there."""
    keys = objects.scores if np.isfinite(objects.scores).all() else objects.pixels.astype(np.float64)
    return np.sort(np.argsort(-keys, kind="stable")[:MOST])


def _prediction(
    objects: MapObjects, i: int, number: int, category: int, shapes: Shapes
) -> tuple[dict[str, Any] | None, bool]:
    """Give a prediction, None if it has no pixel, and whether it lost a hole."""
    polygon = objects.polygons[i]
    score = 1.0 if np.isnan(objects.scores[i]) else round(float(objects.scores[i]), _DECIMALS)
    record: dict[str, Any] = {"image_id": number, "category_id": category, "score": score}
    if shapes == "polygons":
        left, top, right, bottom = polygon.bounds
        ring = shapely.get_coordinates(polygon.exterior)[:-1]
        box = [left, top, right - left, bottom - top]
        return record | {"bbox": box, "segmentation": [ring.ravel().tolist()]}, len(polygon.interiors) > 0
    mask, window = object_mask(polygon, objects.shape)
    if not mask.any():
        return None, False
    runs = compressed(mask_counts(mask, (window.row, window.col), objects.shape), objects.shape)
    record["bbox"] = masks.toBbox(runs).tolist()
    return record | {"segmentation": {"size": runs["size"], "counts": runs["counts"].decode("ascii")}}, False


def mask_counts(mask: NDArray[np.bool_], corner: tuple[int, int], shape: tuple[int, int]) -> list[int]:
    """Give the lengths of runs of 0 and 1 in turn, columns first, of a mask at a corner of an image.

    >>> mask_counts(np.array([[True, False], [True, True]]), (0, 1), (3, 4))
    [3, 2, 2, 1, 4]
    """
    cols, rows = np.nonzero(mask.T)
    at = (cols + corner[1]) * shape[0] + rows + corner[0]
    breaks = np.flatnonzero(np.diff(at) > 1)
    begins, ends = at[np.r_[0, breaks + 1]], at[np.r_[breaks, len(at) - 1]] + 1
    edges = np.column_stack([begins, ends]).ravel()
    counts: list[int] = np.diff(np.r_[0, edges, shape[0] * shape[1]]).tolist()
    return counts


# --- The check --------------------------------------------------------------------------------------------


def check_crowdai(path: Path, images: Mapping[int, CocoImage] | None) -> tuple[list[Fault], int]:
    """Read a file of predictions; give what the evaluator would not take, and how many predictions there are."""
    results = read_results(path)
    faults = [Fault(f.place, f"is {f.found}", f.expected) for f in results.faults]
    total = len(results) + len(results.faults)
    if total == 0:
        faults.append(Fault("the list", "is empty", "at least one prediction: the evaluator fails without"))
    boxed = [box is not None for box in results.boxes]
    for i in range(len(results)):
        place = f"[{results.entries[i]}]"
        number, category = int(results.images[i]), int(results.categories[i])
        if category not in CLASSES.values():
            faults.append(Fault(f"{place}.category_id", f"is {category}", "100 (building)"))
        if images is not None and number not in images:
            known = f"an id of {len(images)} images, {min(images)} to {max(images)}"
            faults.append(Fault(f"{place}.image_id", f"is {number}", known))
            continue
        size = CocoImage(number, "", SIDE_PX, SIDE_PX) if images is None else images[number]
        fault = shape_fault(results.shapes[i], size)
        if fault is not None:
            faults.append(Fault(f"{place}.segmentation{fault[0]}", f"is {fault[1]}", fault[2]))
        faults += _box_faults(place, results.shapes[i], results.boxes[i], size if fault is None else None)
        if not boxed[i] and boxed[0]:
            faults.append(Fault(place, "has no bbox, the first entry has one", "bbox in all entries, or in none"))
    for number, times in sorted(Counter(results.images.tolist()).items()):
        if times > MOST:
            faults.append(Fault(f"image {number}", f"has {times} predictions", f"at most {MOST} of an image"))
    return faults, total


def _box_faults(place: str, shape: Any, box: Any, size: CocoImage | None) -> list[Fault]:
    if box is None:
        if isinstance(shape, list):
            return [Fault(place, "has rings and no bbox", "bbox [x, y, width, height], which rings are read with")]
        return []
    whole = isinstance(box, list) and len(box) == 4 and all(type(v) in {int, float} for v in box)
    if not whole:
        return [Fault(f"{place}.bbox", f"is {str(box)[:60]}", "[x, y, width, height]")]
    if size is None:
        return []
    true = _box_of(shape, size)
    if np.abs(true - np.array(box, np.float64)).max() > _BOX_PX:
        drawn = ", ".join(f"{v:g}" for v in true)
        return [Fault(f"{place}.bbox", f"is {box}", f"[{drawn}], the box of its segmentation")]
    return []


def _box_of(shape: Any, size: CocoImage) -> NDArray[np.float64]:
    if isinstance(shape, dict):
        box: NDArray[np.float64] = masks.toBbox(to_runs(shape, size))
        return box
    points = np.concatenate([np.array(ring, np.float64).reshape(-1, 2) for ring in shape])
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low])
