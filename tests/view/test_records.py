"""Cells of the sections of a report: many classes, many zones, and records of other verbs."""

from __future__ import annotations

from typing import Any

import numpy as np

from hectares.core.legend import Legend
from hectares.view.cards import data_card, model_limits
from hectares.view.changes import change_section
from hectares.view.columns import collapse, largest_classes
from hectares.view.tables import area_section

MANY = tuple(f"class {k}" for k in range(30))


def _areas(names: tuple[str, ...], zones: dict[str, list[float]]) -> dict[str, Any]:
    def records(sizes: list[float]) -> list[dict[str, Any]]:
        rows = [
            {"class_id": k, "class_name": name, "pixels": int(ha), "area_ha": ha, "share": 0.1}
            for k, (name, ha) in enumerate(zip(names, sizes, strict=True))
        ]
        return [*rows, {"class_id": None, "class_name": "nodata", "pixels": 0, "area_ha": 0.0, "share": None}]

    total = records([float(k + 1) for k in range(len(names))])
    return {"map": "m", "kind": "mapped", "method": "ellipsoid", "total": total, "legend": None} | {
        "zones": {zone: records(sizes) for zone, sizes in zones.items()}
    }


def test_of_many_classes_the_largest_have_a_column_and_the_rest_is_added_up():
    section = area_section(_areas(MANY, {"a": [1.0] * 30}), None, max_zones=60)
    assert section.zones is not None
    assert section.zones.heads == (*MANY[20:], "other classes", "all classes")
    assert [cell.hectares for cell in section.zones.rows[0][1][-2:]] == ["20.00", "30.00"]


def test_zones_stand_in_the_order_of_their_numbers_and_the_rest_is_counted():
    zones = {f"parish {k}": [1.0, 2.0] for k in (10, 2, 1)}
    section = area_section(_areas(("a", "b"), zones), None, max_zones=2)
    assert section.zones is not None
    assert [name for name, _ in section.zones.rows] == ["parish 1", "parish 2"]
    assert section.zones.left_out == 1


def test_square_kilometers_begin_where_square_meters_get_long():
    assert area_section(_areas(("a",), {}), None, max_zones=1).other_unit == "m²"
    hundreds = _areas(("a",), {})
    hundreds["total"][0]["area_ha"] = 123.0
    assert area_section(hundreds, None, max_zones=1).lines[0].other_unit == "1.230"


def test_change_of_many_classes_has_a_matrix_that_fits_and_loses_nothing():
    rows = [
        {"from_id": k, "from_name": MANY[k], "to_id": j, "to_name": MANY[j], "area_ha": 1.0 + k, "share": 0.01}
        for k in range(30)
        for j in (k, (k + 1) % 30)
    ]
    whole = sum(row["area_ha"] for row in rows)
    section = change_section({"maps": ["a", "b"], "rows": rows, "stable_ha": 465.0, "observed_ha": whole})
    assert len(section.heads) == 11
    assert section.heads[-1] == section.matrix[-1][0] == "other classes"
    assert sum(float(value) for _, cells in section.matrix for value, _ in cells if value) == whole
    assert not any(stays for _, stays in section.matrix[-1][1])


def test_a_table_of_few_classes_is_left_as_it_is():
    table, rows, columns = collapse(np.eye(2), (["a", "b"], ["a", "b"]), largest_classes({"a": 1.0, "b": 2.0}))
    assert (table.tolist(), rows, columns) == ([[1.0, 0.0], [0.0, 1.0]], ["a", "b"], ["a", "b"])


def test_a_split_without_labels_has_no_shares():
    chips = {"legend": Legend.of({1: "a"}).to_json(), "class_pixels": {"train": {"a": 4}, "test": {}}, "images": 2}
    chips |= {"counts": {"train": 2, "test": 1}, "chip_px": 8, "bands": ["x"] * 20, "config": {}, "skipped": {"s": "?"}}
    section = data_card(chips, "chips")
    assert section.lines[0][2] == ("100.0\N{NO-BREAK SPACE}%", "–")
    facts = {fact.label: fact.value for fact in section.facts}
    assert facts["bands"] == "20 bands (x, x, x … x)"
    assert facts["left out"] == "1"
    assert section.warning == ""


def test_a_segmenter_says_for_which_images_it_is_meant():
    spec = {"stats": {"names": ["a"]}, "gsd_m": 0.3}
    assert "images of 1 band like those it learned from, with pixels of about 0.3 m" in next(
        model_limits({"spec": spec}, "s")
    )
