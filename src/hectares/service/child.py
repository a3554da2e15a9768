"""A command as a process of its own: what it says, how it ends, and how it is ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from hectares.service.memory import SessionMemory, offer_first

COMPLETE, WITH_PROBLEMS = 0, 3
_GRACE_S = 30.0
_LOOK_S = 0.2
_LINGER_S = 5.0
_MOST_ANSWER = 4 * 2**20
_MOST_LINE = 4096


class Excess(StrEnum):
    """What a command took too much of."""

    TIME = "time"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may take, together with all that it starts."""

    seconds: float
    bytes: int | None = None
    """Of memory; None: no limit."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended."""

    code: int
    message: str = ""
    """What went wrong, in a sentence; empty if nothing did."""
    problems: tuple[str, ...] = ()
    excess: Excess | None = None
    """What it was ended for, if we ended it for taking too much."""

    @property
    def is_well(self) -> bool:
        """True if its result is there."""
        return self.code in {COMPLETE, WITH_PROBLEMS}


class Child:
    """A command under way. It is asked to stop when its standard input is closed, so it does not outlive us."""

    def __init__(self, program: Sequence[str], args: Sequence[str], folder: Path) -> None:
        """Start a command in a folder; what is there of its result is replaced, and unfinished work goes on."""
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `wait`
        self._excess: Excess | None = None
        self._kill_at: float | None = None
        self._has_ended = threading.Event()
        self._process = subprocess.Popen(  # noqa: S603 - our own commands, and names that are no options
            [*program, *args, "--json", "--overwrite"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=self._answer,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the service, which asks its commands itself
        )
        offer_first(self._process.pid)

    def wait(self, listen: Callable[[str], object], limits: Limits) -> Ending:
        """Hand on each line that it says until it ends, and tell how it ended."""
        watch = threading.Thread(target=self._watch, args=(limits,), daemon=True)
        watch.start()
        try:
            assert self._process.stderr is not None
            with self._process.stderr as said:
                while line := said.readline(_MOST_LINE):
                    listen(line.decode("utf-8", "replace").rstrip())
            code = self._process.wait()
        except BaseException:
            self.stop()
            raise
        finally:
            self._has_ended.set()
            if self._process.stdin is not None:
                self._process.stdin.close()
        with self._answer as answer:
            answer.seek(0)
            text = answer.read(_MOST_ANSWER).decode("utf-8", "replace")
        return _ending(code, text, self._excess)

    def stop(self) -> None:
        """Ask it to stop after the step it is at; if it does not, it is ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._kill_at = self._kill_at or time.monotonic() + _GRACE_S

    def _watch(self, limits: Limits) -> None:
        """End what takes too much, what does not stop when it is asked to, and what a command leaves behind."""
        late_at = time.monotonic() + limits.seconds
        memory = SessionMemory(self._process.pid)
        while not self._has_ended.wait(_LOOK_S):
            now = time.monotonic()
            if self._process.poll() is not None:  # who holds its end of the pipe now is a process that it started
                if not self._has_ended.wait(_LINGER_S):
                    self._kill()
                return
            if limits.bytes is not None and memory.read() > limits.bytes:
                self._excess = Excess.MEMORY
                self._kill()
            elif now > late_at and self._excess is None:
                self._excess = Excess.TIME
                self.stop()
            elif self._kill_at is not None and now > self._kill_at:
                self._kill()

    def _kill(self) -> None:
        """End it and all that it started."""
        if not hasattr(os, "killpg"):  # pragma: no cover - Windows
            self._process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _ending(code: int, text: str, excess: Excess | None = None) -> Ending:
    """Read what a command printed as its outcome.

    >>> _ending(4, '{"message": "s.tif: is empty; fetch it again"}').message
    's.tif: is empty; fetch it again'
    >>> _ending(-9, "").message
    'it was killed by signal 9; most likely memory was not enough'
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    record = found if isinstance(found, dict) else {}
    told = record.get("problems")
    problems = tuple(_problem(p) for p in told if isinstance(p, dict)) if isinstance(told, list) else ()
    if code in {COMPLETE, WITH_PROBLEMS}:
        return Ending(code, "", problems)
    if code < 0 and excess is None:
        return Ending(code, f"it was killed by signal {-code}; most likely memory was not enough", problems)
    message = record.get("message")
    fault = f"it ended with code {code} and without a sentence: a fault of this program; its words are in log.txt"
    return Ending(code, message if isinstance(message, str) and message else fault, problems, excess)


def _problem(record: dict[str, Any]) -> str:
    return f"{record.get('where')}: {record.get('what')}; {record.get('remedy')}"
