"""Shapes of vector files on the grid of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st

from factory import UTM
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, LandClass, Legend
from hectares.core.window import Window
from hectares.errors import GridError, LegendError, VectorError
from hectares.io.catalog import LabelRules, VectorLabel
from hectares.io.labels import ShapeLabels
from hectares.io.shapes import pixel_shapes
from hectares.io.shapes.vector_labels import VectorPlanes, open_vector_label
from layouts.vectors import SHAPE, box, moved, write_geojson, write_ogr
from strategies import windows

LAND = Legend(
    (LandClass(0, "rest", (9, 9, 9)), LandClass(3, "forest", (0, 99, 0)), LandClass(7, "lake", (0, 0, 99))),
    nodata=99,
)
ONE = Legend.of({0: "rest", 1: "field"})
GRID = Grid("EPSG:32633", UTM, SHAPE)
RULES = LabelRules(background="rest")
WHOLE = GRID.window


def _open(
    path: Path, *, legend: Legend = LAND, rules: LabelRules = RULES, grid: Grid = GRID, **label: object
) -> VectorPlanes:
    return open_vector_label(VectorLabel(path, **label), legend, rules, grid)


def _indices(
    planes: VectorPlanes, *, legend: Legend = LAND, rules: LabelRules = RULES, grid: Grid = GRID
) -> np.ndarray:
    return ShapeLabels(planes, legend, rules, grid).read(grid.window)


def _land(path: Path, shapes: Sequence[shapely.Geometry], kinds: Sequence[object]) -> Path:
    return write_ogr(path / "land.gpkg", shapes, {"kind": kinds})


# --- Burning ----------------------------------------------------------------------------------------------


def test_a_shape_covers_the_pixels_whose_centers_it_covers(tmp_path: Path):
    path = _land(tmp_path, [box(2, 3, 5.4, 6.6), box(20.4, 0, 24, 30)], ["forest", "lake"])
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:5, 3:7] = 1
    expected[20:] = 2
    assert np.array_equal(_indices(_open(path, field="kind")), expected)


def test_degrees_on_a_metric_grid_cover_the_same_area(tmp_path: Path):
    disk = shapely.Point(UTM @ (15, 12)).buffer(95)
    masks = []
    for n, crs in enumerate(("EPSG:32633", "EPSG:4326", "EPSG:3035")):
        shape = moved([disk], crs)[0]
        path = write_ogr(tmp_path / f"{n}.gpkg", [shape], crs=crs)
        planes = _open(path, legend=ONE)
        burned = planes.burn(WHOLE)[1]
        assert abs(burned.sum() * 100 - disk.area) <= disk.length * 5  # half a pixel along its edge
        cover = planes.cover()[0]
        assert cover.name == "field"
        assert cover.burned_px == burned.sum()
        assert cover.drawn_px * 100 == pytest.approx(disk.area, rel=1e-4)
        masks.append(burned)
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


def test_long_edges_bend_with_the_crs(tmp_path: Path):
    """A parallel is no straight line in UTM: 300 km away from the middle it sags by kilometres."""
    grid = Grid("EPSG:32633", Affine(2000, 0, 200_000, 0, -2000, 6_700_000), (200, 300))
    path = write_geojson(tmp_path / "a.geojson", [(shapely.box(8, 59, 22, 60), {})])
    burned = _open(path, legend=ONE, grid=grid).burn(grid.window)[1]
    cols, rows = np.meshgrid(np.arange(300) + 0.5, np.arange(200) + 0.5)
    import pyproj

    xs, ys = grid.transform @ (cols, rows)
    _, lats = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(xs, ys)
    expected = (lats > 59) & (lats < 60)
    assert (burned != expected).sum() <= 3


@st.composite
def _polygons(draw: st.DrawFn) -> shapely.Geometry:
    """Polygons on quarters of pixels, so that many edges run through pixel centers."""
    points = draw(st.lists(st.tuples(st.integers(-40, 160), st.integers(-40, 140)), min_size=3, max_size=6))
    return shapely.make_valid(shapely.Polygon([(x / 4, y / 4) for x, y in points]), method="structure")


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks smaller than the scene, so that windows and blocks lie across each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_shapes, "_BLOCK_PX", 8)
        yield


@given(st.lists(_polygons(), min_size=1, max_size=4), windows(), st.booleans(), st.sampled_from([0, 30, 90]))
@example(  # an edge through the corner of a pixel
    polygons=[shapely.Polygon([(0, 0), (5.25, 11.25), (24.75, -1.25)])],
    window=Window(0, 0, 9, 16),
    all_touched=True,
    rotation=0,
)
def test_a_window_burns_what_the_whole_scene_burns_there(
    small_blocks: None,
    tmp_path_factory: pytest.TempPathFactory,
    polygons: list[shapely.Geometry],
    window: Window,
    all_touched: bool,
    rotation: int,
):
    grid = Grid(GRID.crs, UTM @ Affine.rotation(rotation), SHAPE)
    shapes = [shapely.transform(p, lambda c: np.column_stack(grid.transform @ (c[:, 0], c[:, 1]))) for p in polygons]
    shapes = [s for s in shapes if s.area > 0]
    if not shapes:
        return
    path = write_geojson(tmp_path_factory.mktemp("a") / "a.geojson", [(s, {}) for s in shapes], crs=GRID.crs)
    planes = _open(path, legend=ONE, grid=grid, rules=LabelRules(background="rest", all_touched=all_touched))
    whole, part = planes.burn(WHOLE), planes.burn(window)
    inside = window & WHOLE
    assert np.array_equal(part[:, *inside.within(window).slices], whole[:, *inside.slices])
    assert part.sum() == whole[:, *inside.slices].sum()


def test_all_touched_burns_more(tmp_path: Path):
    path = write_ogr(tmp_path / "a.gpkg", [box(2.6, 3.6, 5.4, 9.4), box(12.1, 1, 12.3, 20)])
    centers = _open(path, legend=ONE).burn(WHOLE)[1]
    touched = _open(path, legend=ONE, rules=LabelRules(background="rest", all_touched=True)).burn(WHOLE)[1]
    assert centers.sum() == 2 * 5
    assert touched.sum() == 4 * 7 + 19
    assert not (centers & ~touched).any()


def test_a_file_is_read_once_for_many_scenes_and_again_when_it_changes(tmp_path: Path):
    path = write_ogr(tmp_path / "a.gpkg", [box(0, 0, 2, 2)])
    for row in range(20):
        assert _open(path, legend=ONE, grid=GRID.crop(Window(row, 0, 1, 5))).burn(Window(0, 0, 1, 5)).sum() == 2 * (
            row < 2
        )
    path.unlink()
    write_ogr(path, [box(0, 0, 3, 2), box(9, 9, 10, 10)])
    assert _open(path, legend=ONE).burn(WHOLE).sum() == 7


def test_shapes_across_the_antimeridian_are_found(tmp_path: Path):
    grid = Grid("EPSG:32660", Affine(100, 0, 826_000, 0, -100, 10_000), (30, 400))  # 834 km east is 180 degrees
    far = shapely.box(-179.95, 0, -179.9, 0.1)
    path = write_geojson(tmp_path / "a.geojson", [(shapely.box(179.95, 0, 180, 0.1), {}), (far, {})])
    burned = _open(path, legend=ONE, grid=grid).burn(grid.window)[1]
    assert burned[:, :80].any()
    assert burned[:, 150:].any()


# --- Classes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "values"), [("kind", ["forest", "lake"]), ("kind", [3, 7]), ("kind", ["3", "7"])])
def test_a_class_is_found_by_name_or_by_code(tmp_path: Path, field: str, values: list[object]):
    path = _land(tmp_path, [box(0, 0, 1, 1), box(0, 5, 1, 7)], values)
    assert _indices(_open(path, field=field))[0, :8].tolist() == [1, 0, 0, 0, 0, 2, 2, 0]


def test_a_code_of_the_source_counts_where_the_map_has_another(tmp_path: Path):
    legend = Legend((LandClass(0, "rest", (9, 9, 9)), LandClass(1, "maize", (8, 8, 8), source_code=201)))
    path = _land(tmp_path, [box(0, 0, 1, 1)], [201])
    assert _indices(_open(path, field="kind", legend=legend), legend=legend)[0, 0] == 1


def test_zero_filled_text_is_no_number(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 1, 1)], ["007"])
    with pytest.raises(LegendError, match="'007'"):
        _open(path, field="kind")
    legend = Legend.of({0: "rest", 1: "007", 2: "NA", 3: "None"})
    path = write_ogr(tmp_path / "b.gpkg", [box(0, i, 1, i + 1) for i in range(3)], {"kind": ["007", "None", "NA"]})
    assert _indices(_open(path, field="kind", legend=legend), legend=legend)[0, :4].tolist() == [1, 3, 2, 0]


def test_all_unknown_values_are_listed_at_once(tmp_path: Path):
    path = _land(tmp_path, [box(0, i, 1, i + 1) for i in range(6)], ["lake", "Lake", "oak", "oak", "oak", None])
    message = (
        r"attribute 'kind' holds 'oak' \(3 features, first 3\), 'Lake' \(1 feature, first 2\), no value \(1 feature, "
        r"first 6\), which the legend does not know; it has 0 rest, 3 forest, 7 lake.*--class-field.*--skip-bad"
    )
    with pytest.raises(LegendError, match=message):
        _open(path, field="kind")


def test_a_shape_without_a_value_can_be_left_out(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 1, 1), box(0, 2, 1, 3)], ["lake", None])
    rules = replace(RULES, skip_bad=True)
    planes = _open(path, field="kind", rules=rules)
    assert _indices(planes, rules=rules)[0, :4].tolist() == [2, 0, 0, 0]
    assert planes.notes[0].what == "1 shapes have no value in 'kind'"


def test_a_shape_of_an_ignored_code_is_not_labelled(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 1, 3), box(0, 2, 1, 5)], [7, 99])
    assert _indices(_open(path, field="kind"))[0, :6].tolist() == [2, 2, IGNORE, IGNORE, IGNORE, 0]


def test_an_attribute_that_is_not_there_is_named_with_those_that_are(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 1, 3)], ["lake"])
    with pytest.raises(VectorError, match="has no attribute 'crop'; it has kind: choose one with --class-field"):
        _open(path, field="crop")


def test_without_an_attribute_there_is_one_class_besides_the_background(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 1, 3)], ["lake"])
    with pytest.raises(LegendError, match=r"which of forest, lake are its shapes\? .*--class-field \(kind\)"):
        _open(path)
    assert _open(path, legend=ONE).burn(WHOLE)[1].sum() == 3


def test_the_upper_class_wins_by_priority_and_the_overlap_is_told(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 4, 6), box(2, 3, 6, 9)], ["lake", "forest"])
    planes = _open(path, field="kind")
    assert _indices(planes)[3, 4] == 2  # the legend has lake above
    assert planes.overlaps == {("forest", "lake"): pytest.approx(6)}
    assert str(planes.notes[0]).endswith(
        "forest and lake overlap on 6 px of a scene; lake is taken there; --priority can say otherwise"
    )
    rules = replace(RULES, priority=("lake", "forest"))
    planes = _open(path, field="kind", rules=rules)
    assert _indices(planes, rules=rules)[3, 4] == 1
    (note,) = planes.notes
    assert str(note).endswith("forest is taken there; as the priority says")
    assert note.severity == "note"


def test_planes_keep_both_classes_of_an_overlap(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 4, 6), box(2, 3, 6, 9)], ["lake", "forest"])
    rules = replace(RULES, multilabel=True)
    planes = _open(path, field="kind", rules=rules)
    both = ShapeLabels(planes, LAND, rules, GRID).read_planes(WHOLE)
    assert both[:, 3, 4].tolist() == [0, 1, 1]
    assert both[:, 20, 20].tolist() == [1, 0, 0]
    assert planes.notes == ()


# --- Areas ------------------------------------------------------------------------------------------------


def test_outside_of_the_areas_nothing_is_labelled(tmp_path: Path):
    path = _land(tmp_path, [box(2, 2, 9, 9)], ["lake"])
    aoi = write_geojson(tmp_path / "aoi.geojson", [(moved([box(0, 0, 5, 6)], "EPSG:4326")[0], {})])
    expected = np.full(SHAPE, IGNORE, np.uint8)
    expected[:5, :6] = 0
    expected[2:5, 2:6] = 2
    assert np.array_equal(_indices(_open(path, field="kind", aoi=aoi)), expected)


def test_areas_of_a_split_are_labelled_alone_and_never_with_those_of_another(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 24, 30)], ["lake"])
    areas = moved([box(0, 0, 4, 6), box(2, 4, 6, 10)], "EPSG:4326")
    aoi = write_geojson(tmp_path / "aoi.geojson", [(areas[0], {"Split": "train"}), (areas[1], {"Split": "test"})])
    train = _open(path, field="kind", aoi=aoi, aoi_split="train").labelled(WHOLE)
    test = _open(path, field="kind", aoi=aoi, aoi_split="test").labelled(WHOLE)
    assert (train.sum(), test.sum()) == (4 * 6 - 4, 4 * 6 - 4)
    assert not (train & test).any()
    with pytest.raises(VectorError, match="no area has split 'val'; there are train, test"):
        _open(path, field="kind", aoi=aoi, aoi_split="val")


def test_burned_and_drawn_areas_are_those_inside_the_areas(tmp_path: Path):
    path = _land(tmp_path, [box(0, 0, 10, 8), box(5, 4, 12, 8)], ["lake", "lake"])
    aoi = write_geojson(tmp_path / "aoi.geojson", [(box(0, 0, 24, 5), {})], crs="EPSG:32633")
    (cover,) = _open(path, field="kind", aoi=aoi).cover()
    assert (cover.name, cover.burned_px) == ("lake", 52)
    assert cover.drawn_px == pytest.approx(52)


# --- What goes wrong --------------------------------------------------------------------------------------


def test_shapes_elsewhere_are_counted_as_such(tmp_path: Path):
    path = write_ogr(tmp_path / "a.gpkg", [box(0, 0, 2, 2), box(24, 0, 26, 9), box(9000, 9000, 9001, 9001)])
    counts = _open(path, legend=ONE).counts
    assert (counts.in_file, counts.touching, counts.burning) == (3, 1, 1)


def test_slivers_that_burn_nothing_are_told(tmp_path: Path):
    thin, dot = box(3.6, 2, 3.9, 20), box(8.1, 8.1, 8.4, 8.4)
    path = write_ogr(tmp_path / "a.gpkg", [box(0, 0, 2, 2), thin, dot, box(12, 0, 12.6, 9)])
    planes = _open(path, legend=ONE)
    assert (planes.counts.touching, planes.counts.burning) == (4, 2)
    assert "2 of 4 shapes in a scene burn no pixel" in planes.notes[0].what
    assert planes.notes[0].remedy.endswith("--all-touched burns them")


def test_a_bow_tie_burns_both_lobes_once(tmp_path: Path):
    (x0, y0), (x1, y1) = UTM @ (2, 2), UTM @ (12, 12)
    bow = shapely.Polygon([(x0, y0), (x1, y1), (x1, y0), (x0, y1)])
    planes = _open(write_geojson(tmp_path / "a.geojson", [(bow, {})], crs="EPSG:32633"), legend=ONE)
    assert planes.burn(WHOLE)[1].sum() == pytest.approx(50, abs=10)
    assert planes.notes[0].remedy == "repaired: their area goes from 0 to 5000 m²"


def test_degrees_declared_as_metres_are_refused(tmp_path: Path):
    path = write_ogr(tmp_path / "a.gpkg", moved([box(0, 0, 2, 2)], "EPSG:4326"), crs="EPSG:32633")
    with pytest.raises(VectorError, match="probably degrees; assign it EPSG:4326"):
        _open(path, legend=ONE)


def test_an_image_without_a_crs_is_refused(tmp_path: Path):
    path = write_ogr(tmp_path / "a.gpkg", [box(0, 0, 2, 2)])
    with pytest.raises(GridError, match="the image has no CRS; give that of the image with --crs"):
        _open(path, legend=ONE, grid=Grid(None, Affine.identity(), SHAPE))


def test_an_empty_file_means_no_shapes_only_where_the_data_set_says_so(tmp_path: Path):
    path = tmp_path / "a.geojson"
    path.write_bytes(b"")
    assert not _open(path, legend=ONE, may_be_empty=True).burn(WHOLE).any()
    with pytest.raises(VectorError, match="is empty"):
        _open(path, legend=ONE)


def test_geojson_without_features_means_no_shapes(tmp_path: Path):
    planes = _open(write_geojson(tmp_path / "a.geojson", []), legend=ONE)
    assert not planes.burn(WHOLE).any()
    assert planes.cover() == ()
    assert planes.notes == ()
