"""OpenVINO as a runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
if __import__("importlib.util").util.find_spec("openvino") is None:
    pytest.skip("openvino is not installed", allow_module_level=True)

from factory import WriteRaster
from hectares.config.predict import PredictConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.scene import ArraySource
from hectares.core.window import Tiling
from hectares.errors import ArtefactError, ResourceError
from hectares.io.rasters.class_map import open_class_map
from hectares.io.segmenter import StoredSegmenter
from hectares.predict import predict_scene
from hectares.runtime.finishing import finish_segmenter
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import OnnxRuntime
from hectares.runtime.openvino import Network, OpenvinoRuntime
from hectares.scale.tiles import Decision, TileWork
from segmenters import save_random_segmenter

IMAGE = np.random.default_rng(1).standard_normal((2, 2, 48, 80), np.float32)
NO_TELEMETRY = """
import sys
from hectares.runtime.openvino import import_openvino
import_openvino()
names = {n for n in sys.modules if n.split(".")[0] == "openvino_telemetry"}
assert not names, names
assert "openvino.tools.ovc.telemetry_stub" in sys.modules or "openvino.tools.ovc" not in sys.modules
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StoredSegmenter:
    """Give a segmenter with a checked export."""
    legend = Legend.of({1: "a", 2: "b", 7: "c"})
    return finish_segmenter(save_random_segmenter(tmp_path_factory.mktemp("m") / "s", legend).folder, [IMAGE[0]])


def test_it_decides_as_onnxruntime_does(finished: StoredSegmenter):
    expected, found = OnnxRuntime(finished, threads=1).logits(IMAGE), OpenvinoRuntime(finished, threads=1).logits(IMAGE)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("options", [{"width": 2}, {"width": 2, "crop": 16}])
def test_it_takes_images_of_any_size(tmp_path: Path, legend: Legend, options: dict[str, int]):
    stored = finish_segmenter(save_random_segmenter(tmp_path / "s", legend, options=options).folder, [])
    one, other = OpenvinoRuntime(stored, threads=1), OnnxRuntime(stored, threads=1)
    for side in ((33, 50), (7, 5)):
        image = IMAGE[:, :, : side[0], : side[1]]
        assert np.abs(one.logits(image) - other.logits(image)).max() < 1e-3


def test_the_number_of_threads_changes_no_bit(finished: StoredSegmenter):
    expected = OpenvinoRuntime(finished, threads=1).logits(IMAGE)
    for threads in (1, 2, 3):
        assert np.array_equal(OpenvinoRuntime(finished, threads=threads).logits(IMAGE), expected)


def test_what_was_run_before_changes_no_bit(finished: StoredSegmenter):
    runtime = OpenvinoRuntime(finished, threads=1)
    expected = runtime.logits(IMAGE)
    for side in (16, 32, 48, 64, 80):  # more shapes than are kept
        runtime.logits(IMAGE[:1, :, :, :side])
    assert np.array_equal(runtime.logits(IMAGE), expected)


def test_an_answer_is_not_changed_by_the_next(finished: StoredSegmenter):
    runtime = OpenvinoRuntime(finished, threads=1)
    first = runtime.logits(IMAGE)
    kept = first.copy()
    runtime.logits(IMAGE + 1)
    assert np.array_equal(first, kept)


def test_facts_name_engine_version_and_what_was_measured(finished: StoredSegmenter):
    facts = OpenvinoRuntime(finished, threads=1).facts
    assert finished.onnx is not None
    assert (facts["runtime"], facts["device"], facts["precision"]) == ("openvino", "cpu", "fp32")
    assert facts["model_sha256"] == finished.onnx.sha256
    assert float(facts["agreement"]) == pytest.approx(finished.agreement("openvino", "fp32"), abs=1e-6)
    assert "threads" not in facts


def test_training_ends_with_its_agreement_and_that_of_bf16(finished: StoredSegmenter):
    assert finished.agreement("openvino", "fp32") > 0.999
    assert 0.9 < finished.agreement("torch", "bf16") <= 1
    assert finished.content["agreements"]["openvino fp32"]["chips"] == 1


def test_bf16_stays_near_fp32(finished: StoredSegmenter):
    expected, found = (OpenvinoRuntime(finished, precision=p, threads=1).logits(IMAGE) for p in ("fp32", "bf16"))
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_a_map_is_that_of_onnxruntime_and_has_the_same_bytes_each_time(
    finished: StoredSegmenter, tmp_path: Path, write_raster: WriteRaster
):
    image = np.random.default_rng(4).integers(1, 200, (2, 70, 110), dtype=np.uint8)
    image[:, 10:30, 40:90] = 0
    scene = write_raster("scene.tif", image, names=["red", "nir"], nodata=0)
    made, read = [], []
    for number, runtime in enumerate(("openvino", "openvino", "onnx")):
        config = PredictConfig(tile_px=64, overlap_px=32, device="cpu", runtime=runtime)
        made.append(predict_scene(finished.folder, scene, tmp_path / f"{number}.tif", config))
        with open_class_map(made[-1]) as opened:
            read.append(opened.read(opened.grid.window))
            assert (opened.provenance["runtime"], opened.provenance["precision"]) == (runtime, "fp32")
    assert made[0].read_bytes() == made[1].read_bytes()
    assert np.mean(read[0] == read[2]) > 0.999
    assert (read[0][10:30, 40:90] == 255).all()


def test_streamed_is_whole_where_tiles_hold_all_that_the_network_sees(finished: StoredSegmenter):
    runtime = OpenvinoRuntime(finished, threads=1)
    image = np.random.default_rng(2).standard_normal((2, 96, 624), np.float32)
    source = ArraySource(image, Grid(None, Affine.identity(), image.shape[1:]), ["red", "nir"])
    whole = runtime.logits(image[None])[0]

    def off(tiling: Tiling) -> float:
        """Give the largest difference, as a share of the largest logit."""
        work = TileWork(source, [None], lambda images: runtime.logits(images[0]), Decision(kept="float32"), 3)
        streamed = np.full_like(whole, np.nan)
        for tile in tiling:
            (result,) = work.run([tile])
            streamed[:, *tile.core.slices] = result.scores
        return float(np.abs(streamed - whole).max() / np.abs(whole).max())

    enough = Tiling(image.shape[1:], size=352, overlap=288, stride=runtime.stride)
    assert (enough.counts, enough[2].read.col_end) == ((1, 3), 624)  # none reaches beyond the scene
    assert off(enough) < 1e-5  # of a tile of another width, sums may be taken in another order
    assert off(Tiling(image.shape[1:], size=128, overlap=0, stride=runtime.stride)) > 0.1


def test_nothing_is_sent_anywhere():
    done = subprocess.run([sys.executable, "-c", NO_TELEMETRY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_no_model_is_refused():
    with pytest.raises(ArtefactError, match="cannot be opened by openvino"):
        Network(b"not a model", threads=1)


def test_memory_that_is_not_enough_is_said_so(finished: StoredSegmenter, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise RuntimeError("Exception from src: std::bad_alloc")

    network = Network(finished.onnx_file().read_bytes(), threads=1)
    monkeypatch.setattr(network, "_for_shape", full)
    with pytest.raises(ResourceError, match=r"not enough for 2 tile\(s\) of 48 x 80 px; use a smaller --batch"):
        network.run(IMAGE, Fit(16))
