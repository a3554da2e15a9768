"""Tiny copies of Inria and Massachusetts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layouts.land_cover import SIDE, picture, write


def roofs() -> np.ndarray:
    """Give True (64, 64) where a roof is: 10 x 20 px."""
    found = np.zeros((SIDE, SIDE), np.bool_)
    found[5:15, 30:50] = True
    return found


def write_inria(folder: Path) -> Path:
    """Write tiles of two cities with labels, one of which validates, and a tile of another city without."""
    for tile in ("austin5", "austin6", "tyrol-w12"):
        write(folder / f"AerialImageDataset/train/images/{tile}.tif", picture(), crs="EPSG:26914")
        write(
            folder / f"AerialImageDataset/train/gt/{tile}.tif",
            np.where(roofs(), 255, 0).astype(np.uint8),
            crs="EPSG:26914",
        )
    write(folder / "AerialImageDataset/test/images/bellingham1.tif", picture(), crs="EPSG:26910")
    return folder


def write_massachusetts(folder: Path, *, gray: bool = False, repack: bool = False) -> Path:
    """Write an image of each part; buildings are red on black, or 255 in one band."""
    red = np.zeros((3, SIDE, SIDE), np.uint8)
    red[0] = np.where(roofs(), 255, 0)
    for n, part in enumerate(("train", "val" if repack else "valid", "test")):
        name = f"2267891{n}_15"
        image = f"tiff/{part}/{name}.tiff" if repack else f"{part}/sat/{name}.tiff"
        label = f"tiff/{part}_labels/{name}.tif" if repack else f"{part}/map/{name}.tif"
        write(folder / image, picture())
        write(folder / label, red[:1] if gray else red)
    return folder
