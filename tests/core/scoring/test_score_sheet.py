"""All scores of an evaluation, and the difference of two."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.confusion import Confusion
from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.evaluation import majority_record, part_iou, worst_record
from hectares.core.scoring.parts import BOUNDARY, CONFUSION, ERODED, RELAXED, Parts
from hectares.core.scoring.score_sheet import GLOBAL, ScoreRow, compare_evaluations, nest, score_rows
from hectares.core.scoring.views import views_of
from hectares.errors import ArtefactError

LEGEND = Legend.of({3: "water", 7: "forest"})
HOW = Resampling(draws=200)
MATRICES = np.array([[[6, 2], [0, 2]], [[4, 0], [0, 0]], [[1, 1], [3, 5]]])


def parts(counts: np.ndarray = MATRICES, **more: np.ndarray) -> Parts:
    names = tuple(f"chip {n}" for n in range(len(counts)))
    tables = {CONFUSION: counts} | more
    return Parts("chips", "scenes", names, names, np.arange(len(counts)), tables)


def by_key(rows: list[ScoreRow]) -> dict[tuple[str, str, str | None, str], float]:
    return {(r.view, r.aggregation, r.class_name, r.score): r.value for r in rows}


def test_global_scores_follow_from_the_sum_and_means_from_each_part():
    found = by_key(score_rows(parts(), LEGEND, views_of(LEGEND), HOW))
    whole, each = Confusion(MATRICES.sum(axis=0)), [Confusion(m) for m in MATRICES]
    assert found["all classes", GLOBAL, None, "mean_iou"] == pytest.approx(whole.mean_iou)
    mean_iou = np.mean([one.mean_iou for one in each])
    assert found["all classes", "mean over chips", None, "mean_iou"] == pytest.approx(mean_iou)
    # forest is not in the second chip: the mean is over the two others
    iou = (each[0].iou[1] + each[2].iou[1]) / 2
    assert found["all classes", "mean over chips", "forest", "iou"] == pytest.approx(iou) == (2 / 4 + 5 / 9) / 2


def test_each_view_has_scores_for_the_classes_it_keeps():
    views = views_of(LEGEND, without=("water",), erode_px=2)
    eroded = np.array([[[6, 0], [0, 2]], [[4, 0], [0, 0]], [[1, 0], [0, 5]]])
    found = by_key(score_rows(parts(eroded=eroded), LEGEND, views, HOW))
    assert found["all classes", GLOBAL, None, "accuracy"] == 18 / 24
    assert found["without water", GLOBAL, None, "accuracy"] == 1
    assert ("without water", GLOBAL, "water", "iou") not in found
    assert found["borders of 2 px left out", GLOBAL, None, "accuracy"] == 1
    assert ERODED == "eroded"


def test_borders_are_scored_where_they_were_counted():
    boundary = np.array([[[1, 2, 3], [0, 1, 1]]] * 3)
    relaxed = np.array([[[3, 4, 1, 2], [0, 0, 0, 0]]] * 3)
    rows = score_rows(parts(**{BOUNDARY: boundary, RELAXED: relaxed}), LEGEND, views_of(LEGEND, erode_px=0), HOW)
    found = by_key(rows)
    assert found["all classes", GLOBAL, "water", "boundary_iou"] == 1 / 4
    assert found["all classes", GLOBAL, None, "mean_boundary_iou"] == 1 / 8
    assert found["all classes", GLOBAL, "water", "relaxed_precision"] == 3 / 4
    assert found["all classes", GLOBAL, None, "mean_relaxed_recall"] == 1 / 2
    assert np.isnan(found["all classes", GLOBAL, "forest", "relaxed_f1"])


def test_overlapping_classes_are_scored_each_by_itself():
    planes = np.array([[[[5, 1], [2, 4]], [[9, 0], [3, 0]]]])
    found = by_key(score_rows(parts(planes), LEGEND, views_of(LEGEND, without=("forest",), overlapping=True), HOW))
    assert found["all classes", GLOBAL, "water", "iou"] == 4 / 7
    assert found["without forest", GLOBAL, None, "mean_iou"] == 4 / 7
    assert found["without forest", GLOBAL, None, "accuracy"] == 9 / 12
    assert ("all classes", GLOBAL, None, "kappa") not in found


def test_intervals_hold_the_value_and_are_written_beside_it():
    counts = np.random.default_rng(0).integers(1, 50, (20, 2, 2))
    rows = score_rows(parts(counts), LEGEND, views_of(LEGEND), HOW)
    assert all(row.low <= row.value <= row.high for row in rows)
    record = nest(rows)
    value, low, high = record["all classes"][GLOBAL]["classes"]["water"]["iou"]
    assert value == pytest.approx(Confusion(counts.sum(axis=0)).iou[0])
    assert low < value < high


def content(counts: np.ndarray) -> dict[str, object]:
    return {"parts": parts(counts).to_json(), "parts_legend": LEGEND.to_json()}


def test_a_better_map_of_the_same_places_is_told_from_a_worse_one():
    rng = np.random.default_rng(1)
    good, poor = (np.array([rng.multinomial(90, p) for _ in range(20)]).reshape(20, 2, 2)
                  for p in ((0.5, 0.05, 0.05, 0.4), (0.45, 0.1, 0.1, 0.35)))  # fmt: skip
    rows = compare_evaluations(content(good), content(poor), views_of(LEGEND), HOW)
    [row] = [r for r in rows if (r.class_name, r.score) == (None, "mean_iou")]
    expected = Confusion(good.sum(axis=0)).mean_iou - Confusion(poor.sum(axis=0)).mean_iou
    assert row.value == pytest.approx(expected)
    assert 0 < row.low < row.value < row.high
    assert row.p_value < 0.05


def test_evaluations_of_other_places_or_classes_are_not_compared():
    with pytest.raises(ArtefactError, match="3 and 2 parts that are not the same"):
        compare_evaluations(content(MATRICES), content(MATRICES[:2]), views_of(LEGEND), HOW)
    other = content(MATRICES) | {"parts_legend": Legend.of({1: "a", 2: "b"}).to_json()}
    with pytest.raises(ArtefactError, match="different classes"):
        compare_evaluations(content(MATRICES), other, views_of(LEGEND), HOW)


def test_worst_parts_come_first_and_slivers_are_left_out():
    counts = np.concatenate([10 * MATRICES, [[[0, 0], [1, 0]]]])
    found = worst_record(parts(counts))
    assert [name for name, _ in found] == ["chip 2", "chip 0", "chip 1"]
    assert found[0][1] == pytest.approx((1 / 5 + 5 / 9) / 2)
    assert np.isnan(part_iou(parts(counts))[3])


def test_floor_says_the_most_frequent_class_everywhere():
    found = majority_record(parts(), LEGEND, np.array([0.2, 0.8]), "the training chips")
    assert (found["class"], found["chosen_by"]) == ("forest", "the training chips")
    assert found["overall"]["accuracy"] == 10 / 24
    planes = np.array([[[[5, 1], [2, 4]], [[1, 0], [3, 8]]]])
    found = majority_record(parts(planes), LEGEND, np.array([0.4, 0.9]), "")
    assert found["class"] == "forest"
    assert found["iou"].tolist() == [0, 11 / 12]
