"""COCO results against COCO annotations: the numbers of pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from factory import Notes
from hectares.core.scoring.objects import ObjectScores, score_classes
from hectares.errors import CatalogError, InputError
from hectares.io.objects.coco_objects import compare_coco

HEIGHT, WIDTH = 40, 55


def ring(x: float, y: float, width: float, height: float) -> list[float]:
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def truth(*annotations: dict[str, Any], images: int = 1) -> dict[str, Any]:
    return {
        "images": [{"id": i + 1, "file_name": f"{i + 1}.jpg", "height": HEIGHT, "width": WIDTH} for i in range(images)],
        "categories": [{"id": 100, "name": "building"}],
        "annotations": [{"id": n, "iscrowd": 0, "category_id": 100, **a} for n, a in enumerate(annotations, start=1)],
    }


def predicted(image: int, shape: list[float], score: float, category: int = 100) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "segmentation": [shape], "score": score}


def score(folder: Path, reference: Any, predictions: Any, notes: Notes, **options: Any) -> ObjectScores:
    (folder / "truth.json").write_text(json.dumps(reference))
    (folder / "predicted.json").write_text(json.dumps(predictions))
    found = compare_coco(folder / "predicted.json", folder / "truth.json", notes, **options)
    return score_classes(
        found.names, found.predicted.objects, found.reference.objects, found.overlaps, iou=0.5, most=100
    )


def test_average_precision_and_recall_at_an_iou_of_one_half_by_hand(tmp_path: Path, notes: Notes):
    """Boxes of 10 x 6 pixels; one is found, one is shifted by 3 columns (IoU 7/13), one by 4 (IoU 6/14)."""
    reference = truth(
        {"image_id": 1, "segmentation": [ring(2, 3, 10, 6)]},
        {"image_id": 1, "segmentation": [ring(20, 3, 10, 6)]},
        {"image_id": 2, "segmentation": [ring(30, 20, 10, 6)]},
        images=2,
    )
    predictions = [
        predicted(1, ring(2, 3, 10, 6), 0.9),
        predicted(2, ring(34, 20, 10, 6), 0.8),
        predicted(1, ring(23, 3, 10, 6), 0.7),
    ]
    found = score(tmp_path, reference, predictions, notes).overall
    assert (found.found, found.missed, found.false) == (2, 1, 1)
    # hit, miss, hit of 3: 34 recalls (0 to .33) at 1, 33 (.34 to .66) at 2/3, the rest at 0
    assert found.ap50 == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert found.ar50 == pytest.approx(2 / 3)
    assert found.mean_iou == pytest.approx((1 + 7 / 13) / 2)


def random_case(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Objects of two classes on four images, some of them crowds, and predictions near them and elsewhere."""
    rng = np.random.default_rng(seed)
    images = [
        {"id": int(i), "file_name": f"{i}.jpg", "height": HEIGHT, "width": WIDTH} for i in rng.permutation([9, 3, 5])
    ]
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []

    def runs(shape: list[float]) -> dict[str, Any]:
        found = masks.merge(masks.frPyObjects([shape], HEIGHT, WIDTH))
        return found | {"counts": found["counts"].decode()}

    def predict(image: int, category: int, shape: list[float]) -> None:
        value = float(rng.choice([0.1, 0.5, 0.9, rng.random()]))
        predictions.append({"image_id": image, "category_id": category, "segmentation": runs(shape), "score": value})

    def shape() -> list[float]:
        return ring(rng.uniform(0, WIDTH - 12), rng.uniform(0, HEIGHT - 12), *rng.uniform(3, 12, 2))

    for image in images:
        for _ in range(rng.integers(1, 7)):
            drawn, category, crowd = shape(), int(rng.choice([100, 7])), bool(rng.random() < 0.2)
            segmentation = runs(drawn) if crowd else [drawn]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image["id"], "category_id": category, "iscrowd": int(crowd)}
                | {"segmentation": segmentation, "area": 50, "bbox": [0, 0, 1, 1]}
            )
            for _ in range(rng.integers(0, 3)):
                predict(image["id"], category, (np.array(drawn) + rng.normal(0, 0.8, 8)).tolist())
        predict(image["id"], 100, shape())
    categories = [{"id": 100, "name": "a"}, {"id": 7, "name": "b"}, {"id": 8, "name": "never"}]
    return {"images": images, "categories": categories, "annotations": annotations}, predictions


