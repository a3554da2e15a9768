"""Scores by threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.confusion import PlaneConfusion
from hectares.core.legend import Legend
from hectares.core.scoring.threshold import ThresholdTally, positive_class

SCORES = np.array([[[0.05, 0.3, 0.3, 0.6, 0.9, 0.99]]])
LABEL = np.array([[[0, 0, 1, 1, 255, 1]]], np.uint8)


def test_curves_by_hand():
    curves = ThresholdTally.count(SCORES, LABEL).curves()
    at = {t: {name: float(c[0, round(1000 * t)]) for name, c in curves.items()} for t in (0.0, 0.3, 0.5, 0.95, 1.0)}
    assert at[0.0]["precision"] == 3 / 5
    assert at[0.3] == pytest.approx({"precision": 3 / 4, "recall": 1, "f1": 6 / 7, "iou": 3 / 4})
    assert at[0.5] == pytest.approx({"precision": 1, "recall": 2 / 3, "f1": 0.8, "iou": 2 / 3})
    assert at[0.95]["recall"] == 1 / 3
    assert np.isnan(at[1.0]["precision"])
    assert curves["f1"].shape == (1, 1001)


def test_best_threshold_is_the_middle_of_the_best_ones():
    assert ThresholdTally.count(SCORES, LABEL).best().tolist() == [0.176]  # F1 is 6 / 7 from 0.051 to 0.3
    assert np.isnan(ThresholdTally.empty(1).best()).all()


@given(
    hnp.arrays(np.int64, (2, 3, 4), elements=st.integers(0, 1000)),
    hnp.arrays(np.uint8, (2, 3, 4), elements=st.sampled_from([0, 1, 255])),
    st.integers(0, 1000),
)
def test_each_point_of_a_curve_is_what_that_threshold_gives(steps: np.ndarray, label: np.ndarray, threshold: int):
    decided = (steps >= threshold).astype(np.uint8)
    curves = ThresholdTally.count(steps / 1000, label).curves()
    expected = PlaneConfusion.count(label, decided)
    assert curves["iou"][:, threshold] == pytest.approx(expected.iou, nan_ok=True)
    assert curves["recall"][:, threshold] == pytest.approx(expected.recall, nan_ok=True)


def test_tallies_add_up():
    both = ThresholdTally.count(SCORES[..., :2], LABEL[..., :2]) + ThresholdTally.count(SCORES[..., 2:], LABEL[..., 2:])
    assert both.counts.tolist() == ThresholdTally.count(SCORES, LABEL).counts.tolist()


@pytest.mark.parametrize(
    ("names", "index"),
    [(("background", "roof"), 1), (("roof", "Other"), 0), (("not roof", "roof"), 1), (("a", "b"), 1)],
)
def test_the_class_in_question_is_not_the_background(names: tuple[str, str], index: int):
    assert positive_class(Legend.of(dict(enumerate(names)))) == index
