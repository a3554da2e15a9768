"""Every network that can be trained, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Literal

from torch import nn

from hectares.core.spec import JSON
from hectares.errors import ConfigError
from hectares.model.networks.any_size import AnySize as AnySize
from hectares.model.networks.library import build_library_network, find_encoder
from hectares.model.networks.options import Option, Pyramid, Scalar, fill_options
from hectares.model.networks.options import read_options as read_options

Group = Literal["parity", "library", "floor"]
GROUPS: dict[Group, str] = {
    "parity": "networks of publications and projects, rebuilt",
    "library": "architectures of segmentation_models_pytorch with any of its encoders or timm's",
    "floor": "what every network should beat",
}


@dataclass(frozen=True, slots=True)
class Network:
    """An entry of the zoo."""

    name: str
    summary: str
    group: Group
    source: str
    """Where it comes from, in a few words."""
    home: str = ""
    """`module:Class` of a network of our own, imported on first use."""
    library: str | None = None
    """Name of the architecture in segmentation_models_pytorch; None for networks of our own."""
    stride: int = 32
    """Sides of the input are padded to multiples of this."""
    options: tuple[Option, ...] = ()
    encoder_source: str = ""
    """Whose weights fit the encoder of a network of our own, such as torchvision:vgg19."""
    frozen_encoder: bool = False
    """True if the encoder keeps the weights it starts from, as published."""
    input_scaling: str = ""
    """imagenet if the encoder wants what ImageNet networks see; it pays as soon as it starts from such weights."""
    pyramid: Pyramid | None = None
    """The atrous pyramid as published."""
    least_batch: int = 1
    """Chips a step that training needs: normalization of one mean a channel has nothing to compare it with."""


_WIDTH = "channels of the first level; they double from level to level"
_AT_8 = Pyramid(stride=8, rates=(12, 24, 36), features_px=65)
_AT_16 = Pyramid(stride=16, rates=(6, 12, 18), features_px=33)
_RATES = "distances of the atrous pyramid, in pixels of the features; auto scales the published ones to the chips"
_ATTENTION = Option("attention", "none", "attention in the decoder", kind="choice", choices=("none", "scse"))

_DEPTH = Option("depth", 5, "how often the encoder halves the image; what lies deeper is cut off", least=3, most=5)
_DECODER_WIDTH = Option("width", 16, "channels of the decoder's finest level; they double from level to level", least=1)


def _dropout(default: float, where: str = "share of values dropped in training") -> Option:
    return Option("dropout", default, where, kind="share")


def _parity(name: str, summary: str, source: str, home: str, stride: int, *options: Option) -> Network:
    return Network(name, summary, "parity", source, home=home, stride=stride, options=options)


def _on_encoder(
    name: str, summary: str, source: str, home: str, weights: str, *, stride: int = 16,
    pyramid: Pyramid | None = None, options: tuple[Option, ...] = (),
) -> Network:  # fmt: skip
    return Network(
        name, summary, "parity", source, home=home, stride=stride, options=options,
        encoder_source=f"torchvision:{weights}", input_scaling="imagenet", pyramid=pyramid,
        least_batch=1 if pyramid is None else 2,
    )  # fmt: skip


def _library(
    name: str, summary: str, source: str, *options: Option, encoder: str = "resnet34", stride: int = 32,
    pyramid: Pyramid | None = None, least_batch: int = 1,
) -> Network:  # fmt: skip
    choice = Option("encoder", encoder, "encoder of the library or of timm", kind="name")
    return Network(
        name, summary, "library", source, library=name, stride=stride, options=(choice, *options), pyramid=pyramid,
        least_batch=least_batch,
    )  # fmt: skip


_LEAF_TYPE = "dheerajreddy3108/Geospatial-Data-Segmentation"

NETWORKS: dict[str, Network] = {
    n.name: n
    for n in (
        _parity(
            "unet-elu", "U-Net of 5 levels with ELU and batch normalization",
            "ternaus/kaggle_dstl_submission, arXiv 1706.06169", "unet_elu:UNetELU", 16,
            Option("width", 32, _WIDTH, least=1),
            Option("crop", 0, "pixels cut off each side inside, so that none sees the border; published 16"),
        ),
        _parity(
            "unet-deep", "U-Net of 6 levels, normalization between pairs of convolutions",
            _LEAF_TYPE, "unet_deep:UNetDeep", 32,
            Option("width", 32, _WIDTH, least=1),
            Option("upsampling", "transposed", "the way up", kind="choice", choices=("transposed", "bilinear")),
            _dropout(0.2),
        ),
        _parity(
            "unet-simple", "U-Net of the original widths with a little dropout, no normalization",
            _LEAF_TYPE, "unet_simple:UNetSimple", 16, Option("width", 64, _WIDTH, least=1), _dropout(0.1),
        ),
        _parity(
            "unet-classic", "U-Net of the original widths with normalization and dropout at the bottom",
            "rijul10/Semantic-Segmentation-of-Satellite-Images, arXiv 1505.04597", "unet_classic:UNetClassic", 16,
            Option("width", 64, _WIDTH, least=1), _dropout(0.5, "share of values dropped on the two lowest levels"),
        ),
        _parity(
            "unet-small", "small U-Net with ELU and dropout, no normalization",
            "RichardWie1and/UNET-Image-Segmentation-Satellite-Pictures", "unet_small:UNetSmall", 16,
            Option("width", 16, _WIDTH, least=1), _dropout(0.3, "share dropped at the bottom; less above"),
        ),
        replace(
            _on_encoder(
                "unet-vgg19", "U-Net on a frozen VGG-19, no skip at full resolution",
                _LEAF_TYPE, "unet_vgg19:UNetVGG19", "vgg19",
            ),
            frozen_encoder=True,
        ),
        _on_encoder(
            "unet-vgg16", "U-Net on VGG-16 with all skips",
            "unet-vgg19 with the skip it lacks, arXiv 1409.1556", "unet_vgg16:UNetVGG16", "vgg16",
        ),
        _on_encoder(
            "vgg-unet-512", "light U-Net on four blocks of VGG-16",
            "divamgupta/image-segmentation-keras, nirabhromakhal/Image_Segmentation",
            "vgg_unet_512:VGGUNet512", "vgg16",
        ),
        _on_encoder(
            "deeplab-r50", "DeepLab with a decoder on a ResNet-50 cut at stride 16",
            f"{_LEAF_TYPE}, arXiv 1802.02611", "deeplab_r50:DeepLabR50", "resnet50", pyramid=_AT_16,
            options=(
                Option("rates", "6,12,18", _RATES, kind="rates"),
                Option("biases", default=False, summary="biases in the encoder, as Keras has them", kind="switch"),
            ),
        ),
        _on_encoder(
            "deeplabv3-resnet50", "DeepLabV3 on a whole ResNet-50 at stride 8",
            "torchvision, arXiv 1706.05587", "deeplabv3_resnet50:DeepLabV3ResNet50", "resnet50", stride=8,
            pyramid=_AT_8, options=(Option("rates", "auto", _RATES, kind="rates"),),
        ),
        _library("unet", "U-Net with any encoder", "arXiv 1505.04597", _ATTENTION, _DEPTH, _DECODER_WIDTH),
        _library("unetplusplus", "nested U-Net", "arXiv 1807.10165", _ATTENTION, _DEPTH, _DECODER_WIDTH),
        _library("linknet", "light U-Net that adds instead of concatenating", "arXiv 1707.03718"),
        _library("manet", "U-Net with attention", "doi 10.1109/ACCESS.2020.3025372"),
        _library("fpn", "feature pyramid", "arXiv 1612.03144"),
        _library("pspnet", "pyramid pooling", "arXiv 1612.01105"),
        _library("pan", "pyramid attention", "arXiv 1805.10180", stride=128, least_batch=2),  # halves 32 thrice
        _library(
            "deeplabv3", "atrous pyramid pooling", "arXiv 1706.05587",
            Option("rates", "auto", _RATES, kind="rates"), pyramid=_AT_8, least_batch=2,
        ),
        _library(
            "deeplabv3plus", "atrous pyramid pooling with a decoder", "arXiv 1802.02611",
            Option("rates", "auto", _RATES, kind="rates"), pyramid=_AT_16, least_batch=2,
        ),
        _library("upernet", "unified perceptual parsing", "arXiv 1807.10221", least_batch=2),
        _library("segformer", "all-MLP decoder, made for mit_b0 to mit_b5", "arXiv 2105.15203", encoder="mit_b0"),
        _library("dpt", "decoder for vision transformers of timm", "arXiv 2103.13413", encoder="vit_small_patch16_224"),
        Network(
            "cnn-plain", "a few 3 x 3 convolutions, no pooling", "floor", "arXiv 1411.4038 without its poolings",
            home="cnn_plain:CNNPlain", stride=1,
            options=(
                Option("width", 32, "channels of every layer", least=1),
                Option("depth", 4, "3 x 3 convolutions: pixels seen to each side", least=1),
            ),
        ),
        Network(
            "index-threshold", "learned thresholds on brightness, or on one band such as a spectral index", "floor",
            "the water rule of ternaus/kaggle_dstl_submission", home="index_threshold:IndexThreshold", stride=1,
            options=(Option("band", "brightness", "the value: a band by number or name, or brightness", kind="band"),),
        ),
    )
}  # fmt: skip


def find_network(name: str) -> Network:
    """Give an entry by name. Raises ConfigError listing the known ones."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise ConfigError(f"network {name!r} is unknown; known: {', '.join(NETWORKS)}") from None


