"""U-Net on a frozen VGG-19, without a skip at full resolution.

Source: dheerajreddy3108/Geospatial-Data-Segmentation, its network on ImageNet weights; the encoder is VGG-19 of
Simonyan and Zisserman 2015 (arXiv 1409.1556) up to the first convolution of its fifth block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hectares.model.networks.encoders import VGGEncoder

TAPS = (6, 11, 20, 29)
"""After the ReLU of the first convolution of blocks 2 to 5: 128, 256, 512, 512 channels at strides 2, 4, 8, 16."""


class UNetVGG19(nn.Module):
    """Transposed convolutions in pairs, of stride 1 and 2; the encoder is as torchvision has it.

    Input sides must be multiples of 16. The zoo freezes the encoder, as published.

    >>> with torch.device("meta"):
    ...     network = UNetVGG19(bands=3, classes=3)
    ...     logits = network(torch.zeros(1, 3, 32, 48))
    >>> sum(p.numel() for p in network.encoder.parameters())
    12944960
    >>> sum(p.numel() for p in network.parameters()) - 12944960
    8415491
    >>> logits.shape
    torch.Size([1, 3, 32, 48])
    """

    stride = 16

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.encoder = VGGEncoder("vgg19", bands, taps=TAPS)
        self.decoder = nn.ModuleList([_up(512, 512, 512), _up(512 + 512, 256, 256), _up(256 + 256, 128, 128)])
        self.head = nn.ConvTranspose2d(128 + 128, classes, kernel_size=3, stride=2, padding=1, output_padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), scaled as the encoder was trained, to logits (B, classes, H, W)."""
        *skips, x = self.encoder(image)
        for block in self.decoder:
            x = torch.cat([block(x), skips.pop()], dim=1)
        logits: Tensor = self.head(x)
        return logits


def _up(*channels: int) -> nn.Sequential:
    """A transposed convolution of stride 1 and one of stride 2, each with normalization and ReLU."""
    before, middle, after = channels
    return nn.Sequential(
        nn.ConvTranspose2d(before, middle, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(),
        nn.ConvTranspose2d(middle, after, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
