"""Many scenes to one map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from factory import Notes, WriteRaster
from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, BandError, ConfigError
from hectares.io.artefact import sha256_file
from hectares.io.journal import give_up
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.mosaic import begin_mosaic, maps_of, plan_mosaic, predict_mosaic, predict_mosaic_shard
from hectares.predict import predict_scene
from plain_runtime import BANDS, PlainSegmenter, plain_segmenter
from segmenters import save_convolution

RNG = np.random.default_rng(8)
IMAGE = RNG.integers(20, 180, (3, 22, 40), dtype=np.uint8)
VALID = np.ones((22, 40), bool)
VALID[4:7, 18:20] = VALID[21, 0] = False
PLACE = Affine(10, 0, 500_123, 0, -10, 5_000_377)
CONFIG = PredictConfig(tile_px=16, overlap_px=4)
MOSAIC = MosaicConfig(mosaic=True)


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, legend: Legend) -> PlainSegmenter:
    return plain_segmenter(monkeypatch, tmp_path / "model", legend)


def _part(write: WriteRaster, name: str, first: int, end: int) -> Path:
    """Write some columns of the scene."""
    image, valid = IMAGE[:, :, first:end], VALID[:, first:end]
    place = PLACE @ Affine.translation(first, 0)
    return write(name, image, names=BANDS, valid=valid, valid_as="mask", transform=place)


def _flat(write: WriteRaster, name: str, band: int, shape: tuple[int, int], place: Affine, **options: object) -> Path:
    """Write a scene whose map shows one class, the index of a band."""
    image = np.full((3, *shape), 50, np.uint8)
    image[band] = 150
    return write(name, image, names=BANDS, **({"transform": place} | options))


def _indices(path: Path) -> np.ndarray:
    with open_class_map(path) as opened:
        return opened.read(opened.grid.window)


@pytest.mark.parametrize("rule", ["first", "center"])
def test_a_scene_in_two_parts_that_overlap_is_that_of_the_whole(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, rule: str
):
    parts = [_part(write_raster, "east.tif", 15, 40), _part(write_raster, "west.tif", 0, 24)]
    mosaic = MosaicConfig(mosaic=True, overlap_rule=rule)
    out = predict_mosaic(segmenter.folder, parts, tmp_path / "m.tif", CONFIG, mosaic)
    whole = predict_scene(segmenter.folder, _part(write_raster, "all.tif", 0, 40), tmp_path / "whole.tif", CONFIG)
    with open_class_map(out) as found, open_class_map(whole) as expected:
        assert found.grid == expected.grid
        assert found.legend == expected.legend
        assert [s["name"] for s in found.provenance["mosaic"]["scenes"]] == ["east.tif", "west.tif"]
    assert np.array_equal(_indices(out), _indices(whole))
    assert not work_path(out).exists()


# --- Scenes whose pixels coincide, mapped as one ----------------------------------------------------------

CUTS = {"overlapping": [(0, 27), (15, 40)], "abutting": [(0, 17), (17, 40)], "three": [(11, 30), (0, 14), (30, 40)]}
"""First and last columns, none of them a multiple of the stride."""


def _shots(write: WriteRaster, spans: list[tuple[int, int]], **options: object) -> list[Path]:
    """Write columns of a scene of two bands, with a hole and a lower left corner without data."""
    image = np.kron(RNG.integers(0, 200, (2, 6, 10)), np.ones((4, 4)))[:, :22].astype(np.uint8)
    form = {"names": ["red", "nir"], "valid_as": "mask"} | options
    return [
        write(
            f"{first}-{end}.tif",
            image[:, :, first:end],
            valid=VALID[:, first:end],
            transform=PLACE @ Affine.translation(first, 0),
            **form,
        )
        for first, end in spans
    ]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("options", [{}, {"resample": True}, {"blend": "taper"}], ids=str)
def test_a_network_that_looks_around_maps_parts_of_a_scene_as_the_whole(
    write_raster: WriteRaster, tmp_path: Path, legend: Legend, cut: str, options: dict[str, Any]
):
    run = save_convolution(tmp_path / "run", legend, gsd_m=15 if "resample" in options else 10).folder
    config = PredictConfig(tile_px=16, runtime="onnx", threads=1, **options)
    whole, *parts = _shots(write_raster, [(0, 40), *CUTS[cut]])
    expected = _indices(predict_scene(run, whole, tmp_path / "whole.tif", config))
    notes = Notes()
    out = predict_mosaic(run, parts, tmp_path / "m.tif", config, MOSAIC, monitor=notes)
    assert len(np.unique(expected)) == 4
    assert np.array_equal(_indices(out), expected)
    assert not any(p.where == "mosaic" for p in notes.problems)


def test_one_by_one_each_scene_ends_at_its_edge_and_that_is_told(
    write_raster: WriteRaster, tmp_path: Path, legend: Legend, notes: Notes
):
    run = save_convolution(tmp_path / "run", legend).folder
    config = PredictConfig(tile_px=64, runtime="onnx", threads=1)
    whole, *parts = _shots(write_raster, [(0, 40), (0, 17), (17, 40)])
    expected = _indices(predict_scene(run, whole, tmp_path / "whole.tif", config))
    center = MosaicConfig(mosaic=True, overlap_rule="center")
    differing = np.nonzero(_indices(predict_mosaic(run, parts, tmp_path / "m.tif", config, center)) != expected)[1]
    assert differing.size
    assert differing.min() >= 15
    assert differing.max() <= 18
    finer = MosaicConfig(mosaic=True, gsd_m=5)
    predict_mosaic(run, parts, tmp_path / "fine.tif", config, finer, monitor=notes)
    (note,) = (p for p in notes.problems if p.where == "mosaic")
    assert "their pixels do not coincide with those of the mosaic: at its edge none sees" in note.what


def test_scenes_that_are_no_one_scene_are_mapped_one_by_one(write_raster: WriteRaster, tmp_path: Path, legend: Legend):
    def told(run: Path, parts: list[Path], **mosaic: Any) -> str | None:
        return plan_mosaic(run, parts, PredictConfig(), MosaicConfig(mosaic=True, **mosaic))["apart"]

    run = save_convolution(tmp_path / "run", legend).folder
    by_range = save_convolution(tmp_path / "by-range", legend, scaling="scene-percentile").folder
    west, east = _shots(write_raster, [(0, 20), (20, 40)])
    shifted = write_raster(
        "shifted.tif", IMAGE[:2], names=["red", "nir"], transform=PLACE @ Affine.translation(20.3, 0)
    )
    deep = write_raster("deep.tif", IMAGE[:2].astype(np.uint16), names=["red", "nir"], transform=PLACE)
    assert told(run, [west, east]) is None
    assert told(by_range, [west]) is None
    assert told(run, [west, east], crs="EPSG:32633", gsd_m=10.0) is not None  # corners at multiples of the size
    assert told(by_range, [west, east]) == "the run scales each by its own range"
    assert told(run, [west, shifted]) == "their pixels do not coincide with those of the mosaic"
    assert told(run, [west, deep]) == "their values are of the types uint16, uint8"
    assert told(run, [west, east], overlap_rule="center") == "the scene that a pixel lies deepest in decides it"


@pytest.mark.parametrize("rule", ["first", "center"])
def test_a_mosaic_tells_where_it_was_trained_on(
    write_raster: WriteRaster, tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch, rule: str
):
    west, east = _part(write_raster, "west.tif", 0, 24), _part(write_raster, "east.tif", 15, 40)
    footprint = ({"sha256": sha256_file(east), "name": "east", "windows": [[2, 3, 8, 4], [20, 20, 8, 8]]},)
    run = plain_segmenter(monkeypatch, tmp_path / "model", legend, footprint=footprint)
    mosaic = MosaicConfig(mosaic=True, overlap_rule=rule)
    out = predict_mosaic(run.folder, [west, east], tmp_path / "m.tif", CONFIG, mosaic)
    with open_class_map(out) as opened:
        assert opened.provenance["trained_on"] == [[2, 18, 8, 4], [20, 35, 2, 5]]


def test_values_unlike_those_of_training_are_told_of_the_scene_that_has_them(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    usual = _part(write_raster, "usual.tif", 0, 30)
    dark = write_raster("dark.tif", IMAGE[:, :, 30:] // 20, names=BANDS, transform=PLACE @ Affine.translation(30, 0))
    predict_mosaic(segmenter.folder, [usual, dark], tmp_path / "m.tif", CONFIG, MOSAIC, monitor=notes)
    assert {p.where for p in notes.problems if "scaled differently" in p.remedy} == {str(dark)}


# --- Which scene decides ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "expected"), [("first", 0), ("newest", 1)])
def test_where_scenes_overlap_the_rule_decides(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, rule: str, expected: int
):
    old = _flat(write_raster, "old_20210101.tif", 0, (6, 9), PLACE)
    new = _flat(write_raster, "new_20230101.tif", 1, (6, 9), PLACE @ Affine.translation(4, 2))
    mosaic = MosaicConfig(mosaic=True, overlap_rule=rule)
    out = predict_mosaic(segmenter.folder, [old, new], tmp_path / "m.tif", CONFIG, mosaic)
    only = np.full((8, 13), 255)
    only[:6, :9], only[2:, 4:] = 0, 1
    only[2:6, 4:9] = expected
    assert np.array_equal(_indices(out), only)
    with open_class_map(out) as opened:
        assert opened.provenance["acquired"] == "2021-01-01/2023-01-01"


def test_the_scene_that_a_pixel_lies_deepest_in_decides(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    valid = np.ones((9, 12), bool)
    valid[:, 6:8] = False
    west = _flat(write_raster, "west.tif", 0, (9, 12), PLACE, valid=valid, valid_as="mask")
    east = _flat(write_raster, "east.tif", 1, (9, 12), PLACE @ Affine.translation(4, 0))
    out = predict_mosaic(
        segmenter.folder, [west, east], tmp_path / "m.tif", CONFIG, MosaicConfig(mosaic=True, overlap_rule="center")
    )
    # row 4 from column 4: the west lies 2, 1 px from its gap, and then 1, 2, 1.5, 0.5 from it and its edge
    assert _indices(out)[4].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def test_nodata_of_one_scene_is_filled_by_another(segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path):
    valid = np.ones((6, 9), bool)
    valid[1:3, 5:8] = False
    first = _flat(write_raster, "first.tif", 0, (6, 9), PLACE, valid=valid, valid_as="mask")
    other = _flat(write_raster, "other.tif", 2, (6, 3), PLACE @ Affine.translation(4, 0))
    found = _indices(predict_mosaic(segmenter.folder, [first, other], tmp_path / "m.tif", CONFIG, MOSAIC))
    expected = np.where(valid, 0, 2)
    expected[1:3, 7] = 255
    assert np.array_equal(found, expected)


def test_scenes_of_two_zones_meet_where_they_lie(segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path):
    x, y = 788_000.0, 5_000_000.0  # near the eastern end of zone 32
    there = Transformer.from_crs("EPSG:32632", "EPSG:32633", always_xy=True).transform(x + 300, y)
    west = _flat(write_raster, "west.tif", 0, (30, 30), Affine(10, 0, x, 0, -10, y), crs="EPSG:32632")
    place = Affine(10, 0, there[0], 0, -10, there[1])
    east = _flat(write_raster, "east.tif", 1, (40, 30), place, crs="EPSG:32633")
    out = predict_mosaic(segmenter.folder, [west, east], tmp_path / "m.tif", CONFIG, MOSAIC)
    with open_class_map(out) as opened:
        grid = opened.grid
        found = opened.read(grid.window)
    assert grid.crs == "EPSG:32632"
    assert (grid.transform.c - x) % 10 == 0
    rows, cols = np.meshgrid(np.arange(grid.shape[0]) + 0.5, np.arange(grid.shape[1]) + 0.5, indexing="ij")
    xs, ys = grid.transform.a * cols + grid.transform.c, grid.transform.e * rows + grid.transform.f
    expected = np.full(grid.shape, 255)
    e, n = Transformer.from_crs("EPSG:32632", "EPSG:32633", always_xy=True).transform(xs, ys)
    expected[(e >= place.c) & (e < place.c + 300) & (n <= place.f) & (n > place.f - 400)] = 1
    expected[(xs >= x) & (xs < x + 300) & (ys <= y) & (ys > y - 300)] = 0
    assert np.array_equal(found, expected)
    assert (found == 1).sum() == pytest.approx(1200, abs=30)


def test_crs_and_pixel_size_may_be_chosen(segmenter: PlainSegmenter, write_raster: WriteRaster):
    part = _part(write_raster, "s.tif", 0, 40)
    found = plan_mosaic(segmenter.folder, [part], CONFIG, MosaicConfig(mosaic=True, crs="EPSG:3035", gsd_m=20))
    assert found["crs"] == "EPSG:3035"
    assert found["gsd_m"] == (20, 20)
    degrees = plan_mosaic(segmenter.folder, [part], CONFIG, MosaicConfig(mosaic=True, crs="EPSG:4326"))
    assert degrees["gsd_m"][0] == pytest.approx(10, rel=1e-3)


def test_a_scene_without_the_bands_is_left_out_and_told(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    parts = [_part(write_raster, "west.tif", 0, 24), _part(write_raster, "east.tif", 15, 40)]
    other = write_raster("other.tif", IMAGE[:2], names=["x", "y"], transform=PLACE)
    out = predict_mosaic(segmenter.folder, [other, *parts], tmp_path / "m.tif", CONFIG, MOSAIC, monitor=notes)
    (found,) = (p for p in notes.problems if p.severity == "incomplete")
    assert "has no band a" in found.what
    with open_class_map(out) as opened:
        assert opened.provenance["mosaic"]["left_out"] == ["other.tif"]
    with pytest.raises(BandError):
        predict_mosaic(segmenter.folder, [other], tmp_path / "m2.tif", CONFIG, MOSAIC)


@pytest.mark.parametrize("rule", ["first", "center"])
def test_a_stopped_mosaic_goes_on_where_it_was_and_has_the_same_bytes(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, rule: str
):
    mosaic = MosaicConfig(mosaic=True, overlap_rule=rule)
    parts = [_part(write_raster, "west.tif", 0, 14), _part(write_raster, "east.tif", 9, 40)]
    whole = predict_mosaic(segmenter.folder, parts, tmp_path / "whole.tif", CONFIG, mosaic).read_bytes()
    total, out = segmenter.batches, tmp_path / "m.tif"
    segmenter.stop_after = 4
    with pytest.raises(KeyboardInterrupt):
        predict_mosaic(segmenter.folder, parts, out, CONFIG, mosaic)
    segmenter.stop_after = None
    with pytest.raises(ArtefactError, match="unfinished run of another configuration"):
        predict_mosaic(segmenter.folder, parts[::-1], out, CONFIG, mosaic)
    assert predict_mosaic(segmenter.folder, parts, out, CONFIG, mosaic).read_bytes() == whole
    assert segmenter.batches == 2 * total


@pytest.mark.parametrize("rule", ["first", "center"])
def test_shards_of_a_mosaic_leave_nothing_to_compute(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, rule: str
):
    mosaic = MosaicConfig(mosaic=True, overlap_rule=rule)
    parts = [_part(write_raster, "west.tif", 0, 24), _part(write_raster, "east.tif", 15, 40)]
    whole = predict_mosaic(segmenter.folder, parts, tmp_path / "whole.tif", CONFIG, mosaic).read_bytes()
    for shard in ("1/2", "2/2"):
        predict_mosaic_shard(segmenter.folder, parts, tmp_path / "m.tif", CONFIG, mosaic, shard=shard)
    before = segmenter.batches
    assert predict_mosaic(segmenter.folder, parts, tmp_path / "m.tif", CONFIG, mosaic).read_bytes() == whole
    assert segmenter.batches == before


def test_gaps_of_scenes_mapped_one_by_one_lie_in_the_mosaic_and_other_scenes_fill_them(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    config, mosaic = PredictConfig(tile_px=12, overlap_px=0), MosaicConfig(mosaic=True, overlap_rule="center")
    parts = [_part(write_raster, "west.tif", 0, 30), _part(write_raster, "east.tif", 16, 40)]
    whole = _indices(predict_mosaic(segmenter.folder, parts, tmp_path / "whole.tif", config, mosaic))
    out = tmp_path / "m.tif"
    predict_mosaic_shard(segmenter.folder, parts, out, config, mosaic, shard="1/4")
    how = {"windows": [[0, 12, 12, 12]], "of": 4, "how": "3 processes that computed it were killed by signal 9"}
    give_up(work_path(maps_of(out, 2)[1]), 1, how)
    predict_mosaic(segmenter.folder, parts, out, config, mosaic, monitor=notes)
    with open_class_map(out) as opened:
        assert opened.provenance["gaps"] == [{"why": "fatal", "count": 1, "windows": [[0, 28, 12, 12]]}]
    whole[:12, 30:] = 255
    assert np.array_equal(_indices(out), whole)
    assert [p.severity for p in notes.problems if "was left out" in p.what] == ["incomplete"]


@pytest.mark.parametrize("rule", ["first", "center"])
def test_the_plan_of_a_mosaic_tells_what_it_would_take_and_writes_nothing(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, rule: str
):
    config, mosaic = PredictConfig(tile_px=12, overlap_px=0), MosaicConfig(mosaic=True, overlap_rule=rule)
    parts = [_part(write_raster, "west.tif", 0, 36), _part(write_raster, "east.tif", 22, 40)]
    before = sorted(tmp_path.rglob("*"))
    found = plan_mosaic(segmenter.folder, parts, config, mosaic)
    assert found["batches"] == {"first": 2 * 4, "center": 2 * 3 * (36 + 18) / 36}[rule]
    assert found["peak_memory_mib"] > 0
    assert {"seconds_a_batch", "minutes", "disk_mib"} <= set(found)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("rule", ["first", "center"])
def test_leftovers_of_another_mosaic_are_discarded_before_others_compute(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, rule: str
):
    mosaic, out = MosaicConfig(mosaic=True, overlap_rule=rule), tmp_path / "m.tif"
    parts = [_part(write_raster, "west.tif", 0, 24), _part(write_raster, "east.tif", 15, 40)]
    predict_mosaic_shard(segmenter.folder, parts, out, CONFIG, mosaic, shard="1/2")
    other = PredictConfig(tile_px=12, overlap_px=0)
    begin_mosaic(segmenter.folder, parts, out, other, mosaic, overwrite=True)
    assert [p.name for p in work_path(out).iterdir()] == ["header.json"]
    predict_mosaic_shard(segmenter.folder, parts, out, other, mosaic, shard="1/2")


def test_what_cannot_be_decided_is_said(segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path):
    part, newest = _part(write_raster, "s.tif", 0, 40), MosaicConfig(mosaic=True, overlap_rule="newest")
    with pytest.raises(ConfigError, match="neither tags"):
        predict_mosaic(segmenter.folder, [part], tmp_path / "m.tif", CONFIG, newest)
    with pytest.raises(ConfigError, match="together with --mosaic"):
        MosaicConfig(crs="EPSG:3035")
    with pytest.raises(ArtefactError, match=r"end its name in \.tif"):
        predict_mosaic(segmenter.folder, [part], tmp_path, CONFIG, MOSAIC)
    with pytest.raises(ArtefactError, match="is an input"):
        predict_mosaic(segmenter.folder, [part], part, CONFIG, MOSAIC, overwrite=True)
