"""A prediction on a Dask cluster: pieces of the plan go to workers, which keep what they compute in the journal.

The journal is on a disk that all machines share, so a piece gives nothing back, may be computed twice, and goes on
where a dead worker left it. The last pieces are computed by two workers, from both ends, so that a slow one does not
keep the rest waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, get_worker, wait

from hectares.errors import ConfigError, HectaresError, ResourceError
from hectares.io.artefact import fingerprint
from hectares.io.journal import Journal
from hectares.io.outputs import disk_errors, work_path
from hectares.monitor import QUIET, Monitor
from hectares.scale.computing import compute_batches
from hectares.scale.deadly import DEATHS, DeathWatch
from hectares.scale.order import Order
from hectares.scale.scene_job import SceneJob, assembly_of

Connection = Any
"""A client of distributed, whose types are incomplete."""
PIECES_A_WORKER = 16
"""So many pieces are cut for each worker: those that are fast, or come later, take more of them."""
_POLL_S = 0.5
_PATIENCE_S = 30.0
_GONE_S = 180.0
_HOW = "were ended or lost"
_ENDED = {"finished", "error", "cancelled"}
_SCHEME = "://"
"""In the names of workers, and in no other name of a process."""


@dataclass(frozen=True)
class Piece:
    """Batches that one worker computes."""

    first: int
    end: int
    backwards: bool = False
    worker: str = ""
    started: float = 0.0
    deaths: int = 0
    """How many were known of when it was handed out."""
    lost: int = 0
    """How often a worker was gone with it, and nobody knows at which batch."""

    @property
    def numbers(self) -> range:
        """The batches in the order in which they are computed."""
        return range(self.end - 1, self.first - 1, -1) if self.backwards else range(self.first, self.end)


def cut(batches: int, workers: int) -> Iterator[Piece]:
    """Cut a plan into pieces of about equal size.

    >>> [(piece.first, piece.end) for piece in cut(33, 1)][:3]
    [(0, 2), (2, 4), (4, 6)]
    """
    count = max(1, min(batches, PIECES_A_WORKER * workers))
    bounds = [batches * n // count for n in range(count + 1)]
    yield from (Piece(first, end) for first, end in pairwise(bounds))


class SceneOnWorker(WorkerPlugin):
    """A scene and its segmenters, opened once in each worker."""

    def __init__(self, order: Order) -> None:
        """Open nothing yet: this object travels."""
        self.order = order

    def setup(self, worker: Any) -> None:
        """Begin in a worker."""
        threads = self.order.config.threads or worker.state.nthreads
        self.order = replace(self.order, config=replace(self.order.config, threads=threads))
        self._name = worker.address
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._job: SceneJob | None = None

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 - as it is called
        """End in a worker."""
        self._open.close()

    def batches(self) -> int:
        """Open the scene, begin the journal, and tell how much work there is."""
        with self._lock:
            return len(self._opened(overwrite=self.order.overwrite)[0].setup.plan)

    def compute(self, numbers: range) -> None:
        """Compute batches; one piece at a time, as the network takes all processors of the worker."""
        with self._lock:
            job, journal = self._opened()
            compute_batches(job, assembly_of(job, journal), numbers, QUIET)

    def _opened(self, *, overwrite: bool = False) -> tuple[SceneJob, Journal]:
        order = self.order
        if self._job is None:
            self._job = self._open.enter_context(order.opened())
        return self._job, Journal(order.target, self._job.setup.provenance, overwrite=overwrite, owner=self._name)


@contextmanager
def open_cluster(address: str, workers: int, threads: int) -> Iterator[Connection]:
    """Connect to a scheduler, or start `local` worker processes. Raises ConfigError if no scheduler answers."""
    with ExitStack() as stack:
        where: Any = address
        log = logging.getLogger("distributed")  # says in many lines that a worker ends; what matters is raised
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        if address == "local":
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": DEATHS - 1}))
            where = stack.enter_context(
                LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=workers, threads_per_worker=threads, memory_limit=0, dashboard_address=None,
                    silence_logs="CRITICAL",
                )
            )  # fmt: skip
        try:
            client = stack.enter_context(Client(where, timeout=_PATIENCE_S))  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--dask {address}: no scheduler answers there ({error}); "
                "give the address of one that runs, as tcp://HOST:8786, or local"
            ) from error
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except TimeoutError as error:
            raise ResourceError(
                f"--dask {address}: has no workers after {_PATIENCE_S:.0f} s; start some: dask worker {address}"
            ) from error
        yield client


def compute_on(client: Connection, order: Order, monitor: Monitor) -> None:
    """Compute all batches of a scene on a cluster; they are in the journal then.

    Batches that end three workers are given up. Raises what the workers raise if the scene is refused, ResourceError
    if more than a few batches would be given up.
    """
    with disk_errors(order.target):
        order.target.parent.mkdir(parents=True, exist_ok=True)
    name = f"hectares-{fingerprint(str(order))[:16]}"
    client.register_plugin(SceneOnWorker(order), name=name)
    try:
        try:
            total = _answer(client.submit(_batches, name, pure=False), order)
        except KilledWorker as error:
            raise _killed(order) from error
        if not work_path(order.target).is_dir():
            raise ConfigError(
                f"{order.target.parent}: the workers write elsewhere under this name; --dask needs a disk that all "
                "machines share. Without one, `predict --shard` and `hectares assemble` do"
            )
        _Dispatch(client, order, name, total).run(monitor)
    finally:
        client.unregister_worker_plugin(name)


class _Dispatch:
    """Hands out pieces, at most one a worker, so that a death concerns no other piece."""

    def __init__(self, client: Connection, order: Order, name: str, total: int) -> None:
        self._client, self._order, self._name, self._total = client, order, name, total
        self._waiting = deque(cut(total, len(client.nthreads())))
        self._running: dict[Any, Piece] = {}
        self._workers = set(client.nthreads())
        self._seen = time.monotonic()
        self._done = 0
        self._deaths = DeathWatch([order.target])

    def run(self, monitor: Monitor) -> None:
        try:
            while self._waiting or self._running:
                monitor.progress(f"predicting by {len(self._workers)}", self._done, self._total)
                self._look_after_workers()
                self._hand_out()
                self._take_back()
                monitor.raise_if_stopped()
        finally:
            self._client.cancel(list(self._running))

    def _look_after_workers(self) -> None:
        """Find the deaths by the marks they leave: a worker writes none before the scheduler knows it."""
        self._blame()
        self._workers = set(self._client.nthreads())
        for future, piece in list(self._running.items()):
            if piece.worker not in self._workers and future.status == "pending":
                # Dask leaves it undone for good if there was no worker at all when this one died
                self._client.cancel([future])
                del self._running[future]
                self._hand_back(piece, 1)
        if self._workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _GONE_S:
            self._deaths.refuse_worst(_HOW)
            raise ResourceError(
                f"{self._order.scene}: all workers are gone, and none came back within {_GONE_S:.0f} s; start some, "
                "and give the same command again: it goes on"
            )

    def _blame(self) -> None:
        alive: list[str] = []  # asked for after the marks are read

        def is_dead(owner: str) -> bool:
            alive.extend(alive or self._client.nthreads())
            return _SCHEME in owner and owner not in alive

        self._deaths.blame(is_dead, _HOW)

    def _hand_out(self) -> None:
        busy = {piece.worker for piece in self._running.values()}
        for worker in sorted(self._workers - busy):
            piece = self._waiting.popleft() if self._waiting else self._second()
            if piece is None:
                return
            future = self._client.submit(
                _compute, self._name, piece.first, piece.end, piece.backwards,
                pure=False, workers=[worker], allow_other_workers=True,
            )  # fmt: skip
            self._running[future] = replace(piece, worker=worker, started=time.monotonic(), deaths=self._deaths.total)

    def _second(self) -> Piece | None:
        """Give the piece that runs longest once more, from its other end; None if all have a second."""
        pieces = list(self._running.values())
        alone = [p for p in pieces if sum(p.first == other.first for other in pieces) == 1]
        return replace(min(alone, key=lambda p: p.started), backwards=True) if alone else None

    def _take_back(self) -> None:
        if self._running:
            try:
                wait(list(self._running), timeout=_POLL_S, return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]
            except TimeoutError:
                return
        for future in list(self._running):
            status = future.status
            if status not in _ENDED or future not in self._running:
                continue  # or it is the second of one that was just done
            piece = self._running.pop(future)
            if status != "finished":  # of those, what they gave is in the journal: it may be lost with the worker
                try:
                    _answer(future, self._order)
                except KilledWorker as error:
                    self._blame()
                    self._hand_back(piece, DEATHS, error)
                    continue
            others = [f for f, other in self._running.items() if other.first == piece.first]
            self._client.cancel(others)
            for other in others:
                del self._running[other]
            self._done += piece.end - piece.first

    def _hand_back(self, piece: Piece, times: int, error: BaseException | None = None) -> None:
        """Let another worker have a piece; deaths at a batch end in its being given up, others are counted here."""
        lost = piece.lost + times if self._deaths.total == piece.deaths else 0
        if lost >= DEATHS:
            raise _killed(self._order) from error
        if not any(other.first == piece.first for other in self._running.values()):
            self._waiting.appendleft(replace(piece, worker="", backwards=False, lost=lost))


def _answer(future: Any, order: Order) -> Any:  # what the task gave
    """Give the answer of a task; what went wrong in it becomes a sentence, but for the death of workers."""
    try:
        return future.result()
    except (HectaresError, KilledWorker):
        raise
    except ImportError as error:
        raise ConfigError(
            f"--dask: a worker cannot load what it needs ({error}); install this version of hectares there"
        ) from error
    except Exception as error:  # whatever a cluster may come up with, of which nobody has a list
        raise ResourceError(
            f"{order.scene}: a worker failed ({type(error).__name__}: {error}); the same command goes on"
        ) from error


def _killed(order: Order) -> ResourceError:
    return ResourceError(
        f"{order.scene}: workers that had a piece of it were killed several times; look into their logs, give them "
        "more memory, or take less with --tile-px. What is finished is kept"
    )


def _batches(name: str) -> int:
    plugin: Any = get_worker().plugins[name]
    return int(plugin.batches())


def _compute(name: str, first: int, end: int, backwards: bool) -> None:
    plugin: Any = get_worker().plugins[name]
    plugin.compute(Piece(first, end, backwards).numbers)
