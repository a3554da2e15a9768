"""U-Net with exponential linear units and batch normalization.

Source: Ronneberger, Fischer and Brox 2015 for the shape; Iglovikov, Mushinskiy and Osin 2017
(arXiv 1706.06169) for the blocks, widths and the cropped border.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 5


class UNetELU(nn.Module):
    """Five levels of two convolutions each; logits of the size of the input.

    Channels double from level to level: 32, 64, 128, 256, 512 with the published width of 32.
    Input sides must be multiples of 16. With `crop`, that many pixels on each side are cut off before the last
    normalization, so that no output sees the padded border (112 px in, 80 px out with crop 16).

    >>> network = UNetELU(bands=3, classes=1)
    >>> sum(p.numel() for p in network.parameters())
    7852545
    >>> network(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 1, 64, 96])
    """

    stride = 2 ** (LEVELS - 1)

    def __init__(self, bands: int, classes: int, *, width: int = 32, crop: int = 0) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.encoder = nn.ModuleList(
            _block(before, after) for before, after in zip([bands, *widths], widths, strict=False)
        )
        ups = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (below, level) from the bottom up
        self.decoder = nn.ModuleList(_block(below + level, level) for below, level in ups)
        self.head = nn.Conv2d(width, classes, kernel_size=1)
        self.crop = crop
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
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
        for block in self.decoder[:-1]:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], dim=1))
        x = torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], dim=1)
        last = list(self.decoder[-1].children())
        for layer in last[:-2]:
            x = layer(x)
        if self.crop:
            x = x[..., self.crop : -self.crop, self.crop : -self.crop]
        for layer in (*last[-2:], self.head):
            x = layer(x)
        return x


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, kernel_size=3, padding=1), nn.BatchNorm2d(after), nn.ELU()]
    return nn.Sequential(*layers)
