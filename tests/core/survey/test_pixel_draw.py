"""Pixels drawn in proportion to area, window by window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from affine import Affine

from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.survey.pixel_draw import DrawnPixels, PixelDraw, pixel_numbers
from hectares.core.window import Window

STRATA = np.array([[0, 0, 1, 1, 1, -1, 0], [0, -1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 1, 1]])
AREAS = np.array([[1.0], [0.9], [0.8]]) * np.ones((3, 7))


def _draw(wanted: Sequence[int], windows: Sequence[Window], seed: int = 3) -> DrawnPixels:
    draw = PixelDraw(np.array(wanted))
    for w in windows:
        draw.add(STRATA[w.slices], AREAS[w.slices], w, seed=seed)
    return draw.result()


def _places(drawn: DrawnPixels) -> list[tuple[int, int, int]]:
    return list(zip(drawn.stratum.tolist(), drawn.row.tolist(), drawn.col.tolist(), strict=True))


WHOLE = [Window(0, 0, 3, 7)]


def test_the_number_of_a_pixel_does_not_depend_on_the_window():
    whole = pixel_numbers(5, Window(100, 0, 3, 23))
    for col, width in ((0, 5), (3, 9), (7, 1), (21, 2)):
        assert (pixel_numbers(5, Window(101, col, 1, width)) == whole[1:2, col : col + width]).all()


def test_numbers_are_even_and_differ_by_seed_and_stream():
    numbers = pixel_numbers(0, Window(0, 0, 100, 400))
    assert np.unique(numbers).size == numbers.size
    assert numbers.mean() == pytest.approx(0.5, abs=0.006)  # four standard errors
    assert np.histogram(numbers, 4, (0, 1))[0] == pytest.approx(10_000, abs=350)
    assert not (numbers[:1] == pixel_numbers(1, Window(0, 0, 1, 400))).any()
    assert not (numbers[:1] == pixel_numbers(0, Window(0, 0, 1, 400), stream=1)).any()


def test_windows_and_their_order_leave_no_trace():
    parts = [Window(2, 0, 1, 7), Window(0, 4, 2, 3), Window(0, 0, 2, 4)]
    assert _places(_draw([4, 5], parts)) == _places(_draw([4, 5], WHOLE))


def test_each_stratum_gets_its_pixels_and_none_twice():
    places = _places(_draw([4, 5], WHOLE))
    assert len(set(places)) == 9
    assert [h for h, _, _ in places] == [0] * 4 + [1] * 5
    assert all(STRATA[row, col] == h for h, row, col in places)


def test_the_first_points_of_a_larger_sample_are_the_smaller_sample():
    more = _draw([6, 8], WHOLE)
    kept = more.first(np.array([2, 3]))
    assert [p for p, first in zip(_places(more), kept, strict=True) if first] == _places(_draw([2, 3], WHOLE))


def test_a_census_takes_every_pixel():
    assert len(_places(_draw([9, 10], WHOLE))) == 9 + 10 == (STRATA >= 0).sum()


def test_a_degree_grid_is_drawn_by_area():
    grid = Grid("EPSG:4326", Affine(0.5, 0, 0, 0, -0.5, 80), (160, 400))
    areas = pixel_area(grid, grid.window)
    draw, points = PixelDraw(np.array([6000])), 6000
    for row in range(0, 160, 32):
        window = Window(row, 0, 32, 400)
        draw.add(np.zeros(window.shape, np.int64), areas[window.slices], window, seed=11)
    drawn = np.bincount(draw.result().row // 16, minlength=10)
    by_area = points * areas.reshape(10, -1).sum(axis=1) / areas.sum()
    assert ((drawn - by_area) ** 2 / by_area).sum() < 21.7  # 99 % of chi-square with 9 degrees of freedom
    assert ((drawn - points / 10) ** 2 / (points / 10)).sum() > 500  # as pixels alike, the north would get too many


def test_the_chance_of_a_pixel_is_its_share_of_the_area():
    """In a stratum of 12 pixels the chance is right to 1 / 12 of how much the pixel differs from the mean."""
    areas = np.linspace(1.0, 1.5, 12)[None]
    times = np.zeros(12)
    for seed in range(3000):
        draw = PixelDraw(np.array([3]))
        draw.add(np.zeros((1, 12), np.int64), areas, Window(0, 0, 1, 12), seed=seed)
        times[draw.result().col] += 1
    expected = 3 * areas[0] / areas.sum()
    assert times / 3000 == pytest.approx(expected, abs=0.032)  # four standard errors
    assert np.polyfit(expected, times / 3000, 1)[0] == pytest.approx(1.0, abs=0.25)