def network_options(
    name: str,
    *,
    encoder: str | None = None,
    width: int | None = None,
    extra: Mapping[str, Scalar] | None = None,
    band_names: Sequence[str] = (),
    size_px: int | None = None,
) -> dict[str, JSON]:
    """Check options against a network and fill in defaults; what comes out is stored with the weights.

    `extra` holds what has no flag of its own. Names of bands become numbers by `band_names`, and rates that are
    auto become numbers that suit chips of `size_px`.
    """
    entry = find_network(name)
    known = {option.name for option in entry.options}
    if encoder is not None and "encoder" not in known:
        raise ConfigError(f"network {name} has no exchangeable encoder; leave --encoder out, or take --network unet")
    if width is not None and "width" not in known:
        raise ConfigError(f"--width is for networks that have a choice; the width of {name} is fixed by its encoder")
    flags: dict[str, Scalar] = {"encoder": encoder, "width": width}
    given: dict[str, Scalar] = {key: value for key, value in flags.items() if value is not None}
    for key, value in (extra or {}).items():
        if key in given and str(given[key]) != str(value):
            raise ConfigError(f"--{key} {given[key]} and --network-option {key}={value} contradict each other")
        given[key] = value
    filled = fill_options(name, entry.options, given)
    if "encoder" in filled:
        filled["encoder"] = find_encoder(str(filled["encoder"]))
    if entry.pyramid is not None and filled.get("rates") == "auto":
        filled["rates"] = entry.pyramid.scaled(size_px)
    crop = filled.get("crop")
    if isinstance(crop, int) and size_px is not None and 2 * crop >= size_px:
        raise ConfigError(f"crop={crop} leaves nothing of chips of {size_px} px; take a smaller crop or larger chips")
    if "band" in filled:
        filled["band"] = _band(str(filled["band"]), band_names)
    return filled


