"""Training: chips a second against the same network in a bare loop, and what reading and augmenting cost.

Ratios inside one run, as machines differ: ours / bare should be at least 0.95, and the loader at least as fast as the
network. A round counts if the rest of the machine took less than a fifth of a processor meanwhile; `--any` counts all.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from quiet import MOST_CORES, Meter

from hectares.config.prepare import PrepareConfig
from hectares.config.train import TrainConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.artefact import dump_json
from hectares.io.chips.selection import Selection
from hectares.io.chips.store import open_chips
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.scene_file import write_scene
from hectares.model.loss.losses import find_loss
from hectares.model.networks.zoo import build_network, network_options
from hectares.monitor import QuietMonitor
from hectares.prepare import prepare_chips
from hectares.runtime.allocator import keep_freed_memory
from hectares.train import _loader, train_segmenter

BATCH, ROUNDS = 4, 3


def make_chips(root: Path, chip_px: int) -> Path:
    """Cut chips from a scene of noise on squares."""
    rng = np.random.default_rng(0)
    side = 6 * chip_px
    grid = Grid("EPSG:32633", Affine(1, 0, 500_000, 0, -1, 5_000_000), (side, side))
    classes = rng.integers(0, 4, (side // 32, side // 32)).repeat(32, 0).repeat(32, 1).astype(np.uint8)
    image = (classes * 40 + rng.integers(0, 60, (3, side, side))).astype(np.uint8)
    write_scene(root / "scene.tif", image, grid, ("red", "green", "blue"), nodata=None, overwrite=True)
    legend = Legend.of({1: "a", 2: "b", 3: "c", 4: "d"}).for_maps()
    write_class_map(root / "label.tif", classes, grid, legend, {}, overwrite=True)
    (root / "legend.json").write_text(dump_json(legend.to_json()))
    scene = {"id": "s", "image": "scene.tif", "label": "label.tif"}
    (root / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": [scene]}))
    config = PrepareConfig(chip_px=chip_px, split="block", val_share=0.1, test_share=0)
    prepare_chips(root / "catalog.json", root / "chips", config)
    return root / "chips"


class Clock(QuietMonitor):
    """Notes when each step of training ended."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Look at the clock."""
        del done, total, note
        if stage == "training":
            self.ticks.append(time.perf_counter())


def seconds_a_step_ours(chips: Path, out: Path, config: TrainConfig) -> float:
    """Median time between steps of `train_segmenter`."""
    clock = Clock()
    train_segmenter(chips, out, config, overwrite=True, monitor=clock)
    return statistics.median(np.diff(clock.ticks[2:]))


def seconds_a_step_bare(chips: Path, config: TrainConfig, steps: int) -> float:
    """Median time of a step of the shortest loop that does the same: chips in memory, no augmentation."""
    store = open_chips(chips)
    options = network_options(config.network, encoder=config.encoder, width=config.width)
    network = build_network(config.network, options, bands=3, classes=4).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr)
    loss_of = find_loss(config.loss)
    reader, scaling = store.chips("train"), store.scaling
    read = [reader.read(n) for n in range(BATCH)]
    image = torch.from_numpy(np.stack([scaling.apply(c.image) for c in read])).to(memory_format=torch.channels_last)
    label = torch.from_numpy(np.stack([c.label for c in read]).astype(np.int64))
    network.train()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = loss_of(network(image), label, None, None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def seconds_a_batch_read(chips: Path, config: TrainConfig) -> float:
    """Time of the loader alone, without a network behind it."""
    loader = _loader([Selection.of(open_chips(chips))], "train", config, BATCH, "cpu", train=True)
    start = time.perf_counter()
    count = sum(1 for _ in loader)
    return (time.perf_counter() - start) / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="unet-elu")
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--width", type=int, default=None)
    parser.add_argument("--chip-px", type=int, default=256)
    parser.add_argument("--augment", default="d4")
    parser.add_argument("--any", action="store_true", help="count rounds of a busy machine too")
    given = parser.parse_args()
    keep_freed_memory()
    config = TrainConfig(
        network=given.network,
        encoder=given.encoder,
        width=given.width,
        batch=BATCH,
        epochs=1,
        steps_per_epoch=10,
        augment=given.augment,
        precision="fp32",
        device="cpu",
    )
    with tempfile.TemporaryDirectory() as folder:
        chips = make_chips(Path(folder), given.chip_px)
        read = seconds_a_batch_read(chips, config)
        ratios, times = [], []
        for _ in range(ROUNDS):
            meter = Meter()
            bare = seconds_a_step_bare(chips, config, 10)
            ours = seconds_a_step_ours(chips, Path(folder) / "run", config)
            others = meter.read()[1]
            is_quiet = others < MOST_CORES
            told = "" if is_quiet else " (not quiet)"
            print(f"bare {bare:.3f} s, ours {ours:.3f} s, others took {others:.2f} cores{told}")
            if is_quiet or given.any:
                ratios.append(bare / ours)
                times.append(ours)
    if not ratios:
        raise SystemExit("the machine was not quiet in any round; --any counts those of a busy one")
    step = statistics.median(times)
    print(f"{given.network}, batches of {BATCH} x {given.chip_px} px, augment {given.augment}, {len(ratios)} rounds")
    print(f"ours / bare loop, chips a second   {statistics.median(ratios):.3f}   (goal 0.95)")
    print(f"a step takes {1000 * step:.0f} ms; reading and augmenting its batch {1000 * read:.1f} ms, one thread")


if __name__ == "__main__":
    main()
