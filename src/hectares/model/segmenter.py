"""A network and its spec: everything between pixels in raster units and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.model.networks.zoo import AnySize, build_network

Weights = Mapping[str, NDArray[np.generic]]


class Segmenter:
    """A network and its spec, ready to predict."""

    def __init__(self, spec: SegmenterSpec, network: AnySize, device: str) -> None:
        self.spec = spec
        self.device = device
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)

    @property
    def stride(self) -> int:
        """Tiles whose origins are multiples of this compute what the whole scene would."""
        return self.network.stride

    @torch.inference_mode()
    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W) float32, scaled, to logits (B, K, H, W)."""
        normal = torch.from_numpy(image)
        normal = normal.to(self.device, memory_format=torch.channels_last)
        logits: Tensor = self.network(normal)
        return logits.float().cpu().numpy()

    @torch.inference_mode()
    def scores(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """(B, C, H, W) in raster units to (B, K, H, W), summing to 1 over K; each by itself if classes may overlap."""
        logits = torch.from_numpy(self.logits(self.spec.scaler.apply(image)))
        return (logits.sigmoid() if self.spec.multilabel else logits.softmax(dim=1)).numpy()

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Give parameters and running statistics by name."""
        return weights_of(self.network)

    @classmethod
    def restore(cls, spec: SegmenterSpec, weights: Weights, device: str) -> Self:
        """Build the network of a spec and fill in its weights. Raises ArtefactError if they do not fit."""
        network = build_network(spec.network, spec.options, bands=len(spec.bands), classes=len(spec.legend))
        fill(network, weights)
        return cls(spec, network, device)


def weights_of(network: torch.nn.Module) -> dict[str, NDArray[np.generic]]:
    """Give parameters and running statistics of a network by name."""
    return {name: value.detach().cpu().contiguous().numpy() for name, value in network.state_dict().items()}


def fill(network: torch.nn.Module, weights: Weights) -> None:
    """Put weights into a network; all of them must be there and fit."""
    state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    own = network.state_dict()
    missing, unexpected = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or unexpected or wrong:
        example = (missing + unexpected + wrong)[0]
        raise ArtefactError(
            f"the weights do not fit the network: {len(missing)} missing, {len(unexpected)} unexpected, "
            f"{len(wrong)} of another shape (for example {example}); the segmenter is not complete"
        )
    broken = [n for n, v in state.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
    if broken:
        raise ArtefactError(f"the weights hold values that are not finite (for example in {broken[0]}); train again")
    network.load_state_dict(state)
