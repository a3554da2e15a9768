"""What every runtime promises, and how one is chosen."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import MissingExtraError
from hectares.io.segmenter import StoredSegmenter


class Runtime(Protocol):
    """Runs a segmenter. The same batch gives the same bits."""

    @property
    def spec(self) -> SegmenterSpec:
        """What the segmenter expects and means."""

    @property
    def stride(self) -> int:
        """Tile origins are multiples of this."""

    @property
    def facts(self) -> dict[str, str]:
        """Name, device and versions, for provenance: another value may give other bits."""

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W), scaled by the spec, to logits (B, K, H, W)."""


def open_runtime(stored: StoredSegmenter, *, name: str = "auto", device: str = "auto") -> Runtime:
    """Load a segmenter into the first runtime that can run it, in a fixed order that is never timed."""
    assert name in {"auto", "torch"}
    try:
        from hectares.runtime.torch import TorchRuntime
    except ImportError as error:
        raise MissingExtraError("running this segmenter needs torch: pip install 'hectares[train]'") from error
    return TorchRuntime(stored, device=device)
