"""A prediction that is killed at random moments, again and again, must end with the bytes of an undisturbed one.

Each trial is one map: the command is started, its process group gets SIGKILL after a random time, and that is repeated
until the command ends by itself. Times are drawn from a seed that is printed, so that a trial can be repeated. The
network is one convolution in ONNX: nearly all kills hit reading, writing and placing.

A command is forked from a process that has imported the package and done nothing else: importing takes longer than
all the rest and leaves nothing on the disk, so that a kill in it would show nothing. The undisturbed map is made by
the command as people start it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
_MOST_STARTS = 200
_LONGER = 1.1
"""Each kill lets the next start live longer, so that a machine that becomes busy comes to an end too."""
MODES = ("plain", "scores", "workers", "overwrite")
_IMPORTED = ("hectares.cli.chain", "hectares.predict", "hectares.runtime.onnx")


@dataclass
class Trial:
    """What became of one map."""

    seed: int
    mode: str
    kills: int = 0
    same: bool = False
    left: list[str] = field(default_factory=list)
    """Files beside the map that should not be there."""
    wrong: str = ""


def make_inputs(folder: Path) -> tuple[Path, Path]:
    """Write a segmenter of one convolution, and a scene of about 100 batches with a hole."""
    from factory import save_raster
    from hectares.core.legend import Legend
    from segmenters import save_convolution

    rng = np.random.default_rng(0)
    image = rng.integers(1, 100, (2, 300, 420), dtype=np.uint8)
    valid = np.ones(image.shape[1:], bool)
    valid[40:90, 120:260] = False
    save_raster(folder / "scene.tif", image, names=["red", "nir"], valid=valid, valid_as="mask")
    legend = Legend.of({1: "water", 4: "forest", 9: "town"})
    return save_convolution(folder / "run", legend).folder, folder / "scene.tif"


def command(run: Path, scene: Path, out: Path, mode: str) -> list[str]:
    """Give what follows `hectares` on the command line of a mode."""
    line = ["predict", str(run), str(scene), str(out / "map.tif"), "--quiet"]
    line += ["--tile-px", "40", "--overlap-px", "8", "--runtime", "onnx", "--threads", "1"]
    more = {
        "scores": ["--scores", str(out / "scores.tif")],
        "workers": ["--workers", "2"],
        "overwrite": ["--overwrite"],
    }
    return line + more.get(mode, [])


def contents(out: Path) -> dict[str, bytes]:
    """Give all files of a result."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


class Command:
    """A command in a process of its own, which leads a process group."""

    def __init__(self, line: Sequence[str], said: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_IMPORTED))
        begun, begins = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(list(line), said, begins))
        self._process.start()
        begins.close()
        begun.recv_bytes()

    def wait(self, longest_s: float | None = None) -> int | None:
        """Give the exit code; None if it was killed, by SIGKILL to its group, because it took longer."""
        self._process.join(longest_s)
        if self._process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(self._process.pid or 0, signal.SIGKILL)
            self._process.join()
        return None if self._process.exitcode == -signal.SIGKILL else self._process.exitcode


def _run(line: list[str], said: Path, begins: Connection) -> None:
    from hectares.cli.main import run

    os.setsid()
    with said.open("wb") as errors, Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    sys.argv = ["hectares", *line]  # of which the command line makes that of its workers
    begins.send_bytes(b"ready")
    sys.exit(run(line))


def undisturbed(run: Path, scene: Path, out: Path, mode: str) -> tuple[dict[str, bytes], float]:
    """Run the command once, in peace, as people do; give its files, and how long it takes without its imports."""
    out.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "hectares", *command(run, scene, out, mode)], check=True, stdout=subprocess.DEVNULL
    )
    again = out / "again"
    again.mkdir()
    started = time.monotonic()
    assert Command(command(run, scene, again, mode), out / "said").wait() == 0, (out / "said").read_text()
    took = time.monotonic() - started
    (out / "said").unlink()
    assert contents(again) == contents(out)
    return contents(out), took


def disturb(line: Sequence[str], out: Path, expected: dict[str, bytes], longest_s: float, trial: Trial) -> None:
    """Kill the command at random moments until it has ended by itself."""
    rng = random.Random(trial.seed)
    said = out.with_suffix(".said")
    for _ in range(_MOST_STARTS):
        code = Command(line, said).wait(rng.uniform(0, longest_s))
        if code is None:
            trial.kills += 1
            longest_s *= _LONGER
            continue
        text = said.read_text(errors="replace")
        if code not in {0, 3} and "exists already" not in text:
            trial.wrong = f"exit {code}: {text.strip()[-300:]}"
        break
    found = contents(out)
    trial.left = sorted(p.name for p in out.iterdir() if p.name not in expected)
    trial.same = {name: found.get(name) for name in expected} == expected


def run_trials(count: int, seed: int, folder: Path, modes: Sequence[str]) -> list[Trial]:
    """Kill `count` times in all or a little more, and give what became of each map."""
    run, scene = make_inputs(folder)
    expected = {mode: undisturbed(run, scene, folder / f"whole-{mode}", mode) for mode in modes}
    trials: list[Trial] = []
    while sum(t.kills for t in trials) < count:
        trial = Trial(seed + len(trials), modes[len(trials) % len(modes)])
        out = folder / f"trial-{trial.seed}"
        out.mkdir()
        files, took = expected[trial.mode]
        if trial.mode == "overwrite":
            old = [*command(run, scene, out, "plain"), "--unsure", "0.5"]
            assert Command(old, out.with_suffix(".said")).wait() == 0
        disturb(command(run, scene, out, trial.mode), out, files, took, trial)
        trials.append(trial)
        good = trial.same and not trial.left and not trial.wrong
        print(f"seed {trial.seed:5d} {trial.mode:9s} {trial.kills:3d} kills  {'same' if good else trial}", flush=True)
        if good:
            shutil.rmtree(out)
    return trials


def main() -> int:
    """Print one line a map, and a line of JSON; exit code 1 if any map differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every worker would compile the package anew
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    started = time.monotonic()
    trials = run_trials(options.kills, options.seed, folder, options.modes)
    bad = [t for t in trials if not t.same or t.left or t.wrong]
    kills = sum(t.kills for t in trials)
    record = {"kills": kills, "maps": len(trials), "different": len(bad), "seed": options.seed}
    record["s_a_kill"] = round((time.monotonic() - started) / max(1, kills), 2)
    print(json.dumps(record | {"folder": str(folder) if bad else None}))
    if not bad:
        shutil.rmtree(folder)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
