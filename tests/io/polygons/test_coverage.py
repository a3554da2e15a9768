"""Outlines as polygons, and simplified together."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from class_arrays import HARD, maps
from hectares.core.polygons.outlines import OUTSIDE, Faces, trace_faces
from hectares.core.polygons.stitching import Stitcher, StripEnds
from hectares.io.polygons.coverage import simplify_faces, to_polygons

ALL = np.arange(256) != OUTSIDE


def simplified(faces: Faces, tolerance_m: float, pixel_m: float = 1) -> Faces:
    return simplify_faces(faces, np.full(len(faces), tolerance_m), (pixel_m, pixel_m))


def test_polygons_are_counterclockwise_whatever_way_rows_run():
    faces = trace_faces(HARD["touching holes"], wanted=ALL)
    for down in (-1, 1):
        polygons = to_polygons(faces, Affine(10, 0, 500, 0, 10 * down, 900))
        assert all(p.exterior.is_ccw and not any(i.is_ccw for i in p.interiors) for p in polygons)


def test_stairs_become_a_slope():
    stairs = np.tri(6, 7, dtype=np.uint8)
    simple = simplified(trace_faces(stairs, wanted=ALL), 2)
    assert len(simple.points) < len(trace_faces(stairs, wanted=ALL).points) - 8


def test_the_tolerance_counts_on_the_ground():
    stairs = np.tri(6, 7, dtype=np.uint8)
    faces = trace_faces(stairs, wanted=ALL)
    assert np.array_equal(simplified(faces, 2, 10).points, faces.points)
    assert len(simplified(faces, 20, 10).points) < len(faces.points)


@pytest.mark.parametrize("name", HARD)
def test_hard_maps_stay_a_coverage(name: str):
    faces = trace_faces(HARD[name], wanted=ALL)
    simple = to_polygons(simplified(faces, 2), Affine.identity())
    assert shapely.is_valid(simple).all()
    assert shapely.coverage_is_valid(simple)
    assert shapely.area(simple).sum() == HARD[name].size


@given(maps, st.sampled_from([0.8, 1.5, 4]))
def test_no_gap_opens_and_no_object_is_lost(labels: np.ndarray, tolerance: float):
    faces = trace_faces(labels, wanted=ALL)
    found = simplified(faces, tolerance)
    polygons = to_polygons(found, Affine.identity())
    assert np.array_equal(found.labels, faces.labels)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == labels.size


@given(maps, st.sampled_from([0.8, 4]))
def test_objects_may_differ_in_their_tolerance(labels: np.ndarray, tolerance: float):
    faces = trace_faces(labels, wanted=ALL)
    by_label = np.where(faces.labels == 0, tolerance, np.where(faces.labels == 1, 1.5, 0))
    found = simplify_faces(faces, by_label, (1, 1))
    polygons, exact = to_polygons(found, Affine.identity()), to_polygons(faces, Affine.identity())
    assert np.array_equal(found.labels, faces.labels)
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == labels.size
    assert shapely.equals(polygons[by_label == 0], exact[by_label == 0]).all()


def in_bands(labels: np.ndarray, rows: int, tolerance: float) -> np.ndarray:
    """Polygons of a map that is simplified in bands."""
    stitcher = Stitcher(labels.shape[1])
    parts = []
    for row in range(0, len(labels), rows):
        band = labels[row : row + rows]
        end = row + len(band)
        above, below = labels[row - 1] if row else None, labels[end] if end < len(labels) else None
        faces = simplified(trace_faces(band, row=row, above=above, below=below, wanted=ALL), tolerance)
        faces = faces.select(faces.labels < OUTSIDE)
        ends = StripEnds(row, end, above, band[0], below)
        found = stitcher.add(faces, ends.cut(faces), ends, np.zeros((len(faces), 1)), np.zeros(len(faces)))
        parts.append(to_polygons(found.faces, Affine.identity()))
    return np.concatenate(parts)


@given(maps, st.sampled_from([1, 2, 4]), st.sampled_from([0.8, 1.5, 4]))
def test_bands_meet_without_gaps(labels: np.ndarray, rows: int, tolerance: float):
    polygons = in_bands(labels, rows, tolerance)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert len(polygons) == (trace_faces(labels, wanted=ALL).labels < OUTSIDE).sum()
    if not (labels == 255).any():
        assert shapely.area(polygons).sum() == labels.size


def test_an_outline_does_not_run_into_itself_where_pixels_are_not_square():
    labels = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 2, 0, 1]], np.uint8)
    faces = trace_faces(labels, wanted=ALL)
    found = simplify_faces(faces, np.full(len(faces), 3.0), (1.0, 1.3))
    assert shapely.is_valid(to_polygons(found, Affine.identity())).all()
