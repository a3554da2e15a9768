"""A prediction that dies or finds the disk full at any of its steps leaves nothing half done, and can be repeated."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dying import DISK_STEPS, Pointwise, arm, dies
from factory import WriteRaster
from hectares.config.predict import PredictConfig
from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ResourceError
from hectares.io.artefact import stamp
from hectares.io.segmenter import save_segmenter
from hectares.predict import predict_scene
from hectares.scale import scene_job

CONFIG = PredictConfig(tile_px=16, overlap_px=0, batch=2)
OTHER = PredictConfig(tile_px=16, overlap_px=0, batch=2, unsure=0.5)
STEPS = pytest.mark.parametrize(("first", "stride"), [(4, 23), pytest.param(1, 1, marks=pytest.mark.slow)])
"""A few steps, or all of them."""


@dataclass
class Work:
    """What is to be mapped, and where."""

    run: Path
    scene: Path
    folder: Path

    def predict(self, out: Path, config: PredictConfig = CONFIG, *, overwrite: bool = False) -> None:
        """Give the command."""
        target = out / "map.tif"
        predict_scene(self.run, self.scene, target, config, scores=out / "scores.tif", overwrite=overwrite)

    def prepared(self, name: str, *, overwrite: bool) -> Path:
        """Give a folder in which the result of another configuration lies, if that is to be replaced."""
        out = self.folder / name
        if overwrite:
            shutil.copytree(self.folder / "old", out)
        else:
            out.mkdir()
        return out


@pytest.fixture
def work(tmp_path: Path, legend: Legend, write_raster: WriteRaster, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Give a scene of two batches, and the map that another command made of it."""
    (tmp_path / "run").mkdir()
    stats = BandStats(("a", "b", "c"), (9.0,) * 3, (5.0,) * 3, (0.0,) * 3, (199.0,) * 3)
    spec = SegmenterSpec("fake", {}, stats, legend.for_maps(), gsd_m=10.0, tile_px=16, scaling="none")
    save_segmenter(tmp_path / "run", spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
    monkeypatch.setattr(scene_job, "open_runtime", lambda stored, **_: Pointwise(stored.spec))
    image = np.random.default_rng(3).integers(0, 200, (3, 20, 16), dtype=np.uint8)
    made = Work(tmp_path / "run", write_raster("scene.tif", image, names=["a", "b", "c"]), tmp_path)
    (tmp_path / "old").mkdir()
    made.predict(tmp_path / "old", OTHER)
    return made


def _contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
@STEPS
def test_killed_before_any_step_the_same_command_gives_the_same_files(
    work: Work, first: int, stride: int, overwrite: bool
):
    work.predict(work.prepared("whole", overwrite=overwrite), overwrite=overwrite)
    expected, old = _contents(work.folder / "whole"), _contents(work.folder / "old")
    for number in range(first, 1000, stride):
        out = work.prepared(f"out-{number}", overwrite=overwrite)
        died = dies(number, work.run, work.scene, out, CONFIG, overwrite=overwrite)
        for name in ("map.tif", "scores.tif"):
            found = (out / name).read_bytes() if (out / name).exists() else None
            assert found in {expected[name], old[name] if overwrite else None}, f"step {number}"
        if not died:
            break
        try:
            work.predict(out, overwrite=overwrite)
        except ArtefactError as error:
            assert "exists already" in str(error)  # noqa: PT017 - the map was in place when it died
        left = {p.name for p in out.iterdir()} - set(expected)
        assert not {name for name in left if not name.startswith((".hectares-lock-", ".hectares-probe-"))}
        assert {n: c for n, c in _contents(out).items() if n in expected} == expected, f"step {number}"
    assert number > 30


@pytest.mark.parametrize("overwrite", [False, True])
@STEPS
def test_with_a_full_disk_at_any_step_nothing_is_lost(work: Work, first: int, stride: int, overwrite: bool):
    work.predict(work.prepared("whole", overwrite=overwrite), overwrite=overwrite)
    expected, old = _contents(work.folder / "whole"), _contents(work.folder / "old")

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for number in range(first, 1000, stride):
        out = work.prepared(f"out-{number}", overwrite=overwrite)
        with pytest.MonkeyPatch.context() as patch:
            count = arm(DISK_STEPS, number, full, patch)
            try:
                work.predict(out, overwrite=overwrite)
            except ResourceError as error:
                assert "the disk is full" in str(error)  # noqa: PT017 - it may also go well
        found = (out / "map.tif").read_bytes() if (out / "map.tif").exists() else None
        assert found in {expected["map.tif"], old["map.tif"] if overwrite else None}, f"step {number}"
        if count[0] < number:
            break
        try:
            work.predict(out, overwrite=overwrite)
        except ArtefactError as error:
            assert "exists already" in str(error)  # noqa: PT017 - the step came after the last one that counts
        assert _contents(out) == expected, f"step {number}"
    assert number > 20
