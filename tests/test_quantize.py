"""A segmenter in int8."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from factory import Notes, WriteRaster, save_raster
from hectares import quantize as module
from hectares.cli.main import run
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.quantize import QuantizeConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError
from hectares.io.artefact import write_json
from hectares.io.rasters.class_map import open_class_map
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.predict import predict_scene
from hectares.prepare import prepare_source
from hectares.quantize import quantize_segmenter
from hectares.runtime import choice
from hectares.runtime.finishing import finish_segmenter
from segmenters import save_random_segmenter

SMALL = QuantizeConfig(calibrate=3, compare=4, keep=True, threads=1)


@pytest.fixture(autouse=True)
def _native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell every machine that it knows int8: so little is computed here that no sum overflows."""
    for place in (module, choice):
        monkeypatch.setattr(place, "native_precisions", lambda: frozenset({"int8"}))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with chips of 32 px, a segmenter with a checked export, and the same in int8."""
    folder = tmp_path_factory.mktemp("quantize")
    legend = Legend.of({20: "water", 10: "forest", 35: "built-up"})
    for seed, name in enumerate("abc"):
        image = np.random.default_rng(seed).integers(1, 200, (2, 64, 96), dtype=np.uint8)
        image[:, 3:9, 40:60] = 0
        for kind in ("images", "labels"):
            (folder / "data" / kind).mkdir(parents=True, exist_ok=True)
        save_raster(folder / f"data/images/{name}.tif", image, names=["red", "nir"], nodata=0)
        save_raster(folder / f"data/labels/{name}.tif", np.tile(np.array([20, 10, 35], np.uint8), (64, 32)))
    write_json(folder / "legend.json", legend.to_json(), overwrite=False)
    config = PrepareConfig(chip_px=32, split="counts", counts="8,4,4", legend=folder / "legend.json")
    prepare_source("folders", folder / "data", folder / "chips", config)
    saved = save_random_segmenter(folder / "plain" / "segmenter", legend, options={"width": 4})
    finish_segmenter(saved.folder, np.random.default_rng(0).standard_normal((2, 2, 32, 32), np.float32))
    shutil.copytree(folder / "plain", folder / "int8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "native_precisions", lambda: frozenset({"int8"}))
        quantize_segmenter(folder / "int8", folder / "chips", SMALL)
    return folder


@pytest.fixture
def chips(made_once: Path) -> Path:
    """Give chips."""
    return made_once / "chips"


@pytest.fixture
def stored(made_once: Path, tmp_path: Path) -> StoredSegmenter:
    """Give a segmenter with a checked export, of which tests may write what they like."""
    return find_segmenter(shutil.copytree(made_once / "plain", tmp_path / "run"))


@pytest.fixture
def in_int8(made_once: Path, tmp_path: Path) -> StoredSegmenter:
    """Give one that has a form in int8 as well."""
    return find_segmenter(shutil.copytree(made_once / "int8", tmp_path / "run8"))


def test_the_form_becomes_part_of_the_segmenter_with_what_was_measured(
    stored: StoredSegmenter, in_int8: StoredSegmenter
):
    record, file = in_int8.int8, in_int8.form_file("int8")
    assert record is not None
    assert record.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.calibrated_on["count"] == 3
    for splits in record.measured.values():
        assert sorted(splits) == ["test", "val"]
        assert all(0.8 < scores["agreement"] <= 1 for scores in splits.values())
        assert all(abs(scores["miou"] - scores["fp32_miou"]) < 0.1 for scores in splits.values())
    assert (in_int8.onnx, in_int8.calibration, in_int8.sha256) == (stored.onnx, stored.calibration, stored.sha256)
    in_int8.verify()


def test_the_file_is_in_int8_and_tells_other_tools_what_the_other_tells(in_int8: StoredSegmenter):
    model, full = onnx.load(in_int8.form_file("int8")), onnx.load(in_int8.onnx_file())
    assert any(t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4 for t in model.graph.initializer)
    assert [(e.key, e.value) for e in model.metadata_props] == [(e.key, e.value) for e in full.metadata_props]


def test_quantized_twice_it_has_the_same_bytes(in_int8: StoredSegmenter, chips: Path):
    first = in_int8.form_file("int8").read_bytes()
    with pytest.raises(ArtefactError, match="exists already; give --overwrite"):
        quantize_segmenter(in_int8.folder, chips, SMALL)
    assert quantize_segmenter(in_int8.folder, chips, SMALL, overwrite=True).file.read_bytes() == first


def test_below_the_bar_nothing_is_kept_unless_asked_for(
    stored: StoredSegmenter, chips: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    monkeypatch.setattr("hectares.io.segmenter.LEAST_AGREEMENT", 1.1)
    before = {p.name: p.read_bytes() for p in stored.folder.iterdir()}
    made = quantize_segmenter(stored.folder, chips, QuantizeConfig(calibrate=2, compare=2, threads=1), monitor=notes)
    assert (made.is_enough, made.is_kept) == (False, False)
    assert {p.name: p.read_bytes() for p in stored.folder.iterdir()} == before
    [problem] = notes.problems
    assert problem.severity == "incomplete"
    assert problem.remedy == "not kept; --keep keeps it for --precision int8"
    made = quantize_segmenter(stored.folder, chips, SMALL)
    assert (made.is_enough, made.is_kept) == (False, True)


def test_where_no_chip_has_a_label_nothing_is_concluded_from_scores(
    stored: StoredSegmenter, chips: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    def compared(*given: Any) -> dict[str, dict[str, float]]:
        splits.append(given)
        unknown = len(splits) == unlabelled
        return {n: s | ({"miou": np.nan, "fp32_miou": np.nan} if unknown else {}) for n, s in compare(*given).items()}

    compare, splits = module.compare_forms, []
    monkeypatch.setattr(module, "compare_forms", compared)
    unlabelled = 2  # test comes after val
    made = quantize_segmenter(stored.folder, chips, SMALL, monitor=notes)
    assert all(list(found) == ["val"] for found in made.record.measured.values())
    assert "no test chip that was compared has a label" in [p.what for p in notes.problems]
    assert find_segmenter(stored.folder).int8.miou_change == made.record.miou_change
    splits.clear()
    unlabelled = 1
    with pytest.raises(ArtefactError, match="no val chip that was compared has a label; raise --compare"):
        quantize_segmenter(stored.folder, chips, SMALL, overwrite=True)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_maps_carry_precision_and_figures(
    in_int8: StoredSegmenter, tmp_path: Path, write_raster: WriteRaster, runtime: str
):
    if runtime == "openvino":
        pytest.importorskip("hectares.runtime.openvino").import_openvino()
    image = np.random.default_rng(4).integers(1, 200, (2, 40, 70), dtype=np.uint8)
    scene = write_raster("scene.tif", image, names=["red", "nir"])
    config = PredictConfig(tile_px=64, overlap_px=32, device="cpu", runtime=runtime, precision="int8")
    maps = [predict_scene(in_int8.folder, scene, tmp_path / f"{n}.tif", config) for n in range(2)]
    assert maps[0].read_bytes() == maps[1].read_bytes()
    with open_class_map(maps[0]) as opened:
        told = opened.provenance
    assert in_int8.int8 is not None
    assert (told["runtime"], told["precision"], told["model_sha256"]) == (runtime, "int8", in_int8.int8.sha256)
    agreement, change = in_int8.int8.of_runtime(runtime)
    assert (float(told["agreement"]), float(told["miou_change"])) == pytest.approx((agreement, change), abs=1e-6)


def test_a_changed_form_is_noticed(in_int8: StoredSegmenter):
    file = in_int8.form_file("int8")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtefactError, match=r"model\.int8\.onnx: is damaged"):
        find_segmenter(in_int8.folder).verify()


def test_what_cannot_be_quantized_is_refused(
    tmp_path: Path, stored: StoredSegmenter, chips: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ArtefactError, match="ships with the package and is not changed; copy"):
        quantize_segmenter("builtin:dubai", chips, SMALL)
    bare = save_random_segmenter(tmp_path / "bare", legend)
    with pytest.raises(ArtefactError, match=r"holds no model\.onnx"):
        quantize_segmenter(bare.folder, chips, SMALL)
    other = save_random_segmenter(tmp_path / "other", Legend.of({1: "a", 2: "b"}))
    with pytest.raises(ArtefactError, match=r"has the classes .*, the segmenter 1 a, 2 b"):
        quantize_segmenter(other.folder, chips, SMALL)
    monkeypatch.setattr(module, "native_precisions", frozenset)
    with pytest.raises(ConfigError, match="does not multiply int8 natively"):
        quantize_segmenter(stored.folder, chips, SMALL)


def test_the_command_prints_what_was_measured(stored: StoredSegmenter, chips: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--calibrate", "2", "--compare", "2", "--threads", "1", "--keep", "--json"]
    assert run(["quantize", str(stored.folder.parent), str(chips), *options]) == 0
    told = json.loads(capsys.readouterr().out)["result"]
    assert told["int8"].endswith("model.int8.onnx")
    assert told["measured"]["onnx"]["val"]["chips"] == 2
