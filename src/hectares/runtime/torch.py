"""Torch as a runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import ResourceError
from hectares.io.segmenter import StoredSegmenter
from hectares.model.device import resolve_device
from hectares.model.fusing import fuse_norms
from hectares.model.segmenter import Segmenter


class TorchRuntime:
    """Runs a segmenter in torch, in fp32 or bf16: normalization fused into convolutions, channels last."""

    def __init__(
        self, stored: StoredSegmenter, *, device: str = "auto", precision: str = "fp32", threads: int | None = None
    ) -> None:
        self._threads = threads
        self._segmenter = Segmenter.restore(stored.spec, stored.weights(), resolve_device(device))
        self._precision = precision
        agreement = stored.agreement("torch", precision)
        self._measured = {} if agreement is None else {"agreement": f"{agreement:.6f}"}
        self._fused = fuse_norms(self._segmenter.network, bands=len(stored.spec.bands))

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
            "precision": self._precision,
            "fused": str(self._fused),
            **self._measured,
        }

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W), scaled by the spec, to logits (B, K, H, W)."""
        kind = torch.device(self._segmenter.device).type
        lower = self._precision == "bf16"
        try:
            with _threads(self._threads), torch.autocast(kind, torch.bfloat16) if lower else contextlib.nullcontext():
                return self._segmenter.logits(image)
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"the GPU has too little memory for {image.shape[0]} tile(s) of {image.shape[2]} x "
                f"{image.shape[3]} px; use a smaller --batch or --tile-px"
            ) from error


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
