"""U-Net of the original widths with batch normalization, and upsampling followed by a 2 x 2 convolution.

Source: the network of rijul10/Semantic-Segmentation-of-Satellite-Images for the IEEE GRSS Data Fusion Contest 2019;
the shape, the widths and the dropout at the bottom are those of Ronneberger, Fischer and Brox 2015 (arXiv 1505.04597).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 5
LAST = 16  # channels between the highest level and the classes


class UNetClassic(nn.Module):
    """Five levels of two convolutions and one normalization each; fully convolutional.

    Channels double from level to level: 64, 128, 256, 512, 1024 with the published width of 64.
    Input sides must be multiples of 16. Dropout acts on the two lowest levels.

    >>> with torch.device("meta"):
    ...     network = UNetClassic(bands=3, classes=6)
    ...     logits = network(torch.zeros(1, 3, 64, 96))
    >>> sum(p.numel() for p in network.parameters())
    31046806
    >>> logits.shape
    torch.Size([1, 6, 64, 96])
    """

    stride = 2 ** (LEVELS - 1)

    def __init__(self, bands: int, classes: int, *, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *_convs(before, after, after),
                nn.BatchNorm2d(after),
                *([nn.Dropout(dropout)] if dropout and level >= LEVELS - 2 else []),
            )
            for level, (before, after) in enumerate(zip([bands, *widths], widths, strict=False))
        )
        ups = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (below, level) from the bottom up
        self.ups = nn.ModuleList(_Up(below, level) for below, level in ups)
        self.decoder = nn.ModuleList(
            nn.Sequential(*_convs(2 * level, level, level), nn.BatchNorm2d(level)) for _, level in ups[:-1]
        )
        self.decoder.append(nn.Sequential(*_convs(2 * width, width, width, LAST), nn.BatchNorm2d(LAST)))
        self.head = nn.Conv2d(LAST, classes, kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), normalized, to logits (B, classes, H, W)."""
        skips: list[Tensor] = []
        x = image
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()  # the bottom has no level to join
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat([skips.pop(), up(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits


class _Up(nn.Module):
    """Repeats pixels and mixes each with its right and lower neighbors, as padding to the same size does."""

    def __init__(self, below: int, level: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(below, level, kernel_size=2)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0)
        mixed: Tensor = self.relu(self.conv(F.pad(x, (0, 1, 0, 1))))
        return mixed


def _convs(*channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
    return layers
