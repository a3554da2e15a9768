"""What is made and measured when training ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from factory import Notes
from hectares.core.legend import Legend
from hectares.errors import ArtefactError
from hectares.io.segmenter import find_segmenter
from hectares.model.segmenter import Segmenter
from hectares.runtime import finishing
from hectares.runtime.finishing import finish_segmenter
from hectares.runtime.onnx import OnnxRuntime
from hectares.runtime.torch import TorchRuntime
from segmenters import save_random_segmenter


def _images(count: int = 3, side: int = 32) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(2)
    for _ in range(count):
        yield rng.standard_normal((2, side, side), np.float32)


def test_a_finished_segmenter_holds_a_checked_export_context_and_calibration(tmp_path: Path, legend: Legend):
    saved = save_random_segmenter(tmp_path / "s", legend)
    assert (saved.onnx, saved.calibration, saved.spec.context_px) == (None, None, None)
    stored = finish_segmenter(saved.folder, _images(), calibration={"temperature": 1.5, "ece_before": 0.2})
    record = find_segmenter(saved.folder).onnx
    assert record is not None
    assert record == stored.onnx
    assert record.agreement > 0.999
    assert record.max_difference < 1e-3
    assert (record.chips, record.measured_on, record.is_checked) == (3, "validation chips", True)
    assert stored.calibration == {"temperature": 1.5, "ece_before": 0.2}
    assert (stored.spec.stride, stored.spec.crop) == (16, 0)
    assert stored.spec.context_px is not None
    assert 8 < stored.spec.context_px < 128
    stored.verify()


def test_finished_twice_a_segmenter_has_the_same_bytes(tmp_path: Path, legend: Legend, tree_of):
    for name in ("one", "two"):
        finish_segmenter(save_random_segmenter(tmp_path / name, legend).folder, _images())
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two")


def test_no_more_images_are_read_than_compared(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(finishing, "MAX_IMAGES", 5)
    images = _images(9)
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend).folder, images)
    assert stored.onnx is not None
    assert stored.onnx.chips == 5
    assert len(list(images)) == 4


def test_images_of_several_sizes_are_compared(tmp_path: Path, legend: Legend):
    images = [*_images(3, 32), *_images(2, 21), *_images(1, 32)]
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend).folder, images)
    assert stored.onnx is not None
    assert stored.onnx.chips == 6


def test_without_images_random_tiles_are_compared(tmp_path: Path, legend: Legend):
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend).folder, [])
    assert stored.onnx is not None
    assert (stored.onnx.chips, stored.onnx.measured_on) == (8, "random tiles")


def test_a_network_without_an_onnx_form_stays_a_segmenter(
    tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch, notes: Notes
):
    def refuse(*_: object, **__: object) -> bytes:
        raise ArtefactError("the network has no ONNX form (it sings)")

    monkeypatch.setattr(finishing, "to_onnx", refuse)
    stored = finish_segmenter(
        save_random_segmenter(tmp_path / "s", legend).folder, _images(), calibration={"temperature": 2}, monitor=notes
    )
    assert (stored.onnx, stored.spec.stride, stored.calibration) == (None, 16, {"temperature": 2})
    assert stored.problems == ("the network has no ONNX form (it sings)",)
    assert [p.what for p in notes.problems] == ["the network has no ONNX form (it sings)"]
    assert sorted(p.name for p in stored.folder.iterdir()) == ["segmenter.json", "weights.safetensors"]


def test_a_graph_that_gives_other_logits_is_refused(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch):
    stored = save_random_segmenter(tmp_path / "s", legend)
    monkeypatch.setattr(finishing, "run_session", lambda _, image, __: image[:, [0, 1, 0]])
    segmenter = finishing.restore(stored)[1]
    with pytest.raises(ArtefactError, match="gives other logits than the network at 32 x 80 px"):
        finishing.export_onnx(segmenter, None)


def test_the_file_alone_tells_another_tool_all_it_needs(tmp_path: Path, legend: Legend):
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend).folder, _images())
    model = onnx.load(stored.onnx_file())
    [entry] = model.metadata_props
    told = json.loads(entry.value)
    assert entry.key == "hectares"
    assert told["bands"] == ["red", "nir"]
    assert told["scaling"]["subtract"] == [100, 50]
    assert told["scaling"]["divide"] == [40, 20]
    assert [c["name"] for c in told["legend"]["classes"]] == ["water", "forest", "built-up"]
    assert (told["stride"], told["gsd_m"], told["multilabel"]) == (16, 10, False)


@pytest.mark.parametrize("options", [{"width": 2}, {"width": 2, "crop": 16}])
@pytest.mark.parametrize("side", [(32, 48), (33, 50), (7, 5)])
def test_onnx_and_torch_give_the_same_logits_at_any_size(tmp_path: Path, legend: Legend, options, side):
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend, options=options).folder, _images())
    image = np.random.default_rng(7).standard_normal((2, 2, *side), np.float32)
    one, other = OnnxRuntime(stored, threads=1), TorchRuntime(stored, device="cpu")
    expected, found = other.logits(image), one.logits(image)
    assert found.shape == expected.shape == (2, 3, *side)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-3
    assert one.stride == other.stride == 16
    assert one.spec == other.spec


def test_a_segmenter_from_before_exports_still_opens(tmp_path: Path, legend: Legend):
    stored = save_random_segmenter(tmp_path / "s", legend)
    assert Segmenter.restore(stored.spec, stored.weights(), "cpu").stride == 16
    assert stored.problems == ()
