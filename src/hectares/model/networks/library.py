"""Networks of segmentation_models_pytorch, with encoders of it and of timm."""

from __future__ import annotations

import difflib
import warnings
from types import ModuleType

import torch
from torch import Tensor, nn

from hectares.errors import ConfigError, MissingExtraError

TIMM = "tu-"
"""What the library puts before the names of timm."""
_SUGGESTED = 8
_WHOLE_DEPTH = 5
_PROBE_PX = 64
_FREE_SIZE = ({"strict_img_size": False}, {"dynamic_img_size": True})
"""How encoders that are made for one size of images are told to take any: windows, and tokens."""


def find_encoder(text: str) -> str:
    """Give the library's name of an encoder of its own or of timm. Raises ConfigError with the nearest names.

    >>> find_encoder("resnet34"), find_encoder("convnext_tiny")
    ('resnet34', 'tu-convnext_tiny')
    """
    import timm

    own = _library().encoders.get_encoder_names()
    if text in own:
        return text
    plain = text.removeprefix(TIMM)
    if timm.is_model(plain.split(".")[0]):
        return TIMM + plain
    names = [*(n for n in own if not n.startswith("timm-")), *timm.list_models()]
    begins = [n for n in names if n.startswith(plain)]
    near = [*begins, *difflib.get_close_matches(plain, names, n=_SUGGESTED, cutoff=0.6)]
    nearest = ", ".join(list(dict.fromkeys(near))[:_SUGGESTED]) or "resnet34, efficientnet-b0, convnext_tiny, mit_b0"
    raise ConfigError(f"encoder {text!r} is unknown; the nearest are {nearest}")


def build_library_network(
    architecture: str,
    encoder: str,
    *,
    bands: int,
    classes: int,
    attention: str | None = None,
    rates: str | None = None,
    depth: int | None = None,
    width: int | None = None,
) -> nn.Module:
    """Build a network of the library that gives logits, with random weights.

    `depth` is the number of times that the encoder halves the image, `width` the channels of the finest level of
    the decoder. Raises ConfigError if architecture and encoder do not go together, or if the encoder takes one size
    only.
    """
    more: dict[str, object] = {}
    if depth is not None and width is not None:
        more |= {"encoder_depth": depth, "decoder_channels": tuple(width << i for i in reversed(range(depth)))}
    if attention not in {None, "none"}:
        more["decoder_attention_type"] = attention
    if rates is not None:
        more["decoder_atrous_rates"] = tuple(int(rate) for rate in rates.split(","))
    for free in _ways_to_any_size(architecture, encoder):
        try:
            network = _create(architecture, encoder, bands, classes, {**more, **free})
        except TypeError as error:
            if not any(name in str(error) for name in free):
                raise ConfigError(_mismatch(architecture, encoder, error)) from error
        except (KeyError, ValueError, RuntimeError, NotImplementedError, AttributeError, AssertionError) as error:
            raise ConfigError(_mismatch(architecture, encoder, error)) from error
        else:
            if depth is not None and depth < _WHOLE_DEPTH:
                _drop_unused(network, torch.zeros(1, bands, _PROBE_PX, _PROBE_PX))
            return network
    raise ConfigError(
        f"encoder {encoder!r} takes images of one size only, but tiles and chips come in any; "
        "choose another, such as resnet34, convnext_tiny, swin_tiny_patch4_window7_224 or mit_b0"
    )


def _ways_to_any_size(architecture: str, encoder: str) -> tuple[dict[str, bool], ...]:
    if not encoder.startswith(TIMM):
        return ({},)
    import timm

    if architecture == "dpt":
        if "patch" in encoder and "patch16" not in encoder:
            raise ConfigError(f"network dpt takes encoders with patches of 16 px; {encoder!r} has others")
        return _FREE_SIZE[1:]
    settings = timm.get_pretrained_cfg(encoder.removeprefix(TIMM))
    return _FREE_SIZE if settings is not None and settings.fixed_input_size else ({},)


def _create(architecture: str, encoder: str, bands: int, classes: int, more: dict[str, object]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names and settings that the user of ours cannot change
        network: nn.Module = _library().create_model(
            architecture, encoder_name=encoder, encoder_weights=None,
            in_channels=bands, classes=classes, **more,
        )  # fmt: skip
    return network


def _drop_unused(network: nn.Module, image: Tensor) -> None:
    """Drop the layers that the logits do not depend on: a shallow encoder still holds its deep stages.

    They would be computed and stored for nothing, and processes that train together wait for their gradients.
    """
    parameters = list(network.parameters())
    network.eval()
    grads = torch.autograd.grad(network(image).sum(), parameters, allow_unused=True)
    network.train()
    used = {id(p) for p, grad in zip(parameters, grads, strict=True) if grad is not None}
    for part in list(network.modules()):
        for name, child in part.named_children():
            own = [id(p) for p in child.parameters()]
            if own and used.isdisjoint(own):
                part.register_module(name, nn.Identity())


def _mismatch(architecture: str, encoder: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    return (
        f"network {architecture} and encoder {encoder!r} do not go together ({reason}); "
        "dpt takes vit_small_patch16_224 and its like, every other network resnet34 or efficientnet-b0"
    )


def _library() -> ModuleType:
    try:
        import segmentation_models_pytorch as library
    except ImportError as error:
        raise MissingExtraError("this network needs an extra: pip install 'hectares[train]'") from error
    module: ModuleType = library
    return module
