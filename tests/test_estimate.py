"""A labelled sample and a map to estimated areas, and everything that is refused."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

from factory import Notes, save_raster
from hectares.cli.main import run
from hectares.config.estimate import EstimateConfig
from hectares.config.report import ReportConfig
from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.survey.area_estimates import COLUMNS
from hectares.core.survey.estimators import Survey, assess_map
from hectares.core.survey.intervals import IntervalRule
from hectares.errors import ArtefactError, ConfigError, GridError, InputError, LegendError, VectorError
from hectares.estimate import EstimatedAreas, estimate_areas
from hectares.io.artefact import sha256_file, stamp
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.io.survey.sample import Point, Sample, Stratum, save_sample
from hectares.report import write_report

LEGEND = Legend.of({2: "bog", 5: "wood", 7: "lake"})
EQUAL = Grid("EPSG:3035", Affine(10, 0, 4_321_000, 0, -10, 3_210_050), (12, 20))  # 100 m2 a pixel
DEGREES = Grid("EPSG:4326", Affine(0.25, 0, 20, 0, -0.25, 66), (12, 20))
NORMAL = EstimateConfig(interval="normal")


def indices() -> np.ndarray:
    """Bog in the west (48 px), wood (132), lake in the east (48), and a hole of 12."""
    found = np.ones((12, 20), np.uint8)
    found[:, :4], found[:, 16:], found[3:6, 8:12] = 0, 2, 255
    return found


def truth() -> np.ndarray:
    """What is there: some bog is wood, and the wood hides some bog."""
    found = indices()
    found[0:3, 0:3], found[10, 5:14], found[3:6, 8:12] = 1, 0, 0
    return found


@dataclass(frozen=True)
class Place:
    """A map, and a sample of it."""

    folder: Path
    map: Path
    sample: Sample

    @property
    def file(self) -> Path:
        return self.folder / "sample.gpkg"

    def save(self, sample: Sample | None = None) -> Place:
        """Write the sample, or another in its place."""
        self.file.unlink(missing_ok=True)
        save_sample(self.file, sample or self.sample)
        return replace(self, sample=sample or self.sample)

    def label(self, labels: Mapping[int, int | None]) -> Place:
        """Label points by id."""
        points = tuple(replace(p, label_code=labels.get(p.id, p.label_code)) for p in self.sample.points)
        return self.save(replace(self.sample, points=points))

    def estimate(self, config: EstimateConfig = NORMAL, notes: Notes | None = None) -> EstimatedAreas:
        return estimate_areas(
            self.map, self.file, self.folder / "out.csv", config, overwrite=True, monitor=notes or Notes()
        )

    def table(self) -> list[dict[str, str]]:
        with (self.folder / "out.csv").open(newline="") as file:
            return list(csv.DictReader(file))


def make_place(folder: Path, grid: Grid = EQUAL, *, trained_on: list[list[int]] | None = None, seed: int = 3) -> Place:
    """A map of 3 classes with 12 points in each, drawn in proportion to area, labelled by what is there."""
    path = folder / "map.tif"
    codes, areas_m2, rng = indices(), pixel_area(grid, grid.window), np.random.default_rng(seed)
    write_class_map(path, codes, grid, LEGEND, {"trained_on": trained_on or []}, overwrite=False)
    points, strata = [], []
    for k, (code, name) in enumerate(zip(LEGEND.codes, LEGEND.names, strict=True)):
        pixels = np.argwhere(codes == k)
        sizes = areas_m2[tuple(pixels.T)]
        strata.append(Stratum(k + 1, "", code, name, sizes.sum(), sizes.sum(), len(pixels), 12))
        for row, col in pixels[np.argsort(rng.random(len(pixels)) / sizes)[:12]]:
            label = LEGEND.codes[truth()[row, col]]
            points.append(Point(len(points) + 1, k + 1, "", code, int(row), int(col), 0.0, 0.0, sizes.sum() / 12,
                                label_code=label))  # fmt: skip
    design = stamp("sample", config={}, inputs={"map": sha256_file(path)}) | {"map": "map.tif", "seed": seed}
    return Place(folder, path, Sample(tuple(points), tuple(strata), LEGEND, grid, design)).save()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a map of 12 x 20 px of 100 m2 with a sample of 36 points."""
    return make_place(tmp_path)


