"""How far the running step of a job is, from the lines of JSON that its command writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hectares.service.steps import Step

_LAST_OF_MAPPING = "writing map"
_PREDICTING = 0.9  # of the time of the first step


@dataclass
class Progress:
    """What is known about a job while it runs. Written by one thread, read by others: each value on its own."""

    steps: Sequence[Step]
    number: int = 0
    """Index of the step under way."""
    stage: str = ""
    done: int = 0
    total: int | None = None
    clock: Callable[[], float] = time.monotonic
    _since: float = field(default=0.0)
    _first: int = 0

    def begin(self, number: int) -> None:
        """Start with a step."""
        self.number, self.stage, self.done, self.total = number, "", 0, None

    def take(self, line: str) -> bool:
        """Take a line of a command; False if it is not one about progress."""
        try:
            found = json.loads(line)
            stage, done, total = str(found["stage"]), int(found["done"]), found["total"]
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return False
        if stage != self.stage:
            self.stage, self._since, self._first = stage, self.clock(), done
        self.done, self.total = done, total if isinstance(total, int) else None
        return True

    @property
    def words(self) -> str:
        """What is being done."""
        return self.steps[self.number].words if self.number < len(self.steps) else ""

    @property
    def share(self) -> float:
        """How much of the job is done, from 0 to 1."""
        whole = sum(step.share for step in self.steps)
        before = sum(step.share for step in self.steps[: self.number])
        part = min(self.done / self.total, 1.0) if self.total else 0.0
        if self.number == 0:  # it maps first and then writes
            part = _PREDICTING + (1 - _PREDICTING) * part if self.stage == _LAST_OF_MAPPING else _PREDICTING * part
        now = self.steps[self.number].share if self.number < len(self.steps) else 0.0
        return min((before + part * now) / whole, 1.0)

    @property
    def remaining_s(self) -> float | None:
        """How long the mapping will still take, in seconds; None while that is not known."""
        if self.number or not self.total or self.stage == _LAST_OF_MAPPING:
            return None
        if not self._first < self.done < self.total:
            return None
        return (self.clock() - self._since) / (self.done - self._first) * (self.total - self.done)
