"""Counts and scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional import cohen_kappa, jaccard_index
from torchmetrics.functional.classification import (
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from hectares.core.confusion import Confusion
from hectares.errors import LegendError
from strategies import confusions, index_maps

# Rows reference, columns predicted; nothing about it is symmetric.
MATRIX = Confusion(np.array([[50, 7, 3], [2, 20, 0], [10, 1, 7]]))


def test_rows_are_reference_and_columns_predicted():
    reference = np.array([[0, 0, 1, 255]], np.uint8)
    predicted = np.array([[1, 1, 0, 0]], np.uint8)
    counted = Confusion.count(reference, predicted, classes=2)
    assert counted.counts.tolist() == [[0, 2], [1, 0]]
    assert counted.counts.dtype == np.int64


def test_scores_by_hand():
    assert MATRIX.reference_pixels.tolist() == [60, 22, 18]
    assert MATRIX.predicted_pixels.tolist() == [62, 28, 10]
    assert MATRIX.total == 100
    assert MATRIX.accuracy == 0.77
    assert MATRIX.iou == pytest.approx([50 / 72, 20 / 30, 7 / 21])
    assert MATRIX.f1 == pytest.approx([100 / 122, 40 / 50, 14 / 28])
    assert MATRIX.precision == pytest.approx([50 / 62, 20 / 28, 7 / 10])
    assert MATRIX.recall == pytest.approx([50 / 60, 20 / 22, 7 / 18])
    assert MATRIX.mean_iou == pytest.approx((50 / 72 + 20 / 30 + 7 / 21) / 3)
    assert MATRIX.mean_f1 == pytest.approx((100 / 122 + 0.8 + 0.5) / 3)
    chance = (60 * 62 + 22 * 28 + 18 * 10) / 100**2
    assert MATRIX.kappa == pytest.approx((0.77 - chance) / (1 - chance))
    assert MATRIX.weighted_iou == pytest.approx(0.6 * 50 / 72 + 0.22 * 20 / 30 + 0.18 * 7 / 21)


@given(st.data())
def test_scores_agree_with_torchmetrics(data: st.DataObject):
    pixels = st.lists(st.integers(0, 3), min_size=40, max_size=40)
    reference, predicted = (np.array(data.draw(pixels), np.uint8) for _ in range(2))
    reference[:4] = range(4)  # every class is in the reference; absent ones have a test of their own
    ours = Confusion.count(reference[None], predicted[None], classes=4)
    target, preds = torch.from_numpy(reference.astype(int)), torch.from_numpy(predicted.astype(int))
    assert ours.counts.tolist() == multiclass_confusion_matrix(preds, target, num_classes=4).tolist()
    iou = jaccard_index(preds, target, task="multiclass", num_classes=4, average="none")
    assert ours.iou == pytest.approx(iou.numpy(), abs=1e-6)
    assert ours.f1 == pytest.approx(multiclass_f1_score(preds, target, 4, average="none").numpy(), abs=1e-6)
    assert ours.recall == pytest.approx(multiclass_recall(preds, target, 4, average="none").numpy(), abs=1e-6)
    precision = multiclass_precision(preds, target, 4, average="none").numpy()
    assert np.nan_to_num(ours.precision) == pytest.approx(precision, abs=1e-6)
    kappa = cohen_kappa(preds, target, task="multiclass", num_classes=4)
    assert ours.kappa == pytest.approx(float(kappa), abs=1e-5)


@given(index_maps(3), index_maps(3), st.integers(1, 4))
def test_counts_add_up_over_parts(reference: np.ndarray, predicted: np.ndarray, row: int):
    whole = Confusion.count(reference, predicted, classes=3)
    upper = Confusion.count(reference[:row], predicted[:row], classes=3)
    lower = Confusion.count(reference[row:], predicted[row:], classes=3)
    assert upper + lower == whole


@given(confusions(), confusions())
def test_adding_leaves_the_terms_alone(a: Confusion, b: Confusion):
    before = a.counts.copy()
    assert (a + b) == (b + a)
    assert (a + b).total == a.total + b.total
    assert np.array_equal(a.counts, before)


@given(index_maps(3), index_maps(3))
def test_ignore_is_never_counted(reference: np.ndarray, predicted: np.ndarray):
    counted = Confusion.count(reference, predicted, classes=3)
    observed = reference != 255
    assert counted.total == (observed & (predicted != 255)).sum()
    assert counted.unmapped == (observed & (predicted == 255)).sum()


def test_a_class_that_is_nowhere_has_no_score_and_is_in_no_mean():
    absent = Confusion(np.array([[3, 0, 1], [0, 0, 0], [0, 0, 4]]))
    for scores in (absent.iou, absent.f1, absent.precision, absent.recall):
        assert np.isnan(scores[1])
        assert not np.isnan(scores[[0, 2]]).any()
    assert absent.mean_iou == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert absent.mean_f1 == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert absent.weighted_iou == pytest.approx((4 * 3 / 4 + 4 * 4 / 5) / 8)


def test_a_class_that_is_only_predicted_scores_0_not_nothing():
    wrong = Confusion(np.array([[3, 1], [0, 0]]))
    assert wrong.iou.tolist() == [0.75, 0]
    assert np.isnan(wrong.recall[1])
    assert wrong.mean_iou == 0.375


def test_nothing_counted_has_no_score():
    empty = Confusion.empty(2)
    scores = (empty.accuracy, empty.mean_iou, empty.mean_f1, empty.kappa, empty.weighted_iou)
    assert np.isnan(scores).all()
    assert empty.total == 0


def test_kappa_of_a_single_class_is_undefined():
    assert np.isnan(Confusion(np.array([[5]])).kappa)


def test_without_a_class_its_pixels_are_not_scored():
    rest = MATRIX.without(1)
    assert rest.counts.tolist() == [[50, 3], [10, 7]]
    assert rest.unmapped == 7 + 1  # predicted as the class left out
    assert rest.mean_iou == pytest.approx((50 / 63 + 7 / 20) / 2)


def test_equality_is_by_value():
    assert Confusion(np.array([[1, 2], [3, 4]]), 5) == Confusion(np.array([[1, 2], [3, 4]]), 5)
    assert Confusion(np.array([[1, 2], [3, 4]]), 5) != Confusion(np.array([[1, 2], [3, 4]]), 6)
    assert Confusion(np.array([[1, 2], [3, 4]])) != Confusion(np.array([[1, 3], [2, 4]]))
    assert Confusion(np.array([[1]])) != 1


@pytest.mark.parametrize("place", ["reference", "predicted"])
def test_an_index_outside_the_legend_is_refused(place: str):
    arrays = {"reference": np.array([[0, 1]], np.uint8), "predicted": np.array([[0, 1]], np.uint8)}
    arrays[place] = np.array([[0, 2]], np.uint8)
    with pytest.raises(LegendError, match="class index 2 is outside a legend of 2 classes"):
        Confusion.count(**arrays, classes=2)


def test_maps_of_different_shape_are_refused():
    with pytest.raises(LegendError, match="differ in shape"):
        Confusion.count(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), classes=1)


def test_a_table_that_is_not_square_is_refused():
    with pytest.raises(LegendError, match="square"):
        Confusion(np.zeros((2, 3), np.int64))


def test_254_classes_do_not_overflow():
    reference = np.full((3, 2), 253, np.uint8)
    counted = Confusion.count(reference, reference - 1, classes=254)
    assert counted.counts[253, 252] == 6
