"""A tiny copy of track 1 of the Data Fusion Contest 2019."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from factory import save_raster

VIEWS = ("JAX_001_001", "JAX_001_002", "OMA_002_001")
"""The first two show the same tile."""
CODES = (2, 5, 6, 9, 17, 65)


def view_codes() -> np.ndarray:
    """Give LAS codes (64, 64), six horizontal stripes of 11 rows; the last is unlabelled."""
    return np.repeat(np.array(CODES, np.uint8)[np.arange(64) // 11], 64).reshape(64, 64)


def msi_values() -> np.ndarray:
    """Give eight bands (8, 64, 64): 1000 a band, and 1 a column."""
    return (1000 * np.arange(1, 9)[:, None, None] + np.arange(64)[None, None] + np.zeros((1, 64, 1))).astype(np.uint16)


def heights() -> np.ndarray:
    """Give heights (1, 64, 64) with a hole of 3 x 5 px."""
    metres = np.full((1, 64, 64), 6.5, np.float32)
    metres[0, 20:23, 30:35] = np.nan
    return metres


def write_dfc2019(folder: Path, *, hidden: bool = False) -> Path:
    """Write three views, in the folders of the downloads; `hidden` adds one without labels."""
    for view in VIEWS:
        files = {
            f"Train-Track1-RGB/{view}_RGB.tif": np.full((3, 64, 64), 90, np.uint8),
            f"Train-Track1-MSI-1/{view}_MSI.tif": msi_values(),
            f"Train-Track1-Truth/{view}_CLS.tif": view_codes(),
            f"Train-Track1-Truth/{view}_AGL.tif": heights(),
        }
        for name, image in files.items():
            _write(folder / name, image)
    if hidden:
        _write(folder / "Validate-Track1/JAX_100_003_RGB.tif", np.full((3, 64, 64), 90, np.uint8))
    return folder


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_raster(path, image, crs=None, transform=None, photometric="MINISBLACK")
