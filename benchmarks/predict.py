"""A whole prediction against the loop that everybody writes first, and against the bare forward passes.

Each way runs in a process of its own, in turn, on the same scene and weights. A sample counts if the rest of the
machine took less than a fifth of a processor meanwhile; `--any` counts all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window as RioWindow

RUNTIMES = ("torch", "onnx", "openvino")
WAYS = ("naive", *RUNTIMES, *(f"bare-{runtime}" for runtime in RUNTIMES))
_QUIET_CORES = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")


def make_scene(path: Path, side: int) -> None:
    """Fields with some noise: neither flat nor random, so that files compress as images do."""
    rng = np.random.default_rng(0)
    fields = np.kron(rng.integers(40, 220, (3, -(-side // 96), -(-side // 96)), dtype=np.uint8), np.ones((1, 96, 96)))
    noise = rng.integers(-8, 9, (3, side, side), dtype=np.int16)
    image = (fields[:, :side, :side] + noise).astype(np.uint8)
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 3, "height": side, "width": side, "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "crs": "EPSG:32633",
        "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(image)


def make_segmenter(folder: Path, network: str, encoder: str) -> None:
    """A network with random weights, but statistics and scores as after training; with its ONNX form."""
    import torch

    from hectares.core.bands import BandStats
    from hectares.core.legend import Legend
    from hectares.core.spec import SegmenterSpec
    from hectares.io.artefact import stamp
    from hectares.io.segmenter import save_segmenter
    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import weights_of
    from hectares.runtime.finishing import finish_segmenter

    torch.manual_seed(0)
    options = {"encoder": encoder} if network == "unet" else {"width": 16}
    built = build_network(network, options, bands=3, classes=6)
    built.train()
    with torch.no_grad():
        for _ in range(8):  # running statistics that fit
            built(torch.randn(2, 3, 128, 128))
    stats = BandStats(("red", "green", "blue"), (128.0,) * 3, (60.0,) * 3)
    legend = Legend.of({k + 1: f"class {k}" for k in range(6)}).for_maps()
    folder.mkdir()
    spec = SegmenterSpec(network, options, stats, legend, 0.5, 256)
    save_segmenter(folder, spec, weights_of(built), stamp("segmenter", config={}, inputs={}))
    finish_segmenter(folder, ())


def naive(segmenter: Path, scene: Path, out: Path, tile: int = 512, overlap: int = 64) -> dict[str, float]:
    """Read, predict four windows at once, write their middles: one after the other, into an ordinary GeoTIFF."""
    import torch

    from hectares.io.segmenter import find_segmenter
    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import fill

    stored = find_segmenter(segmenter)
    network = build_network(stored.spec.network, stored.spec.options, bands=3, classes=6).eval()
    fill(network, stored.weights())
    started, inside, half, step = time.monotonic(), 0.0, overlap // 2, tile - overlap
    with rasterio.open(scene) as source, rasterio.open(out, "w", **{**source.profile, "count": 1}) as target:
        rows, cols = (range(-half, extent - half, step) for extent in source.shape)
        places = [(row, col) for row in rows for col in cols]
        for first in range(0, len(places), 4):
            batch = places[first : first + 4]
            images = [
                source.read(window=RioWindow(col, row, tile, tile), boundless=True, fill_value=128)
                for row, col in batch
            ]
            scaled = torch.from_numpy((np.stack(images).astype(np.float32) - 128) / 60)
            before = time.monotonic()
            with torch.no_grad():
                logits = network(scaled)
            inside += time.monotonic() - before
            for (row, col), classes in zip(batch, logits.argmax(1).byte().numpy(), strict=True):
                height, width = min(step, source.height - row - half), min(step, source.width - col - half)
                middle = classes[half : half + height, half : half + width] + 1
                target.write(middle, 1, window=RioWindow(col + half, row + half, width, height))
    return {"steady_s": time.monotonic() - started, "forward_s": inside}


def predict(runtime: str, segmenter: Path, scene: Path, out: Path) -> dict[str, float]:
    """The command, and when it began and ended to compute."""
    from hectares.config.predict import PredictConfig
    from hectares.monitor import QuietMonitor
    from hectares.predict import predict_scene
    from hectares.runtime.allocator import keep_freed_memory

    times: dict[str, float] = {}

    class Watch(QuietMonitor):
        def progress(self, stage: str, *_: object, **__: object) -> None:
            times.setdefault(f"{stage} begins", time.monotonic())
            times[f"{stage} ends"] = time.monotonic()

    keep_freed_memory()
    config = PredictConfig(runtime=runtime, device="cpu", precision="fp32", overlap_px=64)  # type: ignore[arg-type]
    predict_scene(segmenter, scene, out, config, overwrite=True, monitor=Watch())
    ended = time.monotonic()
    return {
        "steady_s": ended - times["predicting begins"],
        "stream_s": times["predicting ends"] - times["predicting begins"],
        "writing_s": ended - times["predicting ends"],
    }


def bare(runtime: str, segmenter: Path, scene: Path) -> dict[str, float]:
    """Only the forward passes, on the same tiles, which are in memory already."""
    from hectares.config.predict import PredictConfig
    from hectares.io.rasters.raster import open_raster
    from hectares.io.segmenter import find_segmenter
    from hectares.runtime.allocator import keep_freed_memory
    from hectares.runtime.protocol import open_runtime
    from hectares.scale.setup import plan_tiles

    keep_freed_memory()
    stored = find_segmenter(segmenter)
    engine = open_runtime(stored, name=runtime, device="cpu", precision="fp32")
    with open_raster(scene) as source:
        tiling = plan_tiles(source, [stored.spec], PredictConfig(overlap_px=64), stride=engine.stride)
        images = [stored.spec.scaler.apply(source.read(tile.read).image)[None] for tile in tiling]
    engine.logits(images[0])
    started = time.monotonic()
    for image in images:
        engine.logits(image)
    return {"steady_s": time.monotonic() - started, "overcompute": tiling.overcompute}


def run_one(way: str, segmenter: Path, scene: Path, out: Path) -> dict[str, float]:
    """Run one way in this process."""
    kind, _, runtime = way.rpartition("-")
    if way == "naive":
        found = naive(segmenter, scene, out)
    elif way == "same-tiles":
        found = on_same_tiles(segmenter, scene, out)
    elif kind == "bare":
        found = bare(runtime, segmenter, scene)
    else:
        found = predict(way, segmenter, scene, out)
    return found | {"peak_mib": _peak_mib()}


def _peak_mib() -> float:
    """Of this process alone: `getrusage` begins with what the parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def on_same_tiles(segmenter: Path, scene: Path, out: Path) -> dict[str, float]:
    """A plain loop in torch, nothing fused, over the tiles that the command takes: what its map must equal."""
    from hectares.config.predict import PredictConfig
    from hectares.io.rasters.raster import open_raster
    from hectares.io.segmenter import find_segmenter
    from hectares.model.segmenter import Segmenter
    from hectares.scale.setup import plan_tiles

    stored = find_segmenter(segmenter)
    network = Segmenter.restore(stored.spec, stored.weights(), "cpu")
    with open_raster(scene) as source:
        classes = np.empty(source.grid.shape, np.uint8)
        for tile in plan_tiles(source, [stored.spec], PredictConfig(overlap_px=64), stride=network.stride):
            chip = source.read(tile.read)
            logits = network.logits((stored.spec.scaler.apply(chip.image) * chip.valid)[None])[0]
            classes[tile.core.slices] = logits.argmax(axis=0)[tile.core.within(tile.read).slices] + 1
        with rasterio.open(
            out, "w", driver="GTiff", dtype="uint8", count=1, height=classes.shape[0], width=classes.shape[1],
            crs=source.grid.crs, transform=source.grid.transform,
        ) as target:  # fmt: skip
            target.write(classes, 1)
    return {}


