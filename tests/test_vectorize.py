"""Class map to polygons."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from class_arrays import HARD, maps
from factory import UTM, Notes, WriteRaster, save_raster
from hectares.cli.main import run
from hectares.config.vectorize import VectorizeConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.polygons.ledger import ClassLedger
from hectares.errors import ArtefactError, ConfigError, GridError, GsdError, RasterError
from hectares.io.artefact import stamp, write_json
from hectares.io.polygons import map_outlines
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import read_layer
from hectares.vectorize import Vectorized, vectorize_map

LEGEND = Legend.of({3: "ground", 7: "building", 20: "water"}).for_maps()
SUFFIXES = (".gpkg", ".fgb", ".geojson", ".parquet", ".shp")
EXACT = VectorizeConfig()

MAP = np.array(
    [
        [0, 0, 0, 0, 2, 2, 2],
        [0, 1, 1, 0, 2, 2, 2],
        [0, 1, 1, 0, 0, 2, 2],
        [0, 0, 0, 1, 0, 0, 2],
        [255, 0, 0, 0, 0, 0, 0],
    ],
    np.uint8,
)


def save_map(
    path: Path, indices: np.ndarray, *, crs: str | None = "EPSG:32633", transform: Affine = UTM, legend: Legend = LEGEND
) -> Path:
    write_class_map(path, indices, Grid(crs, transform, indices.shape), legend, {}, overwrite=True)
    return path


def read(path: Path) -> tuple[np.ndarray, dict[str, tuple[Any, ...]]]:
    layer = read_layer(path, layer=path.stem if path.suffix == ".gpkg" else None)
    return np.array(layer.geometries), dict(layer.attributes)


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    return save_map(tmp_path / "map.tif", MAP)


def test_every_object_is_a_polygon_with_its_attributes(tmp_path: Path, class_map: Path):
    made = vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)
    polygons, fields = read(tmp_path / "out.gpkg")
    assert list(fields) == ["class_id", "class_name", "area_m2", "area_ha", "perimeter_m", "source"]
    found = sorted(zip(fields["class_id"], fields["class_name"], np.round(shapely.area(polygons)), strict=True))
    assert found == [(3, "ground", 2000), (7, "building", 100), (7, "building", 400), (20, "water", 900)]
    assert fields["area_m2"] == pytest.approx(shapely.area(polygons), rel=2e-3)
    assert fields["perimeter_m"] == pytest.approx(shapely.length(polygons), rel=2e-3)
    assert set(fields["source"]) == {"map.tif"}
    assert made.polygons == 4


@pytest.mark.parametrize("name", HARD)
def test_polygons_of_a_class_have_the_area_of_its_pixels(tmp_path: Path, name: str):
    if name == "all nodata":
        return
    save_map(tmp_path / "map.tif", HARD[name], crs="EPSG:4326", transform=Affine(0.01, 0, 14, 0, -0.01, 59))
    made = vectorize_map(tmp_path / "map.tif", tmp_path / "out.fgb", EXACT)
    for ledger in made.classes:
        assert ledger.polygon_m2 == pytest.approx(ledger.raster_m2, rel=1e-9)
        assert ledger.kept_m2 == ledger.raster_m2
    _, fields = read(tmp_path / "out.fgb")
    assert sum(fields["area_m2"]) == pytest.approx(sum(c.raster_m2 for c in made.classes), rel=1e-9)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(maps, st.sampled_from([1, 3, 7]))
def test_strips_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: np.ndarray, rows: int):
    if (labels == 255).all():
        return
    save_map(tmp_path / "map.tif", labels)
    found = []
    for px in (rows * labels.shape[1], 10**6):
        monkeypatch.setattr(map_outlines, "_STRIP_PX", px)
        vectorize_map(tmp_path / "map.tif", tmp_path / "out.gpkg", EXACT, overwrite=True)
        polygons, fields = read(tmp_path / "out.gpkg")
        found.append((shapely.to_wkb(polygons).tolist(), fields["class_id"]))
    assert found[0] == found[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_holds_the_same_and_the_same_bytes_each_time(tmp_path: Path, class_map: Path, suffix: str):
    out = tmp_path / f"out{suffix}"
    vectorize_map(class_map, out, EXACT)
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.stem == "out"}
    vectorize_map(class_map, out, EXACT, overwrite=True)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.stem == "out"} == first
    polygons, fields = read(out)
    assert sorted(fields["class_id"]) == [3, 7, 7, 20]
    assert shapely.is_valid(polygons).all()
    assert all(p.stem == "out" or p.name.startswith("map.") for p in tmp_path.iterdir())


def test_vector_tiles_hold_all_classes(tmp_path: Path, class_map: Path):
    out = tmp_path / "out.pmtiles"
    vectorize_map(class_map, out, EXACT)
    first = out.read_bytes()
    vectorize_map(class_map, out, EXACT, overwrite=True)
    assert out.read_bytes() == first
    codes = pyogrio.raw.read(out, columns=["class_id"], read_geometry=False)[3][0]
    assert set(codes.tolist()) == {3, 7, 20}


def test_a_geopackage_carries_the_colors_of_the_legend(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)
    connection = sqlite3.connect(tmp_path / "out.gpkg")
    layer, qml, default = connection.execute("SELECT f_table_name, styleQML, useAsDefault FROM layer_styles").fetchone()
    dates = {row[0] for row in connection.execute("SELECT last_change FROM gpkg_contents")}
    connection.close()
    assert (layer, default) == ("out", 1)
    assert 'label="building"' in qml
    assert "{},{},{},255".format(*LEGEND.classes[1].color) in qml
    assert dates == {"2000-01-01T00:00:00.000Z"}


def test_a_geopackage_is_of_a_version_that_older_gis_know(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)
    with contextlib.closing(sqlite3.connect(tmp_path / "out.gpkg")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (10200,)


@pytest.mark.parametrize("suffix", [".fgb", ".geojson", ".parquet", ".shp"])
def test_a_style_lies_beside_formats_that_hold_none(tmp_path: Path, class_map: Path, suffix: str):
    vectorize_map(class_map, tmp_path / f"out{suffix}", EXACT)
    categories = ET.parse(tmp_path / "out.qml").getroot().iter("category")
    assert {(int(c.attrib["value"]), c.attrib["label"]) for c in categories} == {
        (3, "ground"),
        (7, "building"),
        (20, "water"),
    }


@pytest.mark.parametrize("suffix", [".gpkg", ".pmtiles"])
def test_no_style_lies_beside_formats_that_hold_one_or_take_none(tmp_path: Path, class_map: Path, suffix: str):
    vectorize_map(class_map, tmp_path / f"out{suffix}", EXACT)
    assert not (tmp_path / "out.qml").exists()


def test_polygons_named_as_their_map_share_its_style(tmp_path: Path, class_map: Path, notes: Notes):
    style = class_map.with_suffix(".qml")
    before = style.read_bytes()
    vectorize_map(class_map, tmp_path / "map.fgb", EXACT, monitor=notes)
    assert style.read_bytes() == before
    assert notes.problems == []


def test_the_style_of_another_map_of_that_name_stays_and_is_told_about(tmp_path: Path, class_map: Path, notes: Notes):
    other = save_map(tmp_path / "other.tif", MAP, legend=Legend.of({1: "a", 2: "b", 4: "c"}).for_maps())
    before = class_map.with_suffix(".qml").read_bytes()
    vectorize_map(other, tmp_path / "map.fgb", EXACT, overwrite=True, monitor=notes)
    assert class_map.with_suffix(".qml").read_bytes() == before
    assert [(Path(p.where).name, p.severity) for p in notes.problems] == [("map.qml", "note")]


def test_a_style_that_is_no_maps_is_replaced_only_with_overwrite(tmp_path: Path, class_map: Path):
    (tmp_path / "out.qml").write_text("<qgis/>")
    with pytest.raises(ArtefactError, match=r"out\.qml: exists already"):
        vectorize_map(class_map, tmp_path / "out.fgb", EXACT)
    vectorize_map(class_map, tmp_path / "out.fgb", EXACT, overwrite=True)
    assert "category" in (tmp_path / "out.qml").read_text(encoding="utf-8")


def test_geojson_is_wgs84_and_turns_left(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "out.geojson", EXACT)
    content = json.loads((tmp_path / "out.geojson").read_text())
    assert "crs" not in content
    for feature in content["features"]:
        polygon = shapely.geometry.shape(feature["geometry"])
        assert polygon.exterior.is_ccw
        assert not any(ring.is_ccw for ring in polygon.interiors)
        assert (round(polygon.centroid.x), round(polygon.centroid.y)) == (15, 45)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [("EPSG:4326", Affine(0.5, 0, 178.5, 0, -0.5, -16)), ("EPSG:32701", Affine(9000, 0, 170_000, 0, -9000, 8_200_000))],
)
def test_geojson_is_cut_at_the_antimeridian(tmp_path: Path, crs: str, transform: Affine):
    save_map(tmp_path / "map.tif", np.zeros((2, 6), np.uint8), crs=crs, transform=transform)
    vectorize_map(tmp_path / "map.tif", tmp_path / "out.geojson", EXACT)
    (feature,) = json.loads((tmp_path / "out.geojson").read_text())["features"]
    shape = shapely.geometry.shape(feature["geometry"])
    west, _, east, _ = shape.bounds
    assert (shape.geom_type, west >= -180, east <= 180) == ("MultiPolygon", True, True)
    assert all(part.bounds[2] - part.bounds[0] < 3 for part in shape.geoms)


def test_a_map_of_a_pole_has_no_place_in_geojson(tmp_path: Path):
    transform = Affine(2000, 0, -4000, 0, -2000, 4000)
    save_map(tmp_path / "map.tif", np.zeros((4, 4), np.uint8), crs="EPSG:3413", transform=transform)
    with pytest.raises(GridError, match="has a pole inside"):
        vectorize_map(tmp_path / "map.tif", tmp_path / "out.geojson", EXACT)
    assert vectorize_map(tmp_path / "map.tif", tmp_path / "out.gpkg", EXACT).polygons == 1


def test_parquet_says_where_it_lies(tmp_path: Path, class_map: Path):
    import pyarrow.parquet as pq

    vectorize_map(class_map, tmp_path / "out.parquet", EXACT)
    geo = json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"geo"])
    about = geo["columns"]["geometry"]
    assert pyproj.CRS.from_json_dict(about["crs"]).to_epsg() == 32633
    assert (about["encoding"], about["geometry_types"]) == ("WKB", ["Polygon"])


def test_a_shapefile_has_shorter_names_and_says_so(tmp_path: Path, class_map: Path, notes: Notes):
    vectorize_map(class_map, tmp_path / "out.shp", EXACT, monitor=notes)
    assert "perim_m" in read(tmp_path / "out.shp")[1]
    assert "perimeter_m is perim_m" in str(notes.problems[0])


def test_classes_can_be_chosen(tmp_path: Path, class_map: Path):
    made = vectorize_map(class_map, tmp_path / "out.gpkg", VectorizeConfig(classes="water, building"))
    assert set(read(tmp_path / "out.gpkg")[1]["class_name"]) == {"water", "building"}
    assert [c.name for c in made.classes] == ["building", "water"]


def test_an_unknown_class_is_a_wrong_option(tmp_path: Path, class_map: Path):
    with pytest.raises(ConfigError, match="known: ground, building, water"):
        vectorize_map(class_map, tmp_path / "out.gpkg", VectorizeConfig(classes="road"))


def test_small_objects_go_to_a_neighbor_or_are_left_out(tmp_path: Path, class_map: Path):
    merged = vectorize_map(class_map, tmp_path / "a.gpkg", VectorizeConfig(min_area_m2=150))
    dropped = vectorize_map(class_map, tmp_path / "b.gpkg", VectorizeConfig(min_area_m2=150, small="drop"))
    assert (merged.polygons, dropped.polygons) == (3, 3)
    ground, building, _ = merged.classes
    assert np.round([ground.raster_m2, ground.kept_m2, ground.polygon_m2]).tolist() == pytest.approx(
        [2000, 2100, 2100], rel=2e-3
    )
    assert building.difference == pytest.approx(0, abs=1e-9)
    assert merged.record["small"] == {"merged": 1, "filled": 0, "alone": 0}
    assert dropped.classes[1].kept_m2 == pytest.approx(400, rel=2e-3)
    assert dropped.classes[0].polygon_m2 == pytest.approx(2000, rel=2e-3)


def test_small_objects_without_a_neighbor_stay_and_are_told(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "map.tif", HARD["islands in nodata"])
    made = vectorize_map(tmp_path / "map.tif", tmp_path / "a.gpkg", VectorizeConfig(min_area_m2=150), monitor=notes)
    assert made.polygons == 3
    assert "3 object(s) below --min-area-m2" in str(notes.problems[0])


def test_holes_are_filled(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "out.gpkg", VectorizeConfig(fill_holes_m2=500))
    polygons, fields = read(tmp_path / "out.gpkg")
    assert sorted(fields["class_name"]) == ["ground", "water"]
    assert sum(len(p.interiors) for p in polygons) == 0


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    """Round regions of three classes with a nodata hole, 120 x 90 px of 10 m."""
    rows, cols = np.indices((120, 90))
    labels = (np.hypot(rows - 40, cols - 45) < 30).astype(np.uint8)
    labels[np.hypot(rows - 80, cols - 60) < 25] = 2
    labels[10:14, 70:80] = 255
    return save_map(tmp_path / "blobs.tif", labels)


def test_simplified_polygons_share_their_borders(tmp_path: Path, blobs: Path, monkeypatch: pytest.MonkeyPatch):
    exact = vectorize_map(blobs, tmp_path / "exact.gpkg", EXACT)
    points = shapely.get_num_coordinates(read(tmp_path / "exact.gpkg")[0]).sum()
    monkeypatch.setattr(map_outlines, "_BAND_ROWS", (32, 32))
    made = vectorize_map(blobs, tmp_path / "out.gpkg", VectorizeConfig(simplify_m=20))
    polygons, fields = read(tmp_path / "out.gpkg")
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert len(polygons) == exact.polygons
    assert shapely.get_num_coordinates(polygons).sum() < 0.75 * points
    assert sum(c.polygon_m2 for c in made.classes) == pytest.approx(sum(c.raster_m2 for c in made.classes), rel=1e-9)
    for ledger in made.classes:
        assert abs(ledger.difference) < 0.01
        mine = np.array(fields["class_name"]) == ledger.name
        assert np.array(fields["area_m2"])[mine] == pytest.approx(shapely.area(polygons[mine]), rel=2e-3)


def test_less_is_simplified_than_the_budget_allows(tmp_path: Path, blobs: Path, notes: Notes):
    config = VectorizeConfig(simplify_m=150, area_budget=0.2)
    made = vectorize_map(blobs, tmp_path / "out.gpkg", config, monitor=notes)
    assert min(made.record["simplified_m"].values()) < 150
    assert max(abs(c.difference) for c in made.classes) <= 0.002
    assert "instead of 150 m; more would change its area by over 0.2 %" in str(notes.problems[0])


def test_no_budget_means_nothing_is_simplified(tmp_path: Path, blobs: Path):
    made = vectorize_map(blobs, tmp_path / "out.gpkg", VectorizeConfig(simplify_m=150, area_budget=0))
    exact = vectorize_map(blobs, tmp_path / "exact.gpkg", EXACT)
    assert max(abs(c.difference) for c in made.classes) < 1e-9
    assert made.polygons == exact.polygons


def test_a_length_below_the_smallest_detail_is_told(tmp_path: Path, blobs: Path, notes: Notes):
    vectorize_map(blobs, tmp_path / "out.gpkg", VectorizeConfig(simplify_m=6), monitor=notes)
    assert "--simplify-m 6 changes nothing" in str(notes.problems[0])
    assert "is 7.07 m" in str(notes.problems[0])  # half a pixel of 10 m is 50 m2


def test_the_record_of_an_area_table_is_not_replaced(tmp_path: Path, blobs: Path):
    write_json(tmp_path / "m.json", stamp("areas", config={}, inputs={}), overwrite=False)
    with pytest.raises(ArtefactError, match=r"m\.json: is a record of the kind 'areas'"):
        vectorize_map(blobs, tmp_path / "m.gpkg", EXACT, overwrite=True)
    assert not (tmp_path / "m.gpkg").exists()


def test_buildings_get_right_angles(tmp_path: Path, notes: Notes):
    rows, cols = np.indices((70, 60))
    u, v = (rows - 30) * 0.96 + (cols - 30) * 0.28, (cols - 30) * 0.96 - (rows - 30) * 0.28
    labels = ((abs(u) < 20) & (abs(v) < 12)).astype(np.uint8)
    save_map(tmp_path / "map.tif", labels, transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000))
    config = VectorizeConfig(classes="building", regularize=True)
    made = vectorize_map(tmp_path / "map.tif", tmp_path / "out.gpkg", config, monitor=notes)
    polygons, fields = read(tmp_path / "out.gpkg")
    assert len(polygons[0].exterior.coords) == 5
    assert polygons[0].area == pytest.approx(40 * 24 / 4, rel=0.03)
    assert fields["area_m2"][0] == pytest.approx(polygons[0].area, rel=2e-3)
    assert fields["perimeter_m"][0] == pytest.approx(polygons[0].length, rel=2e-3)
    assert 0 < made.record["walls"]["moved_m"] <= 0.76
    assert "no longer shared" in str(notes.problems[0])


def test_buildings_of_several_strips_come_once_and_do_not_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows, cols = np.indices((60, 80))
    labels = np.zeros((60, 80), np.uint8)
    for row, col in ((14, 14), (14, 34), (40, 20), (42, 47)):
        u, v = (rows - row) * 0.9 + (cols - col) * 0.436, (cols - col) * 0.9 - (rows - row) * 0.436
        labels[(abs(u) < 9) & (abs(v) < 8)] = 1
    save_map(tmp_path / "map.tif", labels)
    monkeypatch.setattr(map_outlines, "_STRIP_PX", 7 * 80)
    config = VectorizeConfig(classes="building", regularize=True, regularize_m=25)
    made = vectorize_map(tmp_path / "map.tif", tmp_path / "out.gpkg", config)
    polygons, _ = read(tmp_path / "out.gpkg")
    assert made.record["walls"]["polygons"] + made.record["walls"]["left"] == len(polygons) == 4
    assert shapely.is_valid(polygons).all()
    one, other = shapely.STRtree(polygons).query(polygons, predicate="overlaps")
    assert len(one) == len(other) == 0


def test_right_angles_are_for_chosen_classes():
    with pytest.raises(ConfigError, match="--classes"):
        VectorizeConfig(regularize=True)
    with pytest.raises(ConfigError, match="--regularize as well"):
        VectorizeConfig(regularize_m=1.0)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_scores_become_attributes(tmp_path: Path, class_map: Path, dtype: str):
    scores = np.zeros((3, *MAP.shape))
    scores[1] = 0.4
    scores[1, 1, 1] = 0.8
    stored = np.round(scores * 255).astype(np.uint8) if dtype == "uint8" else scores.astype(np.float32)
    save_raster(tmp_path / "scores.tif", stored)
    vectorize_map(class_map, tmp_path / "out.gpkg", VectorizeConfig(scores=str(tmp_path / "scores.tif")))
    _, fields = read(tmp_path / "out.gpkg")
    large = int(np.argmax(np.array(fields["area_m2"]) * (np.array(fields["class_name"]) == "building")))
    assert fields["prob_mean"][large] == pytest.approx(0.5, abs=1e-6)
    assert fields["prob_min"][large] == pytest.approx(0.4, abs=1e-6)


def test_scores_of_another_grid_or_number_of_classes_are_refused(tmp_path: Path, class_map: Path):
    save_raster(tmp_path / "few.tif", np.zeros((2, *MAP.shape), np.float32))
    save_raster(tmp_path / "moved.tif", np.zeros((3, *MAP.shape), np.float32), transform=UTM @ Affine.translation(1, 0))
    for name, error in (("few", RasterError), ("moved", GridError)):
        with pytest.raises(error, match=name):
            vectorize_map(class_map, tmp_path / "out.gpkg", VectorizeConfig(scores=str(tmp_path / f"{name}.tif")))


def test_a_map_without_a_place_needs_a_gsd(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "map.tif", MAP, crs=None, transform=Affine.identity())
    with pytest.raises(GsdError, match="--gsd-m"):
        vectorize_map(tmp_path / "map.tif", tmp_path / "out.gpkg", EXACT)
    made = vectorize_map(tmp_path / "map.tif", tmp_path / "out.gpkg", VectorizeConfig(gsd_m=0.5), monitor=notes)
    assert made.classes[2].polygon_m2 == pytest.approx(9 * 0.25)
    geometry = shapely.from_wkb(pyogrio.raw.read(tmp_path / "out.gpkg", layer="out")[2])
    assert shapely.total_bounds(geometry).tolist() == [0, -5, 7, 0]
    with pytest.raises(GridError, match="no CRS"):
        vectorize_map(tmp_path / "map.tif", tmp_path / "out.geojson", VectorizeConfig(gsd_m=0.5))


def test_a_gsd_beside_a_crs_is_refused(tmp_path: Path, class_map: Path):
    with pytest.raises(GsdError, match="leave --gsd-m out"):
        vectorize_map(class_map, tmp_path / "out.gpkg", VectorizeConfig(gsd_m=1.0))


def test_a_suffix_without_a_format_is_refused(tmp_path: Path, class_map: Path):
    with pytest.raises(ConfigError, match=r"\.gpkg, \.fgb"):
        vectorize_map(class_map, tmp_path / "out.kml", EXACT)


def test_nothing_is_replaced_unasked(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)
    with pytest.raises(ArtefactError, match="--overwrite"):
        vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)


def test_a_failure_leaves_nothing_behind(tmp_path: Path, class_map: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("no more paper")

    before = set(tmp_path.iterdir())
    monkeypatch.setattr(pyogrio, "write_arrow", fail)
    with pytest.raises(OSError, match="paper"):
        vectorize_map(class_map, tmp_path / "out.fgb", EXACT)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_class_that_the_map_lacks_gives_an_empty_layer(tmp_path: Path, suffix: str, notes: Notes):
    save_map(tmp_path / "map.tif", np.zeros((3, 4), np.uint8))
    out = tmp_path / f"out{suffix}"
    made = vectorize_map(tmp_path / "map.tif", out, VectorizeConfig(classes="water"), monitor=notes)
    assert made.polygons == 0
    assert "no polygon came out" in str(notes.problems[0])
    polygons, fields = read(out)
    assert len(polygons) == 0
    assert list(fields)[:2] == ([] if suffix == ".geojson" else ["class_id", "class_name"])


def test_the_json_beside_proves_the_areas(tmp_path: Path, class_map: Path):
    made: Vectorized = vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)
    content = json.loads((tmp_path / "out.json").read_text())
    assert (content["hectares"], content["crs"], content["layer"]) == ("polygons", "EPSG:32633", "out")
    assert [c["polygons"] for c in content["classes"]] == [1, 2, 1]
    assert max(abs(c["difference"]) for c in content["classes"]) < 1e-12
    assert content["classes"][0]["raster_m2"] == made.classes[0].raster_m2


def test_the_command_prints_the_proof(tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]):
    codes = write_raster("codes.tif", MAP, nodata=255)
    assert run(["vectorize", str(codes), str(tmp_path / "out.fgb"), "-q"]) == 0
    printed = capsys.readouterr().out
    assert "4 polygons with 0.34" in printed
    assert "largest difference of a class" in printed


def test_a_geopackage_that_is_open_elsewhere_is_not_replaced(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "out.gpkg", EXACT)
    other = sqlite3.connect(tmp_path / "out.gpkg", isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("CREATE TABLE notes (id INTEGER)")
    with pytest.raises(ArtefactError, match=r"is open in another program \(out.gpkg-wal is there\)"):
        vectorize_map(class_map, tmp_path / "out.gpkg", EXACT, overwrite=True)
    other.close()
    vectorize_map(class_map, tmp_path / "out.gpkg", EXACT, overwrite=True)


def test_areas_have_thousands_apart_in_the_line_as_in_the_table():
    ledger = ClassLedger(3, "ground", 1234, raster_m2=88_734_275.0, kept_m2=88_734_275.0, polygon_m2=88_734_275.0)
    assert "1,234 polygons with 8,873.4275 ha, from pixels with 8,873.4275 ha" in Vectorized((ledger,), {}).proof()


def test_two_formats_of_one_name_would_share_a_record_and_are_told_the_way_out(tmp_path: Path, class_map: Path):
    vectorize_map(class_map, tmp_path / "p.gpkg", EXACT)
    with pytest.raises(ArtefactError, match=r"p\.json: is the record of p\.gpkg, .* like p-geojson\.geojson, or give"):
        vectorize_map(class_map, tmp_path / "p.geojson", EXACT)
    assert not (tmp_path / "p.geojson").exists()
    vectorize_map(class_map, tmp_path / "p.geojson", EXACT, overwrite=True)
    assert json.loads((tmp_path / "p.json").read_text())["polygons"] == "p.geojson"


@pytest.mark.parametrize(
    ("options", "said"), [({"small": "drop"}, "--small .* --min-area-m2"), ({"area_budget": 2.0}, "--simplify-m")]
)
def test_an_option_without_the_one_it_is_about_is_refused(options: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        VectorizeConfig(**options)
