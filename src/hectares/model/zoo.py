"""Every network that can be trained, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hectares.core.spec import JSON
from hectares.errors import ArtefactError, ConfigError, MissingExtraError

DEFAULT_ENCODER = "resnet34"


@dataclass(frozen=True, slots=True)
class Network:
    """An entry of the zoo."""

    name: str
    summary: str
    library: str | None = None
    """Name of the architecture in segmentation_models_pytorch; None for networks of our own."""
    home: str = ""
    """`module:Class` of a network of our own, imported on first use."""
    stride: int = 32
    """Sides of the input are padded to multiples of this."""


NETWORKS: dict[str, Network] = {
    n.name: n
    for n in (
        Network(
            "unet-elu",
            "U-Net of 5 levels with ELU and batch normalisation, no pretrained part",
            home="unet_elu:UNetELU",
            stride=16,
        ),
        Network("unet", "U-Net with any encoder", "unet"),
        Network("unetplusplus", "nested U-Net with any encoder", "unetplusplus"),
        Network("linknet", "light U-Net that adds instead of concatenating, any encoder", "linknet"),
        Network("manet", "U-Net with attention, any encoder", "manet"),
        Network("fpn", "feature pyramid, any encoder", "fpn"),
        Network("pspnet", "pyramid pooling, any encoder", "pspnet"),
        Network("pan", "pyramid attention, any encoder", "pan", stride=128),  # halves the coarsest features thrice
        Network("deeplabv3", "atrous pyramid pooling, any encoder", "deeplabv3"),
        Network("deeplabv3plus", "atrous pyramid pooling with a decoder, any encoder", "deeplabv3plus"),
        Network("upernet", "unified perceptual parsing, any encoder", "upernet"),
        Network("segformer", "all-MLP decoder, any encoder; made for mit_b0 to mit_b5", "segformer"),
    )
}


class AnySize(nn.Module):
    """Gives a network that wants multiples of its stride an input of any size.

    The input is padded with zeros, the mean of every normalised band, below and to the right, and the logits
    are cut back.

    >>> network = build_network("unet-elu", {"width": 4}, bands=2, classes=3).eval()
    >>> network(torch.zeros(1, 2, 33, 50)).shape
    torch.Size([1, 3, 33, 50])
    """

    def __init__(self, network: nn.Module, stride: int) -> None:
        super().__init__()
        self.network = network
        self.stride = stride

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, K, H, W)."""
        height, width = image.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            image = F.pad(image, (0, right, 0, below))
        logits: Tensor = self.network(image)
        return logits[..., :height, :width]


def find_network(name: str) -> Network:
    """Give an entry by name. Raises ConfigError listing the known ones."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise ConfigError(f"network {name!r} is unknown; known: {', '.join(NETWORKS)}") from None


def network_options(name: str, *, encoder: str | None, width: int | None) -> dict[str, JSON]:
    """Check options against a network and fill in defaults; what comes out is stored with the weights."""
    entry = find_network(name)
    if entry.library is None:
        if encoder is not None:
            raise ConfigError(
                f"network {name} has no exchangeable encoder; leave --encoder out, or take --network unet"
            )
        return {} if width is None else {"width": width}
    if width is not None:
        raise ConfigError(f"--width is for networks of our own; the width of {name} is that of its encoder")
    return {"encoder": encoder or DEFAULT_ENCODER}


def build_network(
    name: str, options: Mapping[str, JSON], *, bands: int, classes: int, pretrained: str | None = None
) -> AnySize:
    """Build a network with random weights, from torch's current random state.

    `pretrained` names weights of the encoder that the library fetches from its hub, such as imagenet.
    """
    entry = find_network(name)
    if entry.library is None and pretrained is not None:
        raise ConfigError(f"network {name} has no encoder with {pretrained} weights; use --weights none")
    if entry.library is None:
        module, name_of_class = entry.home.split(":")
        network = getattr(import_module(f"hectares.model.networks.{module}"), name_of_class)
        return AnySize(network(bands, classes, **options), entry.stride)
    encoder = options["encoder"]
    assert isinstance(encoder, str)
    return AnySize(_library_network(entry, encoder, bands, classes, pretrained), entry.stride)


def _library_network(entry: Network, encoder: str, bands: int, classes: int, pretrained: str | None) -> nn.Module:
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise MissingExtraError(f"network {entry.name} needs an extra: pip install 'hectares[train]'") from error
    try:
        network: nn.Module = smp.create_model(
            entry.library,
            encoder_name=encoder,
            encoder_weights=pretrained,
            in_channels=bands,
            classes=classes,
        )
    except (KeyError, ValueError, RuntimeError, TypeError, NotImplementedError) as error:
        known = ", ".join(sorted(smp.encoders.get_encoder_names())[:12])
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"network {entry.name} cannot be built with encoder {encoder!r} ({reason}); "
            f"encoders are for example {known}"
        ) from error
    except OSError as error:
        raise ArtefactError(
            f"the {pretrained} weights of {encoder} cannot be fetched; download them and give the file with --weights"
        ) from error
    return network


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One layer of a network, for people to read."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Of the output, without the batch."""
    parameters: int


def list_layers(network: nn.Module, *, bands: int, size_px: int = 256) -> list[LayerLine]:
    """List layers with the shapes that an input of (bands, size, size) gives; no pixel is computed."""
    lines: list[LayerLine] = []
    hooks = []

    def note(name: str) -> object:
        def hook(module: nn.Module, _: object, output: Tensor) -> None:
            own = sum(p.numel() for p in module.parameters())
            lines.append(LayerLine(name, type(module).__name__, tuple(output.shape[1:]), own))

        return hook

    for name, module in network.named_modules():
        if not list(module.children()):
            hooks.append(module.register_forward_hook(note(name)))
    try:
        with torch.no_grad():
            network.eval().to("meta")(torch.zeros(1, bands, size_px, size_px, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return lines


def count_parameters(network: nn.Module) -> tuple[int, int]:
    """Give the number of trainable and of frozen parameters."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in network.parameters()) - trainable
