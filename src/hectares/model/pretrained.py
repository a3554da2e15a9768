"""Weights to start an encoder from: a local file, read without running code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hectares.errors import ArtefactError, ConfigError
from hectares.model.zoo import AnySize
from hectares.monitor import Monitor, Problem

_LEAST_MATCH = 0.5


def load_encoder(network: AnySize, path: Path, monitor: Monitor) -> None:
    """Fill the encoder of a library network from a file of weights.

    A first layer for another number of bands is adapted by repeating its channels.
    Raises ArtefactError if less than half of the encoder finds its weights, ConfigError without an encoder.
    """
    encoder = getattr(network.network, "encoder", None)
    if encoder is None or isinstance(encoder, nn.ModuleList):
        raise ConfigError(f"this network has no encoder to fill from {path}; use --weights none")
    loaded = _fill(encoder, _read_arrays(path))
    total = len(encoder.state_dict())
    if loaded < _LEAST_MATCH * total:
        raise ArtefactError(
            f"{path}: only {loaded} of the encoder's {total} arrays are in it; "
            "it was made for another encoder, choose that one with --encoder"
        )
    if loaded < total:
        what = f"{loaded} of {total} arrays of the encoder were filled"
        monitor.problem(Problem(str(path), what, "the rest starts at random"))


def _read_arrays(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict, unwrapping the shells that other tools put around it."""
    if not path.is_file():
        raise ArtefactError(f"{path}: there is no such file of weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ArtefactError(f"{path}: cannot be read as weights ({reason})") from error
    for shell in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(shell), Mapping):
            state = state[shell]
    if not isinstance(state, Mapping):
        raise ArtefactError(f"{path}: holds a {type(state).__name__}; expected a table of arrays")
    arrays = {str(k): v for k, v in state.items() if isinstance(v, Tensor)}
    for prefix in ("module.", "encoder.", "backbone."):
        if arrays and all(k.startswith(prefix) for k in arrays):
            arrays = {k.removeprefix(prefix): v for k, v in arrays.items()}
    return arrays


def _fill(encoder: nn.Module, source: Mapping[str, Tensor]) -> int:
    own = encoder.state_dict()
    usable = {}
    for name, value in own.items():
        given = source.get(name)
        if given is not None and given.ndim == 4 and given.shape != value.shape:
            given = _adapt_bands(given, value)
        if given is not None and given.shape == value.shape:
            usable[name] = given
    encoder.load_state_dict(usable, strict=False)
    return len(usable)


def _adapt_bands(weight: Tensor, like: Tensor) -> Tensor:
    """Repeat the input channels of a first layer; the sum of the response stays what it was."""
    bands, known = like.shape[1], weight.shape[1]
    if like.shape[0] != weight.shape[0] or like.shape[2:] != weight.shape[2:]:
        return weight
    index = torch.arange(bands) % known
    return weight[:, index] * (known / bands)
