"""How much memory this machine has, and how much a command and all that it started hold.

Limits of the system do not fit: those on addresses count files that are only mapped, and a command that hits one on
data blames its input. So what is held is read, several times a second, from what Linux tells of its processes.
Source: https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_COUNTED = {"RssAnon", "RssShmem", "VmSwap"}
"""What nobody else can have for the asking: pages of files that are mapped are given back when they are needed."""
_SEARCH_S = 2.0
_FIRST_TO_GO = "800"
"""Of -1000 to 1000; that of the service is 0 as a rule."""
_SESSION = 3
"""Place of the session among the fields of `stat` that follow the name of a process."""
_SHARE, _LEAST = 0.75, 500_000_000


def default_limit(jobs: int) -> int | None:
    """Give the bytes that each of some commands may hold: together three quarters of the machine. None: unknown.

    It is never less than a command takes to begin with.
    """
    whole = machine_bytes()
    return None if whole is None else max(_LEAST, int(_SHARE * whole / jobs))


def machine_bytes() -> int | None:
    """Give the memory of this machine, or of the container we are in, in bytes; None where nobody tells."""
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, OSError, ValueError):
        return None
    own = ""
    with contextlib.suppress(OSError):
        own = (_PROC / "self" / "cgroup").read_text().rpartition("0::/")[2].strip()
    for path in (_GROUPS / own / "memory.max", _GROUPS / "memory.max", _GROUPS / "memory" / "memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # ValueError: it says `max`
            found.append(int(path.read_text()))
    return min(found)


def offer_first(process: int) -> None:
    """Have Linux end a process of ours, and not the service, if memory runs out all the same."""
    with contextlib.suppress(OSError):
        (_PROC / str(process) / "oom_score_adj").write_text(_FIRST_TO_GO)


class SessionMemory:
    """The memory of a process that leads a session, and of all that it has started."""

    def __init__(self, leader: int) -> None:
        """Take the number of the process."""
        self._leader, self._members = leader, {leader}
        self._searched = 0.0

    def read(self) -> int:
        """Give the bytes that are held now; 0 where nobody tells."""
        if time.monotonic() - self._searched > _SEARCH_S:  # a look at all processes is not for every time
            self._members = {self._leader, *_session(self._leader)}
            self._searched = time.monotonic()
        return sum(_held(number) for number in self._members)


def _session(leader: int) -> list[int]:
    try:
        numbers = [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208 - much the faster
    except OSError:
        return []
    return [n for n in numbers if _leader_of(n) == leader]


def _leader_of(number: int) -> int | None:
    try:
        text = (_PROC / str(number) / "stat").read_text(errors="replace")
        return int(text.rpartition(")")[2].split()[_SESSION])
    except (OSError, ValueError, IndexError):  # gone meanwhile
        return None


def _held(number: int) -> int:
    try:
        text = (_PROC / str(number) / "status").read_text(errors="replace")
    except OSError:  # gone meanwhile
        return 0
    return kilobytes_held(text) * 1024


def kilobytes_held(status: str) -> int:
    r"""Add up what counts of what Linux tells of a process.

    >>> kilobytes_held("Name:\tx\nVmRSS:\t 900 kB\nRssAnon:\t 300 kB\nRssFile:\t 600 kB\nVmSwap:\t 20 kB\n")
    320
    """
    rows = (line.partition(":") for line in status.splitlines())
    return sum(int(value.split()[0]) for name, _, value in rows if name in _COUNTED)
