"""The command: a service as a process, asked over its socket, killed and started again."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from factory import UTM, save_raster
from hectares.cli import serve as command
from hectares.cli.main import run
from hectares.config.serve import ServeConfig
from hectares.errors import ConfigError


class Service:
    """A service as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        words = [sys.executable, "-m", "hectares", "serve", str(folder), "--port", "0", "--threads", "1", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        address = urlsplit(re.search(r"http://\S+", first)[0])
        self.port, self.token = address.port, address.query.removeprefix("token=")

    def ask(self, method: str, path: str, content: object = None) -> tuple[int, bytes]:
        """Ask for something, the path as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = None if content is None else json.dumps(content)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def get(self, path: str) -> Any:
        """Give the JSON of an answer."""
        status, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def submit(self) -> str:
        """Ask for a map of the first scene with what ships with the package."""
        scene = self.get("/api/scenes")["scenes"][0]["id"]
        segmenter = next(s["id"] for s in self.get("/api/segmenters") if s["name"] == "builtin:dubai")
        status, body = self.ask("POST", "/api/jobs", {"scene": scene, "segmenter": segmenter})
        assert status == 201, body
        return json.loads(body)["id"]

    def wait(self, job_id: str) -> dict[str, Any]:
        """Wait until a map is there."""
        until = time.monotonic() + 240
        while (job := self.get(f"/api/jobs/{job_id}"))["state"] in {"queued", "running"}:
            assert time.monotonic() < until, job
            time.sleep(0.2)
        return job

    def end(self, how: int = signal.SIGTERM) -> int:
        """End it, and give its exit code."""
        self.process.send_signal(how)
        assert self.process.stdout is not None
        with self.process.stdout:
            return self.process.wait(120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a scene of several tiles."""
    rows, cols = np.indices((300, 2300))
    image = np.stack([(rows * 3 + cols) % 256, (cols // 3) % 256, (rows + cols // 7) % 256]).astype(np.uint8)
    (tmp_path / "data").mkdir()
    save_raster(tmp_path / "data" / "town.tif", image, transform=UTM)
    return tmp_path / "data"


@pytest.fixture
def services() -> Iterator[list[Service]]:
    """Give a list of services that are ended after the test."""
    found: list[Service] = []
    yield found
    for service in found:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


def _children(number: int) -> list[str]:
    """Give the numbers of the processes that a process has started; none where Linux does not tell."""
    lists = Path(f"/proc/{number}/task").glob("*/children")
    return [child for path in lists for child in path.read_text().split()]


@pytest.mark.slow
def test_a_map_goes_on_after_the_service_was_killed_and_has_the_same_bytes(folder: Path, services: list[Service]):
    first = Service(folder)
    services.append(first)
    job_id = first.submit()
    work = folder / "results" / job_id / ".hectares-map.tif"
    until = time.monotonic() + 120
    while not list(work.glob("batch-*.bin")):
        assert time.monotonic() < until
        time.sleep(0.01)
    started = _children(first.process.pid)
    first.end(signal.SIGKILL)
    assert json.loads((folder / "results" / job_id / "job.json").read_text())["state"] == "running"
    assert not (folder / "results" / job_id / "map.tif").exists()
    again = Service(folder)
    services.append(again)
    until = time.monotonic() + 60
    while any(Path(f"/proc/{number}").exists() for number in started):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert again.ask("GET", f"/api/jobs/{job_id}/files/map.tif")[0] in {200, 404}
    job = again.wait(job_id)
    assert (job["state"], job["message"]) == ("done", "")
    assert sum(a["area_ha"] for a in job["areas"]) == pytest.approx(300 * 2300 / 100, rel=1e-3)
    undisturbed = again.wait(again.submit())
    maps = [again.ask("GET", f"/api/jobs/{j}/files/map.tif")[1] for j in (job_id, undisturbed["id"])]
    assert maps[0] == maps[1]
    assert again.end(signal.SIGINT) == 0


def test_a_command_that_does_not_end_when_it_is_asked_to_goes_with_all_that_it_started():
    script = """
import signal, subprocess, sys, threading, time
from hectares.cli import leash
signal.signal(signal.SIGTERM, signal.SIG_IGN)
leash._GRACE_S = 0.2
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
threading.Thread(target=leash._watch, daemon=True).start()
time.sleep(300)
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, start_new_session=True)
    said, _ = process.communicate(timeout=60)  # closes its input, and waits until nobody holds its output
    assert (said, process.returncode) == (b"", -signal.SIGKILL)


def test_the_browser_is_not_started_with_the_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("hectares.service.listening.Server.run", lambda *_, **__: None)
    monkeypatch.setattr(command, "_until_signal", lambda _: None)
    assert run(["serve", str(tmp_path), "--port", "0", "--open"]) == 0
    token = re.search(r"token=(\S+)", capsys.readouterr().out)[1]
    assert "?token=" in opened[0]
    assert token not in opened[0]


@pytest.mark.slow
def test_over_the_socket_nothing_leads_out_and_nobody_waits_for_ever(folder: Path, services: list[Service]):
    service = Service(folder, "--max-connections", "8")
    services.append(service)
    (folder / "secret.txt").write_text("secret")
    paths = ["/../secret.txt", "/assets/../../secret.txt", "/maps/../secret.txt", "/api/jobs/../../secret.txt"]
    paths += ["/assets/%2e%2e%2fsecret.txt", "/maps/%00/", "//etc/passwd", "/assets/..%5csecret.txt", "/secret.txt"]
    for path in paths:
        status, body = service.ask("GET", path)
        assert (status, b"secret" in body) == (404, False), path
    silent = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(12)]
    for one in silent:
        one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        one.settimeout(30)
    assert [one.recv(100)[:12] for one in silent].count(b"") >= 6  # hung up on after ten seconds
    assert service.ask("GET", "/api/status")[0] == 200
    for one in silent:
        one.close()
    assert "another service works on this folder" in subprocess.run(
        [sys.executable, "-m", "hectares", "serve", str(folder), "--port", "0"],
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["serve", str(tmp_path), "--port", str(taken.getsockname()[1])]) == 5
    assert "--port 0 for one that is free" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "maps.example"])
def test_the_network_is_only_served_on_request(host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["serve", str(tmp_path), "--host", host]) == 2
    assert "--open-to-network" in capsys.readouterr().err
    assert not ServeConfig(host=host, open_to_network=True).is_local


def test_an_address_of_another_machine_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["serve", str(tmp_path), "--host", "192.0.2.1", "--open-to-network", "--port", "0"]) in {2, 5}
    assert "192.0.2.1" in capsys.readouterr().err


def test_a_missing_extra_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(command, "_NEEDED", ("fastapi", "a_package_that_is_not_there"))
    assert run(["serve", str(tmp_path)]) == 2
    assert "pip install 'hectares[serve]'" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["serve", str(tmp_path / "nothing")]) == 4
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("settings", [{"port": 70_000}, {"jobs": 0}, {"max_hours": 0}, {"called": ("a.example",)}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]):
    with pytest.raises(ConfigError):
        ServeConfig(**settings)
