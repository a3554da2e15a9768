"""Peak memory of `predict` and `measure` must not grow with the scene, neither with its height nor with its width.

Each size runs in a fresh process, with the same settings and a network that costs little. `--sparse` writes the blocks
along the diagonal alone, which is what makes 100,000 x 100,000 px possible.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window as RioWindow


def make_scene(path: Path, height: int, width: int, *, sparse: bool = False) -> None:
    """A tiled scene whose pixels are cheap to make: one random block, repeated, or along the diagonal alone."""
    block = np.random.default_rng(0).integers(1, 255, (3, 512, 512), dtype=np.uint8)
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 3, "height": height, "width": width, "nodata": 0, "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "crs": "EPSG:32633",
        "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), "bigtiff": "YES", "sparse_ok": sparse,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        for row in range(0, height, 512):
            for col in range(0, width, 512):
                if sparse and row // 512 * (width // 512) // max(1, height // 512) != col // 512:
                    continue
                high, wide = min(512, height - row), min(512, width - col)
                dataset.write(block[:, :high, :wide], window=RioWindow(col, row, wide, high))


def make_segmenter(folder: Path) -> None:
    """An untrained U-Net, as small as it gets: memory is what is measured."""
    import torch

    from hectares.core.bands import BandStats
    from hectares.core.legend import Legend
    from hectares.core.spec import SegmenterSpec
    from hectares.io.artefact import stamp
    from hectares.io.segmenter import save_segmenter
    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import weights_of

    torch.manual_seed(0)
    network = build_network("unet-elu", {"width": 2}, bands=3, classes=4)
    stats = BandStats(("red", "green", "blue"), (128.0,) * 3, (70.0,) * 3)
    legend = Legend.of({1: "a", 2: "b", 3: "c", 4: "d"}).for_maps()
    spec = SegmenterSpec("unet-elu", {"width": 2}, stats, legend, 0.5, 256)
    folder.mkdir()
    save_segmenter(folder, spec, weights_of(network), stamp("segmenter", config={}, inputs={}))


def _peak_mib() -> float:
    """Of this process alone: `getrusage` begins with what the parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def run_one(segmenter: Path, scene: Path, out: Path) -> dict[str, float]:
    """Predict and measure one scene in this process."""
    from hectares.config.measure import MeasureConfig
    from hectares.config.predict import PredictConfig
    from hectares.measure import measure_map
    from hectares.predict import predict_scene
    from hectares.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    started = time.monotonic()
    predict_scene(segmenter, scene, out, PredictConfig())
    predicted = time.monotonic()
    peak_predict = _peak_mib()
    areas = measure_map(out, out.with_suffix(".csv"), MeasureConfig())
    return {
        "predict_s": predicted - started,
        "measure_s": time.monotonic() - predicted,
        "peak_predict_mib": peak_predict,
        "peak_mib": _peak_mib(),
        "total_km2": areas.total.total_m2 / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["2000x2000", "20000x20000"], help="HEIGHTxWIDTH in px")
    parser.add_argument("--sparse", action="store_true", help="blocks along the diagonal alone")
    parser.add_argument("--one", nargs=3, metavar=("SEGMENTER", "SCENE", "OUT"), help="used by the script itself")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run_one(*map(Path, given.one))))
        return
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_segmenter(folder / "segmenter")
        for size in given.sizes:
            height, width = map(int, size.split("x"))
            scene, out = folder / f"{size}.tif", folder / f"map-{size}.tif"
            make_scene(scene, height, width, sparse=given.sparse)
            command = [sys.executable, __file__, "--one", str(folder / "segmenter"), str(scene), str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results[size] = json.loads(done.stdout.splitlines()[-1])
            shown = ", ".join(f"{key} {value:,.1f}" for key, value in results[size].items())
            print(f"{size:>15} px: {shown}", flush=True)
            scene.unlink()
    peaks = [r["peak_mib"] for r in results.values()]
    print(json.dumps({"peak_ratio": max(peaks) / min(peaks), "results": results}))


if __name__ == "__main__":
    main()
