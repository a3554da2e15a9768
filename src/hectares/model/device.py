"""Which device and which arithmetic: resolved once, before any work."""

from __future__ import annotations

from typing import Literal

import torch

from hectares.errors import ConfigError, ResourceError

Precision = Literal["fp32", "bf16", "fp16"]


def resolve_device(device: str) -> str:
    """Resolve `auto` to cuda where there is one. Raises ResourceError for a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and not device.startswith("cuda"):
        raise ConfigError(f"device {device!r} is unknown; choose auto, cpu or cuda")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ResourceError("no CUDA device is at hand; use --device cpu")
    return device


def resolve_precision(precision: str, device: str) -> Precision:
    """Resolve `auto` to bf16 where the processor computes it natively."""
    if precision == "auto":
        if device.startswith("cuda"):
            return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        return "bf16" if _processor_has_bf16() else "fp32"
    if precision == "fp16" and device == "cpu":
        raise ConfigError("fp16 needs a GPU; use --precision bf16 or fp32 on a processor")
    assert precision in {"fp32", "bf16", "fp16"}
    return precision  # type: ignore[return-value]


def _processor_has_bf16() -> bool:
    """Emulated bf16 is slower than fp32, so only native instructions count."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))
