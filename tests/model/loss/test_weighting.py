"""Weights of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from hectares.errors import ConfigError
from hectares.model.loss.weighting import find_weighting

GAP = np.array([[1, 0, 0, 1]], np.uint8)


def _of(d1: float, d2: float, height: float = 10, sigma: float = 5) -> float:
    return 1 + height * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def test_a_gap_weighs_by_the_distances_to_both_sides():
    assert find_weighting("borders")(GAP)[0] == pytest.approx([1, _of(1, 2), _of(2, 1), 1])


def test_height_and_sigma_can_be_chosen():
    weights = find_weighting("borders(height=3,sigma=1)")(GAP)[0]
    assert weights == pytest.approx([1, _of(1, 2, 3, 1), _of(2, 1, 3, 1), 1])


def test_distances_are_euclidean_and_only_the_two_nearest_objects_count():
    label = np.zeros((4, 9), np.uint8)
    label[0, 0] = label[3, 4] = label[0, 8] = 1
    assert find_weighting("borders")(label)[0, 3] == pytest.approx(_of(3, np.sqrt(9 + 1)))


def test_one_object_has_no_gap():
    assert (find_weighting("borders")(np.array([[0, 1, 1, 0], [0, 0, 1, 0]])) == 1).all()


def test_pieces_that_touch_at_a_corner_are_one_object():
    assert (find_weighting("borders")(np.array([[1, 0, 0], [0, 1, 0]])) == 1).all()


def test_far_objects_have_no_gap():
    label = np.zeros((1, 60), np.uint8)
    label[0, 0] = label[0, 59] = 1
    assert (find_weighting("borders")(label) == 1).all()


def test_ignored_pixels_weigh_nothing_and_do_not_cut_an_object_in_two():
    label = np.array([[0, 0, 0, 0, 0], [1, 1, 255, 1, 1], [0, 0, 0, 0, 0]], np.uint8)
    expected = np.ones(label.shape)
    expected[1, 2] = 0
    assert np.array_equal(find_weighting("borders")(label), expected)


def test_a_gap_is_between_objects_of_one_class():
    assert (find_weighting("borders")(np.array([[1, 0, 2]], np.uint8)) == 1).all()
    weights = find_weighting("borders")(np.array([[1, 0, 2, 0, 1]], np.uint8))[0]
    assert weights == pytest.approx([1, _of(1, 3), 1, _of(1, 3), 1])


def test_the_class_without_objects_can_be_chosen():
    assert find_weighting("borders(background=2)")(np.array([[1, 2, 1]]))[0] == pytest.approx([1, _of(1, 1), 1])


def test_objects_of_planes_have_the_larger_weight_of_the_planes():
    planes = np.array([[[1, 0, 0, 1]], [[0, 0, 1, 255]], [[255, 255, 255, 255]]], np.uint8)
    weights = find_weighting("borders")(planes)[0]
    assert weights == pytest.approx([1, _of(1, 2), _of(2, 1), 1])
    assert find_weighting("size")(planes)[0] == pytest.approx([10, 1, 10, 10])


@given(hnp.arrays(np.uint8, (9, 12), elements=st.sampled_from([0, 0, 0, 1])))
def test_borders_equal_those_of_all_distances(label: np.ndarray):
    pieces, count = ndimage.label(label, np.ones((3, 3)))
    expected = np.ones(label.shape)
    if count > 1:
        distances = np.sort([ndimage.distance_transform_edt(pieces != n) for n in range(1, count + 1)], axis=0)
        outside = label == 0
        expected[outside] = _of(distances[0][outside], distances[1][outside])
    assert find_weighting("borders")(label) == pytest.approx(expected, rel=1e-5)


def test_small_objects_weigh_more():
    label = np.array([[1, 1, 0, 1, 0, 255], [1, 1, 0, 0, 0, 255]], np.uint8)
    expected = [[3, 3, 1, 6, 1, 0], [3, 3, 1, 1, 1, 0]]
    assert np.array_equal(find_weighting("size(side=6)")(label), expected)


def test_the_weight_of_an_object_has_limits():
    label = np.array([[1, 1, 1, 1, 0, 1]], np.uint8)
    assert find_weighting("size(side=2,most=1.5)")(label)[0].tolist() == [1, 1, 1, 1, 1, 1.5]


def test_a_sum_multiplies():
    both = find_weighting("borders+size(side=4)")(GAP)
    assert np.array_equal(both, find_weighting("borders")(GAP) * find_weighting("size(side=4)")(GAP))
    assert both.dtype == np.float32


@pytest.mark.parametrize("text", ["borders", "size", "borders+size"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_a_label_that_is_ignored_altogether_weighs_nothing(text: str, shape: tuple[int, ...]):
    weights = find_weighting(text)(np.full(shape, 255, np.uint8))
    assert weights.shape == (3, 4)
    assert not weights.any()


def test_none_is_nothing():
    assert find_weighting("none") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("border", "weights of pixels 'border': 'border' at character 1 is unknown; known: none, borders, size"),
        ("borders(sigma=0)", "sigma at character 15 is 0, expected 0.1 to 100"),
        ("2*borders", "without a factor"),
        ("size+size", "at most once"),
        ("none+size", "expected none, or each of borders, size"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        find_weighting(text)
