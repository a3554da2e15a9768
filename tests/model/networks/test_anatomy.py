"""Layers and connections of networks, without computing."""

from __future__ import annotations

import pytest

from hectares.model.networks.anatomy import examine
from hectares.model.networks.zoo import build_network, count_parameters, network_options


def anatomy_of(name: str, *, size_px: int = 64, **extra: str):
    network = build_network(name, network_options(name, extra=extra), bands=3, classes=2)
    return examine(network, bands=3, size_px=size_px), sum(count_parameters(network))


def test_layers_are_listed_with_the_shapes_they_give():
    anatomy, parameters = anatomy_of("unet-elu", width="4")
    assert sum(line.parameters for line in anatomy.layers) == parameters
    assert (anatomy.layers[0].name, anatomy.layers[0].kind, anatomy.layers[0].shape) == (
        "encoder.0.0",
        "Conv2d",
        (4, 64, 64),
    )
    assert anatomy.layers[-1].shape == (2, 64, 64)


@pytest.mark.parametrize("name", ["segformer", "dpt", "deeplab-r50"])
def test_no_parameter_is_left_out_of_the_layers(name: str):
    anatomy, parameters = anatomy_of(name, **({"encoder": "vit_tiny_patch16_224"} if name == "dpt" else {}))
    assert sum(line.parameters for line in anatomy.layers) == parameters


def test_a_unet_joins_each_level_with_the_same_level_on_the_way_up():
    anatomy, _ = anatomy_of("unet-small", width="2")
    assert [(b.part, b.channels, b.height) for b in anatomy.blocks] == [
        ("encoder", 2, 64), ("encoder", 4, 32), ("encoder", 8, 16), ("encoder", 16, 8), ("encoder", 32, 4),
        ("decoder", 16, 8), ("decoder", 8, 16), ("decoder", 4, 32), ("decoder", 2, 64), ("head", 2, 64),
    ]  # fmt: skip
    chain = {(n - 1, n) for n in range(10)}
    assert set(anatomy.edges) == chain | {(0, 8), (1, 7), (2, 6), (3, 5)}


def test_an_encoder_of_a_library_is_shown_by_the_features_it_gives():
    anatomy, _ = anatomy_of("unet", encoder="resnet18")
    features = [(b.channels, b.height) for b in anatomy.blocks if b.part == "encoder"]
    assert features == [(64, 32), (64, 16), (128, 8), (256, 4), (512, 2)]
    assert anatomy.encoder == "ResNetEncoder"


def test_a_last_resizing_is_a_block_of_its_own():
    anatomy, _ = anatomy_of("vgg-unet-512")
    assert [(b.kinds, b.height) for b in anatomy.blocks[-2:]] == [(("conv 3x3",), 32), (("up",), 64)]
