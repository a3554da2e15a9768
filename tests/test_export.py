"""A segmenter as one ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from factory import Notes, WriteRaster
from hectares.config.export import ExportConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError
from hectares.export import export_segmenter
from hectares.io.artefact import sha256_file, write_json
from hectares.io.rasters.class_map import open_class_map
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.predict import predict_scene
from hectares.prepare import prepare_source
from hectares.runtime.finishing import finish_segmenter
from segmenters import save_random_segmenter

CONFIG = PredictConfig(tile_px=64, overlap_px=32, device="cpu")


@pytest.fixture
def saved(tmp_path: Path, legend: Legend) -> StoredSegmenter:
    """Give a segmenter that holds no export."""
    return save_random_segmenter(tmp_path / "run" / "segmenter", legend)


def _scene(write_raster: WriteRaster) -> Path:
    image = np.random.default_rng(4).integers(1, 200, (2, 70, 110), dtype=np.uint8)
    image[:, 10:30, 40:90] = 0
    return write_raster("scene.tif", image, names=["red", "nir"], nodata=0)


def _indices(path: Path) -> np.ndarray:
    with open_class_map(path) as opened:
        return opened.read(opened.grid.window)


def test_the_file_that_is_written_is_the_one_that_was_checked(tmp_path: Path, saved: StoredSegmenter):
    exported = export_segmenter(tmp_path / "run", tmp_path / "out.onnx")
    assert exported.record.sha256 == sha256_file(exported.file)
    assert exported.record.is_checked
    onnx.checker.check_model(onnx.load(exported.file))
    assert find_segmenter(saved.folder).onnx is None


def test_exported_twice_it_has_the_same_bytes(tmp_path: Path, saved: StoredSegmenter):
    files = [export_segmenter(saved.folder, tmp_path / name).file for name in ("a.onnx", "b.onnx")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_segmenter_that_holds_its_export_gives_a_copy(tmp_path: Path, saved: StoredSegmenter):
    stored = finish_segmenter(saved.folder, [])
    exported = export_segmenter(saved.folder, tmp_path / "out.onnx")
    assert exported.file.read_bytes() == stored.onnx_file().read_bytes()
    assert exported.record == stored.onnx


def test_written_into_its_own_folder_it_becomes_part_of_the_segmenter(tmp_path: Path, saved: StoredSegmenter):
    own = saved.folder / "model.onnx"
    export_segmenter(tmp_path / "run", own)
    stored = find_segmenter(tmp_path / "run")
    assert stored.onnx is not None
    assert stored.spec.stride == 16
    stored.verify()
    with pytest.raises(ArtefactError, match="exists already; give --overwrite"):
        export_segmenter(tmp_path / "run", own)
    export_segmenter(tmp_path / "run", own, overwrite=True)
    assert find_segmenter(tmp_path / "run").onnx == stored.onnx


def test_another_file_of_the_segmenter_is_never_replaced(saved: StoredSegmenter):
    (saved.folder / "other.onnx").write_bytes(b"mine")
    with pytest.raises(ArtefactError, match="is an input of this command"):
        export_segmenter(saved.folder, saved.folder / "other.onnx", overwrite=True)


def test_another_ending_is_refused(tmp_path: Path, saved: StoredSegmenter):
    with pytest.raises(ArtefactError, match=r"end its name in \.onnx"):
        export_segmenter(saved.folder, tmp_path / "out.pb")


def test_onnx_and_torch_give_the_same_map(
    tmp_path: Path, saved: StoredSegmenter, write_raster: WriteRaster, monkeypatch: pytest.MonkeyPatch
):
    finish_segmenter(saved.folder, [])
    scene = _scene(write_raster)
    maps = {}
    monkeypatch.setattr("hectares.runtime.choice.find_spec", lambda name: None if name == "openvino" else name)
    for runtime in ("torch", "onnx", "auto"):
        config = PredictConfig(tile_px=64, overlap_px=32, device="cpu", runtime=runtime)
        maps[runtime] = predict_scene(saved.folder, scene, tmp_path / f"{runtime}.tif", config)
    assert np.mean(_indices(maps["onnx"]) == _indices(maps["torch"])) >= 0.999
    assert np.array_equal(_indices(maps["onnx"]), _indices(maps["auto"]))
    with open_class_map(maps["auto"]) as opened:
        assert opened.provenance["runtime"] == "onnx"
        assert "model_sha256" in opened.provenance


def test_agreement_is_measured_on_chips(tmp_path: Path, legend: Legend, write_raster: WriteRaster, notes: Notes):
    for seed, name in enumerate("ab"):
        image = np.random.default_rng(seed).integers(1, 200, (2, 64, 96), dtype=np.uint8)
        write_raster(f"data/images/{name}.tif", image, names=["red", "nir"])
        write_raster(f"data/labels/{name}.tif", np.tile(np.array([20, 10, 35], np.uint8), (64, 32)))
    legend_file = tmp_path / "legend.json"
    write_json(legend_file, legend.to_json(), overwrite=False)
    config = PrepareConfig(chip_px=32, split="ratio", legend=legend_file)
    store = prepare_source("folders", tmp_path / "data", tmp_path / "chips", config, monitor=notes)
    split = next(s for s, n in store.counts.items() if n)
    saved = save_random_segmenter(tmp_path / "s", store.legend)
    exported = export_segmenter(saved.folder, tmp_path / "o.onnx", ExportConfig(tmp_path / "chips", split))
    assert exported.record.measured_on == f"{split} chips"
    assert exported.record.chips == min(32, store.counts[split])
