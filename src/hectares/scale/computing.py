"""Batches computed into a journal, a map made of them, and what happens to those that have no answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, field
from pathlib import Path

from hectares.core.legend import IGNORE
from hectares.core.window import Window
from hectares.errors import HectaresError
from hectares.io.journal import Journal
from hectares.io.rasters.rescaled import RescaledScene
from hectares.io.scene_values import range_file
from hectares.monitor import Monitor
from hectares.scale.assembling import Assembly
from hectares.scale.blueprint import Blueprint
from hectares.scale.deadly import most_left_out
from hectares.scale.finishing import finish_map, tell_faults
from hectares.scale.scene_job import SceneJob, assembly_of, on_scene, seams_of
from hectares.scale.stream import stream
from hectares.scale.tiles import TileResult

_REASON = 200  # characters


def map_scene(job: SceneJob, target: Path, beside: Path | None, *, overwrite: bool, monitor: Monitor) -> None:
    """Compute what the journal does not have yet, and put all of it together as map and scores."""
    setup, grid = job.setup, job.source.grid
    journal = Journal(target, setup.provenance, overwrite=overwrite)
    done = assembly_of(job, journal)
    _leave_out(job, done)
    compute_batches(job, done, range(len(setup.plan)), monitor)
    if job.out_of_range is not None:
        job.out_of_range.save(range_file(target), journal.folder, job.source, monitor)
    finish_map(
        Blueprint.of(setup, grid), journal, on_scene(job, done), target, beside,
        overwrite=overwrite, seams=seams_of(job), monitor=monitor,
    )  # fmt: skip


def compute_batches(job: SceneJob, done: Assembly, numbers: Sequence[int], monitor: Monitor) -> None:
    """Compute those batches that the journal does not have yet, and tell what is wrong with any of them.

    Batches that a process died at come first and one at a time, so that the next death tells which one it was. Those
    that were given up stay undone: whoever writes the map leaves them out.
    """
    journal, total = done.journal, len(numbers)
    given_up = journal.given_up()
    todo = [n for n in numbers if n not in given_up and not done.has(n)]
    risky = dict.fromkeys(journal.find_marks(set(todo)))
    run = _Run(job, done, answered=len(todo) < total)
    monitor.progress("predicting", total - len(todo), total, "resumed" if len(todo) < total else "")
    count = total - len(todo)
    try:
        for some in [*([n] for n in risky), [n for n in todo if n not in risky]]:
            running = stream(job.setup.work, done.plan, run.begun(some), run.keep, run.fail)
            with closing(running):
                for _ in running:
                    count += 1
                    monitor.progress("predicting", count, total)
                    monitor.raise_if_stopped()
        run.try_failed_alone()
    finally:
        journal.end_all()
    tell_faults(job.source.path, done.plan, job.source.grid, journal, numbers, monitor)


@dataclass(eq=False)
class _Run:
    """What one process computes of a scene."""

    job: SceneJob
    done: Assembly
    answered: bool
    """True if the network has had an answer to any batch."""
    noted: set[Window] = field(default_factory=set)
    failed: dict[int, Exception] = field(default_factory=dict)

    def begun(self, numbers: Iterable[int]) -> Iterator[int]:
        """Mark batches as they are begun; those that another process did meanwhile are left out."""
        for number in numbers:
            if not self.done.has(number):
                windows = _windows(self.job, self.done, number)
                self.done.journal.begin(number, {"windows": windows, "of": len(self.done.plan)})
                yield number

    def keep(self, number: int, results: list[TileResult], how: str | None = None) -> None:
        """Put a finished batch into the journal, with what is wrong with it."""
        _keep(self.job, self.done, number, results, how, self.noted)
        self.answered = self.answered or any((r.indices != IGNORE).any() for r in results)

    def fail(self, number: int, error: Exception) -> None:
        """Remember a batch that the network failed on. Raises the error if it fails on more than a few."""
        self.failed[number] = error
        if len(self.failed) > most_left_out(len(self.done.plan)):
            raise error

    def try_failed_alone(self) -> None:
        """Leave out those tiles that the network fails on once more, each for itself."""
        work = self.job.setup.work
        for number, error in self.failed.items():
            if not self.answered:
                raise error  # it is not the tile
            results: list[TileResult] = []
            for tile in self.done.plan[number]:
                try:
                    results += work.run([tile])
                except HectaresError:
                    raise
                except Exception:  # noqa: BLE001 - runtimes raise what they like
                    results.append(work.nothing(tile, fault="raised"))
            reason = " ".join(str(error).split())[:_REASON]
            self.keep(number, results, f"the network failed on it ({type(error).__name__}: {reason})")


def _leave_out(job: SceneJob, done: Assembly) -> None:
    """Let batches that were given up be done without an answer."""
    for number, record in done.journal.given_up().items():
        if number < len(done.plan) and not done.has(number):
            results = [job.setup.work.nothing(tile, fault="fatal") for tile in done.plan[number]]
            _keep(job, done, number, results, str(record["how"]), set())


def _keep(
    job: SceneJob, done: Assembly, number: int, results: list[TileResult], how: str | None, noted: set[Window]
) -> None:
    windows = _windows(job, done, number)
    faults: dict[str, list[tuple[int, ...]]] = {}
    for window, result in zip(windows, results, strict=True):
        if result.fault is not None:
            faults.setdefault(result.fault, []).append(window)
    damage = [w for w in job.source.damage if w not in noted]
    if damage:
        faults["damage"] = [astuple(w) for w in damage]
    if faults:
        done.journal.note(number, {**faults} if how is None else {**faults, "how": how})
    noted.update(damage)
    done.keep(number, results)
    done.journal.end(number)


def _windows(job: SceneJob, done: Assembly, number: int) -> list[tuple[int, ...]]:
    """Give what the tiles of a batch answer for, in pixels of the scene."""
    cores = [tile.core for tile in done.plan[number]]
    tiles = job.setup.work.source
    return [astuple(tiles.covered(core) if isinstance(tiles, RescaledScene) else core) for core in cores]
