"""Networks: sizes, shapes, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError
from hectares.io.artefact import stamp
from hectares.io.segmenter import find_segmenter, save_segmenter
from hectares.model.networks.unet_elu import UNetELU
from hectares.model.segmenter import Segmenter, fill, weights_of
from hectares.model.zoo import NETWORKS, build_network, count_parameters, list_layers, network_options


@pytest.mark.parametrize(
    ("bands", "classes", "parameters"),
    [(3, 1, 7_852_545), (16, 1, 7_856_289), (20, 1, 7_857_441), (3, 10, 7_852_842)],
)
def test_unet_elu_has_the_published_number_of_parameters(bands: int, classes: int, parameters: int):
    with torch.device("meta"):
        network = build_network("unet-elu", {}, bands=bands, classes=classes)
    assert count_parameters(network) == (parameters, 0)


def test_cropping_turns_112_into_80():
    network = UNetELU(bands=2, classes=3, width=2, crop=16).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 2, 112, 112)).shape == (1, 3, 80, 80)


@pytest.mark.parametrize("shape", [(300, 300), (1000, 1037), (1, 1), (17, 13)])
def test_any_size_in_is_the_same_size_out(shape: tuple[int, int]):
    network = build_network("unet-elu", {"width": 1}, bands=2, classes=3).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 2, *shape)).shape == (1, 3, *shape)


def test_a_small_input_is_padded_with_the_mean_below_and_to_the_right():
    torch.manual_seed(0)
    network = build_network("unet-elu", {"width": 2}, bands=1, classes=2).eval()
    image = torch.randn(1, 1, 61, 59)
    with torch.no_grad():
        padded = network(torch.nn.functional.pad(image, (0, 5, 0, 3)))
        assert torch.equal(network(image), padded[..., :61, :59])


@pytest.mark.parametrize("name", [n for n, entry in NETWORKS.items() if entry.library])
def test_library_networks_give_logits_of_the_size_of_the_input(name: str):
    encoder = "mit_b0" if name == "segformer" else "resnet18"
    network = build_network(name, network_options(name, encoder=encoder, width=None), bands=4, classes=3).eval()
    with torch.no_grad():
        logits = network(torch.zeros(1, 4, 50, 70))
    assert logits.shape == (1, 3, 50, 70)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: network_options("unet-elu", encoder="resnet34", width=None), "no exchangeable encoder"),
        (lambda: network_options("unet", encoder=None, width=8), "--width is for networks of our own"),
        (lambda: network_options("unet-xl", encoder=None, width=None), "'unet-xl' is unknown; known: unet-elu"),
        (lambda: build_network("unet", {"encoder": "resnet17"}, bands=3, classes=2), "'resnet17'"),
        (lambda: build_network("unet-elu", {}, bands=3, classes=2, pretrained="imagenet"), "has no encoder"),
    ],
)
def test_what_cannot_be_built_is_refused(call: object, message: str):
    with pytest.raises(ConfigError, match=message):
        call()


def test_layers_are_listed_without_computing():
    network = build_network("unet-elu", {"width": 4}, bands=3, classes=2)
    lines = list_layers(network, bands=3, size_px=64)
    assert sum(line.parameters for line in lines) == count_parameters(network)[0]
    assert lines[-1].shape == (2, 64, 64)


# --- The segmenter ----------------------------------------------------------------------------------------


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