def _busy_s() -> float:
    """Seconds of processor time that the whole machine has spent."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICKS


def samples(given: argparse.Namespace, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run all ways in turn, several times; each with the processors that the rest of the machine took."""
    for _ in range(given.rounds):
        for way in given.ways:
            busy, own = _busy_s(), resource.getrusage(resource.RUSAGE_CHILDREN)
            started = time.monotonic()
            done = subprocess.run(_command(way, folder), check=True, capture_output=True, text=True)
            wall = time.monotonic() - started
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            ours = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
            others = max(0.0, _busy_s() - busy - ours) / wall
            yield way, json.loads(done.stdout.splitlines()[-1]) | {"wall_s": wall, "others": others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="unet")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--any", action="store_true", help="count samples of a busy machine too")
    parser.add_argument("--one", nargs=4, metavar=("WAY", "SEGMENTER", "SCENE", "OUT"), help="used by the script")
    given = parser.parse_args()
    if given.one:
        way, *paths = given.one
        print(json.dumps(run_one(way, *map(Path, paths))))
        return
    kept: dict[str, list[dict[str, Any]]] = {way: [] for way in given.ways}
    loud = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder / "s.tif", given.size)
        make_segmenter(folder / "segmenter", given.network, given.encoder)
        for way, sample in samples(given, folder):
            is_quiet = sample["others"] < _QUIET_CORES
            loud += not is_quiet
            shown = ", ".join(f"{key} {value:.2f}" for key, value in sample.items())
            print(f"{way:<13} {shown}{'' if is_quiet else '   (not quiet)'}", flush=True)
            if is_quiet or given.any:
                kept[way].append(sample)
        subprocess.run(_command("same-tiles", folder), check=True, stdout=subprocess.DEVNULL)
        agreement = {way: _agreement(folder, way) for way in RUNTIMES if way in given.ways}
    _report(given.size, kept, loud, agreement)


