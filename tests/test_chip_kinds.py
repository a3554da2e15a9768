"""Training on chips of every kind: read from scenes, mixed, with overlapping classes, scaled by scene."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factory import WriteRaster
from hectares.config.evaluate import EvaluateConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.train import TrainConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError
from hectares.evaluate import evaluate_chips
from hectares.io.artefact import dump_json
from hectares.io.rasters.class_map import open_class_map
from hectares.io.segmenter import find_segmenter
from hectares.predict import predict_scene
from hectares.prepare import prepare_chips

train = pytest.importorskip("hectares.train")

CONFIG = TrainConfig(width=2, epochs=12, batch=4, patience=None, precision="fp32", device="cpu", lr=0.02)
PREPARE = PrepareConfig(chip_px=16, split="block", block_px=16, val_share=0.2, test_share=0.2)
SHAPE = (64, 96)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a scene whose two classes follow from its bands and overlap: planes and one class a pixel."""
    from factory import save_raster

    root = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(0)
    one, two = (rng.random((8, 12)).repeat(8, axis=0).repeat(8, axis=1) > 0.5 for _ in range(2))
    image = np.stack([np.where(one, 2000, 600), np.where(two, 900, 100)]) + rng.integers(0, 90, (2, *SHAPE))
    save_raster(root / "scene.tif", image.astype(np.uint16), names=["red", "nir"])
    save_raster(root / "planes.tif", np.stack([one, two]).astype(np.uint8))
    save_raster(root / "label.tif", (1 + one).astype(np.uint8))
    (root / "legend.json").write_text(dump_json(Legend.of({1: "dark", 2: "bright"}).to_json()))
    for name, label, rules in (("one", "label.tif", {}), ("planes", "planes.tif", {"multilabel": True})):
        entry = {"id": "s", "image": {"path": "scene.tif", "depth": 11}, "label": label}
        content = {"legend": "legend.json", "rules": rules, "scenes": [entry]}
        (root / f"{name}.json").write_text(dump_json(content))
    return root


def _scores(run: Path, chips: Path, out: Path) -> dict[str, float]:
    evaluate_chips(run, chips, out, EvaluateConfig(split="test", device="cpu", examples=1))
    return json.loads(out.read_text())["overall"]


def test_overlapping_classes_are_learned_and_scored_each_by_itself(scene: Path, tmp_path: Path):
    store = prepare_chips(scene / "planes.json", tmp_path / "chips", PREPARE)
    assert store.multilabel
    run = train.train_segmenter(tmp_path / "chips", tmp_path / "run", replace(CONFIG, epochs=40, lr=0.05))
    scores = _scores(run, tmp_path / "chips", tmp_path / "e.json")
    assert scores["mean_iou"] > 0.9
    assert "kappa" not in scores
    assert (tmp_path / "e.png").stat().st_size > 0
    with pytest.raises(ArtefactError, match="classes may overlap"):
        predict_scene(run, scene / "scene.tif", tmp_path / "m.tif", PredictConfig(device="cpu"))
    with pytest.raises(ConfigError, match="loss ce does not fit chips with one plane a class"):
        train.train_segmenter(tmp_path / "chips", tmp_path / "other", replace(CONFIG, loss="ce"))


def test_windows_drawn_from_the_scenes_train_as_well(scene: Path, tmp_path: Path):
    prepare_chips(scene / "one.json", tmp_path / "lazy", replace(PREPARE, store="scenes"))
    run = train.train_segmenter(tmp_path / "lazy", tmp_path / "run", CONFIG)
    assert _scores(run, tmp_path / "lazy", tmp_path / "e.json")["mean_iou"] > 0.9
    again = train.train_segmenter(tmp_path / "lazy", tmp_path / "again", CONFIG)
    assert find_segmenter(run).sha256 == find_segmenter(again).sha256


def test_chips_of_two_folders_are_mixed(scene: Path, tmp_path: Path):
    crops = prepare_chips(scene / "one.json", tmp_path / "crops", PREPARE)
    config = replace(CONFIG, epochs=2, mix=(f"{tmp_path / 'crops'}=0.5",))
    run = train.train_segmenter(tmp_path / "crops", tmp_path / "run", config)
    content = find_segmenter(run).content
    assert content["inputs"] == {"chips": crops.fingerprint, "chips_2": crops.fingerprint}


