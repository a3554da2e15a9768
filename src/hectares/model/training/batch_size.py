"""The largest batch that fits on a GPU, found by trying."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hectares.core.legend import IGNORE
from hectares.errors import ResourceError
from hectares.model.loss.losses import Loss

USUAL = 8
"""Chips a step where nothing is tried."""
_MOST = 256
_AMP = {"bf16": torch.bfloat16, "fp16": torch.float16}


def largest_batch(
    network: nn.Module, loss: Loss, image_shape: tuple[int, int, int], label_shape: tuple[int, ...], precision: str
) -> int:
    """Give the largest power of two of chips for which a training step fits into the memory of the GPU.

    Half of what just fits is given, as the optimizer and the validation want room as well. On a processor, where
    memory is shared with all else, it is 8. Raises ResourceError if not even one chip fits.
    """
    device = next(network.parameters()).device
    if device.type != "cuda":
        return USUAL
    fits, batch = 0, 1
    while batch <= _MOST:
        try:
            _try_step(network, loss, (batch, *image_shape), (batch, *label_shape), precision)
        except torch.OutOfMemoryError:
            break
        finally:
            network.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
        fits, batch = batch, 2 * batch
    if not fits:
        raise ResourceError(f"the GPU has too little memory for one chip of {image_shape[1]} px; prepare smaller chips")
    return max(1, fits // 2) if batch <= _MOST else fits


def _try_step(
    network: nn.Module, loss: Loss, image_shape: tuple[int, ...], label_shape: tuple[int, ...], precision: str
) -> None:
    device = next(network.parameters()).device
    image = torch.zeros(image_shape, device=device).contiguous(memory_format=torch.channels_last)
    label: Tensor = torch.zeros(label_shape, dtype=torch.int64, device=device)
    label[..., :1] = IGNORE
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    try:
        with torch.autocast("cuda", dtype=_AMP.get(precision, torch.float32), enabled=precision in _AMP):
            value = loss(network(image), label, None, None)
        torch.autograd.backward(value)
        torch.cuda.synchronize(device)
    finally:  # running statistics must not know of the trial
        for name, buffer in network.named_buffers():
            buffer.copy_(kept[name])
