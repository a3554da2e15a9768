"""Any size in, the same size out, around networks that want multiples of their stride."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class AnySize(nn.Module):
    """Gives a network that wants multiples of its stride an input of any size.

    The input is padded with zeros, the mean of every normalized band, below and to the right, and the logits
    are cut back. A network that cuts `crop` pixels off each side is first given that many mirrored ones.

    >>> import torch
    >>> AnySize(nn.Identity(), stride=16)(torch.zeros(1, 2, 33, 50)).shape
    torch.Size([1, 2, 33, 50])
    """

    def __init__(self, network: nn.Module, stride: int, *, crop: int = 0) -> None:
        super().__init__()
        self.network = network
        self.stride = stride
        self.crop = crop
        """Pixels that the network cuts off each side: what `inner` gives, and `cut` leaves of a label."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, K, H, W)."""
        height, width = image.shape[-2:]
        if self.crop:
            mode = "reflect" if min(height, width) > self.crop else "replicate"
            image = F.pad(image, (self.crop,) * 4, mode=mode)
        return self._padded(image)[..., :height, :width]

    def inner(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the logits of the pixels that see no border, (B, K, H - 2 crop, W - 2 crop).

        For training: a network with a crop was published without mirrored pixels. Without a crop, as `forward`.
        """
        height, width = image.shape[-2:]
        return self._padded(image)[..., : height - 2 * self.crop, : width - 2 * self.crop]

    def cut(self, label: Tensor) -> Tensor:
        """(..., H, W) to the part that belongs to what `inner` gives, (..., H - 2 crop, W - 2 crop)."""
        height, width = label.shape[-2:]
        return label[..., self.crop : height - self.crop, self.crop : width - self.crop]

    def _padded(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            image = F.pad(image, (0, right, 0, below))
        logits: Tensor = self.network(image)
        return logits
