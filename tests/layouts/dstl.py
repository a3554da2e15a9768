"""A tiny copy of the DSTL layout: images of 200 x 260 pixels, polygons in anonymous degrees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from factory import save_raster

SHAPE = (200, 260)
EXTENT = (0.0091, -0.0070)
"""Xmax and Ymin."""
IDS = ("6010_1_2", "6100_2_2")
UNLABELLED = "6010_0_0"

# Rectangles in pixels of three_band: row, col, row_end, col_end. Holes are cut out.
BUILDING = (20, 30, 60, 90)
HOLE = (30, 50, 45, 80)
ROAD = (100, 0, 112, 260)
VEHICLE = (104, 200, 108, 210)
POND = (150, 20, 170, 60)


def ring(
    box: tuple[int, int, int, int], *, shape: tuple[int, int] = SHAPE, extent: tuple[float, float] = EXTENT
) -> str:
    """Give a rectangle of pixels as a closed ring of degrees; factors as written in the rule, not as in the code."""
    height, width = shape
    x = extent[0] / (width * (width / (width + 1)))
    y = extent[1] / (height * (height / (height + 1)))
    row, col, row_end, col_end = box
    corners = ((col, row), (col_end, row), (col_end, row_end), (col, row_end), (col, row))
    return "(" + ", ".join(f"{c * x:.12f} {r * y:.12f}" for c, r in corners) + ")"


def default_cells() -> dict[int, str]:
    """Give the text of all classes: a building with a yard, a road with a vehicle on it, a pond, the rest empty."""
    cells = dict.fromkeys(range(1, 11), "MULTIPOLYGON EMPTY")
    cells[1] = f"MULTIPOLYGON (({ring(BUILDING)}, {ring(HOLE)}))"
    cells[3] = f"MULTIPOLYGON (({ring(ROAD)}))"
    cells[8] = f"MULTIPOLYGON (({ring(POND)}))"
    cells[10] = f"MULTIPOLYGON (({ring(VEHICLE)}))"
    return cells


def huge_cell(count: int = 1000) -> str:
    """Give more than 200 kB of text: trees of one pixel each, every second pixel of every second row."""
    boxes = ((2 * (i // 100), 2 * (i % 100)) for i in range(count))
    return "MULTIPOLYGON (" + ", ".join(f"({ring((r, c, r + 1, c + 1))})" for r, c in boxes) + ")"


def write_wkt(path: Path, images: Mapping[str, Mapping[int, str]]) -> Path:
    """Write a train_wkt_v4.csv: multipolygons in quotes, empty ones plain, as in the data."""
    lines = ["ImageId,ClassType,MultipolygonWKT"]
    for name, cells in images.items():
        lines += [f'{name},{n},"{text}"' if "," in text else f"{name},{n},{text}" for n, text in cells.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def texture(shape: tuple[int, int], *, seed: int = 0, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Give rectangles of many sizes seen in pixels (h, w), moved down and right by a shift in these pixels."""
    fine, margin = 8, 160
    rng = np.random.default_rng(seed)
    canvas = np.full((shape[0] * fine + 2 * margin, shape[1] * fine + 2 * margin), 300.0)
    for _ in range(shape[0] * shape[1] // 20):
        row, col = rng.integers(0, canvas.shape[0]), rng.integers(0, canvas.shape[1])
        height, width = rng.integers(16, 120, 2)
        canvas[row : row + height, col : col + width] = rng.uniform(100, 900)
    row, col = (round(margin - s * fine) for s in shift)
    seen = canvas[row:, col:][: shape[0] * fine, : shape[1] * fine]
    return seen.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))


def write_dstl(
    folder: Path,
    *,
    ids: tuple[str, ...] = IDS,
    cells: Mapping[int, str] | None = None,
    m_shift: tuple[float, float] = (0.0, 0.0),
    flat: bool = False,
) -> Path:
    """Write the layout: planar uint16 images without a place, one of them without labels, and both tables.

    `m_shift` moves the content of M down and right, in pixels of M; `flat` leaves M without texture.
    """
    for kind in ("three_band", "sixteen_band"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate((*ids, UNLABELLED)):
        scene = texture((50, 65), seed=seed)
        moved = np.full((50, 65), 500.0) if flat else 1500 - texture((50, 65), seed=seed, shift=m_shift)
        fine = scene.repeat(4, axis=0).repeat(4, axis=1)
        images = {
            f"three_band/{name}.tif": np.stack([fine, fine + 10, fine + 20]),
            f"sixteen_band/{name}_P.tif": fine[None],
            f"sixteen_band/{name}_M.tif": np.stack([moved + 10 * b for b in range(8)]),
            f"sixteen_band/{name}_A.tif": np.stack([np.full((8, 10), 1000.0 * (b + 1)) for b in range(8)]),
        }
        for path, image in images.items():
            save_raster(folder / path, image.astype(np.uint16), crs=None, transform=None, interleave="band")
    write_wkt(folder / "train_wkt_v4.csv", dict.fromkeys(ids, default_cells() if cells is None else cells))
    rows = [f"{name},{EXTENT[0]},{EXTENT[1]}" for name in (*ids, UNLABELLED)]
    (folder / "grid_sizes.csv").write_text("\n".join([",Xmax,Ymin", *rows]) + "\n", encoding="utf-8")
    return folder
