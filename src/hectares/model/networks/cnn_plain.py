"""Convolutions without pooling or skips: what texture within a few pixels can tell, a floor for every other network.

Source: the plain fully convolutional stack of Long, Shelhamer and Darrell 2015 (arXiv 1411.4038) without its poolings.
"""

from __future__ import annotations

from torch import Tensor, nn


class CNNPlain(nn.Module):
    """A stack of 3 x 3 convolutions with ReLU and batch normalization, then one pixel to its classes.

    Sees `depth` pixels to each side. Any input size.

    >>> import torch
    >>> network = CNNPlain(bands=3, classes=2)
    >>> sum(p.numel() for p in network.parameters())
    28962
    >>> network(torch.zeros(1, 3, 33, 50)).shape
    torch.Size([1, 2, 33, 50])
    """

    stride = 1

    def __init__(self, bands: int, classes: int, *, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in [bands, *[width] * (depth - 1)]:
            layers += [nn.Conv2d(before, width, kernel_size=3, padding=1), nn.ReLU(), nn.BatchNorm2d(width)]
            nn.init.kaiming_normal_(layers[-3].weight, nonlinearity="relu")  # type: ignore[arg-type]  # a Conv2d
        self.convs = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), normalized, to logits (B, classes, H, W)."""
        logits: Tensor = self.head(self.convs(image))
        return logits
