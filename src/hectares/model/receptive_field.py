"""How far a network looks: the context that a pixel's answer really depends on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ENERGY = 0.999
_SIDES = (256, 512)
_PIXELS = 4


def effective_radius(
    network: nn.Module, *, bands: int, stride: int = 1, energy: float = ENERGY, seed: int = 0
) -> int | None:
    """Give the radius in px of the square around a pixel that holds 99.9 % of the energy of its gradient.

    The gradient of the logits of a pixel with respect to random inputs, squared and summed over bands, classes and
    pixels at different places within a stride. None if the network has no gradient, as one of thresholds. A network
    that looks further than 256 px, for example at the mean of the whole image, gives 255.

    Source: Luo, Li, Urtasun and Zemel 2016 (arXiv 1701.04128), with a share of the energy for the deviation.

    >>> effective_radius(nn.Conv2d(3, 2, kernel_size=5, padding=2), bands=3)
    2
    """
    was_training = network.training
    network.eval()
    try:
        radius = None
        for side in _SIDES:
            profile = _energy_by_distance(network, bands, -(-side // stride) * stride, stride, seed)
            if profile is None or not float(profile.sum()) > 0:
                return None
            share = profile.cumsum(0) / profile.sum()
            radius = int((share < energy).sum())
            if radius < side // 4:  # more would be cut off by the border of the input
                break
        return radius
    finally:
        network.train(was_training)


def _energy_by_distance(network: nn.Module, bands: int, side: int, stride: int, seed: int) -> Tensor | None:
    """Give the energy of the gradient at each distance from the pixel (the larger one of rows and columns)."""
    random = torch.Generator().manual_seed(seed)
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    profile = torch.zeros(side // 2, dtype=torch.float64)
    for number in range(_PIXELS):
        image = torch.randn(1, bands, side, side, generator=random).to(device).requires_grad_()
        row = side // 2 + number * stride // _PIXELS
        col = side // 2 + (number * 3 % _PIXELS) * stride // _PIXELS
        with torch.enable_grad():
            logits: Tensor = network(image)[0, :, row, col]
            if not logits.requires_grad:
                return None
            sign = torch.randint(0, 2, logits.shape, generator=random).to(device) * 2.0 - 1
            (gradient,) = torch.autograd.grad((logits * sign).sum(), image)
        squared = gradient[0].double().square().sum(dim=0).cpu()
        rows = (torch.arange(side) - row).abs()
        cols = (torch.arange(side) - col).abs()
        distance = torch.maximum(rows[:, None], cols[None, :]).clamp(max=side // 2 - 1)
        profile.index_add_(0, distance.flatten(), squared.flatten())
    return profile
