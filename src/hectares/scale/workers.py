"""Local worker processes: started, watched, started again when they are killed, and never left behind."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hectares.monitor import Monitor, Problem

_POLL_S = 0.2
_GRACE_S = 15.0
STARTS = 3
Died = Callable[[int, str], bool]
"""The number of a process, and how it ended: "were killed by signal 9"; gives if it is known what it was at."""


@dataclass
class _Worker:
    command: Sequence[str]
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    done: bool = field(default=False)

    def start(self) -> None:
        self.close()
        self.starts += 1
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            list(self.command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def close(self) -> None:
        """Let go of the pipe by which a worker knows that this process lives."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()


def run_workers(commands: Sequence[Sequence[str]], watch: Callable[[], None], died: Died, monitor: Monitor) -> bool:
    """Run commands at the same time; True if all ended well.

    One that is killed is started again, up to three times in a row, and then left undone; `died` gets the number of its
    process and how it ended, and tells if it is known at what: then it does not count, as that is not tried for ever.
    One that ends with an error stops the others: whoever asked finds out why by doing the rest. `watch` is called now
    and then, to tell progress. The standard input of a worker ends when this process does, however it ends.
    """
    workers = [_Worker(command) for command in commands]
    try:
        for worker in workers:
            worker.start()
        while not all(w.done for w in workers):
            time.sleep(_POLL_S)
            watch()
            monitor.raise_if_stopped()
            if not all(_look_at(w, number, died, monitor) for number, w in enumerate(workers, start=1)):
                return False
        return all(w.process is not None and w.process.returncode == 0 for w in workers)
    finally:
        _stop([w.process for w in workers if w.process is not None])
        for worker in workers:
            worker.close()


def _look_at(worker: _Worker, number: int, died: Died, monitor: Monitor) -> bool:
    """Start a worker again if it was killed; False if it ended with an error."""
    code = None if worker.process is None else worker.process.poll()
    if worker.process is None or code is None or worker.done:
        return True
    if code >= 0:
        worker.done = True
        if code not in {0, 3}:
            what = f"ended with exit code {code}"
            monitor.problem(Problem(f"worker {number}", what, "this process does what is left, alone", "note"))
        return code in {0, 3}
    what = f"was killed by signal {-code}"
    if died(worker.process.pid, f"were killed by signal {-code}"):
        worker.starts = 0
    again = worker.starts < STARTS
    remedy = "it is started again" if again else "what it left undone is done at the end, by this process"
    monitor.problem(Problem(f"worker {number}", what, remedy, "note"))
    if again:
        worker.start()
    else:
        worker.done = True
    return True


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask those that still run to stop after their step, and end those that do not."""
    running = [p for p in processes if p.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + _GRACE_S
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        if process.poll() is None:
            process.kill()
            process.wait()
