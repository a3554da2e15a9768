"""Segmenter and scene to class map. The network is a plain function; torch has no part in it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from factory import UTM, Notes, WriteRaster
from hectares.config.predict import PredictConfig
from hectares.core.bands import BandStats
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.scene import ArraySource
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Tiling, Window
from hectares.errors import (
    ArtefactError,
    BandError,
    ConfigError,
    GsdError,
    InputError,
    Interrupted,
    RasterError,
    VectorError,
)
from hectares.io.artefact import stamp
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.io.rasters.map_files import side_cars
from hectares.io.rasters.raster import open_raster
from hectares.io.segmenter import amend_segmenter, find_segmenter, save_segmenter
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.predict import (
    discard_leftovers,
    plan_scene,
    predict_scene,
    predict_scenes,
    predict_shard,
    predict_shards,
    predict_tiles,
)
from hectares.scale import finishing
from hectares.scale import scene_job as module
from hectares.scale.setup import plan_tiles

SHAPE = (13, 16)
RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 200, (3, *SHAPE), dtype=np.uint8)
VALID = np.ones(SHAPE, bool)
VALID[2:5, 3] = VALID[12, 15] = False
BANDS = ["a", "b", "c"]


def _source(image: np.ndarray = IMAGE, valid: np.ndarray | None = VALID) -> ArraySource:
    return ArraySource(image, Grid(None, Affine.identity(), SHAPE), BANDS, valid)


def _streamed(
    source: ArraySource, scores: Callable[[np.ndarray], np.ndarray], tiling: Tiling, **options: Any
) -> np.ndarray:
    result = np.full(SHAPE, 77, np.uint8)
    for window, indices in predict_tiles(source, scores, tiling, **({"batch": 1} | options)):
        assert indices.dtype == np.uint8
        result[window.slices] = indices
    return result


def _identity(batch: np.ndarray) -> np.ndarray:
    return batch


# --- Streaming --------------------------------------------------------------------------------------------


def _halved(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / 2


@given(size=st.integers(2, 16), overlap=st.integers(0, 6), stride=st.sampled_from([1, 2, 4]), batch=st.integers(1, 5))
def test_streamed_is_whole_for_a_pointwise_model(size: int, overlap: int, stride: int, batch: int):
    tiling = Tiling(SHAPE, size=size + overlap + stride, overlap=overlap, stride=stride)
    found = _streamed(_source(), _identity, tiling, batch=batch)
    assert np.array_equal(found, np.where(VALID, IMAGE.argmax(axis=0), 255))


def _blur(batch: np.ndarray) -> np.ndarray:
    """A model that sees one pixel around, with zeros beyond what it is given."""
    padded = np.pad(batch, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = batch.shape[2:]
    return sum(padded[:, :, r : r + height, c : c + width] for r in range(3) for c in range(3))


@given(st.integers(2, 6), st.integers(1, 4))
def test_streamed_is_whole_for_a_model_that_sees_less_than_the_context(overlap: int, batch: int):
    tiling = Tiling(SHAPE, size=overlap + 3, overlap=overlap)
    expected = np.where(VALID, _blur(np.where(VALID, IMAGE, 0)[None].astype(np.float32))[0].argmax(axis=0), 255)
    assert np.array_equal(_streamed(_source(), _blur, tiling, batch=batch), expected)


def test_nodata_in_is_nodata_out_and_nothing_else():
    found = _streamed(_source(), _identity, Tiling(SHAPE, size=6, overlap=2))
    assert np.array_equal(found == 255, ~VALID)


def test_what_is_not_finite_never_reaches_the_model():
    image = IMAGE.astype(np.float32)
    image[0, 6, 7], image[2, 0, 0] = np.nan, np.inf
    seen: list[np.ndarray] = []

    def scores(batch: np.ndarray) -> np.ndarray:
        assert np.isfinite(batch).all()
        assert batch.dtype == np.float32
        seen.append(batch)
        return batch

    found = _streamed(_source(image, None), scores, Tiling(SHAPE, size=20, overlap=0), scale=_halved)
    assert np.argwhere(found == 255).tolist() == [[0, 0], [6, 7]]
    assert seen[0][0, :, 6, 7].tolist() == [0, 0, 0]


def test_beyond_the_scene_the_model_sees_0():
    seen: list[np.ndarray] = []

    def scores(batch: np.ndarray) -> np.ndarray:
        seen.append(batch)
        return batch

    _streamed(_source(), scores, Tiling(SHAPE, size=16, overlap=0, stride=16), scale=_halved)
    assert seen[0].shape == (1, 3, 16, 16)
    assert seen[0][0, :, 15, 3].tolist() == [0, 0, 0]


def test_the_source_is_left_alone():
    source = _source()
    before = source.read(source.grid.window).image.copy()
    _streamed(source, _identity, Tiling(SHAPE, size=20, overlap=0), scale=_halved)
    assert np.array_equal(source.read(source.grid.window).image, before)


def test_a_tile_with_nothing_valid_is_not_sent():
    valid = np.ones(SHAPE, bool)
    valid[:, :8] = False
    calls: list[int] = []

    def scores(batch: np.ndarray) -> np.ndarray:
        calls.append(len(batch))
        return batch

    tiling = Tiling((13, 16), size=8, overlap=0, stride=8)
    found = _streamed(_source(valid=valid), scores, tiling, batch=2)
    assert tiling.counts == (2, 2)
    assert calls == [1, 1]
    assert (found[:, :8] == 255).all()


def test_a_scene_of_nothing_never_calls_the_model():
    def scores(_: np.ndarray) -> np.ndarray:
        raise AssertionError

    found = _streamed(_source(valid=np.zeros(SHAPE, bool)), scores, Tiling(SHAPE, size=6, overlap=2))
    assert (found == 255).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_nodata_not_class_0(value: float):
    def scores(batch: np.ndarray) -> np.ndarray:
        result = batch.copy()
        result[:, 1, 0, 0] = value
        return result

    found = _streamed(_source(), scores, Tiling(SHAPE, size=8, overlap=0, stride=8))
    assert (found == 255).all()


def test_scores_beyond_the_core_or_under_nodata_may_be_anything():
    def scores(batch: np.ndarray) -> np.ndarray:
        result = batch.copy()
        result[:, :, ~VALID] = np.nan
        return result

    found = _streamed(_source(), scores, Tiling(SHAPE, size=16, overlap=0))
    assert np.array_equal(found, np.where(VALID, IMAGE.argmax(axis=0), 255))


# --- A whole scene ----------------------------------------------------------------------------------------


@dataclass
class FakeRuntime:
    """Scores are the three bands; remembers what it was given."""

    spec: SegmenterSpec
    stop_after: int | None = None
    stride: int = 4
    batches: list[np.ndarray] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=lambda: {"runtime": "fake"})

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Give the bands as logits."""
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(image.copy())
        return image


