"""How much of the machine somebody else took while something was timed: samples of a busy machine mislead.

Somebody else is another process here, or another machine on the same host, which a virtual machine sees as stolen time.
"""

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

    def read(self) -> tuple[float, float, float]:
        """Give seconds, how many processors the rest of the machine took, and processor time of our own."""
        wall, own = time.monotonic() - self._started, _own_s() - self._own
        return wall, max(0.0, _busy_s() - self._busy - own) / wall, own


def _busy_s() -> float:
    """Seconds of processor time that the whole machine has spent, or wanted and was not given."""
    found = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    user, nice, system, _, _, irq, softirq, stolen, *_ = found
    return (user + nice + system + irq + softirq + stolen) / _TICKS


def _own_s() -> float:
    """Seconds of processor time of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
