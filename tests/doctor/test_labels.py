"""Labels: every value that is not in the legend, with its places; grids; classes."""

from dataclasses import replace

import numpy as np
import pytest

from hectares.core.legend import LandClass, Legend
from hectares.core.window import Window
from hectares.doctor.labels import LabelExam, count_classes
from hectares.io.catalog import LabelRules, RasterLabel
from hectares.io.rasters.raster import open_raster

CODES = np.array([[20, 20, 10, 35], [10, 0, 99, 35], [20, 10, 10, 10]], np.uint8)
COLORS = {20: (10, 20, 200), 10: (0, 120, 10), 35: (200, 30, 20), 0: (0, 0, 0), 99: (0, 0, 0)}
INDICES = [[0, 0, 1, 2], [1, 255, 255, 2], [0, 1, 1, 1]]


def paint(codes):
    return np.array([[COLORS[c] for c in row] for row in codes.tolist()], np.uint8).transpose(2, 0, 1)


def examine(path, legend, windows=None, rules=None, grid=None):
    rules = rules or LabelRules()
    with open_raster(path) as raster:
        grid = grid or raster.grid
    exam = LabelExam(RasterLabel(path), legend, rules, grid, "s")
    findings = list(exam.compare_grids())
    read = [exam.read(w) for w in windows or [grid.window]]
    findings += exam.findings()
    exam.close()
    return findings, read


def test_a_clean_label_by_code_or_by_color_has_no_findings(write_raster, legend):
    for name, image in (("codes.tif", CODES), ("colors.tif", paint(CODES))):
        findings, (indices,) = examine(write_raster(name, image), legend)
        assert findings == []
        assert indices.tolist() == INDICES


def test_every_unknown_code_is_named_with_count_and_first_place_of_each_window(write_raster, legend):
    codes = CODES.copy()
    codes[0, 3], codes[1, 1], codes[2, 0] = 7, 7, 8
    windows = [Window(0, 0, 1, 4), Window(1, 0, 2, 4)]
    findings, read = examine(write_raster("l.tif", codes), legend, windows)
    assert [(f.check, f.severity, f.what, f.count) for f in findings] == [
        ("codes", "error", "code 7 (2 px) is not in the legend", 2),
        ("codes", "error", "code 8 (1 px) is not in the legend", 1),
    ]
    assert [(p.row, p.col) for p in findings[0].places] == [(0, 3), (1, 1)]
    assert findings[0].place.lon is not None
    assert read[0].tolist() == [[0, 0, 1, 255]]
    assert read[1].tolist() == [[1, 255, 255, 2], [255, 1, 1, 1]]


def test_negative_and_large_codes_are_named(write_raster, legend):
    codes = CODES.astype(np.int16)
    codes[2, 2], codes[2, 3] = -5, 300
    findings, _ = examine(write_raster("l.tif", codes), legend)
    assert {f.what for f in findings} == {
        "code -5 (1 px) is not in the legend",
        "code 300 (1 px) is not in the legend",
    }


def test_nan_that_the_file_does_not_declare_is_named_with_its_first_pixel(write_raster, legend):
    codes = CODES.astype(np.float32)
    codes[1, 2] = np.nan
    findings, read = examine(write_raster("l.tif", codes), legend)
    assert [(f.check, f.severity) for f in findings] == [("labels", "error")]
    assert findings[0].what.startswith("1 px are NaN, first at row 1, col 2")
    assert read == [None]
    assert examine(write_raster("d.tif", codes, nodata=np.nan), legend)[0] == []


def test_an_unknown_color_is_named_with_its_place(write_raster, legend):
    image = paint(CODES)
    image[:, 2, 1:3] = np.array([1, 2, 3])[:, None]
    findings, (indices,) = examine(write_raster("l.tif", image), legend)
    assert [f.what for f in findings] == ["color #010203 (2 px) is not in the legend"]
    assert (findings[0].place.row, findings[0].place.col) == (2, 1)
    assert indices[2].tolist() == [0, 255, 255, 1]


def test_colors_within_the_tolerance_are_counted_as_a_warning(write_raster, legend):
    image = paint(CODES)
    image[0, 2, 1] += 3
    findings, _ = examine(write_raster("l.tif", image), legend, rules=LabelRules(nearest=5))
    assert [(f.check, f.severity) for f in findings] == [("colors", "warning")]
    assert "1 px have a color that is not in the legend" in findings[0].what


def test_lossy_compression_is_recognized_by_its_many_near_colors(write_raster, legend):
    image = np.tile(paint(CODES), (1, 12, 12)).astype(int)
    image += np.random.default_rng(1).integers(0, 12, image.shape)
    findings, (indices,) = examine(write_raster("l.tif", np.clip(image, 0, 255).astype(np.uint8)), legend)
    (finding,) = findings
    assert finding.check == "colors"
    assert "colors" in finding.what
    assert "--nearest 11" in finding.remedy
    assert indices[:3, :4].tolist() == INDICES


def test_a_palette_of_colors_is_read_by_color_and_its_unknown_color_named(write_raster):
    legend = Legend((LandClass(1, "a", (9, 9, 9)), LandClass(2, "b", (5, 0, 0))), color_coded=True)
    palette = {0: (9, 9, 9), 1: (5, 0, 0), 2: (1, 1, 1)}
    path = write_raster("l.png", np.array([[0, 1, 2], [1, 1, 0]], np.uint8), palette=palette)
    findings, (indices,) = examine(path, legend)
    assert [f.what for f in findings] == ["color #010101 (1 px) is not in the legend"]
    assert indices.tolist() == [[0, 1, 255], [1, 1, 0]]


def test_values_that_are_no_codes_at_all_are_one_finding(write_raster, legend):
    findings, (indices,) = examine(write_raster("l.tif", CODES + np.float32(0.5)), legend)
    assert [(f.check, f.severity) for f in findings] == [("labels", "error")]
    assert "no whole numbers" in findings[0].what
    assert indices is None


def test_a_label_of_another_size_or_place_does_not_fit(write_raster, legend):
    with open_raster(write_raster("image.tif", CODES)) as raster:
        grid = raster.grid
    small = write_raster("small.tif", CODES[:2])
    findings, _ = examine(small, legend, grid=grid)
    assert findings[0].what == "is 2 x 4 px, its image 3 x 4"
    there = replace(grid, transform=grid.transform @ grid.transform.translation(1, 0))
    findings, _ = examine(write_raster("there.tif", CODES, transform=there.transform), legend, grid=grid)
    assert (findings[0].check, findings[0].what[:14]) == ("grid", "lies elsewhere")


@pytest.mark.parametrize("area", [None, np.array([[1.0, 2, 3, 4]] * 3)])
def test_classes_are_counted_in_pixels_and_area(area):
    pixels, area_m2 = count_classes(np.array(INDICES, np.uint8), 3, area)
    assert pixels.tolist() == [3, 5, 2, 2]
    assert area_m2.tolist() == ([0, 0, 0, 0] if area is None else [4, 13, 8, 5])


def test_overlapping_planes_count_each_class_by_itself():
    planes = np.array([[[1, 1, 255]], [[0, 1, 255]]], np.uint8)
    assert count_classes(planes, 2, np.array([[1.0, 10, 100]]))[0].tolist() == [2, 1, 1]
    assert count_classes(planes, 2, np.array([[1.0, 10, 100]]))[1].tolist() == [11, 10, 100]
