"""Losses on logits. Every one honors ignore: a pixel with label 255 changes neither value nor gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hectares.core.legend import IGNORE
from hectares.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits (B, K, H, W), label (B, H, W) int64) to a scalar."""


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Give the mean cross entropy over the labelled pixels; 0 if there are none."""
    total = F.cross_entropy(logits, label, ignore_index=IGNORE, reduction="sum")
    return total / (label != IGNORE).sum().clamp(min=1)


def dice(logits: Tensor, label: Tensor) -> Tensor:
    """Give 1 - Dice of the softmax scores, averaged over the classes that are in the labels of the batch.

    Source: Milletari, Navab and Ahmadi 2016 (V-Net), in the multi-class form.

    >>> logits = torch.tensor([[[[20.0, -20.0]], [[-20.0, 20.0]]]])
    >>> float(dice(logits, torch.tensor([[[0, 1]]])))
    0.0
    """
    classes = logits.shape[1]
    known = label != IGNORE
    scores = logits.float().softmax(dim=1) * known.unsqueeze(1)
    target = F.one_hot(torch.where(known, label, 0), classes).permute(0, 3, 1, 2) * known.unsqueeze(1)
    axes = (0, 2, 3)
    overlap, size = (scores * target).sum(axes), scores.sum(axes) + target.sum(axes)
    present = target.sum(axes) > 0
    per_class = 1 - 2 * overlap / size.clamp(min=1e-6)
    return (per_class * present).sum() / present.sum().clamp(min=1)


def _ce_and_dice(logits: Tensor, label: Tensor) -> Tensor:
    return cross_entropy(logits, label) + dice(logits, label)


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "dice": dice, "ce+dice": _ce_and_dice}


def find_loss(name: str) -> Loss:
    """Give a loss by name. Raises ConfigError listing the known ones."""
    try:
        return LOSSES[name]
    except KeyError:
        raise ConfigError(f"loss {name!r} is unknown; known: {', '.join(LOSSES)}") from None