def counts_of(place: Place) -> np.ndarray:
    counts = np.zeros((3, 3), int)
    for p in place.sample.points:
        counts[LEGEND.codes.index(p.map_code), LEGEND.codes.index(p.label_code)] += 1
    return counts


# --- Totals -----------------------------------------------------------------------------------------------


def test_areas_by_hand(place: Place):
    codes = {p.id: p.map_code for p in place.sample.points}
    place = place.label(codes | {1: 5, 2: 5, 3: 5})  # 3 of 12 points of the bog are wood
    place.estimate()
    rows = place.table()
    assert list(rows[0]) == list(COLUMNS)
    assert [r["class_name"] for r in rows] == ["bog", "wood", "lake"]
    assert [float(r["mapped_ha"]) for r in rows] == pytest.approx([0.48, 1.32, 0.48], rel=1e-6)
    assert [float(r["estimate_ha"]) for r in rows] == pytest.approx([0.36, 1.44, 0.48], rel=1e-6)
    # 0.48 ha * sqrt(0.25 * 0.75 / 11 * (1 - 12 / 48))
    assert float(rows[0]["se_ha"]) == pytest.approx(0.48 * np.sqrt(0.25 * 0.75 / 11 * 0.75), rel=1e-6)
    assert [(r["n"], r["n_class"]) for r in rows] == [("36", "9"), ("36", "15"), ("36", "12")]
    assert float(rows[0]["users_accuracy"]) == pytest.approx(0.75)
    assert float(rows[1]["producers_accuracy"]) == pytest.approx(1.32 / 1.44, rel=1e-6)
    assert {r["method"] for r in rows} == {"stratified"}


def test_the_table_is_that_of_the_estimators(place: Place):
    place.estimate(EstimateConfig(confidence=0.9))
    areas = np.array([s.area_m2 for s in place.sample.strata])
    units = np.array([s.units for s in place.sample.strata])
    survey = Survey.of_map_classes(counts_of(place), areas, units=units)
    expected = assess_map(survey, IntervalRule(level=0.9)).area.times(areas.sum() / 1e4)
    rows = place.table()
    assert [float(r["ci_low_ha"]) for r in rows] == pytest.approx(expected.low)
    assert [float(r["ci_high_ha"]) for r in rows] == pytest.approx(expected.high)


def test_the_json_holds_all_that_it_takes_to_do_it_again(place: Place):
    place.estimate()
    content = json.loads((place.folder / "out.json").read_text())
    assert content["hectares"] == "estimate"
    assert content["inputs"] == {"map": sha256_file(place.map), "sample": sha256_file(place.file)}
    assert content["design"]["seed"] == 3
    assert content["total"]["counts"] == counts_of(place).tolist()
    assert np.sum(content["total"]["matrix"]) == pytest.approx(1)
    assert np.trace(content["total"]["matrix"]) == pytest.approx(content["total"]["overall"]["accuracy"])
    assert [s["labelled"] for s in content["strata"]] == [12, 12, 12]
    again = np.zeros((3, 3), int)
    for p in content["points"]:
        again[LEGEND.index(p["map"]), LEGEND.index(p["reference"])] += 1
    assert again.tolist() == counts_of(place).tolist()
    assert sum(r["estimate_ha"] for r in content["total"]["rows"]) == pytest.approx(content["area_ha"])
    assert Legend.from_json(content["legend"]).names == LEGEND.names


def test_in_degrees_strata_weigh_their_true_area(tmp_path: Path):
    place = make_place(tmp_path, DEGREES)
    place.estimate()
    areas = pixel_area(DEGREES, DEGREES.window)
    assert areas[11, 0] > 1.05 * areas[0, 0]
    mapped = [areas[indices() == k].sum() for k in range(3)]
    rows = place.table()
    assert [float(r["mapped_ha"]) for r in rows] == pytest.approx(np.array(mapped) / 1e4)
    p = counts_of(place) / 12
    assert [float(r["estimate_ha"]) for r in rows] == pytest.approx(np.array(mapped) @ p / 1e4)


