"""The U-Net on VGG-16 of the library keras_segmentation, used on chips of 512 px for buildings.

Source: `vgg_unet` of divamgupta/image-segmentation-keras, as trained on the Inria tiles by
nirabhromakhal/Image_Segmentation. The published network answers at half the resolution; here a bilinear step follows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hectares.model.networks.encoders import VGGEncoder

TAPS = (4, 9, 16, 23)
"""After the poolings of blocks 1 to 4: 64, 128, 256, 512 channels at strides 2, 4, 8, 16."""


class VGGUNet512(nn.Module):
    """One convolution a level; the fifth block of VGG-16 is not used.

    Input sides must be multiples of 16.

    >>> with torch.device("meta"):
    ...     network = VGGUNet512(bands=3, classes=2)
    ...     logits = network(torch.zeros(1, 3, 32, 48))
    >>> sum(p.numel() for p in network.parameters())
    12321026
    >>> logits.shape
    torch.Size([1, 2, 32, 48])
    """

    stride = 16

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.encoder = VGGEncoder("vgg16", bands, taps=TAPS)
        self.bottom = _block(512, 512)
        self.decoder = nn.ModuleList([_block(512 + 256, 256), _block(256 + 128, 128), _block(128 + 64, 64)])
        self.head = nn.Conv2d(64, classes, kernel_size=3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), scaled as the encoder was trained, to logits (B, classes, H, W)."""
        *skips, x = self.encoder(image)
        x = self.bottom(x)
        for block in self.decoder:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], dim=1))
        return F.interpolate(self.head(x), scale_factor=2.0, mode="bilinear", align_corners=False)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU(), nn.BatchNorm2d(after))
