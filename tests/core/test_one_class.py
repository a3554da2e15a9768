"""One class against all others."""

import numpy as np
import pytest

from hectares.core.legend import LandClass, Legend
from hectares.core.one_class import one_against_rest
from hectares.errors import LegendError

LEGEND = Legend.of({3: "road", 0: "roof", 9: "tree"}, nodata=255)


def test_the_class_keeps_its_code_and_color_and_the_rest_takes_a_free_code():
    legend, _ = one_against_rest(LEGEND, "roof")
    assert legend.names == ("not roof", "roof")
    assert legend.codes == (1, 0)
    assert legend.classes[1].color == LEGEND.classes[1].color
    assert legend.nodata == 255


def test_labels_of_other_classes_become_the_rest_and_ignore_stays():
    _, lookup = one_against_rest(LEGEND, "tree")
    assert lookup[np.array([[0, 1], [2, 255]])].tolist() == [[0, 0], [1, 255]]
    assert (lookup[3:] == 255).all()


def test_the_two_colors_differ_even_if_the_class_is_gray():
    gray = Legend((LandClass(1, "rock", (200, 200, 200)), LandClass(2, "sea", (0, 0, 9))))
    legend, _ = one_against_rest(gray, "rock")
    assert legend.classes[0].color != legend.classes[1].color


def test_an_unknown_class_is_refused_with_the_known_ones():
    with pytest.raises(LegendError, match="road, roof, tree"):
        one_against_rest(LEGEND, "car")
