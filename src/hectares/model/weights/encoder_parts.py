"""What an encoder is made of: its first layers, and its stages. Found by running it, not by names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hectares.errors import ConfigError

_PROBE_PX = 64


def encoder_of(network: nn.Module, wanted: str) -> nn.Module:
    """Give the encoder of a network. Raises ConfigError if there is none, saying what it was wanted for."""
    encoder = getattr(getattr(network, "network", network), "encoder", None)
    if not isinstance(encoder, nn.Module) or isinstance(encoder, nn.ModuleList):
        raise ConfigError(f"this network has no exchangeable encoder, which {wanted} is about; take --network unet")
    return encoder


def band_count(encoder: nn.Module) -> int:
    """Give the number of bands that an encoder takes."""
    return next((m.in_channels for m in encoder.modules() if isinstance(m, nn.Conv2d)), 0)


def first_layers(encoder: nn.Module) -> list[str]:
    """Name the convolutions that see the image itself; most encoders have one.

    >>> first_layers(nn.Sequential(nn.Conv2d(4, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 3)))
    ['0']
    """
    image, found = torch.zeros(1, band_count(encoder), _PROBE_PX, _PROBE_PX, device=_device(encoder)), []
    hooks = []
    layers = [(name, m) for name, m in encoder.named_modules() if isinstance(m, nn.Conv2d)]

    def note(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            if inputs and inputs[0] is image:
                found.append(name)

        return hook

    for name, layer in layers:
        hooks.append(layer.register_forward_pre_hook(note(name)))
    try:
        with _resting(encoder), torch.no_grad(), contextlib.suppress(RuntimeError, ValueError, AssertionError):
            encoder(image)
    finally:
        for hook_handle in hooks:
            hook_handle.remove()
    return found or [name for name, _ in layers[:1]]


def stages_of(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Give the parameters of each stage of an encoder, from the image upward.

    A stage is what leads from one output of the encoder to the next coarser one; parameters that no output depends
    on come with the last. An encoder with one output, or for images of one size only, is one stage.
    """
    parameters = list(encoder.parameters())
    depth = [-1] * len(parameters)
    flags = [p.requires_grad for p in parameters]
    image = torch.zeros(1, band_count(encoder), _PROBE_PX, _PROBE_PX, device=_device(encoder))
    count = 0
    try:
        encoder.requires_grad_(requires_grad=True)
        with _resting(encoder), torch.enable_grad(), contextlib.suppress(RuntimeError, ValueError, AssertionError):
            for feature in _outputs(encoder(image)):
                grads = torch.autograd.grad(feature.sum(), parameters, allow_unused=True, retain_graph=True)
                new = [i for i, g in enumerate(grads) if g is not None and depth[i] < 0]
                for i in new:
                    depth[i] = count
                count += bool(new)
    finally:
        for parameter, flag in zip(parameters, flags, strict=True):
            parameter.requires_grad_(flag)
    count = max(count, 1)
    return [
        [p for p, d in zip(parameters, depth, strict=True) if d == stage or (d < 0 and stage == count - 1)]
        for stage in range(count)
    ]


def _outputs(features: Tensor | Sequence[object]) -> list[Tensor]:
    """Outputs that depend on parameters; the image itself and fillers do not."""
    parts = [features] if isinstance(features, Tensor) else list(features)
    return [p for p in parts if isinstance(p, Tensor) and p.requires_grad]


def _device(encoder: nn.Module) -> torch.device:
    return next(encoder.parameters()).device


@contextlib.contextmanager
def _resting(module: nn.Module) -> Iterator[None]:
    """Put a module into eval mode, so that running it changes and draws nothing; put every part back afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
