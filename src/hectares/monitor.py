"""How a verb speaks while it works: progress, problems found on the way, and the wish to stop.

A verb takes a `Monitor` and never prints.
The command line turns it into bars and messages, a notebook may show it as it likes, and `QUIET` ignores it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, TypeVar

_log = logging.getLogger(__name__)
T = TypeVar("T")

Severity = Literal["note", "warning", "incomplete"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the user should know about, which did not stop the work.

    >>> print(Problem("scene.tif", "2 blocks cannot be read", "their pixels are nodata in the map"))
    scene.tif: 2 blocks cannot be read; their pixels are nodata in the map
    """

    where: str
    """File, and place in it: row, key or window."""
    what: str
    """What was found, with the value."""
    remedy: str
    """What was done about it, or what to do."""
    severity: Severity = "warning"
    """`note`: good to know, and nothing is wrong; `incomplete`: the result lacks something: exit code 3."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"

    def to_json(self) -> dict[str, str]:
        """Give the problem as a record."""
        return asdict(self)


class Monitor(Protocol):
    """What a verb reports to."""

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """`done` of `total` steps of a stage are finished; `total` is None when unknown."""

    def problem(self, problem: Problem) -> None:
        """Note a problem that did not stop the work."""

    def raise_if_stopped(self) -> None:
        """Raise `Interrupted` if the user asked to stop. Called where stopping loses nothing."""


class QuietMonitor:
    """Ignores progress and logs problems."""

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Ignore it."""

    def problem(self, problem: Problem) -> None:
        """Log it: a note as information, all else as a warning."""
        _log.log(logging.INFO if problem.severity == "note" else logging.WARNING, "%s", problem)

    def raise_if_stopped(self) -> None:
        """Never stop."""


QUIET: Monitor = QuietMonitor()


def track(items: Iterable[T], monitor: Monitor, stage: str, total: int | None = None) -> Iterator[T]:
    """Yield the items and report each one that is finished.

    >>> list(track("ab", QUIET, "reading"))
    ['a', 'b']
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]  # guarded by hasattr
    monitor.progress(stage, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        monitor.progress(stage, done, total)
        monitor.raise_if_stopped()
