"""Memory that stays with the process, for commands that run a network on the processor."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory instead of giving every large activation back to the system.

    Without it, half of the time of a forward pass goes into page faults. All threads share one heap, so that what the
    network has let go of serves those that read and write. The setting holds for the whole process, so that only a
    command may call this, never an import. Gives False where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_ARENA_MAX, 1))
