"""Class map to reference points, and the page they are labelled on."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from factory import Notes, save_raster
from hectares.config.sample import SampleConfig
from hectares.config.vectorize import VectorizeConfig
from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, GridError, InputError
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.io.survey.sample import Sample, read_sample
from hectares.monitor import QUIET, Monitor
from hectares.sample import DrawnSample, sample_map
from hectares.vectorize import vectorize_map

LEGEND = Legend.of({20: "water", 10: "forest", 35: "built-up"})
GRID = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), (40, 50))
SEEN = [0, 0, 10, 30]


def _indices() -> np.ndarray:
    """40 x 50 pixels: water, forest below, a block of built-up, one pixel of it alone, and a hole of nodata."""
    indices = np.zeros(GRID.shape, np.uint8)
    indices[18:] = 1
    indices[12:20, 35:45] = 2
    indices[5:9, 40:48] = 255
    return indices


def _map(folder: Path, indices: np.ndarray | None = None, grid: Grid = GRID, *, overwrite: bool = False) -> None:
    provenance = {"hectares": "class-map", "trained_on": [SEEN]}
    indices = _indices() if indices is None else indices
    write_class_map(folder / "map.tif", indices, grid, LEGEND, provenance, overwrite=overwrite)


def _draw(folder: Path, name: str = "sample.gpkg", monitor: Monitor = QUIET, **options: Any) -> DrawnSample:
    options = {"size": 40} | options if "target" not in options else options
    overwrite = options.pop("overwrite", False)
    return sample_map(folder / "map.tif", folder / name, SampleConfig(**options), overwrite=overwrite, monitor=monitor)


def _answered(folder: Path, sample: Sample, name: str = "labels.csv", wrong: int = 7) -> Path:
    """Label every point as the map has it, but each `wrong`-th as forest."""
    lines = [f"{p.id},{10 if p.id % wrong == 0 else p.map_code}" for p in sample.points]
    (folder / name).write_text("id,label_code\n" + "\n".join(lines) + "\n")
    return folder / name


# --- The draw ---------------------------------------------------------------------------------------------


def test_points_lie_on_pixels_of_their_class_outside_nodata_and_training_areas(tmp_path: Path):
    _map(tmp_path)
    sample = _draw(tmp_path, size=300).sample
    indices = _indices()
    assert len({(p.row, p.col) for p in sample.points}) == 300
    for p in sample.points:
        assert LEGEND.codes[indices[p.row, p.col]] == p.map_code
        assert p.row >= 10 or p.col >= 30
    assert [p.id for p in sample.points] == list(range(1, 301))


def test_strata_have_their_area_and_what_was_sampled_of_it(tmp_path: Path, notes: Notes):
    _map(tmp_path)
    sample = _draw(tmp_path, monitor=notes).sample
    m2, indices = pixel_area(GRID, GRID.window), _indices()
    unseen = np.ones(GRID.shape, bool)
    unseen[:10, :30] = False
    for k, s in enumerate(sample.strata):
        assert (s.number, s.code, s.units) == (k + 1, LEGEND.codes[k], int(((indices == k) & unseen).sum()))
        assert s.area_m2 == pytest.approx(m2[indices == k].sum(), rel=1e-12)
        assert s.sampled_area_m2 == pytest.approx(m2[(indices == k) & unseen].sum(), rel=1e-12)
    assert any("no point falls there: what is estimated holds for the map outside" in str(p) for p in notes.problems)
    assert sample.design["excluded"] == [SEEN]


def test_points_of_a_stratum_stand_for_its_sampled_area(tmp_path: Path):
    _map(tmp_path)
    sample = _draw(tmp_path).sample
    for s in sample.strata:
        weights = [p.weight_m2 for p in sample.points if p.stratum == s.number]
        assert (len(weights), sum(weights)) == (s.drawn, pytest.approx(s.sampled_area_m2))


def test_a_map_in_degrees_gives_the_same_points_by_area_as_its_pixels_are_large(tmp_path: Path):
    grid = Grid("EPSG:4326", Affine(0.5, 0, 0, 0, -0.5, 80), (160, 40))
    _map(tmp_path, np.zeros(grid.shape, np.uint8), grid)
    sample = _draw(tmp_path, size=1500).sample
    areas = pixel_area(grid, grid.window).copy()
    areas[:10, :30] = 0
    drawn = np.bincount([p.row // 40 for p in sample.points], minlength=4)
    assert drawn == pytest.approx(1500 * areas.reshape(4, -1).sum(axis=1) / areas.sum(), abs=60)
    assert sample.strata[0].sampled_area_m2 == pytest.approx(areas.sum(), rel=1e-12)


@pytest.mark.parametrize(("allocation", "drawn"), [("proportional", [36, 78, 6]), ("equal", [40, 40, 40])])
def test_points_are_shared_out_as_asked(tmp_path: Path, allocation: str, drawn: list[int]):
    """There are 508, 1080 and 80 pixels to draw from."""
    _map(tmp_path)
    found = _draw(tmp_path, size=120, allocation=allocation, min_per_class=2)
    assert [s.drawn for s in found.sample.strata] == drawn


def test_the_least_number_of_a_class_is_kept(tmp_path: Path):
    _map(tmp_path)
    assert _draw(tmp_path, size=120, min_per_class=33).sample.strata[2].drawn == 33


def test_a_target_says_how_many_points(tmp_path: Path):
    _map(tmp_path)
    found = _draw(tmp_path, target=("built-up=20%",), expect=("built-up=0.9", "forest=0.99", "water=0.99"))
    rough = _draw(tmp_path, "rough.gpkg", target=("built-up=40%",), expect=("built-up=0.9",), plan=True)
    assert found.precision[2] == pytest.approx(0.2, abs=0.01)
    assert rough.precision[2] == pytest.approx(0.4, abs=0.02)
    assert not (tmp_path / "rough.gpkg").exists()
    assert len(found.sample.points) == found.added == sum(s.drawn for s in found.sample.strata)


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_points(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path, "one.gpkg", seed=3).sample
    _draw(tmp_path, "two.gpkg", seed=3)
    assert (tmp_path / "one.gpkg").read_bytes() == (tmp_path / "two.gpkg").read_bytes()
    other = _draw(tmp_path, "three.gpkg", seed=4).sample
    assert {(p.row, p.col) for p in other.points} != {(p.row, p.col) for p in first.points}


def test_what_is_written_is_what_is_returned(tmp_path: Path):
    _map(tmp_path)
    found = _draw(tmp_path).sample
    read = read_sample(tmp_path / "sample.gpkg")
    assert (read.points, read.strata, read.legend, read.grid) == (found.points, found.strata, LEGEND, GRID)


# --- Zones ------------------------------------------------------------------------------------------------


def _zones(folder: Path) -> Path:
    west, south, east, north = GRID.bounds
    zones = {
        "north": shapely.box(west, north - 150, east, north),
        "south": shapely.box(west, south, east - 100, north - 150),
    }
    write_layer(
        folder / "zones.gpkg", VectorLayer("EPSG:32633", tuple(zones.values()), {"name": tuple(zones)}), name="z",
        overwrite=True,
    )  # fmt: skip
    return folder / "zones.gpkg"


def test_strata_are_classes_within_zones(tmp_path: Path, notes: Notes):
    _map(tmp_path)
    sample = _draw(tmp_path, size=60, zones=str(_zones(tmp_path)), monitor=notes).sample
    assert [(s.zone, s.name) for s in sample.strata] == [
        ("north", "water"), ("north", "built-up"), ("south", "water"), ("south", "forest"), ("south", "built-up"),
    ]  # fmt: skip
    assert sample.zones == ("north", "south")
    assert all((p.row < 15) == (p.zone == "north") for p in sample.points)
    assert all(p.col < 40 for p in sample.points if p.zone == "south")
    assert any("lie in no zone; no point falls there" in str(p) for p in notes.problems)


def test_a_target_holds_in_every_zone_that_shows_the_class(tmp_path: Path):
    _map(tmp_path)
    found = _draw(tmp_path, target=("water=20%",), zones=str(_zones(tmp_path)))
    water = [half for s, half in zip(found.sample.strata, found.precision, strict=True) if s.name == "water"]
    assert max(water) <= 0.2 + 1e-9


# --- A second round ---------------------------------------------------------------------------------------


def test_points_are_added_to_a_labelled_sample(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path, size=60, seed=9).sample
    labels = _answered(tmp_path, first)
    found = _draw(tmp_path, "more.gpkg", size=30, after=tmp_path / "sample.gpkg", labels=labels)
    more = read_sample(tmp_path / "more.gpkg")
    assert (found.added, len(more.points), more.design["seed"]) == (30, 90, 9)
    assert [(p.id, p.row, p.col) for p in more.points[:60]] == [(p.id, p.row, p.col) for p in first.points]
    assert len({(p.row, p.col) for p in more.points}) == 90
    assert [p.round for p in more.points] == [1] * 60 + [2] * 30
    assert [p.is_seen for p in more.points] == [True] * 60 + [False] * 30
    assert [r["points"] for r in more.design["rounds"]] == [60, 30]
    for s in more.strata:
        assert sum(p.weight_m2 for p in more.points if p.stratum == s.number) == pytest.approx(s.sampled_area_m2)


def test_two_rounds_draw_what_one_larger_round_draws(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path, size=30, allocation="equal").sample
    more = _draw(
        tmp_path, "more.gpkg", size=60, allocation="equal", after=tmp_path / "sample.gpkg",
        labels=_answered(tmp_path, first),
    ).sample  # fmt: skip
    whole = _draw(tmp_path, "whole.gpkg", size=90, allocation="equal").sample
    assert {(p.row, p.col) for p in more.points} == {(p.row, p.col) for p in whole.points}


def test_labels_say_how_many_more_points_a_target_needs(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path, size=90, allocation="equal").sample
    options = {"target": ("forest=4%",), "after": tmp_path / "sample.gpkg", "plan": True}
    good = _draw(tmp_path, "a.gpkg", labels=_answered(tmp_path, first, "good.csv", 1000), **options)
    bad = _draw(tmp_path, "b.gpkg", labels=_answered(tmp_path, first, "bad.csv", 4), **options)
    assert 0 <= good.added < bad.added


def test_a_first_round_must_be_labelled_and_of_this_map(tmp_path: Path):
    _map(tmp_path)
    _draw(tmp_path)
    with pytest.raises(InputError, match=r"stratum 1 \(water\) has 0 labelled point\(s\); label at least 2 of each"):
        _draw(tmp_path, "more.gpkg", after=tmp_path / "sample.gpkg")
    other = _indices()
    other[0, 0] = 2
    _map(tmp_path, other, overwrite=True)
    with pytest.raises(InputError, match=r"was drawn from map.tif, which is not .* as it is now"):
        _draw(tmp_path, "more.gpkg", after=tmp_path / "sample.gpkg")


def test_other_zones_than_those_of_the_first_round_are_refused(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path).sample
    with pytest.raises(InputError, match="it was drawn without zones: leave --zones out"):
        _draw(
            tmp_path, "more.gpkg", after=tmp_path / "sample.gpkg", labels=_answered(tmp_path, first),
            zones=str(_zones(tmp_path)),
        )  # fmt: skip


# --- The page ---------------------------------------------------------------------------------------------


def _scene(folder: Path, name: str = "scene.tif") -> Path:
    """A scene of the place on a finer grid: red rises to the east, green to the south."""
    rows, cols = np.mgrid[:160, :200].astype(np.float32)
    image = np.stack([cols, rows, cols * 0 + 50]).astype(np.uint16)
    save_raster(folder / name, image, transform=GRID.transform @ Affine.scale(0.25), names=("red", "green", "blue"))
    return folder / name


def _page(folder: Path, name: str = "sample.html") -> dict[str, Any]:
    text = (folder / name).read_text(encoding="utf-8")
    found = re.search(r'<script id="content" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_the_page_holds_nothing_of_the_map_but_places(tmp_path: Path):
    _map(tmp_path)
    sample = _draw(tmp_path, size=9, scene=_scene(tmp_path)).sample
    content = _page(tmp_path)
    assert set(content) == {"title", "token", "classes", "points"}
    assert [c["name"] for c in content["classes"]] == list(LEGEND.names)
    assert [set(p) for p in content["points"]] == [{"id", "lon", "lat", "near", "far"}] * 9
    assert {tuple(sorted(p[k])) for p in content["points"] for k in ("near", "far")} == {("outline", "side_m", "uri")}
    assert [p["id"] for p in content["points"]] == [p.id for p in sample.points]


def test_a_map_that_says_the_opposite_gives_the_same_page(tmp_path: Path):
    """Strata of one size and another class at every pixel: what differs is what the page must not hold."""
    halves = np.zeros(GRID.shape, np.uint8)
    halves[10:25] = 1
    for folder, indices in (("one", halves), ("two", 1 - halves)):
        (tmp_path / folder).mkdir()
        _map(tmp_path / folder, indices)
        _draw(tmp_path / folder, size=8, scene=_scene(tmp_path / folder), allocation="equal")
    one, two = (read_sample(tmp_path / f / "sample.gpkg") for f in ("one", "two"))
    assert all(p.map_code != q.map_code for p, q in zip(one.points, two.points, strict=True))
    assert (tmp_path / "one/sample.html").read_bytes() == (tmp_path / "two/sample.html").read_bytes()


def test_numbers_of_points_do_not_follow_the_strata(tmp_path: Path):
    _map(tmp_path)
    strata = [p.stratum for p in _draw(tmp_path, size=90, allocation="equal").sample.points]
    assert sum(a == b for a, b in itertools.pairwise(strata)) == pytest.approx(89 / 3, abs=14)


def test_the_outline_is_around_the_pixel_and_the_picture_shows_its_place(tmp_path: Path):
    _map(tmp_path)
    sample = _draw(tmp_path, size=9, scene=_scene(tmp_path), chip_m=100).sample
    for point, shown in zip(sample.points, _page(tmp_path)["points"], strict=True):
        outline = np.array(shown["near"]["outline"])
        assert outline.mean(axis=0) == pytest.approx([0.5, 0.5], abs=1e-3)
        assert np.ptp(outline, axis=0) == pytest.approx([0.1, 0.1], rel=0.03)  # 10 m of 100, and a little turned
        content = base64.b64decode(shown["far"]["uri"].split(",")[1])
        picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
        assert picture.shape == (256, 256, 3)
        if 5 < point.row < 35 and 5 < point.col < 45:  # 20 px are 47 m: some columns of the map to the east
            assert picture[128, 138, 0] > picture[128, 118, 0]
            assert picture[138, 128, 1] > picture[118, 128, 1]


def test_the_page_needs_no_network(tmp_path: Path):
    _map(tmp_path)
    _draw(tmp_path, size=6, scene=_scene(tmp_path))
    text = (tmp_path / "sample.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_a_second_round_shows_only_points_nobody_has_seen(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path, size=30).sample
    _draw(
        tmp_path, "more.gpkg", size=10, after=tmp_path / "sample.gpkg", labels=_answered(tmp_path, first),
        scene=_scene(tmp_path),
    )  # fmt: skip
    assert [p["id"] for p in _page(tmp_path, "more.html")["points"]] == list(range(31, 41))


def test_a_scene_of_another_place_is_refused(tmp_path: Path):
    _map(tmp_path)
    save_raster(tmp_path / "far.tif", np.ones((3, 9, 9), np.uint8), transform=Affine(10, 0, 700_000, 0, -10, 4e6))
    with pytest.raises(InputError, match=r"far.tif: shows none of the 40 points; give an image of the same place"):
        _draw(tmp_path, scene=tmp_path / "far.tif")
    assert not (tmp_path / "sample.gpkg").exists()


# --- Refusals ---------------------------------------------------------------------------------------------


def test_labels_are_not_overwritten_by_accident(tmp_path: Path):
    _map(tmp_path)
    first = _draw(tmp_path).sample
    labels = _answered(tmp_path, first)
    _draw(tmp_path, "more.gpkg", size=5, after=tmp_path / "sample.gpkg", labels=labels)
    with pytest.raises(ArtefactError, match="exists already; give --overwrite"):
        _draw(tmp_path, "more.gpkg")
    with pytest.raises(ArtefactError, match=r"holds labels of 40 points, which would be lost; .* --discard-labels"):
        _draw(tmp_path, "more.gpkg", overwrite=True)
    _draw(tmp_path, "more.gpkg", overwrite=True, discard_labels=True)
    _draw(tmp_path, "more.gpkg", overwrite=True)  # nobody has labelled this one


def test_polygons_do_not_replace_labels(tmp_path: Path):
    _map(tmp_path)
    labels = _answered(tmp_path, _draw(tmp_path).sample)
    _draw(tmp_path, "more.gpkg", size=5, after=tmp_path / "sample.gpkg", labels=labels)
    with pytest.raises(ArtefactError, match=r"more.gpkg: holds labels of 40 points, which would be lost"):
        vectorize_map(tmp_path / "map.tif", tmp_path / "more.gpkg", VectorizeConfig(), overwrite=True)


def test_a_map_without_a_crs_is_refused(tmp_path: Path):
    save_raster(tmp_path / "map.tif", _indices(), crs=None, nodata=255)
    with pytest.raises(GridError, match="has no CRS, so there is no area to estimate"):
        _draw(tmp_path)


def test_a_map_that_was_trained_on_everywhere_is_refused(tmp_path: Path):
    provenance = {"trained_on": [[0, 0, 40, 50]]}
    write_class_map(tmp_path / "map.tif", _indices(), GRID, LEGEND, provenance, overwrite=False)
    with pytest.raises(InputError, match="all of it lies in the areas the segmenter was trained on"):
        _draw(tmp_path)


def test_a_map_of_single_pixels_is_refused_for_what_it_is(tmp_path: Path):
    write_class_map(tmp_path / "map.tif", np.array([[0, 1, 2]], np.uint8), Grid(GRID.crs, GRID.transform, (1, 3)),
                    LEGEND, {}, overwrite=False)  # fmt: skip
    with pytest.raises(InputError, match="no class has 2 pixels, the fewest that points can be drawn from"):
        _draw(tmp_path)


def test_a_stratum_of_one_pixel_is_left_out_and_said_so(tmp_path: Path, notes: Notes):
    indices = np.where(_indices() == 2, 1, _indices()).astype(np.uint8)
    indices[30, 30] = 2
    _map(tmp_path, indices)
    sample = _draw(tmp_path, monitor=notes).sample
    assert [(s.units, s.drawn, s.sampled_area_m2) for s in sample.strata][2] == (0, 0, 0.0)
    assert sample.strata[2].area_m2 == pytest.approx(100, rel=0.01)
    assert any("have fewer than 2 pixels" in str(p) for p in notes.problems)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": None}, "how many points"),
        ({"size": 5000}, "5000 points do not fit"),
        ({"target": ("sea=5%",)}, "the map has no such class; it has water, forest, built-up"),
        ({"target": ("water=5",)}, "'water=5' is not CLASS and a share; for example --target forest=5%"),
        ({"target": ("water",)}, "'water' is not CLASS and a share; for example --target forest=5%"),
        ({"size": 10, "target": ("water=5%",)}, "contradict each other"),
        ({"expect": ("water=1.5",)}, "is not CLASS and a share"),
        ({"labels": Path("labels.csv")}, "give it with --after"),
    ],
)
def test_wrong_wishes_are_refused(tmp_path: Path, options: dict[str, Any], message: str):
    _map(tmp_path)
    with pytest.raises(ConfigError) as caught:
        _draw(tmp_path, **options)
    assert message in str(caught.value)


def test_other_names_than_gpkg_are_refused(tmp_path: Path):
    _map(tmp_path)
    with pytest.raises(ArtefactError, match=r"end its name in .gpkg"):
        _draw(tmp_path, "sample.shp")


def test_a_scene_without_a_crs_is_refused_before_the_map_is_read(tmp_path: Path):
    save_raster(tmp_path / "scene.png", np.ones((3, 9, 9), np.uint8))
    (tmp_path / "map.tif").write_text("not read")
    with pytest.raises(GridError, match=r"scene.png: has no CRS, so points cannot be found on it"):
        _draw(tmp_path, scene=tmp_path / "scene.png")


def test_the_page_of_an_earlier_sample_is_pointed_out(tmp_path: Path, notes: Notes):
    _map(tmp_path)
    _draw(tmp_path, size=6, scene=_scene(tmp_path))
    _draw(tmp_path, size=7, overwrite=True, monitor=notes)
    assert any("sample.html: is the page of an earlier sample" in str(p) for p in notes.problems)


@pytest.mark.parametrize(
    ("options", "said"), [({"zone_field": "n"}, "--zones"), ({"rgb": "1"}, "--scene"), ({"chip_m": 9.0}, "--scene")]
)
def test_an_option_without_the_one_it_is_about_is_refused(options: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=f"has no effect without {said}"):
        SampleConfig(size=9, **options)
