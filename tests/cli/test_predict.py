"""`predict` on the command line: the plan, scores, shards and workers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from factory import WriteRaster
from hectares.cli.main import run
from hectares.core.legend import Legend
from segmenters import save_random_segmenter

SMALL = ["--tile-px", "32", "--overlap-px", "8", "--device", "cpu", "-q"]


@pytest.fixture
def given(tmp_path: Path, legend: Legend, write_raster: WriteRaster) -> list[str]:
    """Give a run and a scene."""
    image = np.random.default_rng(4).integers(1, 200, (2, 40, 70), dtype=np.uint8)
    scene = write_raster("scene.tif", image, names=["red", "nir"])
    return [str(save_random_segmenter(tmp_path / "run", legend).folder), str(scene)]


def test_a_plan_tells_what_it_would_take_and_writes_nothing(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    before = sorted(tmp_path.rglob("*"))
    assert run(["predict", *given, str(tmp_path / "m.tif"), "--plan", "--json", *SMALL]) == 0
    (found,) = json.loads(capsys.readouterr().out)["result"]["plans"].values()
    assert found["tiles"]["count"] == found["batches"] == 8
    assert {"minutes", "peak_memory_mib", "disk_mib", "runtime", "device"} <= set(found)
    assert run(["predict", *given, str(tmp_path / "m.tif"), "--plan", *SMALL]) == 0
    shown = capsys.readouterr().out
    assert "8 of 32 x 32 px" in shown
    assert "MiB are free" in shown
    assert sorted(tmp_path.rglob("*")) == before


def test_the_plan_of_a_mosaic_tells_time_memory_and_disk(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["predict", *given, str(tmp_path / "m.tif"), "--mosaic", "--plan", *SMALL]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(r"time about (a second|\d+ seconds), less where windows are empty memory about [\d,]+ MiB", shown)
    assert "MiB are free" in shown
    assert not list(tmp_path.glob("*m.tif"))


def test_a_plan_is_refused_as_what_it_is_of(given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["predict", *given, given[1], str(tmp_path / "m.tif"), "--plan", *SMALL]) == 2
    assert "give --mosaic for one map of them all, or name a folder" in " ".join(capsys.readouterr().err.split())


def test_workers_and_shards_give_the_bytes_of_one_process(given: list[str], tmp_path: Path):
    made = []
    for name, options in (("one", []), ("two", ["--workers", "2"]), ("three", [])):
        line = ["predict", *given, str(tmp_path / f"{name}.tif"), "--scores", str(tmp_path / f"{name}-s.tif"), *SMALL]
        if name == "three":
            assert [run([*line, "--shard", f"{n}/2"]) for n in (2, 1)] == [0, 0]
        if options:
            done = subprocess.run([sys.executable, "-m", "hectares", *line, *options], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
        else:
            assert run(line) == 0
        made.append([(tmp_path / f"{name}{end}.tif").read_bytes() for end in ("", "-s")])
    assert made[0] == made[1] == made[2]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".hectares")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "1/2", "--workers", "2"], "--shard goes without"),
        (["--workers", "0"], "--workers is at least 1"),
        (["--shard", "3/2"], "shard 3/2 does not exist"),
        (["--unsure", "1.5"], "--unsure is 1.5; expected 0 to 1"),
        (["--mean", "geometric"], "give it together with --tta or --with"),
        (["--precision", "bf16", "--runtime", "onnx"], "bf16 is for openvino and torch, not for onnx"),
    ],
)
def test_what_cannot_be_is_refused(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    assert run(["predict", *given, str(tmp_path / "m.tif"), *SMALL, *options]) in {2, 4}
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "m.tif").exists()