def _command(way: str, folder: Path) -> list[str]:
    paths = folder / "segmenter", folder / "s.tif", folder / f"{way}.tif"
    return [sys.executable, __file__, "--one", way, *map(str, paths)]


def _agreement(folder: Path, way: str) -> float:
    with rasterio.open(folder / f"{way}.tif") as one, rasterio.open(folder / "same-tiles.tif") as other:
        return float((one.read(1) == other.read(1)).mean())


def _report(size: int, kept: dict[str, list[dict[str, Any]]], loud: int, agreement: dict[str, float]) -> None:
    medians = {
        way: {key: statistics.median(s[key] for s in found) for key in found[0]} for way, found in kept.items() if found
    }
    ratios: dict[str, float] = {}
    for way in RUNTIMES:
        ours, loop, limit = medians.get(way), medians.get("naive"), medians.get(f"bare-{way}")
        if ours and loop:
            ratios[f"{way}: whole process, times faster than naive"] = loop["wall_s"] / ours["wall_s"]
            ratios[f"{way}: steady state, times faster than naive"] = loop["steady_s"] / ours["steady_s"]
        if ours and limit:
            ratios[f"{way}: stream over bare forward"] = ours["stream_s"] / limit["steady_s"]
            ratios[f"{way}: stream and writing over bare forward"] = ours["steady_s"] / limit["steady_s"]
    print(f"\n{size} x {size} px; {loud} sample(s) were not quiet")
    for key, value in ratios.items():
        print(f"  {key:<50} {value:.2f}")
    for way, share in agreement.items():
        print(f"  {way}: pixels as in a plain loop over the same tiles {share:.4%}")
    print(json.dumps({"size_px": size, "medians": medians, "ratios": ratios, "agreement": agreement, "loud": loud}))


if __name__ == "__main__":
    main()
