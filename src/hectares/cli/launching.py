"""The work of one command in several processes: a shard each on this machine, or pieces on a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hectares.cli.console import ConsoleMonitor
from hectares.cli.options import Writing
from hectares.config.predict import PredictConfig
from hectares.errors import ConfigError, InputError, MissingExtraError
from hectares.monitor import Problem

_WORKER = (sys.executable, "-m", "hectares.cli.follower")
_NOT_PASSED_ON = {"--json", "-v", "--verbose", "-q", "--quiet"}


@dataclass(frozen=True)
class Cluster:
    """Where a Dask scheduler is; `local` starts workers on this machine."""

    address: str
    workers: int


def share_out(targets: Sequence[Path], workers: int, general: Writing, monitor: ConsoleMonitor) -> None:
    """Compute the batches of maps in worker processes; what they leave undone is left to the caller."""
    from hectares.io.outputs import work_path
    from hectares.scale.deadly import refuse_deadly
    from hectares.scale.workers import STARTS, run_workers

    if general.overwrite:
        raise ConfigError("--workers goes on with what is there; remove the old map instead of giving --overwrite")
    tokens = shard_tokens(sys.argv[1:])
    threads = max(1, (os.cpu_count() or 1) // workers)
    own = [] if "--threads" in " ".join(tokens) else ["--threads", str(threads)]
    commands = [[*_WORKER, *tokens, *own, "--quiet", "--shard", f"{n}/{workers}"] for n in range(1, workers + 1)]
    folders = [work_path(target.resolve()) for target in targets]

    def watch() -> None:
        done = sum(name.startswith("batch-") and name.endswith(".bin") for f in folders for name in _names(f))
        monitor.progress(f"predicting by {workers}", done, None)

    if not run_workers(commands, watch, monitor):
        for target in targets:
            refuse_deadly(target.resolve(), STARTS)


def share_with_cluster(
    run: Path,
    jobs: Sequence[tuple[Path, Path, Path | None]],
    config: PredictConfig,
    cluster: Cluster,
    monitor: ConsoleMonitor,
) -> None:
    """Compute the batches of scenes on a Dask cluster; what is refused there is left to the caller, who tells why."""
    try:
        from hectares.scale.cluster import Order, compute_on, open_cluster
    except ImportError as error:
        raise MissingExtraError("--dask needs an extra: pip install 'hectares[dask]'") from error
    threads = config.threads or max(1, (os.cpu_count() or 1) // cluster.workers)
    with open_cluster(cluster.address, cluster.workers, threads) as client:
        for scene, target, beside in jobs:
            if target.exists():
                continue  # refused or kept, as without a cluster
            order = Order(_everywhere(run), _everywhere(scene), target.resolve(), absolute(config), beside is not None)
            try:
                compute_on(client, order, monitor)
            except InputError as error:
                monitor.problem(Problem(str(scene), f"is refused by the workers: {error}", "it is left out", "note"))


def absolute(config: PredictConfig) -> PredictConfig:
    """Give options whose files are found from any folder."""
    from hectares.io.shapes.vectors import split_layer_name

    others = tuple(_everywhere(Path(other)) for other in config.with_)
    if config.aoi is None:
        return replace(config, with_=others)
    file, layer = split_layer_name(config.aoi)
    return replace(config, with_=others, aoi=_everywhere(file) + ("" if layer is None else f":{layer}"))


def _everywhere(path: Path) -> str:
    """Give the names of files, joined by + or not, from the root; what is no file here stays as it is."""
    if path.exists():
        return str(path.absolute())
    parts = [Path(part) for part in str(path).split("+")]
    return "+".join(str(part.absolute() if part.exists() else part) for part in parts)


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
