"""Segmenters on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, HectaresError
from hectares.io.artefact import stamp
from hectares.io.segmenter import find_segmenter, save_segmenter

WEIGHTS = {
    "z.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.array([0.5, -1], np.float32),
    "n": np.array(7, np.int64),
}
HEAD = stamp("segmenter", config={"lr": 1e-3, "epochs": 3}, inputs={"chips": "ab12"})


def _spec(legend: Legend) -> SegmenterSpec:
    stats = BandStats(("red", "nir"), (1.5, 2.5), (3.0, 4.0))
    return SegmenterSpec("unet-elu", {"width": 4}, stats, legend.for_maps(), gsd_m=0.25, tile_px=64)


@pytest.fixture
def saved(tmp_path: Path, legend: Legend) -> Path:
    """Give the folder of a saved segmenter."""
    folder = tmp_path / "run" / "segmenter"
    folder.mkdir(parents=True)
    save_segmenter(folder, _spec(legend), WEIGHTS, HEAD)
    return folder


@pytest.mark.parametrize("given", ["run", "run/segmenter"])
def test_spec_and_weights_come_back(tmp_path: Path, saved: Path, legend: Legend, given: str):
    stored = find_segmenter(tmp_path / given)
    assert (stored.folder, stored.spec) == (saved, _spec(legend))
    weights = stored.weights()
    assert set(weights) == set(WEIGHTS)
    assert all(np.array_equal(weights[k], v) and weights[k].dtype == v.dtype for k, v in WEIGHTS.items())


def test_saved_twice_it_has_the_same_bytes(tmp_path: Path, saved: Path, legend: Legend):
    again = tmp_path / "again"
    again.mkdir()
    save_segmenter(again, _spec(legend), dict(reversed(WEIGHTS.items())), HEAD)
    for file in ("segmenter.json", "weights.safetensors"):
        assert (again / file).read_bytes() == (saved / file).read_bytes()


def test_every_flipped_byte_of_the_weights_is_noticed(saved: Path):
    file = saved / "weights.safetensors"
    whole = file.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1
        file.write_bytes(content)
        with pytest.raises(ArtefactError, match="is damaged"):
            find_segmenter(saved).weights()


def test_every_flipped_byte_of_the_json_is_noticed(saved: Path):
    file = saved / "segmenter.json"
    whole = file.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1
        file.write_bytes(content)
        with pytest.raises(HectaresError):
            find_segmenter(saved).weights()


def test_another_spec_or_other_weights_have_another_hash(tmp_path: Path, saved: Path, legend: Legend):
    other = tmp_path / "other"
    other.mkdir()
    save_segmenter(other, _spec(legend), WEIGHTS | {"a.bias": np.zeros(2, np.float32)}, HEAD)
    assert find_segmenter(other).sha256 != find_segmenter(saved).sha256


def test_missing_weights_are_named(saved: Path):
    (saved / "weights.safetensors").unlink()
    with pytest.raises(ArtefactError, match="is missing"):
        find_segmenter(saved).weights()


def test_a_folder_without_a_segmenter_is_refused(tmp_path: Path):
    with pytest.raises(ArtefactError, match=r"has no segmenter\.json"):
        find_segmenter(tmp_path)
