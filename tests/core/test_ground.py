"""Tables of longitude, latitude and pixel area."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine

from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.ground import GroundTable, area_table, lonlat_table
from hectares.core.window import Window
from hectares.errors import GridError

GRIDS = {
    "utm": Grid("EPSG:32645", Affine(10, 0, 600_000, 0, -10, 2_400_000), (3000, 2000)),
    "degrees": Grid("EPSG:4326", Affine(0.0001, 0, 10, 0, -0.0001, 60), (4000, 3000)),
    "mercator": Grid("EPSG:3857", Affine(10, 0, 1.0e6, 0, -10, 8_399_738), (2000, 900)),
    "turned": Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370) @ Affine.rotation(30), (900, 1500)),
}


def _at(table: GroundTable, grid: Grid, row: float, col: float) -> np.ndarray:
    _, rows, cols = table.values.shape
    return table.at(row / grid.shape[0] * (rows - 1), col / grid.shape[1] * (cols - 1))


@pytest.mark.parametrize("name", GRIDS)
def test_the_area_of_any_pixel_is_right_to_a_millionth(name: str):
    grid = GRIDS[name]
    table = area_table(grid)
    for row, col in ((0, 0), (313, 777), (grid.shape[0] - 1, grid.shape[1] - 1)):
        expected = pixel_area(grid, Window(row, col, 1, 1))[0, 0]
        assert _at(table, grid, row + 0.5, col + 0.5)[0] == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("name", GRIDS)
def test_longitude_and_latitude_are_right_to_a_fraction_of_a_pixel(name: str):
    grid = GRIDS[name]
    table = lonlat_table(grid)
    back = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    for row, col in ((0.0, 0.0), (313.3, 777.7), (800.0, 20.0)):
        found_col, found_row = ~grid.transform @ back.transform(*_at(table, grid, row, col))
        assert abs(found_row - row) < 0.15
        assert abs(found_col - col) < 0.15


def test_longitudes_go_on_beyond_the_antimeridian():
    grid = Grid("EPSG:32601", Affine(10, 0, 130_000, 0, -10, 2_400_000), (500, 30_000))
    lon = lonlat_table(grid).values[0]
    assert lon.max() - lon.min() < 4
    assert (np.diff(lon, axis=1) > 0).all()


def test_a_whole_earth_has_one_longitude_for_each_edge():
    earth = Grid("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), (180, 360))
    assert lonlat_table(earth).values[0].min() == -180
    assert lonlat_table(earth).values[0].max() == 180


def test_a_table_is_small():
    assert area_table(GRIDS["utm"]).values.size < 100
    assert lonlat_table(GRIDS["degrees"]).values.shape == (2, 2, 2)


def test_a_grid_outside_its_crs_is_refused():
    far = Grid("EPSG:32633", Affine(10, 0, 5e8, 0, -10, 5e8), (10, 10))
    with pytest.raises(GridError, match="outside the domain"):
        lonlat_table(far)


def test_json_holds_null_for_what_is_not_known():
    table = GroundTable(np.array([[[1.5, np.nan], [2.0, 3.0]]]))
    assert table.to_json() == {"rows": 1, "cols": 1, "values": [[1.5, None, 2.0, 3.0]]}
