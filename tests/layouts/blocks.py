"""A data set of images beside labels in folders: blocks of gray levels, whose classes are their levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine

from factory import save_raster

SHAPE = (96, 80)
CODES = np.array([20, 10, 35], np.uint8)
"""Codes of the legend of the tests."""
LEVELS = np.array([[60, 110, 160], [90, 60, 130], [40, 150, 90]], np.float64)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give an image (3, H, W) and its label (H, W) of codes."""
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 3, (12, 10)).repeat(8, axis=0).repeat(8, axis=1)
    image = LEVELS[:, index] + rng.normal(0, 8, (3, *SHAPE))
    return np.clip(image, 1, 254).astype(np.uint8), CODES[index]


def place(number: int) -> Affine:
    """Give where the scene of a number lies: one beside the other, 1 km apart."""
    return Affine(10, 0, 500_000 + 1_000 * number, 0, -10, 5_000_000)


def write_pair(
    folder: Path, number: int, *, split: str = "train", image: np.ndarray | None = None, label: np.ndarray | None = None
) -> None:
    """Write one scene, by default the one drawn from its number."""
    drawn = draw(number)
    for kind, own, given in (("images", drawn[0], image), ("labels", drawn[1], label)):
        path = folder / split / kind / f"s{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_raster(path, own if given is None else given, transform=place(number))


def write_blocks(folder: Path) -> Path:
    """Write four scenes of train and two of val."""
    for number in range(6):
        write_pair(folder, number, split="train" if number < 4 else "val")
    return folder
