"""Small U-Net with exponential linear units and dropout, for roofs.

Source: RichardWie1and/UNET-Image-Segmentation-Satellite-Pictures; the shape is that of Ronneberger, Fischer and
Brox 2015 (arXiv 1505.04597).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DOWN_SHARES = (1 / 3, 2 / 3, 2 / 3, 2 / 3, 1.0)
"""Dropout of each level on the way down, as a share of that at the bottom: 0.1, 0.2, 0.2, 0.2, 0.3."""
UP_SHARES = (2 / 3, 2 / 3, 1 / 3, 1 / 3)
"""The same on the way up."""


class UNetSmall(nn.Module):
    """Five levels of two convolutions each with dropout between them; no normalization.

    Channels double from level to level: 16, 32, 64, 128, 256 with the published width of 16.
    Input sides must be multiples of 16. `dropout` is that of the bottom; the levels above have less.

    >>> with torch.device("meta"):
    ...     network = UNetSmall(bands=3, classes=1)
    ...     logits = network(torch.zeros(1, 3, 64, 96))
    >>> sum(p.numel() for p in network.parameters())
    1941105
    >>> logits.shape
    torch.Size([1, 1, 64, 96])
    """

    stride = 2 ** (len(DOWN_SHARES) - 1)

    def __init__(self, bands: int, classes: int, *, width: int = 16, dropout: float = 0.3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(len(DOWN_SHARES))]
        self.encoder = nn.ModuleList(
            _block(before, after, dropout * share)
            for before, after, share in zip([bands, *widths], widths, DOWN_SHARES, strict=False)
        )
        ups = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (below, level) from the bottom up
        self.ups = nn.ModuleList(nn.ConvTranspose2d(below, level, kernel_size=2, stride=2) for below, level in ups)
        self.decoder = nn.ModuleList(
            _block(2 * level, level, dropout * share) for (_, level), share in zip(ups, UP_SHARES, strict=True)
        )
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
        nn.ELU(),
        nn.Dropout(dropout),
        nn.Conv2d(after, after, kernel_size=3, padding=1),
        nn.ELU(),
    )
