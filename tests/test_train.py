"""Training: resume, refusals, what a run holds. A tiny network on tiny chips."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

from factory import Notes
from hectares.config.prepare import PrepareConfig
from hectares.config.train import TrainConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, Interrupted, LegendError, TrainingError
from hectares.io.artefact import dump_json, read_artefact, sha256_file
from hectares.io.chips.selection import Selection
from hectares.io.chips.store import open_chips
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


@pytest.fixture(autouse=True)
def _without_export(monkeypatch):
    """Exporting takes longer than training here; the run `unbroken`, made before, has all of it."""
    monkeypatch.setattr(train, "_finish", lambda *_: None)


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
        "segmenter/model.onnx",
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


def test_the_segmenter_is_exported_and_calibrated_on_validation_chips(unbroken):
    stored = find_segmenter(unbroken)
    assert stored.onnx.is_checked
    assert stored.onnx.measured_on == "val chips"
    assert stored.spec.stride == 16
    assert stored.calibration["measured_on"] == "val chips"
    assert stored.calibration["after"]["nll"] <= stored.calibration["before"]["nll"]
    assert set(stored.calibration["area_offsets"]) == {"dark", "bright"}
    assert stored.calibration["area"]["misplaced"]["area"] <= stored.calibration["area"]["misplaced"]["argmax"]


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


def test_a_run_keeps_of_its_weights_name_and_hash_and_goes_on_only_with_the_same_file(chips, tmp_path):
    chosen, run = [Selection.of(open_chips(chips))], tmp_path / "run"
    files = [tmp_path / folder / "start.pth" for folder in ("home", "elsewhere")]
    for file in files:
        file.parent.mkdir()
        file.write_text(file.parent.name)
    ours, other = (replace(CONFIG, weights=f"{file}#sha256=0123abcd", mix=(f"{chips}=0.5",)) for file in files)
    work = train._start(run, chosen, ours, {}, overwrite=False)
    assert train._start(run, chosen, ours, {}, overwrite=False) == work
    content = read_artefact(work / "run.json", "run")
    assert content["config"]["weights"] == "start.pth#sha256=0123abcd"
    assert content["inputs"]["weights"] == sha256_file(files[0])
    assert str(tmp_path) not in (work / "run.json").read_text()
    assert str(chips.parent) not in (work / "run.json").read_text()
    with pytest.raises(ArtefactError, match=r"\(inputs\.weights has other content\)"):
        train._start(run, chosen, other, {}, overwrite=False)


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
    told = r"the loss is (nan|inf) in epoch \d+, step \d+.* The last batch had the chips s r\d+ c\d+, "
    with pytest.raises(TrainingError, match=told):
        train.train_segmenter(chips, tmp_path / "run", wild)


def test_weights_that_are_lost_in_the_last_step_end_training_as_well(chips, tmp_path):
    wild = replace(CONFIG, optimizer="sgd", lr=1e30, clip=0, schedule="none", epochs=1, steps_per_epoch=1)
    with pytest.raises(TrainingError, match=r"the validation loss is (nan|inf) after epoch 1"):
        train.train_segmenter(chips, tmp_path / "run", wild)


def test_a_run_tells_how_long_it_took(unbroken):
    assert read_artefact(unbroken / "run.json", "run")["seconds"] > 0


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


EVERY_STEP = {"checkpoint_minutes": 0.0}


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": "plateau", "plateau_patience": 1, "lr": 0.2},
        {"ema": 0.9},
        {"accumulate": 2},
        {"optimizer": "adamax", "schedule": "poly", "warm_up": 0.3},
        {"schedule": "drop", "drop_at": (2,), "choose_by": "miou"},
        {"patience": 1, "lr": 0.3, "schedule": "none", "epochs": 8},
    ],
    ids="-".join,
)
def test_whatever_has_a_memory_is_taken_up_again(chips, tmp_path, options):
    config = replace(CONFIG, **EVERY_STEP, **options)
    unbroken = train.train_segmenter(chips, tmp_path / "unbroken", config)
    broken = tmp_path / "broken"
    for steps in (2, 3, 5, 4, 7):
        try:
            train.train_segmenter(chips, broken, config, monitor=StopAfter(steps))
        except Interrupted:
            continue
        break
    if not broken.exists():
        train.train_segmenter(chips, broken, config)
    assert weights_hash(broken) == weights_hash(unbroken)
    assert (broken / "history.csv").read_bytes() == (unbroken / "history.csv").read_bytes()


def test_a_run_killed_at_any_moment_ends_with_the_weights_of_an_unbroken_one(unbroken, chips, tmp_path):
    run = tmp_path / "run"
    config = replace(CONFIG, **EVERY_STEP)
    code = f"""
        from hectares.train import train_segmenter
        from hectares.config.train import TrainConfig
        train_segmenter({str(chips)!r}, {str(run)!r}, {config!r})
    """
    work = tmp_path / ".hectares-run" / "checkpoints"
    for kill in range(3):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        before = _stamp(work / "last.ckpt")
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if _stamp(work / "last.ckpt") != before:
                time.sleep(0.03 * kill)
                process.kill()
                break
            time.sleep(0.002)
        process.wait()
    if not run.exists():
        train.train_segmenter(chips, run, config)
    assert weights_hash(run) == weights_hash(unbroken)


def _stamp(path):
    return path.stat().st_mtime_ns if path.exists() else None


def test_a_checkpoint_cut_short_is_stepped_over(unbroken, chips, tmp_path):
    run = tmp_path / "run"
    config = replace(CONFIG, **EVERY_STEP)
    with pytest.raises(Interrupted):
        train.train_segmenter(chips, run, config, monitor=StopAfter(9))
    last = tmp_path / ".hectares-run" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    seen = Notes()
    train.train_segmenter(chips, run, config, monitor=seen)
    assert "is cut short" in str(seen.problems)
    assert weights_hash(run) == weights_hash(unbroken)


def test_a_run_that_had_ended_when_it_was_killed_trains_no_further(chips, tmp_path, monkeypatch):
    config = replace(CONFIG, patience=1, lr=0.3, schedule="none", epochs=8)
    unbroken = train.train_segmenter(chips, tmp_path / "unbroken", config)
    with monkeypatch.context() as patch:
        patch.setattr(train, "_save", lambda *_: (_ for _ in ()).throw(Interrupted("killed")))
        with pytest.raises(Interrupted):
            train.train_segmenter(chips, tmp_path / "run", config)
    run = train.train_segmenter(chips, tmp_path / "run", config)
    assert weights_hash(run) == weights_hash(unbroken)
    assert find_segmenter(run).content["epochs"] == find_segmenter(unbroken).content["epochs"]


def test_the_best_epoch_is_the_last_one_less_patience(chips, tmp_path):
    config = replace(CONFIG, epochs=30, patience=2, lr=0.5, schedule="none")
    content = find_segmenter(train.train_segmenter(chips, tmp_path / "run", config)).content
    assert content["epochs"] < 30
    assert content["epochs"] == content["best"]["epoch"] + 2


def test_one_class_is_learned_against_the_rest(chips, tmp_path):
    run = train.train_segmenter(chips, tmp_path / "run", replace(CONFIG, epochs=1, only="bright"))
    spec = find_segmenter(run).spec
    assert spec.only == "bright"
    assert spec.legend.names == ("not bright", "bright")
    assert spec.legend.codes == (0, 2)


def test_some_bands_are_learned_from(chips, tmp_path):
    run = train.train_segmenter(chips, tmp_path / "run", replace(CONFIG, epochs=1, bands="b"))
    spec = find_segmenter(run).spec
    assert spec.bands == ("b",)
    assert spec.stats.mean == open_chips(chips).stats.mean[1:]


def test_a_class_that_is_not_there_is_refused(chips, tmp_path):
    with pytest.raises(LegendError, match="dark, bright"):
        train.train_segmenter(chips, tmp_path / "run", replace(CONFIG, only="roof"))


def test_damaged_chips_are_left_out_and_told(chips, tmp_path):
    copy = tmp_path / "chips"
    shutil.copytree(chips, copy)
    pixels = copy / "train.pixels"
    places = np.load(copy / "train.index.npy")
    content = bytearray(pixels.read_bytes())
    content[int(places[1, 0]) : int(places[1, 1])] = bytes(int(places[1, 1] - places[1, 0]))
    pixels.write_bytes(content)
    seen = Notes()
    train.train_segmenter(copy, tmp_path / "run", replace(CONFIG, epochs=3), monitor=seen)
    assert "1 chip(s) cannot be read" in str(seen.problems)


def test_many_damaged_chips_end_training(chips, tmp_path):
    copy = tmp_path / "chips"
    shutil.copytree(chips, copy)
    pixels = copy / "train.pixels"
    pixels.write_bytes(bytes(pixels.stat().st_size))
    with pytest.raises(ArtefactError, match="cannot be read"):
        train.train_segmenter(copy, tmp_path / "run", replace(CONFIG, epochs=1))


def test_training_is_logged_to_tensorboard(chips, tmp_path):
    pytest.importorskip("tensorboard")
    run = train.train_segmenter(chips, tmp_path / "run", replace(CONFIG, epochs=1, log=("tensorboard",)))
    assert list((run / "tensorboard").glob("events.*"))


def test_a_batch_is_chosen_once(chips, tmp_path):
    run = train.train_segmenter(chips, tmp_path / "run", replace(CONFIG, epochs=1, batch="auto"))
    assert (run / "batch.txt").read_text() == "8"
