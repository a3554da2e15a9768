"""One command in several processes: they stop with the one that started them, and a deadly batch is left out."""

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
from hectares.cli import chain, launching, mosaicking
from hectares.cli.launching import absolute, shard_tokens
from hectares.cli.main import run
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.io.journal import give_up
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
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


_KILLED_ONCE = """
import os
from pathlib import Path
from hectares.scale.tiles import TileWork

read = TileWork.read

def killed(work, tiles):
    try:
        Path(MARK).touch(exist_ok=False)
    except FileExistsError:
        pass
    else:
        os.kill(os.getpid(), 9)
    TileWork.read = read
    return read(work, tiles)

TileWork.read = killed
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


def test_a_batch_that_ends_every_process_is_left_out_and_listed(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out, whole = tmp_path / "map.tif", tmp_path / "whole.tif"
    assert run([*command[:3], str(whole), *command[4:-2], "-q"]) == 0
    script = tmp_path / "worker.py"
    script.write_text(_DEADLY)
    monkeypatch.setattr(launching, "_WORKER", (sys.executable, str(script)))
    monkeypatch.setattr(sys, "argv", ["hectares", *command])
    assert run([*command]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "rows 0 to 20, cols 20 to 40 (around longitude" in said
    assert "was left out: 3 processes that computed it were killed by signal 9" in said
    with open_class_map(out) as found, open_class_map(whole) as expected:
        indices, others = found.read(Window(0, 0, 40, 40)), expected.read(Window(0, 0, 40, 40))
        assert found.provenance["gaps"] == [{"why": "fatal", "count": 1, "windows": [[0, 20, 20, 20]]}]
    left_out = np.zeros((40, 40), bool)
    left_out[:20, 20:] = True
    assert (indices[left_out] == 255).all()
    assert np.array_equal(indices[~left_out], others[~left_out])
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".hectares")]
    assert run(["measure", str(out), str(tmp_path / "areas.csv")]) == 3
    assert "1 window(s) ended each process that computed them, first at row 0, col 20" in " ".join(
        capsys.readouterr().err.split()
    )


def test_overwrite_fills_the_gaps_of_a_map_and_discards_what_another_configuration_left(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out, one = tmp_path / "map.tif", [*command[:-2], "-q"]
    assert run([*one[:3], str(tmp_path / "whole.tif"), *one[4:]]) == 0
    assert run([*one, "--shard", "1/4"]) == 0
    give_up(work_path(out), 1, {"windows": [[0, 20, 20, 20]], "of": 4, "how": "3 processes were killed"})
    assert run(one) == 3
    with open_class_map(out) as opened:
        assert [gap["count"] for gap in opened.provenance["gaps"]] == [1]
    assert run([*one, "--overwrite", "--batch", "2", "--shard", "1/2"]) == 0
    line = [*command, "--overwrite"]
    monkeypatch.setattr(sys, "argv", ["hectares", *line])
    capsys.readouterr()
    assert run(line) == 0
    assert "exit code" not in capsys.readouterr().err
    assert out.read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".hectares")]


@pytest.mark.parametrize("mosaic", [[], ["--mosaic"]])
def test_what_another_configuration_left_is_gone_before_workers_start(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mosaic: list[str]
):
    left: list[list[str]] = []
    folder = work_path(tmp_path / "map.tif")
    for module in (chain, mosaicking):
        monkeypatch.setattr(module, "share_out", lambda *_: left.append([p.name for p in folder.iterdir()]))
    assert run([*command[:-2], "-q", *mosaic, "--shard", "1/2"]) == 0
    assert run([*command, "-q", *mosaic, "--overwrite", "--batch", "2"]) == 0
    assert left == [["header.json"]]


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_bytes_of_one_process_though_one_is_killed(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
):
    one = [*command[:-2], "-q"]
    assert run(one) == 0
    whole = (tmp_path / "map.tif").read_bytes()
    shards = [str(tmp_path / f"{n}.shard") for n in (1, 2, 3)]
    assert [run([*one[:3], s, *one[4:], "--shard", f"{n}/3"]) for n, s in enumerate(shards, start=1)] == [0, 0, 0]
    assert run(["assemble", *shards, str(tmp_path / "assembled.tif"), "-q"]) == 0
    assert (tmp_path / "assembled.tif").read_bytes() == whole
    script = tmp_path / "worker.py"
    script.write_text(_KILLED_ONCE.replace("MARK", repr(str(tmp_path / "killed"))))
    monkeypatch.setattr(launching, "_WORKER", (sys.executable, str(script)))
    line = [*command[:-1], str(workers), "--overwrite"]
    monkeypatch.setattr(sys, "argv", ["hectares", *line])
    assert run([*line, "-q"]) == 0
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "map.tif").read_bytes() == whole


def test_workers_stop_when_the_process_that_started_them_is_killed(tmp_path: Path):
    code = "import os, time; from hectares.cli.follower import follow; follow(); "
    code += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    start = "import sys; from hectares.monitor import QUIET; from hectares.scale.workers import run_workers; "
    start += f"run_workers([[sys.executable, '-c', {code!r}]], lambda: None, lambda *_: False, QUIET)"
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


@pytest.mark.parametrize("more", [["--shard", "1/2"], ["--plan", "--shard", "1/2"]])
def test_a_cluster_takes_all_of_the_work(command: list[str], more: list[str]):
    assert run([*command[:-2], "--dask", "local", *more]) == 2
