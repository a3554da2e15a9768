"""Labels by code, by color, and by palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory import WriteRaster
from hectares.core.legend import LandClass, Legend
from hectares.core.window import Window
from hectares.errors import LegendError
from hectares.io.labels import LabelFile

CODES = np.array([[20, 10, 0, 35], [99, 20, 10, 10], [35, 35, 0, 20]], np.uint8)
INDICES = [[0, 1, 255, 2], [255, 0, 1, 1], [2, 2, 255, 0]]
BY_COLOR = Legend.from_json(
    {
        "classes": [{"name": "water", "color": [10, 20, 200]}, {"name": "forest", "color": [0, 120, 10]}],
        "ignore_colors": ["#000000"],
    }
)


def _read(path: Path, legend: Legend, **options: object) -> np.ndarray:
    label = LabelFile(path, legend, **options)
    try:
        return label.read(label.grid.window)
    finally:
        label.close()


def _colored(legend: Legend, indices: list[list[int]]) -> np.ndarray:
    table = {k: c.color for k, c in enumerate(legend.classes)} | {255: (0, 0, 0)}
    return np.array([[table[i] for i in row] for row in indices], np.uint8).transpose(2, 0, 1)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
def test_codes_become_indices(write_raster: WriteRaster, legend: Legend, dtype: str):
    found = _read(write_raster("a.tif", CODES.astype(dtype)), legend)
    assert found.tolist() == INDICES
    assert found.dtype == np.uint8


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_colors_become_indices(write_raster: WriteRaster, legend: Legend, name: str):
    assert _read(write_raster(name, _colored(legend, INDICES)), legend).tolist() == INDICES


def test_alpha_of_a_color_label_is_ignored_pixels(write_raster: WriteRaster, legend: Legend):
    valid = np.ones((3, 4), bool)
    valid[0, 1] = False
    path = write_raster("a.png", _colored(legend, INDICES), valid=valid, valid_as="alpha")
    assert _read(path, legend).tolist() == [[0, 255, 255, 2], *INDICES[1:]]


def test_a_palette_is_read_by_code_if_the_legend_has_codes(write_raster: WriteRaster, legend: Legend):
    palette = {int(code): (int(code), 0, 0) for code in np.unique(CODES)}
    assert _read(write_raster("a.png", CODES, palette=palette), legend).tolist() == INDICES


PALETTE = {3: (10, 20, 200), 7: (0, 120, 10), 0: (0, 0, 0)}
NUMBERS = np.array([[3, 7, 0], [7, 7, 3]], np.uint8)


def test_a_palette_is_read_by_color_if_the_legend_has_none(write_raster: WriteRaster):
    assert _read(write_raster("a.png", NUMBERS, palette=PALETTE), BY_COLOR).tolist() == [[0, 1, 255], [1, 1, 0]]


def test_a_palette_is_read_by_color_when_asked(write_raster: WriteRaster, legend: Legend):
    path = write_raster("a.png", NUMBERS, palette=PALETTE)
    assert _read(path, legend, by="color").tolist() == [[0, 1, 255], [1, 1, 0]]


def test_codes_without_codes_in_the_legend_are_ambiguous(write_raster: WriteRaster):
    with pytest.raises(LegendError, match='the legend gives no codes; add "code"'):
        _read(write_raster("a.tif", CODES), BY_COLOR)


@pytest.mark.parametrize(
    ("bands", "by", "message"), [(2, "auto", "has one band, this one has 2"), (1, "color", "three bands")]
)
def test_what_fits_neither_way_is_refused(write_raster: WriteRaster, legend: Legend, bands: int, by: str, message: str):
    path = write_raster("a.tif", np.repeat(CODES[None], bands, axis=0), photometric="MINISBLACK")
    with pytest.raises(LegendError, match=message):
        _read(path, legend, by=by)


def test_a_color_label_of_16_bit_is_refused(write_raster: WriteRaster, legend: Legend):
    with pytest.raises(LegendError, match="uint16"):
        _read(write_raster("a.tif", np.full((3, 3, 4), 300, np.uint16)), legend)


def test_class_0_stays_a_class_in_a_file_that_calls_0_nodata(write_raster: WriteRaster):
    legend = Legend.of({0: "field", 1: "tree"}, nodata=255)
    path = write_raster("a.tif", np.array([[0, 1, 255], [1, 0, 0]], np.uint8), nodata=0)
    assert _read(path, legend).tolist() == [[0, 1, 255], [1, 0, 0]]


def test_nodata_of_the_file_that_is_no_class_is_ignored(write_raster: WriteRaster):
    legend = Legend.of({1: "tree", 2: "field"})
    path = write_raster("a.tif", np.array([[0, 1, 2], [1, 0, 0]], np.uint8), nodata=0)
    assert _read(path, legend).tolist() == [[255, 0, 1], [0, 255, 255]]


def test_nan_in_a_float_label_is_ignored_where_the_file_declares_it(write_raster: WriteRaster, legend: Legend):
    codes = CODES.astype(np.float32)
    codes[1, 1] = np.nan
    assert _read(write_raster("a.tif", codes, nodata=np.nan), legend)[1].tolist() == [255, 255, 1, 1]


@pytest.mark.parametrize("nodata", [None, 0])
def test_nan_that_the_file_does_not_declare_is_refused_with_count_and_first_pixel(
    write_raster: WriteRaster, legend: Legend, nodata: float | None
):
    codes = CODES.astype(np.float32)
    codes[1, 3], codes[2, 0] = np.nan, np.nan
    message = r"a\.tif: 2 px are NaN, first at row 1, col 3, .*; write .*, or declare NaN as nodata .*gdal_translate"
    with pytest.raises(LegendError, match=message):
        _read(write_raster("a.tif", codes, nodata=nodata), legend)


@pytest.mark.parametrize("nodata", [None, np.nan, np.inf])
def test_infinity_in_a_float_label_is_refused_whatever_the_file_declares(
    write_raster: WriteRaster, legend: Legend, nodata: float | None
):
    codes = CODES.astype(np.float32)
    codes[0, 2], codes[2, 1] = np.inf, np.inf
    with pytest.raises(LegendError, match=r"2 px are infinity, first at row 0, col 2, .*; write the code of a class"):
        _read(write_raster("a.tif", codes, nodata=nodata), legend)


def test_nan_in_a_window_that_is_read_later_does_not_stop_the_windows_before(write_raster: WriteRaster, legend: Legend):
    codes = CODES.astype(np.float32)
    codes[2, 3] = np.nan
    label = LabelFile(write_raster("a.tif", codes), legend)
    assert label.read(Window(0, 0, 2, 4)).tolist() == INDICES[:2]
    with pytest.raises(LegendError, match="1 px are NaN, first at row 2, col 3"):
        label.read(Window(2, 0, 1, 4))
    label.close()


def test_nan_in_planes_is_refused(write_raster: WriteRaster, legend: Legend):
    planes = np.zeros((3, 2, 4), np.float32)
    planes[1, 0, 2] = np.nan
    label = LabelFile(write_raster("a.tif", planes), legend, planes=True)
    with pytest.raises(LegendError, match="1 px are NaN, first at row 0, col 2"):
        label.read_planes(label.grid.window)
    label.close()


def test_black_stays_a_class_in_a_color_file_that_calls_0_nodata(write_raster: WriteRaster):
    legend = Legend((LandClass(1, "asphalt", (0, 0, 0)), LandClass(2, "roof", (255, 0, 0))))
    colors = np.array([[[0, 255, 0]], [[0, 0, 0]], [[0, 0, 0]]], np.uint8)
    assert _read(write_raster("a.tif", colors, nodata=0), legend).tolist() == [[0, 1, 0]]


def test_red_stays_a_class_in_a_color_file_that_calls_255_nodata(write_raster: WriteRaster):
    legend = Legend((LandClass(1, "asphalt", (0, 0, 0)), LandClass(2, "roof", (255, 0, 0))))
    colors = np.array([[[0, 255, 255]], [[0, 0, 255]], [[0, 0, 255]]], np.uint8)
    assert _read(write_raster("a.tif", colors, nodata=255), legend).tolist() == [[0, 1, 255]]


def test_a_window_beyond_the_label_is_ignored_there(write_raster: WriteRaster, legend: Legend):
    label = LabelFile(write_raster("a.tif", CODES), legend)
    assert label.read(Window(2, 3, 2, 2)).tolist() == [[0, 255], [255, 255]]
    assert label.read(Window(5, 5, 1, 2)).tolist() == [[255, 255]]
    label.close()


def test_unknown_codes_name_the_file_and_the_window(write_raster: WriteRaster, legend: Legend):
    codes = CODES.copy()
    codes[2, 1] = 41
    label = LabelFile(write_raster("lab.tif", codes), legend)
    with pytest.raises(LegendError, match=r"lab\.tif, window at row 1, col 1: code 41 \(1 px\) is not in the legend"):
        label.read(Window(1, 1, 2, 3))
    label.close()


def test_unknown_colors_name_their_first_pixel_in_spite_of_holes(write_raster: WriteRaster, legend: Legend):
    colors = _colored(legend, INDICES)
    colors[:, 2, 1] = (1, 2, 3)
    valid = np.ones((3, 4), bool)
    valid[0] = valid[2, 0] = False
    path = write_raster("lab.png", colors, valid=valid, valid_as="alpha")
    with pytest.raises(LegendError, match=r"color #010203 \(1 px\) not in the legend, first at row 2, col 1"):
        _read(path, legend)


def test_near_colors_are_read_when_asked(write_raster: WriteRaster, legend: Legend):
    colors = np.minimum(_colored(legend, INDICES).astype(int) + 2, 255).astype(np.uint8)
    assert _read(write_raster("a.png", colors), legend, nearest=2).tolist() == INDICES


def test_codes_in_three_equal_bands_are_read_by_code(write_raster: WriteRaster, legend: Legend):
    path = write_raster("a.png", np.stack([CODES] * 3))
    assert _read(path, legend, by="code").tolist() == _read(write_raster("b.png", CODES), legend).tolist()


def test_codes_in_bands_that_differ_are_refused(write_raster: WriteRaster, legend: Legend):
    bands = np.stack([CODES] * 3)
    bands[2, 1, 1] += 1
    with pytest.raises(LegendError, match=r"a\.png.*three bands differ"):
        _read(write_raster("a.png", bands), legend, by="code")
