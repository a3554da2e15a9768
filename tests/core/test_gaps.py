"""Gaps of a map are kept with their reasons, and read back with care."""

from __future__ import annotations

import pytest

from hectares.core.gaps import Gaps, without_gaps
from hectares.core.window import Window


def test_gaps_come_back_from_what_a_map_says_of_itself():
    gaps = Gaps.of([("fatal", Window(4, 0, 2, 3)), ("damage", Window(8, 1, 4, 4)), ("fatal", Window(0, 3, 2, 3))])
    record = gaps.to_json()
    assert record == [
        {"why": "damage", "count": 1, "windows": [(8, 1, 4, 4)]},
        {"why": "fatal", "count": 2, "windows": [(0, 3, 2, 3), (4, 0, 2, 3)]},
    ]
    assert Gaps.told_by({"gaps": record, "scene": "a.tif"}) == gaps
    assert without_gaps({"gaps": record, "scene": "a.tif"}) == {"scene": "a.tif"}
    assert gaps.sentences() == [
        "1 window(s) cannot be decoded in the image, first at row 8, col 1",
        "2 window(s) ended each process that computed them, first at row 0, col 3",
    ]


def test_what_was_given_up_is_all_kept_and_of_other_gaps_a_hundred():
    found = [(why, Window(row, 0, 1, 1)) for why in ("fatal", "damage") for row in range(130)]
    gaps = Gaps.of(found)
    assert dict(gaps.counts) == {"damage": 130, "fatal": 130}
    assert {why: len(windows) for why, windows in gaps.windows.items()} == {"damage": 100, "fatal": 130}
    assert gaps.left_out(Window(125, 0, 3, 3))
    assert not gaps.left_out(Window(0, 1, 130, 3))
    assert not Gaps.of([("damage", Window(0, 0, 4, 4))]).left_out(Window(0, 0, 4, 4))


@pytest.mark.parametrize(
    "odd", [None, 3, "gaps", [3], [{"why": "fatal"}], [{"why": "fatal", "count": 1, "windows": [[1, 2]]}], {"why": 1}]
)
def test_what_is_not_as_it_was_written_is_no_gap(odd: object):
    assert Gaps.told_by({"gaps": odd}) == Gaps()
    assert Gaps.told_by({}).sentences() == []
