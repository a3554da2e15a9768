"""Objects joined where strips meet."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from class_arrays import HARD, WANTED, maps
from hectares.core.polygons.measures import face_areas
from hectares.core.polygons.outlines import trace_faces
from hectares.core.polygons.stitching import Objects, Stitcher, StripEnds, in_order
from hectares.io.polygons.coverage import to_polygons


def stitched(labels: np.ndarray, rows: int) -> tuple[Objects, Stitcher, list[int]]:
    """All objects of a map that is read in strips, and how many were open after each."""
    stitcher = Stitcher(labels.shape[1])
    parts, opened = [], []
    for row in range(0, len(labels), rows):
        strip = labels[row : row + rows]
        end = row + len(strip)
        above = labels[row - 1] if row else None
        below = labels[end] if end < len(labels) else None
        faces = trace_faces(strip, row=row, above=above, below=below, wanted=WANTED)
        ends = StripEnds(row, end, above, strip[0], below)
        areas = face_areas(faces, np.ones(strip.shape), row=row)
        parts.append(stitcher.add(faces, ends.cut(faces), ends, areas[:, None], areas))
        opened.append(stitcher.open_objects)
    return in_order(parts), stitcher, opened


def same(one: Objects, other: Objects) -> bool:
    names = ("points", "rings", "owners", "labels")
    return all(np.array_equal(getattr(one.faces, n), getattr(other.faces, n)) for n in names)


@pytest.mark.parametrize("rows", [1, 3, 7])
@pytest.mark.parametrize("name", HARD)
def test_hard_maps_are_the_same_in_strips_and_at_once(name: str, rows: int):
    whole, _, _ = stitched(HARD[name], 100)
    parts, stitcher, _ = stitched(HARD[name], rows)
    assert same(whole, parts)
    assert np.allclose(whole.sums, parts.sums, rtol=1e-12)
    assert stitcher.open_objects == 0


@given(maps, st.sampled_from([1, 2, 3, 7]))
def test_random_maps_are_the_same_in_strips_and_at_once(labels: np.ndarray, rows: int):
    assert same(stitched(labels, 100)[0], stitched(labels, rows)[0])


def test_an_object_through_all_strips_is_one():
    objects, _, _ = stitched(HARD["spiral"], 1)
    long = objects.faces.labels == 1
    assert long.sum() == 1
    assert objects.sums[long, 0].tolist() == [(HARD["spiral"] == 1).sum()]


def test_objects_come_in_the_order_of_their_last_row():
    labels = np.array([[0, 1, 2], [0, 1, 0], [0, 0, 0]], np.uint8)
    objects, _, _ = stitched(labels, 1)
    assert objects.faces.labels.tolist() == [2, 1, 0]


def test_only_objects_that_may_go_on_stay_open():
    board = (np.indices((40, 30)).sum(0) % 2).astype(np.uint8)
    objects, stitcher, opened = stitched(board, 4)
    assert len(objects.faces) == 1200
    assert opened == [0] * 10
    assert not stitcher._fragments


def test_nothing_is_remembered_of_finished_objects():
    _, stitcher, _ = stitched(HARD["spiral"], 2)
    assert not stitcher._objects
    assert not stitcher._fragments
    assert not stitcher._parent


def test_the_lowest_of_all_strips_counts():
    objects, _, _ = stitched(np.array([[1, 1], [1, 0], [1, 1]], np.uint8), 1)
    assert objects.lows[objects.faces.labels == 1].tolist() == [1.0]


def test_the_end_of_a_strip_leaves_no_vertex():
    objects, _, _ = stitched(np.zeros((6, 2), np.uint8), 1)
    assert objects.faces.points.tolist() == [[0, 0], [6, 0], [6, 2], [0, 2]]


@given(maps)
def test_joined_objects_cover_without_gaps(labels: np.ndarray):
    objects, _, _ = stitched(labels, 2)
    polygons = to_polygons(objects.faces, Affine.identity())
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == (labels < 254).sum()
