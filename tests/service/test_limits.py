"""What commands may take, and what a folder that came from elsewhere can make them do: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hectares.cli import launching
from hectares.cli import serve as command
from hectares.config.serve import ServeConfig
from hectares.errors import ConfigError
from hectares.service import decoders, memory
from hectares.service.data_root import DataRoot
from hectares.service.job import State
from service.conftest import Serve, ids, make_map, wait_for, write_scene

on_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what processes hold")


@on_linux
@pytest.mark.parametrize("name", ["greedy.tif", "family.tif"])
def test_a_command_that_takes_too_much_memory_is_ended_and_the_service_goes_on(serve: Serve, folder: Path, name: str):
    write_scene(folder / name)
    client = serve(max_memory_mb=500)
    began = time.monotonic()
    job = make_map(client, name)
    assert time.monotonic() - began < 30
    assert job["state"] == "failed"
    assert "mapping took more than 500 MB of memory and was ended" in job["message"]
    assert "--max-memory-mb" in job["message"]
    assert make_map(client)["state"] == "done"


@on_linux
def test_what_a_command_leaves_behind_when_it_crashes_is_ended(serve: Serve, folder: Path):
    write_scene(folder / "orphan.tif")
    began = time.monotonic()
    assert "killed by signal 9" in make_map(serve(), "orphan.tif")["message"]
    assert time.monotonic() - began < 30  # it would hold the pipe for five minutes


def test_memory_is_shared_among_the_maps_that_are_made_at_the_same_time(monkeypatch: pytest.MonkeyPatch):
    whole = memory.machine_bytes()
    assert whole is None or whole > 10**8
    assert (memory.default_limit(1) is None) == (whole is None)
    monkeypatch.setattr(memory, "machine_bytes", lambda: 16_000_000_000)
    found = [memory.default_limit(jobs) for jobs in (1, 3, 100)]
    assert found == [12_000_000_000, 4_000_000_000, 500_000_000]


def test_a_limit_below_what_a_command_begins_with_is_refused():
    with pytest.raises(ConfigError, match="--max-memory-mb is 10; expected at least 500"):
        ServeConfig(max_memory_mb=10)


# --- A folder from elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [command.PROGRAM, decoders.PROGRAM, launching._WORKER])
def test_no_code_is_taken_from_the_folder(tmp_path: Path, program: tuple[str, ...]):
    for name in ("hectares", "numpy", "cyclopts"):
        (tmp_path / f"{name}.py").write_text("open('was-run', 'w').close()")
    subprocess.run([*program], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    assert not (tmp_path / "was-run").exists()


def _plant(folder: Path, **changes: Any) -> Path:
    """Put the record of a job into the folder, as if it had waited when the service ended."""
    place = folder / "results" / "planted"
    place.mkdir(parents=True)
    builtin = DataRoot(folder).segmenters()[-1]
    record = {
        "id": "planted", "created": 1.0, "scene_id": DataRoot(folder).scenes()[0][0].id, "scene": "scenes/town.tif",
        "segmenter_id": builtin.id, "segmenter": builtin.name, "run": builtin.run, "placed": True, "gsd_m": None,
        "state": "queued", "message": "", "problems": [], "version": "1",
    }  # fmt: skip
    (place / "job.json").write_text(json.dumps(record | changes))
    return place


def test_a_record_that_names_what_is_there_is_gone_on_with(serve: Serve, folder: Path):
    _plant(folder)
    assert wait_for(serve(), "planted", "done", "failed")["state"] == "done"


@pytest.mark.parametrize(
    "changes",
    [
        {"scene": "../outside.tif"}, {"scene": "/etc/passwd"}, {"scene": "--config=x.yaml"}, {"scene_id": "x"},
        {"run": "--config=x.yaml"}, {"run": "../run"}, {"run": "/run"}, {"segmenter_id": "x"},
    ],
)  # fmt: skip
def test_a_record_that_names_anything_else_is_not_run(serve: Serve, folder: Path, changes: dict[str, Any]):
    write_scene(folder.parent / "outside.tif")
    place = _plant(folder, **changes)
    job = wait_for(serve(), "planted", "done", "failed")
    assert job["state"] == "failed"
    assert "of the folder any more" in job["message"]
    assert [p.name for p in place.iterdir()] == ["job.json"]


@pytest.mark.parametrize(
    "changes", [{"created": "x"}, {"created": None}, {"gsd_m": -1}, {"placed": 1}, {"scene": 7}, {"run": None}]
)
def test_a_record_with_values_of_another_kind_is_told_and_stops_nothing(
    serve: Serve, folder: Path, changes: dict[str, Any]
):
    _plant(folder, **changes)
    found = serve().get("/api/jobs").json()
    assert found["jobs"] == []
    assert f"{next(iter(changes))} is " in found["unreadable"][0]


@pytest.mark.parametrize("name", ["map.tif", "log.txt", "job.json"])
def test_nothing_is_written_through_a_link_in_a_result(serve: Serve, folder: Path, tmp_path: Path, name: str):
    place = _plant(folder)
    outside = tmp_path / "precious"
    outside.write_bytes((place / name).read_bytes() if name == "job.json" else b"precious")
    before = outside.read_bytes()
    (place / name).unlink(missing_ok=True)
    (place / name).symlink_to(outside)
    found = serve().get("/api/jobs").json()
    assert found["jobs"] == []
    assert f"results/planted/{name}: is a link" in found["unreadable"][0]
    assert outside.read_bytes() == before


def test_a_link_in_place_of_the_lock_leaves_the_file_it_names_alone(folder: Path, tmp_path: Path):
    (tmp_path / "precious").write_text("precious")
    root = DataRoot(folder)
    (folder / "results" / ".hectares-lock-service").symlink_to(tmp_path / "precious")
    with root.alone():
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_scene_that_is_gone_is_told(serve: Serve, folder: Path):
    write_scene(folder / "slow.tif")
    client = serve()
    first = client.post("/api/jobs", json=ids(client, "slow.tif")).json()
    wait_for(client, first["id"], State.RUNNING)
    second = client.post("/api/jobs", json=ids(client)).json()
    (folder / "scenes" / "town.tif").unlink()
    client.post(f"/api/jobs/{first['id']}/cancel")
    assert "scenes/town.tif: is no scene of the folder any more" in wait_for(client, second["id"], "failed")["message"]


# --- Rasters are read elsewhere ---------------------------------------------------------------------------


def test_a_file_that_takes_for_ever_is_given_up(tmp_path: Path):
    script = (
        "import time; from hectares.service import decoding as d; d.PATIENCE_S = 1; "
        "d.OPERATIONS = {'header': lambda path: time.sleep(60 if 'evil' in path.name else 0) or d.Decoded('fine')}; "
        "d.main()"
    )
    with decoders.Decoders(1, (sys.executable, "-c", script)) as pool:
        with pytest.raises(ValueError, match=r"evil\.tif: takes longer than 30 s"):
            pool.run("header", tmp_path / "evil.tif")
        assert pool.run("header", tmp_path / "good.tif").answer == "fine"


def test_a_file_that_ends_the_process_that_reads_it_ends_nothing_else(tmp_path: Path):
    script = (
        "import os; from hectares.service import decoding as d; "
        "d.OPERATIONS = {'header': lambda path: 'evil' in path.name and os.abort() or d.Decoded('fine', b'body')}; "
        "d.main()"
    )
    with decoders.Decoders(1, (sys.executable, "-c", script)) as pool:
        with pytest.raises(ValueError, match=r"evil\.tif: ended the process that read it \(code -6\)"):
            pool.run("header", tmp_path / "evil.tif")
        assert pool.run("header", tmp_path / "good.tif").body == b"body"


def test_the_process_that_reads_may_hold_so_much_and_no_more(tmp_path: Path):
    script = (
        "from hectares.service import decoding as d; "
        "d.OPERATIONS = {'header': lambda path: bytearray(4 * 2**30) and d.Decoded('fine')}; d.main()"
    )
    with (
        decoders.Decoders(1, (sys.executable, "-c", script)) as pool,
        pytest.raises(ValueError, match=r"evil\.tif: cannot be read \(MemoryError\)"),
    ):
        pool.run("header", tmp_path / "evil.tif")
