"""Thresholds on one value a pixel, brightness or a band such as a spectral index: the floor below all networks.

Source: the rule "index above a threshold is the class" of kaggle_dstl_submission by ternaus (water by CCCI), with the
threshold learned by logistic regression instead of chosen by hand.
"""

from __future__ import annotations

from torch import Tensor, nn

GAIN = 10.0
"""Learning rates that suit a network are small for two numbers a class; this makes up for it."""


class IndexThreshold(nn.Module):
    """Each class is a straight line over the value; where two lines cross is the threshold between their classes.

    `band` is the number of a band, counted from 1, or brightness, the mean of all bands as they are scaled.
    K classes share out the value among them in at most K intervals. Any input size.

    >>> import torch
    >>> network = IndexThreshold(bands=3, classes=2, band="2")
    >>> sum(p.numel() for p in network.parameters())
    4
    >>> _ = network.head.weight.data.copy_(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1))
    >>> _ = network.head.bias.data.copy_(torch.tensor([0.0, -0.3]))  # class 1 from 0.3 on
    >>> image = torch.zeros(1, 3, 1, 3)
    >>> image[0, 1, 0] = torch.tensor([-1.0, 0.2, 0.4])
    >>> network(image).argmax(dim=1).tolist()
    [[[0, 0, 1]]]
    """

    stride = 1

    def __init__(self, bands: int, classes: int, *, band: str = "brightness") -> None:
        super().__init__()
        self.band = None if band == "brightness" else int(band) - 1
        if self.band is not None and not 0 <= self.band < bands:
            raise ValueError(f"band {band} of {bands} bands does not exist")
        self.head = nn.Conv2d(1, classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), normalized, to logits (B, classes, H, W)."""
        bands = image if self.band is None else image[:, self.band : self.band + 1]
        logits: Tensor = GAIN * self.head(bands.mean(dim=1, keepdim=True))
        return logits
