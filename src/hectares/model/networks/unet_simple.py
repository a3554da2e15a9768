"""U-Net of the original widths without normalization, with a little dropout.

Source: dheerajreddy3108/Geospatial-Data-Segmentation, its simplest network; the shape and the widths are those of
Ronneberger, Fischer and Brox 2015 (arXiv 1505.04597), with padded convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 5
DROPPED = (2, 3)  # levels of 256 and 512 channels, with the published width; in the decoder all but the highest


class UNetSimple(nn.Module):
    """Five levels of two convolutions each with ReLU; transposed convolutions lead up.

    Channels double from level to level: 64, 128, 256, 512, 1024 with the published width of 64.
    Input sides must be multiples of 16.

    >>> with torch.device("meta"):
    ...     network = UNetSimple(bands=3, classes=3)
    ...     logits = network(torch.zeros(1, 3, 64, 96))
    >>> sum(p.numel() for p in network.parameters())
    34513475
    >>> logits.shape
    torch.Size([1, 3, 64, 96])
    """

    stride = 2 ** (LEVELS - 1)

    def __init__(self, bands: int, classes: int, *, width: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.encoder = nn.ModuleList(
            _block(before, after, dropout if level in DROPPED else 0.0)
            for level, (before, after) in enumerate(zip([bands, *widths], widths, strict=False))
        )
        ups = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (below, level) from the bottom up
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(below, level, kernel_size=3, stride=2, padding=1, output_padding=1)
            for below, level in ups
        )
        self.decoder = nn.ModuleList(_block(2 * level, level, dropout if level > width else 0.0) for _, level in ups)
        self.head = nn.Conv2d(width, classes, kernel_size=1)
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
            x = block(torch.cat([up(x), skips.pop()], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _block(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1),
        nn.ReLU(),
        *([nn.Dropout(dropout)] if dropout else []),
        nn.Conv2d(after, after, kernel_size=3, padding=1),
        nn.ReLU(),
    )
