"""Batches without an answer are left out, listed, and told by the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory import Notes, WriteRaster
from hectares.assemble import assemble_shards
from hectares.config.predict import PredictConfig
from hectares.config.verify import VerifyConfig
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.io.journal import Journal, give_up
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.predict import predict_scene, predict_scenes, predict_shard
from hectares.verify import verify_file
from plain_runtime import BANDS, PlainRuntime, PlainSegmenter, plain_segmenter

SHAPE = (24, 36)
IMAGE = np.random.default_rng(5).integers(1, 200, (3, *SHAPE), dtype=np.uint8)
CONFIG = PredictConfig(tile_px=12, overlap_px=0)
GIVEN_UP = {"windows": [[0, 24, 12, 12]], "of": 6, "how": "3 processes that computed it were killed by signal 9"}


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, legend: Legend) -> PlainSegmenter:
    return plain_segmenter(monkeypatch, tmp_path / "model", legend, stride=1)


@pytest.fixture
def scene(write_raster: WriteRaster) -> Path:
    """Give a scene of 2 x 3 tiles, the last of which is empty."""
    valid = np.ones(SHAPE, bool)
    valid[12:, 24:] = False
    return write_raster("scene.tif", IMAGE, names=BANDS, valid=valid, valid_as="mask")


def _read(path: Path) -> tuple[np.ndarray, Any]:
    with open_class_map(path) as opened:
        return opened.read(Window(0, 0, *SHAPE)), opened.provenance.get("gaps")


def _expected(*windows: Window) -> np.ndarray:
    indices = IMAGE.argmax(axis=0).astype(np.uint8)
    for window in (Window(12, 24, 12, 12), *windows):
        indices[window.slices] = 255
    return indices


def _begin(segmenter: PlainSegmenter, scene: Path, out: Path, scores: Path | None = None) -> Path:
    """Compute a part, so that a journal is there."""
    predict_shard(segmenter.folder, scene, out, CONFIG, shard="1/6", scores=scores)
    return work_path(out)


def _failing(monkeypatch: pytest.MonkeyPatch, *tiles: tuple[int, int]) -> None:
    """Let the network fail on the tiles that begin at some rows and columns."""
    firsts = [IMAGE[:, row, col] for row, col in tiles]

    def logits(self: PlainRuntime, image: np.ndarray) -> np.ndarray:
        self.shapes.append(image.shape)
        if any((one[:, 0, 0] == first).all() for one in image for first in firsts):
            raise RuntimeError("no such kernel")
        return image

    monkeypatch.setattr(PlainRuntime, "logits", logits)


def test_a_batch_that_was_given_up_is_nodata_and_told_with_its_place(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, notes: Notes
):
    out = tmp_path / "m.tif"
    give_up(_begin(segmenter, scene, out, tmp_path / "s.tif"), 2, GIVEN_UP)
    predict_scene(segmenter.folder, scene, out, CONFIG, scores=tmp_path / "s.tif", monitor=notes)
    indices, gaps = _read(out)
    assert np.array_equal(indices, _expected(Window(0, 24, 12, 12)))
    assert gaps == [{"why": "fatal", "count": 1, "windows": [[0, 24, 12, 12]]}]
    (told,) = [p for p in notes.problems if p.severity == "incomplete"]
    assert told.where == str(scene)
    assert told.what.startswith("rows 0 to 12, cols 24 to 36 (around longitude ")
    assert told.what.endswith("was left out: 3 processes that computed it were killed by signal 9")
    assert "with --overwrite tries it again" in told.remedy


def test_a_kept_map_tells_its_gaps_again_and_overwrite_fills_them(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, write_raster: WriteRaster, notes: Notes
):
    other = write_raster("other.tif", IMAGE, names=BANDS)
    (tmp_path / "maps").mkdir()
    out = tmp_path / "maps" / "scene.tif"
    give_up(_begin(segmenter, scene, out), 2, GIVEN_UP)
    predict_scenes(segmenter.folder, [scene, other], out.parent, CONFIG)
    before, computed = out.read_bytes(), segmenter.batches
    predict_scenes(segmenter.folder, [scene, other], out.parent, CONFIG, monitor=notes)
    assert (out.read_bytes(), segmenter.batches) == (before, computed)
    assert [(p.where, p.severity) for p in notes.problems] == [(str(out), "incomplete")]
    assert "1 window(s) ended each process that computed them, first at row 0, col 24" in notes.problems[0].what
    predict_scene(segmenter.folder, scene, out, CONFIG, overwrite=True)
    assert np.array_equal(_read(out)[0], _expected())
    assert _read(out)[1] is None


def test_a_map_with_gaps_that_was_killed_while_it_was_placed_is_finished(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    out = tmp_path / "m.tif"
    give_up(_begin(segmenter, scene, out, tmp_path / "s.tif"), 2, GIVEN_UP)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "close", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            predict_scene(segmenter.folder, scene, out, CONFIG, scores=tmp_path / "s.tif")
    before = out.read_bytes()
    predict_scene(segmenter.folder, scene, out, CONFIG, scores=tmp_path / "s.tif", monitor=notes)
    assert out.read_bytes() == before
    assert not work_path(out).exists()
    assert [p.where for p in notes.problems if p.severity == "incomplete"] == [str(out)]


def test_shards_do_not_try_what_was_given_up(segmenter: PlainSegmenter, scene: Path, tmp_path: Path):
    out = tmp_path / "m.tif"
    give_up(_begin(segmenter, scene, out), 2, GIVEN_UP)
    before = segmenter.batches
    predict_shard(segmenter.folder, scene, out, CONFIG, shard="2/2")
    predict_shard(segmenter.folder, scene, out, CONFIG, shard="1/2")
    assert segmenter.batches == before + 3


def test_a_tile_that_the_network_fails_on_is_left_out_alone(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    _failing(monkeypatch, (0, 12))
    config = PredictConfig(tile_px=12, overlap_px=0, batch=3)
    out = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", config, monitor=notes)
    indices, gaps = _read(out)
    assert np.array_equal(indices, _expected(Window(0, 12, 12, 12)))
    assert gaps == [{"why": "raised", "count": 1, "windows": [[0, 12, 12, 12]]}]
    (told,) = [p.what for p in notes.problems if p.severity == "incomplete"]
    assert "cols 12 to 24" in told
    assert told.endswith("the network failed on it (RuntimeError: no such kernel)")


def test_shards_put_together_tell_what_each_of_them_left_out(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    _failing(monkeypatch, (0, 12))
    whole = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG).read_bytes()
    shards = [tmp_path / f"{n}.shard" for n in (1, 2)]
    for n, shard in enumerate(shards, start=1):
        predict_shard(segmenter.folder, scene, shard, CONFIG, shard=f"{n}/2")
    assert assemble_shards(shards, tmp_path / "a.tif", monitor=notes).read_bytes() == whole
    assert ["cols 12 to 24" in p.what for p in notes.problems] == [True]


@pytest.mark.parametrize("tiles", [[(0, 0), (0, 12), (0, 24)], [(0, 0), (0, 12), (0, 24), (12, 0), (12, 12)]])
def test_a_network_that_fails_often_is_no_fault_of_tiles(
    segmenter: PlainSegmenter,
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiles: list[tuple[int, int]],
):
    _failing(monkeypatch, *tiles)
    with pytest.raises(RuntimeError, match="no such kernel"):
        predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG)
    assert not (tmp_path / "m.tif").exists()


def test_a_network_that_never_answers_is_no_fault_of_tiles(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _failing(monkeypatch, (0, 0), (12, 0))
    config = PredictConfig(tile_px=12, overlap_px=0, batch=3)
    with pytest.raises(RuntimeError, match="no such kernel"):
        predict_scene(segmenter.folder, scene, tmp_path / "m.tif", config)


def test_verify_tells_gaps_and_does_not_try_them(
    segmenter: PlainSegmenter, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _failing(monkeypatch, (0, 12))
    out = predict_scene(segmenter.folder, scene, tmp_path / "m.tif", CONFIG)
    monkeypatch.setattr("hectares.verify.open_runtime", lambda stored, **_: PlainRuntime(stored.spec))
    found = verify_file(out, VerifyConfig(windows=6))
    assert found.is_proven, found.mismatches
    assert "the map has gaps: 1 window(s) made the network fail, first at row 0, col 12" in found.unproven
    assert any("5 of 6 windows" in said and "all pixels are the same" in said for said in found.agrees)
