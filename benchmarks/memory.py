"""Peak memory of `predict` and `measure` must not grow with the scene.

Each size runs in a fresh process, with the same settings and a network that costs little, on a sparse scene.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window as RioWindow


def make_scene(path: Path, side: int) -> None:
    """A tiled scene whose pixels are cheap to make: one random block, repeated."""
    block = np.random.default_rng(0).integers(1, 255, (3, 512, 512), dtype=np.uint8)
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 3, "height": side, "width": side, "nodata": 0, "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "crs": "EPSG:32633",
        "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), "bigtiff": "YES",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        for row in range(0, side, 512):
            for col in range(0, side, 512):
                height, width = min(512, side - row), min(512, side - col)
                dataset.write(block[:, :height, :width], window=RioWindow(col, row, width, height))


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
    peak_predict = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    areas = measure_map(out, out.with_suffix(".csv"), MeasureConfig())
    return {
        "predict_s": predicted - started,
        "measure_s": time.monotonic() - predicted,
        "peak_predict_mib": peak_predict,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "total_km2": areas.total.total_m2 / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--one", nargs=3, metavar=("SEGMENTER", "SCENE", "OUT"), help="used by the script itself")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run_one(*map(Path, given.one))))
        return
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_segmenter(folder / "segmenter")
        for side in given.sides:
            scene, out = folder / f"{side}.tif", folder / f"map-{side}.tif"
            make_scene(scene, side)
            command = [sys.executable, __file__, "--one", str(folder / "segmenter"), str(scene), str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results[side] = json.loads(done.stdout.splitlines()[-1])
            shown = ", ".join(f"{key} {value:,.1f}" for key, value in results[side].items())
            print(f"{side:>7,} px: {shown}", flush=True)
            scene.unlink()
    peaks = [r["peak_mib"] for r in results.values()]
    print(json.dumps({"peak_ratio": max(peaks) / min(peaks), "results": results}))


if __name__ == "__main__":
    main()
