"""A folder with a scene, files of a finished map, and a service whose commands are stubs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from factory import UTM, save_raster
from hectares.config.measure import MeasureConfig
from hectares.config.serve import ServeConfig
from hectares.config.vectorize import VectorizeConfig
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, LandClass, Legend
from hectares.io.rasters.class_map import write_class_map
from hectares.measure import measure_map
from hectares.service.app import build_app
from hectares.service.data_root import DataRoot
from hectares.service.decoders import Decoders
from hectares.vectorize import vectorize_map

TOKEN, KEY = "t0ken-of-the-tests", "key-of-the-tests"
LEGEND = Legend((LandClass(7, "water", (10, 20, 200)), LandClass(3, "wood", (0, 120, 10))), nodata=255)
INDICES = np.repeat([[0, 0, 1, 1, 1]], 4, axis=0).astype(np.uint8)
INDICES[0, 4] = IGNORE

Serve = Callable[..., TestClient]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with what the commands make of a scene of 4 x 5 pixels of 10 m."""
    return save_made(tmp_path_factory.mktemp("made"))


def save_made(folder: Path) -> Path:
    """Write what the commands make of a scene of 4 x 5 pixels of 10 m."""
    grid = Grid("EPSG:32633", UTM, (4, 5))
    write_class_map(folder / "map.tif", INDICES, grid, LEGEND, {}, overwrite=False)
    measure_map(folder / "map.tif", folder / "areas.csv", MeasureConfig())
    vectorize_map(folder / "map.tif", folder / "polygons.gpkg", VectorizeConfig())
    (folder / "report.html").write_text("<p>a report</p>")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one scene."""
    root = tmp_path / "data"
    (root / "scenes").mkdir(parents=True)
    write_scene(root / "scenes" / "town.tif")
    return root


def write_scene(path: Path, **settings: Any) -> None:
    """Write a scene of 4 x 5 pixels with a hole."""
    image = np.arange(60, dtype=np.uint8).reshape(3, 4, 5) + 100
    valid = np.ones((4, 5), np.bool_)
    valid[0, 4] = False
    save_raster(path, image, nodata=0, valid=valid, **settings)


@pytest.fixture(scope="session")
def decoders() -> Iterator[Decoders]:
    """Give the processes that read rasters."""
    with Decoders() as found:
        yield found


@pytest.fixture
def serve(folder: Path, made: Path, decoders: Decoders) -> Iterator[Serve]:
    """Give what starts a service over the folder; its client sends the token."""
    running: list[TestClient] = []

    def start(**settings: Any) -> TestClient:
        program = [sys.executable, str(Path(__file__).with_name("stub_command.py")), str(made)]
        config = ServeConfig(**{"min_free_mb": 0} | settings)
        app = build_app(DataRoot(folder, decode=decoders.run), program, config, TOKEN, key=KEY)
        client = TestClient(app, "http://127.0.0.1:8765", headers={"Authorization": f"Bearer {TOKEN}"})
        client.__enter__()
        running.append(client)
        return client

    yield start
    for client in running:
        client.__exit__(None, None, None)


def ids(client: TestClient, scene: str = "town.tif") -> dict[str, str]:
    """Give what is asked for a map of a scene."""
    scenes = client.get("/api/scenes").json()["scenes"]
    found = next(s["id"] for s in scenes if s["name"].endswith(scene))
    return {"scene": found, "segmenter": client.get("/api/segmenters").json()[0]["id"]}


def wait_for(client: TestClient, job_id: str, *states: str) -> dict[str, Any]:
    """Wait until a job is in one of some states, and give it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(f"/api/jobs/{job_id}").json()
        if job["state"] in states:
            return job
        time.sleep(0.02)
    raise TimeoutError(job)


def make_map(client: TestClient, scene: str = "town.tif", **settings: Any) -> dict[str, Any]:
    """Ask for a map and wait until it is there."""
    job = client.post("/api/jobs", json=ids(client, scene) | settings).json()
    return wait_for(client, job["id"], "done", "failed", "stopped")
