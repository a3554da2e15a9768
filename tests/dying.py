"""A prediction in a process of its own that is gone before its n-th step on the disk.

The process is forked from one that has imported all it needs and has opened no raster: GDAL keeps threads, and a fork
of a process with threads may wait for one of them forever.
"""

from __future__ import annotations

import io
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from hectares.config.predict import PredictConfig
from hectares.core.spec import SegmenterSpec
from hectares.predict import predict_scene
from hectares.scale import scene_job

KILLED = 9
DISK_STEPS = [(io, "open"), (os, "replace"), (os, "rename"), (os, "fsync"), (os, "mkdir")]
ALL_STEPS = [*DISK_STEPS, (os, "unlink"), (os, "rmdir"), (rasterio, "open"), (rasterio.shutil, "copy")]


class Pointwise:
    """A runtime whose logits are the bands."""

    stride = 4

    def __init__(self, spec: SegmenterSpec) -> None:
        self.spec = spec
        self.facts = {"runtime": "pointwise"}

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Give the bands."""
        return image


def arm(steps: list[tuple[Any, str]], number: int, fault: Callable[[], None], patch: pytest.MonkeyPatch) -> list[int]:
    """Let something happen at the n-th step that changes the disk; gives a list whose one value counts steps."""
    count = [0]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            mode = options.get("mode", args[1] if len(args) > 1 and isinstance(args[1], str) else "r")
            if function.__name__ != "open" or mode.strip("b") != "r":
                count[0] += 1
                if count[0] == number:
                    fault()
            return function(*args, **options)

        return call

    for module, name in steps:
        patch.setattr(module, name, counted(getattr(module, name)))
    return count


def predict_and_die(number: int, run: Path, scene: Path, out: Path, config: PredictConfig, overwrite: bool) -> None:
    """Map a scene with the pointwise runtime, unless the n-th step comes first."""
    scene_job.open_runtime = lambda stored, **_: Pointwise(stored.spec)
    arm(ALL_STEPS, number, lambda: os._exit(KILLED), pytest.MonkeyPatch())
    predict_scene(run, scene, out / "map.tif", config, scores=out / "scores.tif", overwrite=overwrite)


def dies(number: int, run: Path, scene: Path, out: Path, config: PredictConfig, *, overwrite: bool) -> bool:
    """Do that in a child; False if it ended before the n-th step."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dying"])
    child = context.Process(target=predict_and_die, args=(number, run, scene, out, config, overwrite))
    child.start()
    child.join(120)
    assert child.exitcode in {0, KILLED}, child.exitcode
    return child.exitcode == KILLED
