"""Which chips are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.examples import choose_examples


def test_every_class_is_seen_when_there_is_room():
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 50, (200, 6))
    counts[:, 5] = 0
    counts[137, 5] = 9
    chosen = choose_examples(counts, 8)
    assert len(chosen) == 8
    assert 137 in chosen
    assert (counts[chosen].max(axis=0) >= 0.25 * counts.max(axis=0)).all()


def test_a_trace_of_a_class_does_not_count_as_seen():
    assert choose_examples([[90, 10, 1], [100, 0, 0], [60, 0, 40]], 2) == [0, 2]


def test_one_chip_that_shows_all_is_followed_by_others_far_apart():
    counts = np.tile([100, 0], (11, 1))
    counts[4] = [50, 50]
    assert choose_examples(counts, 3) == [2, 4, 8]


def test_fewer_chips_than_asked_for_are_all_taken():
    assert choose_examples([[1, 0], [0, 0]], 5) == [0, 1]
    assert choose_examples(np.zeros((0, 3), np.int64), 5) == []


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_than_the_limit_are_taken(limit: int):
    assert len(choose_examples(np.eye(7, dtype=np.int64), limit)) == limit


def test_unlabelled_chips_are_a_choice_like_others():
    assert choose_examples(np.zeros((4, 2), np.int64), 2) == [1, 3]


def test_slivers_are_left_out_where_there_are_enough_full_chips():
    counts = np.tile([100, 0], (9, 1))
    counts[[1, 4, 6]] = [3, 0]
    assert not {1, 4, 6} & set(choose_examples(counts, 4))
    assert len(choose_examples(counts, 8)) == 8