def test_chips_that_mean_something_else_are_not_mixed(scene: Path, tmp_path: Path):
    prepare_chips(scene / "one.json", tmp_path / "two", PREPARE)
    prepare_chips(scene / "one.json", tmp_path / "red", replace(PREPARE, bands="red"))
    with pytest.raises(ArtefactError, match=r"red: has the bands \['red'\].*chips that are mixed are prepared alike"):
        train.train_segmenter(tmp_path / "two", tmp_path / "run", replace(CONFIG, mix=(str(tmp_path / "red"),)))


def test_a_scene_is_not_mixed_across_splits(scene: Path, tmp_path: Path):
    for name, split in (("a", "train"), ("b", "val")):
        (tmp_path / f"{name}.csv").write_text(f"scene,split\ns,{split}\n")
    listed = PrepareConfig(chip_px=PREPARE.chip_px, split=str(tmp_path / "a.csv"))
    prepare_chips(scene / "one.json", tmp_path / "a", listed)
    blocks = replace(PREPARE, split="block")
    prepare_chips(scene / "one.json", tmp_path / "b", blocks)
    with pytest.raises(ArtefactError, match="scene 's' has pixels that are in another split"):
        train.train_segmenter(tmp_path / "a", tmp_path / "run", replace(CONFIG, mix=(str(tmp_path / "b"),)))


@pytest.mark.parametrize("scaling", ["percentile", "scene-percentile", "minmax", "depth"])
def test_a_scaling_travels_with_the_segmenter(scene: Path, tmp_path: Path, scaling: str):
    config = replace(PREPARE, scaling=scaling, indices="ndvi")
    prepare_chips(scene / "one.json", tmp_path / "chips", config)
    run = train.train_segmenter(tmp_path / "chips", tmp_path / "run", CONFIG)
    spec = find_segmenter(run).spec
    assert (spec.scaling, spec.bands, spec.plan.indices) == (scaling, ("red", "nir", "ndvi"), ("ndvi",))
    assert _scores(run, tmp_path / "chips", tmp_path / "e.json")["accuracy"] > 0.8
    out = predict_scene(run, scene / "scene.tif", tmp_path / "m.tif", PredictConfig(device="cpu"))
    with open_class_map(out) as opened:
        found = opened.read(opened.grid.window)
    from hectares.io.rasters.raster import open_raster

    with open_raster(scene / "label.tif") as label:
        expected = label.read(label.grid.window).image[0] - 1
    assert (found == expected).mean() > 0.8


def test_a_scene_without_the_bands_of_an_index_is_refused(scene: Path, tmp_path: Path, write_raster: WriteRaster):
    prepare_chips(scene / "one.json", tmp_path / "chips", replace(PREPARE, indices="ndvi"))
    run = train.train_segmenter(tmp_path / "chips", tmp_path / "run", replace(CONFIG, epochs=1))
    other = write_raster("o.tif", np.ones((1, 40, 40), np.uint16), names=["red"])
    with pytest.raises(ValueError, match="has no band nir"):
        predict_scene(run, other, tmp_path / "m.tif", PredictConfig(device="cpu"))


@pytest.mark.slow
def test_balancing_finds_more_of_a_rare_class(tmp_path: Path):
    from factory import save_raster

    rng, shape = np.random.default_rng(3), (3 * SHAPE[0], 3 * SHAPE[1])  # enough rare pixels to count
    rare = rng.random(shape) < 0.03
    image = np.where(rare, 105, 100) + rng.normal(0, 4, shape)  # hard to tell, so that the prior decides
    save_raster(tmp_path / "scene.tif", image.astype(np.float32), names=["a"])
    save_raster(tmp_path / "label.tif", (1 + rare).astype(np.uint8))
    (tmp_path / "legend.json").write_text(dump_json(Legend.of({1: "common", 2: "rare"}).to_json()))
    entry = {"id": "s", "image": "scene.tif", "label": "label.tif"}
    (tmp_path / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": [entry]}))
    prepare_chips(tmp_path / "catalog.json", tmp_path / "chips", PREPARE)
    recall = {}
    for kind in ("none", "inverse", "median"):
        config = replace(CONFIG, loss="ce", balance=kind, epochs=10, lr=0.05, augment="none")
        run = train.train_segmenter(tmp_path / "chips", tmp_path / kind, config)
        _scores(run, tmp_path / "chips", tmp_path / f"{kind}.json")
        recall[kind] = json.loads((tmp_path / f"{kind}.json").read_text())["classes"][1]["recall"]
    assert recall["none"] < 0.1
    assert min(recall["inverse"], recall["median"]) > 0.5