def test_estimates_are_right_on_average_over_many_draws(tmp_path: Path):
    true = [(truth()[indices() != 255] == k).sum() * 0.01 for k in range(3)]
    found = []
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        place = make_place(folder, seed=seed)
        found.append([r.estimate_ha for r in place.estimate().total.rows])
    error = np.mean(found, axis=0) - true
    assert (np.abs(error) < 3 * np.std(found, axis=0) / np.sqrt(12) + 1e-9).all()


def test_labels_of_a_table_count(place: Place):
    labels = place.folder / "labels.csv"
    labels.write_text("id,label_class\n" + "".join(f"{p.id},lake\n" for p in place.sample.points))
    found = place.estimate(replace(NORMAL, labels=labels))
    assert [r.estimate_ha for r in found.total.rows] == pytest.approx([0, 0, 2.28])
    assert set(json.loads((place.folder / "out.json").read_text())["inputs"]) == {"map", "sample", "labels"}


def test_a_table_without_labels_is_named_and_not_the_sample(place: Place):
    place = place.label(dict.fromkeys((p.id for p in place.sample.points), None))
    (place.folder / "none.csv").write_text("id,label_code\n")
    with pytest.raises(InputError, match=r"none\.csv: labels none of the 36 points of .*sample\.gpkg"):
        place.estimate(replace(NORMAL, labels=place.folder / "none.csv"))


# --- What is missing --------------------------------------------------------------------------------------


def test_points_without_a_label_are_told_and_bounded(place: Place):
    place = place.label(dict.fromkeys((1, 2, 3, 4), None))
    notes = Notes()
    place.estimate(notes=notes)
    problem = next(p for p in notes.problems if "no label" in p.what)
    assert problem.severity == "incomplete"
    assert "4 of 36 points have no label (1, 2, 3, 4)" in problem.what
    content = json.loads((place.folder / "out.json").read_text())
    assert content["unlabelled"]["points"] == [1, 2, 3, 4]
    bog = next(b for b in content["unlabelled"]["bounds"] if b["class_name"] == "bog")
    assert bog["all_ha"] - bog["none_ha"] == pytest.approx(0.48 * 4 / 12, rel=1e-6)
    assert bog["none_ha"] <= content["total"]["rows"][0]["estimate_ha"] + 1e-9 <= bog["all_ha"] + 2e-9


def test_labels_that_are_unsure_count_and_are_told(place: Place):
    points = tuple(replace(p, confidence="unsure" if p.id < 4 else "sure") for p in place.sample.points)
    notes = Notes()
    place.save(replace(place.sample, points=points)).estimate(EstimateConfig(), notes)
    assert [(p.what, p.severity) for p in notes.problems] == [("3 of 36 labels are marked unsure", "note")]


def test_normal_intervals_of_a_stratum_without_an_error_are_told_to_be_too_short(place: Place):
    notes = Notes()
    place.estimate(NORMAL, notes)
    assert "no error was seen in lake" in notes.problems[0].what
    assert "--interval melded" in notes.problems[0].remedy


def test_a_sample_without_labels_is_refused(place: Place):
    with pytest.raises(InputError, match="none of its 36 points is labelled"):
        place.label(dict.fromkeys(range(1, 37), None)).estimate()


@pytest.mark.parametrize("left", [0, 1])
def test_a_stratum_with_too_few_labels_is_named(place: Place, left: int):
    ids = [p.id for p in place.sample.points if p.map_code == 7][left:]
    with pytest.raises(
        InputError, match=rf"fewer than 2 labelled points: 'lake' \({left} of 12\).*--merge 'lake\+bog'"
    ):
        place.label(dict.fromkeys(ids, None)).estimate()


