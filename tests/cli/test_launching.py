"""One command in several processes: they stop with the one that started them, and a deadly batch is named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from factory import WriteRaster
from hectares.cli import launching
from hectares.cli.launching import absolute, shard_tokens
from hectares.cli.main import run
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from segmenters import save_convolution

_DEADLY = """
import os, sys
from hectares.scale.tiles import TileWork

read = TileWork.read

def deadly(work, tiles):
    if any(tile.core.row == 0 and tile.core.col > 0 for tile in tiles):
        os.kill(os.getpid(), 9)
    return read(work, tiles)

TileWork.read = deadly
from hectares.cli.main import main
main()
"""


@pytest.fixture
def command(tmp_path: Path, legend: Legend, write_raster: WriteRaster) -> list[str]:
    """Give a prediction of four batches."""
    image = np.random.default_rng(1).integers(1, 100, (2, 40, 40), dtype=np.uint8)
    scene = write_raster("scene.tif", image, names=["red", "nir"])
    segmenter = save_convolution(tmp_path / "run", legend).folder
    where = [str(segmenter), str(scene), str(tmp_path / "map.tif")]
    return ["predict", *where, "--tile-px", "24", "--overlap-px", "8", "--device", "cpu", "--workers", "2"]


def test_a_batch_that_ends_every_process_is_named_and_not_tried_for_ever(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    script = tmp_path / "worker.py"
    script.write_text(_DEADLY)
    monkeypatch.setattr(launching, "_WORKER", (sys.executable, str(script)))
    monkeypatch.setattr(sys, "argv", ["hectares", *command])
    assert run([*command]) == 5
    said = " ".join(capsys.readouterr().err.split())
    assert "the process ended 3 times while it computed rows 0 to 20, cols 20 to 40 of the scene (batch 1)" in said
    assert not (tmp_path / "map.tif").exists()


def test_workers_stop_when_the_process_that_started_them_is_killed(tmp_path: Path):
    code = "import os, time; from hectares.cli.follower import follow; follow(); "
    code += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    start = "import sys; from hectares.monitor import QUIET; from hectares.scale.workers import run_workers; "
    start += f"run_workers([[sys.executable, '-c', {code!r}]], lambda: None, QUIET)"
    parent = subprocess.Popen([sys.executable, "-c", start])
    worker = 0
    deadline = time.monotonic() + 60
    while not worker and time.monotonic() < deadline:
        time.sleep(0.05)
        with contextlib.suppress(FileNotFoundError, ValueError):
            worker = int((tmp_path / "pid").read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    while _lives(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(worker)


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_only_what_concerns_the_work_is_passed_on():
    assert shard_tokens(["predict", "a", "--workers", "2", "-v", "--aoi", "x.gpkg"]) == [
        "predict",
        "a",
        "--aoi",
        "x.gpkg",
    ]


def test_a_cluster_gets_files_by_their_whole_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "park.gpkg").touch()
    (tmp_path / "other").mkdir()
    found = absolute(PredictConfig(aoi="park.gpkg:lakes", with_=("other", "builtin:town")))
    assert found.aoi == f"{tmp_path / 'park.gpkg'}:lakes"
    assert found.with_ == (str(tmp_path / "other"), "builtin:town")


@pytest.mark.parametrize("more", [["--shard", "1/2"], ["--overwrite"]])
def test_a_cluster_takes_all_of_the_work(command: list[str], more: list[str]):
    assert run([*command[:-2], "--dask", "local", *more]) == 2
