"""Runs beside each other: trained by a recipe or finished before, resumed, refused."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from factory import Notes
from hectares.cli.main import run as command
from hectares.config.compare import CompareConfig
from hectares.config.evaluate import EvaluateConfig
from hectares.config.prepare import PrepareConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, Interrupted, TrainingError
from hectares.io.artefact import dump_json, sha256_file
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.scene_file import write_scene
from hectares.monitor import QuietMonitor
from hectares.prepare import prepare_chips

train = pytest.importorskip("hectares.train")

from hectares.compare import compare_recipe, compare_runs
from hectares.evaluate import evaluate_chips

RECIPE = """
all: {width: 2, epochs: 1, batch: 4, precision: fp32, lr: 0.01}
one-band: {bands: a}
both: {bands: all}
"""
CONFIG = CompareConfig(draws=100, examples=2, device="cpu")


@pytest.fixture(autouse=True)
def _without_export(monkeypatch):
    """Exporting takes longer than training here."""
    monkeypatch.setattr(train, "_finish", lambda *_: None)


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> Path:
    """Two bands of 64 x 96 px: class 1 where the first band is bright; a nodata hole."""
    root = tmp_path_factory.mktemp("compared")
    rng = np.random.default_rng(0)
    grid = Grid("EPSG:32633", Affine(2, 0, 500_000, 0, -2, 5_000_000), (64, 96))
    bright = rng.random((8, 12)).repeat(8, axis=0).repeat(8, axis=1) > 0.5
    image = np.stack([np.where(bright, 200, 60), rng.integers(1, 250, grid.shape)]).astype(np.uint8)
    image[:, 10:20, 30:50] = 0
    write_scene(root / "scene.tif", image, grid, ("a", "b"), nodata=0, overwrite=False)
    legend = Legend.of({1: "dark", 2: "bright"}).for_maps()
    write_class_map(root / "label.tif", bright.astype(np.uint8), grid, legend, {}, overwrite=False)
    (root / "legend.json").write_text(dump_json(legend.to_json()))
    scene = {"id": "s", "image": "scene.tif", "label": "label.tif"}
    (root / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": [scene]}))
    config = PrepareConfig(chip_px=16, split="block", block_px=16, val_share=0.2, test_share=0.5)
    prepare_chips(root / "catalog.json", root / "chips", config)
    return root / "chips"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "r.yaml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture(scope="module")
def compared(chips, recipe, tmp_path_factory) -> Path:
    """Give the folder of a finished comparison of a recipe."""
    out = tmp_path_factory.mktemp("out") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_finish", lambda *_: None)
        compare_recipe(chips, out, replace(CONFIG, recipe=recipe))
    return out


def weights_hash(run: Path) -> str:
    return sha256_file(run / "segmenter" / "weights.safetensors")


class StopIn(QuietMonitor):
    """Asks to stop in a stage."""

    def __init__(self, stage: str) -> None:
        self.stage, self.now = stage, ""

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        self.now = stage

    def raise_if_stopped(self) -> None:
        if self.now == self.stage:
            raise Interrupted("stopped")


# --- A recipe ---------------------------------------------------------------------------------------------


def test_a_recipe_gives_runs_evaluations_a_table_and_a_figure(compared):
    files = [f"comparison.{suffix}" for suffix in ("json", "csv", "png")]
    files += [f"{name}.{suffix}" for name in ("one-band", "both") for suffix in ("json", "csv", "scores.csv", "png")]
    assert {p.name for p in compared.iterdir()} == {*files, "runs"}
    assert (compared / "comparison.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((compared / "comparison.json").read_text())
    one, both, floor = content["runs"]
    assert (one["bands"], both["bands"], floor["network"]) == (["a"], ["a", "b"], None)
    assert (
        both["parameters_trainable"] - one["parameters_trainable"] == 2 * 9
    )  # a 3 x 3 filter for each of two channels
    assert floor["name"] in {"dark everywhere (floor)", "bright everywhere (floor)"}
    assert [word for word, _ in content["examples"]] == ["worst", "middle"]


def test_the_scores_are_those_of_the_evaluations(compared):
    content = json.loads((compared / "comparison.json").read_text())
    rows = list(csv.DictReader((compared / "comparison.csv").read_text().splitlines()))
    scores = [json.loads((compared / f"{n}.json").read_text())["overall"]["mean_iou"] for n in ("one-band", "both")]
    assert [float(row["mean_iou"]) for row in rows[:2]] == pytest.approx(scores)
    assert float(rows[1]["difference mean_iou"]) == pytest.approx(scores[1] - scores[0])
    assert rows[0]["difference mean_iou"] == ""
    floor = json.loads((compared / "both.json").read_text())["floor"]["overall"]
    assert float(rows[2]["mean_iou"]) == pytest.approx(floor["mean_iou"])
    assert content["verdict"]["best"] == ("one-band", "both")[int(np.argmax(scores))]


@pytest.mark.parametrize("stage", ["one-band: training", "both: training", "both: scoring chips"])
def test_a_stopped_comparison_goes_on_and_ends_as_an_unbroken_one(compared, chips, recipe, tmp_path, stage):
    out, config = tmp_path / "out", replace(CONFIG, recipe=recipe)
    with pytest.raises(Interrupted):
        compare_recipe(chips, out, config, monitor=StopIn(stage))
    assert not (out / "comparison.json").exists()
    seen = Notes()
    seen.raise_if_stopped = lambda: None
    compare_recipe(chips, out, config, monitor=seen)
    for name in ("one-band", "both"):
        assert weights_hash(out / "runs" / name) == weights_hash(compared / "runs" / name)
    assert ("one-band: training" in seen.stages) == (stage == "one-band: training")
    assert _without_time(out / "comparison.csv") == _without_time(compared / "comparison.csv")


def _without_time(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "training_minutes"} for row in rows]


def test_a_finished_comparison_is_refused_and_overwritten_without_training_again(
    compared, chips, recipe, tmp_path, monkeypatch
):
    out, config = tmp_path / "out", replace(CONFIG, recipe=recipe)
    shutil.copytree(compared, out)
    with pytest.raises(ArtefactError, match="--overwrite"):
        compare_recipe(chips, out, config)
    monkeypatch.setattr(train, "train_segmenter", lambda *_, **__: pytest.fail("trained again"))
    found = compare_recipe(chips, out, replace(config, against="best"), overwrite=True)
    assert found.against == found.verdict.best


def test_a_finished_run_of_another_configuration_is_refused_with_the_difference(compared, chips, recipe, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(compared, out)
    (out / "comparison.json").rename(out / ".hectares-comparison.json")
    with pytest.raises(ArtefactError, match=r"config\.epochs was 1, is 2.*--overwrite"):
        compare_recipe(chips, out, replace(CONFIG, recipe=recipe, epochs=2))


def test_a_run_that_cannot_be_trained_is_left_out_and_told(chips, tmp_path):
    path, seen = tmp_path / "r.yaml", Notes()
    seen.raise_if_stopped = lambda: None
    wild = "wild: {optimizer: sgd, lr: 1.0e+30, clip: 0, schedule: none, steps-per-epoch: 4}\n"
    path.write_text(RECIPE + wild)
    found = compare_recipe(chips, tmp_path / "out", replace(CONFIG, recipe=str(path)), monitor=seen)
    assert [line.name for line in found.lines[:-1]] == ["one-band", "both"]
    told = [p for p in seen.problems if p.severity == "incomplete"]
    assert [p.where for p in told] == ["run wild"]
    path.write_text(f"a: {{}}\n{wild}")
    with pytest.raises(TrainingError, match="only 1 of 2 runs"):
        compare_recipe(chips, tmp_path / "two", replace(CONFIG, recipe=str(path), train=("width=2", "epochs=1")))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("a: {network: unet-ely}\nb: {}\n", ConfigError, r"run a: network 'unet-ely' is unknown"),
        ("a: {}\nb: {bands: red}\n", Exception, r"run b: .*red"),
        ("a: {}\nb: {loss: dise}\n", ConfigError, r"run b: .*dise"),
        ("a: {}\nb: {only: bright}\n", ConfigError, r"runs a and b learn other classes"),
        ("a: {}\nb: {devices: 2}\n", ConfigError, r"run b: compare trains on one device"),
        ("a: {}\nb: {network: unet, weights: no-such.pth}\n", ArtefactError, r"run b: .*no-such\.pth"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_told_before_anything_is_trained(chips, tmp_path, text, error, message):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        compare_recipe(chips, tmp_path / "out", replace(CONFIG, recipe=str(path)))
    assert not (tmp_path / "out").exists()


# --- Finished runs ----------------------------------------------------------------------------------------


def test_finished_runs_and_evaluations_are_compared(compared, chips, tmp_path):
    config = replace(CONFIG, chips=chips)
    runs = compared / "runs"
    found = compare_runs([f"small={runs / 'one-band'}", compared / "both.json"], tmp_path / "out", config)
    before = json.loads((compared / "comparison.json").read_text())["runs"]
    assert [line.name for line in found.lines[:-1]] == ["small", "both"]
    assert [line.miou for line in found.lines] == pytest.approx([r["overall"]["mean_iou"][0] for r in before])
    assert (tmp_path / "out" / "small.json").is_file()
    assert not (tmp_path / "out" / "both.json").exists()


def test_an_evaluation_with_the_same_inputs_and_options_is_used_again(compared, chips, tmp_path, monkeypatch):
    out, config = tmp_path / "out", replace(CONFIG, chips=chips)
    runs = [compared / "runs" / name for name in ("one-band", "both")]
    compare_runs(runs, out, config)
    times = {n: (out / n).stat().st_mtime_ns for n in ("one-band.json", "both.json")}
    compare_runs(runs, out, replace(config, examples=1), overwrite=True)
    assert times == {n: (out / n).stat().st_mtime_ns for n in times}
    compare_runs(runs, out, replace(config, draws=200), overwrite=True)
    assert all((out / n).stat().st_mtime_ns > time for n, time in times.items())


@pytest.mark.parametrize("again", [False, True])
def test_chips_that_training_has_seen_are_a_problem_each_time(compared, chips, tmp_path, again):
    out, config = tmp_path / "out", replace(CONFIG, chips=chips, split="train")
    runs = [compared / "runs" / name for name in ("one-band", "both")]
    if again:
        compare_runs(runs, out, config)
    seen = Notes()
    seen.raise_if_stopped = lambda: None
    compare_runs(runs, out, config, overwrite=again, monitor=seen)
    told = [str(p) for p in seen.problems if "were seen in training" in p.what]
    assert [text.split(":")[0] for text in told] == ["one-band", "both"]


def test_evaluations_on_different_splits_are_refused(compared, chips, tmp_path):
    other = tmp_path / "val.json"
    evaluate_chips(compared / "runs" / "both", chips, other, EvaluateConfig(split="val", draws=100, device="cpu"))
    with pytest.raises(ArtefactError, match="one-band was scored on test, val on val"):
        compare_runs([compared / "one-band.json", other], tmp_path / "out", CONFIG)


def test_subjects_that_cannot_be_told_apart_or_are_too_few_are_refused(compared, chips, tmp_path):
    one, config = compared / "runs" / "both", replace(CONFIG, chips=chips)
    with pytest.raises(ConfigError, match=r"two runs are called 'both' and 'both'.*NAME=PATH"):
        compare_runs([one, compared / "both.json"], tmp_path / "out", config)
    with pytest.raises(ConfigError, match="needs two or more"):
        compare_runs([one], tmp_path / "out", config)
    with pytest.raises(ConfigError, match="--chips CHIPS"):
        compare_runs([one, f"again={one}"], tmp_path / "out", CONFIG)
    with pytest.raises(ConfigError, match=r"--against tiny: there is no such run; runs are both, again, or best"):
        compare_runs([one, f"again={one}"], tmp_path / "out", replace(config, against="tiny"))


def test_a_folder_of_something_else_is_left_alone(compared, chips, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    runs = [compared / "runs" / name for name in ("one-band", "both")]
    with pytest.raises(ArtefactError, match=r"holds notes\.txt and no comparison"):
        compare_runs(runs, tmp_path, replace(CONFIG, chips=chips), overwrite=True)


def test_classes_can_be_left_out(compared, tmp_path):
    subjects = [compared / "one-band.json", compared / "both.json"]
    found = compare_runs(subjects, tmp_path / "out", replace(CONFIG, without=("dark",)))
    assert (found.classes, found.view) == (("bright",), "without dark")


# --- The command ------------------------------------------------------------------------------------------


def test_the_command_compares_evaluations_and_prints_a_verdict(compared, tmp_path, capsys):
    words = ["compare", str(compared / "one-band.json"), str(compared / "both.json"), str(tmp_path / "out")]
    assert command([*words, "--draws", "100", "-q"]) == 0
    printed = capsys.readouterr().out
    assert "has the highest mean IoU" in printed
    assert "everywhere (floor)" in printed


def test_a_preset_a_file_and_set_reach_the_runs_of_a_recipe(chips, recipe, tmp_path, monkeypatch):
    plans = []
    monkeypatch.setattr("hectares.compare._check_runs", lambda plan, *_: plans.append(plan))
    monkeypatch.setattr("hectares.compare._begin", lambda *_, **__: (_ for _ in ()).throw(ArtefactError("enough")))
    file = tmp_path / "mine.yaml"
    file.write_text("train: {augment: flips, lr: 0.5}\n")
    words = ["compare", str(chips), str(tmp_path / "out"), "--recipe", recipe, "--preset", "potsdam-unet"]
    assert command([*words, "--config", str(file), "--set", "train.clip=3", "--epochs", "4"]) == 4
    config = plans[0]["one-band"]
    assert (config.network, config.augment, config.lr) == ("unet-classic", "flips", 0.01)  # the recipe says 0.01
    assert (config.clip, config.epochs, config.bands) == (3.0, 4, "a")


def test_recipes_are_listed_and_printed_as_files(capsys):
    assert command(["recipes"]) == 0
    assert "rgb-vs-all" in capsys.readouterr().out
    assert command(["recipes", "losses"]) == 0
    assert "lovasz:" in capsys.readouterr().out
    assert command(["recipes", "loses"]) == 2
