"""Torch as a runtime."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import ResourceError
from hectares.io.segmenter import StoredSegmenter
from hectares.model.device import resolve_device
from hectares.model.segmenter import Segmenter


class TorchRuntime:
    """Runs a segmenter in torch, in fp32."""

    def __init__(self, stored: StoredSegmenter, *, device: str = "auto") -> None:
        self._segmenter = Segmenter.restore(stored.spec, stored.weights(), resolve_device(device))

    @property
    def spec(self) -> SegmenterSpec:
        """What the segmenter expects and means."""
        return self._segmenter.spec

    @property
    def stride(self) -> int:
        """Tile origins are multiples of this."""
        return self._segmenter.stride

    @property
    def facts(self) -> dict[str, str]:
        """Name, device and versions, for provenance."""
        return {
            "runtime": "torch",
            "torch": torch.__version__,
            "device": self._segmenter.device,
            "precision": "fp32",
        }

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W), scaled by the spec, to logits (B, K, H, W)."""
        try:
            return self._segmenter.logits(image)
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"the GPU has too little memory for {image.shape[0]} tile(s) of {image.shape[2]} x "
                f"{image.shape[3]} px; use a smaller --batch or --tile-px"
            ) from error