def _band(text: str, names: Sequence[str]) -> str:
    """Give the number of a band, counted from 1, as text; or brightness."""
    if text == "brightness" or (text.isdecimal() and int(text) >= 1 and (not names or int(text) <= len(names))):
        return text
    matches = [number for number, name in enumerate(names, start=1) if name.casefold() == text.casefold()]
    if len(matches) != 1:
        known = ", ".join(names) or "given by number here, from 1"
        raise ConfigError(f"band={text}: there is no such band; bands are {known}; or brightness, the mean of all")
    return str(matches[0])


def network_notes(name: str, options: Mapping[str, JSON], *, size_px: int) -> list[str]:
    """Give what does not stop training on chips of a size but should be known, one sentence each.

    >>> network_notes("deeplab-r50", {"rates": "6,12,18"}, size_px=256)
    ['rate 18 of the atrous pyramid reaches beyond features of 16 px; take rates=auto or larger chips']
    """
    entry, notes = find_network(name), []
    rates = options.get("rates")
    if entry.pyramid is not None and isinstance(rates, str):
        far = entry.pyramid.too_far(rates, size_px)
        if far:
            features = -(-size_px // entry.pyramid.stride)
            what = f"rates {', '.join(map(str, far))}" if len(far) > 1 else f"rate {far[0]}"
            verb = "reach" if len(far) > 1 else "reaches"
            remedy = "take rates=auto or larger chips"
            notes.append(f"{what} of the atrous pyramid {verb} beyond features of {features} px; {remedy}")
    return notes


def build_network(name: str, options: Mapping[str, JSON], *, bands: int, classes: int) -> AnySize:
    """Build a network with random weights, from torch's current random state."""
    entry = find_network(name)
    if entry.library is None:
        return _build_ours(entry, options, bands=bands, classes=classes)
    network = build_library_network(
        entry.library,
        find_encoder(str(options["encoder"])),
        bands=bands,
        classes=classes,
        attention=_text(options.get("attention")),
        rates=_text(options.get("rates")),
        depth=_whole(options.get("depth")),
        width=_whole(options.get("width")),
    )
    return AnySize(network, entry.stride)


def _build_ours(entry: Network, options: Mapping[str, JSON], *, bands: int, classes: int) -> AnySize:
    module, name_of_class = entry.home.split(":")
    network: nn.Module = getattr(import_module(f"hectares.model.networks.{module}"), name_of_class)(
        bands, classes, **options
    )
    if entry.frozen_encoder:
        network.get_submodule("encoder").requires_grad_(requires_grad=False)
    crop = options.get("crop", 0)
    return AnySize(network, entry.stride, crop=crop if isinstance(crop, int) else 0)


def _text(value: JSON) -> str | None:
    return None if value is None else str(value)


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) else None


def count_parameters(network: nn.Module) -> tuple[int, int]:
    """Give the number of trainable and of frozen parameters."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in network.parameters()) - trainable
