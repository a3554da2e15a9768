"""Scoring objects, from files to files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine

from factory import UTM, Notes, save_raster
from hectares.cli.main import run
from hectares.config.objects import ObjectsConfig
from hectares.config.vectorize import VectorizeConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, VectorError
from hectares.io.artefact import sha256_file, stamp, write_json
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, read_layer, write_layer
from hectares.objects import ScoredObjects, score_objects
from hectares.vectorize import vectorize_map
from hectares.verify import verify_file

CRS = "EPSG:32633"
DEFAULT = ObjectsConfig()


def box(x: float, y: float, width: float = 10, height: float = 6) -> shapely.Polygon:
    return shapely.box(500_000 + x, 5_000_000 + y, 500_000 + x + width, 5_000_000 + y + height)


def save(path: Path, polygons: list[shapely.Polygon], crs: str = CRS, **attributes: list[Any]) -> Path:
    layer = VectorLayer(crs, tuple(polygons), {k: tuple(v) for k, v in attributes.items()})
    driver = "GPKG" if path.suffix == ".gpkg" else "GeoJSON"
    write_layer(path, layer, name="layer", driver=driver, overwrite=True)
    return path


def compare(folder: Path, notes: Notes, config: ObjectsConfig = DEFAULT, name: str = "reference.gpkg") -> ScoredObjects:
    return score_objects(
        folder / "predicted.gpkg", folder / name, folder / "out.json", config, overwrite=True, monitor=notes
    )


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    """Three predictions: one exact, one shifted by 3 of 10 m (IoU 7/13), one elsewhere; the reference has three."""
    save(
        tmp_path / "predicted.gpkg",
        [box(0, 0), box(33, 0), box(80, 40)],
        class_name=["roof"] * 3,
        prob_mean=[0.6, 0.9, 0.8],
    )
    save(tmp_path / "reference.gpkg", [box(30, 0), box(0, 0), box(60, 0)], class_name=["roof"] * 3)
    return tmp_path


def test_objects_are_matched_and_scored_by_hand(two_files: Path, notes: Notes):
    found = compare(two_files, notes).record["overall"]
    assert (found["found"], found["missed"], found["false"]) == (2, 1, 1)
    assert found["f1"] == pytest.approx(2 / 3)
    # by score: hit, miss, hit of 3
    assert found["ap50"] == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert found["ar50"] == pytest.approx(2 / 3)
    assert found["mean_iou"] == pytest.approx((1 + 7 / 13) / 2)
    assert notes.problems == []


def test_the_reference_may_have_another_crs(two_files: Path, notes: Notes):
    layer = VectorLayer(CRS, (box(30, 0), box(0, 0), box(60, 0)), {"class_name": ("roof",) * 3})
    write_layer(two_files / "other.geojson", layer.to_crs("EPSG:4326"), name="x", driver="GeoJSON", overwrite=True)
    found = compare(two_files, notes, name="other.geojson").record["overall"]
    assert (found["found"], found["missed"], found["false"]) == (2, 1, 1)
    assert found["mean_iou"] == pytest.approx((1 + 7 / 13) / 2, abs=1e-3)


def test_the_keys_of_a_geojson_may_stand_in_any_order(two_files: Path, notes: Notes):
    layer = VectorLayer(CRS, (box(30, 0), box(0, 0), box(60, 0)), {"class_name": ("roof",) * 3})
    write_layer(two_files / "a.geojson", layer.to_crs("EPSG:4326"), name="x", driver="GeoJSON", overwrite=True)
    content = json.loads((two_files / "a.geojson").read_text())
    many = content | {"features": content["features"] * 30}  # the type comes far behind
    (two_files / "b.json").write_text(json.dumps(many, sort_keys=True))
    assert compare(two_files, notes, name="b.json").record["overall"]["found"] == 2


def test_a_class_that_is_named_twice_is_scored_once(two_files: Path, notes: Notes):
    assert [r["found"] for r in compare(two_files, notes, ObjectsConfig(classes="roof,roof")).record["classes"]] == [2]


def test_a_stricter_iou_finds_less(two_files: Path, notes: Notes):
    assert compare(two_files, notes, ObjectsConfig(iou=0.6)).record["overall"]["found"] == 1


def test_predictions_without_scores_are_ordered_by_size_and_a_warning_says_so(two_files: Path, notes: Notes):
    save(two_files / "predicted.gpkg", [box(0, 0), box(80, 40, 20)], class_name=["roof"] * 2)
    record = compare(two_files, notes).record
    assert record["order"] == "size"
    assert record["overall"]["ap50"] == pytest.approx(34 * 0.5 / 101)  # the larger one is false, and comes first
    assert "predictions have no score, so that their order is arbitrary" in str(notes.problems[0])


def test_one_score_for_all_is_no_order(two_files: Path, notes: Notes):
    save(two_files / "predicted.gpkg", [box(0, 0), box(80, 40)], class_name=["roof"] * 2, score=[1.0, 1.0])
    assert compare(two_files, notes).record["order"] == "file"
    assert "all scores are 1, so that their order is arbitrary: that of the file" in str(notes.problems[0])


def test_an_attribute_of_scores_is_chosen_by_name(two_files: Path, notes: Notes):
    save(two_files / "predicted.gpkg", [box(0, 0), box(80, 40)], class_name=["roof"] * 2, trust=[0.2, 0.7])
    found = compare(two_files, notes, ObjectsConfig(score_field="trust")).record
    assert found["overall"]["ap50"] == pytest.approx(34 * 0.5 / 101)
    with pytest.raises(ConfigError, match=r"--score-field belief: .* has class_name, trust"):
        compare(two_files, notes, ObjectsConfig(score_field="belief"))


def test_classes_that_the_reference_does_not_show_are_left_out_and_told(two_files: Path, notes: Notes):
    save(two_files / "predicted.gpkg", [box(0, 0), box(80, 40)], class_name=["roof", "tree"], score=[0.2, 0.7])
    record = compare(two_files, notes).record
    assert [c["name"] for c in record["classes"]] == ["roof"]
    assert record["overall"]["predicted"] == 1
    assert "shows nothing of tree" in str(notes.problems[0])


def test_a_reference_without_classes_shows_the_one_that_is_named(two_files: Path, notes: Notes):
    save(two_files / "predicted.gpkg", [box(0, 0), box(80, 40)], class_name=["roof", "tree"], score=[0.2, 0.7])
    save(two_files / "reference.gpkg", [box(0, 0)], address=["7 High Street"])
    with pytest.raises(ConfigError, match=r"no attribute says the class .*the predictions have roof, tree"):
        compare(two_files, notes)
    found = compare(two_files, notes, ObjectsConfig(classes="roof")).record["overall"]
    assert (found["found"], found["false"]) == (1, 0)


def test_classes_without_a_name_in_common_are_refused(two_files: Path, notes: Notes):
    save(two_files / "reference.gpkg", [box(0, 0)], class_name=["house"])
    with pytest.raises(VectorError, match="has no class of the predictions: it has house, they have roof"):
        compare(two_files, notes)


def test_files_that_lie_elsewhere_are_refused(two_files: Path, notes: Notes):
    save(two_files / "reference.gpkg", [box(5000, 0)], class_name=["roof"])
    with pytest.raises(VectorError, match=r"lies elsewhere than .*check the CRS of both"):
        compare(two_files, notes)


def test_what_lies_outside_of_the_labelled_area_is_left_out(two_files: Path, notes: Notes):
    save(two_files / "aoi.gpkg", [box(-5, -5, 50, 20)])
    record = compare(two_files, notes, ObjectsConfig(aoi=str(two_files / "aoi.gpkg"))).record
    assert record["config"]["aoi"] == "aoi.gpkg"
    assert record["inputs"]["aoi"] == sha256_file(two_files / "aoi.gpkg")
    found = record["overall"]
    assert (found["found"], found["missed"], found["false"]) == (2, 0, 0)


def test_small_objects_of_the_reference_are_left_out(two_files: Path, notes: Notes):
    save(two_files / "reference.gpkg", [box(30, 0), box(0, 0), box(60, 0, 2, 2)], class_name=["roof"] * 3)
    assert compare(two_files, notes, ObjectsConfig(min_area=5)).record["overall"]["missed"] == 0


def test_places_show_what_was_matched_missed_and_false(two_files: Path, notes: Notes):
    compare(two_files, notes, ObjectsConfig(places=str(two_files / "places.gpkg")))
    meta, _, wkb, values = pyogrio.raw.read(two_files / "places.gpkg")
    rows = dict(zip(meta["fields"], values, strict=True))
    assert rows["status"].tolist() == ["matched", "matched", "false", "missed"]
    assert rows["reference_id"].tolist() == [2, 1, -1, 3]
    assert rows["iou"].tolist() == pytest.approx([1, 7 / 13, np.nan, np.nan], nan_ok=True)
    middles = [g.centroid.x - 500_000 for g in shapely.from_wkb(wkb)]
    assert middles == pytest.approx([5, 38, 85, 65])
    assert pyogrio.read_info(two_files / "places.gpkg")["crs"] == CRS


def test_places_as_a_table_have_boxes(two_files: Path, notes: Notes):
    compare(two_files, notes, ObjectsConfig(places=str(two_files / "places.csv")))
    with (two_files / "places.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["status"] for r in rows] == ["matched", "matched", "false", "missed"]
    assert rows[3]["x_min"] == "500060.0"


@pytest.mark.parametrize("name", ["places.txt", "out.csv"])
def test_places_need_a_name_of_their_own(two_files: Path, notes: Notes, name: str):
    with pytest.raises(ConfigError, match="--places"):
        compare(two_files, notes, ObjectsConfig(places=str(two_files / name)))
    assert not (two_files / "out.json").exists()


def test_polygons_of_a_map_without_a_place_are_compared_in_pixels(tmp_path: Path, notes: Notes):
    indices = np.zeros((9, 14), np.uint8)
    indices[1:4, 2:7] = 1
    legend = Legend.of({0: "ground", 1: "roof"}).for_maps()
    write_class_map(tmp_path / "map.tif", indices, Grid(None, Affine.identity(), (9, 14)), legend, {}, overwrite=True)
    config = VectorizeConfig(classes="roof", gsd_m=1)
    for name in ("predicted.gpkg", "reference.gpkg"):
        vectorize_map(tmp_path / "map.tif", tmp_path / name, config)
    record = compare(tmp_path, notes).record
    assert (record["unit"], record["crs"], record["overall"]["found"]) == ("px", None, 1)
    save(tmp_path / "reference.gpkg", [box(0, 0)], class_name=["roof"])
    with pytest.raises(VectorError, match=r"has no CRS, but reference\.gpkg has one"):
        compare(tmp_path, notes)


def test_scores_come_from_vectorize(tmp_path: Path, notes: Notes):
    indices = np.zeros((9, 14), np.uint8)
    indices[1:4, 2:7] = indices[6:8, 9:13] = 1
    legend = Legend.of({0: "ground", 1: "roof"}).for_maps()
    write_class_map(tmp_path / "map.tif", indices, Grid(CRS, UTM, (9, 14)), legend, {}, overwrite=True)
    scores = np.where(np.arange(9)[:, None] < 5, 0.6, 0.9) * np.ones((1, 14))
    save_raster(tmp_path / "scores.tif", np.stack([1 - scores, scores]).astype(np.float32))
    config = VectorizeConfig(classes="roof", scores=str(tmp_path / "scores.tif"))
    vectorize_map(tmp_path / "map.tif", tmp_path / "predicted.gpkg", config)
    layer = read_layer(tmp_path / "predicted.gpkg", layer="predicted")
    assert layer.attributes["prob_mean"] == pytest.approx((0.6, 0.9))
    x, y = UTM @ (9, 6)
    save(tmp_path / "reference.gpkg", [shapely.box(x, y - 20, x + 40, y)], class_name=["roof"])
    record = compare(tmp_path, notes).record
    assert record["order"] == "score"
    assert record["overall"]["ap50"] == pytest.approx(1)  # the surer one is right, and comes first


def test_tables_of_spacenet_are_compared_image_by_image(tmp_path: Path, notes: Notes):
    (tmp_path / "truth.csv").write_text(
        "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"
        'a,1,"POLYGON ((0 0 0, 10 0 0, 10 6 0, 0 6 0, 0 0 0))",x\n'
        "b,-1,POLYGON EMPTY,POLYGON EMPTY\n"
    )
    (tmp_path / "ours.csv").write_text(
        "ImageId,BuildingId,PolygonWKT_Pix,Confidence\n"
        'b,1,"POLYGON ((0 0, 10 0, 10 6, 0 6, 0 0))",0.9\n'
        'a,1,"POLYGON ((3 0, 13 0, 13 6, 3 6, 3 0))",0.8\n'
    )
    found = score_objects(tmp_path / "ours.csv", tmp_path / "truth.csv", tmp_path / "o.json", DEFAULT, monitor=notes)
    overall = found.record["overall"]
    assert (overall["found"], overall["false"], overall["missed"]) == (1, 1, 0)
    assert overall["f1"] == pytest.approx(2 / 3)
    assert overall["ap50"] == pytest.approx(0.5)


def test_files_of_different_kinds_are_refused(two_files: Path, notes: Notes):
    (two_files / "results.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"holds COCO results and .* holds polygons; compare polygons with polygons"):
        score_objects(two_files / "results.json", two_files / "reference.gpkg", two_files / "o.json", DEFAULT)


def test_options_without_effect_are_refused(two_files: Path, notes: Notes):
    with pytest.raises(ConfigError, match="--skip-bad has no effect on vector files"):
        compare(two_files, notes, ObjectsConfig(skip_bad=True))


def test_results_have_a_name_that_ends_in_json(two_files: Path):
    with pytest.raises(ArtefactError, match=r"end its name in \.json"):
        score_objects(two_files / "predicted.gpkg", two_files / "reference.gpkg", two_files / "o.csv", DEFAULT)


def test_the_record_of_the_polygons_is_not_replaced(two_files: Path, notes: Notes):
    write_json(two_files / "out.json", stamp("polygons", config={}, inputs={}), overwrite=False)
    with pytest.raises(ArtefactError, match=r"out\.json: is a record of the kind 'polygons'"):
        compare(two_files, notes)


def test_the_command_shows_a_table_and_writes_json_and_csv(two_files: Path, capsys: pytest.CaptureFixture[str]):
    paths = [str(two_files / name) for name in ("predicted.gpkg", "reference.gpkg", "out.json")]
    assert run(["objects", *paths]) == 0
    shown = capsys.readouterr().out
    assert "roof" in shown
    assert "0.667" in shown
    record = json.loads((two_files / "out.json").read_text())
    assert (record["hectares"], record["kind"], record["iou"]) == ("objects", "vector", 0.5)
    with (two_files / "out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["found"], row["missed"]) == ("roof", "2", "1")


def test_a_changed_table_is_noticed_by_verify(two_files: Path, notes: Notes):
    compare(two_files, notes)
    table = two_files / "out.csv"
    found = verify_file(table)
    assert found.is_proven
    assert "out.csv says what out.json says, to the byte" in found.agrees
    table.write_text(table.read_text().replace("roof,3,3,2", "roof,3,3,3"))
    (mismatch,) = verify_file(table).mismatches
    assert mismatch.file == str(table)
