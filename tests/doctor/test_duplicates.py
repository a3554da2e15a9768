"""Copies: found without comparing every image with every other."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.doctor.duplicates import Fingerprints, distance, equal_groups, find_copies, join_groups, near_pairs
from hectares.doctor.finding import Place
from hectares.doctor.thumbnails import keep, look_hashes


def brute_force(hashes, limit):
    n = len(hashes)
    return [[i, j] for i in range(n) for j in range(i + 1, n) if int(hashes[i] ^ hashes[j]).bit_count() <= limit]


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.lists(st.integers(0, 63), max_size=9)), max_size=30),
    st.integers(0, 8),
)
def test_the_search_by_parts_finds_what_comparing_all_pairs_finds(seeds, copies, limit):
    values = set(seeds)
    for seed, bits in copies:
        if seed < len(seeds):
            value = seeds[seed]
            for bit in bits:
                value ^= 1 << bit
            values.add(value)
    hashes = np.array(sorted(values), np.uint64)
    assert near_pairs(hashes, limit).tolist() == brute_force(hashes, limit)


def test_the_distance_counts_the_bits_that_differ():
    a = np.array([0, 2**64 - 1, 2**63 + 1], np.uint64)
    b = np.array([0, 0, 1], np.uint64)
    assert distance(a, b).tolist() == [0, 64, 1]


def test_a_hundred_thousand_hashes_are_searched_within_seconds():
    hashes = np.unique(np.random.default_rng(3).integers(0, 2**64, 100_000, dtype=np.uint64))
    hashes[70_000] = hashes[20] ^ np.uint64(0b1011)
    start = time.process_time()
    assert near_pairs(hashes, 4).tolist() == [[20, 70_000]]
    assert time.process_time() - start < 10  # it takes 0.2 s; a search of all pairs would take minutes


def test_groups_of_equal_rows_are_told_by_position():
    rows = np.array([[1, 2], [3, 4], [1, 2], [5, 6], [1, 2]], np.uint8)
    assert [g.tolist() for g in equal_groups(rows)] == [[0, 2, 4]]


def test_pairs_that_share_a_member_are_one_group():
    assert join_groups(6, np.array([[4, 5], [1, 4], [0, 2]])).tolist() == [0, 1, 0, 3, 1, 1]
    assert join_groups(2, np.zeros((0, 2), np.int64)).tolist() == [0, 1]


def prints_of(pictures, *, splits=None, labels=None, sources=None, turns=False):
    count = len(pictures)
    return Fingerprints(
        digests=np.array([np.resize(np.frombuffer(p.tobytes()[:64], np.uint8), 16) for p in pictures], np.uint8),
        labels=np.zeros((count, 16), np.uint8) if labels is None else np.array(labels, np.uint8)[:, None].repeat(16, 1),
        hashes=np.array([look_hashes(p, turns=turns) for p in pictures]),
        thumbnails=np.array([keep(p) for p in pictures]),
        textured=np.array([np.ptp(p) > 0 for p in pictures]),
        splits=np.full(count, -1, np.int8) if splits is None else np.array(splits, np.int8),
        sources=np.arange(count) if sources is None else np.array(sources),
    )


@pytest.fixture
def pictures():
    rng = np.random.default_rng(8)
    smooth = rng.random((4, 8, 8)).repeat(4, 1).repeat(4, 2)
    a, b, c, d = smooth * 200
    return [a, b, a, c, a * 1.1 + 5, d]


NAMES = list("abcdef")


def test_equal_and_similar_images_are_told_apart(pictures):
    exact, near = find_copies(prints_of(pictures), near=4)
    assert [g.tolist() for g in exact.groups] == [[0, 2]]
    assert [g.tolist() for g in near.groups] == [[0, 4]]  # of equal images only the first


def test_images_that_are_constant_are_nobodys_copies():
    exact, near = find_copies(prints_of([np.zeros((32, 32))] * 3), near=4)
    assert not exact.groups
    assert not near.groups


def test_a_flipped_image_is_found_only_if_asked_for(pictures):
    flipped = [*pictures[:2], pictures[3].T[::-1], pictures[3]]
    assert not find_copies(prints_of(flipped), near=4)[1].groups
    assert [g.tolist() for g in find_copies(prints_of(flipped, turns=True), near=4)[1].groups] == [[2, 3]]


def test_copies_across_splits_come_first_and_are_errors(pictures):
    prints = prints_of([*pictures, pictures[1]], splits=[0, 0, 0, 0, 0, 0, 1])
    exact, _ = find_copies(prints, near=0)
    found = list(exact.findings(prints, [*NAMES, "g"], [None] * 6 + [Place(lon=1.0, lat=2.0)]))
    assert [(f.severity, f.scene) for f in found] == [("error", "b"), ("warning", "a")]
    assert "b, g, in train and val" in found[0].what
    assert found[0].places == (Place(lon=1.0, lat=2.0),)
    assert exact.summary(prints) == {"groups": 2, "images": 4, "across_splits": {"train and val": 2}}


def test_equal_images_with_different_labels_say_so(pictures):
    prints = prints_of(pictures, labels=[1, 2, 3, 4, 5, 6])
    exact, _ = find_copies(prints, near=0)
    assert "with different labels" in next(exact.findings(prints, NAMES, [None] * 6)).what


def test_one_image_file_with_labels_of_several_areas_is_no_copy(pictures):
    prints = prints_of([pictures[0]] * 2, labels=[1, 2], sources=[0, 0])
    assert not find_copies(prints, near=0)[0].groups
