"""The segmenter: a network with what it expects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.io.artefact import stamp
from hectares.io.segmenter import find_segmenter, save_segmenter
from hectares.model.networks.zoo import build_network
from hectares.model.segmenter import Segmenter, fill, weights_of


def _segmenter(legend: Legend) -> Segmenter:
    torch.manual_seed(1)
    stats = BandStats(("red", "nir"), (100.0, 3000.0), (20.0, 500.0))
    spec = SegmenterSpec("unet-elu", {"width": 2}, stats, legend.for_maps(), gsd_m=None, tile_px=32)
    return Segmenter(spec, build_network("unet-elu", {"width": 2}, bands=2, classes=3), "cpu")


IMAGE = np.random.default_rng(2).integers(0, 4000, (2, 2, 33, 40)).astype(np.float32)


def test_saved_and_restored_gives_the_same_bytes(tmp_path, legend: Legend):
    segmenter = _segmenter(legend)
    save_segmenter(tmp_path, segmenter.spec, segmenter.weights(), stamp("segmenter", config={}, inputs={}))
    stored = find_segmenter(tmp_path)
    again = Segmenter.restore(stored.spec, stored.weights(), "cpu")
    assert again.logits(IMAGE).tobytes() == segmenter.logits(IMAGE).tobytes()


def test_scores_sum_to_1(legend: Legend):
    scores = _segmenter(legend).scores(IMAGE)
    assert scores.shape == (2, 3, 33, 40)
    assert scores.dtype == np.float32
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-6)


def test_prediction_does_not_change_the_segmenter(legend: Legend):
    segmenter = _segmenter(legend)
    before = {k: v.copy() for k, v in segmenter.weights().items()}
    first, second = segmenter.logits(IMAGE), segmenter.logits(IMAGE)
    assert first.tobytes() == second.tobytes()
    assert all(np.array_equal(before[k], v) for k, v in segmenter.weights().items())


@pytest.mark.parametrize("damage", ["missing", "extra", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(legend: Legend, damage: str):
    segmenter = _segmenter(legend)
    weights = dict(segmenter.weights())
    name = next(k for k in weights if k.endswith("head.weight"))
    if damage == "missing":
        del weights[name]
    elif damage == "extra":
        weights["more"] = weights[name]
    elif damage == "shape":
        weights[name] = weights[name][:1]
    else:
        weights[name] = weights[name] * np.nan
    with pytest.raises(ArtefactError, match="not finite" if damage == "nan" else "do not fit the network"):
        Segmenter.restore(segmenter.spec, weights, "cpu")


@settings(max_examples=5)
@given(st.integers(0, 9))
def test_filling_is_the_inverse_of_reading(seed: int):
    torch.manual_seed(seed)
    one, two = (build_network("unet-elu", {"width": 1}, bands=1, classes=2) for _ in range(2))
    fill(two, weights_of(one))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
