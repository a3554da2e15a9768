"""Balancing finds more of a rare class.

The rare class is 3 % of the pixels, in 4 of 40 chips. Its values are normal around 1.5, all others around 0, both with
a deviation of 1, so that the best a network can do is a threshold that follows from the odds it is shown:
0.75 + log(odds) / 1.5. At 97 : 3 that is 3.07, above which 6 % of the rare class lie; at even odds 0.75, and 77 %.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hectares.core.balance import Balance, class_weights, repeat_factors
from hectares.model.loss.losses import find_loss
from hectares.model.training.dataset import EpochSampler


def _chips() -> tuple[torch.Tensor, torch.Tensor, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    label = np.zeros((40, 16, 16), np.int64)
    label[:4].reshape(4, -1)[:, :77] = 1
    image = rng.normal(1.5 * label, 1).astype(np.float32)
    counts = np.stack([(label == k).sum(axis=(1, 2)) for k in range(2)], axis=1)
    return torch.from_numpy(image[:, None]), torch.from_numpy(label), counts


def _recall(balance: Balance = "none", repeat_rare: float = 0.0) -> float:
    image, label, counts = _chips()
    weights = torch.from_numpy(class_weights(counts, balance))
    repeats = repeat_factors(counts, repeat_rare) if repeat_rare else None
    sampler = EpochSampler([len(image)], seed=0, shuffle=True, repeats=[repeats])
    loss = find_loss("ce")
    torch.manual_seed(0)
    network = nn.Conv2d(1, 2, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    for epoch in range(100):
        sampler.set_epoch(epoch)
        drawn = [key[-1] for key in sampler]
        optimizer.zero_grad()
        loss(network(image[drawn]), label[drawn], weights).backward()
        optimizer.step()
    return float((network(image).argmax(dim=1) == 1)[label == 1].float().mean())


def test_without_balancing_a_rare_class_is_hardly_found():
    assert _recall() == pytest.approx(0.06, abs=0.04)


def test_even_odds_find_most_of_it():
    assert _recall("inverse") == pytest.approx(0.77, abs=0.05)


@pytest.mark.parametrize("balance", ["median", "effective"])
def test_milder_weights_find_more_than_none(balance: Balance):
    assert _recall(balance) > _recall() + 0.1


def test_chips_that_come_more_often_find_more():
    assert _recall(repeat_rare=1.0) > _recall() + 0.05
