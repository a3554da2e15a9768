"""A few processes that read rasters for the service, so that no file is decoded in the service itself."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hectares.errors import RasterError
from hectares.service.decoding import PATIENCE_S, Decoded
from hectares.service.memory import offer_first

PROGRAM = (sys.executable, "-P", "-m", "hectares.service.decoding")
_COUNT = 2
_MOST_LINE = 2**24
_GOODBYE_S = 2.0
_ALARM = 14


class Decoders:
    """Hands each operation to a process that is free; starts one where there is none."""

    def __init__(self, count: int = _COUNT, program: Sequence[str] = PROGRAM) -> None:
        """Set how many there are at the most."""
        self._all = [_Decoder(program) for _ in range(count)]
        self._free: queue.LifoQueue[_Decoder] = queue.LifoQueue()  # the one that is warm comes first
        for one in reversed(self._all):
            self._free.put(one)

    def run(self, operation: str, path: str | Path, *values: Any) -> Decoded:
        """Do an operation as `decode` does. Raises RasterError for a file that does not allow it."""
        one = self._free.get()
        try:
            return one.run(operation, path, values)
        finally:
            self._free.put(one)

    def close(self) -> None:
        """End all of them."""
        for one in self._all:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Decoder:
    """One process; used by one thread at a time."""

    def __init__(self, program: Sequence[str]) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, operation: str, path: str | Path, values: Sequence[Any]) -> Decoded:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"operation": operation, "path": str(path), "values": list(values)}
        head = b""
        with contextlib.suppress(OSError):  # it has ended
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
            head = process.stdout.readline(_MOST_LINE)
        if not head.endswith(b"\n"):
            raise RasterError(f"{path}: {_ended(self._end())}")
        told = json.loads(head)
        if "message" in told:
            raise RasterError(told["message"])
        body = process.stdout.read(told["size"])
        if len(body) < told["size"]:
            raise RasterError(f"{path}: {_ended(self._end())}")
        return Decoded(told["answer"], body)

    def close(self) -> None:
        """End it: it does so by itself when nobody can ask it any more."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GOODBYE_S)
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                list(self._program),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the service
            )
            offer_first(self._process.pid)
        return self._process

    def _end(self) -> int:
        """Let go of the process, and give how it ended."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GOODBYE_S)
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return process.wait()


def _ended(code: int) -> str:
    """Say what a file did to the process that read it.

    >>> _ended(-14)
    'takes longer than 30 s to be shown; overviews help: gdaladdo, or gdal_translate -of COG'
    """
    if code == -_ALARM:
        return f"takes longer than {PATIENCE_S} s to be shown; overviews help: gdaladdo, or gdal_translate -of COG"
    return f"ended the process that read it (code {code}); it is damaged, or made to do harm"
