"""U-Net on VGG-16 with skips at all levels, the finest included.

Source: VGG-16 of Simonyan and Zisserman 2015 (arXiv 1409.1556) below the decoder of `unet_vgg19`, which lacks the skip
at full resolution; taps lie after the last convolution of each block, where features are richest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hectares.model.networks.encoders import VGGEncoder

TAPS = (3, 8, 15, 22, 29)
"""After the last ReLU of blocks 1 to 5: 64, 128, 256, 512, 512 channels at strides 1, 2, 4, 8, 16."""


class UNetVGG16(nn.Module):
    """Transposed convolutions lead up, two convolutions mix each level with its skip.

    Input sides must be multiples of 16.

    >>> with torch.device("meta"):
    ...     network = UNetVGG16(bands=3, classes=3)
    ...     logits = network(torch.zeros(1, 3, 32, 48))
    >>> sum(p.numel() for p in network.encoder.parameters())  # VGG-16 without its classifier
    14714688
    >>> sum(p.numel() for p in network.parameters()) - 14714688
    13313859
    >>> logits.shape
    torch.Size([1, 3, 32, 48])
    """

    stride = 16

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.encoder = VGGEncoder("vgg16", bands, taps=TAPS)
        levels = ((512, 512), (512, 256), (256, 128), (128, 64))  # (below, level) from the bottom up
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(below, level, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False),
                nn.BatchNorm2d(level),
                nn.ReLU(),
            )
            for below, level in levels
        )
        self.decoder = nn.ModuleList(_block(2 * level, level) for _, level in levels)
        self.head = nn.Conv2d(64, classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), scaled as the encoder was trained, to logits (B, classes, H, W)."""
        *skips, x = self.encoder(image)
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat([up(x), skips.pop()], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
