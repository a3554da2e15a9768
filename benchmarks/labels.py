"""Labels to masks, against the way that everybody writes first, in one run.

COCO -> masks: images as in crowdAI, ours against one `annToMask` an annotation; both start from a parsed file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from pycocotools.coco import COCO

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.catalog import CocoLabel, LabelRules
from hectares.io.shapes.coco import open_coco, read_coco

SIDE = 300


def make_coco(path: Path, images: int, polygons: int = 9) -> int:
    """Write outlines of buildings, most of them rectangles at an angle; gives how many."""
    rng = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    for image in range(images):
        for _ in range(rng.poisson(polygons)):
            corners = 4 if rng.random() < 0.6 else int(rng.integers(5, 14))
            angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
            radius = rng.uniform(6, 25) * rng.uniform(0.7, 1.0, corners)
            points = (
                rng.uniform(25, SIDE - 25, 2) + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
            )
            ring = points.round(2)
            ring = np.concatenate([ring, ring[:1]])
            low, size = ring.min(axis=0), np.ptp(ring, axis=0)
            annotations.append(
                {
                    "id": len(annotations), "image_id": image, "segmentation": [ring.ravel().tolist()],
                    "area": float(size.prod()), "bbox": [*low, *size], "category_id": 100, "iscrowd": 0,
                }
            )  # fmt: skip
    names = [{"id": i, "file_name": f"{i:012d}.jpg", "width": SIDE, "height": SIDE} for i in range(images)]
    categories = [{"id": 100, "name": "building"}]
    path.write_text(json.dumps({"images": names, "annotations": annotations, "categories": categories}))
    return len(annotations)


def ours(path: Path, images: int) -> Iterator[np.ndarray]:
    legend, grid = Legend.of({0: "background", 1: "building"}), Grid(None, Affine.identity(), (SIDE, SIDE))
    rules = LabelRules(background="background")
    for image in range(images):
        yield open_coco(CocoLabel(path, image), legend, rules, grid).burn(grid.window)[1]


def naive(coco: COCO, images: int) -> Iterator[np.ndarray]:
    for image in range(images):
        mask = np.zeros((SIDE, SIDE), np.bool_)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image)):
            mask |= coco.annToMask(annotation).astype(np.bool_)
        yield mask


def quiet_coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bench_coco(images: int, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"read": [], "read_pycocotools": [], "masks": [], "ann_to_mask": []}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools, in its decoder
        paths = [Path(name) / f"{n}.json" for n in range(rounds)]  # a file is read once
        for path in paths:
            polygons = make_coco(path, images)
            seconds["read"].append(seconds_of(lambda path=path: read_coco(path)))
            seconds["read_pycocotools"].append(seconds_of(lambda path=path: quiet_coco(path)))
            theirs = quiet_coco(path)
            seconds["masks"].append(seconds_of(lambda path=path: deque(ours(path, images), maxlen=0)))
            seconds["ann_to_mask"].append(seconds_of(lambda t=theirs: deque(naive(t, images), maxlen=0)))
        same = zip(ours(paths[0], images), naive(quiet_coco(paths[0]), images), strict=True)
        assert all(np.array_equal(a, b) for a, b in same), "the masks differ"
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    print(f"COCO -> masks: {images:,} images of {SIDE} px, {polygons:,} polygons, equal to the pixel")
    for key, value in medians.items():
        print(f"  {key:<18} {1000 * value:8.1f} ms")
    whole = (medians["read_pycocotools"] + medians["ann_to_mask"]) / (medians["read"] + medians["masks"])
    ratios = {"ann_to_mask_over_ours": medians["ann_to_mask"] / medians["masks"], "with_reading": whole}
    return {"polygons": polygons, "seconds": medians, **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps({"coco": bench_coco(given.images, given.rounds)}))


if __name__ == "__main__":
    main()
