"""U-Net of six levels with batch normalization between, not inside, the pairs of convolutions.

Source: dheerajreddy3108/Geospatial-Data-Segmentation, its network trained from scratch on chips of 64 px;
the shape is that of Ronneberger, Fischer and Brox 2015. With bilinear upsampling the published wiring joins the
wrong tensor at the last level; here every level joins its own.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

SHALLOW, DEEP = 3, 2


class UNetDeep(nn.Module):
    """Five poolings; three levels of two convolutions, two levels of four, one convolution at the bottom.

    Channels double from level to level: 32, 64, 128, 256, 512, 1024 with the published width of 32.
    Input sides must be multiples of 32. With `upsampling` bilinear the decoder has no transposed convolutions.

    >>> with torch.device("meta"):
    ...     network = UNetDeep(bands=3, classes=3)
    ...     logits = network(torch.zeros(1, 3, 64, 96))
    >>> sum(p.numel() for p in network.parameters())
    31057507
    >>> logits.shape
    torch.Size([1, 3, 64, 96])
    """

    stride = 2 ** (SHALLOW + DEEP)

    def __init__(
        self,
        bands: int,
        classes: int,
        *,
        width: int = 32,
        upsampling: Literal["transposed", "bilinear"] = "transposed",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(SHALLOW + DEEP)]
        bottom = 2 * widths[-1]
        self.encoder = nn.ModuleList(
            _Down(before, after, deep=level >= SHALLOW, dropout=dropout)
            for level, (before, after) in enumerate(zip([bands, *widths], widths, strict=False))
        )
        self.bottom = nn.Sequential(
            nn.Conv2d(widths[-1], bottom, kernel_size=3, padding=1), nn.ReLU(), nn.BatchNorm2d(bottom)
        )
        ups = list(zip([bottom, *widths[:0:-1]], widths[::-1], strict=True))  # (below, level) from the bottom up
        self.decoder = nn.ModuleList(
            _Up(below, level, transposed=upsampling == "transposed", dropout=dropout) for below, level in ups
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
        for down in self.encoder:
            skip, x = down(x)
            skips.append(skip)
        x = self.bottom(x)
        for up in self.decoder:
            x = up(x, skips.pop())
        logits: Tensor = self.head(x)
        return logits


class _Down(nn.Module):
    def __init__(self, before: int, after: int, *, deep: bool, dropout: float) -> None:
        super().__init__()
        between = [nn.Dropout(dropout), nn.BatchNorm2d(after), *_pair(after, after)] if deep else []
        self.convs = nn.Sequential(*_pair(before, after), *between)
        self.rest = nn.Sequential(nn.MaxPool2d(2), nn.Dropout(dropout), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.convs(x)
        return skip, self.rest(skip)


class _Up(nn.Module):
    def __init__(self, below: int, level: int, *, transposed: bool, dropout: float) -> None:
        super().__init__()
        self.up = (
            nn.Sequential(
                nn.ConvTranspose2d(below, level, kernel_size=3, stride=2, padding=1, output_padding=1), nn.ReLU()
            )
            if transposed
            else nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)
        )
        joined = level + (level if transposed else below)
        self.convs = nn.Sequential(nn.BatchNorm2d(joined), *_pair(joined, level), nn.Dropout(dropout))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        joined: Tensor = self.convs(torch.cat([self.up(x), skip], dim=1))
        return joined


def _pair(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(after, after, kernel_size=3, padding=1),
        nn.ReLU(),
    ]
