"""Networks: sizes to the unit, shapes, logits, options, and what is refused."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
from torch import nn

from hectares.errors import ConfigError
from hectares.model.networks.any_size import AnySize
from hectares.model.networks.options import read_options
from hectares.model.networks.unet_elu import UNetELU
from hectares.model.networks.zoo import (
    GROUPS,
    NETWORKS,
    build_network,
    count_parameters,
    find_network,
    network_notes,
    network_options,
)

TINY: dict[str, dict[str, str]] = {
    "unet-elu": {"width": "2"},
    "unet-deep": {"width": "2"},
    "unet-simple": {"width": "2"},
    "unet-classic": {"width": "2"},
    "unet-small": {"width": "2"},
    "cnn-plain": {"width": "4"},
    "dpt": {"encoder": "vit_tiny_patch16_224"},
    "segformer": {"encoder": "mit_b0"},
}


def build(name: str, *, bands: int = 3, classes: int = 2, **extra: str) -> AnySize:
    small = TINY.get(name, {"encoder": "resnet18"} if NETWORKS[name].library else {})
    options = network_options(name, extra={**small, **extra}, size_px=64)
    torch.manual_seed(0)
    return build_network(name, options, bands=bands, classes=classes)


def size_of(name: str, bands: int, classes: int, **extra: str) -> tuple[int, int]:
    with torch.device("meta"):
        network = build_network(name, network_options(name, extra=extra), bands=bands, classes=classes)
    return count_parameters(network)


# --- Sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bands", "classes", "parameters"),
    [
        ("unet-elu", 3, 1, (7_852_545, 0)),
        ("unet-elu", 16, 1, (7_856_289, 0)),
        ("unet-elu", 20, 1, (7_857_441, 0)),
        ("unet-elu", 3, 10, (7_852_842, 0)),
        ("unet-deep", 3, 3, (31_057_507, 0)),
        ("unet-deep", 12, 3, (31_060_099, 0)),
        ("unet-simple", 3, 3, (34_513_475, 0)),
        ("unet-vgg19", 3, 3, (8_415_491, 12_944_960)),
        ("unet-classic", 3, 6, (31_046_806, 0)),
        ("unet-small", 3, 1, (1_941_105, 0)),
    ],
)
def test_a_network_has_the_published_number_of_parameters(name: str, bands: int, classes: int, parameters: object):
    assert size_of(name, bands, classes) == parameters


def test_deeplab_r50_has_the_published_number_of_parameters_with_the_biases_of_keras():
    assert size_of("deeplab-r50", 3, 3, biases="true") == (11_229_795, 0)


def test_deeplab_r50_without_biases_lacks_one_for_each_channel_of_its_encoder():
    assert size_of("deeplab-r50", 3, 3) == (11_229_795 - 14_272, 0)


@pytest.mark.parametrize(
    ("name", "total", "extra"),
    [
        ("unet-deep", 31_067_043, {}),
        ("unet-vgg19", 21_364_035, {}),
        ("deeplab-r50", 11_262_019, {"biases": "true"}),
    ],
)
def test_running_statistics_make_up_the_published_total(name: str, total: int, extra: dict[str, str]):
    with torch.device("meta"):
        network = build_network(name, network_options(name, extra=extra), bands=3, classes=3)
    statistics = sum(value.numel() for key, value in network.named_buffers() if "running" in key)
    assert sum(count_parameters(network)) + statistics == total


def test_deeplabv3_resnet50_has_the_size_of_torchvisions():
    from torchvision.models.segmentation import deeplabv3_resnet50

    with torch.device("meta"):
        theirs = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=False)
    assert size_of("deeplabv3-resnet50", 3, 21) == count_parameters(theirs)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("unet-vgg19", "vgg19"),
        ("unet-vgg16", "vgg16"),
        ("vgg-unet-512", "vgg16"),
        ("deeplab-r50", "resnet50"),
        ("deeplabv3-resnet50", "resnet50"),
    ],
)
def test_an_encoder_has_the_names_and_shapes_of_torchvision(name: str, whole: str):
    from torchvision import models

    with torch.device("meta"):
        theirs = getattr(models, whole)(weights=None).state_dict()
        network = build_network(name, network_options(name), bands=3, classes=2).network
    ours = network.get_submodule("encoder").state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: theirs[key].shape for key in ours}
    assert find_network(name).encoder_source == f"torchvision:{whole}"


def test_upsampling_without_convolutions_has_fewer_parameters():
    assert size_of("unet-deep", 3, 3, upsampling="bilinear")[0] < 31_057_507


# --- What comes out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_any_size_in_is_the_same_size_out_and_logits_are_no_probabilities(name: str):
    network = build(name, bands=5, classes=3).eval()
    with torch.no_grad():
        for weight in (p for key, p in network.named_parameters() if key.endswith("weight") and p.ndim == 4):
            last = weight
        last.mul_(100)
        logits = network(torch.randn(1, 5, 33, 50))
    assert logits.shape == (1, 3, 33, 50)
    assert not torch.allclose(logits.sum(dim=1), torch.ones(1, 33, 50), atol=1e-3)
    assert bool(((logits < 0) | (logits > 1)).any())


def _trials() -> list[object]:
    """Every network on 3, 4 and 12 bands; large ones on 12 alone where time counts."""
    large = [name for name in NETWORKS if "width" not in TINY.get(name, {}) and name != "index-threshold"]
    return [
        pytest.param(name, bands, marks=[pytest.mark.slow] if name in large and bands < 12 else [])
        for name in NETWORKS
        for bands in (3, 4, 12)
    ]


@pytest.mark.parametrize(("name", "bands"), _trials())
def test_two_steps_change_the_loss_and_leave_it_finite(name: str, bands: int):
    network = build(name, bands=bands).train()
    image = torch.randn(2, bands, 32, 32, generator=torch.Generator().manual_seed(1))
    label = (image[:, 0] > 0).long()
    optimizer = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=1e-3)
    losses = []
    for step in range(3):
        torch.manual_seed(2)  # the same dropout in every step
        loss = nn.functional.cross_entropy(network(image), label)
        losses.append(float(loss.detach()))
        if step < 2:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[2] != losses[0]


@pytest.mark.parametrize("shape", [(300, 300), (100, 1037), (1, 1), (17, 13)])
def test_no_size_is_too_odd(shape: tuple[int, int]):
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


def test_a_learned_threshold_finds_the_value_that_parts_two_classes():
    torch.manual_seed(0)
    network = build_network(
        "index-threshold", network_options("index-threshold", extra={"band": "2"}), bands=2, classes=2
    )
    image = torch.rand(4, 2, 16, 16)
    label = (image[:, 1] > 0.7).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(image), label).backward()
        optimizer.step()
    weight, bias = network.network.head.weight.detach().flatten(), network.network.head.bias.detach()
    assert float((bias[0] - bias[1]) / (weight[1] - weight[0])) == pytest.approx(0.7, abs=0.03)


# --- A border that is cut -----------------------------------------------------------------------------------


def test_cropping_turns_112_into_80():
    network = UNetELU(bands=2, classes=3, width=2, crop=16).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 2, 112, 112)).shape == (1, 3, 80, 80)


@pytest.mark.parametrize("shape", [(112, 112), (33, 50), (5, 3)])
def test_a_cropped_network_still_gives_every_pixel(shape: tuple[int, int]):
    network = build("unet-elu", bands=2, crop="16").eval()
    with torch.no_grad():
        assert network(torch.randn(1, 2, *shape)).shape == (1, 2, *shape)


def test_mirrored_pixels_stand_in_for_the_cropped_border():
    network = build("unet-elu", bands=1, crop="16").eval()
    image = torch.randn(1, 1, 32, 48)
    mirrored = torch.nn.functional.pad(image, (16, 16, 16, 16), mode="reflect")
    with torch.no_grad():
        assert torch.equal(network(image), network.network(mirrored))


def test_the_inner_part_of_a_cropped_network_lies_on_the_inner_part_of_the_label():
    network = AnySize(_Cropping(2), stride=1, crop=2)
    image = torch.arange(48.0).reshape(1, 1, 6, 8)
    assert torch.equal(network.inner(image)[:, 0], network.cut(image[:, 0]))
    assert network.cut(image[:, 0]).tolist() == [[[18, 19, 20, 21], [26, 27, 28, 29]]]


def test_without_a_crop_the_inner_part_is_everything():
    network = build("unet-elu", bands=2).eval()
    image = torch.randn(1, 2, 33, 50)
    with torch.no_grad():
        assert torch.equal(network.inner(image), network(image))
    assert network.cut(image) is not None
    assert network.cut(image).shape == image.shape


class _Cropping(nn.Module):
    def __init__(self, crop: int) -> None:
        super().__init__()
        self.crop = crop

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[..., self.crop : -self.crop, self.crop : -self.crop]


# --- Options ----------------------------------------------------------------------------------------------


def test_options_are_filled_with_what_was_published():
    assert network_options("unet-deep") == {"width": 32, "upsampling": "transposed", "dropout": 0.2}
    assert network_options("unet-elu", width=8, extra={"crop": "16"}) == {"width": 8, "crop": 16}
    assert network_options("unet", encoder="convnext_tiny")["encoder"] == "tu-convnext_tiny"


def test_rates_follow_the_size_of_chips():
    assert network_options("deeplabv3-resnet50")["rates"] == "12,24,36"
    assert network_options("deeplabv3-resnet50", size_px=256)["rates"] == "6,12,18"
    assert network_options("deeplabv3-resnet50", size_px=64)["rates"] == "1,3,4"
    assert network_options("deeplab-r50", size_px=64)["rates"] == "6,12,18"


def test_rates_beyond_the_features_are_noted():
    assert network_notes("deeplab-r50", {"rates": "6,12,18"}, size_px=64) == [
        "rates 6, 12, 18 of the atrous pyramid reach beyond features of 4 px; take rates=auto or larger chips"
    ]
    assert network_notes("deeplab-r50", {"rates": "1,2,3"}, size_px=64) == []


def test_a_band_may_be_named():
    names = ("red", "NIR", "ndvi")
    assert network_options("index-threshold", extra={"band": "nir"}, band_names=names) == {"band": "2"}
    assert network_options("index-threshold", band_names=names) == {"band": "brightness"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: network_options("unet-elu", encoder="resnet34"), "no exchangeable encoder"),
        (lambda: network_options("unet-vgg16", width=8), "--width is for networks that have a choice"),
        (lambda: network_options("unet-xl"), "'unet-xl' is unknown; known: unet-elu"),
        (lambda: network_options("unet", encoder="resnt34"), "'resnt34' is unknown; the nearest are resnet34"),
        (lambda: network_options("unet", encoder="swin_tiny"), "nearest are swin_tiny_patch4_window7_224"),
        (lambda: network_options("unet-elu", extra={"corp": 1}), "no option 'corp'; its options are width, crop"),
        (lambda: network_options("unet-vgg19", extra={"width": 1}), "it has no options"),
        (lambda: network_options("unet-elu", extra={"width": "wide"}), "width=wide: expected a whole number from 1"),
        (lambda: network_options("unet-elu", width=4, extra={"width": 8}), "contradict each other"),
        (lambda: network_options("unet-deep", extra={"upsampling": "cubic"}), "expected transposed or bilinear"),
        (lambda: network_options("unet-deep", extra={"dropout": "1.5"}), "expected a number from 0 to below 1"),
        (lambda: network_options("deeplab-r50", extra={"rates": "6,0"}), "expected whole numbers such as 6,12,18"),
        (lambda: network_options("deeplab-r50", extra={"biases": "perhaps"}), "expected true or false"),
        (lambda: network_options("index-threshold", extra={"band": "4"}, band_names=("a", "b")), "bands are a, b"),
        (lambda: network_options("unet-elu", extra={"crop": 16}, size_px=32), "nothing of chips of 32 px"),
        (lambda: read_options(["width"]), "'width' is not NAME=VALUE"),
        (lambda: read_options(["width=1", "width=2"]), "given twice"),
        (lambda: build_network("unet", {"encoder": "resnet17"}, bands=3, classes=2), "'resnet17'"),
        (lambda: build_network("unet", {"encoder": "maxvit_tiny_tf_224"}, bands=3, classes=2), "one size only"),
        (lambda: build_network("dpt", {"encoder": "resnet18"}, bands=3, classes=2), "do not go together"),
        (lambda: build_network("dpt", {"encoder": "vit_small_patch14_dinov2"}, bands=3, classes=2), "of 16 px"),
        (lambda: build_network("linknet", {"encoder": "mit_b0"}, bands=3, classes=2), "do not go together"),
        (lambda: network_options("unet", extra={"depth": 6}), "depth=6: expected a whole number from 3 to 5"),
    ],
)
def test_what_cannot_be_built_is_refused(call: object, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        call()


# --- Encoders of the libraries ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoder",
    ["convnext_atto", "swin_tiny_patch4_window7_224", "mobilenet_v2", "mobilenetv3_small_050", "efficientnet-b0",
     "tf_efficientnetv2_b0", "mit_b0", "resnet18.a1_in1k", "swinv2_cr_tiny_ns_224"],
)  # fmt: skip
def test_an_encoder_takes_any_size_and_number_of_bands(encoder: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = build_network("unet", network_options("unet", encoder=encoder), bands=7, classes=2).eval()
        with torch.no_grad():
            assert network(torch.randn(1, 7, 33, 50)).shape == (1, 2, 33, 50)
    assert isinstance(network.network.get_submodule("encoder"), nn.Module)


def test_every_network_belongs_to_a_group_and_names_its_source():
    assert {entry.group for entry in NETWORKS.values()} == set(GROUPS)
    assert all(entry.source and entry.summary for entry in NETWORKS.values())


def test_a_shallow_encoder_holds_nothing_that_the_logits_do_not_depend_on():
    options = network_options("unet", encoder="mobilenet_v2", extra={"depth": 4, "width": 8})
    network = build_network("unet", options, bands=3, classes=2)
    network(torch.zeros(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    deep = build_network("unet", network_options("unet", encoder="mobilenet_v2"), bands=3, classes=2)
    assert count_parameters(network)[0] < 0.2 * count_parameters(deep)[0]
