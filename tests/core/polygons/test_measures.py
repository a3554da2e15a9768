"""Areas, lengths and scores of outlines."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given

from class_arrays import HARD, WANTED, maps
from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.polygons.measures import face_areas, face_perimeters, face_scores, ground_scale
from hectares.core.polygons.outlines import Faces, trace_faces

GRIDS = {
    "degrees": ("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 60)),
    "meters": ("EPSG:32633", Affine(30, 0, 250_000, 0, -30, 6_600_000)),
    "web": ("EPSG:3857", Affine(100, 0, 1.1e6, 0, -100, 8.4e6)),
    "turned": ("EPSG:32633", Affine(30, 0, 250_000, 0, -30, 6_600_000) @ Affine.rotation(20)),
}


def areas_by_pixel(faces: Faces, labels: np.ndarray, areas: np.ndarray) -> np.ndarray:
    return np.array([areas[labels == label].sum() for label in np.unique(faces.labels)])


@pytest.mark.parametrize("name", GRIDS)
def test_polygons_have_the_area_of_their_pixels(name: str):
    crs, transform = GRIDS[name]
    labels = HARD["spiral"]
    grid = Grid(crs, transform, labels.shape)
    areas = pixel_area(grid, grid.window)
    faces = trace_faces(labels, wanted=WANTED)
    by_class = np.bincount(faces.labels, weights=face_areas(faces, areas))
    assert by_class == pytest.approx(areas_by_pixel(faces, labels, areas), rel=1e-12)


@given(maps)
def test_areas_of_random_maps_are_those_of_the_pixels(labels: np.ndarray):
    areas = 1 + np.random.default_rng(0).random(labels.shape)
    faces = trace_faces(labels, wanted=WANTED)
    by_class = np.bincount(faces.labels, weights=face_areas(faces, areas), minlength=3)
    expected = [areas[labels == k].sum() for k in range(3)]
    assert by_class[:3] == pytest.approx(expected, rel=1e-12)


def test_a_slanted_edge_takes_half_of_the_pixels_it_crosses():
    triangle = Faces(
        np.array([[0, 0], [2, 0], [2, 4]], np.int32), np.array([0, 3]), np.array([0]), np.array([1], np.uint8)
    )
    areas = np.array([[1.0, 1, 1, 1], [10, 10, 10, 10]])
    assert face_areas(triangle, areas).tolist() == [1 * 1 + 10 * 3]


def test_edges_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch):
    faces = trace_faces(HARD["spiral"], wanted=WANTED)
    areas = np.random.default_rng(1).random(HARD["spiral"].shape)
    whole = face_areas(faces, areas)
    monkeypatch.setattr("hectares.core.polygons.measures._EDGES_AT_ONCE", 5)
    assert face_areas(faces, areas) == pytest.approx(whole, rel=1e-12)


def test_scores_of_an_object_are_those_of_its_pixels():
    labels = np.array([[1, 1, 0], [255, 1, 0]], np.uint8)
    scores = np.array([[0.5, 0.25, 0.9], [np.nan, 0.75, np.nan]])
    faces = trace_faces(labels, wanted=WANTED)
    total, lowest, count = face_scores(faces, scores)
    found = {int(k): v for k, *v in zip(faces.labels, total, lowest, count, strict=True)}
    assert found == {1: [1.5, 0.25, 3], 0: [0.9, 0.9, 1]}


@given(maps)
def test_scores_of_random_maps_are_counted_once(labels: np.ndarray):
    faces = trace_faces(labels, wanted=WANTED)
    if not len(faces):
        return
    scores = np.where(labels < 254, 0.5, np.nan)
    total, _, count = face_scores(faces, scores)
    assert (total.sum(), count.sum()) == ((labels < 254).sum() / 2, (labels < 254).sum())


@pytest.mark.parametrize("name", GRIDS)
def test_lengths_are_those_of_geodesics(name: str):
    crs, transform = GRIDS[name]
    grid = Grid(crs, transform, (40, 50))
    scale = ground_scale(grid, grid.window)
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    for begin, end in (((3, 4), (3, 9)), ((3, 4), (11, 4)), ((30, 10), (34, 17))):
        ends = [to_degrees.transform(*(transform @ (col, row))) for row, col in (begin, end)]
        expected = pyproj.Geod(ellps="WGS84").inv(*ends[0], *ends[1])[2]
        found = scale.lengths(np.array([begin], np.int32), np.array([end], np.int32))[0]
        assert found == pytest.approx(expected, rel=2e-5)


def test_a_perimeter_is_the_length_of_all_rings_without_cut_edges():
    ring = np.array([[1, 1, 1], [1, 255, 1], [1, 1, 1]], np.uint8)
    faces = trace_faces(ring, wanted=WANTED)
    scale = ground_scale(Grid(None, Affine.identity(), (3, 3)), Grid(None, Affine.identity(), (3, 3)).window, gsd_m=2)
    cut = np.zeros(len(faces.points), bool)
    assert face_perimeters(faces, scale, cut).tolist() == [2 * (12 + 4)]
    cut[0] = True
    assert face_perimeters(faces, scale, cut).tolist() == [2 * (9 + 4)]


def test_the_size_of_a_pixel_is_measured_on_the_ground():
    crs, transform = GRIDS["web"]
    down, across = ground_scale(Grid(crs, transform, (40, 50)), Grid(crs, transform, (40, 50)).window).pixel_m
    assert down == pytest.approx(50, rel=0.02)  # at 60 N half of the nominal 100 m
    assert across == pytest.approx(50, rel=0.02)


def test_a_map_of_the_whole_earth_has_pixels_of_a_size():
    grid = Grid("EPSG:4326", Affine(0.5, 0, -180, 0, -0.5, 90), (360, 720))
    scale = ground_scale(grid, grid.window)
    assert min(scale.pixel_m) > 30_000
    equator = scale.lengths(np.array([[180, 10]], np.int32), np.array([[180, 12]], np.int32))[0]
    assert equator == pytest.approx(111_320, rel=0.003)
