"""How much of the machine somebody else took while something was timed: samples of a busy machine mislead."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

MOST_CORES = 0.2
"""A sample counts if the rest of the machine took less than this many processors meanwhile."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Wall time since it was made, and what other processes took of the machine; children count when they ended."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), _busy_s(), _own_s()

    def read(self) -> tuple[float, float]:
        """Give seconds, and how many processors the rest of the machine took."""
        wall = time.monotonic() - self._started
        return wall, max(0.0, _busy_s() - self._busy - (_own_s() - self._own)) / wall


def _busy_s() -> float:
    """Seconds of processor time that the whole machine has spent."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICKS


def _own_s() -> float:
    """Seconds of processor time of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
