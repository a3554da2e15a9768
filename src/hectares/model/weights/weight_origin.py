"""Which network weights look made for, by the names and shapes of their arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_RESNETS: dict[tuple[tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}
_BLOCK = re.compile(r"(?:^|.*\.)layer(\d)\.(\d+)\.conv1\.weight")
_FAMILIES = (
    (r"_conv_stem\.", "an EfficientNet of segmentation_models_pytorch (--encoder efficientnet-b0 and others)"),
    (r"patch_embed1\.proj\.", "a Mix Transformer (--encoder mit_b0 to mit_b5)"),
    (r"denseblock1\.", "a DenseNet (--encoder densenet121 and others)"),
    (r"features\.\d+\.conv\.\d", "a MobileNetV2 of torchvision (--encoder mobilenet_v2)"),
    (r"blocks\.\d+\.\d+\.conv_(dw|pw|pwl)\.", "an EfficientNet or MobileNet of timm (--encoder NAME of timm)"),
    (r"stages[._]\d+\.blocks\.\d+\.(gamma|conv_dw)", "a ConvNeXt of timm (--encoder convnext_tiny and others)"),
    (r"layers[._]\d+\.blocks\.\d+\.attn\.", "a Swin Transformer of timm (--encoder swin_tiny_patch4_window7_224)"),
    (r"blocks\.\d+\.attn\.qkv\.", "a Vision Transformer (--network dpt --encoder vit_small_patch16_224 and others)"),
    (r"features\.\d+\.(weight|bias)$", "a VGG of torchvision (--encoder vgg16 and others)"),
)
"""What stands in names, and of what; the first that fits is it."""


def describe_origin(arrays: Mapping[str, Tensor]) -> str:
    """Say which network arrays look made for; empty if they look like none we know.

    >>> import torch
    >>> describe_origin({"module.patch_embed1.proj.weight": torch.zeros(1)})
    'a Mix Transformer (--encoder mit_b0 to mit_b5)'
    """
    if resnet := _resnet(arrays):
        return resnet
    return next((what for pattern, what in _FAMILIES if any(re.search(pattern, name) for name in arrays)), "")


def _resnet(arrays: Mapping[str, Tensor]) -> str:
    found = [match for name in arrays if (match := _BLOCK.fullmatch(name))]
    if not found:
        return ""
    blocks: dict[int, int] = {}
    for match in found:
        blocks[int(match[1])] = max(blocks.get(int(match[1]), 0), int(match[2]) + 1)
    counts = tuple(blocks[stage] for stage in sorted(blocks))
    bottleneck = any(re.search(r"layer1\.0\.conv3\.weight", name) for name in arrays)
    stem = next((a for name, a in arrays.items() if re.search(r"(^|\.)conv1\.weight$", name)), None)
    width = int(stem.shape[0]) if stem is not None else 0
    name = _RESNETS.get((counts, bottleneck)) if width in {0, 64} else None
    if name is not None:
        return f"{name} (--encoder {name})"
    return f"a ResNet of {'+'.join(map(str, counts))} blocks whose first layer gives {width} channels"
