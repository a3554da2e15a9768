"""A command as a process of its own: what it says, how it ends, and how it is ended."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

COMPLETE, WITH_PROBLEMS = 0, 3
_GRACE_S = 30.0
_MOST_ANSWER = 4 * 2**20
_MOST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended."""

    code: int
    message: str = ""
    """What went wrong, in a sentence; empty if nothing did."""
    problems: tuple[str, ...] = ()
    late: bool = False
    """True if it was ended for taking too long."""

    @property
    def is_well(self) -> bool:
        """True if its result is there."""
        return self.code in {COMPLETE, WITH_PROBLEMS}


class Child:
    """A command under way. It is asked to stop when its standard input is closed, so it does not outlive us."""

    def __init__(self, program: Sequence[str], args: Sequence[str], folder: Path) -> None:
        """Start a command in a folder; what is there of its result is replaced, and unfinished work goes on."""
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `wait`
        self._late = False
        self._process = subprocess.Popen(  # noqa: S603 - our own commands, and names that are no options
            [*program, *args, "--json", "--overwrite"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=self._answer,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the service, which asks its commands itself
        )

    def wait(self, listen: Callable[[str], object], limit_s: float) -> Ending:
        """Hand on each line that it says until it ends, and tell how it ended."""
        timer = threading.Timer(limit_s, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            assert self._process.stderr is not None
            with self._process.stderr as said:
                while line := said.readline(_MOST_LINE):
                    listen(line.decode("utf-8", "replace").rstrip())
            code = self._process.wait()
        finally:
            timer.cancel()
            if self._process.stdin is not None:
                self._process.stdin.close()
        with self._answer as answer:
            answer.seek(0)
            text = answer.read(_MOST_ANSWER).decode("utf-8", "replace")
        return _ending(code, text, late=self._late)

    def stop(self) -> None:
        """Ask it to stop after the step it is at, and end it if it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            timer = threading.Timer(_GRACE_S, self._process.kill)
            timer.daemon = True
            timer.start()

    def _too_late(self) -> None:
        self._late = True
        self.stop()


def _ending(code: int, text: str, *, late: bool = False) -> Ending:
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
    if code < 0 and not late:
        return Ending(code, f"it was killed by signal {-code}; most likely memory was not enough", problems)
    message = record.get("message")
    fault = f"it ended with code {code} and without a sentence: a fault of this program; its words are in log.txt"
    return Ending(code, message if isinstance(message, str) and message else fault, problems, late)


def _problem(record: dict[str, Any]) -> str:
    return f"{record.get('where')}: {record.get('what')}; {record.get('remedy')}"
