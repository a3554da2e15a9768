"""A Dask cluster computes what one process computes, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from factory import Notes, WriteRaster
from hectares.cli.launching import mosaic_orders
from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import ArtefactError, BandError, ConfigError
from hectares.io.journal import Journal, give_up
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.mosaic import predict_mosaic
from hectares.predict import predict_scene, predict_shard
from segmenters import save_convolution

distributed = pytest.importorskip("distributed")

from hectares.scale.cluster import Piece, compute_on, cut, open_cluster
from hectares.scale.order import Order

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


@pytest.mark.parametrize("rule", ["first", "center"])
def test_a_mosaic_by_a_cluster_has_the_bytes_of_one_process(
    client: Any, order: Order, notes: Notes, write_raster: WriteRaster, rule: str
):
    image = np.random.default_rng(2).integers(1, 200, (2, 40, 50), dtype=np.uint8)
    place = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    scenes = [
        write_raster(f"{n}.tif", image, names=["red", "nir"], transform=place @ Affine.translation(40 * n, 0))
        for n in range(2)
    ]
    mosaic = MosaicConfig(mosaic=True, overlap_rule=rule)
    whole = predict_mosaic(order.segmenter, scenes, order.target.with_name("whole.tif"), CONFIG, mosaic).read_bytes()
    orders = mosaic_orders(Path(order.segmenter), scenes, order.target, CONFIG, mosaic, overwrite=False)
    assert [o.mosaic is None for o in orders] == ([False] if rule == "first" else [True, True])
    for part in orders:
        compute_on(client, part, notes)
    found = predict_mosaic(order.segmenter, scenes, order.target, CONFIG, mosaic, monitor=notes)
    assert found.read_bytes() == whole
    assert set(notes.stages) & {"predicting by 2"}


def test_overwrite_by_a_cluster_fills_the_gaps_of_a_map(client: Any, order: Order, notes: Notes):
    predict_shard(order.segmenter, order.scene, order.target, CONFIG, shard="1/12")
    give_up(work_path(order.target), 5, {"windows": [[0, 80, 16, 10]], "of": 24, "how": "3 processes were killed"})
    assert predict_scene(order.segmenter, order.scene, order.target, CONFIG).read_bytes() != _whole(order)
    compute_on(client, replace(order, overwrite=True), notes)
    made = predict_scene(order.segmenter, order.scene, order.target, CONFIG, overwrite=True, monitor=notes)
    assert made.read_bytes() == (order.target.parent / "whole" / "map.tif").read_bytes()
    assert not [p for p in notes.problems if p.severity == "incomplete"]


class Deadly(distributed.WorkerPlugin):
    """Makes the batch of one tile end any process that reads it."""

    def setup(self, worker: Any) -> None:
        """Begin in a worker."""
        from hectares.scale.tiles import TileWork

        self.read = read = TileWork.read

        def deadly(work: TileWork, tiles: Any) -> Any:
            if any(tile.core.row == 0 and 18 < tile.core.col < 30 for tile in tiles):
                os.kill(os.getpid(), signal.SIGKILL)
            return read(work, tiles)

        TileWork.read = deadly  # type: ignore[method-assign]

    def teardown(self, worker: Any) -> None:
        """End in a worker."""
        from hectares.scale.tiles import TileWork

        TileWork.read = self.read  # type: ignore[method-assign]


@pytest.mark.slow
def test_a_batch_that_ends_every_worker_is_left_out(client: Any, order: Order, notes: Notes):
    client.register_plugin(Deadly(), name="deadly")
    try:
        compute_on(client, order, notes)
    finally:
        client.unregister_worker_plugin("deadly")
    _finished(order)
    with open_class_map(order.target) as opened:
        (gap,) = opened.provenance["gaps"]
        found = opened.read(opened.grid.window)
    assert (gap["why"], gap["count"]) == ("fatal", 1)
    left_out = np.zeros(found.shape, bool)
    left_out[Window(*gap["windows"][0]).slices] = True
    assert (found[left_out] == 255).all()
    _whole(order)
    with open_class_map(order.target.parent / "whole" / "map.tif") as opened:
        assert np.array_equal(found[~left_out], opened.read(opened.grid.window)[~left_out])
    client.wait_for_workers(2, timeout=60)


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
