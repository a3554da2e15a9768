"""Matching objects, and average precision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hectares.core.scoring.objects import (
    CROWD,
    NOTHING,
    ObjectSet,
    Overlaps,
    average_precision,
    first_of_each,
    has_order,
    match_objects,
    score_classes,
    surest_first,
)


def objects(classes: list[int], scores: list[float] | None = None, images: list[int] | None = None) -> ObjectSet:
    count = len(classes)
    return ObjectSet(
        np.array(classes, np.int64),
        np.array(images or [0] * count, np.int64),
        np.arange(1.0, count + 1),
        np.full(count, np.nan) if scores is None else np.array(scores, np.float64),
        np.zeros(count, np.bool_),
    )


def pairs(*triples: tuple[int, int, float]) -> Overlaps:
    table = np.array(triples, np.float64).reshape(-1, 3)
    return Overlaps(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])


def match(order: list[int], overlaps: Overlaps, *, crowd: list[bool], count: int, threshold: float = 0.5) -> list[int]:
    return match_objects(np.array(order), overlaps, np.array(crowd, np.bool_), count, threshold).tolist()


def test_the_surest_prediction_chooses_first():
    both = pairs((0, 0, 0.9), (1, 0, 0.6), (1, 1, 0.55))
    assert match([0, 1], both, crowd=[False, False], count=2) == [0, 1]
    assert match([1, 0], both, crowd=[False, False], count=2) == [NOTHING, 0]


def test_an_overlap_at_the_threshold_is_a_match():
    assert match([0], pairs((0, 0, 0.5)), crowd=[False], count=1) == [0]
    assert match([0], pairs((0, 0, 0.5)), crowd=[False], count=1, threshold=0.51) == [NOTHING]


def test_predictions_on_a_crowd_do_not_count_and_many_may_lie_there():
    overlaps = pairs((0, 0, 0.8), (1, 0, 0.7), (1, 1, 0.6), (2, 0, 0.2))
    assert match([0, 1, 2], overlaps, crowd=[True, False], count=3) == [CROWD, 1, NOTHING]


def test_predictions_beyond_the_most_of_an_image_and_class_are_left_out():
    predicted = objects([0, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 0, 0, 1])
    order = surest_first(predicted)
    assert first_of_each(order, predicted, 2).tolist() == [0, 1, 2, 4]
    assert first_of_each(order, predicted, None).tolist() == [0, 1, 2, 3, 4]


def test_predictions_of_one_score_come_by_image_and_as_in_the_file():
    assert surest_first(objects([0, 0, 0], [0.5, 0.5, 0.9], [1, 0, 1])).tolist() == [2, 1, 0]


def test_without_scores_the_largest_come_first():
    assert surest_first(objects([0, 0, 0])).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("scores", "known"), [([0.2, 0.4], True), ([1, 1], False), ([0.2, math.nan], False), ([0.3], True)]
)
def test_scores_order_predictions_if_all_are_there_and_differ(scores: list[float], known: bool):
    assert has_order(np.array(scores)) == known


def test_average_precision_reads_the_best_precision_at_101_recalls():
    # hit, miss, hit of 2 objects: recall .5 .5 1, precision 1 1/2 2/3; 51 recalls up to .5 at 1, 50 at 2/3
    value, recall = average_precision(np.array([True, False, True]), 2)
    assert value == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert recall == 1


def test_average_precision_without_predictions_is_0_and_without_objects_unknown():
    assert average_precision(np.zeros(0, np.bool_), 3) == (0.0, 0.0)
    assert all(map(math.isnan, average_precision(np.array([False]), 0)))


def test_counts_and_means_of_two_classes_by_hand():
    predicted = objects([0, 0, 1], [0.9, 0.8, 0.7])
    reference = objects([0, 0, 1])
    overlaps = pairs((0, 0, 0.95), (1, 1, 0.6), (2, 2, 0.4))
    found = score_classes(("roof", "road"), predicted, reference, overlaps, iou=0.5, most=None)
    roof, road = found.classes
    assert (roof.found, roof.missed, roof.false, roof.f1) == (2, 0, 0, 1.0)
    assert (road.found, road.missed, road.false, road.f1) == (0, 1, 1, 0.0)
    assert roof.mean_iou == pytest.approx(0.775)
    # the second roof counts at .50 .55 .60 only; then one of two is found: 51 of 101 recalls have precision 1
    assert roof.ap50 == pytest.approx(1)
    assert roof.ap == pytest.approx((3 * 1 + 7 * 51 / 101) / 10)
    assert roof.ar == pytest.approx((3 * 1 + 7 * 0.5) / 10)
    assert (road.ap, road.ar50) == (0, 0)
    assert found.overall.ap50 == pytest.approx(0.5)
    assert found.overall.f1 == pytest.approx(2 * 2 / 6)
    assert found.matches.tolist() == [0, 1, NOTHING]


def test_a_class_without_reference_is_in_no_mean():
    found = score_classes(("a", "b"), objects([0, 1], [0.5, 0.4]), objects([0]), pairs((0, 0, 0.9)), iou=0.5, most=None)
    assert math.isnan(found.classes[1].ap)
    assert math.isnan(found.classes[1].recall)
    assert found.overall.ap50 == pytest.approx(1)
    assert found.overall.false == 1


def test_the_most_limits_average_precision_and_not_the_counts():
    predicted = objects([0, 0], [0.9, 0.8])
    found = score_classes(("a",), predicted, objects([0]), pairs((1, 0, 0.9)), iou=0.5, most=1)
    assert found.overall.found == 1
    assert (found.overall.ap50, found.overall.ar50) == (0, 0)
