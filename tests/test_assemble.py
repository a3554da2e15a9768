"""Shards of several machines become the map of one process."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from factory import Notes, WriteRaster
from hectares.assemble import assemble_shards
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, Interrupted
from hectares.io.outputs import work_path
from hectares.io.rasters.map_files import side_cars
from hectares.predict import predict_scene, predict_shard, predict_shards
from segmenters import save_convolution

SHAPE = (50, 70)
CONFIG = PredictConfig(tile_px=24, overlap_px=8, threads=1, device="cpu")


@dataclass
class Work:
    """A segmenter, a scene with a hole in it, and a folder a machine."""

    run: Path
    scene: Path
    folder: Path

    def whole(self, config: PredictConfig = CONFIG) -> tuple[bytes, bytes]:
        """Give map and scores of one process."""
        target = self.folder / "whole" / "map.tif"
        predict_scene(self.run, self.scene, target, config, scores=target.with_name("scores.tif"))
        return target.read_bytes(), target.with_name("scores.tif").read_bytes()

    def shards(self, count: int, config: PredictConfig = CONFIG, **options: object) -> list[Path]:
        """Compute each shard as on a machine of its own."""
        made = [self.folder / f"machine-{n}" / f"town-{n}.shard" for n in range(1, count + 1)]
        for n, target in enumerate(made, start=1):
            predict_shard(self.run, self.scene, target, config, shard=f"{n}/{count}", **options)  # type: ignore[arg-type]
        return made


@pytest.fixture
def work(tmp_path: Path, legend: Legend, write_raster: WriteRaster) -> Work:
    """Give a prediction of nine batches or so."""
    rng = np.random.default_rng(1)
    image = rng.integers(1, 200, (2, *SHAPE), dtype=np.uint8)
    valid = np.ones(SHAPE, bool)
    valid[3:30, 5:40] = False
    run = save_convolution(tmp_path / "run", legend).folder
    return Work(run, write_raster("scene.tif", image, names=["red", "nir"], valid=valid, valid_as="mask"), tmp_path)


@pytest.mark.parametrize("changes", [{}, {"blend": "taper", "tta": "flips"}, {"unsure": 0.6, "batch": 2}])
def test_shards_of_machines_without_a_shared_disk_give_the_bytes_of_one_process(work: Work, changes: dict[str, object]):
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]
    shards = work.shards(3, config, scores=work.folder / "scores.tif")
    expected = work.whole(config)
    work.scene.unlink()
    shutil.rmtree(work.run)
    out, scores = work.folder / "here" / "map.tif", work.folder / "here" / "scores.tif"
    assemble_shards([shards[2], shards[0], shards[1]], out, scores=scores)
    assert (out.read_bytes(), scores.read_bytes()) == expected
    beside = {path.name for path in side_cars(out).values()}
    assert {path.name for path in out.parent.iterdir()} == {"map.tif", "scores.tif"} | beside


def test_a_shard_that_is_not_there_is_named_with_the_command_for_it(work: Work):
    shards = work.shards(4)
    with pytest.raises(ArtefactError, match=r"shard\(s\) 2/4 of scene.tif are not there.*2.shard --shard 2/4"):
        assemble_shards([shards[0], *shards[2:]], work.folder / "map.tif")
    assert not work_path(work.folder / "map.tif").exists()
    assemble_shards(shards, work.folder / "map.tif")


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_a_shard_that_was_not_copied_whole_is_named(work: Work, damage: str):
    shards = work.shards(2)
    file = sorted(shards[1].glob("batch-*.bin"))[1]
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match=r"1 of .* batches are missing.*town-2.shard: lacks batches.*copy it again"):
        assemble_shards(shards, work.folder / "map.tif")


def test_shards_of_two_predictions_are_refused_with_the_difference(work: Work):
    first = work.shards(2)[0]
    other = work.folder / "other.shard"
    predict_shard(work.run, work.scene, other, replace(CONFIG, overlap_px=4), shard="2/2")
    with pytest.raises(ArtefactError, match=r"other.shard: is of another prediction than .*town-1.shard \("):
        assemble_shards([first, other], work.folder / "map.tif")


def test_a_head_that_was_changed_is_refused(work: Work):
    shards = work.shards(2)
    head = shards[0] / "shard.json"
    head.write_text(head.read_text().replace('"batch": 1', '"batch": 2'))
    with pytest.raises(ArtefactError, match=r"shard.json: was changed or cut short"):
        assemble_shards(shards, work.folder / "map.tif")


def test_what_is_no_shard_is_refused(work: Work):
    (work.folder / "empty").mkdir()
    with pytest.raises(ArtefactError, match=r"empty: is no finished shard"):
        assemble_shards([work.folder / "empty"], work.folder / "map.tif")


def test_scores_that_the_shards_do_not_keep_are_refused(work: Work):
    with pytest.raises(ArtefactError, match="holds no scores"):
        assemble_shards(work.shards(1), work.folder / "map.tif", scores=work.folder / "scores.tif")


def test_an_existing_map_is_kept_unless_it_is_to_be_replaced(work: Work):
    shards, out = work.shards(1), work.folder / "map.tif"
    assemble_shards(shards, out)
    with pytest.raises(ArtefactError, match="exists already"):
        assemble_shards(shards, out)
    assemble_shards(shards, out, overwrite=True)


def test_a_shard_that_is_finished_is_not_computed_again(work: Work):
    shard = work.shards(2)[0]
    before = {path: path.stat().st_mtime_ns for path in shard.iterdir()}
    predict_shards(work.run, [work.scene], shard, CONFIG, shard="1/2")
    assert {path: path.stat().st_mtime_ns for path in shard.iterdir()} == before
    with pytest.raises(ArtefactError, match="exists already"):
        predict_shard(work.run, work.scene, shard, replace(CONFIG, overlap_px=4), shard="1/2")


def test_a_shard_has_its_name_only_when_it_is_whole(work: Work):
    class Stop(Notes):
        def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
            if stage == "predicting" and done == 2:
                raise Interrupted("stop")

    target = work.folder / "a.shard"
    with pytest.raises(Interrupted):
        predict_shard(work.run, work.scene, target, CONFIG, shard="1/1", monitor=Stop())
    assert not target.exists()
    predict_shard(work.run, work.scene, target, CONFIG, shard="1/1")
    assemble_shards([target], work.folder / "map.tif")
    plain = predict_scene(work.run, work.scene, work.folder / "plain" / "map.tif", CONFIG)
    assert (work.folder / "map.tif").read_bytes() == plain.read_bytes()


def test_a_shard_is_of_one_scene(work: Work):
    with pytest.raises(ConfigError, match="is the shard of one scene"):
        predict_shards(work.run, [work.scene, work.run / "b.tif"], work.folder / "a.shard", CONFIG, shard="1/2")


def test_damage_that_a_shard_met_is_told(work: Work, notes: Notes, write_raster: WriteRaster):
    image = np.random.default_rng(2).integers(1, 200, (2, 96, 80), dtype=np.uint8)
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "interleave": "pixel"}
    work.scene = write_raster("scene.tif", image, names=["red", "nir"], **blocks)
    content = bytearray(work.scene.read_bytes())
    third = len(content) // 3
    content[third : third + 600] = bytes(600)
    work.scene.write_bytes(content)
    assemble_shards(work.shards(2), work.folder / "map.tif", monitor=notes)
    told = [(p.where, p.severity) for p in notes.problems if "cannot be decoded" in p.what]
    assert told == [("scene.tif", "incomplete")]
