"""A prediction that is killed at random moments, again and again, must end with the bytes of an undisturbed one.

Each trial is one map: the command is started, its process group gets SIGKILL after a random time, and that is repeated
until the command ends by itself. Times are drawn from a seed that is printed, so that a trial can be repeated. The
network is one convolution in ONNX: nearly all kills hit reading, writing and placing.
"""

from __future__ import annotations

import argparse
import json
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
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
_MOST_STARTS = 200
MODES = ("plain", "scores", "workers", "overwrite")


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
    """Give the command of a mode."""
    line = [sys.executable, "-m", "hectares", "predict", str(run), str(scene), str(out / "map.tif"), "--quiet"]
    line += ["--tile-px", "40", "--overlap-px", "8", "--device", "cpu", "--threads", "1"]
    more = {
        "scores": ["--scores", str(out / "scores.tif")],
        "workers": ["--workers", "2"],
        "overwrite": ["--overwrite"],
    }
    return line + more.get(mode, [])


def contents(out: Path) -> dict[str, bytes]:
    """Give all files of a result."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def undisturbed(run: Path, scene: Path, out: Path, mode: str) -> tuple[dict[str, bytes], float]:
    """Run the command once, in peace."""
    out.mkdir(parents=True)
    started = time.monotonic()
    subprocess.run(command(run, scene, out, mode), check=True, stdout=subprocess.DEVNULL)
    return contents(out), time.monotonic() - started


def disturb(line: Sequence[str], out: Path, expected: dict[str, bytes], longest_s: float, trial: Trial) -> None:
    """Kill the command at random moments until it has ended by itself."""
    rng = random.Random(trial.seed)
    for _ in range(_MOST_STARTS):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        try:
            _, said = process.communicate(timeout=rng.uniform(0, longest_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            trial.kills += 1
            continue
        text = said.decode(errors="replace")
        if process.returncode not in {0, 3} and "exists already" not in text:
            trial.wrong = f"exit {process.returncode}: {text.strip()[-300:]}"
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
            subprocess.run(old, check=True, stdout=subprocess.DEVNULL)
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
    trials = run_trials(options.kills, options.seed, folder, options.modes)
    bad = [t for t in trials if not t.same or t.left or t.wrong]
    record = {"kills": sum(t.kills for t in trials), "maps": len(trials), "different": len(bad), "seed": options.seed}
    print(json.dumps(record | {"folder": str(folder) if bad else None}))
    if not bad:
        shutil.rmtree(folder)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
