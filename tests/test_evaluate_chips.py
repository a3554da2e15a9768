"""A run on chips: counts, intervals, calibration, thresholds, a baseline, all through the files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory import Notes, save_raster
from hectares.config.evaluate import EvaluateConfig
from hectares.config.prepare import PrepareConfig
from hectares.core.confusion import Confusion
from hectares.core.legend import Legend
from hectares.core.scoring.parts import CONFUSION, Parts
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError, LegendError
from hectares.evaluate import evaluate_chips
from hectares.io.artefact import dump_json, stamp
from hectares.io.chips.store import ChipStore, open_chips
from hectares.io.segmenter import save_segmenter
from hectares.prepare import prepare_chips

SHAPE = (128, 96)
CONFIG = EvaluateConfig(device="cpu", draws=100, examples=2, boundary_share=0.05)
PREPARE = PrepareConfig(chip_px=16, split="block", block_px=16, val_share=0.2, test_share=0.5, scaling="none")


class Bright:
    """Says the second class the more surely the brighter a pixel is; three times as surely as it should."""

    def __init__(self, spec: SegmenterSpec) -> None:
        self.spec = spec

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Logits 0 and three times the image; for planes, three times both bands."""
        if self.spec.multilabel:
            return 3 * image
        return np.concatenate([np.zeros_like(image[:, :1]), 3 * image[:, :1]], axis=1)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give folders of chips of two classes, `one`, and of planes, `planes`; the image holds the true log odds."""
    root = tmp_path_factory.mktemp("scored")
    rng = np.random.default_rng(0)
    image = (rng.normal(-0.4, 1, (2, SHAPE[0] // 4, SHAPE[1] // 4))).repeat(4, 1).repeat(4, 2).astype(np.float32)
    planes = (rng.random(image.shape) < 1 / (1 + np.exp(-image))).astype(np.uint8)
    label = 1 + planes[0]
    label[:3, :5] = 255
    save_raster(root / "scene.tif", image, names=["a", "b"])
    save_raster(root / "planes.tif", planes)
    save_raster(root / "one.tif", label, nodata=255)
    (root / "legend.json").write_text(dump_json(Legend.of({1: "background", 2: "roof"}).to_json()))
    for name, rules in (("one", {}), ("planes", {"multilabel": True})):
        scenes = [{"id": "s", "image": "scene.tif", "label": f"{name}.tif"}]
        (root / f"{name}.json").write_text(dump_json({"legend": "legend.json", "rules": rules, "scenes": scenes}))
        prepare_chips(root / f"{name}.json", root / name, PREPARE)
    return root


def segmenter(folder: Path, store: ChipStore, **head: Any) -> Path:
    spec = SegmenterSpec(
        "unet", {}, store.stats, store.legend, None, 16, store.multilabel, scaling="none", depths=(None, None)
    )
    folder.mkdir()
    record = stamp("segmenter", config={}, inputs={}) | {"best": {}, "epochs": 1} | head
    save_segmenter(folder, spec, {"w": np.zeros(1, np.float32)}, record)
    return folder


@pytest.fixture(autouse=True)
def _bright(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hectares.evaluate.open_runtime", lambda stored, **_: Bright(stored.spec))


def evaluate(
    chips: Path, tmp_path: Path, kind: str = "one", *, monitor: Notes | None = None, **options: Any
) -> dict[str, Any]:
    run = tmp_path / f"{kind}-segmenter"
    if not run.exists():
        segmenter(run, open_chips(chips / kind))
    out = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    config = replace(CONFIG, **options)
    evaluate_chips(run, chips / kind, out, config, monitor=monitor or Notes())
    return json.loads(out.read_text()) | {"path": out}


def labels_and_image(chips: Path, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    reader = open_chips(chips / "one").chips(split)
    read = [reader.read(n) for n in range(len(reader))]
    return np.stack([c.label for c in read]), np.stack([c.image[0] for c in read])


def test_counts_are_those_of_all_chips_and_can_be_added_up_again(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path)
    label, image = labels_and_image(chips)
    expected = Confusion.count(label, (image > 0).astype(np.uint8), classes=2)
    assert content["confusion"] == expected.counts.tolist()
    parts = Parts.from_json(content["parts"])
    assert parts.total(CONFUSION).tolist() == expected.counts.tolist()
    assert len(parts.names) == content["chips_scored"] == len(label)
    overall = content["scores"]["all classes"]["global"]["overall"]
    assert overall["mean_iou"][0] == pytest.approx(expected.mean_iou)
    assert overall["mean_iou"][1] < expected.mean_iou < overall["mean_iou"][2]


def test_all_scores_are_written_one_a_line(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path, without=("background",), erode_px=1)
    with content["path"].with_suffix(".scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["view", "aggregation", "class_name", "score", "value", "low", "high"]
    assert {line["view"] for line in lines} == {
        "all classes",
        "without background",
        "borders of 1 px left out",
        "without background, borders of 1 px left out",
    }
    assert {line["aggregation"] for line in lines} == {"global", "mean over chips"}
    assert content["path"].with_suffix(".png").stat().st_size > 0


def test_majority_of_the_training_chips_is_the_floor(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path)
    label, _ = labels_and_image(chips)
    assert content["floor"]["class"] == "background"
    assert content["floor"]["overall"]["accuracy"] == pytest.approx((label == 0).sum() / (label != 255).sum())


def test_tuning_finds_on_val_what_the_network_overstates(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path, tune=True)
    plain, tuned = content["calibration"]["as_stored"], content["calibration"]["tuned_on_val"]
    assert plain["temperature"] == 1
    assert tuned["temperature"] == pytest.approx(3, rel=0.3)
    assert tuned["scores"]["nll"][0] < plain["scores"]["nll"][0]
    assert tuned["scores"]["ece"][0] < plain["scores"]["ece"][0]
    at = content["thresholds"]["classes"]["roof"]["at"]
    assert set(at) == {"0.5", "best F1 on test", "best F1 on val"}
    assert at["best F1 on val"]["f1"] <= at["best F1 on test"]["f1"]
    assert at["0.5"]["iou"] == pytest.approx(content["classes"][1]["iou"])


def test_the_temperature_of_the_segmenter_is_used(chips: Path, tmp_path: Path):
    segmenter(tmp_path / "one-segmenter", open_chips(chips / "one"), calibration={"temperature": 3.0})
    stored = evaluate(chips, tmp_path)["calibration"]["as_stored"]
    assert stored["temperature"] == 3
    assert stored["scores"]["ece"][0] < 0.1


def test_areas_by_the_best_score_and_by_area_stand_beside_the_reference(chips: Path, tmp_path: Path):
    offsets = {"background": -0.2, "roof": 0.2}
    segmenter(
        tmp_path / "one-segmenter",
        open_chips(chips / "one"),
        calibration={"temperature": 3.0, "area_offsets": offsets},
    )
    content = evaluate(chips, tmp_path)
    label, image = labels_and_image(chips)
    known = label != 255
    counts = [int((plane & known).sum()) for plane in (label == 1, image > 0, image > -0.4)]
    found = content["area"]["as_stored"]
    assert found["pixels"] == known.sum()
    roof = found["classes"]["roof"]
    assert [roof[k] for k in ("reference", "argmax", "area")] == pytest.approx(
        [n / known.sum() for n in counts], abs=1e-6
    )
    assert roof["argmax_bias"] == pytest.approx(counts[1] / counts[0] - 1, abs=1e-6)
    assert found["accuracy"]["argmax"] == pytest.approx(content["overall"]["accuracy"], abs=1e-6)


def test_tuning_finds_area_offsets_and_a_segmenter_without_has_no_areas(chips: Path, tmp_path: Path):
    assert "area" not in evaluate(chips, tmp_path)
    content = evaluate(chips, tmp_path, tune=True)
    assert list(content["area"]) == ["tuned_on_val"]
    on_val = evaluate(chips, tmp_path, tune=True, split="val")["area"]["tuned_on_val"]["misplaced"]
    assert on_val["area"] < 0.02 <= on_val["argmax"]


def test_classes_that_may_overlap_have_no_area_offsets(chips: Path, tmp_path: Path):
    assert "area" not in evaluate(chips, tmp_path, "planes", tune=True)


def test_threshold_moves_pixels_from_one_class_to_the_other(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path, threshold=0.9)
    label, image = labels_and_image(chips)
    decided = 1 / (1 + np.exp(-3 * image)) >= 0.9
    assert content["confusion"] == Confusion.count(label, decided.astype(np.uint8), classes=2).counts.tolist()


def test_threshold_is_refused_for_several_exclusive_classes(chips: Path, tmp_path: Path):
    store = open_chips(chips / "one")
    run = segmenter(tmp_path / "s", replace(store, legend=Legend.of({1: "background", 2: "roof", 3: "road"})))
    with pytest.raises((ConfigError, LegendError)):
        evaluate_chips(run, chips / "one", tmp_path / "e.json", replace(CONFIG, threshold=0.4))


def test_overlapping_classes_have_curves_and_calibration_of_their_own(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path, "planes", tune=True)
    assert set(content["thresholds"]["classes"]) == {"background", "roof"}
    assert content["calibration"]["tuned_on_val"]["temperature"] == pytest.approx(3, rel=0.3)
    assert "kappa" not in content["overall"]
    assert content["scores"]["all classes"]["global"]["classes"]["roof"]["boundary_iou"][0] is not None


def test_a_baseline_stands_beside_with_the_difference(chips: Path, tmp_path: Path):
    poor = evaluate(chips, tmp_path, threshold=0.99)
    content = evaluate(chips, tmp_path, baseline=poor["path"])
    assert content["baseline"]["overall"] == poor["overall"]
    value, low, high, p_value = content["baseline"]["differences"]["all classes"]["overall"]["mean_iou"]
    assert value == pytest.approx(content["overall"]["mean_iou"] - poor["overall"]["mean_iou"])
    assert 0 < low < value < high
    assert p_value < 0.05


def test_a_baseline_on_other_chips_is_refused(chips: Path, tmp_path: Path):
    other = evaluate(chips, tmp_path, split="val")
    with pytest.raises(ArtefactError, match=r"scored on test, .* on val; compare scores of the same split"):
        evaluate(chips, tmp_path, baseline=other["path"])


def test_what_is_about_the_reference_of_a_map_is_refused_for_chips(chips: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="--class-field is an attribute of a vector reference"):
        evaluate(chips, tmp_path, class_field="cover")


def test_too_few_units_are_told(chips: Path, tmp_path: Path, notes: Notes):
    content = evaluate(chips, tmp_path, monitor=notes, units="block", block_px=200)
    assert content["intervals"]["units"] == 1
    assert content["scores"]["all classes"]["global"]["overall"]["accuracy"][1:] == [None, None]
    assert [p.severity for p in notes.problems] == ["note"]
    assert "at least 10 blocks of 200 px" in notes.problems[0].what


def test_intervals_can_be_left_out(chips: Path, tmp_path: Path):
    content = evaluate(chips, tmp_path, intervals="none")
    assert content["scores"]["all classes"]["global"]["overall"]["accuracy"][1:] == [None, None]


def test_same_command_gives_the_same_bytes(chips: Path, tmp_path: Path):
    one, again = (evaluate(chips, tmp_path)["path"] for _ in range(2))
    assert one.read_bytes() == again.read_bytes()
    assert one.with_suffix(".png").read_bytes() == again.with_suffix(".png").read_bytes()
