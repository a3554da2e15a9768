"""Shifts of labels: found where there are some, and nowhere else."""

import numpy as np
import pytest

from hectares.core.window import Window
from hectares.doctor.alignment import ShiftTally, tiles_of


def town(seed, shape=(160, 170), noise=12.0):
    """Blocks of random size, each with its own gray level in the image; label by level."""
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    for _ in range(40):
        row, col = rng.integers(0, shape[0] - 8), rng.integers(0, shape[1] - 8)
        label[row : row + rng.integers(8, 40), col : col + rng.integers(8, 40)] = rng.integers(0, 3)
    levels = np.array([[60, 100, 150], [80, 70, 120], [50, 140, 90]])
    return levels[:, label] + rng.normal(0, noise, (3, *shape)), label


def moved(label, rows, cols):
    away = np.full_like(label, 255)
    h, w = label.shape
    away[max(0, rows) : h + min(0, rows), max(0, cols) : w + min(0, cols)] = label[
        max(0, -rows) : h - max(0, rows), max(0, -cols) : w - max(0, cols)
    ]
    return away


def shift_of(image, label, valid=None):
    tally = ShiftTally()
    tally.add(image, np.ones(label.shape, bool) if valid is None else valid, label)
    return tally.shift()


@pytest.mark.parametrize("seed", range(10))
def test_labels_that_lie_right_are_left_alone(seed):
    assert shift_of(*town(seed)) is None


@pytest.mark.parametrize(("rows", "cols"), [(0, 3), (-3, 0), (6, 0), (4, -4), (-8, 7)])
def test_a_shift_is_measured_in_both_directions(rows, cols):
    image, label = town(1)
    found = shift_of(image, moved(label, rows, cols))
    assert (found.rows, found.cols) == (rows, cols)
    assert found.confidence > 0.05


def test_a_shift_beyond_reach_is_not_told_at_its_end():
    image, label = town(1)
    found = [shift_of(image, moved(label, 0, cols)) for cols in (12, 13, 14)]
    assert found == [None] * 3


def test_a_shift_says_which_way():
    image, label = town(1)
    assert str(shift_of(image, moved(label, -3, 5))) == "3 px too far up and 5 px too far right"


def test_half_a_pixel_to_one_pixel_is_no_shift():
    image, label = town(2)
    assert shift_of(image, moved(label, 1, 0)) is None


@pytest.mark.parametrize("seed", range(10))
def test_labels_that_have_nothing_to_do_with_the_image_have_no_shift(seed):
    image, _ = town(seed)
    _, other = town(seed + 100)
    assert shift_of(image, other) is None


def test_flat_images_and_labels_of_one_class_have_no_shift():
    image, label = town(3)
    assert shift_of(np.full_like(image, 7), label) is None
    assert shift_of(image, np.zeros_like(label)) is None
    assert shift_of(image[:, :30, :30], label[:30, :30]) is None


def test_borders_that_are_ignored_count_where_they_are():
    image, label = town(4)
    eroded = label.copy()
    eroded[:, 1:][label[:, 1:] != label[:, :-1]] = 255
    eroded[1:][label[1:] != label[:-1]] = 255
    assert shift_of(image, eroded) is None
    found = shift_of(image, moved(eroded, 0, 5))
    assert abs(found.cols - 5) <= 1  # only one side of each border was ignored, so its middle is half a pixel off
    assert abs(found.rows) <= 1


def test_the_border_of_nodata_is_no_border():
    image, label = town(5)
    valid = np.ones(label.shape, bool)
    valid[:, 60:90] = False
    image = np.where(valid, image, 0)
    assert shift_of(image, label, valid) is None


def test_scenes_must_agree_on_the_shift_of_all():
    together, alone = ShiftTally(), ShiftTally()
    for number in range(8):
        image, label = town(20 + number, (64, 64))
        scene = ShiftTally()
        scene.add(image, np.ones(label.shape, bool), moved(label, 0, 4))
        together.merge(scene, number)
        if number == 0:
            alone.merge(scene, 0)
    assert (together.shift().rows, together.shift().cols) == (0, 4)
    assert alone.shift() is None


def test_tiles_cover_a_window_once_and_a_sample_is_spread():
    window = Window(512, 0, 512, 2000)
    tiles = list(tiles_of(window))
    assert sum(t.pixels for t in tiles) == window.pixels
    assert all(min(t.shape) >= 200 for t in tiles)
    assert 3 <= len(list(tiles_of(window, step=4))) <= 6