@dataclass
class Setup:
    """A stored segmenter and the runtimes that were opened for it."""

    folder: Path
    runtimes: list[FakeRuntime] = field(default_factory=list)
    stop_after: int | None = None


@pytest.fixture
def setup(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """Give a segmenter of the bands a, b, c whose runtime is a plain function."""
    folder = tmp_path / "model"
    folder.mkdir()
    stats = BandStats(tuple(BANDS), (90.0, 91.0, 92.0), (50.0,) * 3, (0.0,) * 3, (199.0,) * 3)
    spec = SegmenterSpec("fake", {}, stats, legend.for_maps(), gsd_m=10.0, tile_px=8, scaling="none")
    save_segmenter(folder, spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
    made = Setup(folder)

    def open_runtime(stored: Any, **_: object) -> FakeRuntime:
        made.runtimes.append(FakeRuntime(stored.spec, made.stop_after))
        return made.runtimes[-1]

    monkeypatch.setattr(module, "open_runtime", open_runtime)
    return made


CONFIG = PredictConfig(tile_px=8, overlap_px=4, batch=2)
EXPECTED = np.where(VALID, IMAGE.argmax(axis=0), 255)


def _scene(write: WriteRaster, name: str = "scene.tif", **options: Any) -> Path:
    return write(name, IMAGE, **({"names": BANDS, "valid": VALID, "valid_as": "mask"} | options))


def _indices(path: Path) -> np.ndarray:
    with open_class_map(path) as opened:
        return opened.read(opened.grid.window)


def test_a_scene_becomes_its_class_map(setup: Setup, write_raster: WriteRaster, tmp_path: Path, legend: Legend):
    out = predict_scene(setup.folder, _scene(write_raster), tmp_path / "map.tif", CONFIG)
    assert np.array_equal(_indices(out), EXPECTED)
    with open_class_map(out) as opened:
        assert opened.legend == legend.for_maps()
        assert opened.provenance["runtime"] == "fake"
        assert opened.provenance["bands"] == BANDS
    assert not work_path(out).exists()
    beside = {p.name for p in side_cars(out).values()}
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif", "model", "scene.tif"} | beside


def test_invalid_pixels_reach_the_network_as_0(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    predict_scene(setup.folder, _scene(write_raster), tmp_path / "map.tif", PredictConfig(tile_px=16, overlap_px=0))
    assert setup.runtimes[0].batches[0][0, :, 2, 3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_a_killed_run_goes_on_with_the_same_batches_and_bytes(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, stop_after: int
):
    scene = _scene(write_raster)
    whole = predict_scene(setup.folder, scene, tmp_path / "whole.tif", CONFIG).read_bytes()
    setup.stop_after = stop_after
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, tmp_path / "map.tif", CONFIG)
    assert not (tmp_path / "map.tif").exists()
    setup.stop_after = None
    assert predict_scene(setup.folder, scene, tmp_path / "map.tif", CONFIG).read_bytes() == whole
    at_once, first, second = (r.batches for r in setup.runtimes)
    assert len(first) == stop_after
    assert len(at_once) == len(first) + len(second)
    assert all(np.array_equal(a, b) for a, b in zip(at_once, [*first, *second], strict=True))


def test_a_damaged_batch_is_predicted_again(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene, out = _scene(write_raster), tmp_path / "map.tif"
    setup.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, out, CONFIG)
    file = sorted(work_path(out).glob("batch-*.bin"))[1]
    file.write_bytes(file.read_bytes()[:-1])
    setup.stop_after = None
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, out, CONFIG)), EXPECTED)


def test_a_run_that_is_stopped_can_be_resumed(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    class Stopper(Notes):
        def raise_if_stopped(self) -> None:
            raise Interrupted("stop")

    scene, out = _scene(write_raster), tmp_path / "map.tif"
    with pytest.raises(Interrupted):
        predict_scene(setup.folder, scene, out, CONFIG, monitor=Stopper())
    assert len(list(work_path(out).glob("batch-*.bin"))) == 1
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, out, CONFIG)), EXPECTED)


def test_an_unfinished_run_of_another_configuration_is_refused(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene, out = _scene(write_raster), tmp_path / "map.tif"
    setup.stop_after = 1
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, out, CONFIG)
    setup.stop_after = None
    other = PredictConfig(tile_px=8, overlap_px=0, batch=2)
    with pytest.raises(ArtefactError, match=r"config\.overlap_px was 4, is 0"):
        predict_scene(setup.folder, scene, out, other)
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, out, other, overwrite=True)), EXPECTED)


def test_no_reading_thread_is_left_behind(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    setup.stop_after = 1
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / "map.tif", CONFIG)
    assert not [t for t in threading.enumerate() if t.name == "hectares-reader"]


def test_the_scene_is_never_the_target(setup: Setup, write_raster: WriteRaster):
    scene = _scene(write_raster)
    before = scene.read_bytes()
    with pytest.raises(ArtefactError, match="is an input"):
        predict_scene(setup.folder, scene, scene, CONFIG, overwrite=True)
    assert scene.read_bytes() == before


