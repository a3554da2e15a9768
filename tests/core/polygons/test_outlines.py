"""Outlines of the objects of a strip."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from rasterio import features

from class_arrays import HARD, WANTED, maps
from hectares.core.polygons.outlines import Faces, following, signed_areas, trace_faces
from hectares.io.polygons.coverage import to_polygons

PIXELS = Affine(1, 0, 0, 0, -1, 0)


def polygons_of(labels: np.ndarray) -> tuple[Faces, np.ndarray]:
    faces = trace_faces(labels, wanted=WANTED)
    return faces, to_polygons(faces, PIXELS)


def areas_by_rasterio(labels: np.ndarray) -> list[tuple[int, float]]:
    found = features.shapes(labels, mask=labels < 254, connectivity=4)
    return sorted((int(value), shapely.area(shapely.geometry.shape(shape))) for shape, value in found)


def test_a_ring_runs_counterclockwise_from_its_first_vertex():
    faces = trace_faces(np.array([[5, 5], [255, 5]], np.uint8), row=10, wanted=WANTED)
    assert faces.points.tolist() == [[10, 0], [11, 0], [11, 1], [12, 1], [12, 2], [10, 2]]
    assert (faces.rings.tolist(), faces.owners.tolist(), faces.labels.tolist()) == ([0, 6], [0], [5])


def test_where_three_regions_meet_all_of_them_have_a_vertex():
    _, polygons = polygons_of(np.array([[0, 0], [1, 2]], np.uint8))
    assert all((1, -1) in set(map(tuple, shapely.get_coordinates(p).tolist())) for p in polygons)


def test_pixels_that_touch_at_a_corner_are_two_objects():
    _, polygons = polygons_of(np.array([[1, 255], [255, 1]], np.uint8))
    assert shapely.area(polygons).tolist() == [1, 1]


def test_holes_that_touch_at_a_corner_are_two_holes():
    faces, polygons = polygons_of(HARD["touching holes"])
    ringed = polygons[faces.labels == 1][0]
    assert (len(ringed.interiors), ringed.area, ringed.is_valid) == (2, 14, True)


def test_a_hole_may_touch_the_outer_ring():
    faces, polygons = polygons_of(HARD["hole that touches the rim"])
    ringed = polygons[faces.labels == 1][0]
    assert (len(ringed.interiors), ringed.area, ringed.is_valid) == (1, 7, True)


def test_classes_that_are_not_wanted_leave_a_gap():
    only = np.arange(256) == 1
    faces = trace_faces(np.array([[0, 1, 1, 0]], np.uint8), wanted=only)
    assert faces.labels.tolist() == [1]
    assert faces.points.tolist() == [[0, 1], [1, 1], [1, 3], [0, 3]]


def test_borders_of_classes_beside_a_strip_become_vertices():
    one = np.zeros((1, 4), np.uint8)
    faces = trace_faces(
        one, above=np.array([0, 3, 3, 3], np.uint8), below=np.array([1, 1, 2, 2], np.uint8), wanted=WANTED
    )
    assert faces.points.tolist() == [[0, 0], [1, 0], [1, 2], [1, 4], [0, 4], [0, 1]]


@pytest.mark.parametrize("name", HARD)
def test_hard_maps_become_valid_polygons_of_the_same_area(name: str):
    faces, polygons = polygons_of(HARD[name])
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    areas = sorted(zip(faces.labels.tolist(), shapely.area(polygons).tolist(), strict=True))
    assert areas == areas_by_rasterio(HARD[name])


@given(maps)
def test_objects_are_those_of_rasterio_and_cover_without_gaps(labels: np.ndarray):
    faces, polygons = polygons_of(labels)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    areas = sorted(zip(faces.labels.tolist(), shapely.area(polygons).tolist(), strict=True))
    assert areas == areas_by_rasterio(labels)


@given(maps)
def test_outer_rings_turn_left_and_holes_right(labels: np.ndarray):
    faces, _ = polygons_of(labels)
    outer = np.append(True, np.diff(faces.owners) > 0)[: len(faces.owners)]
    assert ((signed_areas(faces.points, faces.rings) > 0) == outer).all()


def test_some_objects_can_be_selected():
    faces = trace_faces(np.array([[0, 1, 1]], np.uint8), wanted=WANTED)
    chosen = faces.select(np.array([False, True]))
    assert (chosen.labels.tolist(), chosen.owners.tolist(), chosen.points[0].tolist()) == ([1], [0], [0, 1])


def test_the_last_point_of_a_ring_is_followed_by_its_first():
    assert following(np.array([0, 3, 7])).tolist() == [1, 2, 0, 4, 5, 6, 3]
