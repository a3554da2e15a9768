"""The exported form on the command line, and what works where torch is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from factory import WriteRaster
from hectares.cli.main import run
from hectares.core.legend import Legend
from hectares.io import builtin
from hectares.io.rasters.class_map import open_class_map
from hectares.runtime.finishing import finish_segmenter
from segmenters import save_random_segmenter

CARD = "---\nsummary: roofs from the air\nlicense: CC0-1.0\nscores: {mean IoU east: 0.61}\n---\nFails on snow.\n"
WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    names = {"torch", "torchvision", "lightning", "timm", "segmentation_models_pytorch", "onnx", "onnxscript"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
from hectares.io import builtin
builtin.ROOT = Path(sys.argv.pop(1))
from hectares.cli.main import main
main()
"""


@pytest.fixture
def shipped(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a package folder with the segmenter `roofs`."""
    folder = tmp_path / "builtin" / "roofs"
    finish_segmenter(save_random_segmenter(folder, legend).folder, [])
    (folder / "card.md").write_text(CARD, encoding="utf-8")
    monkeypatch.setattr(builtin, "ROOT", folder.parent)
    return folder


def _scene(write_raster: WriteRaster) -> Path:
    image = np.random.default_rng(4).integers(1, 200, (2, 40, 70), dtype=np.uint8)
    return write_raster("scene.tif", image, names=["red", "nir"])


def _without_torch(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(root), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_builtin_segmenter_maps_a_scene_where_torch_is_absent(
    tmp_path: Path, shipped: Path, write_raster: WriteRaster
):
    out = tmp_path / "map.tif"
    done = _without_torch(shipped.parent, "predict", "builtin:roofs", _scene(write_raster), out)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    with open_class_map(out) as opened:
        assert opened.provenance["runtime"] in {"openvino", "onnx"}
        assert opened.grid.shape == (40, 70)


def test_what_needs_torch_says_so_where_it_is_absent(tmp_path: Path, shipped: Path, write_raster: WriteRaster):
    scene, out = _scene(write_raster), tmp_path / "map.tif"
    done = _without_torch(shipped.parent, "predict", "builtin:roofs", scene, out, "--runtime", "torch")
    assert done.returncode == 2
    assert "needs torch: pip install 'hectares[train]'" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "tokens", [("segmenters",), ("segmenters", "roofs"), ("info", "builtin:roofs"), ("check", "builtin:roofs")]
)
def test_looking_at_a_builtin_segmenter_needs_no_torch(shipped: Path, tokens: tuple[str, ...]):
    done = _without_torch(shipped.parent, *tokens)
    assert done.returncode == 0, done.stderr


def test_a_copy_of_a_stored_export_needs_no_torch(tmp_path: Path, shipped: Path):
    done = _without_torch(shipped.parent, "export", "builtin:roofs", tmp_path / "out.onnx")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.onnx").read_bytes() == (shipped / "model.onnx").read_bytes()


def test_the_listing_has_what_to_choose_by(shipped: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["segmenters", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["result"]["segmenters"]["roofs"]
    assert record["summary"] == "roofs from the air"
    assert (record["license"], record["scores"]) == ("CC0-1.0", {"mean IoU east": 0.61})
    assert (record["bands"], record["classes"]) == (["red", "nir"], ["water", "forest", "built-up"])


@pytest.mark.parametrize("name", ["roofs", "builtin:roofs"])
def test_one_is_shown_with_its_card(shipped: Path, capsys: pytest.CaptureFixture[str], name: str):
    assert run(["segmenters", name]) == 0
    shown = capsys.readouterr().out
    assert "Fails on snow." in shown
    assert "0.610" in shown


def test_an_unknown_one_is_usage(shipped: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["segmenters", "towns"]) == 2
    assert "known: builtin:roofs" in " ".join(capsys.readouterr().err.split())


def test_export_tells_size_and_agreement(tmp_path: Path, shipped: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["export", "builtin:roofs", str(tmp_path / "o.onnx"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["result"]
    assert record["agreement"] > 0.999
    assert record["bytes"] == (tmp_path / "o.onnx").stat().st_size


def test_what_ships_is_not_changed(shipped: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["export", "builtin:roofs", str(shipped / "model.onnx"), "--overwrite"]) == 4
    assert "ships with the package" in " ".join(capsys.readouterr().err.split())
