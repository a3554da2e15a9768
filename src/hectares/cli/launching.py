"""The work of one command in several processes: a shard each on this machine, or pieces on a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hectares.cli.console import ConsoleMonitor
from hectares.config.predict import PredictConfig
from hectares.errors import InputError, MissingExtraError
from hectares.monitor import Problem

if TYPE_CHECKING:
    from hectares.config.mosaic import MosaicConfig
    from hectares.scale.order import Order

_WORKER = (sys.executable, "-P", "-m", "hectares.cli.follower")  # -P: no module is taken from the current folder
_NOT_PASSED_ON = {"--json", "-v", "--verbose", "-q", "--quiet"}


@dataclass(frozen=True)
class Cluster:
    """Where a Dask scheduler is; `local` starts workers on this machine."""

    address: str
    workers: int


def share_out(targets: Sequence[Path], workers: int, monitor: ConsoleMonitor) -> None:
    """Compute the batches of maps in worker processes; what they leave undone is left to the caller."""
    from hectares.io.journal import process_name
    from hectares.io.outputs import work_path
    from hectares.scale.deadly import DeathWatch
    from hectares.scale.workers import run_workers

    tokens = shard_tokens(sys.argv[1:])
    threads = max(1, (os.cpu_count() or 1) // workers)
    own = [] if "--threads" in " ".join(tokens) else ["--threads", str(threads)]
    commands = [[*_WORKER, *tokens, *own, "--quiet", "--shard", f"{n}/{workers}"] for n in range(1, workers + 1)]
    folders = [work_path(target.resolve()) for target in targets]

    def watch() -> None:
        done = sum(name.startswith("batch-") and name.endswith(".bin") for f in folders for name in _names(f))
        monitor.progress(f"predicting by {workers}", done, None)

    deaths = DeathWatch([target.resolve() for target in targets])

    def died(process: int, how: str) -> bool:
        name = process_name(process)
        return deaths.blame(lambda owner: owner == name, how)

    run_workers(commands, watch, died, monitor)


def share_with_cluster(orders: Sequence[Order], cluster: Cluster, monitor: ConsoleMonitor) -> None:
    """Compute the batches of maps on a Dask cluster; what is refused there is left to the caller, who tells why."""
    try:
        from hectares.scale.cluster import compute_on, open_cluster
    except ImportError as error:
        raise MissingExtraError("--dask needs an extra: pip install 'hectares[dask]'") from error
    left = [
        o for o in orders if o.overwrite or not o.target.exists()
    ]  # others are refused or kept, as without a cluster
    if not left:
        return
    threads = left[0].config.threads or max(1, (os.cpu_count() or 1) // cluster.workers)
    with open_cluster(cluster.address, cluster.workers, threads) as client:
        for order in left:
            try:
                compute_on(client, order, monitor)
            except InputError as error:
                monitor.problem(Problem(order.scene, f"is refused by the workers: {error}", "it is left out", "note"))


def scene_orders(
    run: Path, jobs: Sequence[tuple[Path, Path, Path | None]], config: PredictConfig, *, overwrite: bool
) -> list[Order]:
    """Give what a cluster has to know of scenes, their maps and the files of their scores."""
    from hectares.scale.order import Order

    segmenter, options = _everywhere(run), absolute(config)
    return [
        Order(segmenter, _everywhere(scene), target.resolve(), options, beside is not None, overwrite)
        for scene, target, beside in jobs
    ]


def mosaic_orders(
    run: Path, scenes: Sequence[Path], out: Path, config: PredictConfig, mosaic: MosaicConfig, *, overwrite: bool
) -> list[Order]:
    """Begin a mosaic, and give what a cluster has to know of it."""
    from hectares.mosaic import begin_mosaic
    from hectares.scale.order import Order

    orders: list[Order] = []
    for work in begin_mosaic(run, scenes, out, config, mosaic, overwrite=overwrite):
        first, *others = (_everywhere(Path(scene)) for scene in work.scenes)
        how = mosaic if work.together else None
        again = overwrite and work.together  # what is left of the map of a scene goes with that of the mosaic
        order = Order(_everywhere(run), first, work.target, absolute(config), overwrite=again)
        orders.append(replace(order, others=tuple(others), mosaic=how))
    return orders


def absolute(config: PredictConfig) -> PredictConfig:
    """Give options whose files are found from any folder."""
    from hectares.io.shapes.layer_name import split_layer_name

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