def official(folder: Path, most: int) -> list[float]:
    """AP, AP50, AP75, AR and AR50 of COCOeval."""
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(folder / "truth.json"))
        evaluation = COCOeval(reference, reference.loadRes(str(folder / "predicted.json")), "segm")
        evaluation.params.maxDets = [most]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"][:, :, :, 0, 0], evaluation.eval["recall"][:, :, 0, 0]
    parts = (precision, precision[0], precision[5], recall, recall[0])
    return [float(p[p > -1].mean()) if (p > -1).any() else math.nan for p in parts]


@pytest.mark.parametrize("seed", range(12))
def test_all_numbers_are_those_of_cocoeval(tmp_path: Path, notes: Notes, seed: int):
    reference, predictions = random_case(seed)
    most = (100, 2, 1)[seed % 3]
    (tmp_path / "truth.json").write_text(json.dumps(reference))
    (tmp_path / "predicted.json").write_text(json.dumps(predictions))
    found = compare_coco(tmp_path / "predicted.json", tmp_path / "truth.json", notes)
    ours = score_classes(
        found.names, found.predicted.objects, found.reference.objects, found.overlaps, iou=0.5, most=most
    ).overall
    assert [ours.ap, ours.ap50, ours.ap75, ours.ar, ours.ar50] == pytest.approx(official(tmp_path, most), abs=1e-12)


def test_a_broken_annotation_counts_as_missed_unless_it_is_left_out(tmp_path: Path, notes: Notes):
    reference = truth(
        {"image_id": 1, "segmentation": [ring(2, 3, 10, 6)]}, {"image_id": 1, "segmentation": [[4, 4, 4, 4, 4, 4]]}
    )
    predictions = [predicted(1, ring(2, 3, 10, 6), 0.9)]
    assert score(tmp_path, reference, predictions, notes).overall.missed == 1
    assert "1 annotation(s) are broken: annotations[1]" in str(notes.problems[0])
    assert score(tmp_path, reference, predictions, notes, skip_bad=True).overall.missed == 0


def test_predictions_of_another_split_are_refused(tmp_path: Path, notes: Notes):
    reference = truth({"image_id": 1, "segmentation": [ring(2, 3, 10, 6)]})
    with pytest.raises(InputError, match=r"\[1\].image_id is 7, which truth.json does not have"):
        score(tmp_path, reference, [predicted(1, ring(1, 1, 5, 5), 1), predicted(7, ring(1, 1, 5, 5), 1)], notes)


def test_predictions_of_an_unknown_category_are_left_out_and_told(tmp_path: Path, notes: Notes):
    reference = truth({"image_id": 1, "segmentation": [ring(2, 3, 10, 6)]})
    found = score(tmp_path, reference, [predicted(1, ring(2, 3, 10, 6), 0.9, category=3)], notes)
    assert (found.overall.predicted, found.overall.missed) == (0, 1)
    assert "1 prediction(s) are of category 3; truth.json has 100 building" in str(notes.problems[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "high"}, r"\[0\].score is 'high'; expected a number"),
        ({"image_id": 1.5}, r"\[0\].image_id is 1.5; expected a whole number"),
        ({"segmentation": [[1, 2, 3]]}, r"\[0\].segmentation\[0\] is \[1.0, 2.0, 3.0\]; expected pairs of x and y"),
        (
            {"segmentation": {"size": [40, 55], "counts": [3, 4]}},
            "has counts that sum up to 7; expected 40 x 55 = 2200",
        ),
        ({"segmentation": [[60, 1, 70, 1, 70, 9]]}, r"a ring of x 60 to 70, y 1 to 9; expected a ring that reaches"),
    ],
)
def test_faults_of_predictions_are_named_with_their_place(
    tmp_path: Path, notes: Notes, change: dict[str, Any], message: str
):
    reference = truth({"image_id": 1, "segmentation": [ring(2, 3, 10, 6)]})
    with pytest.raises(InputError, match=message):
        score(tmp_path, reference, [predicted(1, ring(2, 3, 10, 6), 0.9) | change], notes)


def test_a_file_that_is_no_list_is_refused(tmp_path: Path, notes: Notes):
    reference = truth({"image_id": 1, "segmentation": [ring(2, 3, 10, 6)]})
    with pytest.raises(InputError, match="holds a dict with the keys predictions; expected a list"):
        score(tmp_path, reference, {"predictions": []}, notes)


def test_a_reference_without_categories_is_refused(tmp_path: Path, notes: Notes):
    with pytest.raises(CatalogError, match="categories"):
        score(tmp_path, {"images": [], "annotations": []}, [], notes)
