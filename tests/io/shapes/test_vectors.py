"""Vector layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import VectorError
from hectares.io.shapes.features import inside, pixel_window
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.polygons import Overlap, find_overlaps, read_wkb
from hectares.io.shapes.vectors import VectorLayer, looks_like_degrees, read_layer, write_layer

SQUARE = shapely.box(500_000, 5_000_000, 500_100, 5_000_300)
HOLED = shapely.Polygon([(0, 0), (9, 0), (9, 5), (0, 5)], holes=[[(1, 1), (2, 1), (2, 2), (1, 2)]])
LAYER = VectorLayer("EPSG:32633", (SQUARE, HOLED), {"name": ("a", "Straße"), "n": (1, 2), "x": (0.5, -1.0)})


@pytest.mark.parametrize(("driver", "suffix"), [("GPKG", "gpkg"), ("FlatGeobuf", "fgb"), ("GeoJSON", "geojson")])
def test_a_layer_survives_a_file(tmp_path: Path, driver: str, suffix: str):
    path = tmp_path / f"zones.{suffix}"
    layer = LAYER if driver != "GeoJSON" else LAYER.to_crs("EPSG:4326")
    write_layer(path, layer, name="zones", driver=driver, overwrite=False)
    found = read_layer(path)
    assert found.crs == layer.crs
    assert {k: tuple(v) for k, v in found.attributes.items()} == dict(layer.attributes)
    assert all(a.normalize().equals_exact(shapely.MultiPolygon([b]).normalize(), 1e-6)
               for a, b in zip(found.geometries, layer.geometries, strict=True))  # fmt: skip


def test_edges_bend_when_the_crs_changes():
    wide = VectorLayer("EPSG:4326", (shapely.box(10, 60, 20, 61),), {})
    polar = wide.to_crs("EPSG:3035")
    area = polar.geometries[0].area  # the CRS is equal-area, so this is the area between parallels
    grid = Grid("EPSG:4326", Affine(10, 0, 10, 0, -1, 61), (1, 1))
    from hectares.core.area import pixel_area

    assert area == pytest.approx(pixel_area(grid, grid.window).sum(), rel=1e-4)
    corners_only = shapely.transform(
        wide.geometries[0],
        lambda p: np.column_stack(pyproj.Transformer.from_crs(4326, 3035, always_xy=True).transform(p[:, 0], p[:, 1])),
    )
    assert abs(corners_only.area / area - 1) > 1e-3


def test_the_same_crs_changes_nothing():
    assert LAYER.to_crs("epsg:32633") is LAYER


def test_a_layer_without_features_can_change_its_crs():
    assert VectorLayer("EPSG:4326", (), {"name": ()}).to_crs("EPSG:3035").geometries == ()


def test_a_point_can_change_its_crs():
    moved = VectorLayer("EPSG:32633", (shapely.Point(500_000, 0),), {}).to_crs("EPSG:4326")
    assert moved.geometries[0].equals_exact(shapely.Point(15, 0), 1e-9)


def _geojson(path: Path, *geometries: object, crs: bool = False) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {"name": f"z{i}"},
            "geometry": None if g is None else shapely.geometry.mapping(g),
        }
        for i, g in enumerate(geometries)
    ]
    content: dict[str, object] = {"type": "FeatureCollection", "features": features}
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    path.write_text(json.dumps(content))
    return path


def test_null_and_empty_geometries_are_left_out(tmp_path: Path):
    layer = read_layer(_geojson(tmp_path / "a.geojson", None, shapely.box(1, 1, 2, 3), shapely.Polygon()))
    assert layer.attributes["name"] == ("z1",)
    assert len(layer.geometries) == 1


def test_a_bow_tie_is_repaired(tmp_path: Path):
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    layer = read_layer(_geojson(tmp_path / "a.geojson", bow))
    assert layer.geometries[0].is_valid
    assert layer.geometries[0].area == pytest.approx(2)


def test_metres_declared_as_degrees_are_refused(tmp_path: Path):
    with pytest.raises(VectorError, match="probably metres"):
        read_layer(_geojson(tmp_path / "a.geojson", SQUARE))


def test_metres_declared_as_metres_are_read(tmp_path: Path):
    assert read_layer(_geojson(tmp_path / "a.geojson", SQUARE, crs=True)).crs == "EPSG:32633"


def test_several_layers_need_a_name(tmp_path: Path):
    import pyogrio

    for name in ("north", "south"):
        pyogrio.raw.write(
            tmp_path / "a.gpkg", geometry=shapely.to_wkb(np.array([SQUARE])), field_data=[], fields=[],
            geometry_type="Polygon", crs="EPSG:32633", driver="GPKG", layer=name, append=name == "south",
        )  # fmt: skip
    with pytest.raises(VectorError, match="holds the layers north, south; name one as FILE:LAYER"):
        read_layer(tmp_path / "a.gpkg")
    assert len(read_layer(tmp_path / "a.gpkg", layer="south").geometries) == 1
    with pytest.raises(VectorError, match="cannot be read"):
        read_layer(tmp_path / "a.gpkg", layer="west")


def test_what_is_no_vector_file_is_refused(tmp_path: Path):
    (tmp_path / "a.gpkg").write_text("no")
    with pytest.raises(VectorError, match="cannot be read as a vector file"):
        read_layer(tmp_path / "a.gpkg")
    with pytest.raises(VectorError, match="there is no such file"):
        read_layer(tmp_path / "no.gpkg")


# --- What people draw -------------------------------------------------------------------------------------

BOW = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])


def _read(path: Path, **options: object) -> VectorLayer:
    return read_layer(path, polygons=True, **options)


def test_features_without_a_geometry_are_told_by_their_ids(tmp_path: Path):
    layer = _read(_geojson(tmp_path / "a.geojson", None, shapely.box(1, 1, 2, 3), shapely.Polygon()))
    assert [str(n) for n in layer.notes] == [f"{tmp_path / 'a.geojson'}: 2 features (0, 2) with no geometry; left out"]
    assert layer.ids == (1,)


def test_a_coordinate_that_is_no_number_is_told(tmp_path: Path):
    path = _geojson(tmp_path / "a.geojson", shapely.box(1, 1, 2, 3), shapely.box(5, 5, 6, 7))
    path.write_text(path.read_text().replace("6.0", "NaN"))
    layer = _read(path)
    assert layer.ids == (0,)
    assert layer.notes[0].what == "1 feature (1) with coordinates that are no numbers, or rings that do not close"


def test_curves_become_lines(tmp_path: Path):
    import struct

    import pyogrio

    circle = struct.pack("<BII", 1, 8, 5) + struct.pack("<10d", 0, 0, 1, 1, 2, 0, 1, -1, 0, 0)
    curved = np.array([struct.pack("<BII", 1, 10, 1) + circle], dtype=object)
    kind = {"field_data": [], "fields": [], "geometry_type": "Unknown", "crs": "EPSG:32633", "driver": "GPKG"}
    pyogrio.raw.write(tmp_path / "a.gpkg", geometry=curved, **kind)
    assert _read(tmp_path / "a.gpkg").geometries[0].area == pytest.approx(np.pi, rel=1e-3)
    with pytest.raises(VectorError, match="holds curves; turn them into lines"):
        read_wkb("a.parquet", curved)


def test_a_repair_is_told_with_the_area_before_and_after(tmp_path: Path):
    path = tmp_path / "a.gpkg"
    write_layer(path, VectorLayer("EPSG:32633", (BOW, SQUARE), {}), name="a", overwrite=False)
    layer = _read(path)
    assert layer.geometries[0].area == pytest.approx(2)
    assert layer.notes[0].what == "1 feature (1) cross themselves"
    assert layer.notes[0].remedy == "repaired: their area goes from 0 to 2 m²"


def test_a_hole_outside_of_its_polygon_takes_and_adds_nothing(tmp_path: Path):
    odd = shapely.Polygon([(0, 0), (4, 0), (4, 3), (0, 3)], [[(5, 5), (6, 5), (6, 6), (5, 6)]])
    layer = _read(_geojson(tmp_path / "a.geojson", odd))
    assert layer.geometries[0].area == pytest.approx(12)


def test_overlapping_parts_of_one_shape_count_once(tmp_path: Path):
    both = shapely.MultiPolygon([shapely.box(0, 0, 2, 2), shapely.box(1, 0, 3, 2)])
    assert _read(_geojson(tmp_path / "a.geojson", both)).geometries[0].area == pytest.approx(6)


def test_polygons_without_an_area_are_counted_and_left_out(tmp_path: Path):
    flat = shapely.Polygon([(0, 0), (2, 0), (1, 0)])
    layer = _read(_geojson(tmp_path / "a.geojson", flat, shapely.box(0, 0, 1, 2)))
    assert layer.ids == (1,)
    assert layer.notes[-1].what == "1 feature (0) with no area"


def test_lines_and_points_are_refused_as_labels_or_left_out(tmp_path: Path):
    line = shapely.LineString([(0, 0), (1, 1)])
    path = _geojson(tmp_path / "a.geojson", shapely.box(0, 0, 1, 2), line, shapely.Point(1, 1))
    with pytest.raises(VectorError, match=r"2 features \(1, 2\) are lines or points.*Buffer.*--skip-bad"):
        _read(path)
    layer = _read(path, skip_bad=True)
    assert layer.ids == (0,)
    assert layer.notes[0].what == "2 features (1, 2) with lines or points"


def test_the_polygons_of_a_collection_are_taken(tmp_path: Path):
    mixed = shapely.GeometryCollection([shapely.box(0, 0, 1, 2), shapely.Point(9, 9)])
    assert _read(_geojson(tmp_path / "a.geojson", mixed)).geometries[0].equals(shapely.box(0, 0, 1, 2))


def test_metres_declared_as_degrees_take_the_crs_given(tmp_path: Path):
    path = _geojson(tmp_path / "a.geojson", SQUARE)
    assert read_layer(path, crs="EPSG:32633").crs == "EPSG:32633"
    with pytest.raises(VectorError, match="give it with --crs"):
        read_layer(path)


def test_degrees_declared_as_metres_are_noticed():
    degrees = VectorLayer("EPSG:32633", (shapely.box(14, 45, 15, 46),), {})
    assert looks_like_degrees(degrees)
    assert not looks_like_degrees(LAYER)
    assert not looks_like_degrees(VectorLayer("EPSG:4326", degrees.geometries, {}))


def test_overlaps_are_found_but_not_common_borders():
    shapes = [shapely.box(0, 0, 4, 4), shapely.box(4, 0, 8, 4), shapely.box(3, 3, 5, 9), shapely.box(20, 0, 21, 1)]
    assert find_overlaps(shapes) == [Overlap(0, 2, 1.0), Overlap(1, 2, 1.0)]
    assert find_overlaps(shapes, ["a", "b", "a", "c"]) == [Overlap(1, 2, 1.0)]
    assert find_overlaps([]) == []


@pytest.mark.parametrize(
    ("text", "file", "layer"),
    [("a.gpkg", "a.gpkg", None), ("dir/a.gpkg:b", "dir/a.gpkg", "b"), ("odd:name", "odd:name", None)],
)
def test_a_layer_is_named_after_a_colon(text: str, file: str, layer: str | None):
    assert split_layer_name(text) == (Path(file), layer)


# --- Pixels -----------------------------------------------------------------------------------------------

GRID = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), (5, 7))


def test_the_window_of_a_geometry_holds_it():
    box = shapely.box(500_131, 5_000_345, 500_159, 5_000_361)
    assert pixel_window(box, GRID) == Window(0, 1, 3, 3)


@pytest.mark.parametrize("rotation", [0, 30, 180])
def test_no_pixel_of_a_geometry_lies_outside_its_window(rotation: float):
    grid = Grid(GRID.crs, GRID.transform @ Affine.rotation(rotation), GRID.shape)
    center = shapely.Point(grid.transform @ (3.2, 2.4))
    shape = center.buffer(17)
    window = pixel_window(shape, grid)
    whole = inside(shape, grid, grid.window)
    assert whole.sum() > 4
    part = np.zeros(grid.shape, bool)
    part[window.slices] = inside(shape, grid, window)
    assert np.array_equal(part, whole)


def test_a_pixel_is_inside_by_its_center():
    box = shapely.box(500_126, 5_000_344, 500_146, 5_000_364)  # centers at 500125 + 10 i, 5000365 - 10 j
    assert np.argwhere(inside(box, GRID, GRID.window)).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_a_geometry_elsewhere_has_an_empty_window():
    assert pixel_window(shapely.box(0, 0, 9, 9), GRID).pixels == 0
