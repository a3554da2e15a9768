"""Scenes in memory."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given

from hectares.core.grid import Grid
from hectares.core.scene import ArraySource, Chip
from hectares.core.window import Window
from hectares.errors import BandError, GridError
from strategies import windows

GRID = Grid(None, Affine.identity(), (5, 7))
IMAGE = np.arange(70, dtype=np.int16).reshape(2, 5, 7) + 1
VALID = np.ones((5, 7), bool)
VALID[1, 2] = VALID[4, 6] = False


def test_a_window_gives_pixels_and_mask():
    chip = ArraySource(IMAGE, GRID, ["a", "b"], VALID).read(Window(1, 2, 1, 2))
    assert chip.image.tolist() == [[[0, 11]], [[0, 46]]]
    assert chip.valid.tolist() == [[False, True]]
    assert (chip.image.dtype, chip.valid.dtype) == (np.int16, np.bool_)


@given(windows(9))
def test_a_window_beyond_the_scene_is_not_valid_there(window: Window):
    chip = ArraySource(IMAGE, GRID, ["a", "b"], VALID).read(window)
    padded = np.pad(np.where(VALID, IMAGE, 0), ((0, 0), (20, 30), (20, 30)))
    mask = np.pad(VALID, ((20, 30), (20, 30)))
    moved = window.shift(20, 20)
    assert np.array_equal(chip.image, padded[:, *moved.slices])
    assert np.array_equal(chip.valid, mask[moved.slices])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_not_finite_in_one_band_is_not_valid(value: float):
    image = IMAGE.astype(np.float32)
    image[1, 3, 4] = value
    chip = ArraySource(image, GRID, ["a", "b"]).read(GRID.window)
    assert np.argwhere(~chip.valid).tolist() == [[3, 4]]
    assert chip.image[:, 3, 4].tolist() == [0, 0]
    assert chip.image.dtype == np.float32


def test_an_image_that_does_not_fit_its_grid_is_refused():
    with pytest.raises(GridError, match="does not fit a grid"):
        ArraySource(IMAGE.swapaxes(1, 2), GRID, ["a", "b"])


def test_every_band_needs_a_name():
    with pytest.raises(BandError, match="2 bands were given 1 names"):
        ArraySource(IMAGE, GRID, ["a"])


def test_a_chip_needs_a_mask_of_its_shape():
    with pytest.raises(GridError, match="do not fit"):
        Chip(IMAGE, VALID.T)
