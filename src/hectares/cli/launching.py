"""The same command in several processes, a shard each."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hectares.cli.console import ConsoleMonitor
from hectares.cli.options import Writing
from hectares.errors import ConfigError

_NOT_PASSED_ON = {"--json", "-v", "--verbose", "-q", "--quiet"}


def share_out(targets: Sequence[Path], workers: int, general: Writing, monitor: ConsoleMonitor) -> None:
    """Compute the batches of maps in worker processes; what they leave undone is left to the caller."""
    from hectares.io.outputs import work_path
    from hectares.scale.workers import run_workers

    if general.overwrite:
        raise ConfigError("--workers goes on with what is there; remove the old map instead of giving --overwrite")
    tokens = shard_tokens(sys.argv[1:])
    threads = max(1, (os.cpu_count() or 1) // workers)
    own = [] if "--threads" in " ".join(tokens) else ["--threads", str(threads)]
    start = [sys.executable, "-m", "hectares"]
    commands = [[*start, *tokens, *own, "--quiet", "--shard", f"{n}/{workers}"] for n in range(1, workers + 1)]
    folders = [work_path(target.resolve()) for target in targets]

    def watch() -> None:
        done = sum(name.startswith("batch-") and name.endswith(".bin") for f in folders for name in _names(f))
        monitor.progress(f"predicting by {workers}", done, None)

    run_workers(commands, watch, monitor)


def shard_tokens(tokens: Sequence[str]) -> list[str]:
    """Give the tokens of a command without those that only concern the process that launches it.

    >>> shard_tokens(["predict", "run", "s.tif", "m.tif", "--workers", "4", "--json"])
    ['predict', 'run', 's.tif', 'm.tif']
    >>> shard_tokens(["predict", "run", "s.tif", "m.tif", "--workers=4", "-q", "--tta", "d4"])
    ['predict', 'run', 's.tif', 'm.tif', '--tta', 'd4']
    """
    kept: list[str] = []
    given = iter(tokens)
    for word in given:
        if word == "--workers":
            next(given, None)
        elif not word.startswith("--workers=") and word not in _NOT_PASSED_ON:
            kept.append(word)
    return kept


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
