"""Reliability, its summaries, and the temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from hectares.core.scoring.calibration import (
    BINS,
    CalibrationTally,
    LogitSample,
    calibration_scores,
    fit_temperature,
    sigmoid,
    softmax,
)

RNG = np.random.default_rng(3)
TRUE_LOGITS = RNG.normal(0, 2, (4, 40, 50))
"""Of these, softmax is the truth: labels are drawn from it."""
CUMULATED = softmax(TRUE_LOGITS.reshape(4, -1).T).cumsum(axis=1)
LABEL = (RNG.random((2000, 1)) > CUMULATED[:, :3]).sum(axis=1).astype(np.uint8).reshape(40, 50)


def scores(tally: CalibrationTally) -> dict[str, float]:
    return dict(zip(("ece", "class_ece", "brier", "nll"), calibration_scores(tally.pack()).tolist(), strict=True))


def nll(logits: np.ndarray, label: np.ndarray, temperature: float) -> float:
    z = torch.from_numpy(logits / temperature)[None]
    return float(torch.nn.functional.cross_entropy(z, torch.from_numpy(label.astype(int))[None], ignore_index=255))


def test_scores_by_hand():
    # three pixels, two classes, scores of the first class 0.9, 0.8, 0.35; the fourth pixel is ignored
    p = np.array([0.9, 0.8, 0.35, 0.5])
    logits = np.stack([np.log(p / (1 - p)), np.zeros(4)])[:, None]
    label = np.array([[0, 1, 1, 255]], np.uint8)
    found = scores(CalibrationTally.count(logits, label))
    assert found["nll"] == pytest.approx(-(np.log(0.9) + np.log(0.2) + np.log(0.65)) / 3)
    assert found["brier"] == pytest.approx(2 * (0.1**2 + 0.8**2 + 0.35**2) / 3)
    # confidence 0.9 (right), 0.8 (wrong) and 0.65 (right) lie in bins 13, 12 and 9 of 15
    assert found["ece"] == pytest.approx((0.1 + 0.8 + 0.35) / 3)
    assert found["class_ece"] == pytest.approx((0.1 + 0.8 + 0.35) / 3)


def test_ece_agrees_with_torchmetrics():
    probabilities = torch.from_numpy(softmax(TRUE_LOGITS.reshape(4, -1).T))
    oracle = multiclass_calibration_error(probabilities, torch.from_numpy(LABEL.ravel().astype(int)), 4, n_bins=BINS)
    found = scores(CalibrationTally.count(TRUE_LOGITS, LABEL))
    assert found["ece"] == pytest.approx(float(oracle), abs=1e-4)
    assert found["ece"] < 0.05  # these scores are the truth


def test_tallies_add_up_over_chips():
    whole = CalibrationTally.count(TRUE_LOGITS, LABEL)
    parts = CalibrationTally.count(TRUE_LOGITS[:, :9], LABEL[:9]) + CalibrationTally.count(
        TRUE_LOGITS[:, 9:], LABEL[9:]
    )
    assert parts.pack() == pytest.approx(whole.pack())


def test_answers_of_overlapping_classes_are_counted_each_by_itself():
    logits = np.array([[[2.0, -1.0]], [[0.5, 3.0]]])
    label = np.array([[[1, 0]], [[0, 255]]], np.uint8)
    p = sigmoid(np.array([2.0, -1.0, 0.5]))
    found = scores(CalibrationTally.count(logits, label))
    assert found["nll"] == pytest.approx(-(np.log(p[0]) + np.log(1 - p[1]) + np.log(1 - p[2])) / 3)
    assert found["brier"] == pytest.approx(((1 - p[0]) ** 2 + p[1] ** 2 + p[2] ** 2) / 3)


@pytest.mark.parametrize("heat", [0.4, 1.0, 3.0])
def test_temperature_undoes_what_made_the_network_too_sure(heat: float):
    assert fit_temperature(TRUE_LOGITS * heat, LABEL) == pytest.approx(heat, rel=0.1)


def test_no_other_temperature_has_a_lower_loss():
    found = fit_temperature(TRUE_LOGITS * 2, LABEL)
    best = nll(TRUE_LOGITS * 2, LABEL, found)
    assert all(nll(TRUE_LOGITS * 2, LABEL, t) >= best for t in (found * 0.99, found * 1.01, 1.0, 5.0))


def test_ignored_pixels_do_not_change_the_temperature():
    label, wild = LABEL.copy(), TRUE_LOGITS.copy()
    label[3:6] = 255
    wild[:, 3:6] = 1e4
    assert fit_temperature(wild, label) == fit_temperature(TRUE_LOGITS, label)


def test_temperature_of_a_network_that_is_always_right_stays_finite():
    label = np.array([[0, 1]], np.uint8)
    logits = np.array([[[5.0, -5.0]], [[-5.0, 5.0]]])
    assert fit_temperature(logits, label) == pytest.approx(0.02, rel=0.01)
    assert fit_temperature(logits, np.full((1, 2), 255, np.uint8)) == 1


def test_temperature_of_planes_is_that_of_answers():
    truth = RNG.normal(0, 2, (3, 50, 60))
    planes = (RNG.random(truth.shape) < sigmoid(truth)).astype(np.uint8)
    assert fit_temperature(truth * 2.5, planes) == pytest.approx(2.5, rel=0.1)


def test_a_sample_stays_small_and_finds_nearly_the_same_temperature():
    sample = LogitSample(most=500, first_step=1)
    for row in range(40):
        sample.add(2 * TRUE_LOGITS[:, row : row + 1], LABEL[row : row + 1])
        assert len(sample) <= 500
    assert len(sample) > 200
    assert sample.fit() == pytest.approx(2, rel=0.25)
    assert LogitSample().fit() == 1


def test_a_sample_of_answers_is_fitted_too():
    truth = RNG.normal(0, 2, (2, 40, 60))
    sample = LogitSample(first_step=1)
    sample.add(truth * 2, (RNG.random(truth.shape) < sigmoid(truth)).astype(np.uint8))
    assert sample.fit() == pytest.approx(2, rel=0.15)
