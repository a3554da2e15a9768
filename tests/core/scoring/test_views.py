"""Views: which classes and pixels are scored."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.confusion import Confusion
from hectares.core.legend import Legend
from hectares.core.scoring.scores import Marginals, overall_scores
from hectares.core.scoring.views import View, views_of
from hectares.errors import LegendError

MATRIX = np.array([[50, 7, 3], [2, 20, 0], [10, 1, 7]])
ISPRS = Legend.of({1: "building", 2: "car", 3: "clutter"})


def overall(view: View) -> dict[str, float]:
    found = overall_scores(Marginals.of(view.apply(MATRIX)), view.averaged(3))
    return {name: value.item() for name, value in found.items()}


def view(name: str, legend: Legend = ISPRS, **options: object) -> View:
    return {v.name: v for v in views_of(legend, **options)}[name]


def test_without_a_class_its_pixels_and_what_is_predicted_as_it_are_not_scored():
    found = overall(view("without car", without=("car",)))
    expected = Confusion(MATRIX).without(1)
    assert found["accuracy"] == expected.accuracy == 57 / 70
    assert found["kappa"] == pytest.approx(expected.kappa)
    assert found["mean_iou"] == pytest.approx(expected.mean_iou)


def test_clutter_is_in_no_mean_but_its_pixels_are_scored():
    found = overall(view("clutter in no mean"))
    assert found["accuracy"] == 0.77
    assert found["mean_iou"] == pytest.approx((50 / 72 + 20 / 30) / 2)
    assert found["mean_f1"] == pytest.approx((100 / 122 + 40 / 50) / 2)


def test_what_is_predicted_as_unclassified_is_an_error_but_its_reference_is_not_scored():
    legend = Legend.of({1: "road", 2: "roof", 0: "unclassified"})
    found = overall(view("reference without unclassified", legend))
    assert found["accuracy"] == 70 / 82
    assert found["mean_iou"] == pytest.approx((50 / (50 + 10 + 2) + 20 / (20 + 2 + 7)) / 2)


def test_dfc2019_is_scored_without_the_unlabelled_reference():
    names = {2: "ground", 5: "trees", 6: "building", 9: "water", 17: "bridge or elevated road"}
    plain = views_of(Legend.of(names))
    assert [v.name for v in plain] == ["all classes", "as DFC2019"]
    assert plain[1].unaveraged == ()
    with_unlabelled = views_of(Legend.of(names | {65: "unlabelled"}))
    assert with_unlabelled[1].rows_out == with_unlabelled[1].unaveraged == (5,)
    assert with_unlabelled[1].columns_out == ()


def test_every_view_is_repeated_on_the_eroded_reference():
    found = views_of(ISPRS, without=("car",), erode_px=3)
    assert [v.name for v in found if v.eroded] == [
        "borders of 3 px left out",
        "without car, borders of 3 px left out",
        "clutter in no mean, borders of 3 px left out",
    ]


def test_no_class_left_and_unknown_classes_are_refused():
    with pytest.raises(LegendError, match="leaves no class"):
        views_of(ISPRS, without=("car", "building", "clutter"))
    with pytest.raises(LegendError, match="'bus' is not in the legend"):
        views_of(ISPRS, without=("bus",))
