"""Vector labels: each defect is found by its own check, with its place."""

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine

from hectares.core.grid import Grid
from hectares.doctor.shapes import ShapeFile, examine_shapes

X, Y = 500_000, 5_000_000
SCENE = Grid("EPSG:32633", Affine(1, 0, X, 0, -1, Y + 100), (100, 100))


def box(west, south, east, north):
    return shapely.box(X + west, Y + south, X + east, Y + north)


GOOD = [(box(0, 0, 20, 20), "field"), (box(20, 0, 40, 20), "road"), (box(50, 50, 90, 90), "field")]


@pytest.fixture
def examine(tmp_path):
    def run(shapes, *, crs="EPSG:32633", field="kind", grids=(SCENE,)):
        path = tmp_path / "labels.gpkg"
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb(np.array([s for s, _ in shapes], dtype=object)),
            field_data=[np.array([k for _, k in shapes], dtype=object)],
            fields=["kind"],
            geometry_type="Unknown",
            crs=crs,
            driver="GPKG",
        )
        findings, facts = examine_shapes(ShapeFile(path, field=field), list(grids))
        assert facts["shapes"] == sum(s is not None for s, _ in shapes)
        return findings

    return run


def checks(findings):
    return [(f.check, f.severity, f.count) for f in findings]


def test_clean_shapes_have_no_findings(examine):
    assert examine(GOOD) == []


def test_a_sliver_of_less_than_half_a_pixel_is_found_with_its_place(examine):
    (finding,) = examine([*GOOD, (box(60, 10, 95, 10.3), "road")])
    assert (finding.check, finding.count) == ("slivers", 1)
    assert "feature 4" in finding.what
    assert finding.place.lon == pytest.approx(15.001, abs=1e-3)


def test_without_scenes_a_sliver_is_one_that_is_thin_for_its_layer(examine):
    assert checks(examine([*GOOD, (box(60, 10, 95, 10.3), "road")], grids=())) == [("slivers", "warning", 1)]


def test_classes_that_overlap_are_told_with_area_and_place(examine):
    (finding,) = examine([*GOOD, (box(15, 5, 35, 15), "house")])[:1]
    found = examine([*GOOD, (box(15, 5, 35, 15), "house")])
    assert checks(found) == [("overlaps", "warning", 1), ("overlaps", "warning", 1)]
    assert finding.what == "field and house overlap in 1 place(s), by 50 m² (feature 1 with 4)"
    west = (finding.place.lon - 15) * 78_500
    assert 15 <= west <= 20


def test_overlaps_within_a_class_do_not_count_and_without_classes_are_a_note(examine):
    both = [*GOOD, (box(45, 45, 55, 55), "field")]
    assert examine(both) == []
    assert checks(examine(both, field=None)) == [("overlaps", "note", 1)]


def test_a_shape_that_stands_twice_is_found_whichever_way_it_is_drawn(examine):
    turned = shapely.Polygon(GOOD[2][0].exterior.coords[2:4] + GOOD[2][0].exterior.coords[:3])
    (finding,) = examine([*GOOD, (shapely.Polygon(turned.exterior.coords[::-1]), "field")])
    assert (finding.check, finding.count) == ("repeated shapes", 1)


def test_a_bow_tie_is_found_where_it_crosses(examine):
    tie = shapely.Polygon([(X + 50, Y + 10), (X + 70, Y + 30), (X + 70, Y + 10), (X + 50, Y + 30)])
    (finding,) = examine([*GOOD, (tie, "road")])
    assert finding.check == "broken shapes"
    assert "Self-intersection" in finding.what
    assert finding.place.lat == pytest.approx(45.1527, abs=1e-3)


def test_a_feature_without_geometry_is_told(examine):
    assert checks(examine([*GOOD, (None, "road")])) == [("broken shapes", "warning", 1)]


def test_shapes_beside_the_scene_are_a_note_and_none_inside_an_error(examine):
    (note,) = examine([*GOOD, (box(500, 500, 520, 520), "road")])
    assert (note.check, note.severity, note.count) == ("outside", "note", 1)
    far = [(shapely.transform(s, lambda c: c + 9000), k) for s, k in GOOD]
    assert ("outside", "error", 3) in checks(examine(far))


def test_shapes_in_another_crs_are_compared_with_scenes_in_theirs(examine):
    degrees = [(shapely.box(15.0001, 45.1535, 15.0005, 45.1538), "field")]
    assert examine(degrees, crs="EPSG:4326") == []


def test_degrees_that_are_declared_metres_are_found(examine):
    degrees = [(shapely.box(15.0001, 45.1535, 15.0005, 45.1538), "field")]
    assert ("units", "error", 1) in checks(examine(degrees, crs="EPSG:32633"))


def test_metres_that_are_declared_degrees_are_found(tmp_path):
    path = tmp_path / "metres.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": '
                    + shapely.to_geojson(GOOD[0][0]) + "}]}")  # fmt: skip
    findings, facts = examine_shapes(ShapeFile(path))
    assert checks(findings) == [("units", "error", 1)]
    assert facts == {}


def test_lines_are_no_labels(examine):
    line = shapely.LineString([(X, Y), (X + 9, Y + 9)])
    assert ("shapes", "error", 1) in checks(examine([(line, "road")]))


def test_a_file_without_shapes_is_wrong_unless_it_says_that_there_are_none(tmp_path):
    empty, collection = tmp_path / "empty.geojson", tmp_path / "none.geojson"
    empty.write_bytes(b"")
    collection.write_text('{"type": "FeatureCollection", "features": []}')
    for path in (empty, collection):
        assert examine_shapes(ShapeFile(path, may_be_empty=True), [SCENE])[0] == []
        assert [f.severity for f in examine_shapes(ShapeFile(path), [SCENE])[0]] == ["error"]