def test_strata_can_be_taken_as_one(place: Place):
    ids = [p.id for p in place.sample.points if p.map_code == 7][1:]
    place = place.label(dict.fromkeys(ids, None))
    found = place.estimate(replace(NORMAL, merge=("lake+bog",)))
    content = json.loads((place.folder / "out.json").read_text())
    assert [(s["name"], s["labelled"]) for s in content["strata"]] == [("bog + lake", 13), ("wood", 12)]
    assert content["strata"][0]["area_ha"] == pytest.approx(0.96, rel=1e-6)
    assert sum(r.estimate_ha for r in found.total.rows) == pytest.approx(2.28, rel=1e-6)
    with pytest.raises(InputError, match="no stratum 'sea' to merge"):
        place.estimate(replace(NORMAL, merge=("lake+sea",)))


def test_what_was_left_out_of_the_draw_is_told(place: Place):
    strata = tuple(replace(s, area_m2=s.area_m2 + 1000) for s in place.sample.strata)
    notes = Notes()
    found = place.save(replace(place.sample, strata=strata)).estimate(notes=notes)
    assert found.content["left_out_ha"] == pytest.approx(0.3)
    assert "0.3 ha of the map could not be drawn" in notes.problems[0].what


# --- Refusals ---------------------------------------------------------------------------------------------


def test_a_sample_of_another_map_is_refused_with_both_hashes(place: Place):
    other = place.folder / "other.tif"
    write_class_map(other, truth(), EQUAL, LEGEND, {}, overwrite=False)
    with pytest.raises(InputError, match=f"{sha256_file(place.map)[:12]}.*{sha256_file(other)[:12]}.*--other-map"):
        replace(place, map=other).estimate()
    with pytest.raises(InputError, match="leave --other-map out"):
        place.estimate(replace(NORMAL, other_map=True))


def _moved(place: Place, number: int, row: int, col: int) -> Place:
    points = tuple(replace(p, row=row, col=col) if p.id == number else p for p in place.sample.points)
    return place.save(replace(place.sample, points=points))


Break = Callable[[Place], Place]


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (lambda p: _moved(p, 3, 4, 9), "point 3 is on nodata of map.tif"),
        (lambda p: _moved(p, 3, 4, 20), "point 3 is outside map.tif"),
        (lambda p: _moved(p, 3, -1, 2), "point 3 is outside map.tif"),
        (lambda p: _moved(p, 3, 0, 19), "point 3 is of another class on map.tif than in the sample"),
        (lambda p: p.save(replace(p.sample, points=p.sample.points + p.sample.points[4:5])), "5 stands there twice"),
        (lambda p: p.save(replace(p.sample, points=p.sample.points[1:])), "has 11 points, but 12 were drawn"),
    ],
)  # fmt: skip
def test_points_that_cannot_be_are_refused_by_their_ids(place: Place, breaks: Break, said: str):
    with pytest.raises(InputError, match=said):
        breaks(place).estimate()


def test_points_in_the_training_footprint_are_refused(tmp_path: Path):
    place = make_place(tmp_path, trained_on=[[0, 0, 12, 4]])
    with pytest.raises(InputError, match=r"points 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more are where the segmenter"):
        place.estimate()


def test_a_class_that_is_not_in_the_legend_is_refused(place: Place):
    labels = place.folder / "labels.csv"
    labels.write_text("id,label_class\n7,sea\n")
    with pytest.raises(LegendError, match="point 7 is labelled 'sea'"):
        place.estimate(replace(NORMAL, labels=labels))


def test_strata_that_were_changed_are_refused(place: Place):
    strata = (replace(place.sample.strata[0], sampled_area_m2=4000.0), *place.sample.strata[1:])
    with pytest.raises(ArtefactError, match=r"stratum 'bog' has 0.4 ha, the map 0.48"):
        place.save(replace(place.sample, strata=strata)).estimate()


