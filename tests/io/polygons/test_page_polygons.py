"""Polygons as a page draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.io.polygons.page_polygons import label_point, read_page_polygons, rings_on
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.monitor import QUIET

GRID = Grid("EPSG:3035", Affine(10, 0, 4_321_000, 0, -10, 3_210_050), (50, 70))
TURNED = Grid("EPSG:3035", GRID.transform @ Affine.rotation(30), (50, 70))


def _box(left: float, top: float, right: float, bottom: float) -> shapely.Geometry:
    (west, north), (east, south) = GRID.transform @ (left, top), GRID.transform @ (right, bottom)
    return shapely.box(west, south, east, north)


def _points(ring: list[float]) -> set[tuple[float, float]]:
    return set(zip(ring[::2], ring[1::2], strict=True))


def test_holes_and_parts_are_rings():
    ring = shapely.difference(_box(0, 0, 10, 10), _box(2, 3, 4, 5))
    rings = rings_on(shapely.union(ring, _box(20, 20, 21, 22)), GRID)
    expected = [{(0, 0), (10, 0), (0, 10), (10, 10)}, {(2, 3), (4, 3), (2, 5), (4, 5)}]
    expected.append({(20, 20), (21, 20), (20, 22), (21, 22)})
    assert [_points(r) for r in rings] == expected


def test_rings_are_in_pixels_of_a_turned_grid():
    corners = [(1, 2), (11, 2), (11, 30)]
    (ring,) = rings_on(shapely.Polygon([TURNED.transform @ c for c in corners]), TURNED)
    assert _points(ring) == set(corners)


def test_points_that_nobody_could_see_are_left_out():
    wave = shapely.segmentize(_box(0, 0, 10, 10), 1.0)
    assert len(rings_on(wave, GRID)[0]) == 8


def test_a_name_is_written_inside_what_is_on_the_map():
    x, y = label_point(_box(-500, 10, 10, 20), GRID)
    assert 0 <= x <= 10
    assert 10 <= y <= 20
    assert label_point(_box(-10, 0, -5, 5), GRID) is None


def test_areas_are_those_on_the_ellipsoid_whatever_the_crs(tmp_path: Path):
    mercator = VectorLayer("EPSG:3035", (_box(0, 0, 10, 10),), {"name": ("a",)}).to_crs("EPSG:3857")
    write_layer(tmp_path / "a.gpkg", mercator, name="a", overwrite=False)
    (found,) = read_page_polygons(tmp_path / "a.gpkg", GRID, 10, QUIET)
    assert found.area_m2 == pytest.approx(10_000, rel=1e-4)
    assert found.name == "a"


def test_polygons_without_a_name_are_numbered_and_those_elsewhere_left_out(tmp_path: Path):
    layer = VectorLayer("EPSG:3035", (_box(-90, 0, -80, 5), _box(0, 0, 1, 1)), {"height": (1, 2)})
    write_layer(tmp_path / "a.gpkg", layer, name="a", overwrite=False)
    assert [p.name for p in read_page_polygons(tmp_path / "a.gpkg", GRID.crop(Window(0, 0, 9, 9)), 10, QUIET)] == [
        "polygon 2"
    ]
