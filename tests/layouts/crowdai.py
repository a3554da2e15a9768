"""A tiny copy of the crowdAI layout: three train images, two val images, and every trap on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pycocotools import mask

from factory import save_raster

Trap = Literal[
    "rle-wrong-size", "rle-too-short", "rle-too-long", "rle-negative", "rle-compressed-short", "degenerate", "odd",
    "null", "outside", "dangling-image", "dangling-category", "missing-key", "repeated-annotation", "repeated-image",
]  # fmt: skip
Extra = Literal["crowd", "compressed", "box-only", "lying-box"]

SIDE = 300
COUNTS = {
    "train/000000000000": 40 * 30 + 20 * 30,
    "train/000000000001": 10 * 10 + 20 * 5,
    "train/000000000002": 0,
    "val/000000000000": 62 * 53,
    "val/000000000001": 5 * 7,
}
"""Building pixels of each scene."""


def square(x: float, y: float, width: float, height: float) -> list[float]:
    """Give a closed ring: the first point stands at its end again."""
    return [x, y, x + width, y, x + width, y + height, x, y + height, x, y]


def annotation(number: int, image: int, *rings: list[float], **fields: Any) -> dict[str, Any]:
    """Give an annotation of the category building, with a true box around its rings."""
    xs, ys = [x for ring in rings for x in ring[::2]], [y for ring in rings for y in ring[1::2]]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] if rings else [1, 1, 5, 5]
    return {
        "id": number, "image_id": image, "segmentation": list(rings), "area": box[2] * box[3], "bbox": box,
        "category_id": 100, "iscrowd": 0,
    } | fields  # fmt: skip


def coco(images: int, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the content of an annotation file of images of 300 x 300 px."""
    return {
        "info": {"contributor": "generated"},
        "categories": [{"id": 100, "name": "building", "supercategory": "building"}],
        "images": [{"id": i, "file_name": f"{i:012d}.jpg", "width": SIDE, "height": SIDE} for i in range(images)],
        "annotations": annotations,
    }


def train_content() -> dict[str, Any]:
    """Two squares that touch; two rings in one annotation; nothing."""
    return coco(
        3,
        [
            annotation(0, 0, square(50, 60, 40, 30)),
            annotation(1, 0, square(90, 60, 20, 30)),
            annotation(2, 1, square(10, 20, 10, 10), square(200, 250, 20, 5)),
        ],
    )


def val_content() -> dict[str, Any]:
    """The example of the challenge, whose box lies, and a small one; the ids are those of train again."""
    example = annotation(0, 0, square(32, 25, 62, 53), area=3286.0, bbox=[32, 32, 62, 62])
    return coco(2, [example, annotation(1, 1, square(0, 293, 5, 7))])


def add_trap(content: dict[str, Any], trap: Trap) -> dict[str, Any]:
    """Spoil a content; what is wrong has the annotation id 77, or is at the end of its list."""
    ring = square(5, 5, 9, 9)
    size, pixels = [SIDE, SIDE], SIDE * SIDE
    short = mask.frPyObjects({"size": [10, 20], "counts": [50, 100, 50]}, 10, 20)["counts"].decode()
    shapes: dict[str, Any] = {
        "rle-wrong-size": {"size": [10, 20], "counts": [50, 100, 50]},
        "rle-too-short": {"size": size, "counts": [50, 100]},
        "rle-too-long": {"size": size, "counts": [50, pixels]},
        "rle-negative": {"size": size, "counts": [50, -100, pixels + 50]},
        "rle-compressed-short": {"size": size, "counts": short},
        "degenerate": [[5, 5, 9, 9, 5, 5, 9, 9]],
        "odd": [[5, 5, 9, 5, 9, 9, 1]],
        "null": [[5, 5, 9, None, 9, 9]],
        "outside": [square(400, 5, 9, 9)],
    }
    fields: dict[str, dict[str, Any]] = {
        "dangling-image": {"image_id": 4444},
        "dangling-category": {"category_id": 3},
        "repeated-annotation": {"id": content["annotations"][0]["id"]},
    }
    if trap == "repeated-image":
        content["images"].append(dict(content["images"][0]))
        return content
    bad = annotation(77, 0, ring, **fields.get(trap, {}))
    bad["segmentation"] = shapes.get(trap, bad["segmentation"])
    if trap == "missing-key":
        del bad["image_id"]
    content["annotations"].append(bad)
    return content


def add_extra(content: dict[str, Any], extra: Extra, image: int = 2) -> dict[str, Any]:
    """Add something unusual but right; its shape covers 6 x 4 = 24 px at column 100, row 200."""
    pixels = np.zeros((SIDE, SIDE), np.uint8, order="F")
    pixels[200:204, 100:106] = 1
    flat = pixels.ravel(order="F")
    runs = np.diff(np.flatnonzero(np.diff(flat, prepend=1 - flat[0], append=1 - flat[-1]))).tolist()
    shape: Any = [square(100, 200, 6, 4)]
    if extra == "crowd":
        shape = {"size": [SIDE, SIDE], "counts": runs}
    elif extra == "compressed":
        shape = {"size": [SIDE, SIDE], "counts": mask.encode(pixels)["counts"].decode()}
    elif extra == "box-only":
        shape = []
    box = [0, 0, 9, 9] if extra == "lying-box" else [100, 200, 6, 4]
    entry = annotation(88, image, bbox=box, iscrowd=int(extra == "crowd"))
    content["annotations"].append(entry | {"segmentation": shape})
    return content


def write_crowdai(
    folder: Path, *, train: dict[str, Any] | None = None, val: dict[str, Any] | None = None, project: bool = False
) -> Path:
    """Write the layout as it is downloaded, or as the tree of an older project."""
    contents = {"train": train or train_content(), "val": val or val_content()}
    for split, content in contents.items():
        word = split.capitalize()
        notes = folder / "Data/raw/Annotations" / word if project else folder / split
        images = folder / "Data/raw/Image" / word / "Images" if project else folder / split / "images"
        notes.mkdir(parents=True, exist_ok=True)
        images.mkdir(parents=True, exist_ok=True)
        (notes / "annotation.json").write_text(json.dumps(content))
        small = content | {"images": content["images"][:1]}
        small["annotations"] = [a for a in content["annotations"] if a.get("image_id") == 0]
        (notes / "annotation-small.json").write_text(json.dumps(small))
        for entry in content["images"]:
            path = images / entry["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                save_raster(path, np.full((3, SIDE, SIDE), 40 + 10 * entry["id"] + 5 * (split == "val"), np.uint8))
    test = folder / ("Data/raw/Image/Test" if project else "test_images")
    test.mkdir(parents=True, exist_ok=True)
    save_raster(test / "000000000000.jpg", np.full((3, SIDE, SIDE), 9, np.uint8))
    return folder
