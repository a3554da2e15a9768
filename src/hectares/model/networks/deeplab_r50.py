"""DeepLab with a decoder on a ResNet-50 that is cut before the end of its fourth stage.

Source: dheerajreddy3108/Geospatial-Data-Segmentation, after the DeepLabV3+ example of keras.io; Chen, Zhu,
Papandreou, Schroff and Adam 2018 (arXiv 1802.02611).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hectares.model.networks.encoders import ResNet50Front

WIDTH, FINE = 256, 48


class DeepLabR50(nn.Module):
    """Atrous pyramid at stride 16, joined with features of stride 4.

    Input sides must be multiples of 16. Keras gives every convolution of ResNet a bias, torchvision none: with
    `biases` the count is the published one, without them it is 14,272 less, and ImageNet weights of torchvision fill
    everything. A normalization follows each of these convolutions, so that both can learn the same.

    >>> with torch.device("meta"):
    ...     published, ours = DeepLabR50(3, 3, biases=True), DeepLabR50(3, 3)
    ...     logits = ours.eval()(torch.zeros(1, 3, 32, 48))
    >>> [sum(p.numel() for p in network.parameters()) for network in (published, ours)]
    [11229795, 11215523]
    >>> logits.shape
    torch.Size([1, 3, 32, 48])
    """

    stride = 16

    def __init__(self, bands: int, classes: int, *, rates: str = "6,12,18", biases: bool = False) -> None:
        super().__init__()
        self.encoder = ResNet50Front(bands, biases=biases)
        self.pyramid = AtrousPyramid(256, [int(rate) for rate in rates.split(",")])
        self.fine = _block(64, FINE, kernel_size=1)
        self.decoder = _block(WIDTH + FINE, WIDTH)
        self.head = nn.Conv2d(WIDTH, classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), scaled as the encoder was trained, to logits (B, classes, H, W)."""
        fine, coarse = self.encoder(image)
        x = F.interpolate(self.pyramid(coarse), scale_factor=4.0, mode="bilinear", align_corners=False)
        x = self.decoder(torch.cat([x, self.fine(fine)], dim=1))
        x = F.interpolate(x, scale_factor=4.0, mode="bilinear", align_corners=False)
        logits: Tensor = self.head(x)
        return logits


class AtrousPyramid(nn.Module):
    """Looks at features at several distances at once: their mean, each pixel, and 3 x 3 pixels `rate` apart."""

    def __init__(self, before: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.mean = _block(before, WIDTH, kernel_size=1, bias=True)
        branches = [_block(before, WIDTH, kernel_size=1), *(_block(before, WIDTH, rate=rate) for rate in rates)]
        self.branches = nn.ModuleList(branches)
        self.fuse = _block(WIDTH * (1 + len(branches)), WIDTH, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, h, w) to (B, 256, h, w)."""
        mean = self.mean(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, x.shape[-2], x.shape[-1])
        x = self.fuse(torch.cat([mean, *(branch(x) for branch in self.branches)], dim=1))
        return x


def _block(before: int, after: int, *, kernel_size: int = 3, rate: int = 1, bias: bool = False) -> nn.Sequential:
    padding = rate * (kernel_size // 2)
    conv = nn.Conv2d(before, after, kernel_size=kernel_size, padding=padding, dilation=rate, bias=bias)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())
