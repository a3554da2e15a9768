"""Pictures of the surroundings of a point, from an image on any grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.scene import Chip
from hectares.core.window import Window
from hectares.io.survey.point_chips import Surroundings, coarser

DEGREES = Grid("EPSG:4326", Affine(1e-4, 0, 20.0, 0, -1e-4, 60.02), (400, 500))
UTM = Grid("EPSG:32634", Affine(10, 0, 440_000, 0, -10, 6_660_000), (600, 700))
PLACE = Surroundings(20.02, 60.0, 400.0)
M_PER_DEGREE = 111_412.0
"""Length of a degree along the meridian at 60 N, by the series of the WGS84 ellipsoid; along the parallel 55,800."""


def _ramps(grid: Grid, window: Window) -> Chip:
    """Longitude and latitude of the pixels of a window, less those of the place."""
    cols, rows = np.meshgrid(window.col + np.arange(window.width) + 0.5, window.row + np.arange(window.height) + 0.5)
    t = grid.transform
    lonlat = np.stack([t.a * cols + t.c - PLACE.lon, t.e * rows + t.f - PLACE.lat])
    return Chip(lonlat, np.ones(window.shape, np.bool_))


def test_the_square_is_as_wide_on_the_ground_as_it_says_where_degrees_are_not_square():
    window = PLACE.window_in(DEGREES)
    cut = PLACE.cut(_ramps(DEGREES, window), DEGREES.crop(window), 100)
    east, north = cut.image[0], cut.image[1]
    assert cut.valid.all()
    assert [east[49:51, 49:51].mean(), north[49:51, 49:51].mean()] == pytest.approx([0, 0], abs=1e-6)
    assert (east[50, 95] - east[50, 5]) * 55_800 == pytest.approx(0.9 * 400, rel=1e-3)
    assert (north[5, 50] - north[95, 50]) * M_PER_DEGREE == pytest.approx(0.9 * 400, rel=1e-3)


def test_the_window_holds_the_square_with_a_margin():
    window = PLACE.window_in(DEGREES)
    wide, high = 400 / 55_800 / 1e-4, 400 / M_PER_DEGREE / 1e-4
    assert (window.width, window.height) == (pytest.approx(wide + 3, abs=1), pytest.approx(high + 3, abs=1))
    assert window.col + window.width / 2 == pytest.approx(200, abs=1)


def test_a_grid_that_is_turned_against_north_gives_an_outline_that_is_turned():
    outline = np.array(Surroundings(20.0, 60.0, 100.0).outline_of(UTM, 0, 0))
    sides = np.diff(np.vstack([outline, outline[:1]]), axis=0) * 100
    assert np.hypot(*sides.T) == pytest.approx([10] * 4, rel=2e-3)
    turned = math.degrees(math.atan2(sides[0, 1], sides[0, 0]))
    assert turned == pytest.approx((20 - 21) * math.sin(math.radians(60)), abs=0.1)  # convergence of the meridians


def test_what_is_not_valid_stays_so_and_does_not_bleed():
    window = PLACE.window_in(DEGREES)
    whole = _ramps(DEGREES, window)
    valid = whole.valid.copy()
    valid[:, : window.width // 2] = False
    image = np.where(valid, whole.image * 0 + 7.0, 0.0)
    cut = PLACE.cut(Chip(image, valid), DEGREES.crop(window), 100)
    assert not cut.valid[:, :45].any()
    assert cut.valid[:, 55:].all()
    assert cut.image[:, cut.valid] == pytest.approx(7.0)
    assert (cut.image[:, ~cut.valid] == 0).all()


def test_a_place_off_the_image_has_a_window_off_it():
    assert (Surroundings(25.0, 60.0, 400.0).window_in(DEGREES) & DEGREES.window).pixels == 0


def test_a_coarser_grid_covers_the_same_ground():
    coarse = coarser(UTM, 4, (150, 175))
    assert (coarse.bounds, coarse.gsd) == (UTM.bounds, (40.0, 40.0))
