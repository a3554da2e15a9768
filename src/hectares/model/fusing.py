"""Batch normalization made part of the convolution before it: less to compute, the same answer."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_SIDE = 64
_TOLERANCE = 1e-3
"""Of the largest logit; what was fused wrongly is off by far more."""


@torch.inference_mode()
def fuse_norms(network: nn.Module, *, bands: int) -> int:
    """Fuse each batch normalization into the convolution whose output it takes, in place; gives how many.

    Pairs are found by watching a pass. A network that answers otherwise afterwards is put back: then it is 0.

    >>> net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU()).eval()
    >>> fuse_norms(net, bands=2), net
    (1, Sequential(
      (0): Conv2d(2, 3, kernel_size=(1, 1), stride=(1, 1))
      (1): Identity()
      (2): ReLU()
    ))
    """
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    image = torch.randn(1, bands, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0)).to(device)
    pairs = _pairs(network, image)
    if not pairs:
        return 0
    before = network(image)
    kept = {name: copy.deepcopy(network.get_submodule(name)) for pair in pairs for name in pair}
    for convolution, norm in pairs:
        one, other = network.get_submodule(convolution), network.get_submodule(norm)
        assert isinstance(one, nn.Conv2d) and isinstance(other, nn.BatchNorm2d), "so they were chosen"  # noqa: PT018
        _replace(network, convolution, fuse_conv_bn_eval(one, other))
        _replace(network, norm, nn.Identity())
    if float((network(image) - before).abs().max()) <= _TOLERANCE * max(1.0, float(before.abs().max())):
        return len(pairs)
    for name, module in kept.items():
        _replace(network, name, module)
    return 0


def _pairs(network: nn.Module, image: Tensor) -> list[tuple[str, str]]:
    """Give names of convolutions and of the normalizations that take just what these give, each used once."""
    made: dict[int, str] = {}
    kept: list[Tensor] = []  # so that no number of a tensor is used twice
    taken: dict[str, list[str]] = {}
    calls: dict[str, int] = {}
    hooks = []

    def watch(name: str, module: nn.Module) -> None:
        def hook(_: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
            calls[name] = calls.get(name, 0) + 1
            for tensor in given:
                if isinstance(tensor, Tensor) and id(tensor) in made:
                    taken.setdefault(made[id(tensor)], []).append(name)
            if type(module) is nn.Conv2d:
                made[id(result)] = name
                kept.append(result)

        hooks.append(module.register_forward_hook(hook))

    leaves = {name: module for name, module in network.named_modules() if not list(module.children())}
    for name, module in leaves.items():
        watch(name, module)
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        (convolution, users[0])
        for convolution, users in taken.items()
        if len(users) == 1 and calls[convolution] == calls[users[0]] == 1 and _is_norm(leaves[users[0]])
    ]


def _is_norm(module: nn.Module) -> bool:
    return type(module) is nn.BatchNorm2d and module.track_running_stats


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
