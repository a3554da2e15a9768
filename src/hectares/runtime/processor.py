"""What the processor multiplies natively: other precisions are slower than fp32 on it, or wrong."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_FLAGS = {
    "bf16": {"avx512_bf16", "amx_bf16", "bf16"},
    "int8": {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"},
}


def native_precisions(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Give those of bf16 and int8 for which the processor has instructions; none where the system does not tell.

    Without VNNI, products of int8 are added in 16 bits on x86 processors, which is not enough for them.
    """
    if sys.platform == "darwin":
        return frozenset({"int8"} if platform.machine() == "arm64" else ())
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            found = set(value.split())
            return frozenset(precision for precision, flags in _FLAGS.items() if flags & found)
    return frozenset()