def test_a_result_over_an_input_is_refused(place: Place):
    with pytest.raises(ArtefactError, match="is a CSV"):
        estimate_areas(place.map, place.file, place.folder / "areas.gpkg", NORMAL)
    (place.folder / "out.csv").write_text("old")
    with pytest.raises(ArtefactError, match="exists already"):
        estimate_areas(place.map, place.file, place.folder / "out.csv", NORMAL)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"confidence": 95}, "expected 0.5 to below 1"),
        ({"assist_with": Path("x.tif")}, "--assist-with is for --method model-assisted"),
        ({"zone_field": "name"}, "--zone-field has no effect without --zones"),
        ({"assist": "tuned"}, "--assist has no effect without --method model-assisted"),
        ({"merge": ("bog",)}, "two or more classes"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, object], said: str):
    with pytest.raises(ConfigError, match=said):
        EstimateConfig(**options)


# --- Strata that are no classes ---------------------------------------------------------------------------


def test_another_map_of_the_place_is_assessed_by_ratios(place: Place):
    """Stehman 2014: strata of the old map, classes of the new one; the new one is the truth here, less one row."""
    newer = truth()
    newer[indices() == 255] = 255
    newer[11] = 1
    other = place.folder / "other.tif"
    write_class_map(other, newer, EQUAL, LEGEND, {}, overwrite=False)
    found = replace(place, map=other).estimate(replace(NORMAL, other_map=True))
    counts = np.zeros((3, 3, 3))
    for p in place.sample.points:
        counts[p.stratum - 1, newer[p.row, p.col], LEGEND.codes.index(p.label_code)] += 1
    areas = np.array([s.area_m2 for s in place.sample.strata])
    expected = assess_map(Survey(counts, areas, units=np.array([48, 132, 48])), IntervalRule(method="normal"))
    rows = found.total.rows
    assert [r.users_accuracy for r in rows] == pytest.approx(expected.users.value)
    assert [r.producers_accuracy for r in rows] == pytest.approx(expected.producers.value)
    assert [r.estimate_ha for r in rows] == pytest.approx(expected.area.value * 2.28, rel=1e-6)
    assert [r.mapped_ha for r in rows] == pytest.approx([(newer == k).sum() / 100 for k in range(3)], rel=1e-6)


def test_a_label_that_the_other_map_does_not_know_is_refused(place: Place):
    other = place.folder / "other.tif"
    few = Legend.of({1: "bog", 2: "wood"})
    write_class_map(other, np.minimum(indices(), 1), EQUAL, few, {}, overwrite=False)
    with pytest.raises(LegendError, match=r"labelled lake, which other\.tif has no class for"):
        replace(place, map=other).estimate(replace(NORMAL, other_map=True))


# --- Zones ------------------------------------------------------------------------------------------------


def _zones(place: Place, *edges: int) -> str:
    """Zones that cut the map at columns."""
    x = [4_321_000 + 10 * col for col in edges]
    boxes = tuple(shapely.box(a, 3_209_000, b, 3_211_000) for a, b in itertools.pairwise(x))
    layer = VectorLayer("EPSG:3035", boxes, {"name": tuple(f"zone {i}" for i in range(len(boxes)))})
    write_layer(place.folder / "zones.gpkg", layer, name="zones", overwrite=True)
    return str(place.folder / "zones.gpkg")


def test_zones_with_enough_points_are_strata_of_their_own(place: Place):
    found = place.estimate(replace(NORMAL, zones=_zones(place, 0, 4, 20)))
    west, east = found.zones
    assert [r.method for r in west.rows] == ["stratified"] * 3
    assert west.area_m2 == pytest.approx(4800, rel=1e-6)
    assert [r.mapped_ha for r in east.rows] == pytest.approx([0, 1.32, 0.48], rel=1e-6)
    for k in range(3):  # the zones are made of whole strata here
        assert west.rows[k].estimate_ha + east.rows[k].estimate_ha == pytest.approx(found.total.rows[k].estimate_ha)
    assert [r["zone"] for r in place.table()][::3] == ["whole map", "zone 0", "zone 1"]


