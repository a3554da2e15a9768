"""Codes, indices and colors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.legend import (
    IGNORE,
    MAX_CLASSES,
    LandClass,
    Legend,
    default_color,
    hex_color,
    parse_color,
)
from hectares.errors import LegendError
from strategies import legends

# --- Codes ------------------------------------------------------------------------------------------------


def test_encode_gives_positions_and_ignores_what_is_no_class(legend: Legend):
    codes = np.array([[20, 0, 35], [99, 10, 20]], np.int32)
    indices = legend.encode(codes)
    assert indices.tolist() == [[0, 255, 2], [255, 1, 0]]
    assert indices.dtype == np.uint8


@given(legends(), st.data())
def test_decode_undoes_encode(legend: Legend, data: st.DataObject):
    codes = data.draw(st.lists(st.sampled_from(legend.codes), min_size=1, max_size=9))
    array = np.array([codes], np.uint8)
    decoded = legend.decode(legend.encode(array))
    assert decoded.tolist() == array.tolist()
    assert decoded.dtype == np.uint8


@given(legends(), st.data())
def test_encode_undoes_decode_on_a_map(legend: Legend, data: st.DataObject):
    indices = data.draw(st.lists(st.sampled_from([*range(len(legend)), IGNORE]), min_size=1, max_size=9))
    array = np.array([indices], np.uint8)
    on_map = legend.for_maps()
    assert on_map.encode(on_map.decode(array)).tolist() == array.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float32])
@pytest.mark.parametrize("nodata", [-9999, -(2**31), 255, 2**31 - 1])
def test_nodata_may_lie_outside_the_type_of_the_labels(dtype: type, nodata: int):
    legend = Legend.of({7: "a", 3: "b"}, nodata=nodata)
    assert legend.encode(np.array([[3, 7, 3]], dtype)).tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_a_far_away_nodata_is_ignored_in_little_memory(dtype: type):
    legend = Legend.of({7: "a", 3: "b"}, nodata=-(2**31))
    assert legend.encode(np.array([[3, -(2**31)]], dtype)).tolist() == [[1, 255]]


def test_all_class_codes_may_lie_above_the_type_of_the_labels():
    legend = Legend.from_json({"classes": [{"code": 300, "name": "a"}, {"code": 400, "name": "b"}]})
    with pytest.raises(LegendError, match=r"code 5 \(2 px\) is not in the legend"):
        legend.encode(np.array([[5, 5]], np.uint8))


def test_unknown_codes_are_named_with_counts_commonest_first(legend: Legend):
    codes = np.array([[20, 7, 7], [-1, 7, 300]], np.int16)
    expected = (
        "code 7 (3 px), code -1 (1 px), code 300 (1 px) are not in the legend; "
        "known codes: 20 water, 10 forest, 35 built-up, nodata 0, ignore 99"
    )
    with pytest.raises(LegendError) as caught:
        legend.encode(codes)
    assert str(caught.value) == expected


def test_undeclared_255_is_refused(legend: Legend):
    with pytest.raises(LegendError, match="code 255"):
        legend.encode(np.array([[20, 255]], np.uint8))


def test_whole_numbered_floats_are_labels(legend: Legend):
    assert legend.encode(np.array([[20.0, 0.0]], np.float32)).tolist() == [[0, 255]]


@pytest.mark.parametrize("value", [20.5, np.nan, np.inf])
def test_floats_that_are_no_codes_are_refused(legend: Legend, value: float):
    with pytest.raises(LegendError, match="no whole numbers"):
        legend.encode(np.array([[20.0, value]], np.float32))


def test_floats_beyond_any_integer_are_refused(legend: Legend):
    with pytest.raises(LegendError):
        legend.encode(np.array([[20.0, -3.4e38]], np.float32))


def test_booleans_are_codes_0_and_1():
    legend = Legend.of({0: "no", 1: "yes"})
    assert legend.encode(np.array([[True, False]])).tolist() == [[1, 0]]


def test_255_stays_nodata_in_a_map(legend: Legend):
    assert legend.decode(np.array([[2, 255]], np.uint8)).tolist() == [[35, 255]]


def test_legend_of_maps_has_one_nodata(legend: Legend):
    on_map = legend.for_maps()
    assert (on_map.nodata, on_map.also_ignore, on_map.codes) == (255, (), (20, 10, 35))


# --- Source codes -----------------------------------------------------------------------------------------


def test_codes_that_do_not_fit_a_map_are_numbered_anew():
    legend = Legend.from_json({"nodata": -1, "classes": [{"code": 1000, "name": "a"}, {"code": 7, "name": "b"}]})
    assert (legend.codes, legend.source_codes) == ((1, 2), (1000, 7))
    assert legend.encode(np.array([[7, 1000, -1]], np.int32)).tolist() == [[1, 0, 255]]
    assert legend.decode(np.array([[1, 0, 255]], np.uint8)).tolist() == [[2, 1, 255]]


def test_codes_that_fit_a_map_are_kept():
    legend = Legend.from_json({"classes": [{"code": 254, "name": "a"}, {"code": 0, "name": "b"}]})
    assert (legend.codes, legend.source_codes) == ((254, 0), (254, 0))


def test_a_code_given_beside_a_source_code_is_kept():
    entries = [{"code": 5, "name": "a", "source_code": 700}, {"code": 2, "name": "b", "source_code": 1}]
    legend = Legend.from_json({"classes": entries})
    assert (legend.codes, legend.source_codes) == ((5, 2), (700, 1))


# --- Colors -----------------------------------------------------------------------------------------------


def _image(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.array(colors, np.uint8).T[:, None]


def test_colors_are_read_exactly(legend: Legend):
    label = legend.encode_colors(_image((0, 120, 10), (0, 0, 0), (10, 20, 200)))
    assert label.tolist() == [[1, 255, 0]]
    assert label.dtype == np.uint8


def test_red_and_blue_are_not_swapped(legend: Legend):
    with pytest.raises(LegendError, match="color #c8140a"):
        legend.encode_colors(_image((200, 20, 10)))


def test_near_colors_are_read_only_when_asked(legend: Legend):
    near = _image((12, 17, 200), (1, 1, 0))
    assert legend.encode_colors(near, nearest=3).tolist() == [[0, 255]]
    with pytest.raises(LegendError):
        legend.encode_colors(near, nearest=2)


def test_the_nearest_of_two_colors_wins():
    legend = Legend((LandClass(1, "a", (100, 0, 0)), LandClass(2, "b", (110, 0, 0))))
    assert legend.encode_colors(_image((104, 0, 0), (106, 0, 0)), nearest=9).tolist() == [[0, 1]]


def test_unknown_colors_are_named_with_count_and_first_pixel(legend: Legend):
    rgb = np.zeros((3, 70, 5), np.uint8)  # more rows than one block of the lookup
    rgb[:, 66, 3] = rgb[:, 67, 1] = (1, 2, 3)
    rgb[:, 65, 4] = (9, 9, 9)
    with pytest.raises(LegendError) as caught:
        legend.encode_colors(rgb)
    message = str(caught.value)
    assert "color #010203 (2 px), #090909 (1 px) not in the legend, first at row 66, col 3" in message
    assert "#0a14c8 water, #00780a forest, #c81e14 built-up" in message
    assert "--nearest" in message


def test_only_colors_that_stay_unknown_are_named(legend: Legend):
    rgb = _image((11, 20, 200), (60, 60, 60))
    with pytest.raises(LegendError) as caught:
        legend.encode_colors(rgb, nearest=1)
    assert "#3c3c3c (1 px)" in str(caught.value)
    assert "#0b14c8" not in str(caught.value)
    assert "row 0, col 1" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_colors_of_more_than_8_bit_are_refused(legend: Legend, dtype: type):
    rgb = np.array([[[10]], [[20]], [[3000]]], dtype)
    with pytest.raises(LegendError):
        legend.encode_colors(rgb)


def test_254_default_colors_are_distinct():
    assert len({default_color(i) for i in range(MAX_CLASSES)}) == MAX_CLASSES


def test_the_largest_legend_reads_its_last_color():
    legend = Legend.of({code: f"class {code}" for code in range(MAX_CLASSES)})
    assert legend.encode_colors(_image(default_color(MAX_CLASSES - 1))).tolist() == [[MAX_CLASSES - 1]]
    assert legend.encode(np.array([[253]], np.uint8)).tolist() == [[253]]


def test_more_classes_than_indices_are_refused():
    with pytest.raises(LegendError, match="at most 254 classes"):
        Legend.from_json({"classes": [{"code": c, "name": str(c)} for c in range(255)]})


@pytest.mark.parametrize(("given_color", "expected"), [("#0A0bFF", (10, 11, 255)), ([1, 2, 3], (1, 2, 3))])
def test_colors_are_hex_or_three_numbers(given_color: object, expected: tuple[int, int, int]):
    assert parse_color(given_color) == expected


@pytest.mark.parametrize("value", ["red", "#12345", "#12345g", [1, 2], [1, 2, 256], [1.5, 2, 3], None, 7, "#+1+2+3"])
def test_what_is_no_color_is_refused(value: object):
    with pytest.raises(LegendError, match="is no color"):
        parse_color(value)


def test_hex_is_the_inverse_of_parsing():
    assert hex_color(parse_color("#3b6fb6")) == "#3b6fb6"


# --- The file ---------------------------------------------------------------------------------------------


@given(legends())
def test_json_round_trip(legend: Legend):
    assert Legend.from_json(legend.to_json()) == legend


def test_json_round_trip_of_renumbered_codes():
    legend = Legend.from_json({"classes": [{"code": 1000, "name": "a"}, {"code": 7, "name": "b"}]})
    assert Legend.from_json(legend.to_json()) == legend


def test_json_round_trip_of_a_legend_by_color():
    legend = Legend.from_json({"classes": [{"name": "a", "color": "#010203"}, {"name": "b"}]})
    assert legend.color_coded
    assert Legend.from_json(legend.to_json()) == legend


def test_classes_without_code_are_numbered_from_1():
    legend = Legend.from_json({"classes": [{"name": "a"}, {"name": "b"}]})
    assert (legend.codes, legend.color_coded) == ((1, 2), True)
    assert legend.classes[1].color == default_color(1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "needs `classes`"),
        ({"classes": []}, "needs `classes`"),
        ({"classes": "water"}, "needs `classes`"),
        ({"classes": ["water"]}, r"classes\[0\] is 'water'"),
        ({"classes": [{"code": 1}]}, r"classes\[0\] has no name"),
        ({"classes": [{"code": 1, "name": " "}]}, r"classes\[0\] has no name"),
        ({"classes": [{"code": 1, "name": "a\ud800"}]}, r"classes\[0\].name is 'a\\ud800', which is no text"),
        ({"classes": [{"name": "a"}, {"name": "b\nc"}]}, r"classes\[1\].name is 'b\\nc', which holds"),
        ({"classes": [{"name": "a\x07b"}]}, r"holds '\\x07', a control character; write the name in one line"),
        ({"classes": [{"name": "a\u2028b"}]}, r"holds '\\u2028', a control character"),
        ({"classes": [{"code": 1, "name": True}]}, r"classes\[0\].name is True"),
        ({"classes": [{"code": 1.5, "name": "a"}]}, r"classes\[0\].code is 1.5"),
        ({"classes": [{"code": True, "name": "a"}]}, r"classes\[0\].code is True"),
        ({"classes": [{"code": 1, "name": "a", "colour": "#010203"}]}, "unknown key 'colour'"),
        ({"classes": [{"code": 1, "name": "a", "color": None}]}, r"classes\[0\].color is empty"),
        ({"classes": [{"name": "a"}], "nodatta": 0}, "unknown key 'nodatta'"),
        ({"classes": [{"code": 1, "name": "a"}, {"name": "b"}]}, "1 of 2 classes have a code"),
        ({"classes": [{"name": "a"}], "nodata": "0"}, "nodata is '0'"),
        ({"classes": [{"name": "a"}], "ignore": ["x"]}, r"ignore\[0\] is 'x'"),
        ({"classes": [{"name": "a"}], "ignore": [1.5]}, r"ignore\[0\] is 1.5"),
    ],
)
def test_what_is_wrong_with_a_legend_file_is_named(content: dict[str, object], message: str):
    with pytest.raises(LegendError, match=message):
        Legend.from_json(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodata": 10}, "code 10 stands twice"),
        ({"also_ignore": (35,)}, "code 35 stands twice"),
        ({"nodata": 99}, "code 99 stands twice"),
        ({"ignore_colors": ((10, 20, 200),)}, "color #0a14c8 stands twice"),
        ({"classes": (LandClass(1, "a", (1, 1, 1)), LandClass(1, "b", (2, 2, 2)))}, "code 1 stands twice"),
        ({"classes": (LandClass(1, "a", (1, 1, 1)), LandClass(2, "a", (2, 2, 2)))}, "name 'a' stands twice"),
        ({"classes": (LandClass(1, "a", (1, 1, 1)), LandClass(2, "b", (1, 1, 1)))}, "color #010101 stands twice"),
        ({"classes": ()}, "at least one class"),
    ],
)
def test_contradictions_are_refused(legend: Legend, change: dict[str, object], message: str):
    with pytest.raises(LegendError, match=message):
        replace(legend, **change)


@pytest.mark.parametrize("code", [-1, 255, 256])
def test_a_map_has_no_class_beyond_254(code: int):
    with pytest.raises(LegendError, match="codes of a map are 0 to 254"):
        LandClass(code, "a", (1, 2, 3))


def test_index_of_an_unknown_name_lists_the_known(legend: Legend):
    assert legend.index("built-up") == 2
    with pytest.raises(LegendError, match="'sea' is not in the legend; known: water, forest, built-up"):
        legend.index("sea")


MERGED = {
    "classes": [
        {"code": 1, "name": "building", "color": "#db0e9a"},
        {"code": 13, "name": "other", "color": "#000000", "merged": [14, 19]},
    ]
}


def test_codes_can_be_merged_into_one_class():
    legend = Legend.from_json(MERGED)
    assert legend.encode(np.array([[1, 13, 14, 19]])).tolist() == [[0, 1, 1, 1]]
    assert legend.codes == (1, 13)
    assert Legend.from_json(legend.to_json()) == legend


def test_maps_know_nothing_of_merged_codes():
    maps = Legend.from_json(MERGED).for_maps()
    with pytest.raises(LegendError, match="code 14"):
        maps.encode(np.array([[14]]))


def test_a_merged_code_stands_once():
    with pytest.raises(LegendError, match="code 1 stands twice"):
        Legend.from_json({"classes": [{"code": 1, "name": "a"}, {"code": 2, "name": "b", "merged": [1]}]})


def test_unknown_codes_list_the_merged_ones():
    with pytest.raises(LegendError, match="known codes: 1 building, 13 other, 14 other, 19 other"):
        Legend.from_json(MERGED).encode(np.array([[7]]))
