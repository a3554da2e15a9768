"""Which runtime and which precision a segmenter runs in, by a fixed order that is never timed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from hectares.errors import ConfigError
from hectares.io.segmenter import LEAST_AGREEMENT, MOST_IOU_LOST, StoredSegmenter
from hectares.runtime.processor import native_precisions

RuntimeName = Literal["openvino", "onnx", "torch"]
Precision = Literal["fp32", "bf16", "int8"]

_ABLE: dict[RuntimeName, tuple[Precision, ...]] = {
    "openvino": ("int8", "bf16", "fp32"),
    "onnx": ("int8", "fp32"),
    "torch": ("bf16", "fp32"),
}
"""The order of runtimes, and what each can do, lowest first."""
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs a segmenter."""

    runtime: RuntimeName
    precision: Precision
    why: tuple[str, ...] = ()
    """What speaks for or against lower precisions, with figures; empty if none was thought of."""


def choose(stored: StoredSegmenter, *, name: str = "auto", device: str = "auto", precision: str = "fp32") -> Choice:
    """Choose; raises ConfigError for what does not go together.

    Runtime: torch on a GPU; else the first of openvino, onnx and torch that is installed, for which the segmenter
    holds a checked form, and that knows the precision. Precision: the lowest that is native on this processor and
    agrees well enough with fp32, as it was measured.
    """
    if name != "auto" and name not in _ABLE:
        raise ConfigError(f"runtime {name!r} is unknown; choose auto, {', '.join(_ABLE)}")
    if precision not in {"auto", *get_args(Precision)}:
        raise ConfigError(f"precision {precision!r} is unknown; choose auto, {', '.join(get_args(Precision))}")
    if name in {"onnx", "openvino"} and device not in {"auto", "cpu"}:
        raise ConfigError(f"--runtime {name} runs on the processor, not on {device}; use --runtime torch")
    named: list[RuntimeName] = [runtime for runtime in _ABLE if runtime == name]
    runtime = named[0] if named else _first(stored, device, precision)
    if precision == "auto":
        return _lowest(stored, runtime, device)
    if precision not in _ABLE[runtime]:
        able = [r for r, known in _ABLE.items() if precision in known]
        raise ConfigError(f"--precision {precision} is for {' and '.join(able)}, not for {runtime}; leave one out")
    if precision == "int8" and "int8" not in native_precisions():
        raise ConfigError(
            "--precision int8 needs a processor that multiplies it natively (AVX-512 VNNI, AVX-VNNI, or dot products "
            "of ARM); on others sums may overflow: leave it out"
        )
    return Choice(runtime, next(p for p in _ABLE[runtime] if p == precision))


def _first(stored: StoredSegmenter, device: str, precision: str) -> RuntimeName:
    """Give the first runtime of the fixed order that can run a segmenter here, in this precision."""
    wants_cpu = device == "cpu" or precision == "int8"
    if not wants_cpu and (device != "auto" or _has_gpu()):
        return "torch"
    if precision == "int8":
        return "openvino" if find_spec("openvino") else "onnx"
    if stored.onnx is None or not stored.onnx.is_checked:
        return "torch"
    for name, able in _ABLE.items():
        agreement = stored.agreement(name, "fp32")
        checked = agreement is None or agreement >= LEAST_AGREEMENT
        if checked and (precision == "auto" or precision in able) and (name != "openvino" or find_spec("openvino")):
            return name
    return "torch"


def _lowest(stored: StoredSegmenter, runtime: RuntimeName, device: str) -> Choice:
    """Give the lowest precision that may be taken unasked."""
    why: list[str] = []
    if runtime != "torch" or device == "cpu" or (device == "auto" and not _has_gpu()):
        native = native_precisions()
        for precision in _ABLE[runtime]:
            if precision == "fp32":
                break
            against = list(_against(stored, runtime, precision))
            agreement = stored.agreement(runtime, precision)
            if agreement is None:
                continue  # was never measured, so that nobody expects it
            if precision not in native:
                against.append("this processor does not multiply it natively")
            told = f"{precision} agrees with fp32 on {agreement:.3%} of pixels"
            if not against:
                return Choice(runtime, precision, (*why, told))
            why.append(f"{told}: not taken, {' and '.join(against)}")
    return Choice(runtime, "fp32", tuple(why))


def _against(stored: StoredSegmenter, runtime: RuntimeName, precision: Precision) -> Iterator[str]:
    """Give what was measured that speaks against a precision."""
    agreement = stored.agreement(runtime, precision)
    if agreement is not None and agreement < LEAST_AGREEMENT:
        yield f"{LEAST_AGREEMENT:.1%} are wanted"
    measured = stored.int8.of_runtime(runtime) if precision == "int8" and stored.int8 is not None else None
    if measured is not None and measured[1] < -MOST_IOU_LOST:
        yield f"mean IoU falls by {-100 * measured[1]:.2f} points"


def _has_gpu() -> bool:
    """Tell if torch is there and finds a GPU; torch is not even imported where there is no driver."""
    if not any(Path(file).exists() for file in _GPU_FILES) or find_spec("torch") is None:
        return False
    from hectares.model.device import resolve_device

    return resolve_device("auto") != "cpu"
