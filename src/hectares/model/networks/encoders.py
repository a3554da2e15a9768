"""Encoders of torchvision, cut where a decoder taps them, for any number of bands.

Names of their weights are those of torchvision, so that its files fill them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

from hectares.errors import MissingExtraError

_VGG = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each block."""
_VGG_CHANNELS = (64, 128, 256, 512, 512)


class VGGEncoder(nn.Module):
    """The convolutions of a VGG network up to the last tapped layer; gives the tapped outputs, finest first.

    `taps` count layers as torchvision's `features` does: convolutions, ReLUs and poolings from 0.

    >>> import torch
    >>> with torch.device("meta"):
    ...     encoder = VGGEncoder("vgg19", 3, taps=(6, 11))
    ...     outputs = encoder(torch.zeros(1, 3, 8, 8))
    >>> [tuple(x.shape) for x in outputs]
    [(1, 128, 4, 4), (1, 256, 2, 2)]
    >>> list(encoder.state_dict())[:2]
    ['features.0.weight', 'features.0.bias']
    """

    def __init__(self, name: Literal["vgg16", "vgg19"], bands: int, *, taps: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = bands
        for convolutions, channels in zip(_VGG[name], _VGG_CHANNELS, strict=True):
            for _ in range(convolutions):
                conv = nn.Conv2d(before, channels, kernel_size=3, padding=1)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # there is one
                layers += [conv, nn.ReLU()]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[: taps[-1] + 1])
        self.taps = tuple(taps)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, bands, H, W) to the outputs of the tapped layers."""
        outputs: list[Tensor] = []
        x = image
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                outputs.append(x)
        return outputs


class ResNet50Encoder(nn.Module):
    """ResNet-50 without its classifier; gives the outputs of the four stages, at strides 4, 8, then 8 or more.

    With `dilated`, the last two stages keep stride 8 and spread their kernels instead.

    >>> import torch
    >>> with torch.device("meta"):
    ...     outputs = ResNet50Encoder(4, dilated=True)(torch.zeros(2, 4, 64, 32))
    >>> [tuple(x.shape[1:]) for x in outputs]
    [(256, 16, 8), (512, 8, 4), (1024, 8, 4), (2048, 8, 4)]
    """

    def __init__(self, bands: int, *, dilated: bool) -> None:
        super().__init__()
        net = _torchvision().resnet50(weights=None, replace_stride_with_dilation=[False, dilated, dilated])
        self.conv1 = _for_bands(net.conv1, bands)
        self.bn1, self.relu, self.maxpool = net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, bands, H, W) to the outputs of the four stages."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        outputs: list[Tensor] = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            outputs.append(x)
        return outputs


class ResNet50Front(nn.Module):
    """ResNet-50 cut inside its fourth stage; gives two inner outputs: 64 channels at stride 4, 256 at stride 16.

    The second convolution of the third block of the second stage, and that of the sixth block of the fourth stage
    (stages counted with the stem), each after normalization and ReLU. With `biases`, every convolution has a bias,
    as in Keras; torchvision has none, since normalization follows each.

    >>> import torch
    >>> with torch.device("meta"):
    ...     outputs = ResNet50Front(4)(torch.zeros(2, 4, 64, 32))
    >>> [tuple(x.shape[1:]) for x in outputs]
    [(64, 16, 8), (256, 4, 2)]
    """

    def __init__(self, bands: int, *, biases: bool = False) -> None:
        super().__init__()
        net = _torchvision().resnet50(weights=None)
        self.conv1 = _for_bands(net.conv1, bands)
        self.bn1, self.relu, self.maxpool = net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3 = net.layer1, net.layer2, net.layer3
        del self.layer3[-1].conv3, self.layer3[-1].bn3
        if biases:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    module.bias = nn.Parameter(module.weight.new_zeros(module.out_channels))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, bands, H, W) to the two tapped outputs, the finer one first."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.layer1[:-1](x)
        last = self.layer1[-1]
        fine = _first_half(last, x)
        x = last.relu(last.bn3(last.conv3(fine)) + x)
        x = self.layer3[:-1](self.layer2(x))
        return [fine, _first_half(self.layer3[-1], x)]


def _first_half(block: nn.Module, x: Tensor) -> Tensor:
    """The first two of the three convolutions of a bottleneck."""
    x = block.relu(block.bn1(block.conv1(x)))  # type: ignore[operator]  # attributes of torchvision's Bottleneck
    half: Tensor = block.relu(block.bn2(block.conv2(x)))  # type: ignore[operator]
    return half


def _for_bands(first: nn.Module, bands: int) -> nn.Conv2d:
    """A first layer for any number of bands, with the shape and the kind of start of the given one."""
    assert isinstance(first, nn.Conv2d)
    if bands == first.in_channels:
        return first
    layer = nn.Conv2d(
        bands,
        first.out_channels,
        kernel_size=first.kernel_size,  # type: ignore[arg-type]  # a pair, which torch types as a longer tuple
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _torchvision() -> Any:  # a module
    try:
        from torchvision import models
    except ImportError as error:
        raise MissingExtraError("this network needs an extra: pip install 'hectares[train]'") from error
    return models
