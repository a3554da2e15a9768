"""Shifts between images of one place."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.align import estimate_shift, shrink
from layouts.dstl import texture

SHAPE = (50, 65)


@pytest.mark.parametrize("shift", [(1.5, -2.25), (0.25, 0.75), (-3.625, 2.125), (0.0, 0.0), (-7.0, 11.5)])
def test_a_shift_is_found_to_a_quarter_of_a_pixel(shift: tuple[float, float]):
    found = estimate_shift(texture(SHAPE), texture(SHAPE, shift=shift))
    assert (found.rows, found.cols) == pytest.approx(shift, abs=0.25)
    assert found.confidence > 0.3


def test_other_radiometry_and_noise_do_not_matter():
    noise = np.random.default_rng(7).normal(0, 20, SHAPE)
    found = estimate_shift(texture(SHAPE), 16000 - 5.0 * texture(SHAPE, shift=(1.5, -2.25)) + 5 * noise)
    assert (found.rows, found.cols) == pytest.approx((1.5, -2.25), abs=0.25)
    assert found.confidence > 0.2


def test_a_positive_shift_is_content_too_far_down_and_right():
    reference, moving = np.zeros((40, 50)), np.zeros((40, 50))
    reference[10:20, 15:30] = reference[25:29, 8:12] = 1
    moving[12:22, 16:31] = moving[27:31, 9:13] = 1
    found = estimate_shift(reference, moving)
    assert (found.rows, found.cols) == (2, 1)


def test_pixels_that_are_not_valid_do_not_count():
    reference, moving = texture(SHAPE), texture(SHAPE, shift=(2.0, 1.0))
    valid = np.ones(SHAPE, np.bool_)
    valid[20:30, 5:40] = False
    stripes = np.where(np.indices(SHAPE)[0] % 2, 60_000, 0)
    found = estimate_shift(
        np.where(valid, reference, stripes),
        np.where(valid, moving, stripes),
        reference_valid=valid,
        moving_valid=valid,
    )
    assert (found.rows, found.cols) == pytest.approx((2, 1), abs=0.25)


@pytest.mark.parametrize("value", [0, 7, 65_535])
def test_without_texture_there_is_no_shift_and_no_confidence(value: int):
    found = estimate_shift(texture(SHAPE), np.full(SHAPE, value, np.uint16))
    assert (found.rows, found.cols, found.confidence) == (0, 0, 0)


def test_unrelated_images_have_little_confidence():
    confidences = [estimate_shift(texture(SHAPE, seed=s), texture(SHAPE, seed=s + 50)).confidence for s in range(8)]
    assert max(confidences) < 0.15


def test_a_pattern_that_repeats_has_little_confidence():
    rows, cols = np.indices((60, 60))
    checks = ((rows // 4 + cols // 4) % 2).astype(np.float64)
    assert estimate_shift(checks, checks).confidence < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (8, 10)])
def test_an_image_too_small_to_tell_has_no_confidence(shape: tuple[int, int]):
    assert estimate_shift(texture(shape), texture(shape)).confidence == 0


def test_nothing_valid_is_no_shift():
    nothing = np.zeros(SHAPE, np.bool_)
    found = estimate_shift(texture(SHAPE), texture(SHAPE), moving_valid=nothing)
    assert (found.rows, found.cols, found.confidence) == (0, 0, 0)


def test_images_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="bring them together"):
        estimate_shift(np.zeros((4, 5)), np.zeros((5, 4)))


def test_shrinking_keeps_means_when_sizes_do_not_divide():
    image = np.arange(21.0).reshape(3, 7)
    small = shrink(image, (2, 3))
    assert small.shape == (2, 3)
    # The first pixel is 1.5 rows by 7/3 columns: rows 0 and half of 1, columns 0, 1 and a third of 2.
    assert small[0, 0] == pytest.approx((0 + 1 + 2 / 3 + 0.5 * (7 + 8 + 9 / 3)) / (1.5 * 7 / 3))
    assert small.mean() == pytest.approx(image.mean())