def test_an_existing_map_is_kept(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    (tmp_path / "map.tif").write_text("old")
    with pytest.raises(ArtefactError, match="exists already"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / "map.tif", CONFIG)
    assert (tmp_path / "map.tif").read_text() == "old"
    assert setup.runtimes == [] or not setup.runtimes[0].batches


# --- Bands, GSD, damage -----------------------------------------------------------------------------------


def test_bands_are_taken_by_name_whatever_their_order(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = write_raster("scene.tif", IMAGE[[2, 0, 1]], names=["c", "a", "b"], valid=VALID, valid_as="mask")
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)), EXPECTED)


def test_bands_with_numbers_for_names_are_taken_by_name(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, legend: Legend
):
    stats = BandStats(("3", "1", "2"), (90.0,) * 3, (50.0,) * 3)
    spec = SegmenterSpec("fake", {}, stats, legend.for_maps(), gsd_m=None, tile_px=8, scaling="none")
    folder = tmp_path / "numbered"
    folder.mkdir()
    save_segmenter(folder, spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
    scene = write_raster("scene.tif", IMAGE[[1, 2, 0]], names=["1", "2", "3"], valid=VALID, valid_as="mask")
    assert np.array_equal(_indices(predict_scene(folder, scene, tmp_path / "m.tif", CONFIG)), EXPECTED)
    turned = write_raster("turned.tif", IMAGE[[2, 0, 1]], names=["2", "3", "1"], valid=VALID, valid_as="mask")
    assert np.array_equal(_indices(predict_scene(folder, turned, tmp_path / "t.tif", CONFIG)), EXPECTED)


def test_missing_bands_are_refused_with_both_lists(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = write_raster("scene.tif", IMAGE[:2], names=["a", "x"])
    with pytest.raises(BandError, match=r"has no band b, c; it has a, x\. .*: 2 of 3 bands are not enough"):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)


def test_bidx_says_which_bands_are_meant(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = write_raster("scene.tif", IMAGE[[2, 0, 1]], names=["x", "y", "z"], valid=VALID, valid_as="mask")
    config = PredictConfig(tile_px=8, overlap_px=4, bidx="2,3,1")
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, tmp_path / "m.tif", config)), EXPECTED)
    with pytest.raises(BandError, match="--bidx names 2 bands, the segmenter takes 3"):
        predict_scene(setup.folder, scene, tmp_path / "n.tif", PredictConfig(bidx="1,2"))


def test_bands_without_names_are_taken_in_order_and_said_so(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    scene = write_raster("scene.tif", IMAGE, photometric="MINISBLACK", valid=VALID, valid_as="mask")
    out = predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG, monitor=notes)
    assert np.array_equal(_indices(out), EXPECTED)
    assert "they are taken in this order" in notes.problems[0].remedy


def test_another_gsd_is_refused_unless_allowed(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = _scene(write_raster, transform=Affine(1, 0, 5e5, 0, -1, 5e6))
    with pytest.raises(GsdError, match="has pixels of 1 m, the segmenter was trained on 10 m"):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)
    allowed = PredictConfig(tile_px=8, overlap_px=4, gsd_tolerance=0.9)
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, tmp_path / "m.tif", allowed)), EXPECTED)


def test_values_of_another_scale_are_noted(setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes):
    scene = write_raster("scene.tif", IMAGE.astype(np.uint16) * 50, names=BANDS)
    predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG, monitor=notes)
    assert sum("may be scaled differently" in p.remedy for p in notes.problems) == 3


def test_damaged_blocks_are_nodata_and_listed(setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes):
    image = RNG.integers(1, 200, (3, 96, 80), dtype=np.uint8)
    scene = write_raster(
        "scene.tif",
        image,
        names=BANDS,
        tiled=True,
        blockxsize=16,
        blockysize=16,
        compress="deflate",
        interleave="pixel",
    )
    content = bytearray(scene.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    scene.write_bytes(content)
    out = predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG, monitor=notes)
    found = _indices(out)
    assert np.array_equal(np.where(found == 255, 255, image.argmax(axis=0)), found)
    assert 0.2 < (found == 255).mean() < 0.8
    assert [p.severity for p in notes.problems] == ["incomplete"]
    assert "block(s) cannot be decoded, first at row" in notes.problems[0].what


