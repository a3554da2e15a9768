"""Borders: counts on small maps by hand, against a slow count of every pixel, and in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.scoring.boundary import Nearby, boundary_counts, boundary_iou, relaxed_counts, relaxed_scores
from strategies import index_maps

REFERENCE = np.array([[0, 0, 0, 0, 1, 1, 1, 1]], np.uint8)
PREDICTED = np.array([[0, 0, 1, 1, 1, 1, 1, 1]], np.uint8)


def border(reference: np.ndarray, predicted: np.ndarray, radius: int, classes: int) -> np.ndarray:
    near = [Nearby.of(i, classes, radius).has_other(i) for i in (reference, predicted)]
    return boundary_counts(reference, predicted, *near, classes=classes)


def slack(reference: np.ndarray, predicted: np.ndarray, radius: int, classes: int) -> np.ndarray:
    near = [Nearby.of(i, classes, radius) for i in (reference, predicted)]
    return relaxed_counts(reference, predicted, *near, classes=classes)


def around(indices: np.ndarray, row: int, col: int, radius: int) -> set[int]:
    part = indices[max(0, row - radius) : row + radius + 1, max(0, col - radius) : col + radius + 1]
    return set(part.ravel().tolist()) - {255}


def test_a_border_that_is_off_by_two_by_hand():
    # width 2, reference: class 0 at columns 2 and 3, class 1 at 4 and 5; predicted: 0 at 0 and 1, 1 at 2 and 3
    counts = border(REFERENCE, PREDICTED, 2, 2)
    assert counts.tolist() == [[0, 2, 2], [0, 2, 2]]
    assert boundary_iou(counts).tolist() == [0, 0]
    # width 3: 1..3 and 4..6 against 0..1 and 2..4: column 1 is in both for class 0, column 4 for class 1
    counts = border(REFERENCE, PREDICTED, 3, 2)
    assert counts.tolist() == [[1, 3, 2], [1, 3, 3]]
    assert boundary_iou(counts) == pytest.approx([1 / 4, 1 / 5])


def test_slack_forgives_a_shift_of_its_own_size():
    scores = relaxed_scores(slack(REFERENCE, PREDICTED, 1, 2))
    # of class 0 all predicted pixels are right; of the reference, column 2 is near column 1, column 3 is not
    assert scores["relaxed_precision"].tolist() == [1, 5 / 6]
    assert scores["relaxed_recall"].tolist() == [3 / 4, 1]
    assert scores["relaxed_f1"].tolist() == pytest.approx([6 / 7, 10 / 11])
    forgiven = relaxed_scores(slack(REFERENCE, PREDICTED, 2, 2))
    assert all(values.tolist() == [1, 1] for values in forgiven.values())


def test_what_is_ignored_and_what_lies_outside_make_no_border():
    lonely = np.array([[0, 0, 255, 1, 1]], np.uint8)
    assert border(lonely, lonely, 1, 2).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert np.isnan(boundary_iou(border(lonely, lonely, 1, 2))).all()
    assert border(lonely, lonely, 2, 2).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_class_beyond_the_sixty_fourth_is_found():
    indices = np.array([[3, 3, 70, 70]], np.uint8)
    near = Nearby.of(indices, 71, 1)
    assert near.has_other(indices).tolist() == [[False, True, True, False]]
    assert near.has(np.array([[70, 70, 3, 3]], np.uint8)).tolist() == [[False, True, True, False]]


@given(index_maps(3), index_maps(3), st.integers(1, 4))
def test_counts_are_those_of_a_look_around_every_pixel(reference: np.ndarray, predicted: np.ndarray, radius: int):
    by_hand, relaxed = np.zeros((3, 3), int), np.zeros((3, 4), int)
    for row, col in np.ndindex(reference.shape):
        r, p = int(reference[row, col]), int(predicted[row, col])
        if 255 in {r, p}:
            continue
        near_r, near_p = (around(i, row, col, radius) for i in (reference, predicted))
        at_r, at_p = bool(near_r - {r}), bool(near_p - {p})
        by_hand[r, 1] += at_r
        by_hand[p, 2] += at_p
        by_hand[r, 0] += at_r and at_p and r == p
        relaxed[p] += [p in near_r, 1, 0, 0]
        relaxed[r] += [0, 0, r in near_p, 1]
    assert border(reference, predicted, radius, 3).tolist() == by_hand.tolist()
    assert slack(reference, predicted, radius, 3).tolist() == relaxed.tolist()


@given(index_maps(2), st.integers(1, 3))
def test_a_perfect_map_has_perfect_borders(reference: np.ndarray, radius: int):
    found = boundary_iou(border(reference, reference, radius, 2))
    assert np.isin(found[~np.isnan(found)], 1).all()
