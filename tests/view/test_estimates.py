"""Estimated areas and change in words and cells."""

from __future__ import annotations

from typing import Any

import pytest

from hectares.core.legend import Legend
from hectares.view.changes import change_section
from hectares.view.estimate_chart import estimates_sheet
from hectares.view.estimates import (
    estimate_limits,
    estimate_section,
    method_sentences,
    overall_sentence,
    quote_sentences,
)

LEGEND = Legend.of({2: "bog", 5: "wood"})


def row(name: str, mapped: float | None, value: float | None, low: float, high: float, **more: Any) -> dict[str, Any]:
    accuracy = {
        f"{w}_{k}": v for w in ("users", "producers") for k, v in (("accuracy", 0.8), ("low", 0.7), ("high", 0.9))
    }
    return {
        "class_id": 2 if name == "bog" else 5, "class_name": name, "mapped_ha": mapped, "estimate_ha": value,
        "se_ha": 1.0, "ci_low_ha": None if value is None else low, "ci_high_ha": None if value is None else high,
        "n": 40, "n_class": 9, "method": "stratified", "design_effect": None,
    } | accuracy | more  # fmt: skip


def content(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    total = {
        "name": "whole map", "rows": list(rows), "counts": [[8, 1], [2, 29]], "matrix": [[0.18, 0.02], [0.05, 0.75]],
        "overall": {"accuracy": 0.93, "se": 0.02, "low": 0.88, "high": 0.97},
    }  # fmt: skip
    return {
        "map": "map.tif", "sample": "sample.gpkg", "legend": LEGEND.to_json(), "config": {}, "area_ha": 100.0,
        "left_out_ha": 0.0, "total": total, "zones": [], "strata": [{}, {}], "aid": None,
        "interval": {"level": 0.9, "method": "melded"}, "unlabelled": {"points": [], "bounds": []},
    } | more  # fmt: skip


PLAIN = (row("bog", 30, 20, 15, 26), row("wood", 70, 80, 68, 90))


def test_what_to_quote_and_where_the_map_is_off():
    first, second = quote_sentences(content(*PLAIN))
    assert first.startswith("Quote the estimated area with its interval, not the mapped one: bog 20.00 ha")
    assert first.endswith(" (90 % interval 15.00 to 26.00 ha).")
    assert second == "The map has too much bog: what it shows lies outside the interval."
    assert len(quote_sentences(content(row("bog", 21, 20, 15, 26), PLAIN[1]))) == 1
    assert "93.0\N{NO-BREAK SPACE}%" in overall_sentence(content(*PLAIN))


def test_a_gain_of_a_model_is_told_with_its_price():
    good = row("bog", 30, 21, 18, 24, method="regression", design_effect=0.5)
    other = row("wood", 70, 79, 70, 88, method="regression", design_effect=0.8)
    told = quote_sentences(content(*PLAIN, good, other))[-1]
    assert "worth 1.2 (wood) to 2.0 times (bog) as many points" in told
    assert "before you see the numbers" in told
    useless = row("bog", 30, 21, 18, 24, method="tuned", design_effect=1.01)
    assert "gains nothing" in quote_sentences(content(*PLAIN, useless))[-1]


def test_a_section_has_plain_and_assisted_lines_apart():
    assisted = [
        row(n, 30, 21, 18, 24, method="regression", design_effect=0.5, users_accuracy=None) for n in ("bog", "wood")
    ]
    section = estimate_section(content(*PLAIN, *assisted), max_zones=5)
    assert [line.difference for line in section.lines] == ["outside", "within"]
    assert [(line.method, line.effect) for line in section.assisted] == [("regression (GREG)", "0.50")] * 2
    assert section.lines[0].ends == "15.00 to 26.00"
    assert section.lines[0].users == "80\N{NO-BREAK SPACE}% (70–90)"
    assert section.matrix[1] == ("wood", (("5.0\N{NO-BREAK SPACE}%", "2"), ("75.0\N{NO-BREAK SPACE}%", "29")))


def test_zones_are_listed_up_to_a_number():
    zones = [{"name": f"zone {i}", "rows": list(PLAIN)} for i in range(3)]
    section = estimate_section(content(*PLAIN, zones=zones), max_zones=2)
    assert section.zones is not None
    assert [name for name, _ in section.zones.rows] == ["zone 0", "zone 1"]
    assert section.zones.rows[0][1][0] == ("20.00", "15.00–26.00")
    assert section.zones.left_out == 1


def test_a_place_without_points_has_dashes():
    nothing = [row(n, None, None, 0, 0, users_accuracy=None, producers_accuracy=None) for n in ("bog", "wood")]
    section = estimate_section(content(*PLAIN, zones=[{"name": "empty", "rows": nothing}]), max_zones=2)
    assert section.zones is not None
    assert section.zones.rows[0][1] == (("–", ""), ("–", ""))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "Olofsson and others 2014"),
        ({"config": {"other_map": True}}, "Stehman 2014"),
        ({"interval": {"level": 0.95, "method": "normal"}}, "too short where a class is rare"),
        ({"aid": {"file": "scores.tif", "columns": [], "way": "tuned"}}, "factor of 0 to 1"),
    ],
)
def test_methods_are_told_with_their_sources(more: dict[str, Any], said: str):
    assert said in " ".join(method_sentences(content(*PLAIN, **more)))


def test_limits_tell_of_points_without_a_label_and_of_what_was_left_out():
    bounds = [{"class_name": "bog", "none_ha": 18.0, "all_ha": 25.0}]
    told = list(estimate_limits(content(*PLAIN, unlabelled={"points": [3, 9], "bounds": bounds}, left_out_ha=5.0)))
    assert "2 points of the sample sample.gpkg have no label" in told[0]
    assert "18.0 to 25.0 ha" in told[0]
    assert "5.0 ha were seen in training" in told[1]
    assert "labelled wrongly" in told[2]


def test_the_chart_is_the_same_for_the_same_numbers_and_takes_what_is_not_known():
    section = estimate_section(content(row("bog", 90, 20, 15, 80), row("wood", None, None, 0, 0)), max_zones=1)
    first, second = (estimates_sheet(section.bars, 0.95).png() for _ in range(2))
    assert first == second


def test_change_is_told_by_size_and_as_a_matrix():
    rows = [
        {"from_name": "bog", "to_name": "bog", "area_ha": 80.0, "share": 0.8},
        {"from_name": "bog", "to_name": "wood", "area_ha": 5.0, "share": 0.05},
        {"from_name": "nodata", "to_name": "wood", "area_ha": 7.0, "share": None},
        {"from_name": "wood", "to_name": "bog", "area_ha": 15.0, "share": 0.15},
    ]
    section = change_section({"maps": ["a.tif", "b.tif"], "rows": rows, "stable_ha": 80.0, "observed_ha": 100.0})
    assert [(line.before, line.after, line.hectares) for line in section.lines] == [
        ("wood", "bog", "15.00"),
        ("bog", "wood", "5.00"),
    ]
    assert section.heads == ("bog", "wood")
    assert section.matrix == (
        ("bog", (("80.00", True), ("5.00", False))),
        ("wood", (("15.00", False), ("", False))),
        ("nodata", (("", False), ("7.00", False))),
    )
    assert "2 kinds of change" in section.summary
