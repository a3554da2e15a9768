"""A class map against reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from factory import UTM, Notes, WriteRaster
from hectares.config.evaluate import EvaluateConfig
from hectares.core.grid import Grid
from hectares.core.legend import LandClass, Legend
from hectares.core.scoring.parts import Counter, CountingRule, Parts
from hectares.core.window import Window
from hectares.errors import ArtefactError, ConfigError, GridError, LegendError
from hectares.evaluate import _warn_of_seen_chips, evaluate, evaluate_map
from hectares.io.rasters.class_map import save_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.view.gallery import Example

LEGEND = Legend.of({1: "water", 2: "forest", 5: "rock"})
MAP = np.array([[1, 1, 2, 255], [2, 2, 2, 1], [5, 1, 255, 2]], np.uint8)
REFERENCE = np.array([[1, 2, 2, 1], [2, 255, 1, 1], [5, 1, 255, 5]], np.uint8)
# water: 3 hits of 5 in the reference (1 unmapped, 1 as forest); forest: 2 hits, 1 as water; rock: 1 hit, 1 as forest
COUNTS = [[3, 1, 0], [1, 2, 0], [0, 1, 1]]


@pytest.fixture(autouse=True)
def _plain_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have their own tests."""
    monkeypatch.setattr("hectares.evaluate.draw_evaluation", lambda path, *_: path.write_bytes(b"png"))


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    """Give a map of 3 x 4 pixels, partly trained on."""
    (tmp_path / ".work").mkdir()
    provenance = {"trained_on": []}
    grid = Grid("EPSG:32633", UTM, (3, 4))
    save_class_map(tmp_path / "map.tif", tmp_path / ".work", [MAP], grid, LEGEND, provenance, overwrite=False)
    return tmp_path / "map.tif"


