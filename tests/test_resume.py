"""A prediction that was stopped or killed goes on, and gives the bytes of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from affine import Affine

from hectares.config.predict import PredictConfig
from hectares.core.bands import BandStats
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, Interrupted
from hectares.io.artefact import stamp
from hectares.io.rasters.map_files import side_cars
from hectares.io.rasters.scene_file import write_scene
from hectares.io.segmenter import save_segmenter
from hectares.monitor import QuietMonitor
from hectares.predict import predict_scene, predict_scenes

torch = pytest.importorskip("torch")

CONFIG = PredictConfig(tile_px=64, overlap_px=16, device="cpu")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import weights_of

    folder = tmp_path_factory.mktemp("model") / "segmenter"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network("unet-elu", {"width": 2}, bands=2, classes=3)
    stats = BandStats(("a", "b"), (100.0, 50.0), (40.0, 20.0))
    legend = Legend.of({1: "x", 2: "y", 7: "z"}).for_maps()
    spec = SegmenterSpec("unet-elu", {"width": 2}, stats, legend, 2.0, 32)
    save_segmenter(folder, spec, weights_of(network), stamp("segmenter", config={}, inputs={}))
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    grid = Grid("EPSG:32633", Affine(2, 0, 500_000, 0, -2, 5_000_000), (230, 310))
    image = np.random.default_rng(1).integers(1, 255, (2, *grid.shape), dtype=np.uint8)
    image[:, 40:90, 120:200] = 0
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    write_scene(path, image, grid, ("a", "b"), nodata=0, overwrite=False)
    return path


@pytest.fixture(scope="module")
def undisturbed(segmenter, scene, tmp_path_factory):
    return predict_scene(segmenter, scene, tmp_path_factory.mktemp("map") / "map.tif", CONFIG).read_bytes()


class StopAfter(QuietMonitor):
    """Asks to stop after a number of batches; counts those that were computed."""

    def __init__(self, batches):
        self.left = batches
        self.seen = []

    def progress(self, stage, done, total, note=""):
        if stage == "predicting":
            self.seen.append(done)

    def raise_if_stopped(self):
        self.left -= 1
        if self.left <= 0:
            raise Interrupted("stopped")


@pytest.mark.parametrize("batches", [1, 5, 11])
def test_a_stopped_prediction_goes_on_where_it_stood(segmenter, scene, undisturbed, tmp_path, batches):
    target = tmp_path / "map.tif"
    with pytest.raises(Interrupted):
        predict_scene(segmenter, scene, target, CONFIG, monitor=StopAfter(batches))
    assert not target.exists()
    watcher = StopAfter(10**6)
    predict_scene(segmenter, scene, target, CONFIG, monitor=watcher)
    assert watcher.seen[0] == batches
    assert target.read_bytes() == undisturbed
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif"} | {p.name for p in side_cars(target).values()}


def test_a_damaged_batch_is_computed_again(segmenter, scene, undisturbed, tmp_path):
    target = tmp_path / "map.tif"
    with pytest.raises(Interrupted):
        predict_scene(segmenter, scene, target, CONFIG, monitor=StopAfter(6))
    damaged = tmp_path / ".hectares-map.tif" / "batch-0000002.bin"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    watcher = StopAfter(10**6)
    predict_scene(segmenter, scene, target, CONFIG, monitor=watcher)
    assert watcher.seen[0] == 5
    assert target.read_bytes() == undisturbed


def test_another_configuration_is_refused_with_the_difference(segmenter, scene, tmp_path):
    target = tmp_path / "map.tif"
    with pytest.raises(Interrupted):
        predict_scene(segmenter, scene, target, CONFIG, monitor=StopAfter(2))
    other = PredictConfig(tile_px=64, overlap_px=24, device="cpu")
    with pytest.raises(ArtefactError, match=r"config\.overlap_px was 16, is 24"):
        predict_scene(segmenter, scene, target, other)
    predict_scene(segmenter, scene, target, other, overwrite=True)


def test_a_failed_overwrite_keeps_the_old_map(segmenter, scene, undisturbed, tmp_path):
    target = predict_scene(segmenter, scene, tmp_path / "map.tif", CONFIG)
    other = PredictConfig(tile_px=96, overlap_px=16, device="cpu")
    with pytest.raises(Interrupted):
        predict_scene(segmenter, scene, target, other, overwrite=True, monitor=StopAfter(1))
    assert target.read_bytes() == undisturbed


def test_several_scenes_go_on_with_those_that_are_missing(segmenter, scene, undisturbed, tmp_path):
    second = tmp_path / "second.tif"
    second.write_bytes(scene.read_bytes())
    out = tmp_path / "maps"
    with pytest.raises(Interrupted):
        predict_scenes(segmenter, [scene, second], out, CONFIG, monitor=StopAfter(40))
    assert (out / "scene.tif").exists()
    first_written = (out / "scene.tif").stat().st_mtime_ns
    predict_scenes(segmenter, [scene, second], out, CONFIG)
    assert (out / "scene.tif").stat().st_mtime_ns == first_written
    assert (out / "scene.tif").read_bytes() == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 6)])
def test_the_command_survives_signals(segmenter, scene, undisturbed, tmp_path, number, code):
    line = [sys.executable, "-m", "hectares", "predict", str(segmenter), str(scene), str(tmp_path / "map.tif"), "-q"]
    line += ["--tile-px", "64", "--overlap-px", "16", "--device", "cpu"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / ".hectares-map.tif"
    deadline = time.monotonic() + 120
    while not list(journal.glob("batch-*.bin")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    if process.poll() is None:
        os.kill(process.pid, number)
    assert process.wait(timeout=60) in {code, 0}  # 0: it was faster than the signal
    done = subprocess.run(line, check=False, capture_output=True)
    assert done.returncode in {0, 4}  # 4: the map is there already
    assert (tmp_path / "map.tif").exists()
    assert (tmp_path / "map.tif").read_bytes() == undisturbed


def test_a_killed_command_with_scores_goes_on_to_the_same_bytes(segmenter, scene, tmp_path):
    config = PredictConfig(tile_px=64, overlap_px=16, device="cpu", tta="flips")
    whole = tmp_path / "whole"
    predict_scene(segmenter, scene, whole / "map.tif", config, scores=whole / "scores.tif")
    target, scores = tmp_path / "map.tif", tmp_path / "scores.tif"
    line = [sys.executable, "-m", "hectares", "predict", str(segmenter), str(scene), str(target), "-q"]
    line += ["--scores", str(scores), "--tile-px", "64", "--overlap-px", "16", "--device", "cpu", "--tta", "flips"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / ".hectares-map.tif"
    deadline = time.monotonic() + 120
    while len(list(journal.glob("*.bin"))) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait(timeout=60)
    predict_scene(segmenter, scene, target, config, scores=scores, keep_same=True)
    assert target.read_bytes() == (whole / "map.tif").read_bytes()
    assert scores.read_bytes() == (whole / "scores.tif").read_bytes()
    assert not journal.exists()
