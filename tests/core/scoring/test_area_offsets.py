"""Offsets of log scores that make areas those of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.legend import Legend
from hectares.core.scoring.area_offsets import (
    TOLERANCE,
    AreaSample,
    AreaTally,
    fit_offsets,
    is_doubtful,
    offset_factors,
    offsets_of,
)

LEGEND = Legend.of({1: "water", 2: "roof", 5: "road"})


def shares(log_scores: np.ndarray, offsets: np.ndarray) -> list[float]:
    found = (log_scores + offsets).argmax(axis=1)
    return (np.bincount(found, minlength=log_scores.shape[1]) / len(found)).tolist()


def test_the_cut_between_two_classes_lies_halfway_between_the_pixels_on_both_sides_of_it():
    lead = np.array([-3.0, -1.0, 1.0, 2.0, 6.0])  # of class 1: by the largest score it would win three times
    log_scores = np.stack([np.zeros(5), lead], axis=1)
    offsets = fit_offsets(log_scores, np.array([1, 0, 0, 0, 0]))  # it has one pixel, so it must lead by 4 to win
    assert offsets.tolist() == [2.0, -2.0]
    assert shares(log_scores, offsets) == [0.8, 0.2]


def test_a_weight_counts_as_so_many_pixels():
    lead = np.array([-3.0, -1.0, 1.0, 2.0, 6.0])
    log_scores, reference = np.stack([np.zeros(5), lead], axis=1), np.array([1, 0, 0, 1, 0])
    heavy = fit_offsets(log_scores, reference, np.array([1.0, 1.0, 2.0, 1.0, 1.0]))  # two of six for class 1
    assert heavy.tolist() == [0.75, -0.75]
    repeated = [0, 1, 2, 2, 3, 4]
    assert fit_offsets(log_scores[repeated], reference[repeated]).tolist() == heavy.tolist()


def test_three_classes_are_decided_as_often_as_they_occur():
    rng = np.random.default_rng(1)
    reference = rng.choice(3, 4000, p=[0.7, 0.25, 0.05])
    log_scores = rng.normal(0, 1, (4000, 3)) + np.eye(3)[reference] + [1.5, 0, -1]
    offsets = fit_offsets(log_scores, reference)
    expected = np.bincount(reference) / 4000
    assert np.abs(np.array(shares(log_scores, np.zeros(3))) - expected).max() > 0.1
    assert (np.abs(shares(log_scores, offsets) - expected) <= np.maximum(TOLERANCE * expected, 1.01 / 4000)).all()
    assert offsets.sum() == pytest.approx(0)


def test_a_class_without_reference_keeps_0_and_what_it_wins():
    log_scores = np.array([[0.0, 1.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.2, 9.0], [0.0, 3.0, 0.5]])
    offsets = fit_offsets(log_scores, np.array([0, 0, 0, 1]))
    assert offsets[2] == 0
    assert shares(log_scores, offsets) == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("reference", [[1, 1, 1], []])
def test_of_one_class_alone_nothing_can_be_balanced(reference: list[int]):
    log_scores = np.zeros((len(reference), 3))
    assert fit_offsets(log_scores, np.array(reference, np.int64)).tolist() == [0, 0, 0]


def test_equal_scores_are_not_parted():
    log_scores = np.tile([0.0, 1.0], (5, 1))
    offsets = fit_offsets(log_scores, np.array([0, 0, 0, 1, 1]))
    assert shares(log_scores, offsets) == [1, 0]


@given(st.integers(2, 5), st.integers(1, 300), st.integers(0, 2**32 - 1), st.booleans())
def test_shares_are_never_farther_from_the_reference_than_without_offsets(
    classes: int, pixels: int, seed: int, rough: bool
):
    rng = np.random.default_rng(seed)
    reference = rng.choice(classes, pixels, p=rng.dirichlet(np.ones(classes)))
    log_scores = rng.normal(0, 2, (pixels, classes))
    if rough:
        log_scores = log_scores.round()  # many pixels with equal scores
    log_scores[:, np.bincount(reference, minlength=classes) == 0] = -99  # else they win, and are not balanced
    expected = np.bincount(reference, minlength=classes) / pixels
    offsets = fit_offsets(log_scores, reference)
    gaps = [np.abs(np.array(shares(log_scores, o)) - expected).sum() for o in (np.zeros(classes), offsets)]
    assert gaps[1] <= gaps[0] + 1e-12


def test_what_is_added_to_all_scores_of_a_pixel_changes_nothing():
    rng = np.random.default_rng(4)
    log_scores, reference = rng.normal(0, 2, (500, 3)), rng.choice(3, 500, p=[0.2, 0.7, 0.1])
    again = fit_offsets(log_scores + rng.normal(0, 9, (500, 1)), reference)
    assert again == pytest.approx(fit_offsets(log_scores, reference))


def test_factors_of_scores_decide_as_offsets_of_their_logarithms():
    scores = np.random.default_rng(2).dirichlet(np.ones(4), 500)
    offsets = np.array([0.5, -1.0, 0.2, 0.3])
    assert np.array_equal((scores * offset_factors(offsets)).argmax(axis=1), (np.log(scores) + offsets).argmax(axis=1))


def test_a_tally_gives_shares_and_their_biases():
    log_scores = np.array([[3.0, 1, 0], [2, 1, 0], [2, 1, 0], [0, 1, 0]])
    tally = AreaTally.count(log_scores, np.array([0, 0, 1, 1]), np.array([-1.5, 0, 0]))
    tally += AreaTally.empty(3)
    found = tally.to_json(LEGEND)
    assert found["pixels"] == 4
    assert found["accuracy"] == {"argmax": 0.75, "area": 0.75}
    assert found["misplaced"] == {"argmax": 0.25, "area": 0.25}
    line = {"reference": 0.5, "argmax": 0.75, "area": 0.25, "argmax_bias": 0.5, "area_bias": -0.5}
    assert found["classes"]["water"] == line
    assert found["classes"]["road"]["argmax_bias"] is None


def test_a_sample_takes_pixels_of_all_columns_and_leaves_out_what_is_not_known():
    sample = AreaSample(chips=1, most=4)
    label = np.zeros((4, 4), np.uint8)
    label[0, 0] = 255
    logits = np.stack([np.arange(16.0).reshape(4, 4), np.zeros((4, 4))])
    sample.add(logits, label)  # every fourth would be one column: every fifth it is
    assert sample._pixels(slice(None), 2.0)[0].tolist() == [[2.5, 0], [5, 0], [7.5, 0]]


def _sample(*, chips: int) -> AreaSample:
    sample, rng = AreaSample(chips), np.random.default_rng(3)
    for _ in range(chips):
        label = rng.choice(3, (20, 20), p=[0.8, 0.15, 0.05]).astype(np.uint8)
        logits = (
            rng.normal(0, 1, (3, 20, 20)) + np.moveaxis(np.eye(3)[label], -1, 0) + np.array([2, 0, 0])[:, None, None]
        )
        sample.add(logits, label)
    return sample


def test_each_half_of_the_chips_is_decided_with_the_offsets_of_the_other():
    record = _sample(chips=6).record(LEGEND, 1.0)
    assert list(record["area_offsets"]) == ["water", "roof", "road"]
    assert record["area"]["misplaced"]["area"] < 0.001
    assert record["area"]["misplaced"]["argmax"] > 0.1
    crossed = record["area"]["crossed"]["every other chip"]
    assert crossed["misplaced"]["area"] < 0.03
    assert crossed["misplaced"]["argmax"] > 0.1
    parts = [part["pixels"] for name, part in crossed.items() if name != "misplaced"]
    assert parts == [1200, 1200]
    assert not is_doubtful(record)


def test_one_chip_cannot_be_halved_and_leaves_doubt():
    record = _sample(chips=1).record(LEGEND, 1.0)
    assert record["area"]["crossed"] == {}
    assert is_doubtful(record)


def test_offsets_hold_after_the_temperature():
    cold, hot = (_sample(chips=2).record(LEGEND, t)["area_offsets"] for t in (1.0, 2.0))
    assert [hot[k] for k in hot] == pytest.approx([v / 2 for v in cold.values()], abs=1e-6)


def test_offsets_are_read_in_the_order_of_the_legend():
    record = {"area_offsets": {"road": 3.0, "water": 1.0, "roof": 2.0}}
    assert offsets_of(record, LEGEND).tolist() == [1, 2, 3]
    assert offsets_of(None, LEGEND) is None
    assert offsets_of({"temperature": 1.0}, LEGEND) is None
