"""A worker process: the command line, which stops when the process that started it is gone.

Its standard input is a pipe that the other process holds open. However that one ends, the pipe closes, and the worker
is asked to stop, which it does after the batch it computes.
"""

from __future__ import annotations

import os
import signal
import threading

from hectares.cli.main import main


def follow() -> None:
    """Ask this process to stop as soon as its standard input ends."""
    threading.Thread(target=_wait_for_the_end, name="hectares-follower", daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    follow()
    main()
