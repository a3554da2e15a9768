"""What pages say of maps and areas that have gaps."""

from __future__ import annotations

from typing import Any

from hectares.view.account import area_limits, map_notes

FATAL = {"why": "fatal", "count": 2, "windows": [[0, 24, 12, 12], [12, 0, 12, 12]]}
DAMAGE = {"why": "damage", "count": 1, "windows": [[4, 0, 8, 8]]}
ENDED = "2 window(s) ended each process that computed them, first at row 0, col 24"
UNREAD = "1 window(s) cannot be decoded in the image, first at row 4, col 0"


def test_a_map_tells_its_gaps_by_reason_and_where_the_first_is():
    assert list(map_notes({"gaps": [FATAL, DAMAGE]}, (24, 36), 1, has_nodata=False)) == [
        f"The map has gaps, where it has no class though something may be there: {ENDED}.",
        f"The map has gaps, where it has no class though something may be there: {UNREAD}.",
    ]
    assert list(map_notes({}, (24, 36), 1, has_nodata=False)) == []


def test_areas_tell_the_gaps_of_each_map_that_they_were_counted_from():
    areas: dict[str, Any] = {"kind": "mapped", "map": "a.tif and 1 more", "method": "ellipsoid", "coverage": 1}
    told = [line for line in area_limits(areas | {"gaps": [[FATAL], [DAMAGE]]}) if "gaps" in line]
    assert told == [
        f"The map has gaps, whose areas are in no class: {ENDED}.",
        f"The map has gaps, whose areas are in no class: {UNREAD}.",
    ]
    assert not [line for line in area_limits(areas) if "gaps" in line]
