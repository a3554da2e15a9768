"""A whole prediction against the bare forward passes, and against the loop that everybody writes first.

All three use the same network, weights and tiles. Runs are interleaved, and the median is shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from memory import make_scene
from rasterio.windows import Window as RioWindow

from hectares.config.predict import PredictConfig
from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.io.artefact import stamp
from hectares.io.rasters.raster import open_raster
from hectares.io.segmenter import find_segmenter, save_segmenter
from hectares.predict import plan_tiles, predict_scene
from hectares.runtime.allocator import keep_freed_memory
from hectares.runtime.protocol import Runtime, open_runtime


def make_segmenter(folder: Path, width: int) -> None:
    import torch

    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import weights_of

    torch.manual_seed(0)
    network = build_network("unet-elu", {"width": width}, bands=3, classes=6)
    stats = BandStats(("red", "green", "blue"), (128.0,) * 3, (70.0,) * 3)
    legend = Legend.of({k + 1: f"class {k}" for k in range(6)}).for_maps()
    folder.mkdir()
    spec = SegmenterSpec("unet-elu", {"width": width}, stats, legend, 0.5, 256)
    save_segmenter(folder, spec, weights_of(network), stamp("segmenter", config={}, inputs={}))


def naive(runtime: Runtime, scene: Path, out: Path, tile: int = 512, overlap: int = 64) -> None:
    """Read a window, predict, write its middle, one after the other, into an ordinary GeoTIFF."""
    half = overlap // 2
    with rasterio.open(scene) as source:
        profile = {**source.profile, "count": 1}
        with rasterio.open(out, "w", **profile) as target:
            for row in range(0, source.height, tile - overlap):
                for col in range(0, source.width, tile - overlap):
                    window = RioWindow(col, row, tile, tile)
                    image = source.read(window=window, boundless=True, fill_value=0)[None].astype(np.float32)
                    classes = runtime.logits(runtime.spec.scaler.apply(image)).argmax(axis=1)[0].astype(np.uint8)
                    inside = classes[half : tile - half, half : tile - half]
                    height = min(inside.shape[0], source.height - row - half)
                    width = min(inside.shape[1], source.width - col - half)
                    if height > 0 and width > 0:
                        middle = RioWindow(col + half, row + half, width, height)
                        target.write(inside[:height, :width], 1, window=middle)


def bare(runtime: Runtime, scene: Path) -> float:
    """Only the forward passes, on tiles that are in memory already; gives the seconds inside them."""
    with open_raster(scene) as source:
        tiling = plan_tiles(source, runtime.spec, PredictConfig(), stride=runtime.stride)
        images = [source.read(tile.read).image[None].astype(np.float32) for tile in tiling]
    started = time.monotonic()
    for image in images:
        runtime.logits(image)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    keep_freed_memory()
    seconds: dict[str, list[float]] = {"bare forward": [], "hectares predict": [], "naive loop": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_segmenter(folder / "segmenter", given.width)
        make_scene(folder / "scene.tif", given.side)
        runtime = open_runtime(find_segmenter(folder / "segmenter"), device="cpu")
        for _ in range(given.rounds):
            seconds["bare forward"].append(bare(runtime, folder / "scene.tif"))
            started = time.monotonic()
            target = folder / "map.tif"
            predict_scene(
                folder / "segmenter", folder / "scene.tif", target, PredictConfig(device="cpu"), overwrite=True
            )
            seconds["hectares predict"].append(time.monotonic() - started)
            started = time.monotonic()
            naive(runtime, folder / "scene.tif", folder / "naive.tif")
            seconds["naive loop"].append(time.monotonic() - started)
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    megapixels = given.side**2 / 1e6
    for key, value in medians.items():
        print(f"{key:<18} {value:7.2f} s  {megapixels / value:6.2f} Mpx/s")
    ratios = {
        "predict_over_bare": medians["hectares predict"] / medians["bare forward"],
        "naive_over_predict": medians["naive loop"] / medians["hectares predict"],
    }
    print(json.dumps({"side_px": given.side, "seconds": medians, **ratios}))


if __name__ == "__main__":
    main()
