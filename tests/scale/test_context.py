"""Tiles with enough context give the map that the whole scene at once gives."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.scene import ArraySource
from hectares.core.window import Tiling
from hectares.predict import predict_tiles

torch = pytest.importorskip("torch")
from torch import nn

from hectares.model.networks.any_size import AnySize
from hectares.model.networks.zoo import build_network
from hectares.model.receptive_field import effective_radius

SHAPE = (144, 400)
SMOOTH = np.kron(np.random.default_rng(1).standard_normal((2, 18, 50)), np.ones((1, 8, 8))).astype(np.float32)
IMAGE = SMOOTH + np.random.default_rng(2).standard_normal((2, *SHAPE), np.float32) / 4


def _map(network: nn.Module, tiling: Tiling) -> np.ndarray:
    def logits(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(batch)).numpy()

    source = ArraySource(IMAGE, Grid(None, Affine.identity(), SHAPE), ["a", "b"])
    found = np.empty(SHAPE, np.uint8)
    for window, indices in predict_tiles(source, logits, tiling, batch=1):
        found[window.slices] = indices
    return found


def _seeded(network_of):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return network_of().eval()


def test_a_network_that_sees_no_further_than_the_context_gives_the_same_map():
    layers = [nn.Conv2d(2, 4, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(), nn.Upsample(scale_factor=2)]
    network = _seeded(lambda: AnySize(nn.Sequential(*layers, nn.Conv2d(4, 3, 3, padding=1)), stride=2))
    whole = _map(network, Tiling(SHAPE, size=512, overlap=0, stride=2))
    for batch_px in (48, 64):
        found = _map(network, Tiling(SHAPE, size=batch_px, overlap=12, stride=2))
        inner = slice(0, -6), slice(0, -6)  # the last tiles reach beyond the scene, where the whole one ends
        assert np.array_equal(found[inner], whole[inner])


def test_the_measured_context_leaves_few_pixels_to_the_borders_of_tiles():
    network = _seeded(lambda: build_network("unet-elu", {"width": 4}, bands=2, classes=3))
    context = max(32, effective_radius(network, bands=2, stride=network.stride))
    whole = _map(network, Tiling(SHAPE, size=512, overlap=0, stride=network.stride))
    with_context = Tiling(SHAPE, size=2 * context + 48, overlap=2 * context, stride=network.stride)
    without = Tiling(SHAPE, size=64, overlap=0, stride=network.stride)
    assert len(with_context) > 1
    assert (_map(network, with_context) == whole).mean() >= 0.99
    assert (_map(network, without) == whole).mean() < (_map(network, with_context) == whole).mean()
