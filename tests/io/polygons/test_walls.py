"""Right angles for buildings."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from rasterio import features
from shapely import affinity

from hectares.io.polygons.walls import Squared, keep_apart, square_walls


def as_pixels(polygon: shapely.Polygon) -> shapely.Polygon:
    """The outline along the pixels of 1 m that a polygon covers."""
    burned = features.rasterize([polygon], out_shape=(80, 80), dtype="uint8")
    shapes = features.shapes(burned, mask=burned == 1)
    return max((shapely.geometry.shape(s) for s, _ in shapes), key=shapely.area)


def corner_angles(polygon: shapely.Polygon) -> np.ndarray:
    step = np.diff(shapely.get_coordinates(polygon.exterior), axis=0)
    turn = np.angle(step[:, 0] + 1j * step[:, 1])
    return np.abs((np.diff(np.append(turn, turn[0])) + np.pi) % (2 * np.pi) - np.pi)


L_SHAPE = shapely.Polygon([(0, 0), (40, 0), (40, 18), (22, 18), (22, 36), (0, 36)])


@pytest.mark.parametrize("degrees", [0, 17, 45, 73])
def test_a_turned_building_gets_its_corners_back(degrees: float):
    true = affinity.translate(affinity.rotate(L_SHAPE, degrees, origin=(20, 18)), 20, 22)
    pixels = as_pixels(true)
    squared = square_walls(np.array([pixels]), 1.5)
    found = squared.polygons[0]
    assert len(found.exterior.coords) == 7
    assert np.degrees(corner_angles(found)) == pytest.approx([90] * 6, abs=1e-6)
    assert found.intersection(true).area / found.union(true).area > 0.95
    assert squared.moved_m[0] <= 1.5


def test_no_wall_moves_farther_than_allowed():
    rng = np.random.default_rng(4)
    for limit in (0.8, 1.5, 3):
        shapes = [affinity.rotate(shapely.box(20, 20, *rng.uniform(35, 60, 2)), rng.uniform(0, 90)) for _ in range(5)]
        old = np.array([as_pixels(s) for s in shapes])
        squared = square_walls(old, limit)
        assert (squared.moved_m <= limit).all()
        assert shapely.is_valid(squared.polygons).all()
        for before, after in zip(old, squared.polygons, strict=True):
            assert shapely.hausdorff_distance(before.boundary, after.boundary, densify=0.02) <= limit + 0.1


def test_a_courtyard_is_squared_with_its_building():
    true = affinity.rotate(shapely.box(15, 15, 65, 60).difference(shapely.box(30, 30, 50, 45)), 12)
    squared = square_walls(np.array([as_pixels(true)]), 1.5).polygons[0]
    assert (len(squared.exterior.coords), [len(i.coords) for i in squared.interiors]) == (5, [5])


def test_what_cannot_be_squared_stays_as_it_is():
    circle = as_pixels(shapely.Point(40, 40).buffer(25))
    squared = square_walls(np.array([circle]), 0.3)
    assert squared.polygons[0].equals(circle)
    assert squared.moved_m.tolist() == [0]


def test_buildings_that_would_overlap_stay_as_they_were():
    old = np.array([shapely.box(0, 0, 10, 10), shapely.box(11, 0, 20, 10), shapely.box(30, 0, 40, 10)])
    new = np.array([shapely.box(0, 0, 11.5, 10), shapely.box(10.8, 0, 20, 10), shapely.box(29, 0, 40, 10)])
    apart = keep_apart(old, Squared(new, np.array([1.5, 0.2, 1.0])))
    assert apart.polygons[0].equals(old[0])
    assert apart.polygons[1].equals(new[1])
    assert apart.polygons[2].equals(new[2])
    assert apart.moved_m.tolist() == [0, 0.2, 1.0]


def test_neighbors_may_touch():
    boxes = np.array([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)])
    assert keep_apart(boxes, Squared(boxes, np.array([0.5, 0.5]))).moved_m.tolist() == [0.5, 0.5]


def test_a_building_along_the_pixels_stays_where_it_is():
    box = shapely.box(2, 2, 30, 20)
    assert square_walls(np.array([box]), 1).polygons[0].equals(box)
