"""Cutting a scene into chips, and reading chips in random order, against the usual ways.

A scene of 6,000 x 6,000 px of fields with grain is generated, cut, and read back; every way gives the same pixels,
which is checked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window as RioWindow

from hectares.config.prepare import PrepareConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, RasterLabel
from hectares.io.chips.store import ChipStore
from hectares.io.rasters.scene_file import write_scene
from hectares.prepare import prepare_catalog

CHIP = 256


def make_scene(folder: Path, size: int) -> tuple[Path, Path]:
    """Write an image of smooth ground with grain, and a label, both tiled and deflated as people have them."""
    rng = np.random.default_rng(0)
    grid = Grid("EPSG:32633", Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), (size, size))
    ground = np.kron(rng.integers(40, 200, (3, size // 100 + 1, size // 100 + 1)), np.ones((1, 100, 100)))
    image = np.clip(ground[:, :size, :size] + rng.normal(0, 6, (3, size, size)), 1, 255).astype(np.uint8)
    label = np.kron(rng.integers(1, 6, (size // 50 + 1, size // 50 + 1)), np.ones((50, 50)))[:size, :size]
    write_scene(folder / "image.tif", image, grid, ("red", "green", "blue"), nodata=0, overwrite=False)
    write_scene(folder / "label.tif", label[None].astype(np.uint8), grid, ("class",), nodata=0, overwrite=False)
    return folder / "image.tif", folder / "label.tif"


def cut(scene: Path, label: Path, out: Path, store: str) -> ChipStore:
    """Cut all chips with this package."""
    legend = Legend.of({k: f"class {k}" for k in range(1, 6)}, nodata=0)
    entry = CatalogScene("s", (ImageFile(scene),), RasterLabel(label), "s", "train")
    config = PrepareConfig(chip_px=CHIP, store=store, edge="drop")  # type: ignore[arg-type]
    return prepare_catalog(Catalog((entry,), legend), out, config, overwrite=True)


def cut_to_files(scene: Path, label: Path, out: Path) -> None:
    """Cut all chips into deflated GeoTIFF files, one for each image and label."""
    out.mkdir()
    for path, kind in ((scene, "image"), (label, "label")):
        with rasterio.open(path) as source:
            for row in range(0, source.height - CHIP + 1, CHIP):
                for col in range(0, source.width - CHIP + 1, CHIP):
                    window = RioWindow(col, row, CHIP, CHIP)
                    profile = {"driver": "GTiff", "height": CHIP, "width": CHIP, "count": source.count}
                    name = out / f"{kind}_{row}_{col}.tif"
                    with rasterio.open(name, "w", dtype="uint8", compress="deflate", **profile) as target:
                        target.write(source.read(window=window))


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median time of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def readers(folder: Path, scene: Path, label: Path) -> dict[str, Callable[[int], np.ndarray]]:
    """Give ways to read chip n as an image, label included."""
    stores = {kind: cut(scene, label, folder / kind, kind) for kind in ("compact", "raw", "scenes")}
    records = stores["compact"].records("train")
    windows = [RioWindow(r.window.col, r.window.row, CHIP, CHIP) for r in records]
    ways: dict[str, Callable[[int], np.ndarray]] = {}
    for kind, store in stores.items():
        chips = store.chips("train")
        ways[kind] = lambda n, chips=chips: chips.read(n).image  # type: ignore[misc]

    def from_files(n: int) -> np.ndarray:
        w = windows[n]
        with rasterio.open(folder / "files" / f"label_{w.row_off}_{w.col_off}.tif") as source:
            source.read()
        with rasterio.open(folder / "files" / f"image_{w.row_off}_{w.col_off}.tif") as source:
            return np.asarray(source.read())

    opened = [rasterio.open(path) for path in (scene, label)]

    def from_scene(n: int) -> np.ndarray:
        opened[1].read(window=windows[n])
        return np.asarray(opened[0].read(window=windows[n]))

    return ways | {"chip files (GeoTIFF)": from_files, "windows of the scene (rasterio)": from_scene}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene, label = make_scene(folder, args.size)
        cut_to_files(scene, label, folder / "files")
        files_s = seconds(lambda: cut_to_files(scene, label, Path(tempfile.mkdtemp(dir=folder)) / "f"), args.rounds)
        result: dict[str, object] = {"size_px": args.size, "cut_files_s": files_s}
        print(f"cutting {args.size} x {args.size} px, label included: {files_s:.2f} s into GeoTIFF files")
        for kind in ("compact", "raw"):
            mine = seconds(lambda kind=kind: cut(scene, label, folder / "again", kind), args.rounds)  # type: ignore[misc]
            result[f"cut_{kind}_s"] = mine
            print(f"  {kind}: {mine:.2f} s, {files_s / mine:.2f} x as fast (hashes, statistics and figures included)")
        ways = readers(folder, scene, label)
        count = (args.size // CHIP) ** 2
        order = np.random.default_rng(1).permutation(count)
        assert all(len({way(int(n)).tobytes() for way in ways.values()}) == 1 for n in order[:50])
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for way, read in ways.items():
                start = time.perf_counter()
                for n in order:
                    read(int(n))
                rates[way].append(count / (time.perf_counter() - start))
        usual = statistics.median(rates["chip files (GeoTIFF)"])
        print("random chips a second, image and label:")
        for way, found in rates.items():
            rate = statistics.median(found)
            result[f"read {way}"] = rate
            print(f"  {way}: {rate:,.0f}, {rate / usual:.1f} x chip files")
        for kind in ("compact", "raw"):
            size = sum(p.stat().st_size for p in (folder / kind).glob("*.pixels")) / 2**20
            result[f"mib_{kind}"] = size
            print(f"  {kind}: {size:.0f} MiB on disk")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
