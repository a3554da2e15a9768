"""What training begins with: the network, the weights its encoder starts from, and what of it is frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hectares.config.train import TrainConfig
from hectares.core.spec import JSON
from hectares.core.weight_sets import WeightSets
from hectares.errors import ConfigError
from hectares.model.augmentation.augment import find_augmentation
from hectares.model.loss.losses import find_loss
from hectares.model.loss.weighting import find_weighting
from hectares.model.networks.any_size import AnySize
from hectares.model.networks.options import read_options
from hectares.model.networks.zoo import build_network, find_network, network_notes, network_options
from hectares.model.training.freezing import Freezing
from hectares.model.weights.pretrained import LoadReport, load_encoder
from hectares.model.weights.weights_file import WeightsFile, find_weights
from hectares.monitor import Monitor, Problem


@dataclass(frozen=True)
class Beginning:
    """A network before its first step."""

    network: AnySize
    options: Mapping[str, JSON]
    """What the network is built from, with defaults filled in."""
    loaded: LoadReport | None
    """What of the pretrained weights found its place; None if it starts at random."""
    freezing: Freezing | None


def check_words(
    config: TrainConfig, *, multilabel: bool, band_names: Sequence[str], chip_px: int
) -> Mapping[str, JSON]:
    """Read what is given as text, so that a misspelled word is refused before any work; gives the network's options.

    Raises ConfigError.
    """
    find_loss(config.loss, multilabel=multilabel)
    find_augmentation(config.augment)
    find_weighting(config.pixel_weights)
    entry = find_network(config.network)
    options = _options(config, band_names, chip_px)
    if config.batch != "auto" and config.batch < entry.least_batch:
        raise ConfigError(f"--batch is {config.batch}; network {entry.name} needs at least {entry.least_batch}")
    return options


def begin(
    config: TrainConfig, *, band_names: Sequence[str], classes: int, chip_px: int, sets: WeightSets, monitor: Monitor
) -> Beginning:
    """Build the network from torch's current random state, and fill its encoder if weights are given."""
    options = _options(config, band_names, chip_px)
    _tell(config, options, chip_px, monitor)
    network = build_network(config.network, options, bands=len(band_names), classes=classes)
    weights = find_start(config, options, sets)
    loaded = None if weights is None else load_encoder(network, weights, bands=band_names, monitor=monitor)
    return Beginning(network, options, loaded, _freezing(network, config, loaded))


def find_start(config: TrainConfig, options: Mapping[str, JSON], sets: WeightSets) -> WeightsFile | None:
    """Give the file of weights that the encoder of a network with these options starts from; None for random ones."""
    if config.weights == "none":
        return None
    encoder = options.get("encoder") or find_network(config.network).encoder_source
    return find_weights(
        config.weights,
        encoder=str(encoder) if encoder else None,
        sets=sets,
        bands=config.weights_bands,
        download=config.weights_download,
    )


def _options(config: TrainConfig, band_names: Sequence[str], chip_px: int) -> dict[str, JSON]:
    return network_options(
        config.network,
        encoder=config.encoder,
        width=config.width,
        extra=read_options(config.network_option),
        band_names=band_names,
        size_px=chip_px,
    )


def _tell(config: TrainConfig, options: Mapping[str, JSON], chip_px: int, monitor: Monitor) -> None:
    entry = find_network(config.network)
    for note in network_notes(config.network, options, size_px=chip_px):
        what, _, remedy = note.partition("; ")
        monitor.problem(Problem(f"network {entry.name}", what, remedy, "note"))
    if entry.frozen_encoder and config.weights == "none":
        what = "its encoder is frozen and starts at random, so that it never learns"
        monitor.problem(Problem(f"network {entry.name}", what, "give it weights with --weights"))


def _freezing(network: AnySize, config: TrainConfig, loaded: LoadReport | None) -> Freezing | None:
    if config.freeze_epochs == 0:
        return None
    epochs = None if config.freeze_epochs == "all" else config.freeze_epochs
    adapted = () if loaded is None else loaded.reshaped
    return Freezing(network, epochs=epochs, every=config.unfreeze_every, learn_from_start=adapted)
