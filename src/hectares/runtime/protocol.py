"""What every runtime promises, and how one is chosen."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import ConfigError, MissingExtraError
from hectares.io.segmenter import StoredSegmenter

RuntimeName = Literal["torch", "onnx"]
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")


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
) -> Runtime:
    """Load a segmenter into a runtime; by default with all processors; `precision` is for torch.

    `auto` takes the first that can run it, in a fixed order that is never timed: onnx if the segmenter holds an
    export that was checked and no GPU is wanted or at hand, else torch.
    """
    chosen = _choose(stored, name, device)
    match chosen:
        case "onnx":
            from hectares.runtime.onnx import OnnxRuntime

            if precision == "bf16":
                raise ConfigError("--precision bf16 is for torch; add --runtime torch, or leave it out")
            return OnnxRuntime(stored, threads=threads)
        case "torch":
            try:
                from hectares.runtime.torch import TorchRuntime
            except ImportError as error:
                raise MissingExtraError(_needs_torch(stored)) from error
            return TorchRuntime(stored, device=device, precision=precision, threads=threads)
        case _:
            assert_never(chosen)


def _choose(stored: StoredSegmenter, name: str, device: str) -> RuntimeName:
    if name == "torch":
        return "torch"
    if name == "onnx":
        if device not in {"auto", "cpu"}:
            raise ConfigError(f"--runtime onnx runs on the processor, not on {device}; use --runtime torch")
        return "onnx"
    if name != "auto":
        raise ConfigError(f"runtime {name!r} is unknown; choose auto, torch or onnx")
    checked = stored.onnx is not None and stored.onnx.is_checked
    return "onnx" if checked and (device == "cpu" or (device == "auto" and not _has_gpu())) else "torch"


def _has_gpu() -> bool:
    """Tell if torch is there and finds a GPU; torch is not even imported where there is no driver."""
    if not any(Path(file).exists() for file in _GPU_FILES) or find_spec("torch") is None:
        return False
    from hectares.model.device import resolve_device

    return resolve_device("auto") != "cpu"


def _needs_torch(stored: StoredSegmenter) -> str:
    install = "running this segmenter needs torch: pip install 'hectares[train]'"
    if stored.onnx is None:
        return f"{install}, or export it where torch is (`hectares export`)"
    return f"{install}; its ONNX form agrees on {stored.onnx.agreement:.2%} of pixels: --runtime onnx takes it"
