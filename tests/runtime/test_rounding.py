"""Weights rounded with regard to what they are multiplied by."""

from __future__ import annotations

import numpy as np

from hectares.runtime.rounding import LARGEST, Moments, round_weights, steps_of

RNG = np.random.default_rng(5)


def _seen(groups: int = 2, places: int = 400, values: int = 6) -> np.ndarray:
    """Give values that go up and down together, as neighbors in an image do."""
    shared = RNG.standard_normal((groups, places, 1))
    return (shared + 0.1 * RNG.standard_normal((groups, places, values)) + 3).astype(np.float32)


def test_moments_are_those_of_all_places_together():
    seen, moments = _seen(), Moments.empty(2, 6)
    for part in np.split(seen, 4, axis=1):
        moments.add(part)
    assert np.allclose(moments.mean, seen.mean(axis=1), atol=1e-5)
    assert np.allclose(moments.covariance[1], np.cov(seen[1].T, bias=True), atol=1e-3)


def test_outputs_change_less_than_if_each_weight_were_rounded_by_itself():
    seen, weights = _seen(), RNG.standard_normal((2, 5, 6))
    moments = Moments.empty(2, 6)
    moments.add(seen)
    steps = np.full((2, 5), 0.5)
    centered = seen - seen.mean(axis=1, keepdims=True)

    def error(rounded: np.ndarray) -> float:
        difference = rounded * steps[:, :, None] - weights
        return float(np.square(np.einsum("gpv,gov->gpo", centered, difference)).mean())

    ours, plain = round_weights(weights, moments.covariance, steps), np.rint(weights / 0.5)
    assert error(ours) < 0.5 * error(plain)
    assert np.array_equal(ours, np.rint(ours))


def test_values_that_have_nothing_to_do_with_each_other_are_rounded_one_by_one():
    weights = RNG.standard_normal((1, 3, 4))
    steps = np.full((1, 3), 0.1)
    assert np.array_equal(round_weights(weights, np.eye(4)[None], steps), np.rint(weights / 0.1))


def test_inputs_that_never_change_do_no_harm():
    weights = np.array([[[0.4, -0.2]]])
    rounded = round_weights(weights, np.zeros((1, 2, 2)), np.full((1, 1), 0.1))
    assert rounded.tolist() == [[[4.0, -2.0]]]


def test_weights_stay_within_int8():
    weights = np.array([[[1.27, 1.27, 1.27, 1.2]]])
    rounded = round_weights(weights, np.ones((1, 4, 4)), np.full((1, 1), 0.009))
    assert np.abs(rounded).max() == LARGEST


def test_an_output_without_weights_has_a_step_that_leaves_room_for_its_bias():
    [step] = steps_of(np.zeros((1, 9), np.float32), np.array([4.0], np.float32))
    assert 4.0 / (step * 1e-3) < 2**31
