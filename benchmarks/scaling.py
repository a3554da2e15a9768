"""How a prediction scales: two processes against one on this machine, and a simulation of a thousand workers.

The simulation is one of events. It takes the times of batches as they were measured here (or as given), and makes
workers slow, lets them fail and come back, and hands out work in each of four ways: `shards`, one for each worker;
`array`, sixteen times as many shards as jobs of an array, each of which opens the scene anew; `pieces`, as many, for
workers that hold the scene open; and `seconds`, pieces of which the last ones are computed by a second worker from the
other end, which is what `predict --dask` does. The ideal is all work divided by the speed of all workers.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

Way = Literal["shards", "array", "pieces", "seconds"]
WAYS: tuple[Way, ...] = ("shards", "array", "pieces", "seconds")
PIECES_A_WORKER = 16


@dataclass(frozen=True)
class Cluster:
    """What the workers are like."""

    workers: int = 1000
    slow_share: float = 0.05
    slowness: float = 5.0
    """How many times as long a slow worker takes."""
    failures_an_hour: float = 0.5
    """Of each worker; what it had begun of a batch is lost, finished batches are not."""
    restart_s: float = 60.0
    """Until a worker that failed is back; a shard waits for it, pieces go to others."""
    start_s: float = 10.0
    """To open scene and segmenter, for each worker once and after each failure."""
    handing_out_s: float = 0.05
    """To hand out a piece."""


@dataclass(eq=False)
class _Piece:
    """Batches from `first` to `end` that are not done; two workers may eat it from both ends."""

    first: int
    end: int
    eaters: int = 0
    begun_s: float = 0.0


@dataclass(eq=False)
class _Worker:
    speed: float
    piece: _Piece | None = None
    backwards: bool = False
    life: int = 0
    """Grows with each failure: events of an earlier life are void."""
    busy_s: float = 0.0
    queue: deque[_Piece] = field(default_factory=deque)


class Simulation:
    """Workers that compute the batches of one plan."""

    def __init__(self, batches: Sequence[float], cluster: Cluster, way: Way, seed: int) -> None:
        """Make ready; `batches` are seconds, of a worker of speed 1."""
        self.batches, self.cluster, self.way = batches, cluster, way
        self.rng = random.Random(seed)
        slow = round(cluster.workers * cluster.slow_share)
        self.workers = [_Worker(1 / cluster.slowness if n < slow else 1.0) for n in range(cluster.workers)]
        self.rng.shuffle(self.workers)
        parts = cluster.workers if way == "shards" else min(len(batches), PIECES_A_WORKER * cluster.workers)
        bounds = [len(batches) * n // parts for n in range(parts + 1)]
        pieces = [_Piece(a, b) for a, b in pairwise(bounds) if b > a]
        self.waiting = deque(pieces)
        if way == "shards":
            for worker, piece in zip(self.workers, pieces, strict=False):
                worker.queue.append(piece)
            self.waiting.clear()
        self.running: dict[_Piece, None] = {}
        self.idle: set[int] = set()
        self.events: list[tuple[float, int, int, int, str]] = []
        self.count = 0
        self.left = len(batches)
        self.computed = 0

    def run(self) -> float:
        """Give the seconds until all batches are done."""
        for number in range(len(self.workers)):
            self._plan(self.cluster.start_s, number, "free")
            self._plan_failure(0.0, number)
        now = 0.0
        while self.left:
            now, _, number, life, what = heapq.heappop(self.events)
            worker = self.workers[number]
            if life != worker.life:
                continue
            if what == "failure":
                self._fail(now, number, worker)
            else:
                if what == "done":
                    self._finish(worker)
                self._next(now, number, worker)
        return now

    def ideal(self) -> float:
        """Give the seconds that all workers would take if work could be divided at will and nobody failed."""
        return sum(self.batches) / sum(w.speed for w in self.workers)

    def _plan(self, at: float, number: int, what: str) -> None:
        self.count += 1
        heapq.heappush(self.events, (at, self.count, number, self.workers[number].life, what))

    def _plan_failure(self, now: float, number: int) -> None:
        if self.cluster.failures_an_hour:
            self._plan(now + self.rng.expovariate(self.cluster.failures_an_hour / 3600), number, "failure")

    def _fail(self, now: float, number: int, worker: _Worker) -> None:
        worker.life += 1
        piece, worker.piece = worker.piece, None
        if piece is not None:
            piece.eaters -= 1
            if self.way == "shards":
                worker.queue.appendleft(piece)
            elif piece.end > piece.first and not piece.eaters:
                self.running.pop(piece, None)
                self.waiting.appendleft(piece)
        self.idle.discard(number)
        if self.way != "shards":
            for other in sorted(self.idle):
                self._plan(now, other, "free")
            self.idle.clear()
        back = now + self.cluster.restart_s
        self._plan(back + self.cluster.start_s, number, "free")
        self._plan_failure(back, number)

    def _finish(self, worker: _Worker) -> None:
        """A batch is done, unless the other eater of the piece was faster."""
        self.computed += 1
        piece = worker.piece
        assert piece is not None, "a worker that finishes has a piece"
        if piece.end > piece.first:
            self.left -= 1
            if worker.backwards:
                piece.end -= 1
            else:
                piece.first += 1

    def _next(self, now: float, number: int, worker: _Worker) -> None:
        if worker.piece is not None and worker.piece.end <= worker.piece.first:
            worker.piece.eaters -= 1
            self.running.pop(worker.piece, None)
            worker.piece = None
        wait = 0.0
        if worker.piece is None:
            wait = self._take(now, worker)
        if worker.piece is None:
            self.idle.add(number)  # until somebody fails
            return
        batch = worker.piece.end - 1 if worker.backwards else worker.piece.first
        self._plan(now + wait + self.batches[batch] / worker.speed, number, "done")

    def _take(self, now: float, worker: _Worker) -> float:
        """Give a worker a piece, if there is one, and how long that takes."""
        worker.backwards = False
        if self.way == "shards":
            worker.piece = worker.queue.popleft() if worker.queue else None
            if worker.piece is not None:
                worker.piece.eaters += 1
            return 0.0
        if self.waiting:
            worker.piece = self.waiting.popleft()
            worker.piece.begun_s = now
            self.running[worker.piece] = None
        elif self.way == "seconds":
            alone = [p for p in self.running if p.eaters == 1]
            if alone:
                worker.piece, worker.backwards = min(alone, key=lambda p: p.begun_s), True
        if worker.piece is not None:
            worker.piece.eaters += 1
        return self.cluster.start_s if self.way == "array" else self.cluster.handing_out_s


def simulate(batches: Sequence[float], cluster: Cluster, seeds: int) -> dict[str, dict[str, float]]:
    """Give, for each way, median and worst time as a multiple of the ideal, and the share of work done twice."""
    found = {}
    for way in WAYS:
        runs = [Simulation(batches, cluster, way, seed) for seed in range(seeds)]
        ratios = [run.run() / run.ideal() for run in runs]
        twice = statistics.mean(run.computed / len(batches) - 1 for run in runs)
        found[way] = {"median": statistics.median(ratios), "worst": max(ratios), "twice": twice}
    return found


def times_of_batches(count: int, mean_s: float, seed: int = 0) -> list[float]:
    """Times that vary as those of tiles do: one in five is empty and nearly free, the others differ by a third."""
    rng = random.Random(seed)
    return [mean_s * (0.02 if rng.random() < 0.2 else rng.uniform(0.85, 1.15)) for _ in range(count)]


def measure_workers(scene_px: int, rounds: int) -> dict[str, float]:
    """Time the command with 1 and 2 processes on a generated scene, start-up taken away, and give the efficiency."""
    sys.path.insert(0, str(Path(__file__).parent))
    from memory import make_scene

    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        scene = Path(folder) / "scene.tif"
        make_scene(scene, scene_px, scene_px)
        tiny = Path(folder) / "tiny.tif"
        make_scene(tiny, 512, 512)
        taken: dict[int, list[float]] = {1: [], 2: []}
        for number in range(rounds):
            for workers in (1, 2):
                start = _timed(tiny, Path(folder) / f"t{number}-{workers}.tif", workers)
                taken[workers].append(_timed(scene, Path(folder) / f"m{number}-{workers}.tif", workers) - start)
    one, two = min(taken[1]), min(taken[2])
    return {"one_s": one, "two_s": two, "efficiency": one / (2 * two)}


def _timed(scene: Path, out: Path, workers: int) -> float:
    line = [sys.executable, "-m", "hectares", "predict", "builtin:dubai", str(scene), str(out), "--quiet"]
    line += ["--workers", str(workers), "--tile-px", "512", "--device", "cpu", "--gsd-tolerance", "9"]
    line += ["--bidx", "1,2,3", "--threads", "1"]
    started = time.monotonic()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def main() -> None:
    """Print a table, and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="time 1 and 2 processes on this machine")
    parser.add_argument("--scene-px", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=50_000, help="of the simulated scene")
    parser.add_argument("--batch-s", type=float, default=10.0, help="mean time of a simulated batch")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    record: dict[str, object] = {}
    if options.measure:
        record["measured"] = found = measure_workers(options.scene_px, options.rounds)
        print(f"1 process {found['one_s']:.1f} s, 2 processes {found['two_s']:.1f} s: "
              f"efficiency {found['efficiency']:.2f}")  # fmt: skip
    batches = times_of_batches(options.batches, options.batch_s)
    calm = Cluster(slow_share=0, failures_an_hour=0)
    cases = {
        "1,000 workers, all alike": calm,
        "5 % of them 5 times as slow": replace(calm, slow_share=0.05),
        "each fails every 2 hours": replace(calm, failures_an_hour=0.5),
        "both": Cluster(),
        "both, 1 % of them 50 times as slow": Cluster(slow_share=0.01, slowness=50),
    }
    simulated = {}
    for name, cluster in cases.items():
        simulated[name] = ways = simulate(batches, cluster, options.seeds)
        shown = ", ".join(f"{way} {v['median']:.2f} ({v['worst']:.2f})" for way, v in ways.items())
        print(f"{name:36s} {shown}; done twice {ways['seconds']['twice']:.2%}", flush=True)
    print(json.dumps(record | {"simulated": simulated}))


if __name__ == "__main__":
    main()
