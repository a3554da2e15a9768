"""What became what, counted."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.legend import Legend
from hectares.core.survey.change import OTHER, ChangeRow, ChangeTable, ChangeTally, change_legend
from hectares.errors import LegendError

BEFORE = Legend.of({10: "wood", 20: "lake"}, nodata=255)
AFTER = Legend.of({1: "lake", 2: "town", 3: "wood"}, nodata=255)
A = np.array([[0, 0, 1, 255], [0, 1, 1, 255]], np.uint8)
B = np.array([[2, 1, 0, 1], [2, 255, 0, 255]], np.uint8)
AREA = np.array([[1.0, 2, 4, 8], [16, 32, 64, 128]])


def table() -> ChangeTable:
    tally = ChangeTally(BEFORE, AFTER)
    for row in range(2):
        tally.add(A[row], B[row], AREA[row])
    return tally.table()


def test_pairs_by_hand():
    assert [(r.from_id, r.from_name, r.to_id, r.to_name, r.pixels, r.area_m2) for r in table().rows] == [
        (10, "wood", 2, "town", 1, 2.0),
        (10, "wood", 3, "wood", 2, 17.0),
        (20, "lake", 1, "lake", 2, 68.0),
        (20, "lake", None, "nodata", 1, 32.0),
        (None, "nodata", 2, "town", 1, 8.0),
        (None, "nodata", None, "nodata", 1, 128.0),
    ]


def test_areas_are_kept():
    found = table()
    assert found.total_m2 == AREA.sum()
    assert found.observed_m2 == 87
    assert found.stable_m2 == 85
    assert found.share(found.rows[0]) == pytest.approx(2 / 87)
    assert found.share(found.rows[3]) is None


def test_areas_of_many_pixels_are_kept_to_a_part_in_a_billion():
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 2, (300, 500), np.uint8), rng.integers(0, 3, (300, 500), np.uint8)
    area = rng.random((300, 500)) * 100
    tally = ChangeTally(BEFORE, AFTER)
    tally.add(before, after, area)
    found = tally.table()
    assert found.total_m2 == pytest.approx(area.sum(), rel=1e-12)
    lost = sum(r.area_m2 for r in found.rows if r.from_name == "lake")
    assert lost == pytest.approx(area[before == 1].sum(), rel=1e-12)


def test_a_legend_of_change_knows_the_pairs():
    legend = change_legend(table(), BEFORE, AFTER)
    assert legend.legend.names == ("wood to town", "wood unchanged", "lake unchanged")
    assert legend.legend.codes == (1, 2, 3)
    assert legend.legend.classes[1].color == BEFORE.classes[0].color
    assert len({c.color for c in legend.legend.classes}) == 3
    assert legend.read(A, B).tolist() == [[1, 0, 2, 255], [1, 255, 2, 255]]


def test_rare_changes_can_be_one_class():
    legend = change_legend(table(), BEFORE, AFTER, other_below=0.1)
    assert legend.legend.names == ("wood unchanged", "lake unchanged", OTHER)
    assert legend.read(A, B).tolist() == [[0, 2, 1, 255], [0, 255, 1, 255]]


def test_more_pairs_than_codes_are_refused_with_the_way_out():
    many = Legend.of({i: f"class {i}" for i in range(20)})
    rows = tuple(
        ChangeRow(i, f"class {i}", j, f"class {j}", 1, 1.0 if i == j else 0.01) for i in range(20) for j in range(20)
    )
    with pytest.raises(LegendError, match=r"400 pairs of classes occur, and a map has room for 254.*--other-below"):
        change_legend(ChangeTable(rows), many, many)
    assert len(change_legend(ChangeTable(rows), many, many, other_below=0.01).legend) == 21


def test_maps_that_share_no_observed_pixel_have_no_change():
    with pytest.raises(LegendError, match="no pixel in common"):
        change_legend(ChangeTable((ChangeRow(None, "nodata", 1, "lake", 1, 1.0),)), BEFORE, AFTER)
