"""The figure of a comparison."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.comparison import Subject, compare_subjects, floor_of
from hectares.core.scoring.parts import CONFUSION, Parts
from hectares.core.scoring.views import views_of
from hectares.view.comparison import Place, comparison_sheet

LEGEND = Legend.of({1: "roof", 2: "road", 3: "tree"}).for_maps()


def comparison(runs: int, units: int):
    rng, names = np.random.default_rng(0), tuple(map(str, range(units)))
    subjects = [
        Subject(
            f"run {r}",
            Parts("chips", "scenes", names, names, np.arange(units), {CONFUSION: rng.integers(0, 9, (units, 3, 3))}),
            LEGEND,
        )
        for r in range(runs)
    ]
    floor = floor_of(subjects[0], {}, ())
    return compare_subjects(subjects, floor, views_of(LEGEND)[0], Resampling(100), against=None)


def place(runs: int) -> Place:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    said = tuple((f"run {r}", indices, 0.5) for r in range(runs))
    return Place("a scene of a long name " * 9, "worst", np.zeros((3, 4, 3), np.uint8), indices, said)


@pytest.mark.parametrize(("runs", "units", "places"), [(2, 12, 3), (2, 3, 0), (9, 12, 1)])
def test_the_figure_has_room_for_any_number_of_runs_and_places(runs, units, places):
    sheet = comparison_sheet(comparison(runs, units), LEGEND, [place(runs)] * places, about="as it is " * 40)
    assert sheet.width >= 10.4
    assert sheet.png().startswith(b"\x89PNG")


def test_the_same_comparison_gives_the_same_bytes():
    one, two = (comparison_sheet(comparison(2, 12), LEGEND, [place(2)]).png() for _ in range(2))
    assert one == two
