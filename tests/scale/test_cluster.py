"""A Dask cluster computes what one process computes, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory import Notes, WriteRaster
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, BandError, ConfigError, ResourceError
from hectares.io.journal import Journal
from hectares.io.outputs import work_path
from hectares.predict import predict_scene
from segmenters import save_convolution

distributed = pytest.importorskip("distributed")

from hectares.scale.cluster import Order, Piece, compute_on, cut, open_cluster

CONFIG = PredictConfig(tile_px=24, overlap_px=8, device="cpu", threads=1)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the cluster's own making, as its processes end


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Give a cluster of two processes on this machine."""
    with open_cluster("local", 2, 1) as connected:
        yield connected


@pytest.fixture
def order(tmp_path: Path, legend: Legend, write_raster: WriteRaster) -> Order:
    """Give a prediction of 24 batches, and of a hole in the scene."""
    image = np.random.default_rng(1).integers(1, 200, (2, 70, 90), dtype=np.uint8)
    valid = np.ones((70, 90), bool)
    valid[3:40, 5:50] = False
    scene = write_raster("scene.tif", image, names=["red", "nir"], valid=valid, valid_as="mask")
    run = save_convolution(tmp_path / "run", legend).folder
    return Order(str(run), str(scene), tmp_path / "map.tif", CONFIG, with_scores=False)


def _finished(order: Order, computed: int = 0) -> bytes:
    """Finish a map, of which all but some batches are computed already, and give its bytes."""

    class Watch(Notes):
        def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
            if stage == "predicting":
                first.append((total or 0) - done)

    first: list[int] = []
    made = predict_scene(order.segmenter, order.scene, order.target, CONFIG, monitor=Watch())
    assert first[0] == computed
    return made.read_bytes()


def _whole(order: Order) -> bytes:
    out = order.target.parent / "whole" / "map.tif"
    return predict_scene(order.segmenter, order.scene, out, CONFIG).read_bytes()


def test_a_cluster_gives_the_bytes_of_one_process(client: Any, order: Order, notes: Notes):
    compute_on(client, order, notes)
    assert _finished(order) == _whole(order)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(client: Any, order: Order):
    class Kill(Notes):
        def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
            super().progress(stage, done, total, note)
            if done >= 2 and workers:
                os.kill(workers.pop(), signal.SIGKILL)

    workers = list(client.run(os.getpid).values())[:1]
    compute_on(client, order, Kill())
    assert not workers
    assert _finished(order) == _whole(order)


class Deadly(distributed.WorkerPlugin):
    """Makes the batch of one tile end any process that reads it."""

    def setup(self, worker: Any) -> None:
        """Begin in a worker."""
        from hectares.scale.tiles import TileWork

        self.read = read = TileWork.read

        def deadly(work: TileWork, tiles: Any) -> Any:
            if any(tile.core.row == 0 and 18 < tile.core.col < 40 for tile in tiles):
                os.kill(os.getpid(), signal.SIGKILL)
            return read(work, tiles)

        TileWork.read = deadly  # type: ignore[method-assign]

    def teardown(self, worker: Any) -> None:
        """End in a worker."""
        from hectares.scale.tiles import TileWork

        TileWork.read = self.read  # type: ignore[method-assign]


@pytest.mark.slow
def test_a_batch_that_ends_every_worker_is_named(client: Any, order: Order, notes: Notes):
    client.register_plugin(Deadly(), name="deadly")
    try:
        with pytest.raises(ResourceError, match=r"ended [23] times while it computed rows 0 to .*\(batch 1\)"):
            compute_on(client, order, notes)
    finally:
        client.unregister_worker_plugin("deadly")
    client.wait_for_workers(2, timeout=60)
    compute_on(client, order, notes)
    assert _finished(order) == _whole(order)


@pytest.mark.slow
def test_what_is_wrong_with_a_scene_is_told_as_without_a_cluster(client: Any, order: Order, write_raster: WriteRaster):
    write_raster("scene.tif", np.ones((2, 30, 30), np.uint8), names=["red", "green"])
    with pytest.raises(BandError, match="has no band nir"):
        compute_on(client, order, Notes())


@pytest.mark.slow
def test_an_unfinished_run_of_another_configuration_is_refused(client: Any, order: Order, notes: Notes):
    Journal(order.target, {"config": "another"}, overwrite=False)
    with pytest.raises(ArtefactError, match="an unfinished run of another configuration lies here"):
        compute_on(client, order, notes)
    assert work_path(order.target).is_dir()


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hectares.scale.cluster._PATIENCE_S", 0.5)
    with (
        pytest.raises(ConfigError, match="no scheduler answers there"),
        open_cluster("tcp://127.0.0.1:1", 1, 1),
    ):
        pass


@pytest.mark.parametrize(("batches", "workers"), [(1, 4), (7, 1), (1000, 3)])
def test_pieces_are_a_partition_of_the_plan(batches: int, workers: int):
    found = [n for piece in cut(batches, workers) for n in piece.numbers]
    assert found == list(range(batches))
    assert list(Piece(2, 5, backwards=True).numbers) == [4, 3, 2]
