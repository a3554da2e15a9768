"""Several evaluations of the same places: differences, verdict, floor, examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.comparison import (
    Line,
    Subject,
    check_alike,
    check_same_reference,
    choose_places,
    compare_subjects,
    floor_of,
    judge,
)
from hectares.core.scoring.parts import CONFUSION, Parts
from hectares.core.scoring.views import views_of
from hectares.errors import ArtefactError

LEGEND = Legend.of({3: "water", 7: "forest"})
HOW = Resampling(draws=200)
VIEW = views_of(LEGEND)[0]
RIGHT, HALF = [[2, 0], [0, 2]], [[2, 0], [1, 1]]


def subject(name: str, matrix: list[list[int]], units: int = 3) -> Subject:
    names = tuple(f"chip {n}" for n in range(units))
    counts = np.array([matrix] * units)
    return Subject(name, Parts("chips", "scenes", names, names, np.arange(units), {CONFUSION: counts}), LEGEND)


def compare(*subjects: Subject, against: str | None = "half"):
    floor = floor_of(subjects[0], {"floor": {"class": "forest"}}, ())
    return compare_subjects(subjects, floor, VIEW, HOW, against=against)


def test_the_difference_and_its_p_value_are_those_worked_out_by_hand():
    found = compare(subject("half", HALF), subject("right", RIGHT))
    half, right, floor = found.lines
    # half: IoU of water 6 / 9, of forest 3 / 6; right: 1 and 1; one class everywhere: 0 and 6 / 12
    assert half.miou == pytest.approx(7 / 12)
    assert right.overall_apart["mean_iou"][0] == pytest.approx(5 / 12)
    assert right.iou_apart["water"][0] == pytest.approx(1 / 3)
    assert right.iou_apart["forest"][0] == pytest.approx(1 / 2)
    assert floor.overall["mean_iou"][0] == pytest.approx(1 / 4)
    # of the 8 ways to exchange the two predictions of 3 scenes, 2 lie as far apart: none and all
    assert right.overall_apart["mean_iou"][3] == pytest.approx(2 / 8)
    assert half.overall_apart is None
    assert half.iou_apart is None


def test_with_too_few_units_nothing_is_decided():
    verdict = compare(subject("half", HALF), subject("right", RIGHT)).verdict
    assert verdict.best == "right"
    assert verdict.undecided == ("half", "forest everywhere (floor)")
    assert "3 scenes are too few to say" in verdict.sentence


def test_an_interval_above_zero_makes_the_best_better():
    verdict = compare(subject("half", HALF, 10), subject("right", RIGHT, 10)).verdict
    assert verdict.better_than == ("half", "forest everywhere (floor)")
    assert verdict.sentence.startswith("right has the highest mean IoU, 1.000, and is better than all others: the next")
    assert "half, lies 0.417 (0.417 to 0.417, p " in verdict.sentence


def test_runs_that_answer_alike_are_not_told_apart():
    verdict = compare(subject("half", HALF, 10), subject("twin", HALF, 10)).verdict
    assert (verdict.best, verdict.not_told_apart) == ("half", ("twin",))
    assert "is not told apart from twin: twin lies 0.000" in verdict.sentence
    assert verdict.sentence.endswith("it is better than forest everywhere (floor).")


def test_differences_can_be_counted_from_the_best():
    found = compare(subject("half", HALF), subject("right", RIGHT), against=None)
    assert found.against == "right"
    assert found.lines[0].overall_apart["mean_iou"][0] == pytest.approx(-5 / 12)


def test_the_table_has_a_cell_for_every_column():
    found = compare(subject("half", HALF), subject("right", RIGHT))
    rows = list(found.rows())
    assert {len(row) for row in rows} == {len(found.columns)}
    cells = dict(zip(found.columns, rows[1], strict=True))
    assert cells["run"] == "right"
    assert cells["iou forest"] == 1
    assert cells["difference iou forest"] == pytest.approx(1 / 2)
    assert cells["difference mean_iou p"] == pytest.approx(1 / 4)


def test_the_floor_is_the_class_of_the_evaluation_unless_it_is_left_out():
    half = subject("half", HALF)
    assert floor_of(half, {"floor": {"class": "forest"}}, ()).name == "forest everywhere (floor)"
    assert floor_of(half, {"floor": {"class": "forest"}}, ("forest",)).name == "water everywhere (floor)"
    floor = floor_of(half, {"floor": {"class": "forest"}}, ())
    assert floor.parts.total().tolist() == [[0, 6], [0, 6]]


def test_of_overlapping_classes_each_is_everywhere_or_nowhere():
    planes = np.array([[[[5, 1], [2, 4]], [[9, 0], [3, 0]]]])
    parts = Parts("chips", "scenes", ("a",), ("a",), np.array([0]), {CONFUSION: planes})
    floor = floor_of(Subject("run", parts, LEGEND), {"floor": {"class": "water"}}, ())
    assert floor.parts.counts[CONFUSION].tolist() == [[[[0, 6], [0, 6]], [[9, 0], [3, 0]]]]


def test_other_classes_and_other_chips_are_refused_with_both_names():
    other = Subject("other", subject("x", HALF).parts, Legend.of({1: "water", 2: "grass"}))
    with pytest.raises(ArtefactError, match="half knows the classes water, forest, other knows water, grass"):
        check_alike([subject("half", HALF), other])
    with pytest.raises(ArtefactError, match="half was scored on 3 chips, more on 4 chips that are not the same"):
        check_alike([subject("half", HALF), subject("more", HALF, 4)])


def test_other_splits_and_other_references_are_refused():
    test = {"split": "test", "inputs": {"chips": "ab", "segmenter": "1"}}
    check_same_reference({"a": test, "b": test | {"inputs": {"chips": "ab", "segmenter": "2"}}})
    with pytest.raises(ArtefactError, match="a was scored on test, b on val"):
        check_same_reference({"a": test, "b": test | {"split": "val"}})
    with pytest.raises(ArtefactError, match="a and b were scored on different chips"):
        check_same_reference({"a": test, "b": test | {"inputs": {"chips": "cd"}}})


def test_a_run_with_no_score_is_never_the_best():
    line = Line("a", {}, {"mean_iou": (0.5, 0.4, 0.6)}, {}, None, None)
    nothing = replace(line, name="b", overall={"mean_iou": (float("nan"),) * 3})
    verdict = judge(line, [nothing, line], {"b": (float("nan"),) * 4}, "4 scenes")
    assert verdict.undecided == ("b",)


def test_a_difference_whose_p_value_is_large_is_not_told_apart_though_its_interval_lies_above_0():
    line = Line("a", {}, {"mean_iou": (0.5, 0.4, 0.6)}, {}, None, None)
    other = replace(line, name="b", overall={"mean_iou": (0.4, 0.3, 0.5)})
    apart = {"b": (0.1, 0.01, 0.2, 0.12)}
    assert judge(line, [line, other], apart, "12 blocks").not_told_apart == ("b",)
    assert judge(line, [line, other], apart, "12 blocks", level=0.8).better_than == ("b",)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (6, [(3, "worst"), (5, "worst"), (4, "middle"), (1, "middle"), (2, "best"), (6, "best")]),
        (4, [(3, "worst"), (5, "worst"), (1, "middle"), (6, "best")]),
        (1, [(3, "worst")]),
        (0, []),
    ],
)
def test_examples_are_the_worst_the_middle_and_the_best(number, expected):
    scores = np.array([[np.nan, 0.5, 0.7, 0.1, 0.4, 0.2, 0.9]])
    assert choose_places(scores, number) == expected
