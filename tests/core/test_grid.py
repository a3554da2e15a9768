"""Where pixels lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyproj
import pytest
import rasterio.crs
from affine import Affine

from hectares.core.grid import Grid, linear_unit_m, normalize_crs, parse_crs, same_grid
from hectares.core.window import Window
from hectares.errors import GridError, GsdError

UTM = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -20, 5_000_370), (5, 7))


def test_bounds_are_west_south_east_north():
    assert UTM.bounds == (500_120, 5_000_270, 500_190, 5_000_370)


def test_bounds_of_a_south_up_grid_are_not_inverted():
    south_up = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, 20, 5_000_370), (5, 7))
    assert south_up.bounds == (500_120, 5_000_370, 500_190, 5_000_470)


def test_bounds_of_a_rotated_grid_hold_all_corners():
    rotated = Grid("EPSG:32633", Affine(6, 8, 1000, -8, 6, 2000), (2, 3))  # 10 m, turned
    assert rotated.corners == ((1000, 2000), (1018, 1976), (1034, 1988), (1016, 2012))
    assert rotated.bounds == (1000, 1976, 1034, 2012)


def test_crop_moves_the_origin_by_whole_pixels():
    crop = UTM.crop(Window(row=2, col=3, height=1, width=4))
    assert crop == Grid("EPSG:32633", Affine(10, 0, 500_150, 0, -20, 5_000_330), (1, 4))


def test_crop_of_a_rotated_grid_keeps_pixels_in_place():
    rotated = Grid("EPSG:32633", Affine(6, 8, 1000, -8, 6, 2000), (5, 7))
    crop = rotated.crop(Window(2, 1, 2, 2))
    assert crop.transform @ (0, 0) == rotated.transform @ (1, 2)
    assert crop.transform @ (2, 1) == rotated.transform @ (3, 3)


def test_crop_may_reach_beyond_the_grid():
    assert UTM.crop(Window(-1, -2, 9, 9)).transform @ (2, 1) == (500_120, 5_000_370)


def test_window_of_a_grid_holds_all_its_pixels():
    assert UTM.window == Window(0, 0, 5, 7)


def test_gsd_is_per_row_then_per_column():
    assert UTM.gsd == (20, 10)


def test_gsd_of_a_rotated_grid_is_the_side_of_its_pixels():
    rotated = Grid("EPSG:32633", Affine(6, 8, 1000, -8, 6, 2000), (2, 3))
    assert rotated.gsd == (10, 10)


def test_gsd_in_feet_is_given_in_metres():
    feet = Grid("EPSG:2263", Affine(10, 0, 980_000, 0, -10, 200_000), (5, 7))
    assert feet.gsd == pytest.approx((3.048006096, 3.048006096), rel=1e-9)


def test_gsd_in_degrees_is_measured_on_the_ellipsoid():
    degrees = Grid("EPSG:4326", Affine(0.001, 0, 10, 0, -0.001, 60.001), (2, 2))
    along_rows, along_cols = degrees.gsd
    assert along_rows == pytest.approx(111.41, abs=0.01)  # a degree of latitude at 60 N: 111,412 m
    assert along_cols == pytest.approx(55.80, abs=0.01)  # a degree of longitude there: 55,800 m


def test_gsd_in_grads_is_measured_on_the_ellipsoid():
    grads = Grid("EPSG:4807", Affine(0.001, 0, 2, 0, -0.001, 55.001), (2, 2))  # 55 grads are 49.5 degrees
    along_rows, along_cols = grads.gsd
    assert along_rows == pytest.approx(100.10, abs=0.02)  # 0.9 of a degree of latitude at 49.5 N: 111,219 m
    assert along_cols == pytest.approx(65.19, abs=0.02)  # 0.9 of a degree of longitude there: 72,437 m


def test_gsd_of_degrees_is_not_changed_by_their_unit():
    degrees = Grid("EPSG:4326", Affine(0.001, 0, 2, 0, -0.001, 49.501), (2, 2))
    assert degrees.gsd == pytest.approx((111.22, 72.44), abs=0.01)


def test_gsd_needs_a_crs():
    with pytest.raises(GsdError, match="has no CRS"):
        _ = Grid(None, Affine.identity(), (2, 3)).gsd


@pytest.mark.parametrize("text", ["EPSG:32633", "epsg:32633", pyproj.CRS("EPSG:32633").to_wkt()])
def test_spellings_of_one_crs_are_equal(text: str):
    assert normalize_crs(text) == "EPSG:32633"


@pytest.mark.parametrize("code", [4326, 3857, 32633, 2263, 3035, 3413, 3031, 25832, 28992, 2056, 31467])
def test_crs_from_a_file_is_recognized(code: int):
    assert normalize_crs(rasterio.crs.CRS.from_epsg(code).to_wkt()) == f"EPSG:{code}"
    assert normalize_crs(pyproj.CRS.from_epsg(code).to_wkt()) == f"EPSG:{code}"


def test_crs_without_a_code_stays_wkt():
    own = "+proj=laea +lat_0=17.3 +lon_0=8.1 +datum=WGS84 +units=m"
    text = normalize_crs(own)
    assert text.startswith("PROJCRS[")
    assert normalize_crs(text) == text


def test_nonsense_is_no_crs():
    with pytest.raises(GridError, match="'EPSG:1' is no coordinate reference system"):
        Grid("EPSG:1", Affine.identity(), (2, 3))


def test_a_grid_without_a_crs_is_not_georeferenced():
    grid = Grid(None, Affine.identity(), (2, 3))
    assert (grid.is_georeferenced, grid.is_geographic) == (False, False)
    assert grid.bounds == (0, 0, 3, 2)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (-1, 4)])
def test_a_grid_without_pixels_is_refused(shape: tuple[int, int]):
    with pytest.raises(GridError, match="at least one pixel"):
        Grid(None, Affine.identity(), shape)


@pytest.mark.parametrize("transform", [Affine(1, 2, 0, 2, 4, 0), Affine(float("nan"), 0, 0, 0, -1, 0)])
def test_a_transform_without_area_is_refused(transform: Affine):
    with pytest.raises(GridError, match="not to an area"):
        Grid("EPSG:32633", transform, (2, 3))


def test_north_up_means_no_rotation_either_way_up():
    assert UTM.is_north_up
    assert Grid("EPSG:32633", Affine(10, 0, 0, 0, 20, 0), (5, 7)).is_north_up
    assert not Grid("EPSG:32633", Affine(10, 1, 0, 0, -20, 0), (5, 7)).is_north_up


def _moved(dx: float, dy: float) -> Grid:
    return Grid(UTM.crs, Affine.translation(dx, dy) @ UTM.transform, UTM.shape)


@pytest.mark.parametrize(
    ("dx", "dy", "same"), [(0.09, 0.19, True), (-0.09, 0, True), (0.11, 0, False), (0, 0.21, False)]
)
def test_same_grid_allows_a_hundredth_of_a_pixel(dx: float, dy: float, same: bool):
    assert same_grid(UTM, _moved(dx, dy)) is same


def test_same_grid_looks_at_the_far_corner_too():
    stretched = Affine(10.02, 0, 500_120, 0, -20, 5_000_370)
    assert not same_grid(UTM, replace(UTM, transform=stretched))


def test_same_grid_needs_one_shape_and_one_crs():
    assert not same_grid(UTM, replace(UTM, shape=(7, 5)))
    assert not same_grid(UTM, replace(UTM, crs="EPSG:32632"))


def test_equality_of_grids_is_exact():
    assert _moved(0, 0) == UTM
    assert _moved(1e-6, 0) != UTM


def test_unit_of_metres_is_one():
    assert linear_unit_m(parse_crs("EPSG:32633")) == 1


def test_shape_may_come_from_an_array():
    assert Grid(None, Affine.identity(), np.zeros((2, 3)).shape).window.pixels == 6
