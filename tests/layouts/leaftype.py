"""A tiny copy of the leaf-type layout: six pairs in two cells of the grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine

from factory import save_raster

IDS = (
    "32N-12E-230N_01_14",
    "32N-12E-230N_01_15",
    "32N-12E-230N_02_15",
    "32N-13E-231N_07_01",
    "32N-13E-231N_07_02",
    "32N-13E-231N_08_02",
)
BARE = IDS[1]
"""Its label has a row of 255 and a single 254."""


def label_codes(name: str) -> np.ndarray:
    """Give the label of an id (64, 64): classes in stripes, and unknown codes in one of them."""
    codes = np.repeat(np.arange(64, dtype=np.uint8)[None] // 22, 64, axis=0)
    if name == BARE:
        codes[0] = 255
        codes[5, 7] = 254
        codes[6, 7] = 17
    return codes


def write_leaftype(folder: Path, *, underscores: bool = False) -> Path:
    """Write the layout; band b of each image is 1000 * b everywhere."""
    image = np.repeat(1000 * np.arange(1, 13, dtype=np.uint16), 64 * 64).reshape(12, 64, 64)
    for n, name in enumerate(IDS):
        place = name.replace("-", "_") if underscores else name
        transform = Affine(10, 0, 600_000 + 640 * n, 0, -10, 5_300_000)
        for path, pixels in ((f"images/{place}/07.tif", image), (f"labels/{place}/dlt.tif", label_codes(name))):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            save_raster(folder / path, pixels, crs="EPSG:32632", transform=transform)
    return folder
