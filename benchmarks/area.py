"""Areas: how right they are on random grids in many CRSs, and what they cost next to counting pixels.

The reference is the area of each pixel as a geodesic polygon with many vertices along edges that are straight in the
CRS of the grid, by GeographicLib. Usage: python benchmarks/area.py [--grids 10000] [--side 20000]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

from hectares.core.area import AreaTally, pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map, save_class_map

LEGEND = Legend.of({1: "water", 2: "forest", 3: "cropland", 4: "settlement", 5: "bare", 6: "wetland"})
Draw = Callable[[np.random.Generator], tuple[str, float, float, float]]
"""CRS, x, y, and the side of a pixel in units of the CRS."""


def _size(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def degrees(rng: np.random.Generator) -> tuple[str, float, float, float]:
    return "EPSG:4326", rng.uniform(-180, 180), rng.uniform(-88, 88), _size(rng, 1e-3, 0.2)


def antimeridian(rng: np.random.Generator) -> tuple[str, float, float, float]:
    size = _size(rng, 1e-3, 0.2)
    return "EPSG:4326", 180 - 1.5 * size, rng.uniform(-88, 88), size


def mercator(rng: np.random.Generator) -> tuple[str, float, float, float]:
    return "EPSG:3857", rng.uniform(-2e7, 2e7), rng.uniform(-1.5e7, 1.5e7), _size(rng, 50, 2e4)


def utm(rng: np.random.Generator) -> tuple[str, float, float, float]:
    zone, south = int(rng.integers(1, 61)), bool(rng.integers(2))
    y = rng.uniform(1.1e6, 9.9e6) if south else rng.uniform(1e5, 9.3e6)
    return (
        f"EPSG:{32700 if south else 32600}".replace("00", f"{zone:02d}"),
        rng.uniform(1.7e5, 8.3e5),
        y,
        _size(rng, 50, 1e4),
    )


def polar(rng: np.random.Generator) -> tuple[str, float, float, float]:
    return str(rng.choice(["EPSG:3031", "EPSG:3413"])), *(rng.uniform(-3e6, 3e6) for _ in "xy"), _size(rng, 50, 2e4)


def pole(rng: np.random.Generator) -> tuple[str, float, float, float]:
    size = _size(rng, 500, 2e4)
    return (
        str(rng.choice(["EPSG:3031", "EPSG:3413"])),
        -rng.uniform(0.1, 2.9) * size,
        rng.uniform(0.1, 2.9) * size,
        size,
    )


def feet(rng: np.random.Generator) -> tuple[str, float, float, float]:
    return "EPSG:2263", rng.uniform(9e5, 1.1e6), rng.uniform(1.2e5, 2.8e5), _size(rng, 200, 2e4)


def equal_area(rng: np.random.Generator) -> tuple[str, float, float, float]:
    return "EPSG:3035", rng.uniform(2.7e6, 6.5e6), rng.uniform(1.5e6, 5e6), _size(rng, 50, 2e4)


KINDS: dict[str, tuple[Draw, bool]] = {
    "degrees": (degrees, False), "degrees, antimeridian": (antimeridian, False), "degrees, turned": (degrees, True),
    "Web Mercator": (mercator, False), "UTM, all zones": (utm, False), "UTM, turned and sheared": (utm, True),
    "polar stereographic": (polar, False), "around a pole": (pole, False), "feet": (feet, False),
    "equal area": (equal_area, False),
}  # fmt: skip


def make_grid(draw: Draw, turned: bool, rng: np.random.Generator) -> Grid:
    crs, x, y, size = draw(rng)
    transform = Affine(size, 0, x, 0, -size * rng.uniform(0.5, 2), y)
    if turned:
        transform = transform @ Affine.rotation(rng.uniform(0, 360)) @ Affine.shear(rng.uniform(-20, 20), 0)
    return Grid(crs, transform, (3, 3))


def geodesic_area(grid: Grid, row: int, col: int, points: int) -> float:
    crs = pyproj.CRS(grid.crs)
    t = np.arange(points) / points
    one, none = np.ones(points), np.zeros(points)
    x, y = grid.transform @ (col + np.concatenate([t, one, 1 - t, none]), row + np.concatenate([none, t, one, 1 - t]))
    if not crs.is_geographic:
        x, y = _degrees(str(grid.crs)).transform(x, y)
    return abs(crs.get_geod().polygon_area_perimeter(x, y)[0])


_TRANSFORMERS: dict[str, pyproj.Transformer] = {}


def _degrees(crs: str) -> pyproj.Transformer:
    if crs not in _TRANSFORMERS:
        _TRANSFORMERS[crs] = pyproj.Transformer.from_crs(crs, pyproj.CRS(crs).geodetic_crs, always_xy=True)
    return _TRANSFORMERS[crs]


def errors(grids: int) -> dict[str, NDArray[np.float64]]:
    """Relative error of one pixel of each grid, by kind."""
    rng, found = np.random.default_rng(0), {}
    for name, (draw, turned) in KINDS.items():
        wrong = []
        for _ in range(grids // len(KINDS)):
            grid = make_grid(draw, turned, rng)
            row, col = (int(v) for v in rng.integers(0, 3, 2))
            truth = geodesic_area(grid, row, col, 400)
            wrong.append(abs(pixel_area(grid, grid.window)[row, col] / truth - 1))
        found[name] = np.array(wrong)
        middle, most = np.median(wrong), np.quantile(wrong, 0.99)
        print(f"{name:26} median {middle:8.1e}   99 % {most:8.1e}   largest {max(wrong):8.1e}")
    return found


def make_map(path: Path, crs: str, transform: Affine, side: int) -> None:
    rng = np.random.default_rng(1)

    def strips() -> object:
        for start in range(0, side, 512):
            rows = min(512, side - start)
            coarse = rng.integers(1, 7, (rows // 32 + 1, side // 32 + 1), dtype=np.uint8)
            yield coarse.repeat(32, axis=0).repeat(32, axis=1)[:rows, :side]

    work = work_path(path)
    work.mkdir()
    save_class_map(path, work, strips(), Grid(crs, transform, (side, side)), LEGEND, {}, overwrite=True)  # type: ignore[arg-type]


def times(path: Path) -> dict[str, float]:
    """Seconds to read a map, to read and count it, and to read and measure it."""
    found = dict.fromkeys(("read", "count", "measure"), 0.0)
    with open_class_map(path) as opened:
        tally, counts = AreaTally(LEGEND), np.zeros(256, np.int64)
        for window in opened.windows():
            started = time.perf_counter()
            indices = opened.read(window)
            read = time.perf_counter() - started
            started = time.perf_counter()
            counts += np.bincount(indices.ravel(), minlength=256)
            counted = time.perf_counter() - started
            started = time.perf_counter()
            tally.add(indices, pixel_area(opened.grid, window))
            measured = time.perf_counter() - started
            for name, seconds in (("read", read), ("count", read + counted), ("measure", read + measured)):
                found[name] += seconds
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grids", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=20_000)
    given = parser.parse_args()
    found = errors(given.grids)
    record: dict[str, object] = {"largest": {name: float(wrong.max()) for name, wrong in found.items()}}
    places = {
        "EPSG:4326": Affine(1e-4, 0, 10, 0, -1e-4, 52),
        "EPSG:32633": Affine(10, 0, 400_000, 0, -10, 5_600_000),
    }
    with tempfile.TemporaryDirectory() as folder:
        for crs, transform in places.items():
            path = Path(folder) / f"{crs[5:]}.tif"
            make_map(path, crs, transform, given.side)
            spent = times(path)
            ratio = spent["measure"] / spent["count"]
            print(f"{crs}, {given.side} px square: read {spent['read']:.1f} s, and count {spent['count']:.1f} s, "
                  f"and measure {spent['measure']:.1f} s: {ratio:.2f} x counting")  # fmt: skip
            record[crs] = spent | {"ratio": ratio}
    print(json.dumps(record))


if __name__ == "__main__":
    main()
