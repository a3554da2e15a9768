"""Areas on the ellipsoid, against geodesic polygons with many vertices."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.area import AreaTally, map_area, nominal_pixel_area, pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import GridError, GsdError, LegendError

LEGEND = Legend.of({1: "forest", 7: "water"}, nodata=0)


def _geodesic_areas(grid: Grid, points: int = 16) -> np.ndarray:
    """Area of each pixel as a geodesic polygon whose edges follow the straight lines of the map."""
    crs = pyproj.CRS(grid.crs)
    to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    geod = crs.get_geod()
    t = np.arange(points) / points
    ring_col = np.concatenate([t, np.ones(points), 1 - t, np.zeros(points)])
    ring_row = np.concatenate([np.zeros(points), t, np.ones(points), 1 - t])
    areas = np.empty(grid.shape)
    for row, col in np.ndindex(grid.shape):
        x, y = grid.transform @ (col + ring_col, row + ring_row)
        lon, lat = (x, y) if crs.is_geographic else to_degrees.transform(x, y)
        areas[row, col] = abs(geod.polygon_area_perimeter(lon, lat)[0])
    return areas


def _upright(x: float, y: float, size: float, tall: float = 1.0) -> Affine:
    return Affine(size, 0, x, 0, -size * tall, y)


PLACES = {
    "degrees at 60 N": ("EPSG:4326", _upright(10.03, 60.02, 0.001)),
    "degrees on the equator": ("EPSG:4326", _upright(-3.0017, 0.0013, 0.001, 1.5)),
    "degrees over the antimeridian": ("EPSG:4326", _upright(179.998, -45.1, 0.001)),
    "degrees at the pole": ("EPSG:4326", _upright(10.0, 90.0, 0.25)),
    "degrees, south up": ("EPSG:4326", Affine(0.001, 0, 10.03, 0, 0.001, 60.02)),
    "degrees, turned": ("EPSG:4326", _upright(10.03, 60.02, 0.001) @ Affine.rotation(30)),
    "Web Mercator at 60 N": ("EPSG:3857", _upright(1.0e6, 8_399_737.9, 30)),
    "Web Mercator at 80 S": ("EPSG:3857", _upright(1.0e6, -15_538_711, 1000)),
    "UTM on its axis": ("EPSG:32633", _upright(499_950, 5_000_370, 30)),
    "UTM 300 km off its axis": ("EPSG:32633", _upright(800_120, 5_000_370, 30)),
    "UTM over the antimeridian": ("EPSG:32660", _upright(726_000, 7_000_000, 1000)),
    "polar stereographic north": ("EPSG:3413", _upright(-1_200_060, 700_030, 30)),
    "polar stereographic north, around the pole": ("EPSG:3413", _upright(-3750, 4250, 3000)),
    "polar stereographic south, around the pole": ("EPSG:3031", _upright(-12_500, 9_000, 6000)),
    "polar stereographic, a corner on the pole": ("EPSG:3031", _upright(-6000, 6000, 3000)),
    "US survey feet": ("EPSG:2263", _upright(980_000, 200_000, 100)),
    "equal area": ("EPSG:3035", _upright(4_321_100, 3_210_050, 30)),
    "equal area, far off": ("EPSG:3035", _upright(2_700_100, 1_500_050, 30)),
    "turned": ("EPSG:32633", _upright(500_120, 5_000_370, 30) @ Affine.rotation(37)),
    "sheared": ("EPSG:32633", Affine(30, 12, 500_120, 5, -40, 5_000_370)),
    "south up": ("EPSG:32633", Affine(30, 0, 500_120, 0, 30, 5_000_370)),
    "mirrored": ("EPSG:32633", Affine(-30, 0, 500_120, 0, -30, 5_000_370)),
    "large pixels": ("EPSG:3857", _upright(1.0e6, 8_399_737.9, 50_000)),
}


@pytest.mark.parametrize("place", PLACES)
def test_pixels_have_the_area_of_their_geodesic_polygon(place: str):
    crs, transform = PLACES[place]
    grid = Grid(crs, transform, (3, 4))
    areas = pixel_area(grid, grid.window)
    points = 400 if transform.determinant**2 > 1e12 or grid.is_geographic else 16
    assert areas == pytest.approx(_geodesic_areas(grid, points), rel=1e-6)
    assert (areas.shape, areas.dtype) == ((3, 4), np.float64)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857", "EPSG:3413"])
def test_one_large_pixel_is_right_too(crs: str):
    grid = Grid(crs, _upright(600_000, 5_600_000, 50_000), (1, 1))
    assert pixel_area(grid, grid.window) == pytest.approx(_geodesic_areas(grid, 1000), rel=1e-6)


def test_web_mercator_at_60_north_is_a_quarter_of_nominal():
    grid = Grid("EPSG:3857", _upright(1.0e6, 8_399_737.9, 10), (2, 2))
    assert pixel_area(grid, grid.window) == pytest.approx(25, rel=0.005)


def test_all_pixels_of_a_global_grid_are_the_ellipsoid():
    grid = Grid("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), (180, 360))
    assert pixel_area(grid, grid.window).sum() == pytest.approx(510_065_621_724_088.44, rel=1e-12)


def test_all_pixels_of_a_sphere_are_the_sphere():
    sphere = "+proj=longlat +R=1000 +no_defs"
    grid = Grid(sphere, Affine(1, 0, -180, 0, -1, 90), (180, 360))
    assert pixel_area(grid, grid.window).sum() == pytest.approx(4 * np.pi * 1000**2, rel=1e-12)


@pytest.mark.parametrize("place", ["degrees at 60 N", "UTM 300 km off its axis", "turned", "Web Mercator at 80 S"])
def test_area_by_window_is_area_of_the_whole(place: str):
    crs, transform = PLACES[place]
    grid = Grid(crs, transform, (16, 11))
    whole = pixel_area(grid, grid.window)
    for window in (Window(0, 0, 7, 11), Window(7, 0, 9, 4), Window(7, 4, 9, 7), Window(15, 10, 1, 1)):
        assert pixel_area(grid, window) == pytest.approx(whole[window.slices], rel=1e-8)


def test_a_scene_of_many_blocks_is_as_right_as_its_parts():
    grid = Grid("EPSG:3857", _upright(1.0e6, 8_399_737.9, 200), (4000, 3000))
    whole = pixel_area(grid, grid.window)
    for row, col in ((0, 0), (3999, 2999), (1999, 1501), (2000, 7)):
        one = pixel_area(grid, Window(row, col, 1, 1))
        assert whole[row, col] == pytest.approx(one[0, 0], rel=1e-8)


def test_a_window_beyond_the_grid_has_area():
    grid = Grid("EPSG:32633", _upright(500_120, 5_000_370, 10), (5, 7))
    assert pixel_area(grid, Window(-2, 5, 4, 6)).shape == (4, 6)


def test_without_crs_there_is_no_area():
    with pytest.raises(GridError, match="has no CRS"):
        pixel_area(Grid(None, Affine.identity(), (2, 3)), Window(0, 0, 2, 3))


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", _upright(9.0e7, 5_000_370, 10)),
        ("EPSG:3035", _upright(9.0e7, 5_000_370, 10)),
        ("EPSG:4326", _upright(10, 90.5, 0.1)),
        ("EPSG:4326", _upright(10, -90.5, 0.1) @ Affine.rotation(10)),
    ],
)
def test_outside_the_domain_of_the_crs_there_is_no_area(crs: str, transform: Affine):
    grid = Grid(crs, transform, (5, 7))
    with pytest.raises(GridError, match=r"domain|poles"):
        pixel_area(grid, grid.window)


def test_a_local_crs_is_not_tied_to_the_earth():
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    with pytest.raises(GridError, match=r"not tied to the Earth|no ellipsoid"):
        pixel_area(Grid(local, Affine(1, 0, 0, 0, -1, 0), (2, 3)), Window(0, 0, 2, 3))


# --- Classes ----------------------------------------------------------------------------------------------

_maps = hnp.arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 255]))
_UTM = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -20, 5_000_370), (5, 7))


@given(_maps)
def test_classes_and_nodata_are_the_scene(class_map: np.ndarray):
    table = map_area(class_map, _UTM, LEGEND)
    assert sum(r.pixels for r in table.rows) == 35
    assert table.total_m2 == pytest.approx(pixel_area(_UTM, _UTM.window).sum(), rel=1e-12)
    shares = [table.share(r) for r in table.rows]
    assert shares[-1] is None
    if (class_map != 255).any():
        assert sum(shares[:-1]) == pytest.approx(1)
    else:
        assert shares == [None, None, None]


@given(_maps, st.integers(1, 4))
def test_area_added_in_parts_is_area_of_the_whole(class_map: np.ndarray, row: int):
    areas = pixel_area(_UTM, _UTM.window)
    tally = AreaTally(LEGEND)
    tally.add(class_map[row:], areas[row:])
    tally.add(class_map[:row], areas[:row])
    for part, whole in zip(tally.table().rows, map_area(class_map, _UTM, LEGEND).rows, strict=True):
        assert (part.name, part.pixels) == (whole.name, whole.pixels)
        assert part.mapped_m2 == pytest.approx(whole.mapped_m2, rel=1e-12)


def test_rows_are_in_legend_order_with_nodata_last():
    class_map = np.array([[1, 1, 255], [0, 1, 255]], np.uint8)
    table = map_area(class_map, Grid("EPSG:3035", _upright(4_321_000, 3_210_000, 10), (2, 3)), LEGEND)
    assert [(r.class_id, r.name, r.pixels) for r in table.rows] == [
        (1, "forest", 1),
        (7, "water", 3),
        (None, "nodata", 2),
    ]
    assert [r.mapped_m2 for r in table.rows] == pytest.approx([100, 300, 200], rel=1e-6)
    assert [table.share(r) for r in table.rows[:2]] == pytest.approx([0.25, 0.75], rel=1e-6)
    assert table.observed_m2 == pytest.approx(400, rel=1e-6)


def test_codes_taken_for_indices_are_refused_instead_of_lost():
    with pytest.raises(LegendError, match="class index 7 is outside a legend of 2 classes"):
        map_area(np.full((5, 7), 7, np.uint8), _UTM, LEGEND)


@pytest.mark.parametrize("gsd_m", [0, -1, float("nan"), float("inf")])
def test_impossible_gsd_is_refused(gsd_m: float):
    with pytest.raises(GsdError, match="not possible"):
        nominal_pixel_area(gsd_m)


def test_a_crs_whose_base_counts_in_grads():
    grid = Grid("EPSG:27572", Affine(100, 0, 600_000, 0, -100, 2_200_000), (3, 4))
    # Lambert II étendu is true to scale within a few parts in ten thousand near its parallel.
    assert pixel_area(grid, grid.window) == pytest.approx(np.full((3, 4), 10_000.0), rel=1e-3)
