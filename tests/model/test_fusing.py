"""Normalisation fused into convolutions."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn

from hectares.model.fusing import fuse_norms


def _norm(channels: int) -> nn.Module:
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    return norm


class Branches(nn.Module):
    """A convolution whose output is used with and without its normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 2, 1), _norm(2)

    def forward(self, image):
        """Add both."""
        plain = self.conv(image)
        return plain + self.norm(plain)


def _compare(network: nn.Module) -> tuple[int, float]:
    network.eval()
    image = torch.randn(1, 2, 16, 16)
    with torch.inference_mode():
        before = network(image)
        count = fuse_norms(network, bands=2)
        return count, float((network(image) - before).abs().max())


def test_pairs_are_fused_and_the_answer_stays():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), _norm(4))
    count, difference = _compare(nn.Sequential(nn.Conv2d(2, 3, 3), _norm(3), nn.ReLU(), inner))
    assert count == 2
    assert difference < 1e-5


def test_what_is_used_otherwise_as_well_is_put_back():
    torch.manual_seed(0)
    assert _compare(Branches()) == (0, 0.0)


def test_a_normalisation_of_something_else_is_left_alone():
    torch.manual_seed(0)
    assert _compare(nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), _norm(3))) == (0, 0.0)
