"""Between vectors and pixels."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.io.shapes.features import covered_shares, inside

TURNED = Affine.translation(500, 700) @ Affine.rotation(27) @ Affine.scale(10, -8)
STAR = shapely.Polygon(
    [(0, 110), (25, 35), (105, 35), (40, -10), (65, -90), (0, -45), (-65, -90), (-40, -10), (-105, 35), (-25, 35)],
    holes=[[(-11, -11), (13, -7), (1, 17)]],
)


def _by_hand(geometry: shapely.Geometry, grid: Grid, window: Window) -> np.ndarray:
    shares = np.zeros(window.shape)
    for row in range(window.height):
        for col in range(window.width):
            r, c = row + window.row, col + window.col
            corners = [grid.transform @ corner for corner in ((c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1))]
            pixel = shapely.Polygon(corners)
            shares[row, col] = pixel.intersection(geometry).area / pixel.area
    return shares


@pytest.mark.parametrize("transform", [Affine(7, 0, 380, 0, -9, 830), TURNED, Affine(7, 0, 380, 0, 9, 560)])
@pytest.mark.parametrize("window", [Window(0, 0, 33, 47), Window(3, 5, 21, 18), Window(2, 2, 1, 1)])
def test_shares_are_those_of_each_pixel(transform: Affine, window: Window):
    star = shapely.transform(STAR, lambda p: p + np.array([541.0, 708.0]))
    grid = Grid("EPSG:32633", transform, (33, 47))
    np.testing.assert_allclose(covered_shares(star, grid, window), _by_hand(star, grid, window), atol=1e-12)


def test_shares_add_up_to_the_polygon():
    star = shapely.transform(STAR, lambda p: 3.3 * p + (1000.1, 1000.7))
    grid = Grid("EPSG:32633", Affine(1, 0, 500, 0, -1, 1500), (1000, 1000))
    shares = covered_shares(star, grid, grid.window)
    assert shares.sum() == pytest.approx(star.area, rel=1e-12)
    assert np.array_equal(shares[inside(star, grid, grid.window)] > 0, np.ones(inside(star, grid, grid.window).sum()))


def test_neighbors_share_their_edge():
    grid = Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 100), (10, 12))
    left = shapely.Polygon([(-5, -5), (37, -5), (71, 103), (-5, 103)])
    right = shapely.box(-5, -5, 125, 105).difference(left)
    together = covered_shares(left, grid, grid.window) + covered_shares(right, grid, grid.window)
    np.testing.assert_allclose(together, 1.0, atol=1e-12)


def test_a_line_covers_nothing():
    grid = Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 100), (10, 12))
    assert not covered_shares(shapely.LineString([(0, 0), (90, 90)]), grid, grid.window).any()
