"""Fixtures: files of every kind, and a legend that is not simple."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from factory import Notes, WriteRaster, save_raster
from hectares.core.legend import LandClass, Legend

# One thread a worker: with more, workers of pytest-xdist wait for each other's spinning threads, many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture
def write_raster(tmp_path: Path) -> WriteRaster:
    """Give a function that writes an image (C, H, W) or (H, W) below the test's folder."""

    def write(name: str, image: np.ndarray, **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_raster(path, image, **options)
        return path

    return write


@pytest.fixture
def legend() -> Legend:
    """Three classes whose codes are neither their indices nor in order."""
    return Legend(
        (
            LandClass(20, "water", (10, 20, 200)),
            LandClass(10, "forest", (0, 120, 10)),
            LandClass(35, "built-up", (200, 30, 20)),
        ),
        nodata=0,
        also_ignore=(99,),
        ignore_colors=((0, 0, 0),),
    )


@pytest.fixture
def notes() -> Notes:
    """Give a monitor that remembers problems."""
    return Notes()


@pytest.fixture
def tree_of() -> Callable[[Path], dict[str, bytes]]:
    """Give a function that reads a whole folder: relative path to content."""

    def read(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return read
