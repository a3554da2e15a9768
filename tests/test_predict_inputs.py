"""What goes into a prediction: pixels of another size, values unlike those of training, when the scene was taken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine

from factory import Notes, WriteRaster
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, GsdError
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.rescaled import RescaledScene
from hectares.io.rasters.scenes import ImageFile, SceneFile
from hectares.predict import plan_scene, predict_scene, predict_shard
from plain_runtime import BANDS, PlainSegmenter, plain_segmenter

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(20, 180, (3, 25, 38), dtype=np.uint8)
VALID = np.ones((25, 38), bool)
VALID[3:9, 5:7] = VALID[24, 37] = VALID[11, 20] = False
FINE = Affine(2.5, 0, 500_120, 0, -2.5, 5_000_370)
COARSE = Affine(30, 0, 500_120, 0, -30, 5_000_370)
CONFIG = PredictConfig(tile_px=8, overlap_px=4, batch=2, resample=True)


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, legend: Legend) -> PlainSegmenter:
    return plain_segmenter(monkeypatch, tmp_path / "model", legend)


def _scene(write: WriteRaster, transform: Affine = FINE, **options: object) -> Path:
    given = {"names": BANDS, "valid": VALID, "valid_as": "mask", "transform": transform} | options
    return write("scene.tif", IMAGE, **given)


def _indices(path: Path) -> np.ndarray:
    with open_class_map(path) as opened:
        return opened.read(opened.grid.window)


# --- Another pixel size -----------------------------------------------------------------------------------


def test_another_gsd_is_refused_with_the_option_that_helps(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    with pytest.raises(GsdError, match=r"2\.5 m, the segmenter was trained on 10 m; give --resample"):
        predict_scene(segmenter.folder, _scene(write_raster), tmp_path / "m.tif", PredictConfig())


@pytest.mark.parametrize("transform", [FINE, COARSE])
def test_a_resampled_scene_keeps_its_grid_and_exactly_its_nodata(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, transform: Affine
):
    scene = _scene(write_raster, transform)
    out = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG)
    with open_class_map(out) as opened:
        assert opened.grid.transform == transform
        assert opened.provenance["resampled"]["gsd_m"] == pytest.approx([10, 10], rel=0.06)
    assert np.array_equal(_indices(out) == 255, ~VALID)


def test_larger_pixels_are_the_mean_and_their_class_is_that_of_all_they_hold(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    image = np.zeros((3, 8, 12), np.uint8)
    image[0, :, :4], image[1, :, 4:8], image[2, :, 8:] = 100, 100, 100
    image[2, 5, 1] = 200  # one bright pixel of 16 does not decide
    scene = write_raster("s.tif", image, names=BANDS, transform=FINE)
    found = _indices(predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG))
    assert np.array_equal(found, np.repeat([[0] * 4 + [1] * 4 + [2] * 4], 8, axis=0))


def test_the_map_of_a_resampled_scene_is_that_of_the_scene_as_the_network_saw_it(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    path = _scene(write_raster, COARSE)
    with SceneFile([ImageFile(path)]) as scene:
        seen = RescaledScene(scene, 10.0)
        assert seen.grid.shape == (75, 114)
        chip = seen.read(seen.grid.window)
    at_centers = chip.image.argmax(axis=0)[1::3, 1::3]
    found = _indices(predict_scene(segmenter.folder, path, tmp_path / "m.tif", CONFIG))
    assert np.array_equal(found, np.where(VALID, at_centers, 255))


def test_a_resampled_map_has_the_same_bytes_after_a_stop_and_from_shards(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    scene, scores = _scene(write_raster, COARSE), tmp_path / "s.tif"
    whole = predict_scene(segmenter.folder, scene, tmp_path / "whole.tif", CONFIG, scores=scores).read_bytes()
    kept = scores.read_bytes()
    segmenter.stop_after = 3
    again = tmp_path / "s2.tif"
    with pytest.raises(KeyboardInterrupt):
        predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG, scores=again)
    segmenter.stop_after = None
    for shard in ("2/2", "1/2"):
        predict_shard(segmenter.folder, scene, tmp_path / "m.tif", CONFIG, shard=shard, scores=again)
    before = segmenter.batches
    assert predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG, scores=again).read_bytes() == whole
    assert again.read_bytes() == kept
    assert segmenter.batches == before
    with open_raster(again, scaled=False, use_nodata=False) as raster:
        planes = raster.read(raster.grid.window).image
    assert ((planes == 255).all(axis=0) == ~VALID).all()


def test_an_area_cuts_a_resampled_map_along_its_edge_in_the_pixels_of_the_scene(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    scene = _scene(write_raster, FINE)
    whole = _indices(predict_scene(segmenter.folder, scene, tmp_path / "whole.tif", CONFIG))
    west, north = FINE @ (7, 2)
    east, south = FINE @ (22, 19)
    area = tmp_path / "area.gpkg"
    pyogrio.raw.write(
        area, geometry=shapely.to_wkb(np.array([shapely.box(west, south, east, north)])), field_data=[], fields=[],
        geometry_type="Polygon", crs="EPSG:32633", driver="GPKG", layer="area",
    )  # fmt: skip
    config = PredictConfig(tile_px=8, overlap_px=4, batch=2, resample=True, aoi=str(area))
    found = _indices(predict_scene(segmenter.folder, scene, tmp_path / "m.tif", config))
    inside = np.zeros(VALID.shape, bool)
    inside[2:19, 7:22] = True
    assert np.array_equal(found, np.where(inside, whole, 255))


def test_a_scene_of_about_the_trained_size_is_not_resampled(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    scene = _scene(write_raster, Affine(11, 0, 5e5, 0, -11, 5e6))
    out = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG)
    assert np.array_equal(_indices(out), np.where(VALID, IMAGE.argmax(axis=0), 255))
    with open_class_map(out) as opened:
        assert "resampled" not in opened.provenance


def test_the_plan_tells_how_a_scene_is_read(segmenter: PlainSegmenter, write_raster: WriteRaster):
    found = plan_scene(segmenter.folder, _scene(write_raster, COARSE), CONFIG)
    assert (found["resampled"]["height_px"], found["resampled"]["width_px"]) == (75, 114)
    assert found["drift"]["pixels"] == VALID.sum()


def test_much_smaller_pixels_cannot_be_had_and_it_is_said(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    predict_scene(segmenter.folder, _scene(write_raster, COARSE), tmp_path / "m.tif", CONFIG, monitor=notes)
    assert "what is in between cannot be" in notes.problems[0].remedy


# --- Values -----------------------------------------------------------------------------------------------


def test_values_far_from_those_of_training_are_told_with_both(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    image = IMAGE.copy()
    image[1] = 200
    scene = write_raster("s.tif", image, names=BANDS)
    predict_scene(segmenter.folder, scene, tmp_path / "m.tif", PredictConfig(), monitor=notes)
    (found,) = (p for p in notes.problems if "deviations" in p.what)
    assert found.what == "band b has a mean of 200, 100 in the training images: 2.5 of their deviations away"
    with open_class_map(tmp_path / "m.tif") as opened:
        drift = opened.provenance["drift"]
    assert drift["bands"][1]["score"] == 2.5
    assert drift["out_of_range"] == 0


def test_values_out_of_range_are_told_and_written_as_a_raster(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    image = IMAGE.astype(np.uint16)
    image[2, :4] = 300  # training went up to 255, and 180 + 80 would be the end otherwise
    scene = write_raster("s.tif", image, names=BANDS, valid=VALID, valid_as="mask")
    config = PredictConfig(out_of_range=True)
    out = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", config, monitor=notes)
    expected = np.where(VALID, 0, 255)
    expected[:4][VALID[:4]] = 1
    file = tmp_path / "m.out-of-range.tif"
    with rasterio.open(file) as found:
        assert np.array_equal(found.read(1), expected)
        assert found.nodata == 255
        assert json.loads(found.tags()["HECTARES_OUT_OF_RANGE"])["range"]["c"] == [0, 255]
    assert 'label="out of range"' in (tmp_path / "m.out-of-range.qml").read_text()
    share = (VALID[:4].sum()) / VALID.sum()
    assert any(f"{share:.1%} of the pixels have values" in p.what for p in notes.problems)
    kept, plain = file.read_bytes(), out.read_bytes()
    file.unlink()
    segmenter.stop_after = 0
    with pytest.raises(KeyboardInterrupt):
        predict_scene(segmenter.folder, scene, tmp_path / "m2.tif", config)
    segmenter.stop_after = None
    assert predict_scene(segmenter.folder, scene, tmp_path / "m2.tif", config).read_bytes() == plain
    assert (tmp_path / "m2.out-of-range.tif").read_bytes() == kept
    (tmp_path / "m.out-of-range.qml").write_text("mine")
    predict_scene(segmenter.folder, scene, tmp_path / "m.tif", config, overwrite=True)
    assert (tmp_path / "m.out-of-range.qml").read_text() == "mine"


def test_a_raster_of_values_that_is_in_the_way_is_not_replaced(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    (tmp_path / "m.out-of-range.tif").write_bytes(b"mine")
    with pytest.raises(ArtefactError, match="exists already"):
        predict_scene(segmenter.folder, _scene(write_raster, Affine(10, 0, 5e5, 0, -10, 5e6)), tmp_path / "m.tif",
                      PredictConfig(out_of_range=True))  # fmt: skip
    assert not work_path(tmp_path / "m.tif").exists()


# --- Date and seams ---------------------------------------------------------------------------------------


def test_the_date_of_a_scene_goes_into_the_map_and_its_item(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path
):
    scene = write_raster("T33UUU_20230601T104629_10m.tif", IMAGE, names=BANDS)
    out = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", PredictConfig())
    with open_class_map(out) as opened:
        assert opened.provenance["acquired"] == "2023-06-01T10:46:29Z"
        assert opened.provenance["acquired_from"] == "name"
    assert json.loads((tmp_path / "m.stac.json").read_text())["properties"]["datetime"] == "2023-06-01T10:46:29Z"


def test_seams_that_show_are_told_with_their_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, legend: Legend, write_raster: WriteRaster, notes: Notes
):
    segmenter = plain_segmenter(monkeypatch, tmp_path / "model", legend)
    answers = iter(range(10**6))

    def by_tile(self: object, image: np.ndarray) -> np.ndarray:
        """Each tile another class; and some change inside of it, as a rate of none gives no ratio."""
        scores = np.zeros_like(image)
        scores[:, next(answers) % 3] = 9
        scores[:, 2, 4, 4] = 99
        return scores

    monkeypatch.setattr("plain_runtime.PlainRuntime.logits", by_tile)
    scene = write_raster("s.tif", RNG.integers(20, 180, (3, 128, 128), dtype=np.uint8), names=BANDS)
    predict_scene(segmenter.folder, scene, tmp_path / "m.tif", PredictConfig(tile_px=8, overlap_px=0), monitor=notes)
    (found,) = (p for p in notes.problems if "where tiles meet" in p.what)
    assert "95 % interval" in found.what
    assert "--overlap-px above 0" in found.remedy
