"""Class map to polygons: time and peak memory, next to the usual way in one go, and a checkerboard.

The usual way reads the whole map, calls `rasterio.features.shapes`, makes a shapely polygon of each shape, and
simplifies with `coverage_simplify`. `gdal_polygonize.py` takes part where it is installed (Debian: python3-gdal), and
simplifies nothing. Each measurement runs in a fresh process. A star says that the rest of the machine was not quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from quiet import MOST_CORES, Meter
from rasterio.windows import Window as RioWindow

_BLOCK = 500


def make_map(path: Path, side: int, kind: str) -> None:
    """Five classes in smooth regions with single wrong pixels, in blocks that differ; or a checkerboard."""
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "height": side, "width": side, "nodata": 255, "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "crs": "EPSG:32633",
        "transform": rasterio.Affine(10, 0, 300_000, 0, -10, 5_400_000), "bigtiff": "IF_SAFER",
    }  # fmt: skip
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(2 * _BLOCK)[:, None], np.fft.fftfreq(2 * _BLOCK))
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal(frequency.shape)) / (1 + (150 * frequency) ** 2.2)).real
    smooth = np.digitize(noise, np.quantile(noise, [0.2, 0.4, 0.6, 0.8])).astype(np.uint8)
    board = (np.indices(smooth.shape).sum(0) % 2).astype(np.uint8)
    with rasterio.open(path, "w", **profile) as dataset:
        for row in range(0, side, 512):
            height = min(512, side - row)
            rows = np.arange(row, row + height) % len(smooth)
            strip = np.take((board if kind == "board" else smooth)[rows], np.arange(side), axis=1, mode="wrap")
            if kind != "board":
                wrong = rng.random(strip.shape) < 0.002
                strip = np.where(wrong, rng.integers(0, 5, strip.shape, dtype=np.uint8), strip)
            dataset.write(strip, 1, window=RioWindow(0, row, side, height))


def ours(path: Path, out: Path, simplify_m: float) -> int:
    from hectares.config.vectorize import VectorizeConfig
    from hectares.vectorize import vectorize_map

    return vectorize_map(path, out, VectorizeConfig(simplify_m=simplify_m)).polygons


def usual(path: Path, out: Path, simplify_m: float) -> int:
    import pyogrio
    import shapely
    from rasterio import features

    with rasterio.open(path) as dataset:
        labels = dataset.read(1)
        found = list(features.shapes(labels, mask=labels != 255, connectivity=4, transform=dataset.transform))
        crs = dataset.crs.to_string()
    polygons = np.array([shapely.geometry.shape(shape) for shape, _ in found])
    codes = np.array([value for _, value in found], np.int32)
    if simplify_m:
        polygons = shapely.coverage_simplify(polygons, simplify_m)
    pyogrio.raw.write(out, shapely.to_wkb(polygons), [codes], ["class_id"], geometry_type="Polygon", crs=crs)
    return len(polygons)


def measure(way: str, path: Path, simplify_m: float) -> dict[str, float]:
    """Run one way in a fresh process."""
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.fgb"
        command = [sys.executable, __file__, "--way", way, "--map", str(path), "--simplify-m", str(simplify_m)]
        if way == "gdal":
            command = ["gdal_polygonize.py", "-q", "-f", "FlatGeobuf", str(path), str(out), "polygons", "class_id"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        if status:
            return {"seconds": float("nan"), "peak_mib": float("nan"), "polygons": float("nan"), "others": float("nan")}
        wall, others, _ = meter.read()
        own = json.loads(said.splitlines()[-1]) if said else _counted(out) | {"seconds": wall}
    return {"peak_mib": used.ru_maxrss / 1024, "others": others} | own


def _counted(out: Path) -> dict[str, float]:
    import pyogrio

    return {"polygons": pyogrio.read_info(out, force_feature_count=True)["features"]}


def run_one(way: str, path: Path, simplify_m: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        polygons = {"ours": ours, "usual": usual}[way](path, Path(folder) / "out.fgb", simplify_m)
        seconds = time.monotonic() - started
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024  # without the parent's
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "polygons": polygons}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[6000, 20_000])
    parser.add_argument(
        "--usual-up-to", type=int, default=6000, help="largest side for the usual way, which needs memory"
    )
    parser.add_argument("--board", type=int, default=3000, help="side of the checkerboard")
    parser.add_argument("--way", choices=("ours", "usual"))
    parser.add_argument("--map", type=Path)
    parser.add_argument("--simplify-m", type=float, default=0.0)
    options = parser.parse_args()
    if options.way:
        run_one(options.way, options.map, options.simplify_m)
        return
    results = []
    print(f"{'map':>14} {'way':>6} {'simplify':>8} {'seconds':>8} {'MiB':>7} {'polygons':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for side, kind in [*((s, "smooth") for s in options.sides), (options.board, "board")]:
            path = Path(folder) / "map.tif"
            make_map(path, side, kind)
            for simplify_m in (0.0, 20.0) if kind == "smooth" else (0.0,):
                usual = ("usual",) if side <= options.usual_up_to else ()
                gdal = ("gdal",) if shutil.which("gdal_polygonize.py") and not simplify_m else ()
                for way in ("ours", *usual, *gdal):
                    found = measure(way, path, simplify_m)
                    results.append({"side": side, "kind": kind, "way": way, "simplify_m": simplify_m, **found})
                    star = "" if found["others"] < MOST_CORES else " *"
                    shown = f"{found['seconds']:>8.1f} {found['peak_mib']:>7.0f} {found['polygons']:>9.0f}{star}"
                    print(f"{side:>7} {kind:>6} {way:>6} {simplify_m:>8.0f} {shown}", flush=True)
    print(json.dumps({"vectorize": results}))


if __name__ == "__main__":
    main()
