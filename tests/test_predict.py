"""Segmenter and scene to class map. The network is a plain function; torch has no part in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from factory import Notes, WriteRaster
from hectares import predict as module
from hectares.config.predict import PredictConfig
from hectares.core.bands import BandStats
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.scene import ArraySource
from hectares.core.spec import SegmenterSpec
from hectares.core.window import Tiling
from hectares.errors import ArtefactError, BandError, ConfigError, GsdError, InputError, Interrupted, RasterError
from hectares.io.artefact import stamp
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.io.segmenter import save_segmenter
from hectares.predict import predict_scene, predict_scenes, predict_tiles

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
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.qml", "map.tif", "model", "scene.tif"]


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
    with pytest.raises(BandError, match=r"has no band b, c; it has a, x\. .*--bidx"):
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
    monkeypatch.setattr("hectares.io.scene_contract._compare_values", lambda *_: None)
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


def test_a_bad_scene_does_not_stop_the_others(setup: Setup, write_raster: WriteRaster, tmp_path: Path, notes: Notes):
    good = _scene(write_raster, "b.tif")
    bad = tmp_path / "a.tif"
    bad.write_bytes(b"")
    assert predict_scenes(setup.folder, [bad, good], tmp_path / "maps", CONFIG, monitor=notes) == [
        tmp_path / "maps/b.tif"
    ]
    problem = next(p for p in notes.problems if p.severity == "incomplete")
    assert "is empty (0 bytes)" in problem.what
    with pytest.raises(RasterError, match="is empty"):
        predict_scenes(setup.folder, [bad, bad.with_name("c.tif")], tmp_path / "maps", CONFIG, monitor=notes)


@pytest.mark.parametrize("name", ["m.qml", "m.png", "m"])
def test_a_map_has_the_name_of_a_geotiff(setup: Setup, write_raster: WriteRaster, tmp_path: Path, name: str):
    with pytest.raises(ArtefactError, match=r"end its name in \.tif"):
        predict_scene(setup.folder, _scene(write_raster), tmp_path / name, CONFIG)
