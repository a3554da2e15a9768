"""Training: resume, refusals, what a run holds. A tiny network on tiny chips."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

from hectares.config.prepare import PrepareConfig
from hectares.config.train import TrainConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, Interrupted, TrainingError
from hectares.io.artefact import dump_json, sha256_file
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.scene_file import write_scene
from hectares.io.segmenter import find_segmenter
from hectares.monitor import QuietMonitor
from hectares.prepare import prepare_chips

train = pytest.importorskip("hectares.train")

CONFIG = TrainConfig(width=2, epochs=4, batch=4, patience=None, precision="fp32", device="cpu", lr=0.01)


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Two bands of 64 x 96 px: class 1 where the first band is bright; a nodata hole."""
    root = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    grid = Grid("EPSG:32633", Affine(2, 0, 500_000, 0, -2, 5_000_000), (64, 96))
    bright = rng.random((8, 12)).repeat(8, axis=0).repeat(8, axis=1) > 0.5
    image = np.stack([np.where(bright, 200, 60), rng.integers(1, 250, grid.shape)]).astype(np.uint8)
    image[0] += rng.integers(0, 40, grid.shape, dtype=np.uint8)
    image[:, 10:20, 30:50] = 0
    write_scene(root / "scene.tif", image, grid, ("a", "b"), nodata=0, overwrite=False)
    legend = Legend.of({1: "dark", 2: "bright"}).for_maps()
    write_class_map(root / "label.tif", bright.astype(np.uint8), grid, legend, {}, overwrite=False)
    (root / "legend.json").write_text(dump_json(legend.to_json()))
    scene = {"id": "s", "image": "scene.tif", "label": "label.tif"}
    (root / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": [scene]}))
    config = PrepareConfig(chip_px=16, split="block", block_px=16, val_share=0.2, test_share=0.2)
    prepare_chips(root / "catalog.json", root / "chips", config)
    return root / "chips"


class StopAfter(QuietMonitor):
    """Asks to stop after a number of training steps."""

    def __init__(self, steps):
        self.left = steps

    def raise_if_stopped(self):
        self.left -= 1
        if self.left < 0:
            raise Interrupted("stopped")


def weights_hash(run):
    return sha256_file(find_segmenter(run).folder / "weights.safetensors")


@pytest.fixture(scope="module")
def unbroken(chips, tmp_path_factory):
    return train.train_segmenter(chips, tmp_path_factory.mktemp("run") / "run", CONFIG)


def test_a_run_holds_segmenter_history_and_picture(unbroken):
    names = sorted(p.relative_to(unbroken).as_posix() for p in unbroken.rglob("*") if p.is_file())
    assert names == [
        "history.csv",
        "history.png",
        "run.json",
        "segmenter/history.csv",
        "segmenter/segmenter.json",
        "segmenter/weights.safetensors",
    ]
    assert len((unbroken / "history.csv").read_text().splitlines()) == 1 + CONFIG.epochs


def test_the_segmenter_knows_bands_statistics_legend_gsd_and_footprint(unbroken, chips):
    spec = find_segmenter(unbroken).spec
    assert spec.bands == ("a", "b")
    assert spec.legend.names == ("dark", "bright")
    assert spec.legend.nodata == 255
    assert (spec.gsd_m, spec.tile_px) == (2.0, 16)
    assert {tuple(w) for f in spec.footprint for w in f["windows"]} <= {
        (r, c, 16, 16) for r in range(0, 64, 16) for c in range(0, 96, 16)
    }


def test_the_same_seed_gives_the_same_weights(unbroken, chips, tmp_path):
    again = train.train_segmenter(chips, tmp_path / "run", CONFIG)
    assert weights_hash(again) == weights_hash(unbroken)


@pytest.mark.parametrize("steps", [1, 6, 11])
def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(unbroken, chips, tmp_path, steps):
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train.train_segmenter(chips, run, CONFIG, monitor=StopAfter(steps))
    assert not run.exists()
    train.train_segmenter(chips, run, CONFIG)
    assert weights_hash(run) == weights_hash(unbroken)
    assert (run / "history.csv").read_bytes() == (unbroken / "history.csv").read_bytes()


def test_a_killed_run_goes_on(unbroken, chips, tmp_path):
    run = tmp_path / "run"
    code = f"""
        from hectares.train import train_segmenter
        from hectares.config.train import TrainConfig
        train_segmenter({str(chips)!r}, {str(run)!r}, {CONFIG!r})
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    last = tmp_path / ".hectares-run" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    train.train_segmenter(chips, run, CONFIG, overwrite=run.exists())
    assert weights_hash(run) == weights_hash(unbroken)


def test_an_unfinished_run_of_another_configuration_is_refused_with_the_difference(chips, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train.train_segmenter(chips, run, CONFIG, monitor=StopAfter(1))
    other = replace(CONFIG, lr=0.02)
    with pytest.raises(ArtefactError, match=r"config\.lr was 0\.01, is 0\.02"):
        train.train_segmenter(chips, run, other)


def test_a_finished_run_is_refused_and_kept(unbroken, chips):
    before = weights_hash(unbroken)
    with pytest.raises(ArtefactError, match="--overwrite"):
        train.train_segmenter(chips, unbroken, CONFIG)
    assert weights_hash(unbroken) == before


def test_overwriting_keeps_the_old_run_until_the_new_one_is_complete(chips, tmp_path):
    run = train.train_segmenter(chips, tmp_path / "run", CONFIG)
    before = weights_hash(run)
    with pytest.raises(Interrupted):
        train.train_segmenter(chips, run, CONFIG, overwrite=True, monitor=StopAfter(2))
    assert weights_hash(run) == before


def test_a_loss_that_is_not_finite_stops_training_and_says_where(chips, tmp_path):
    wild = replace(CONFIG, optimizer="sgd", lr=1e30, clip=0, schedule="none")
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) in epoch \d+, step \d+"):
        train.train_segmenter(chips, tmp_path / "run", wild)


def test_early_stopping_restores_the_best_epoch(chips, tmp_path):
    config = replace(CONFIG, epochs=15, patience=1, lr=0.05, schedule="none")
    run = train.train_segmenter(chips, tmp_path / "run", config)
    content = find_segmenter(run).content
    assert content["epochs"] == content["best"]["epoch"] + 1 or content["epochs"] == 15


@pytest.mark.parametrize("optimizer", ["adam", "adamax", "nadam", "sgd"])
def test_every_optimizer_trains(chips, tmp_path, optimizer):
    config = replace(CONFIG, optimizer=optimizer, epochs=1)
    run = train.train_segmenter(chips, tmp_path / "run", config)
    assert np.isfinite(find_segmenter(run).content["best"]["val_loss"])


def test_steps_per_epoch_counts_steps_and_not_passes(chips, tmp_path):
    run = train.train_segmenter(chips, tmp_path / "run", replace(CONFIG, epochs=1, steps_per_epoch=40, schedule="none"))
    shorter = train.train_segmenter(chips, tmp_path / "short", replace(CONFIG, epochs=1, schedule="none"))
    losses = [find_segmenter(r).content["best"]["train_loss"] for r in (run, shorter)]
    assert losses[0] < losses[1]
