"""Scores from counts, by hand and against another library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_f1_score,
    multiclass_jaccard_index,
    multiclass_precision,
    multiclass_recall,
)

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.scoring.scores import Marginals, class_scores, constant_prediction, overall_scores
from strategies import confusions

# Rows reference, columns predicted; nothing about it is symmetric.
MATRIX = np.array([[50, 7, 3], [2, 20, 0], [10, 1, 7]])
TARGET = np.repeat(np.arange(3), MATRIX.sum(axis=1))
PREDS = np.concatenate([np.repeat(np.arange(3), row) for row in MATRIX])


def scores(counts: np.ndarray, averaged: list[bool] | None = None) -> dict[str, float]:
    kept = None if averaged is None else np.array(averaged)
    return {name: value.item() for name, value in overall_scores(Marginals.of(counts), kept).items()}


def test_all_overall_scores_by_hand():
    chance = (60 * 62 + 22 * 28 + 18 * 10) / 100**2
    iou = [50 / 72, 20 / 30, 7 / 21]
    assert scores(MATRIX) == pytest.approx(
        {
            "accuracy": 0.77,
            "balanced_accuracy": (50 / 60 + 20 / 22 + 7 / 18) / 3,
            "mean_iou": sum(iou) / 3,
            "mean_f1": (100 / 122 + 40 / 50 + 14 / 28) / 3,
            "mean_precision": (50 / 62 + 20 / 28 + 7 / 10) / 3,
            "mean_recall": (50 / 60 + 20 / 22 + 7 / 18) / 3,
            "micro_iou": 77 / (200 - 77),
            "micro_f1": 0.77,
            "micro_precision": 0.77,
            "micro_recall": 0.77,
            "kappa": (0.77 - chance) / (1 - chance),
            "weighted_iou": 0.6 * iou[0] + 0.22 * iou[1] + 0.18 * iou[2],
        }
    )


def test_scores_agree_with_torchmetrics():
    target, preds = torch.from_numpy(TARGET), torch.from_numpy(PREDS)
    found = scores(MATRIX)
    for average, prefix in (("macro", "mean"), ("micro", "micro")):
        for score, oracle in (
            ("iou", multiclass_jaccard_index),
            ("f1", multiclass_f1_score),
            ("precision", multiclass_precision),
            ("recall", multiclass_recall),
        ):
            assert found[f"{prefix}_{score}"] == pytest.approx(float(oracle(preds, target, 3, average=average)), 1e-5)
    assert found["balanced_accuracy"] == pytest.approx(float(multiclass_accuracy(preds, target, 3)), 1e-5)
    assert found["weighted_iou"] == pytest.approx(
        float(multiclass_jaccard_index(preds, target, 3, average="weighted")), 1e-5
    )


@given(confusions())
def test_micro_scores_of_one_class_a_pixel_are_the_accuracy(confusion: Confusion):
    found = confusion.overall
    for name in ("micro_f1", "micro_precision", "micro_recall"):
        assert found[name] == pytest.approx(found["accuracy"], nan_ok=True)


def test_a_class_out_of_the_means_still_counts_as_an_error():
    found = scores(MATRIX, [True, True, False])
    assert found["accuracy"] == 0.77
    assert found["mean_iou"] == pytest.approx((50 / 72 + 20 / 30) / 2)
    assert found["micro_precision"] == pytest.approx(70 / 90)
    assert found["micro_recall"] == pytest.approx(70 / 82)


@given(st.lists(confusions(), min_size=1, max_size=4))
def test_a_stack_is_scored_like_each_matrix_by_itself(matrices: list[Confusion]):
    stack = overall_scores(Marginals.of(np.stack([m.counts for m in matrices])))
    by_class = class_scores(Marginals.of(np.stack([m.counts for m in matrices])))
    for n, one in enumerate(matrices):
        assert {k: v[n].item() for k, v in stack.items()} == pytest.approx(one.overall, nan_ok=True)
        assert by_class["iou"][n] == pytest.approx(one.iou, nan_ok=True)


def test_overlapping_classes_have_no_kappa():
    counts = np.array([[[5, 1], [2, 4]], [[9, 0], [3, 0]]])  # each class: no and yes, rows reference
    found = PlaneConfusion(counts).overall
    assert "kappa" not in found
    assert found["accuracy"] == pytest.approx((5 + 4 + 9) / 24)
    assert found["mean_iou"] == pytest.approx((4 / 7 + 0 / 3) / 2)
    assert found["micro_iou"] == pytest.approx(4 / 10)
    assert found["mean_recall"] == pytest.approx((4 / 6 + 0) / 2)
    assert found["mean_precision"] == pytest.approx(4 / 5)  # the second class is never predicted


def test_shares_of_rows_add_up_to_one_where_there_are_pixels():
    found = Confusion(np.array([[6, 2], [0, 0]]))
    assert found.row_shares == pytest.approx(np.array([[0.75, 0.25], [np.nan, np.nan]]), nan_ok=True)


def test_the_floor_is_the_share_of_the_class_that_is_said_everywhere():
    found = Confusion(constant_prediction(MATRIX, 0)).overall
    assert found["accuracy"] == 0.6
    assert found["kappa"] == 0
    assert found["mean_iou"] == pytest.approx(0.6 / 3)
