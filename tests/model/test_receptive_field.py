"""How far networks look."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn

from hectares.model.networks.zoo import build_network
from hectares.model.receptive_field import effective_radius


def _conv(size: int, *, dilation: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(2, 2, size, padding=size // 2 * dilation, dilation=dilation)
    nn.init.ones_(conv.weight)
    return conv


@pytest.mark.parametrize(
    ("network", "radius"),
    [
        (nn.Conv2d(2, 3, 1), 0),
        (_conv(3), 1),
        (nn.Sequential(_conv(3), _conv(5)), 3),
        (_conv(3, dilation=7), 7),
    ],
)
def test_the_radius_of_convolutions_is_that_of_their_kernels(network: nn.Module, radius: int):
    assert effective_radius(network, bands=2) == radius


def test_what_hardly_counts_is_left_out():
    conv = _conv(9)
    with torch.no_grad():
        conv.weight *= 1e-4
        conv.weight[..., 3:6, 3:6] = 1
    assert effective_radius(conv, bands=2) == 1


def test_the_place_within_a_stride_counts():
    network = nn.Sequential(nn.AvgPool2d(8), nn.Upsample(scale_factor=8))
    assert effective_radius(network, bands=2, stride=8) == 7  # from the first of 8 pixels to the last


def test_a_network_of_thresholds_has_none():
    class Threshold(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return (image > 0).float()

    assert effective_radius(Threshold(), bands=2) is None


def test_a_network_that_sees_the_mean_of_the_image_has_the_largest_radius():
    class Mean(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean(dim=(2, 3), keepdim=True).expand_as(image)

    assert effective_radius(Mean(), bands=1) >= 250


def test_it_repeats_and_leaves_random_state_and_mode_alone():
    network = build_network("unet-elu", {"width": 2}, bands=2, classes=3).train()
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    first, second = (effective_radius(network, bands=2, stride=16) for _ in range(2))
    assert first == second
    assert first is not None
    assert 8 < first < 128
    assert torch.rand(1) == expected
    assert network.training
