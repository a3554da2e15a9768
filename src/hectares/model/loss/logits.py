"""Tells logits, which losses and segmenters expect of a network, from probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from hectares.errors import TrainingError

_SQUASHED = ("SoftmaxBackward", "SigmoidBackward", "HardsigmoidBackward")
_PASSING = (
    "AliasBackward", "AsStridedBackward", "CloneBackward", "ConstantPadNdBackward", "PermuteBackward",
    "ReflectionPad2DBackward", "SelectBackward", "SliceBackward", "SqueezeBackward", "ToCopyBackward",
    "TransposeBackward", "UnsafeViewBackward", "UnsqueezeBackward", "UpsampleBilinear2DBackward",
    "UpsampleNearest2DBackward", "ViewBackward",
)  # fmt: skip
"""Steps that move or interpolate values, so that probabilities stay what they are."""
_SHORT = 16


def refuse_probabilities(logits: Tensor) -> None:
    """Raise TrainingError if a network gives probabilities where a loss expects logits.

    Asked of the outputs (B, K, H, W) of the first steps of training, while they still know how they came about: a last
    step that is a softmax or a sigmoid is refused, and so are outputs between 0 and 1 that vary over the pixels and
    still have the sum 1 in every one. Neither happens to logits.
    """
    step = logits.grad_fn
    for _ in range(_SHORT):
        if step is None or not step.name().startswith(_PASSING):
            break
        step = step.next_functions[0][0]
    squashed = step is not None and step.name().startswith(_SQUASHED)
    if squashed or _sum_to_one(logits.detach()):
        raise TrainingError(
            "the outputs of the network are probabilities: they went through a softmax or sigmoid, and the loss would "
            "do that again, so that training would stall; remove the last activation, so that it gives logits"
        )


@torch.no_grad()
def _sum_to_one(values: Tensor) -> bool:
    if values.dim() < 2 or values.shape[1] < 2:
        return False
    coarse = torch.finfo(values.dtype).eps * values.shape[1]
    values = values.float()
    inside = (values >= -coarse).all() & (values <= 1 + coarse).all()
    varied = values.amax(dim=(0, 2, 3)) - values.amin(dim=(0, 2, 3)) > 10 * coarse + 1e-4
    summed = ((values.sum(dim=1) - 1).abs() <= max(1e-4, 2 * coarse)).all()
    return bool(inside & varied.any() & summed)
