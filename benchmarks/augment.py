"""What each augmentation takes for a chip of 256 x 256 px with 3 and 12 bands, against reading the bare chip.

One thread. Chips are generated, stored as `prepare` stores them, and read through `ChipDataset` as training does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from affine import Affine

from hectares.config.prepare import PrepareConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, RasterLabel
from hectares.io.chips.store import ChipStore
from hectares.io.rasters.scene_file import write_scene
from hectares.model.augmentation.augment import RECIPES, STEPS, find_augmentation
from hectares.model.training.dataset import ChipDataset, ChipSource
from hectares.prepare import prepare_catalog

CHIP = 256
SIDE = 6
"""Chips along a side of the scene."""


def make_store(folder: Path, bands: int) -> ChipStore:
    """Cut a generated scene of smooth ground with grain into chips."""
    rng, size = np.random.default_rng(bands), SIDE * CHIP
    grid = Grid("EPSG:32633", Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), (size, size))
    ground = np.kron(rng.integers(40, 200, (bands, size // 64, size // 64)), np.ones((1, 64, 64)))
    image = np.clip(ground + rng.normal(0, 6, ground.shape), 1, 255).astype(np.uint8)
    label = np.kron(rng.integers(1, 6, (size // 32, size // 32)), np.ones((32, 32))).astype(np.uint8)
    names = tuple(f"band {n}" for n in range(1, bands + 1))
    write_scene(folder / f"image{bands}.tif", image, grid, names, nodata=0, overwrite=False)
    write_scene(folder / f"label{bands}.tif", label[None], grid, ("class",), nodata=0, overwrite=False)
    legend = Legend.of({k: f"class {k}" for k in range(1, 6)}, nodata=0)
    label_file = RasterLabel(folder / f"label{bands}.tif")
    scene = CatalogScene("s", (ImageFile(folder / f"image{bands}.tif"),), label_file, "s", "train")
    config = PrepareConfig(chip_px=CHIP, edge="drop")
    return prepare_catalog(Catalog((scene,), legend), folder / f"chips{bands}", config, overwrite=True)


def seconds_a_chip(datasets: dict[str, ChipDataset], rounds: int) -> dict[str, float]:
    """Mean processor time of an item of each data set; the median over rounds in which they take turns."""
    found: dict[str, list[float]] = {name: [] for name in datasets}
    for epoch in range(rounds):
        for name, dataset in datasets.items():
            start = time.process_time()
            for number in range(len(dataset)):
                dataset[epoch, 0, 0, number]
            found[name].append((time.process_time() - start) / len(dataset))
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", action="store_true", help="each step by itself as well")
    args = parser.parse_args()
    torch.set_num_threads(1)
    texts = [*RECIPES, *(f"{name}(p=1)" for name in STEPS if args.steps)]
    result: dict[str, object] = {"threads": 1, "processors": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        for bands in (3, 12):
            store = make_store(Path(name), bands)
            source = ChipSource(
                store.chips("train"),
                lambda _, image, store=store: store.scaling.apply(image),  # type: ignore[misc]
                spread=np.ones(bands, np.float32),
            )
            datasets = {t: ChipDataset([source], augmentation=find_augmentation(t)) for t in texts}
            found = seconds_a_chip(datasets, args.rounds)
            print(f"{bands} bands of {CHIP} x {CHIP} px: ms a chip, read and scaled, and times as long as without")
            for text, seconds in found.items():
                print(f"  {text}: {1000 * seconds:.2f}, {seconds / found['none']:.2f} x")
                result[f"{bands} {text}"] = round(seconds / found["none"], 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
