"""What every runtime promises, and how one is opened."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import MissingExtraError
from hectares.io.segmenter import StoredSegmenter
from hectares.monitor import QUIET, Monitor, Problem
from hectares.runtime.choice import choose


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


def open_runtime(
    stored: StoredSegmenter,
    *,
    name: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "fp32",
    monitor: Monitor = QUIET,
) -> Runtime:
    """Load a segmenter into a runtime; by default with all processors. See `choose` for what `auto` takes.

    What a lower precision was measured to do is noted, where the segmenter knows.
    """
    chosen = choose(stored, name=name, device=device, precision=precision)
    if chosen.why:
        what, remedy = "; ".join(chosen.why), f"runs in {chosen.precision}"
        monitor.problem(Problem(f"{chosen.runtime}, --precision auto", what, remedy, "note"))
    match chosen.runtime:
        case "openvino":
            if find_spec("openvino") is None:
                raise MissingExtraError("--runtime openvino needs openvino: pip install 'hectares[openvino]'")
            from hectares.runtime.openvino import OpenvinoRuntime

            return OpenvinoRuntime(stored, precision=chosen.precision, threads=threads)
        case "onnx":
            from hectares.runtime.onnx import OnnxRuntime

            return OnnxRuntime(stored, precision=chosen.precision, threads=threads)
        case "torch":
            try:
                from hectares.runtime.torch import TorchRuntime
            except ImportError as error:
                raise MissingExtraError(_needs_torch(stored)) from error
            return TorchRuntime(stored, device=device, precision=chosen.precision, threads=threads)
        case _:
            assert_never(chosen.runtime)


def _needs_torch(stored: StoredSegmenter) -> str:
    install = "running this segmenter needs torch: pip install 'hectares[train]'"
    if stored.onnx is None:
        return f"{install}, or export it where torch is (`hectares export`)"
    return f"{install}; its ONNX form agrees on {stored.onnx.agreement:.2%} of pixels: --runtime onnx takes it"