def test_a_zone_with_few_points_is_a_ratio_of_its_known_area(place: Place):
    found = place.estimate(replace(NORMAL, zones=_zones(place, 0, 6, 20)))
    west = found.zones[0]
    assert {r.method for r in west.rows} == {"stratified-ratio"}
    assert west.area_m2 == pytest.approx(7200, rel=1e-6)
    assert sum(r.estimate_ha for r in west.rows) == pytest.approx(0.72, rel=1e-6)


def test_what_lies_in_no_zone_has_rows_and_an_empty_zone_is_told(place: Place):
    notes = Notes()
    found = place.estimate(replace(NORMAL, zones=_zones(place, 4, 16)), notes)
    assert [z.name for z in found.zones] == ["zone 0", "outside all zones"]
    point = min(p.col for p in place.sample.points if p.map_code == 5)
    if point > 4:
        found = place.estimate(replace(NORMAL, zones=_zones(place, 4, point)), notes)
        assert any("hold no labelled point: zone 0" in p.what and p.severity == "incomplete" for p in notes.problems)
        assert [r.estimate_ha for r in found.zones[0].rows] == [None, None, None]


def test_zones_that_lie_elsewhere_are_refused(place: Place):
    with pytest.raises(VectorError, match="no zone covers a pixel with a class; check the CRS"):
        place.estimate(replace(NORMAL, zones=_zones(place, 4000, 5000)))


def test_a_sample_by_zones_is_estimated_by_zone(place: Place):
    """Each class in a zone of its own."""
    zones = {1: "west", 2: "rest", 3: "rest"}
    strata = tuple(replace(s, zone=zones[s.number]) for s in place.sample.strata)
    points = tuple(replace(p, zone=zones[p.stratum]) for p in place.sample.points)
    found = place.save(replace(place.sample, strata=strata, points=points)).estimate()
    assert [z.name for z in found.zones] == ["west", "rest"]
    assert [z.area_m2 for z in found.zones] == pytest.approx([4800, 18_000], rel=1e-6)
    assert [r.mapped_ha for r in found.zones[1].rows] == pytest.approx([0, 1.32, 0.48], rel=1e-6)
    total = sum(z.rows[1].estimate_ha for z in found.zones)
    assert total == pytest.approx(found.total.rows[1].estimate_ha)


# --- Model-assisted ---------------------------------------------------------------------------------------


def test_the_map_itself_is_no_aid_where_it_gave_the_strata(place: Place):
    with pytest.raises(ConfigError, match="uses all of it already"):
        place.estimate(replace(NORMAL, method="model-assisted"))


@pytest.mark.parametrize("assist", ["regression", "tuned", "difference"])
def test_a_second_map_that_is_right_takes_the_error_away(place: Place, assist: str):
    second = place.folder / "second.tif"
    write_class_map(second, truth(), EQUAL, LEGEND, {}, overwrite=False)
    found = place.estimate(replace(NORMAL, method="model-assisted", assist_with=second, assist=assist))
    plain, assisted = found.total.rows[:3], found.total.rows[3:]
    assert [r.method for r in plain] == ["stratified"] * 3
    assert [r.method for r in assisted] == [assist] * 3
    true = [((truth() == k) & (indices() != 255)).sum() / 100 for k in range(3)]
    if assist == "difference":  # the others use columns that vary among enough points only
        assert [r.estimate_ha for r in assisted] == pytest.approx(true, rel=1e-5)
        assert [r.se_ha for r in assisted] == pytest.approx([0, 0, 0], abs=1e-9)
    assert sum(r.estimate_ha for r in assisted) == pytest.approx(2.28, rel=1e-5)
    assert assisted[1].design_effect < 1
    assert assisted[0].users_accuracy is None
    assert set(found.content["total"]["assisted"]) == {"regression", "tuned", "difference"}


