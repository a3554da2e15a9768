"""Many scenes to one map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from factory import Notes, WriteRaster
from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, BandError, ConfigError
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.mosaic import plan_mosaic, predict_mosaic, predict_mosaic_shard
from hectares.predict import predict_scene
from plain_runtime import BANDS, PlainSegmenter, plain_segmenter

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


def test_a_scene_in_two_parts_that_overlap_is_that_of_the_whole(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    parts = [_part(write_raster, "east.tif", 15, 40), _part(write_raster, "west.tif", 0, 24)]
    out = predict_mosaic(segmenter.folder, parts, tmp_path / "m.tif", CONFIG, MOSAIC)
    whole = predict_scene(segmenter.folder, _part(write_raster, "all.tif", 0, 40), tmp_path / "whole.tif", CONFIG)
    with open_class_map(out) as found, open_class_map(whole) as expected:
        assert found.grid == expected.grid
        assert found.legend == expected.legend
        assert [s["name"] for s in found.provenance["mosaic"]["scenes"]] == ["east.tif", "west.tif"]
    assert np.array_equal(_indices(out), _indices(whole))
    assert not work_path(out).exists()


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


def test_a_stopped_mosaic_goes_on_with_the_scene_it_was_at_and_has_the_same_bytes(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    parts = [_part(write_raster, "west.tif", 0, 14), _part(write_raster, "east.tif", 9, 40)]
    whole = predict_mosaic(segmenter.folder, parts, tmp_path / "whole.tif", CONFIG, MOSAIC).read_bytes()
    total, out = segmenter.batches, tmp_path / "m.tif"
    segmenter.stop_after = 4
    with pytest.raises(KeyboardInterrupt):
        predict_mosaic(segmenter.folder, parts, out, CONFIG, MOSAIC)
    segmenter.stop_after = None
    with pytest.raises(ArtefactError, match="unfinished run of another configuration"):
        predict_mosaic(segmenter.folder, parts[::-1], out, CONFIG, MOSAIC)
    assert predict_mosaic(segmenter.folder, parts, out, CONFIG, MOSAIC).read_bytes() == whole
    assert segmenter.batches == 2 * total


def test_shards_of_a_mosaic_leave_nothing_to_compute(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    parts = [_part(write_raster, "west.tif", 0, 24), _part(write_raster, "east.tif", 15, 40)]
    whole = predict_mosaic(segmenter.folder, parts, tmp_path / "whole.tif", CONFIG, MOSAIC).read_bytes()
    for shard in ("1/2", "2/2"):
        predict_mosaic_shard(segmenter.folder, parts, tmp_path / "m.tif", CONFIG, MOSAIC, shard=shard)
    before = segmenter.batches
    assert predict_mosaic(segmenter.folder, parts, tmp_path / "m.tif", CONFIG, MOSAIC).read_bytes() == whole
    assert segmenter.batches == before


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
