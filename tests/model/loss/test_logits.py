"""Probabilities are refused where logits are expected, and logits never are."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hectares.errors import TrainingError
from hectares.model.loss.logits import refuse_probabilities

LOGITS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_softmax_is_seen_in_the_values(dtype: torch.dtype):
    with pytest.raises(TrainingError, match=r"are probabilities: .* remove the last activation"):
        refuse_probabilities((3 * LOGITS).softmax(dim=1).to(dtype))


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.Sigmoid(), nn.Softmax2d()])
def test_an_activation_is_seen_even_where_values_do_not_tell(last: nn.Module):
    network = nn.Sequential(nn.Conv2d(3, 2, 1), last)
    nn.init.zeros_(network[0].weight)
    with pytest.raises(TrainingError):
        refuse_probabilities(network(LOGITS))


def test_an_activation_is_seen_through_resizing_cropping_and_casting():
    scores = LOGITS.clone().requires_grad_().sigmoid()
    larger = F.interpolate(scores, scale_factor=2, mode="bilinear", align_corners=False)
    with pytest.raises(TrainingError):
        refuse_probabilities(larger[..., 1:-1, 2:].to(torch.bfloat16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("shift", [0.0, 1 / 3, 0.5])
def test_logits_pass(scale: float, shift: float, dtype: torch.dtype):
    refuse_probabilities((LOGITS * scale + shift).to(dtype))
    refuse_probabilities((LOGITS * scale + shift).to(dtype)[:, :1])


@pytest.mark.parametrize(
    "network",
    [
        nn.Conv2d(3, 2, 1),
        nn.Sequential(nn.Sigmoid(), nn.Conv2d(3, 2, 1)),
        nn.Sequential(nn.Softmax(dim=1), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.LogSoftmax(dim=1)),
    ],
)
def test_activations_elsewhere_pass(network: nn.Module):
    refuse_probabilities(network(LOGITS))


def test_what_is_no_image_passes():
    refuse_probabilities(torch.zeros(3))
