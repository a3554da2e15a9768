"""Losses on logits. Every one honors ignore: a pixel with label 255 changes neither value nor gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hectares.core.legend import IGNORE
from hectares.errors import ConfigError

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(logits (B, K, H, W), label (B, H, W) int64, weights of the classes (K,) or None) to a scalar."""


def cross_entropy(logits: Tensor, label: Tensor, weights: Tensor | None = None) -> Tensor:
    """Give the mean cross entropy over the labelled pixels, weighted by class; 0 if there are none."""
    total = F.cross_entropy(logits, label, weight=weights, ignore_index=IGNORE, reduction="sum")
    known = label != IGNORE
    if weights is None:
        return total / known.sum().clamp(min=1)
    return total / (weights[torch.where(known, label, 0)] * known).sum().clamp(min=1e-6)


def dice(logits: Tensor, label: Tensor, weights: Tensor | None = None) -> Tensor:
    """Give 1 - Dice of the softmax scores, averaged (by weight) over the classes that are in the batch.

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
    share = (target.sum(axes) > 0) * (torch.ones_like(size) if weights is None else weights)
    per_class = 1 - 2 * overlap / size.clamp(min=1e-6)
    return (per_class * share).sum() / share.sum().clamp(min=1e-6)


def binary_cross_entropy(logits: Tensor, label: Tensor, weights: Tensor | None = None) -> Tensor:
    """Give the mean binary cross entropy over the labelled pixels of planes (B, K, H, W) of 0, 1 and 255.

    Each class is a question of its own, so that classes may overlap; weights count for pixels of the class.
    """
    known = label != IGNORE
    target = torch.where(known, label, 0).to(logits.dtype)
    share = known.to(logits.dtype)
    if weights is not None:
        share = share * torch.where(target > 0, weights[:, None, None], 1.0)
    total = F.binary_cross_entropy_with_logits(logits, target, weight=share, reduction="sum")
    return total / share.sum().clamp(min=1e-6)


def _ce_and_dice(logits: Tensor, label: Tensor, weights: Tensor | None = None) -> Tensor:
    return cross_entropy(logits, label, weights) + dice(logits, label, weights)


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "dice": dice, "ce+dice": _ce_and_dice, "bce": binary_cross_entropy}
PLANE_LOSSES = ("bce",)
"""Losses on planes, one a class; the others take one class a pixel."""


def find_loss(name: str, *, multilabel: bool = False) -> Loss:
    """Give a loss by name; `auto` is the usual one for the kind of label.

    Raises ConfigError listing the known ones that fit the kind of label.
    """
    if name == "auto":
        name = "bce" if multilabel else "ce+dice"
    fitting = [n for n in LOSSES if (n in PLANE_LOSSES) == multilabel]
    if name not in LOSSES:
        raise ConfigError(f"loss {name!r} is unknown; known: {', '.join(LOSSES)}")
    if name not in fitting:
        kind = "one plane a class" if multilabel else "one class a pixel"
        raise ConfigError(f"loss {name} does not fit chips with {kind}; choose {', '.join(fitting)}")
    return LOSSES[name]
