"""The figure of an evaluation with intervals, views, calibration and thresholds."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hectares.core.confusion import Confusion
from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.calibration import CalibrationTally
from hectares.core.scoring.evaluation import (
    Evaluation,
    calibration_record,
    intervals_record,
    majority_record,
    threshold_record,
)
from hectares.core.scoring.parts import CONFUSION, Parts
from hectares.core.scoring.score_sheet import nest, score_rows
from hectares.core.scoring.threshold import ThresholdTally
from hectares.core.scoring.views import views_of
from hectares.io.artefact import plain
from hectares.view.gallery import WRONG, Example, error_picture
from hectares.view.score_charts import Charts, charts_of
from hectares.view.score_lines import class_ends, intervals_sentence, score_lines
from hectares.view.scorecard import evaluation_sheet

LEGEND = Legend.of({1: "background", 2: "roof"})
HOW = Resampling(draws=100)
RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1, 50, (20, 2, 2)) + 60 * np.eye(2, dtype=np.int64)


def content(**more: Any) -> dict[str, Any]:
    names = tuple(f"chip {n}" for n in range(20))
    parts = Parts("chips", "scenes", names, names, np.arange(20), {CONFUSION: COUNTS})
    logits = RNG.normal(0, 2, (2, 8, 9))
    label = (logits[1] > logits[0] + RNG.normal(0, 1, (8, 9))).astype(np.uint8)
    tallies = {name: CalibrationTally.count(logits, label) for name in names}
    score = 1 / (1 + np.exp(logits[0] - logits[1]))
    record = Evaluation(Confusion(COUNTS.sum(axis=0)), LEGEND).to_json() | {
        "scores": nest(score_rows(parts, LEGEND, views_of(LEGEND), HOW)),
        "intervals": intervals_record(parts, HOW),
        "floor": majority_record(parts, LEGEND, np.array([0.7, 0.3]), "the training chips"),
        "calibration": {"as_stored": calibration_record(tallies, LEGEND, 1.0, HOW)},
        "thresholds": threshold_record(ThresholdTally.count(score[None], label[None]), ["roof"], "test", [0.4]),
    }
    return plain(record | more)


def drawn(charts: Charts) -> Image.Image:
    return Image.open(io.BytesIO(evaluation_sheet(Confusion(COUNTS.sum(axis=0)), LEGEND, [], charts).png()))


def test_everything_that_is_known_is_taken_from_the_record():
    charts = charts_of(content())
    assert [line.name for line in charts.lines] == [
        "all classes, global",
        "all classes, mean over chips",
        "floor: background everywhere",
    ]
    assert charts.ends["iou"].shape == (2, 2)
    assert charts.reliability[0].temperature == 1
    assert charts.curves["roof"]["f1"].shape == (101,)
    assert charts.marks["best F1 on val"] == 0.4
    assert charts.about == "In brackets: intervals of 95 %, from 20 scenes drawn anew."


def test_each_part_makes_the_figure_higher():
    none = drawn(Charts())
    table = drawn(charts_of(content(calibration={}, thresholds={})))
    everything = drawn(charts_of(content()))
    assert none.height < table.height < everything.height
    assert none.width == everything.width


def test_an_older_record_has_nothing_to_draw():
    old = {k: content()[k] for k in ("legend", "confusion", "overall", "classes")}
    assert charts_of(old).lines == charts_of(old).reliability == ()
    assert drawn(charts_of(old)).size == drawn(Charts()).size


def test_overlapping_classes_have_a_line_each():
    tally = ThresholdTally(RNG.integers(0, 9, (6, 2, 1001)))
    record = threshold_record(tally, [f"a class of a long name {k}" for k in range(6)], "val", None)
    charts = charts_of(content(thresholds=plain(record)))
    assert len(charts.curves) == 6
    assert not charts.marks
    assert drawn(charts).height > 900


def test_classes_left_out_have_the_intervals_of_the_view_without_them():
    record = content()
    record["classes"] = record["classes"][1:]
    record["left_out"] = ["background"]
    record["scores"]["without background"] = {
        "global": {"classes": {"roof": {"iou": [0.5, 0.4, 0.6], "f1": [0.6, 0.5, 0.7]}}, "overall": {}}
    }
    assert class_ends(record) == {"iou": [(0.4, 0.6)], "f1": [(0.5, 0.7)]}


@pytest.mark.parametrize(
    ("intervals", "told"),
    [
        ({}, ""),
        ({"draws": 0, "level": 0.9, "units": 20, "what": "scenes"}, "No intervals were asked for."),
        ({"draws": 9, "note": "no intervals: 3 scenes are few"}, "No intervals: 3 scenes are few."),
    ],
)
def test_why_there_are_no_intervals_is_told(intervals: dict[str, Any], told: str):
    assert intervals_sentence(intervals) == told


@pytest.mark.parametrize(("units", "told"), [(1, "and there is 1."), (3, "and there are 3.")])
def test_how_many_units_are_too_few_for_intervals_is_told_in_a_sentence(units: int, told: str):
    names = tuple(f"square {n}" for n in range(units))
    parts = Parts("squares of 64 px", "blocks of 64 px", names, names, np.arange(units), {CONFUSION: COUNTS[:units]})
    sentence = f"No intervals: it takes at least 10 blocks of 64 px to say how scores vary, {told}"
    assert intervals_sentence(intervals_record(parts, HOW)) == sentence


def test_a_baseline_and_its_difference_are_lines_of_their_own():
    other = {"name": "old.json", "overall": {"accuracy": 0.5}}
    other["differences"] = {"all classes": {"overall": {"accuracy": [0.1, 0.05, 0.2, 0.01]}}}
    lines = list(score_lines({"baseline": other}))
    assert [line.name for line in lines] == ["baseline: old.json", "all classes, difference from the baseline"]
    assert lines[1].scores["accuracy"] == (0.1, 0.05, 0.2)


def test_errors_stand_out_and_a_white_image_stays_white():
    reference, predicted = np.array([[0, 1, 255]], np.uint8), np.array([[0, 0, 1]], np.uint8)
    picture = np.full((1, 3, 3), 255, np.uint8)
    shown = error_picture(Example("", picture, reference, predicted, 0.5))[0]
    assert shown[0].min() > 250
    assert tuple(shown[1]) == WRONG
    assert tuple(shown[2]) == (235, 235, 235)
