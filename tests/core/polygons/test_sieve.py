"""Small objects and holes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from class_arrays import WANTED, maps
from hectares.core.polygons.measures import face_areas
from hectares.core.polygons.outlines import trace_faces
from hectares.core.polygons.sieve import Relabelling, Sieve, connect


def sieved(
    labels: np.ndarray, *, least: float = 0, fill: float = 0, rows: int = 100, pixel_m: tuple[float, float] = (1, 1)
) -> tuple[np.ndarray, Relabelling]:
    sieve = Sieve(len(labels), min_area_m2=least, fill_holes_m2=fill)
    strips = [labels[row : row + rows] for row in range(0, len(labels), rows)]
    for strip in strips:
        sieve.add(strip, np.ones(strip.shape), pixel_m)
    plan = sieve.plan()
    return np.concatenate([plan.apply(i, strip) for i, strip in enumerate(strips)]), plan


def test_a_small_object_goes_where_its_border_is_longest():
    labels = np.array([[0, 0, 0, 2], [0, 1, 1, 2], [0, 0, 0, 2]], np.uint8)
    found, plan = sieved(labels, least=3)
    assert found.tolist() == [[0, 0, 0, 2]] * 3
    assert (plan.merged, plan.filled, plan.alone) == (1, 0, 0)


@pytest.mark.parametrize(("pixel_m", "goes_to"), [((9, 1), 2), ((1, 9), 0)])
def test_borders_are_as_long_as_on_the_ground(pixel_m: tuple[float, float], goes_to: int):
    labels = np.array([[2, 2, 1], [2, 2, 0], [2, 2, 0]], np.uint8)
    assert sieved(labels, least=2, pixel_m=pixel_m)[0][0, 2] == goes_to


def test_objects_that_meet_after_a_merge_are_one():
    labels = np.array([[1, 1, 0, 1, 1], [1, 1, 0, 1, 1], [2, 2, 2, 2, 2]], np.uint8)
    found, plan = sieved(labels, least=5)
    assert plan.merged == 1  # the two of class 1 have four pixels each, and ten with what was between them
    assert found.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [2, 2, 2, 2, 2]]


def test_nodata_takes_nothing_and_is_taken_by_nothing():
    labels = np.array([[255, 255, 255], [255, 1, 255], [255, 255, 255], [0, 0, 255]], np.uint8)
    found, plan = sieved(labels, least=2, fill=50)
    assert np.array_equal(found, labels)
    assert plan.alone == 1


def test_what_one_object_encloses_is_filled():
    labels = np.zeros((5, 6), np.uint8)
    labels[1:4, 1:5] = 1
    labels[2, 2], labels[2, 3] = 2, 0
    found, plan = sieved(labels, fill=2.5)
    assert plan.filled == 2
    assert found[2].tolist() == [0, 1, 1, 1, 1, 0]
    assert np.array_equal(sieved(labels, fill=2)[0], labels)  # both together have two pixels


def test_what_touches_the_rim_of_the_map_is_no_hole():
    labels = np.zeros((3, 3), np.uint8)
    labels[1, 0] = 1
    assert np.array_equal(sieved(labels, fill=5)[0], labels)


def test_a_hole_with_nodata_stays():
    labels = np.zeros((4, 5), np.uint8)
    labels[1, 1], labels[2, 3] = 255, 1
    found, _ = sieved(labels, fill=3)
    assert (found[1, 1], found[2, 3]) == (255, 0)


@given(maps, st.sampled_from([0, 2, 4, 9]), st.sampled_from([0, 2, 5, 30]), st.sampled_from([1, 2, 3]))
def test_strips_make_no_difference(labels: np.ndarray, least: float, fill: float, rows: int):
    whole, plan = sieved(labels, least=least, fill=fill)
    assert np.array_equal(whole, sieved(labels, least=least, fill=fill, rows=rows)[0])
    faces = trace_faces(whole, wanted=WANTED)
    assert (face_areas(faces, np.ones(labels.shape)) < least).sum() == plan.alone
    assert np.array_equal(whole == 255, labels == 255)


@pytest.mark.parametrize("count", [1, 6])
def test_a_chain_is_one_whatever_the_order_of_its_pairs(count: int):
    pairs = np.array([(i + 1, i) for i in reversed(range(count - 1))], np.int64).reshape(-1, 2)
    assert connect(count, pairs).tolist() == [0] * count
