"""Tiny copies of ISPRS Potsdam and Vaihingen, with their traps: colors off the palette, and borders in black."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from factory import save_raster

SHAPE = (64, 80)
COLORS = np.array(
    [(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0), (0, 0, 0)], np.uint8
)
"""Impervious surface, building, low vegetation, tree, car, clutter; black is an eroded border."""
STARTS = (0, 13, 26, 39, 52, 65)
"""First column of the stripe of each class."""
OFF_CAR = (7, 55)
"""Where a car is drawn in (252, 255, 0)."""
POTSDAM = ("2_10", "7_13")
JITTERED = "7_13"
"""A tile whose label was compressed with losses."""
WORLD = "0.05\n0.0\n0.0\n-0.05\n366676.025\n5808000.975\n"


def class_indices(*, eroded: bool = False) -> np.ndarray:
    """Give indices (64, 80): vertical stripes; where eroded, 255 in the three columns on both sides of a border."""
    indices = (np.searchsorted(STARTS, np.arange(SHAPE[1]), side="right") - 1).astype(np.uint8)
    if eroded:
        for start in STARTS[1:]:
            indices[start - 3 : start + 3] = 255
    return np.repeat(indices[None], SHAPE[0], axis=0)


def label_colors(*, eroded: bool = False, jittered: bool = False) -> np.ndarray:
    """Give a label in colors (3, 64, 80)."""
    indices = class_indices(eroded=eroded)
    colors = COLORS[np.where(indices == 255, 6, indices)].transpose(2, 0, 1).astype(int)
    if jittered:
        noise = np.random.default_rng(4).integers(0, 80, colors.shape)
        colors = np.where(colors == 255, 255 - noise, noise)
    else:
        colors[0, OFF_CAR[0], OFF_CAR[1]] = 252
    return colors.astype(np.uint8)


def _image(bands: Sequence[int]) -> np.ndarray:
    return np.stack([np.full(SHAPE, value, np.uint8) for value in bands])


def _write(path: Path, image: np.ndarray, *, world: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_raster(path, image, crs=None, transform=None, photometric="MINISBLACK")
    if world is not None:
        path.with_suffix(".tfw").write_text(world)


def write_potsdam(folder: Path, *, eroded: bool = True, tiles: Sequence[str] = POTSDAM) -> Path:
    """Write two tiles, one to train and one to test. Bands are constant: red 10, green 20, blue 30, infrared 40."""
    for tile in tiles:
        row, col = map(int, tile.split("_"))
        padded = f"{row:02}_{col:02}"
        dsm = np.full((1, *SHAPE), 41.5, np.float32)
        dsm[0, 3, 4] = 55.25
        _write(folder / f"1_DSM/dsm_potsdam_{padded}.tif", dsm, world=WORLD)
        for method in ("lastools", "ownapproach"):
            name = f"1_DSM_normalisation/dsm_potsdam_{padded}_normalized_{method}.jpg"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            save_raster(folder / name, np.full((1, *SHAPE), 77, np.uint8))
        top = f"top_potsdam_{tile}"
        _write(folder / f"2_Ortho_RGB/{top}_RGB.tif", _image([10, 20, 30]), world=WORLD)
        _write(folder / f"3_Ortho_IRRG/{top}_IRRG.tif", _image([40, 10, 20]), world=WORLD)
        _write(folder / f"4_Ortho_RGBIR/{top}_RGBIR.tif", _image([10, 20, 30, 40]), world=WORLD)
        _write(folder / f"5_Labels_all/{top}_label.tif", label_colors(jittered=tile == JITTERED))
        if eroded:
            name = f"5_Labels_all_noBoundary/{top}_label_noBoundary.tif"
            _write(folder / name, label_colors(eroded=True, jittered=tile == JITTERED))
    return folder


def write_vaihingen(folder: Path, *, eroded: bool = True, areas: Sequence[int] = (1, 2)) -> Path:
    """Write areas; images and labels have one name. Bands are constant: infrared 40, red 10, green 20."""
    for area in areas:
        name = f"top_mosaic_09cm_area{area}"
        _write(folder / f"top/{name}.tif", _image([40, 10, 20]))
        _write(folder / f"dsm/dsm_09cm_matching_area{area}.tif", np.full((1, *SHAPE), 270.5, np.float32))
        _write(folder / f"gts_for_participants/{name}.tif", label_colors())
        if eroded:
            _write(folder / f"gts_eroded_for_participants/{name}_noBoundary.tif", label_colors(eroded=True))
    return folder
