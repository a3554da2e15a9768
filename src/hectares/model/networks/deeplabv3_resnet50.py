"""DeepLabV3 on a whole ResNet-50 at stride 8.

Source: Chen, Papandreou, Schroff and Adam 2017 (arXiv 1706.05587), in the form of torchvision's deeplabv3_resnet50
without its auxiliary head.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hectares.errors import MissingExtraError
from hectares.model.networks.encoders import ResNet50Encoder


class DeepLabV3ResNet50(nn.Module):
    """Atrous pyramid at stride 8, then bilinear to the size of the input.

    Input sides must be multiples of 8. Rates are in pixels of the features; the published ones suit features of
    65 px, from images of 513 px.

    >>> import torch
    >>> with torch.device("meta"):
    ...     network = DeepLabV3ResNet50(bands=3, classes=21)
    ...     logits = network.eval()(torch.zeros(1, 3, 32, 48))
    >>> sum(p.numel() for p in network.parameters())
    39638869
    >>> logits.shape
    torch.Size([1, 21, 32, 48])
    """

    stride = 8

    def __init__(self, bands: int, classes: int, *, rates: str = "12,24,36") -> None:
        super().__init__()
        try:
            from torchvision.models.segmentation.deeplabv3 import DeepLabHead
        except ImportError as error:
            raise MissingExtraError("this network needs an extra: pip install 'hectares[train]'") from error
        self.encoder = ResNet50Encoder(bands, dilated=True)
        self.decoder: nn.Module = DeepLabHead(2048, classes, [int(rate) for rate in rates.split(",")])

    def forward(self, image: Tensor) -> Tensor:
        """(B, bands, H, W), scaled as the encoder was trained, to logits (B, classes, H, W)."""
        x = self.decoder(self.encoder(image)[-1])
        return F.interpolate(x, scale_factor=8.0, mode="bilinear", align_corners=False)
