"""One grid for many scenes, and how deep pixels lie in them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.mosaic import Depth, distances, mosaic_grid, window_around
from hectares.core.window import Window
from hectares.errors import GridError

FIRST = Grid("EPSG:32633", Affine(10, 0, 500_003, 0, -10, 5_000_007), (20, 30))


def test_the_pixels_of_the_first_scene_stay_as_they_are():
    other = Grid("EPSG:32633", Affine(7, 0, 499_990, 0, -7, 5_000_020), (5, 5))
    found = mosaic_grid([FIRST, other])
    assert found.transform == Affine(10, 0, 499_983, 0, -10, 5_000_027)
    assert found.shape == (22, 32)


def test_another_size_or_crs_puts_corners_at_multiples():
    assert mosaic_grid([FIRST], gsd_m=25).transform == Affine(25, 0, 500_000, 0, -25, 5_000_025)
    turned = Grid("EPSG:32633", FIRST.transform @ Affine.rotation(30), (20, 30))
    assert mosaic_grid([turned]).transform.c % 10 == 0
    assert mosaic_grid([FIRST], crs="EPSG:3035").transform.a == 10


def test_pixels_in_degrees_are_as_high_as_asked_for():
    found = mosaic_grid([FIRST], crs="EPSG:4326", gsd_m=100)
    assert found.gsd[0] == pytest.approx(100, rel=1e-3)
    assert found.transform.a == -found.transform.e


def test_a_scene_without_a_place_is_refused():
    with pytest.raises(GridError, match="have a CRS"):
        mosaic_grid([Grid(None, Affine.identity(), (2, 2))])


def test_a_window_elsewhere_is_empty():
    far = Grid("EPSG:32633", Affine(10, 0, 600_000, 0, -10, 5_000_000), (20, 30))
    assert window_around(FIRST, Window(0, 0, 5, 5), far).pixels == 0


def test_distances_are_exact():
    rng = np.random.default_rng(4)
    mask = rng.random((9, 13)) < 0.1
    rows, cols = np.nonzero(mask)
    all_rows, all_cols = np.indices(mask.shape)
    away = np.sqrt((all_rows[..., None] - rows) ** 2 + (all_cols[..., None] - cols) ** 2).min(axis=-1)
    assert np.allclose(distances(mask), away)
    assert np.isinf(distances(np.zeros((2, 3), bool))).all()


def test_depth_is_the_way_to_the_edge_or_to_nodata():
    empty = np.zeros((3, 4), np.int64)
    empty[1, 3] = 2  # of the 3 x 1 px that are left there: more than half
    depth = Depth.of((9, 10), 3, empty)
    # rows and columns to the edge: 0.5; 1.5; 4.5, but the cell left of the hole is 3 px away; the hole itself
    assert depth.at(np.array([0, 4, 4, 4]), np.array([1, 1, 6, 9])).tolist() == [0.5, 1.5, 3, 0]
