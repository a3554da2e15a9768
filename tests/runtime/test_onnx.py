"""onnxruntime as a runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ResourceError
from hectares.io.segmenter import StoredSegmenter, amend_segmenter
from hectares.runtime import onnx as module
from hectares.runtime.finishing import finish_segmenter
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import OnnxRuntime, open_session, run_session
from hectares.runtime.protocol import open_runtime
from segmenters import save_random_segmenter

IMAGE = np.random.default_rng(1).standard_normal((2, 2, 48, 80), np.float32)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StoredSegmenter:
    """Give a segmenter with a checked export."""
    legend = Legend.of({1: "a", 2: "b", 7: "c"})
    return finish_segmenter(save_random_segmenter(tmp_path_factory.mktemp("m") / "s", legend).folder, [IMAGE[0]])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(finished: StoredSegmenter, threads: int):
    expected = OnnxRuntime(finished, threads=1).logits(IMAGE)
    assert np.array_equal(OnnxRuntime(finished, threads=threads).logits(IMAGE), expected)


def test_facts_name_engine_version_and_the_exported_form(finished: StoredSegmenter):
    facts = OnnxRuntime(finished, threads=1).facts
    assert finished.onnx is not None
    assert (facts["runtime"], facts["device"], facts["precision"]) == ("onnx", "cpu", "fp32")
    assert facts["model_sha256"] == finished.onnx.sha256
    assert "threads" not in facts


def test_onnx_without_an_export_says_how_to_make_one(tmp_path: Path, legend: Legend):
    stored = save_random_segmenter(tmp_path / "s", legend)
    with pytest.raises(ArtefactError, match=r"holds no model\.onnx; make one with `hectares export"):
        open_runtime(stored, name="onnx")


def test_a_changed_export_is_noticed(tmp_path: Path, legend: Legend):
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend).folder, [])
    file = stored.folder / "model.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"model\.onnx: is damaged"):
        open_runtime(stored, name="onnx")
    file.unlink()
    with pytest.raises(ArtefactError, match=r"model\.onnx: is missing"):
        stored.verify()


def test_what_is_no_model_is_refused(finished: StoredSegmenter):
    with pytest.raises(ArtefactError, match="cannot be opened by onnxruntime"):
        open_session(b"not a model", threads=1)


def test_memory_that_is_not_enough_is_said_so(finished: StoredSegmenter, monkeypatch: pytest.MonkeyPatch):
    class Full:
        def get_inputs(self) -> list[object]:
            return [type("Input", (), {"name": "image"})()]

        def run(self, *_: object) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 99")

    with pytest.raises(ResourceError, match=r"not enough for 2 tile\(s\) of 48 x 80 px; use a smaller --batch"):
        run_session(Full(), IMAGE, Fit(16))


def test_calibration_alone_can_be_added(tmp_path: Path, legend: Legend):
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend).folder, [])
    amended = amend_segmenter(stored, calibration={"temperature": 0.8})
    assert amended.calibration == {"temperature": 0.8}
    assert (amended.onnx, amended.spec, amended.sha256) == (stored.onnx, stored.spec, stored.sha256)
    assert module.OnnxRuntime(amended, threads=1).stride == 16