def test_scores_by_hand(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    reference = write_raster("ref.tif", REFERENCE, nodata=255)
    found = evaluate_map(class_map, reference, tmp_path / "e.json", EvaluateConfig())
    assert found.confusion.counts.tolist() == COUNTS
    assert found.confusion.unmapped == 1
    content = json.loads((tmp_path / "e.json").read_text())
    assert content["confusion"] == COUNTS
    assert (content["scored_px"], content["unmapped_px"]) == (9, 1)
    assert content["overall"]["accuracy"] == pytest.approx(6 / 9)
    assert content["overall"]["mean_iou"] == pytest.approx((3 / 5 + 2 / 5 + 1 / 2) / 3)
    assert [c["class_id"] for c in content["classes"]] == [1, 2, 5]
    lines = (tmp_path / "e.csv").read_text().splitlines()
    assert lines[0] == "class_id,class_name,iou,f1,precision,recall,reference_px,predicted_px"
    assert lines[1].startswith("1,water,0.6,0.75,0.75,0.75,4,4")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_reference_may_be_of_any_type(tmp_path: Path, class_map: Path, write_raster: WriteRaster, dtype: str):
    reference = REFERENCE.astype(dtype)
    nodata = 255
    if dtype == "float32":
        reference, nodata = np.where(REFERENCE == 255, np.nan, REFERENCE).astype(dtype), float("nan")
    path = write_raster("ref.tif", reference, nodata=nodata)
    assert evaluate_map(class_map, path, tmp_path / "e.json", EvaluateConfig()).confusion.counts.tolist() == COUNTS


def test_a_reference_without_a_tag_uses_255(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    found = evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", EvaluateConfig())
    assert found.confusion.counts.tolist() == COUNTS


def test_a_reference_of_other_codes_is_matched_by_name_and_classes_the_map_lacks_are_told(
    tmp_path: Path, class_map: Path, write_raster: WriteRaster, notes: Notes
):
    other = {"nodata": 0, "classes": [{"code": 300, "name": "rock"}, {"code": 40, "name": "ice"},
             {"code": 10, "name": "water"}, {"code": 20, "name": "forest"}]}  # fmt: skip
    (tmp_path / "other.json").write_text(json.dumps(other))
    codes = np.zeros(256, np.uint16)
    codes[[1, 2, 5]] = 10, 20, 300
    reference = codes[REFERENCE]
    reference[1, 1] = 40  # a class the map does not know
    config = EvaluateConfig(legend=tmp_path / "other.json")
    found = evaluate_map(class_map, write_raster("ref.tif", reference), tmp_path / "e.json", config, monitor=notes)
    assert found.confusion.counts.tolist() == COUNTS
    told = [str(p) for p in notes.problems]
    assert any("10.0% of the labelled pixels are of classes that" in t and "ice (1 px)" in t for t in told)


def test_a_color_reference_is_read_by_color(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    rgb = {"water": (0, 0, 255), "forest": (0, 255, 0), "rock": (9, 9, 9)}
    classes = tuple(LandClass(code, name, color) for code, (name, color) in enumerate(rgb.items(), start=1))
    colors = Legend(classes, ignore_colors=((0, 0, 0),))
    (tmp_path / "c.json").write_text(json.dumps(colors.to_json()))
    table = np.zeros((256, 3), np.uint8)
    table[[1, 2, 5]] = [c.color for c in colors.classes]
    path = write_raster("ref.png", table[REFERENCE].transpose(2, 0, 1))
    found = evaluate_map(class_map, path, tmp_path / "e.json", EvaluateConfig(legend=tmp_path / "c.json"))
    assert found.confusion.counts.tolist() == COUNTS


def test_a_map_is_perfect_against_itself(tmp_path: Path, class_map: Path):
    found = evaluate_map(class_map, class_map, tmp_path / "e.json", EvaluateConfig())
    assert found.overall()["accuracy"] == found.overall()["mean_iou"] == found.overall()["kappa"] == 1


def test_the_map_itself_as_reference_is_told(tmp_path: Path, class_map: Path, notes: Notes):
    (tmp_path / "copy.tif").write_bytes(class_map.read_bytes())
    for name in ("map.tif", "copy.tif"):
        evaluate_map(class_map, tmp_path / name, tmp_path / f"{name}.json", EvaluateConfig(), monitor=notes)
    told = [p.what for p in notes.problems if p.severity == "warning"]
    assert told == ["is the map itself, or a copy of it"] * 2


def test_another_predicted_map_as_reference_is_told(tmp_path: Path, class_map: Path, notes: Notes):
    grid = Grid("EPSG:32633", UTM, (3, 4))
    made = {"inputs": {"segmenter": "0" * 64}}
    (tmp_path / ".work").mkdir(exist_ok=True)
    save_class_map(tmp_path / "other.tif", tmp_path / ".work", [MAP[:, ::-1]], grid, LEGEND, made, overwrite=False)
    evaluate_map(class_map, tmp_path / "other.tif", tmp_path / "e.json", EvaluateConfig(), monitor=notes)
    assert notes.problems[0].what == "is a class map that a segmenter made"


def test_a_reference_without_a_crs_is_told(tmp_path: Path, class_map: Path, write_raster: WriteRaster, notes: Notes):
    reference = write_raster("ref.png", REFERENCE)
    found = evaluate_map(class_map, reference, tmp_path / "e.json", EvaluateConfig(), monitor=notes)
    assert found.confusion.counts.tolist() == COUNTS
    assert notes.problems[0].where == str(reference)
    assert "has no CRS" in notes.problems[0].what


def test_a_reference_without_a_crs_that_lies_elsewhere_is_refused(
    tmp_path: Path, class_map: Path, write_raster: WriteRaster
):
    reference = write_raster("ref.tif", REFERENCE, crs=None, transform=UTM @ Affine.translation(1, 0))
    with pytest.raises(GridError, match=r"ref\.tif: is not on the grid of"):
        evaluate_map(class_map, reference, tmp_path / "e.json", EvaluateConfig())


def test_a_scene_of_another_size_is_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    scene = write_raster("scene.tif", np.ones((3, 3, 5), np.uint8))
    config = EvaluateConfig(scene=scene)
    with pytest.raises(GridError, match=r"scene\.tif: is not on the grid of"):
        evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", config)


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        ("HECTARES_LEGEND", "{"),
        ("HECTARES_LEGEND", "[1]"),
        ("HECTARES_LEGEND", '{"classes": 7}'),
        ("HECTARES_PROVENANCE", "no JSON"),
        ("HECTARES_PROVENANCE", "[]"),
        ("HECTARES_PROVENANCE", '{"trained_on": [[1, 2]]}'),
        ("HECTARES_PROVENANCE", '{"inputs": "x"}'),
    ],
)
def test_odd_tags_are_refused_by_name(
    tmp_path: Path, class_map: Path, write_raster: WriteRaster, tag: str, content: str
):
    with rasterio.open(class_map, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(**{tag: content})
    with pytest.raises((ArtefactError, LegendError), match=rf"map\.tif.*{tag}"):
        evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", EvaluateConfig())


def test_scores_with_and_without_a_class_stand_side_by_side(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    config = EvaluateConfig(without=("forest",))
    evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", config)
    content = json.loads((tmp_path / "e.json").read_text())
    accuracies = {view: ways["global"]["overall"]["accuracy"][0] for view, ways in content["scores"].items()}
    assert accuracies == pytest.approx({"all classes": 6 / 9, "without forest": 1})
    assert content["parts_legend"]["classes"][1]["name"] == "forest"


def test_pictures_keep_the_colors_of_classes_where_one_is_left_out(
    tmp_path: Path, class_map: Path, write_raster: WriteRaster, monkeypatch: pytest.MonkeyPatch
):
    shown = []

    def draw(path: Path, _confusion: object, legend: Legend, examples: list[Example], _charts: object) -> None:
        shown.extend((legend.names, e.reference) for e in examples)
        path.write_bytes(b"png")

    monkeypatch.setattr("hectares.evaluate.draw_evaluation", draw)
    config = EvaluateConfig(without=("forest",))
    evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", config)
    [(names, reference)] = shown
    assert names == ("water", "rock")
    assert reference.tolist() == [[0, 255, 255, 0], [255, 255, 0, 0], [1, 0, 255, 1]]


def test_a_large_map_is_scored_by_squares_that_leave_no_trace(tmp_path: Path, write_raster: WriteRaster):
    rng = np.random.default_rng(0)
    reference = rng.choice([1, 2, 5], (70, 17)).astype(np.uint8).repeat(10, axis=0).repeat(8, axis=1)
    codes = np.roll(reference, 3, axis=1)
    (tmp_path / ".work").mkdir()
    grid = Grid("EPSG:32633", UTM, codes.shape)
    save_class_map(tmp_path / "map.tif", tmp_path / ".work", [codes], grid, LEGEND, {}, overwrite=False)
    evaluate_map(
        tmp_path / "map.tif", write_raster("r.tif", reference), tmp_path / "e.json", EvaluateConfig(erode_px=2)
    )
    parts = Parts.from_json(json.loads((tmp_path / "e.json").read_text())["parts"])
    indices = [LEGEND.encode(i) for i in (reference, codes)]
    borders = json.loads((tmp_path / "e.json").read_text())["borders"]
    counter = Counter(*indices, CountingRule(3, **borders))
    whole, _ = counter.count((slice(None), slice(None)))
    for kind, table in whole.items():
        assert parts.total(kind).tolist() == table.tolist()
    assert len(parts.names) == 11 * 3


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"threshold": 0.3}, "--threshold needs the scores of a segmenter"),
        ({"tune": True}, "--tune needs the scores of a segmenter"),
        ({"split": "val"}, "--split chooses chips; a map is scored as a whole: leave --split out"),
        ({"device": "cpu"}, "--device says where a network runs"),
    ],
)
def test_what_needs_a_segmenter_or_chips_is_refused_for_a_map(
    tmp_path: Path, class_map: Path, write_raster: WriteRaster, option: dict[str, Any], why: str
):
    with pytest.raises(ConfigError, match=why):
        evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", EvaluateConfig(**option))
    assert not (tmp_path / "e.json").exists()


