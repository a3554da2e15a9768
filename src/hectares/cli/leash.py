"""A command that ends when the one who started it is gone: `python -m hectares.cli.leash predict ...`.

It holds the other end of our standard input. When that is closed, on purpose or because its process was killed,
we ask ourselves to stop as Ctrl-C does: after the step under way, so that nothing is lost.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from hectares.cli.main import main

_GRACE_S = 60.0
_STOPPED = 6


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():  # then they are ours alone
        os.killpg(0, signal.SIGKILL)
    os._exit(_STOPPED)


if __name__ == "__main__":
    threading.Thread(target=_watch, daemon=True).start()
    main()
