"""Reading, computing and keeping overlap, so that the network never waits: bounded queues, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from hectares.errors import HectaresError
from hectares.scale.plan import WorkPlan
from hectares.scale.tiles import Prepared, TileResult, TileWork

READERS = 2
AHEAD = 2
"""Batches that are read and wait for the network."""
BEHIND = 2
"""Answers that wait to be decided and kept."""

Keep = Callable[[int, list[TileResult]], None]
Fail = Callable[[int, Exception], None]
T = TypeVar("T")


def stream(work: TileWork, plan: WorkPlan, numbers: Iterable[int], keep: Keep, fail: Fail) -> Generator[int]:
    """Compute batches in order and yield the number of each as soon as its answer is there; `keep` follows behind.

    A batch that the network fails on goes to `fail` instead, and the next one follows.
    What was yielded is kept when the stream ends, however it ends. Errors of any thread are raised here.
    """
    with _pool("hectares-reader", READERS) as readers, _pool("hectares-writer", 1) as writer:
        written: deque[Future[None]] = deque()
        try:
            for number, prepared in _read_ahead(readers, work, plan, numbers):
                try:
                    answer = work.answer(prepared.images) if prepared.busy else None
                except HectaresError:  # memory is short: it is so for all of them
                    raise
                except Exception as error:  # noqa: BLE001 - runtimes raise what they like
                    fail(number, error)
                    continue
                written.append(writer.submit(_finish, work, keep, number, prepared, answer))
                del answer, prepared
                while len(written) > BEHIND:
                    written.popleft().result()
                yield number
        finally:
            while written:
                written.popleft().result()


def _finish(work: TileWork, keep: Keep, number: int, prepared: Prepared, answer: object) -> None:
    keep(number, work.decide(prepared, answer))  # type: ignore[arg-type]  # what `answer` gave


def _read_ahead(
    readers: ThreadPoolExecutor, work: TileWork, plan: WorkPlan, numbers: Iterable[int]
) -> Iterator[tuple[int, Prepared]]:
    waiting: deque[tuple[int, Future[Prepared]]] = deque()
    left = iter(numbers)
    for number in left:
        waiting.append((number, readers.submit(work.read, plan[number])))
        if len(waiting) >= AHEAD:
            break
    while waiting:
        number, future = waiting.popleft()
        prepared = future.result()
        following = next(left, None)
        if following is not None:
            waiting.append((following, readers.submit(work.read, plan[following])))
        del future
        yield number, prepared


@contextmanager
def _pool(name: str, threads: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
