"""Classes and scores from logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.decision import choose_classes, log_softmax_planes, quantize_scores, softmax_planes, taper

EVERYWHERE = np.ones((2, 3), np.bool_)


@given(st.integers(1, 7), st.integers(1, 80), st.integers(1, 2000), st.integers(0, 2**32 - 1))
def test_the_choice_is_that_of_argmax(classes: int, height: int, width: int, seed: int):
    planes = np.random.default_rng(seed).integers(-3, 3, (classes, height, width)).astype(np.float32)  # many are equal
    found = choose_classes(planes, np.ones((height, width), np.bool_))
    assert found is not None
    assert np.array_equal(found, planes.argmax(axis=0))


@pytest.mark.parametrize("classes", [1, 2, 3, 6])
@pytest.mark.parametrize("lay", ["last", "core", "turned"])
def test_planes_may_lie_in_memory_in_any_order(lay: str, classes: int):
    values = np.random.default_rng(1).integers(0, 4, (classes, 300, 220)).astype(np.float32)
    planes = {
        "last": np.ascontiguousarray(values.transpose(1, 2, 0)).transpose(2, 0, 1),
        "core": values[:, 8:-16, 16:-8],
        "turned": values.swapaxes(1, 2),
    }[lay]
    before = planes.copy()
    found = choose_classes(planes, np.ones(planes.shape[1:], np.bool_))
    assert np.array_equal(found, before.argmax(axis=0))
    assert np.array_equal(planes, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_counts_only_where_pixels_are_valid(value: float):
    planes = np.zeros((3, 2, 3), np.float32)
    planes[1, 0, 2] = value
    assert choose_classes(planes, EVERYWHERE) is None
    valid = EVERYWHERE.copy()
    valid[0, 2] = False
    assert choose_classes(planes, valid).tolist() == [[0, 0, 255], [0, 0, 0]]


def test_finite_values_whose_sum_is_not_are_finite():
    planes = np.full((3, 2, 3), 3e38, np.float32)
    assert np.array_equal(choose_classes(planes, EVERYWHERE), np.zeros((2, 3)))


def test_scores_sum_to_one_and_a_high_temperature_levels_them():
    logits = np.log(np.array([[[1.0, 1.0]], [[4.0, 1.0]]], np.float32))
    assert softmax_planes(logits)[:, 0].tolist() == [[pytest.approx(0.2), 0.5], [pytest.approx(0.8), 0.5]]
    assert softmax_planes(logits, 2.0)[1, 0, 0] == pytest.approx(2 / 3)
    assert np.allclose(np.exp(log_softmax_planes(logits, 2.0)), softmax_planes(logits, 2.0))
    assert np.isfinite(softmax_planes(logits * 1e4)).all()


def test_logits_are_left_alone():
    logits = np.arange(4, dtype=np.float32).reshape(2, 1, 2)
    softmax_planes(logits, 3.0)
    assert logits.ravel().tolist() == [0, 1, 2, 3]


def test_scores_become_bytes():
    scores = np.array([[[0.0, 0.3333, 1.0]]], np.float32)
    assert quantize_scores(scores, np.ones((1, 3), np.bool_)).tolist() == [[[0, 83, 250]]]


@given(st.integers(1, 20), st.integers(1, 20))
def test_weights_of_neighbors_add_up_to_one(own: int, shared: int):
    length = own + 2 * shared
    left, right = taper(length, 0, shared), taper(length, shared, 0)
    assert np.allclose(left[length - shared :] + right[:shared], 1)
    assert (left[: length - shared] == 1).all()
