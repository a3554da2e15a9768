"""Multipolygons of DSTL to planes and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import CatalogError, GridError, LegendError, VectorError
from hectares.io.catalog import LabelRules, WktLabel
from hectares.io.labels import ShapeLabels, open_label
from hectares.io.shapes import burning
from hectares.io.shapes.wkt import WktShapes, open_wkt, parse_wkt, read_wkt_table, to_degrees, to_pixels
from layouts.dstl import BUILDING, EXTENT, HOLE, ROAD, SHAPE, VEHICLE, default_cells, huge_cell, ring, write_wkt

IMAGE = "007"
LEGEND = Legend.of({n: f"class {n}" for n in range(1, 11)})
GRID = Grid(None, Affine.identity(), SHAPE)
WHOLE = GRID.window


def _label(tmp_path: Path, cells: dict[int, str]) -> WktLabel:
    return WktLabel(write_wkt(tmp_path / "train_wkt_v4.csv", {IMAGE: cells}), IMAGE, EXTENT)


def _open(tmp_path: Path, cells: dict[int, str], **rules: object) -> WktShapes:
    return open_wkt(_label(tmp_path, cells), LEGEND, LabelRules(**rules), GRID)


def _multi(*boxes: tuple[float, float, float, float]) -> str:
    return "MULTIPOLYGON (" + ", ".join(f"({ring(box)})" for box in boxes) + ")"


def _plane(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    plane = np.zeros(SHAPE, np.bool_)
    for row, col, row_end, col_end in boxes:
        plane[row:row_end, col:col_end] = True
    return plane


# --- Coordinates ------------------------------------------------------------------------------------------


def test_the_corner_of_the_extent_is_the_last_pixel():
    corner = to_pixels(shapely.Point(0.009188, -0.00904), (3349, 3391), (0.009188, -0.00904))
    assert (corner.x, corner.y) == pytest.approx((3390.000295, 3348.000299), abs=1e-6)
    one = to_pixels(shapely.Point(1, -1), (3349, 3391), (0.009188, -0.00904))
    assert (one.x, one.y) == pytest.approx((368959.544494, 370354.015322), abs=1e-6)


def test_degrees_and_pixels_are_inverse_on_an_image_that_is_not_square():
    points = shapely.MultiPoint([(0, 0), (260, 0), (17.25, 199.5)])
    there = to_degrees(points, SHAPE, EXTENT)
    back = to_pixels(there, SHAPE, EXTENT)
    assert shapely.get_coordinates(back) == pytest.approx(shapely.get_coordinates(points), abs=1e-9)


@pytest.mark.parametrize("extent", [(0.0, -0.007), (0.009, 0.007), (float("nan"), -0.007), (float("inf"), -1.0)])
def test_an_impossible_extent_is_refused(extent: tuple[float, float]):
    with pytest.raises(GridError, match="expected Xmax above and Ymin below 0"):
        to_pixels(shapely.Point(0, 0), SHAPE, extent)


# --- Text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no well-known text; expected MULTIPOLYGON"),
        ("MULTIPOLYGON (((0 0, 1 0, 1 -1", "is no well-known text .*end of stream"),
        ("MULTIPOLYGON (((0 0, 1 0, 1 -1, 0 -1)))", "is no well-known text .*closed"),
        ("MULTIPOLYGON (((0 0, 1 nan, 1 -1, 0 0)))", r"point 2 is \(1.0, nan\); expected finite numbers"),
        ("MULTIPOLYGON (((0 0, 1e999 0, 1 -1, 0 0)))", r"point 2 is \(inf, 0.0\)"),
        ("POINT (1 2)", "is a POINT; expected MULTIPOLYGON"),
        ("GEOMETRYCOLLECTION (" * 100_000, "is a GEOMETRYCOLLECTION; expected MULTIPOLYGON"),
        ("POLYGON Z ((0 0 5, 1 0 5, 1 -1 5, 0 0 5))", "has heights or measures"),
        ("MULTIPOLYGON (((0 0 5, 1 0 5, 1 -1 5, 0 0 5)))", "has heights or measures"),
        ("NA", "'NA' is no well-known text"),
    ],
)
def test_text_that_is_no_multipolygon_is_named_with_row_and_column(tmp_path: Path, text: str, message: str):
    cells = {1: "MULTIPOLYGON EMPTY", 3: text}
    where = r"train_wkt_v4\.csv: row 3 \(image 007, class 3\), column MultipolygonWKT: "
    with pytest.raises(VectorError, match=where + ".*" + message):
        _open(tmp_path, cells)


def test_a_bad_cell_can_be_left_out(tmp_path: Path):
    shapes = _open(tmp_path, {1: "POINT (1 2)", 3: _multi(ROAD)}, skip_bad=True)
    assert shapes.burn(WHOLE).sum(axis=(1, 2)).tolist() == [0, 0, 12 * 260, 0, 0, 0, 0, 0, 0, 0]
    assert [n.what for n in shapes.notes] == ["is a POINT; expected MULTIPOLYGON (((x y, ...))) or MULTIPOLYGON EMPTY"]


def test_a_reference_system_before_the_text_is_understood():
    assert parse_wkt("SRID=4326;MULTIPOLYGON (((0 0, 2 0, 2 1, 0 0)))").area == 1
    assert parse_wkt(" srid=4326; polygon((0 0, 2 0, 2 1, 0 0))").area == 1
    assert parse_wkt("SRID=4326;MULTIPOLYGON EMPTY").is_empty


# --- The table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1,MULTIPOLYGON EMPTY\na,1,MULTIPOLYGON EMPTY", "rows 2 and 3 are both for image a, class 1"),
        ("a,0,MULTIPOLYGON EMPTY", "row 2, column ClassType: is '0'; expected a class of 1 to 10"),
        ("a,11,MULTIPOLYGON EMPTY", "row 2, column ClassType: is '11'"),
        ("a,1.0,MULTIPOLYGON EMPTY", "row 2, column ClassType: is '1.0'"),
        (",1,MULTIPOLYGON EMPTY", "row 2, column ImageId: is empty"),
    ],
)
def test_rows_that_contradict_are_refused(tmp_path: Path, rows: str, message: str):
    path = tmp_path / "w.csv"
    path.write_text("ImageId,ClassType,MultipolygonWKT\n" + rows)
    with pytest.raises(CatalogError, match=message):
        read_wkt_table(path)


def test_columns_may_stand_in_any_order_and_ids_stay_text(tmp_path: Path):
    path = tmp_path / "w.csv"
    path.write_text("MultipolygonWKT,note,ClassType,ImageId\nMULTIPOLYGON EMPTY,x,10,007\nMULTIPOLYGON EMPTY,,2,NA\n")
    assert {name: sorted(cells) for name, cells in read_wkt_table(path).items()} == {"007": [10], "NA": [2]}


def test_a_changed_file_is_read_again(tmp_path: Path):
    path = write_wkt(tmp_path / "w.csv", {"a": default_cells()})
    assert list(read_wkt_table(path)) == ["a"]
    write_wkt(path, {"a": default_cells(), "b": default_cells()})
    assert list(read_wkt_table(path)) == ["a", "b"]


def test_an_image_without_rows_is_refused(tmp_path: Path):
    path = write_wkt(tmp_path / "w.csv", {"a": default_cells()})
    with pytest.raises(CatalogError, match=r"w\.csv: has no rows for image b"):
        open_wkt(WktLabel(path, "b", EXTENT), LEGEND, LabelRules(), GRID)


def test_a_legend_without_the_numbers_of_the_file_is_refused(tmp_path: Path):
    with pytest.raises(LegendError, match="its classes are 1 to 10, but the legend has the codes 20, 30"):
        open_wkt(_label(tmp_path, default_cells()), Legend.of({20: "a", 30: "b"}), LabelRules(), GRID)


# --- Burning ----------------------------------------------------------------------------------------------


def test_polygons_burn_inside_and_holes_do_not(tmp_path: Path):
    planes = _open(tmp_path, default_cells()).burn(WHOLE)
    assert planes.shape == (10, 200, 260)
    assert np.array_equal(planes[0], _plane(BUILDING) & ~_plane(HOLE))
    assert np.array_equal(planes[2], _plane(ROAD))
    assert not planes[[1, 3, 4, 5, 6, 8]].any()


def test_overlapping_classes_stay_in_planes_and_the_higher_one_counts_in_a_map(tmp_path: Path):
    label, rules = _label(tmp_path, default_cells()), LabelRules(priority=("class 3", "class 10"))
    source = open_label(label, LEGEND, rules, GRID)
    assert isinstance(source, ShapeLabels)
    planes = source.read_planes(WHOLE)
    row, col = VEHICLE[:2]
    assert planes[:, row, col].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    indices = source.read(WHOLE)
    assert [indices[row, col], indices[row, col - 1], indices[0, 0]] == [9, 2, 255]


def test_windows_give_what_the_whole_gives_and_nothing_beyond_it(tmp_path: Path):
    shapes = _open(tmp_path, default_cells())
    whole = shapes.burn(WHOLE)
    assert np.array_equal(shapes.burn(Window(25, 43, 80, 171)), whole[:, 25:105, 43:214])
    beyond = shapes.burn(Window(95, -5, 120, 300))
    assert np.array_equal(beyond[:, :105, 5:265], whole[:, 95:])
    assert not beyond[:, 105:].any()
    assert not beyond[:, :, :5].any()
    assert not shapes.burn(Window(500, 500, 4, 4)).any()


def test_large_images_are_burned_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cells = default_cells() | {5: "MULTIPOLYGON (((0 0, 0.009 -0.001, 0.002 -0.0065, 0 0)))"}
    expected = _open(tmp_path, cells).burn(WHOLE)
    monkeypatch.setattr(burning, "_STRIP_PX", 260 * 7)
    shapes = _open(tmp_path, cells)
    assert np.array_equal(shapes.burn(WHOLE), expected)
    assert shapes.notes == ()


def test_all_touched_burns_more(tmp_path: Path):
    thin = {4: _multi((10.0, 20.6, 30.0, 20.9))}
    assert not _open(tmp_path, thin).burn(WHOLE).any()
    touched = _open(tmp_path, thin, all_touched=True).burn(WHOLE)[3]
    assert touched[10:30, 20].all()
    assert touched.sum() <= 21


def test_centers_decide_so_that_areas_are_unbiased(tmp_path: Path):
    burned = _open(tmp_path, {6: _multi((10.4, 10.6, 20.4, 20.6))}).burn(WHOLE)[5]
    assert np.array_equal(burned, _plane((10, 11, 20, 21)))


def test_classes_that_the_legend_lacks_are_left_out(tmp_path: Path):
    label = _label(tmp_path, default_cells() | {4: "POINT (1 2)"})
    shapes = open_wkt(label, Legend.of({0: "rest", 3: "road"}), LabelRules(), GRID)
    assert np.array_equal(shapes.burn(WHOLE), [np.zeros(SHAPE), _plane(ROAD)])


def test_a_cell_of_200_kilobytes_is_read(tmp_path: Path):
    text = huge_cell(1600)
    assert len(text) > 200_000
    trees = _open(tmp_path, {5: text}).burn(WHOLE)[4]
    assert trees.sum() == 1600
    assert trees[0:32:2, 0:200:2].all()


# --- Notes ------------------------------------------------------------------------------------------------


def test_a_bow_tie_is_repaired_with_a_note(tmp_path: Path):
    corners = ((0, 0), (40, 40), (40, 0), (0, 40), (0, 0))
    bow = shapely.to_wkt(to_degrees(shapely.Polygon(corners), SHAPE, EXTENT), rounding_precision=12)
    shapes = _open(tmp_path, {1: bow})
    assert shapes.burn(WHOLE)[0].sum() == pytest.approx(800, abs=40)
    assert [(n.what, n.remedy) for n in shapes.notes] == [
        ("1 polygon(s) cross themselves or have holes outside (class 1 1)", "they are repaired")
    ]
    assert shapes.notes[0].where.endswith("train_wkt_v4.csv, image 007")


def test_a_hole_outside_does_not_burn(tmp_path: Path):
    text = f"MULTIPOLYGON (({ring((10, 10, 20, 20))}, {ring((40, 40, 50, 50))}))"
    shapes = _open(tmp_path, {1: text})
    assert np.array_equal(shapes.burn(WHOLE)[0], _plane((10, 10, 20, 20)))
    assert shapes.notes[0].what == "1 polygon(s) cross themselves or have holes outside (class 1 1)"


def test_slivers_on_the_image_are_not_said_to_lie_elsewhere(tmp_path: Path):
    shapes = _open(tmp_path, {4: f"MULTIPOLYGON (({ring((30.0, 20.6, 60.0, 20.9))}))"})
    assert next(n.what for n in shapes.notes) == "1 polygon(s) cover no pixel (class 4 1)"
    assert not any("Xmax" in n.remedy for n in shapes.notes)


def test_slivers_and_polygons_without_area_are_counted(tmp_path: Path):
    flat = "((0.001 -0.001, 0.002 -0.001, 0.001 -0.001, 0.001 -0.001))"
    text = f"MULTIPOLYGON (({ring((10, 10, 20, 20))}), ({ring((30.0, 20.6, 60.0, 20.9))}), {flat})"
    shapes = _open(tmp_path, {4: text})
    found_text = [n.what for n in shapes.notes]
    assert found_text[:2] == ["1 polygon(s) have no area (class 4 1)", "1 polygon(s) cover no pixel (class 4 1)"]
    assert shapes.burn(WHOLE).sum() == 100


def test_a_polygon_below_another_is_no_sliver(tmp_path: Path):
    shapes = _open(tmp_path, {5: _multi((10, 10, 14, 14), (10, 10, 14, 14), (0, 0, 50, 50))})
    assert shapes.burn(WHOLE).sum() == 2500
    assert shapes.notes == ()


def test_a_layer_that_lies_elsewhere_is_noted_with_both_extents(tmp_path: Path):
    shapes = _open(tmp_path, {3: "MULTIPOLYGON (((500000 0, 500010 0, 500010 -10, 500000 0)))", 1: _multi(BUILDING)})
    assert shapes.burn(WHOLE)[2].sum() == 0
    outside, elsewhere = shapes.notes
    assert outside.what == "1 polygon(s) lie outside of the image (class 3 1)"
    assert elsewhere.what == (
        "0 of 1 polygon(s) of class 3 are on the image: they span x 500000 to 500010 and y -10 to 0, "
        "the image 0 to 0.0091 and -0.007 to 0"
    )
    assert "grid_sizes.csv" in elsewhere.remedy


def test_a_polygon_that_reaches_far_beyond_burns_its_part(tmp_path: Path):
    text = "POLYGON ((-1e12 0, 1e12 0, 1e12 -1e12, -1e12 -1e12, -1e12 0))"
    shapes = _open(tmp_path, {6: text})
    assert shapes.burn(WHOLE)[5].all()
    assert shapes.notes == ()


def test_burned_area_beside_polygon_area_is_noted(tmp_path: Path):
    stripes = _multi(*((0.0, c + 0.2, 200.0, c + 0.8) for c in range(0, 100, 2)))
    (note,) = _open(tmp_path, {6: stripes}).notes
    assert note.what == "class 6 covers 10000 px, its polygons 6000.0 px"
