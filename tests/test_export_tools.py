"""The exported form for other tools: what Deepness in QGIS runs, and the item for catalogs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from hectares.config.export import ExportConfig
from hectares.core.bands import BandPlan
from hectares.core.legend import Legend
from hectares.errors import ArtefactError
from hectares.export import export_segmenter
from hectares.io.segmenter import StoredSegmenter
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import open_session, run_session
from segmenters import save_convolution, save_random_segmenter

DEEPNESS = ExportConfig(tool="deepness")


def _as_the_plugin_does(session: Any, image: np.ndarray) -> np.ndarray:
    """Give the classes of bytes (C, side, side) as version 0.6.5 takes them."""
    facts = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items() if k != "hectares"}
    pixels = np.float32(image[None].transpose(0, 2, 3, 1) * 1.0 / 255.0)
    standard = (pixels - facts["standardization_mean"]) / facts["standardization_std"]
    [scores] = session.run(None, {session.get_inputs()[0].name: standard.transpose(0, 3, 1, 2).astype(np.float32)})
    scores[scores < facts["seg_thresh"]] = 0
    classes: np.ndarray = scores[0].argmax(axis=0)
    return classes


def _squares(side: int) -> np.ndarray:
    few = np.random.default_rng(5).integers(0, 256, (2, -(-side // 8), -(-side // 8)), dtype=np.uint8)
    return few.repeat(8, axis=1).repeat(8, axis=2)[:, :side, :side]


@pytest.mark.parametrize("scaling", ["standard", "percentile"])
def test_deepness_gives_each_pixel_the_class_that_predict_gives(tmp_path: Path, legend: Legend, scaling: str):
    stored = save_convolution(tmp_path / "run", legend, scaling=scaling)
    session = ort.InferenceSession(export_segmenter(stored.folder, tmp_path / "q.onnx", DEEPNESS).file)
    side = session.get_inputs()[0].shape[-1]
    image = _squares(side)
    plain = run_session(open_session(stored.onnx_file().read_bytes()), stored.spec.scaler.apply(image)[None], Fit(4))
    expected = plain[0].argmax(axis=0)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(_as_the_plugin_does(session, image), expected)


def test_a_network_that_cuts_its_border_is_given_a_mirrored_one(tmp_path: Path, legend: Legend):
    torch = pytest.importorskip("torch")
    stored = save_random_segmenter(tmp_path / "run", legend, options={"width": 2, "crop": 8})
    file = export_segmenter(stored.folder, tmp_path / "q.onnx", DEEPNESS).file
    session = ort.InferenceSession(file)
    side = session.get_inputs()[0].shape[-1]
    assert session.get_outputs()[0].shape[-2:] == [side, side]
    from hectares.model.segmenter import Segmenter

    network, image = Segmenter.restore(stored.spec, stored.weights(), "cpu"), _squares(side)
    with torch.no_grad():
        expected = network.logits(stored.spec.scaler.apply(image)[None])[0].argmax(axis=0)
    assert np.mean(_as_the_plugin_does(session, image) == expected) >= 0.999


def test_deepness_finds_in_the_file_all_that_it_asks_for(tmp_path: Path, legend: Legend):
    stored = save_convolution(tmp_path / "run", legend, tile_px=40, context_px=7)
    model = onnx.load(export_segmenter(stored.folder, tmp_path / "q.onnx", DEEPNESS).file)
    facts = {p.key: json.loads(p.value) for p in model.metadata_props}
    sides = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    assert sides == [2, 56, 56]  # eight times the context, so that a quarter overlaps
    assert facts["model_type"] == "Segmentor"
    assert list(facts["class_names"].values()) == list(stored.spec.legend.names)
    assert (facts["tile_size"], facts["tiles_overlap"], facts["resolution"], facts["seg_thresh"]) == (56, 25, 1000, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"multilabel": True}, "lets classes overlap"),
        ({"dtype": "uint16"}, "takes uint16 pixels"),
        ({"scaling": "scene-percentile"}, "scales each scene by its own range"),
        ({"plan": BandPlan(indices=("ndvi",))}, "computes the bands ndvi"),
    ],
)
def test_what_deepness_cannot_prepare_is_refused(tmp_path: Path, legend: Legend, changes: dict[str, Any], reason: str):
    stored = save_convolution(tmp_path / "run", legend, **changes)
    with pytest.raises(ArtefactError, match=f"the segmenter {reason}.*hectares predict"):
        export_segmenter(stored.folder, tmp_path / "q.onnx", DEEPNESS)
    assert not list(tmp_path.glob("q.*"))


def test_the_form_that_predict_runs_is_not_replaced_by_one_for_another_tool(tmp_path: Path, legend: Legend):
    stored = save_convolution(tmp_path / "run", legend)
    with pytest.raises(ArtefactError, match="is the form that predict runs; choose another name"):
        export_segmenter(stored.folder, stored.folder / "model.onnx", DEEPNESS, overwrite=True)


def _item(stored: StoredSegmenter, out: Path, config: ExportConfig) -> dict[str, Any]:
    file = export_segmenter(stored.folder, out, config).file
    item: dict[str, Any] = json.loads(out.with_suffix(".stac.json").read_text(encoding="utf-8"))
    assert item["assets"]["model"]["file:checksum"] == "1220" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert item["assets"]["model"]["roles"] == ["mlm:model", "mlm:weights"]
    return item


def test_the_item_says_what_goes_in_and_what_comes_out(tmp_path: Path, legend: Legend):
    stored = save_convolution(tmp_path / "run", legend, scaling="percentile")
    properties = _item(stored, tmp_path / "town.onnx", ExportConfig())["properties"]
    [given], [found] = properties["mlm:input"], properties["mlm:output"]
    assert (properties["mlm:name"], properties["mlm:tasks"]) == ("town", ["semantic-segmentation"])
    assert [b["name"] for b in properties["bands"]] == given["bands"] == ["red", "nir"]
    assert given["input"]["shape"] == [-1, 2, -1, -1]
    assert given["value_scaling"][1] == {
        "type": "min-max", "minimum": 0, "maximum": 100, "comment": "then clipped to 0 and 1"
    }  # fmt: skip
    assert [c["value"] for c in found["classification:classes"]] == [c.code for c in stored.spec.legend.classes]


def test_the_item_of_a_file_for_deepness_describes_that_file(tmp_path: Path, legend: Legend):
    stored = save_convolution(tmp_path / "run", legend)
    [given] = _item(stored, tmp_path / "q.onnx", DEEPNESS)["properties"]["mlm:input"]
    assert given["input"]["shape"] == [-1, 2, 32, 32]
    assert given["value_scaling"] == [{"type": "scale", "value": 255}]


def test_an_item_that_lies_there_is_not_replaced_unasked(tmp_path: Path, legend: Legend):
    stored = save_convolution(tmp_path / "run", legend)
    (tmp_path / "town.stac.json").write_text("mine")
    with pytest.raises(ArtefactError, match=r"town\.stac\.json: exists already; give --overwrite"):
        export_segmenter(stored.folder, tmp_path / "town.onnx")
    assert not (tmp_path / "town.onnx").exists()