def test_a_baseline_of_another_reference_is_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    old = write_raster("old.tif", REFERENCE, nodata=255)
    evaluate_map(class_map, old, tmp_path / "old.json", EvaluateConfig(draws=100))
    again = EvaluateConfig(draws=100, baseline=tmp_path / "old.json")
    assert "baseline" in evaluate_map(class_map, old, tmp_path / "same.json", again).record
    new = write_raster("new.tif", np.where(REFERENCE == 5, 2, REFERENCE), nodata=255)
    with pytest.raises(ArtefactError, match=r"this evaluation and .*old\.json were scored on different .* references"):
        evaluate_map(class_map, new, tmp_path / "e.json", again)
    assert not (tmp_path / "e.json").exists()


def test_classes_can_be_left_out(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    config = EvaluateConfig(without=("forest",))
    found = evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", config)
    assert found.confusion.counts.tolist() == [[3, 0], [0, 1]]
    assert found.legend.names == ("water", "rock")
    with pytest.raises(LegendError, match="leaves no class"):
        found.without(["water", "rock"])


@pytest.mark.parametrize(
    "place",
    [{"transform": UTM @ Affine.translation(1, 0)}, {"crs": "EPSG:32632"}, {"transform": UTM @ Affine.scale(2)}],
)
def test_a_reference_off_the_grid_is_refused(
    tmp_path: Path, class_map: Path, write_raster: WriteRaster, place: dict[str, object]
):
    reference = write_raster("ref.tif", REFERENCE, **place)
    with pytest.raises(GridError, match=r"ref\.tif: is not on the grid of .*map\.tif"):
        evaluate_map(class_map, reference, tmp_path / "e.json", EvaluateConfig())
    assert not (tmp_path / "e.json").exists()


def test_a_reference_of_another_size_is_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    with pytest.raises(GridError, match="is not on the grid"):
        evaluate_map(class_map, write_raster("ref.png", REFERENCE[:2]), tmp_path / "e.json", EvaluateConfig())


def test_unknown_codes_are_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    reference = REFERENCE.copy()
    reference[0, 0] = 7
    with pytest.raises(LegendError, match=r"ref\.tif, window at row 0, col 0: code 7.*--legend"):
        evaluate_map(class_map, write_raster("ref.tif", reference), tmp_path / "e.json", EvaluateConfig())


def test_a_reference_that_shares_no_name_is_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    (tmp_path / "l.json").write_text(json.dumps(Legend.of({1: "a", 2: "b", 5: "c"}, nodata=255).to_json()))
    config = EvaluateConfig(legend=tmp_path / "l.json")
    with pytest.raises(LegendError, match="shares no class name"):
        evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", config)


def test_nothing_to_score_is_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    empty = np.full((3, 4), 255, np.uint8)
    with pytest.raises(GridError, match="nothing can be scored"):
        evaluate_map(class_map, write_raster("ref.tif", empty), tmp_path / "e.json", EvaluateConfig())


def test_scores_on_what_was_trained_on_are_flagged(tmp_path: Path, write_raster: WriteRaster, notes: Notes):
    (tmp_path / ".work").mkdir()
    provenance = {"trained_on": [[0, 0, 2, 2], [1, 1, 1, 1]]}
    grid = Grid("EPSG:32633", UTM, (3, 4))
    save_class_map(tmp_path / "map.tif", tmp_path / ".work", [MAP], grid, LEGEND, provenance, overwrite=False)
    reference = write_raster("ref.tif", REFERENCE)
    evaluate_map(tmp_path / "map.tif", reference, tmp_path / "e.json", EvaluateConfig(), monitor=notes)
    assert notes.problems[0].what.startswith("33% of the scored pixels were seen in training")


def test_a_folder_is_no_map(tmp_path: Path, write_raster: WriteRaster):
    with pytest.raises(ArtefactError, match="is no map"):
        evaluate(tmp_path, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", EvaluateConfig())


def test_an_existing_evaluation_is_kept(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    (tmp_path / "e.png").write_text("old")
    with pytest.raises(ArtefactError, match="exists already"):
        evaluate_map(class_map, write_raster("ref.tif", REFERENCE), tmp_path / "e.json", EvaluateConfig())


@pytest.mark.parametrize(("test_chips", "advised"), [(0, False), (3, True)])
def test_the_test_split_is_advised_only_where_there_is_one(test_chips: int, advised: bool):
    window = Window(0, 0, 4, 4)
    footprint = [{"sha256": "hash", "windows": [[2, 2, 4, 4]]}]
    store = SimpleNamespace(
        folder=Path("chips"),
        counts={"train": 5, "val": 1, "test": test_chips},
        content={"inputs": {"s": "hash"}},
        records=lambda _: [SimpleNamespace(scene="s", window=window)],
    )
    notes = Notes()
    stored = SimpleNamespace(spec=SimpleNamespace(footprint=footprint))
    _warn_of_seen_chips(stored, store, EvaluateConfig(split="val"), notes)
    assert notes.problems[0].what.startswith("1 of 1 scored chips were seen")
    assert ("--split test" in notes.problems[0].remedy) == advised


# --- Shapes as reference ----------------------------------------------------------------------------------


def _shapes(folder: Path, names: Sequence[object], field: str = "cover") -> Path:
    """Draw the two left columns of the map as the first class, the third one as the second."""
    boxes = (shapely.box(*_corners(0, 2)), shapely.box(*_corners(2, 3)))
    layer = VectorLayer("EPSG:32633", boxes, {field: tuple(names)}).to_crs("EPSG:4326")
    write_layer(folder / "reference.gpkg", layer, name="drawn", overwrite=True)
    return folder / "reference.gpkg"


def _corners(left: int, right: int) -> tuple[float, float, float, float]:
    (x0, y0), (x1, y1) = UTM @ (left, 3), UTM @ (right, 0)
    return x0, y0, x1, y1


def test_a_reference_may_be_shapes_in_another_crs(tmp_path: Path, class_map: Path):
    shapes = _shapes(tmp_path, ("water", "forest"))
    found = evaluate_map(class_map, shapes, tmp_path / "e.json", EvaluateConfig(class_field="cover"))
    assert found.confusion.counts.tolist() == [[3, 2, 1], [0, 2, 0], [0, 0, 0]]


def test_what_no_shape_covers_may_be_a_class(tmp_path: Path, class_map: Path):
    config = EvaluateConfig(class_field="cover", background="rock")
    found = evaluate_map(class_map, _shapes(tmp_path, ("water", "forest")), tmp_path / "e.json", config)
    assert found.confusion.counts[2].tolist() == [1, 1, 0]


def test_shapes_of_unknown_classes_are_refused(tmp_path: Path, class_map: Path):
    config = EvaluateConfig(class_field="cover")
    with pytest.raises(LegendError, match="lava"):
        evaluate_map(class_map, _shapes(tmp_path, ("water", "lava")), tmp_path / "e.json", config)


def test_options_of_shapes_are_refused_for_a_raster(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    reference = write_raster("ref.tif", REFERENCE, nodata=255)
    with pytest.raises(ConfigError, match=r"is no vector file; --class-field, --aoi and --background are for those"):
        evaluate_map(class_map, reference, tmp_path / "e.json", EvaluateConfig(background="rock"))
