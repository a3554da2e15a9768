"""Counts by part: in windows as in one piece, and through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.scoring.borders import erode_borders
from hectares.core.scoring.parts import BOUNDARY, CONFUSION, ERODED, RELAXED, Counter, CountingRule, Parts, PartsBuilder
from hectares.errors import ArtefactError

RULE = CountingRule(classes=3, erode_px=2, boundary_px=3, slack_px=1)
maps = hnp.arrays(np.uint8, (11, 13), elements=st.sampled_from([0, 1, 2, 255]))
EVERYWHERE = (slice(None), slice(None))


def whole(reference: np.ndarray, predicted: np.ndarray, rule: CountingRule = RULE) -> dict[str, np.ndarray]:
    return Counter(reference, predicted, rule).count(EVERYWHERE)[0]


@given(maps, maps, st.integers(1, 10), st.integers(1, 12))
def test_windows_with_a_margin_add_up_to_the_whole(reference: np.ndarray, predicted: np.ndarray, row: int, col: int):
    margin = RULE.margin
    padded = [np.pad(i, margin, constant_values=255) for i in (reference, predicted)]
    builder = PartsBuilder("windows", "blocks")
    for top, bottom in ((0, row), (row, 11)):
        for left, right in ((0, col), (col, 13)):
            window = (slice(top, bottom + 2 * margin), slice(left, right + 2 * margin))
            counter = Counter(padded[0][window], padded[1][window], RULE)
            core = (slice(margin, margin + bottom - top), slice(margin, margin + right - left))
            builder.add(f"{top} {left}", "all", *counter.count(core))
    parts = builder.build()
    expected, unmapped = Counter(reference, predicted, RULE).count(EVERYWHERE)
    assert builder.unmapped == unmapped
    for kind, table in expected.items():
        assert parts.total(kind).tolist() == table.tolist()


def test_eroded_counts_leave_out_the_reference_near_other_classes():
    reference = np.array([[0, 0, 0, 1, 1, 1]], np.uint8)
    predicted = np.array([[0, 1, 1, 1, 1, 0]], np.uint8)
    found = whole(reference, predicted, CountingRule(2, erode_px=2))
    assert found[CONFUSION].tolist() == [[1, 2], [1, 2]]
    assert found[ERODED].tolist() == [[1, 0], [1, 0]]
    by_hand = Confusion.count(erode_borders(reference, 2), predicted, classes=2)
    assert found[ERODED].tolist() == by_hand.counts.tolist()


def test_kinds_that_are_not_asked_for_are_not_counted():
    plain = np.zeros((2, 2), np.uint8)
    assert set(whole(plain, plain, CountingRule(1))) == {CONFUSION}


def test_planes_are_counted_class_by_class():
    reference = np.array([[[1, 1, 0, 0]], [[0, 1, 255, 0]]], np.uint8)
    predicted = np.array([[[1, 0, 0, 0]], [[0, 1, 1, 0]]], np.uint8)
    found = whole(reference, predicted, CountingRule(2, boundary_px=1, slack_px=1))
    assert found[CONFUSION].tolist() == PlaneConfusion.count(reference, predicted).counts.tolist()
    # first class: yes at 0 and 1 with the border at 1; predicted yes at 0 with the border at 0
    assert found[BOUNDARY][0].tolist() == [0, 1, 1]
    assert found[RELAXED][0].tolist() == [1, 1, 2, 2]


def example() -> Parts:
    builder = PartsBuilder("chips", "scenes")
    builder.add("a r0 c0", "a", {CONFUSION: np.array([[5, 0], [1, 7]])}, 3)
    builder.add("b r0 c0", "b", {CONFUSION: np.array([[0, 2], [0, 0]])})
    builder.add("a r0 c8", "a", {CONFUSION: np.array([[1, 0], [0, 1]])}, 1)
    builder.add("b r0 c0", "b", {CONFUSION: np.array([[1, 0], [0, 0]])})
    assert builder.unmapped == 4
    return builder.build()


def test_pieces_of_a_part_are_added_and_parts_belong_to_units():
    parts = example()
    assert parts.names == ("a r0 c0", "b r0 c0", "a r0 c8")
    assert parts.units == ("a", "b")
    assert parts.unit_of.tolist() == [0, 1, 0]
    assert parts.by_unit(parts.counts[CONFUSION]).tolist() == [[[6, 0], [1, 8]], [[1, 2], [0, 0]]]
    assert parts.reference_shares.tolist() == pytest.approx([9 / 18, 9 / 18])


def test_parts_survive_json():
    parts = example()
    again = Parts.from_json(json.loads(json.dumps(parts.to_json())))
    assert (again.names, again.units, again.what, again.what_unit) == (parts.names, parts.units, "chips", "scenes")
    assert again.counts[CONFUSION].tolist() == parts.counts[CONFUSION].tolist()
    assert parts.to_json()["counts"][CONFUSION]["cells"][0] == "0:5 2:1 3:7"


@pytest.mark.parametrize(
    "harm",
    [{"unit_of": "0 1"}, {"unit_of": "0 1 x"}, {"counts": {CONFUSION: {"shape": [2, 2], "cells": ["9:1"] * 3}}}],
)
def test_damaged_parts_are_refused(harm: dict[str, object]):
    with pytest.raises(ArtefactError, match="evaluate again"):
        Parts.from_json(example().to_json() | harm)