def test_damage_that_a_killed_run_met_is_told_by_the_one_that_goes_on(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    image = RNG.integers(1, 200, (3, 96, 1200), dtype=np.uint8)  # the middle is looked at first, by every run
    scene = write_raster(
        "scene.tif", image, names=BANDS, tiled=True, blockxsize=16, blockysize=16, interleave="pixel", compress="lzw"
    )
    content = bytearray(scene.read_bytes())
    with rasterio.open(scene) as opened:
        first = int(opened.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content[first : first + 300] = b"\xff" * 300
    scene.write_bytes(content)
    out, config = tmp_path / "m.tif", PredictConfig(tile_px=96, overlap_px=4)
    setup.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, out, config)
    assert notes.problems == []
    setup.stop_after = None
    found = _indices(predict_scene(setup.folder, scene, out, config, monitor=notes))
    assert (found[0, 0], found[20, 20]) == (255, image[:, 20, 20].argmax())
    assert [p.what for p in notes.problems] == ["1 block(s) cannot be decoded, first at row 0, col 0"]


def test_values_that_are_not_finite_are_told_by_whoever_finishes_the_map(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    def logits(_: FakeRuntime, image: np.ndarray) -> np.ndarray:
        return np.where(image[:, :, :1, :1] == IMAGE[:, 0, 0].reshape(3, 1, 1), np.nan, image)  # the first tile

    monkeypatch.setattr(FakeRuntime, "logits", logits)
    scene, out, quiet = _scene(write_raster), tmp_path / "m.tif", Notes()
    for shard in ("2/2", "1/2"):
        predict_shard(setup.folder, scene, out, CONFIG, shard=shard, monitor=quiet if shard == "2/2" else Notes())
    assert quiet.problems == []
    assert _indices(predict_scene(setup.folder, scene, out, CONFIG, monitor=notes))[0, 0] == 255
    assert ["1 tile(s) gave values" in p.what for p in notes.problems] == [True]


def test_a_network_without_finite_values_is_refused_again(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(FakeRuntime, "logits", lambda _, image: image * np.nan)
    for _ in range(2):
        with pytest.raises(InputError, match="no finite value anywhere"):
            predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", CONFIG)


def test_scores_that_are_never_finite_are_refused(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(FakeRuntime, "logits", lambda _, image: image * np.nan)
    with pytest.raises(InputError, match="no finite value anywhere"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", CONFIG)
    assert not (tmp_path / "m.tif").exists()


def test_errors_of_the_reading_thread_surface(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def read(*_: object) -> None:
        raise RasterError("gone")

    scene = _scene(write_raster)
    monkeypatch.setattr("hectares.scale.setup.measure_drift", lambda *_: None)
    monkeypatch.setattr("hectares.io.rasters.raster.RasterFile.read", read)
    with pytest.raises(RasterError, match="gone"):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)


def test_the_map_carries_what_was_trained_on(setup: Setup, write_raster: WriteRaster, tmp_path: Path, legend: Legend):
    from hectares.io.artefact import sha256_file

    scene = _scene(write_raster)
    footprint = (
        {"scene": "s", "sha256": sha256_file(scene), "windows": [[0, 0, 8, 8]]},
        {"scene": "t", "sha256": "0", "windows": [[1, 1, 2, 2]]},
    )
    stats = BandStats(tuple(BANDS), (90.0,) * 3, (50.0,) * 3)
    spec = SegmenterSpec(
        "fake", {}, stats, legend.for_maps(), gsd_m=None, tile_px=8, scaling="none", footprint=footprint
    )
    (tmp_path / "seen").mkdir()
    save_segmenter(tmp_path / "seen", spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
    with open_class_map(predict_scene(tmp_path / "seen", scene, tmp_path / "m.tif", CONFIG)) as opened:
        assert opened.provenance["trained_on"] == [[0, 0, 8, 8]]


# --- Several scenes ---------------------------------------------------------------------------------------


def test_several_scenes_become_a_folder(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scenes = [_scene(write_raster, "a.tif"), _scene(write_raster, "b.tif")]
    outs = predict_scenes(setup.folder, scenes, tmp_path / "maps", CONFIG)
    assert outs == [tmp_path / "maps/a.tif", tmp_path / "maps/b.tif"]
    assert all(np.array_equal(_indices(out), EXPECTED) for out in outs)


def test_scenes_of_one_name_are_refused(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scenes = [_scene(write_raster, "x/a.tif"), _scene(write_raster, "y/a.tif")]
    with pytest.raises(ConfigError, match=r"several scenes would give .*a\.tif"):
        predict_scenes(setup.folder, scenes, tmp_path / "maps", CONFIG)


@pytest.mark.parametrize(
    ("out", "scores", "ways"),
    [("m.tif", None, "give --mosaic for one map of them all, or name a folder"), ("maps", "s.tif", "name a folder")],
)
def test_several_scenes_are_not_mapped_into_a_folder_with_the_name_of_a_file(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, out: str, scores: str | None, ways: str
):
    scenes = [_scene(write_raster, "a.tif"), _scene(write_raster, "b.tif")]
    beside = None if scores is None else tmp_path / scores
    with pytest.raises(ConfigError, match=rf"{scores or out}: has the name of a file, and .* 2 scenes; {ways}"):
        predict_scenes(setup.folder, scenes, tmp_path / out, CONFIG, scores=beside)
    assert not (tmp_path / out).exists()
    (tmp_path / "made.tif").mkdir()
    assert len(predict_scenes(setup.folder, scenes, tmp_path / "made.tif", CONFIG)) == 2


def test_a_bad_scene_does_not_stop_the_others(setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes):
    good = _scene(write_raster, "b.tif")
    bad = tmp_path / "a.tif"
    bad.write_bytes(b"")
    assert predict_scenes(setup.folder, [bad, good], tmp_path / "maps", CONFIG, monitor=notes) == [
        tmp_path / "maps/b.tif"
    ]
    problem = next(p for p in notes.problems if p.severity == "incomplete")
    assert "is empty (0 bytes)" in problem.what
    with pytest.raises(RasterError, match=r"none of the 2 scenes could be mapped; the first of them: .* is empty"):
        predict_scenes(setup.folder, [bad, bad.with_name("c.tif")], tmp_path / "maps", CONFIG, monitor=notes)


def test_a_bad_scene_alone_is_told_once(setup: Setup, tmp_path: Path, notes: Notes):
    (tmp_path / "a.tif").write_bytes(b"")
    (tmp_path / "maps").mkdir()
    with pytest.raises(RasterError, match="is empty"):
        predict_scenes(setup.folder, [tmp_path / "a.tif"], tmp_path / "maps", CONFIG, monitor=notes)
    assert notes.problems == []


@pytest.mark.parametrize("name", ["m.qml", "m.jpg", "m"])
def test_a_map_has_the_name_of_a_geotiff(setup: Setup, write_raster: WriteRaster, tmp_path: Path, name: str):
    with pytest.raises(ArtefactError, match=r"end its name in \.tif"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / name, CONFIG)


# --- Context ----------------------------------------------------------------------------------------------


def _spec(legend: Legend, context: int | None) -> SegmenterSpec:
    stats = BandStats(tuple(BANDS), (90.0,) * 3, (50.0,) * 3)
    return SegmenterSpec("fake", {}, stats, legend, gsd_m=None, tile_px=256, context_px=context)


@pytest.mark.parametrize(
    ("context", "config", "overlap"),
    [
        (40, PredictConfig(), 80),
        (5, PredictConfig(), 64),  # the tail of what a network sees adds up
        (0, PredictConfig(), 0),
        (None, PredictConfig(), 128),
        (400, PredictConfig(), 256),
        (40, PredictConfig(overlap_px=6), 6),
    ],
)
def test_tiles_overlap_by_twice_the_measured_context(
    legend: Legend, context: int | None, config: PredictConfig, overlap: int
):
    source = ArraySource(np.zeros((3, 1, 4000), np.uint8), Grid(None, Affine.identity(), (1, 4000)), BANDS)
    assert plan_tiles(source, [_spec(legend, context)], config, stride=1).overlap == overlap


def test_a_context_that_is_cut_is_noted(legend: Legend, notes: Notes):
    source = ArraySource(np.zeros((3, 1, 4000), np.uint8), Grid(None, Affine.identity(), (1, 4000)), BANDS)
    plan_tiles(source, [_spec(legend, 400)], PredictConfig(), stride=1, monitor=notes)
    assert [p.severity for p in notes.problems] == ["note"]
    assert "looks 400 px far, tiles of 1024 px give it 128 px" in notes.problems[0].what


def test_the_map_tells_context_and_overcompute(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    with open_class_map(predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", CONFIG)) as opened:
        assert opened.provenance["context_px"] == 2
        assert opened.provenance["overcompute"] == pytest.approx(3 * 3 * 8 * 8 / (13 * 16), abs=0.9)


# --- Scores, blending, several answers --------------------------------------------------------------------


def _softmax(image: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    raised = np.exp(image.astype(np.float64) / temperature)
    return raised / raised.sum(axis=0)


SMALL = (IMAGE % 5).astype(np.uint8)  # logits whose scores are neither 0 nor 1


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("blend", ["crop", "taper"])
def test_scores_lie_beside_the_map(setup: Setup, write_raster: WriteRaster, tmp_path: Path, kind: str, blend: str):
    scene = write_raster("scene.tif", SMALL, names=BANDS, valid=VALID, valid_as="mask")
    config = PredictConfig(tile_px=8, overlap_px=4, scores_type=kind, blend=blend)
    out = predict_scene(setup.folder, scene, tmp_path / "m.tif", config, scores=tmp_path / "s.tif")
    with rasterio.open(tmp_path / "s.tif") as opened:
        found, legend = opened.read(), opened.descriptions
        assert opened.crs is not None
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert opened.scales == ((1 / 250,) * 3 if kind == "uint8" else (1.0,) * 3)
        assert opened.nodata == 255 or np.isnan(opened.nodata)
    expected = _softmax(SMALL)
    tolerance = {"uint8": 0.5 / 250, "float32": 1e-6}[kind] + (1e-3 if blend == "taper" else 0)
    shares = found / (250 if kind == "uint8" else 1)
    assert np.abs(shares - expected)[:, VALID].max() <= tolerance
    assert ((found == 255) if kind == "uint8" else np.isnan(found))[:, ~VALID].all()
    assert np.array_equal(_indices(out), np.where(VALID, expected.argmax(axis=0), 255))
    assert legend == setup.runtimes[0].spec.legend.names
    assert not work_path(out).exists()


@pytest.mark.parametrize("options", [{"tta": "d4"}, {"tta": "flips", "mean": "geometric"}, {"blend": "taper"}])
def test_a_pointwise_network_gives_the_same_map_in_every_way(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, options: dict[str, Any]
):
    scene = write_raster("scene.tif", SMALL, names=BANDS, valid=VALID, valid_as="mask")
    out = predict_scene(setup.folder, scene, tmp_path / "m.tif", PredictConfig(tile_px=8, overlap_px=4, **options))
    found = _indices(out)
    best = np.take_along_axis(SMALL, np.where(found == 255, 0, found)[None].astype(int), 0)[0]
    assert np.array_equal(found == 255, ~VALID)
    assert np.array_equal(best[VALID], SMALL.max(axis=0)[VALID])  # of equals, any


@pytest.mark.parametrize("options", [{}, {"blend": "taper"}])
def test_a_killed_run_with_scores_goes_on_with_the_same_bytes(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, options: dict[str, Any]
):
    scene = write_raster("scene.tif", SMALL, names=BANDS, valid=VALID, valid_as="mask")
    config = PredictConfig(tile_px=8, overlap_px=4, **options)
    predict_scene(setup.folder, scene, tmp_path / "a.tif", config, scores=tmp_path / "a-s.tif")
    setup.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, tmp_path / "b.tif", config, scores=tmp_path / "b-s.tif")
    setup.stop_after = None
    predict_scene(setup.folder, scene, tmp_path / "b.tif", config, scores=tmp_path / "b-s.tif")
    for end in (".tif", "-s.tif"):
        assert (tmp_path / f"a{end}").read_bytes() == (tmp_path / f"b{end}").read_bytes()


def test_a_run_killed_between_scores_and_map_goes_on(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scene, out, scores = _scene(write_raster), tmp_path / "m.tif", tmp_path / "s.tif"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(finishing, "save_class_blocks", stop)
        with pytest.raises(KeyboardInterrupt):
            predict_scene(setup.folder, scene, out, CONFIG, scores=scores)
    assert scores.exists()
    predict_scene(setup.folder, scene, out, CONFIG, scores=scores)
    assert np.array_equal(_indices(out), EXPECTED)
    with pytest.raises(ArtefactError, match="exists already"):
        predict_scene(setup.folder, scene, out, CONFIG, scores=scores)


def test_a_run_killed_right_after_the_map_was_placed_is_finished(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    scene = _scene(write_raster)
    with monkeypatch.context() as patched:
        patched.setattr(module.Journal, "close", stop)
        with pytest.raises(KeyboardInterrupt):
            predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)
    assert work_path(tmp_path / "m.tif").exists()
    predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)
    assert not work_path(tmp_path / "m.tif").exists()


def test_scores_of_another_run_are_kept(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scores = tmp_path / "s.tif"
    scores.write_text("old")
    with pytest.raises(ArtefactError, match=r"s\.tif: exists already"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", CONFIG, scores=scores)
    assert scores.read_text() == "old"


def test_the_stored_temperature_makes_scores_honest(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    amend_segmenter(find_segmenter(setup.folder), calibration={"temperature": 2.0})
    scene = write_raster("scene.tif", SMALL, names=BANDS)
    config = PredictConfig(tile_px=8, overlap_px=4, scores_type="float32")
    predict_scene(setup.folder, scene, tmp_path / "m.tif", config, scores=tmp_path / "s.tif")
    with rasterio.open(tmp_path / "s.tif") as opened:
        assert np.allclose(opened.read(), _softmax(SMALL, 2.0), atol=1e-6)


@pytest.mark.parametrize("blend", ["crop", "taper"])
def test_what_is_unsure_is_a_class_of_its_own(setup: Setup, write_raster: WriteRaster, tmp_path: Path, blend: str):
    scene = write_raster("scene.tif", SMALL, names=BANDS, valid=VALID, valid_as="mask")
    config = PredictConfig(tile_px=8, overlap_px=4, unsure=0.6, blend=blend)
    scores = _softmax(SMALL)
    expected = np.where(scores.max(axis=0) < 0.6, 3, scores.argmax(axis=0))
    with open_class_map(predict_scene(setup.folder, scene, tmp_path / "m.tif", config)) as opened:
        assert opened.legend.names[3] == "unsure"
        assert np.array_equal(opened.read(opened.grid.window), np.where(VALID, expected, 255))


def test_runs_vote_together(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = write_raster("scene.tif", SMALL, names=BANDS)
    other = shutil.copytree(setup.folder, tmp_path / "other")
    amend_segmenter(find_segmenter(other), calibration={"temperature": 4.0})
    config = PredictConfig(tile_px=8, overlap_px=4, with_=(str(other),), scores_type="float32")
    predict_scene(setup.folder, scene, tmp_path / "m.tif", config, scores=tmp_path / "s.tif")
    with rasterio.open(tmp_path / "s.tif") as opened:
        assert np.allclose(opened.read(), (_softmax(SMALL) + _softmax(SMALL, 4.0)) / 2, atol=1e-6)


def test_runs_of_other_classes_or_bands_do_not_vote(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    for name, names, legend, message in (
        ("classes", BANDS, Legend.of({1: "x", 2: "y", 3: "z"}), "has the classes 1 x, 2 y, 3 z, not"),
        ("bands", ["a", "b", "d"], setup_legend(setup), "takes the bands a, b, d, not a, b, c"),
    ):
        stats = BandStats(tuple(names), (90.0,) * 3, (50.0,) * 3)
        spec = SegmenterSpec("fake", {}, stats, legend, gsd_m=None, tile_px=8, scaling="none")
        (tmp_path / name).mkdir()
        save_segmenter(tmp_path / name, spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
        config = PredictConfig(with_=(str(tmp_path / name),))
        with pytest.raises(ArtefactError, match=message):
            predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", config)


# --- Areas ------------------------------------------------------------------------------------------------

OFFSETS = (-1.53, 0.47, 1.06)


def _with_offsets(folder: Path, offsets: tuple[float, ...] = OFFSETS, **calibration: Any) -> Path:
    names = find_segmenter(folder).spec.legend.names
    record = {"area_offsets": dict(zip(names, offsets, strict=True))} | calibration
    amend_segmenter(find_segmenter(folder), calibration=record)
    return folder


def _by_area(scores: np.ndarray, offsets: tuple[float, ...] = OFFSETS) -> np.ndarray:
    return (np.log(scores) + np.array(offsets)[:, None, None]).argmax(axis=0)


@pytest.mark.parametrize(("blend", "tta"), [("crop", "none"), ("taper", "none"), ("crop", "flips")])
def test_decided_by_area_offsets_shift_the_log_scores_and_scores_stay_as_they_are(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, blend: str, tta: str
):
    _with_offsets(setup.folder, temperature=2.0)
    scene = write_raster("scene.tif", SMALL, names=BANDS, valid=VALID, valid_as="mask")
    config = PredictConfig(tile_px=8, overlap_px=4, decide="area", blend=blend, tta=tta, scores_type="float32")
    made = predict_scene(setup.folder, scene, tmp_path / "m.tif", config, scores=tmp_path / "s.tif")
    scores = _softmax(SMALL, 2.0)
    expected = np.where(VALID, _by_area(scores), 255)
    assert not np.array_equal(expected, np.where(VALID, SMALL.argmax(axis=0), 255))
    assert np.array_equal(_indices(made), expected)
    with open_class_map(made) as opened:
        assert opened.provenance["config"]["decide"] == "area"
        assert sorted(opened.provenance["area_offsets"].values()) == list(OFFSETS)
    with rasterio.open(tmp_path / "s.tif") as opened:
        assert np.allclose(opened.read()[:, VALID], scores[:, VALID], atol=1e-3)


def test_offsets_of_several_runs_are_averaged_and_that_is_noted(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    scene = write_raster("scene.tif", SMALL, names=BANDS)
    other = _with_offsets(shutil.copytree(setup.folder, tmp_path / "other"), (2.0, 0.0, -2.01))
    _with_offsets(setup.folder)
    config = PredictConfig(tile_px=8, overlap_px=4, with_=(str(other),), decide="area")
    made = predict_scene(setup.folder, scene, tmp_path / "m.tif", config, monitor=notes)
    assert np.array_equal(_indices(made), _by_area(_softmax(SMALL), (0.235, 0.235, -0.475)))
    assert ["answers of each run alone" in p.what for p in notes.problems if p.where == "--decide area"] == [
        True,
        False,
    ]


def test_offsets_that_did_not_help_on_other_chips_are_noted(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    scene = _scene(write_raster)
    for name, area in (("worse", 0.2), ("better", 0.05)):
        halves = {"every other chip": {"misplaced": {"argmax": 0.1, "area": area}}}
        _with_offsets(setup.folder, area={"crossed": halves})
        config = PredictConfig(tile_px=8, overlap_px=4, decide="area")
        predict_scene(setup.folder, scene, tmp_path / f"{name}.tif", config, monitor=notes)
    told = [p.what for p in notes.problems if p.where == "--decide area"]
    assert ["nearer to the reference" in what for what in told] == [True]


def test_without_offsets_a_run_cannot_decide_by_area(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    with pytest.raises(ArtefactError, match=r"model: holds no area offsets"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", PredictConfig(decide="area"))
    assert not (tmp_path / "m.tif").exists()


def test_what_is_unsure_has_no_area():
    with pytest.raises(ConfigError, match="--unsure takes some away"):
        PredictConfig(decide="area", unsure=0.6)


def test_an_unfinished_run_of_another_decision_is_refused(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    _with_offsets(setup.folder)
    scene, setup.stop_after = _scene(write_raster), 2
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", CONFIG)
    with pytest.raises(ArtefactError, match=r"config\.decide was 'argmax', is 'area'"):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", replace(CONFIG, decide="area"))


def setup_legend(setup: Setup) -> Legend:
    return find_segmenter(setup.folder).spec.legend


def test_a_mean_of_one_answer_is_refused():
    with pytest.raises(ConfigError, match="--mean is that of several scores"):
        PredictConfig(mean="geometric")


# --- Area of interest -------------------------------------------------------------------------------------


def _polygon(path: Path, grid: Grid, window: Window) -> Path:
    left, top = grid.transform @ (window.col, window.row)
    right, bottom = grid.transform @ (window.col_end, window.row_end)
    layer = VectorLayer(grid.crs, (shapely.box(left, bottom, right, top),), {"name": ("park",)})
    write_layer(path, layer.to_crs("EPSG:4326"), name="park", overwrite=False)
    return path


@pytest.mark.parametrize("blend", ["crop", "taper"])
def test_only_the_area_of_interest_is_mapped(setup: Setup, write_raster: WriteRaster, tmp_path: Path, blend: str):
    scene = _scene(write_raster)
    with open_raster(scene) as opened:
        aoi = _polygon(tmp_path / "park.gpkg", opened.grid, Window(1, 2, 5, 4))
    config = PredictConfig(tile_px=8, overlap_px=0, aoi=f"{aoi}:park", blend=blend)
    out = predict_scene(setup.folder, scene, tmp_path / "m.tif", config)
    inside = np.zeros(SHAPE, bool)
    inside[1:6, 2:6] = True
    assert np.array_equal(_indices(out), np.where(inside, EXPECTED, 255))
    assert len(setup.runtimes[0].batches) == 1  # the other tiles are not even read
    with open_class_map(out) as opened:
        assert opened.provenance["config"]["aoi"] == "park.gpkg:park"


def test_an_area_elsewhere_is_refused(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = _scene(write_raster)
    with open_raster(scene) as opened:
        aoi = _polygon(tmp_path / "park.gpkg", opened.grid, Window(900, 2, 5, 4))
    with pytest.raises(VectorError, match="covers no pixel of"):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", PredictConfig(aoi=str(aoi)))


# --- The plan ---------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene = _scene(write_raster)
    before = sorted(tmp_path.rglob("*"))
    found = plan_scene(setup.folder, scene, PredictConfig(tile_px=8, overlap_px=4, tta="flips"), with_scores=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert found["scene"] == {"height_px": 13, "width_px": 16}
    assert found["passes"] == 4
    assert found["tiles"]["count"] == found["batches"]
    assert found["tiles"]["context_px"] == 2
    assert found["runtime"] == "fake"
    assert found["decide"] == "argmax"
    assert min(found["peak_memory_mib"], found["seconds_a_batch"] + 1, found["minutes"] + 1) > 0


# --- Odd scenes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (17, 13), (8, 9)])
@pytest.mark.parametrize("blend", ["crop", "taper"])
def test_a_scene_of_any_size_gives_a_map_of_that_size(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, shape: tuple[int, int], blend: str
):
    image = np.random.default_rng(5).integers(0, 200, (3, *shape), dtype=np.uint8)
    config = replace(CONFIG, blend=blend, tile_px=64)
    out = predict_scene(setup.folder, write_raster("scene.tif", image, names=BANDS), tmp_path / "map.tif", config)
    assert np.array_equal(_indices(out), image.argmax(axis=0))


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 500_120, 0, 10, 4_990_000),
        Affine(-10, 0, 500_120, 0, -10, 5_000_370),
        UTM @ Affine.rotation(30),
        UTM @ Affine.shear(10, 0),
    ],
    ids=["south-up", "mirrored", "rotated", "sheared"],
)
def test_a_map_lies_where_its_scene_lies_however_that_is_turned(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, transform: Affine
):
    out = predict_scene(setup.folder, _scene(write_raster, transform=transform), tmp_path / "map.tif", CONFIG)
    with open_raster(out) as opened:
        assert opened.grid.transform.almost_equals(transform, 1e-6)
    assert np.array_equal(_indices(out), EXPECTED)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"<html><body>404</body></html>"]
)
def test_what_is_no_image_is_refused_and_nothing_is_left(setup: Setup, tmp_path: Path, content: bytes):
    (tmp_path / "scene.tif").write_bytes(content)
    with pytest.raises(RasterError, match=r"scene\.tif"):
        predict_scene(setup.folder, tmp_path / "scene.tif", tmp_path / "out" / "map.tif", CONFIG)
    assert not [path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".hectares-lock")]


def test_a_mask_beside_the_scene_is_told_of(setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes):
    scene = _scene(write_raster)
    scene.with_name("scene.tif.msk").touch()
    predict_scene(setup.folder, scene, tmp_path / "map.tif", CONFIG, monitor=notes)
    assert [p.what for p in notes.problems if p.where.endswith(".msk")] == ["a mask beside the image is not read"]


# --- Shards -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2]])
@pytest.mark.parametrize("blend", ["crop", "taper"])
def test_shards_in_any_order_give_the_bytes_of_one_process(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, order: list[int], blend: str
):
    scene = write_raster("scene.tif", SMALL, names=BANDS, valid=VALID, valid_as="mask")
    config = PredictConfig(tile_px=8, overlap_px=4, blend=blend)
    predict_scene(setup.folder, scene, tmp_path / "a.tif", config, scores=tmp_path / "a-s.tif")
    passes = len(setup.runtimes[0].batches)
    out, scores = tmp_path / "b.tif", tmp_path / "b-s.tif"
    for number in order:
        predict_shard(setup.folder, scene, out, config, shard=f"{number}/3", scores=scores)
    assert not out.exists()
    assert sum(len(r.batches) for r in setup.runtimes[1:]) == passes
    predict_scene(setup.folder, scene, out, config, scores=scores)
    assert not setup.runtimes[-1].batches
    assert out.read_bytes() == (tmp_path / "a.tif").read_bytes()
    assert scores.read_bytes() == (tmp_path / "a-s.tif").read_bytes()


def test_what_no_shard_did_is_done_at_the_end(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene, out = _scene(write_raster), tmp_path / "m.tif"
    predict_shard(setup.folder, scene, out, CONFIG, shard="2/2")
    assert np.array_equal(_indices(predict_scene(setup.folder, scene, out, CONFIG)), EXPECTED)
    assert 0 < len(setup.runtimes[-1].batches) < len(setup.runtimes[0].batches) + len(setup.runtimes[-1].batches)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", "-1/3", "0/0"])
def test_a_shard_that_is_none_is_refused_before_anything_is_made(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, shard: str
):
    scene, before = _scene(write_raster), sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="shard"):
        predict_shard(setup.folder, scene, tmp_path / "new" / "m.tif", CONFIG, shard=shard)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_what_another_configuration_left_is_discarded(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene, out = _scene(write_raster), tmp_path / "m.tif"
    predict_shard(setup.folder, scene, out, CONFIG, shard="1/2")
    begun = sorted(p.name for p in work_path(out).iterdir())
    discard_leftovers(setup.folder, [scene], out, CONFIG)
    assert sorted(p.name for p in work_path(out).iterdir()) == begun
    other = replace(CONFIG, batch=3)
    discard_leftovers(setup.folder, [scene], out, other)
    assert [p.name for p in work_path(out).iterdir()] == ["header.json"]
    predict_shard(setup.folder, scene, out, other, shard="1/2")
    discard_leftovers(setup.folder, [tmp_path / "none.tif"], out, CONFIG)
    discard_leftovers(setup.folder, [scene], tmp_path / "n.tif", CONFIG)
    assert [p.name for p in tmp_path.glob(".hectares*")] == [work_path(out).name]


def test_a_shard_of_another_configuration_is_refused(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene, out = _scene(write_raster), tmp_path / "m.tif"
    predict_shard(setup.folder, scene, out, CONFIG, shard="1/2")
    with pytest.raises(ArtefactError, match="another configuration"):
        predict_shard(setup.folder, scene, out, PredictConfig(tile_px=8, overlap_px=0, batch=2), shard="2/2")


@pytest.mark.parametrize("changed", ["scene.tfw", "park.prj"])
def test_a_place_that_was_corrected_meanwhile_is_not_mixed_with_the_old_one(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, changed: str
):
    config, place, other = CONFIG, "10\n0\n0\n-10\n500005\n4999995\n", "10\n0\n0\n-10\n500015\n4999995\n"
    if changed == "park.prj":
        scene = _scene(write_raster)
        polygon = shapely.to_wkb(np.array([shapely.box(500000, 4999000, 500220, 5001000)]))
        pyogrio.raw.write(tmp_path / "park.shp", polygon, [], [], geometry_type="Polygon", crs="EPSG:32633")
        config = replace(CONFIG, aoi=str(tmp_path / "park.shp"))
        place, other = (CRS.from_epsg(code).to_wkt("WKT1_ESRI") for code in (32633, 23033))
    else:
        scene = _scene(write_raster, crs=None, transform=None)
    (tmp_path / changed).write_text(place)
    predict_shard(setup.folder, scene, tmp_path / "m.tif", config, shard="1/2")
    (tmp_path / changed).write_text(other)
    with pytest.raises(ArtefactError, match="another configuration lies here"):
        predict_scene(setup.folder, scene, tmp_path / "m.tif", config)


def test_a_bad_scene_does_not_stop_the_shards_of_the_others(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes
):
    (tmp_path / "bad.tif").write_text("no raster")
    scenes = [tmp_path / "bad.tif", _scene(write_raster)]
    predict_shards(setup.folder, scenes, tmp_path / "maps", CONFIG, shard="1/1", monitor=notes)
    assert [(p.where, p.severity) for p in notes.problems] == [(str(scenes[0]), "incomplete")]
    assert work_path(tmp_path / "maps" / "scene.tif").is_dir()


def test_each_run_that_votes_is_asked_for_its_gsd(
    setup: Setup, write_raster: WriteRaster, tmp_path: Path, legend: Legend
):
    spec = replace(find_segmenter(setup.folder).spec, gsd_m=1.0)
    (tmp_path / "other").mkdir()
    head = stamp("segmenter", config={}, inputs={})
    save_segmenter(tmp_path / "other", spec, {"w": np.ones(1, np.float32)}, head)
    config = replace(CONFIG, with_=(str(tmp_path / "other"),))
    with pytest.raises(GsdError, match="was trained on 1 m"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / "m.tif", config)


@pytest.mark.parametrize("name", ["map.tif", "scores.tif"])
def test_a_folder_is_no_target(setup: Setup, write_raster: WriteRaster, tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    scene = _scene(write_raster)
    with pytest.raises(ArtefactError, match="is a folder; expected the name of a file"):
        predict_scene(setup.folder, scene, tmp_path / "map.tif", CONFIG, scores=tmp_path / "scores.tif", overwrite=True)
    assert setup.runtimes == []


def test_a_file_that_came_while_a_run_was_stopped_is_kept(setup: Setup, write_raster: WriteRaster, tmp_path: Path):
    scene, out = _scene(write_raster), tmp_path / "m.tif"
    setup.stop_after = 1
    with pytest.raises(KeyboardInterrupt):
        predict_scene(setup.folder, scene, out, CONFIG)
    out.write_text("not a map")
    with pytest.raises(ArtefactError, match="exists already"):
        predict_scene(setup.folder, scene, out, CONFIG)
    assert out.read_text() == "not a map"