def test_scores_are_an_aid_and_nodata_in_them_is_no_gap(place: Place):
    scores = np.stack([(truth() == k) * 0.8 + 0.1 for k in range(3)]).astype(np.float32)
    valid = np.ones((12, 20), bool)
    valid[0, :5] = False
    path = place.folder / "scores.tif"
    save_raster(path, scores, crs="EPSG:3035", transform=EQUAL.transform, nodata=-1.0, valid=valid, names=LEGEND.names)
    config = replace(NORMAL, method="model-assisted", assist_with=path, assist="tuned")
    found = place.estimate(config)
    assert found.content["aid"]["columns"] == ("bog", "wood", "lake", "nodata")
    assert found.total.rows[5].estimate_ha == pytest.approx(0.48, abs=0.05)
    save_raster(path, scores * 100, crs="EPSG:3035", transform=EQUAL.transform)
    with pytest.raises(ConfigError, match="scores of 0 to 1"):
        place.estimate(config)
    assert place.estimate(replace(config, assist="regression")).total.rows[3].method == "regression"


def test_an_aid_on_another_grid_is_refused_with_the_way_out(place: Place):
    second = place.folder / "second.tif"
    write_class_map(second, truth()[:, 1:], replace(EQUAL, shape=(12, 19)), LEGEND, {}, overwrite=False)
    with pytest.raises(GridError, match=r"12 x 19 px .* against 12 x 20 px .*gdalwarp -r near -t_srs EPSG:3035 -te"):
        place.estimate(replace(NORMAL, method="model-assisted", assist_with=second))


def test_zones_of_a_model_assisted_estimate_add_up(place: Place):
    second = place.folder / "second.tif"
    write_class_map(second, truth(), EQUAL, LEGEND, {}, overwrite=False)
    zones = _zones(place, 0, 6, 20)
    config = replace(NORMAL, method="model-assisted", assist_with=second, assist="difference", zones=zones)
    found = place.estimate(config)
    for k in range(3, 6):
        parts = [z.rows[k].estimate_ha for z in found.zones]
        assert sum(parts) == pytest.approx(found.total.rows[k].estimate_ha, rel=1e-5, abs=1e-9)


# --- On a page, and on the command line -------------------------------------------------------------------


def test_a_report_shows_mapped_and_estimated_side_by_side(place: Place):
    second = place.folder / "second.tif"
    write_class_map(second, truth(), EQUAL, LEGEND, {}, overwrite=False)
    zones = _zones(place, 0, 6, 20)
    place.estimate(EstimateConfig(method="model-assisted", assist_with=second, zones=zones))
    assert (place.folder / "out.png").read_bytes().startswith(b"\x89PNG")
    page = place.folder / "report.html"
    notes = Notes()
    write_report([place.map, place.folder / "out.csv"], page, ReportConfig(), monitor=notes)
    text = page.read_text(encoding="utf-8")
    said = ("Estimated area of map.tif", "Quote the estimated area", "Olofsson and others 2014", "design effect")
    more = ("By zone, estimated hectares", "Error matrix", "The estimate out.json was made for the class map")
    assert [s for s in (*said, *more) if s not in text] == []
    assert "does not say how good the map is" not in text
    assert not notes.problems
    other = place.folder / "other.tif"
    write_class_map(other, truth(), EQUAL, LEGEND, {"version": "1"}, overwrite=False)
    write_report([other, place.folder / "out.csv"], page, ReportConfig(), overwrite=True, monitor=notes)
    assert "was not made for the class map other.tif" in notes.problems[0].what


def test_a_damaged_estimate_is_named_by_the_report(place: Place):
    place.estimate()
    content = json.loads((place.folder / "out.json").read_text())
    del content["total"]["overall"]
    (place.folder / "out.json").write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match=r"out\.json: is not complete"):
        write_report([place.folder / "out.json"], place.folder / "report.html", ReportConfig())


def test_the_command_says_what_to_quote(place: Place, capsys: pytest.CaptureFixture[str]):
    out = place.folder / "areas.csv"
    assert run(["estimate", str(place.map), str(place.file), str(out)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Quote the estimated area with its interval, not the mapped one" in told
    assert "estimated ha" in told
    labelled = place.label({1: None})
    assert run(["estimate", str(place.map), str(labelled.file), str(out), "--overwrite", "--json"]) == 3
    record = json.loads(capsys.readouterr().out)["result"]
    assert len(record["rows"]) == 3
    assert 0 < record["overall"]["accuracy"] < 1
