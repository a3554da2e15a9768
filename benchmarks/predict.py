"""A whole prediction against the loop that everybody writes first, and against the bare forward passes.

Each way runs in a process of its own, in turn, on the same scene and weights: those of a network that was trained for a
minute, so that its decisions are as clear as those of real ones. A sample counts if the rest of the machine took less
than a fifth of a processor meanwhile; `--any` counts all, and then only processor time can be trusted: it is printed
beside wall time. The way of torchgeo is among them where it is installed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from quiet import MOST_CORES, Meter
from rasterio.windows import Window as RioWindow

FORMS = ("torch-fp32", "torch-bf16", "onnx-fp32", "openvino-fp32", "openvino-bf16", "openvino-int8")
LOOPS = ("naive", *(["torchgeo"] if find_spec("torchgeo") else []))
WAYS = (*LOOPS, *FORMS, *(f"bare-{form}" for form in FORMS))
CLASSES = 6
_COLORS = np.array([[120, 110, 90], [60, 120, 50], [180, 60, 50], [110, 110, 115], [40, 70, 140], [200, 190, 120]])


def draw_fields(side: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give an image (3, side, side) and its classes: smooth regions with small squares in them, colors with noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((side // 64 + 3, side // 64 + 3))
    at = np.arange(side) / 64
    low, part = at.astype(int), (at % 1)[:, None]
    rows = coarse[low] * (1 - part) + coarse[low + 1] * part  # bilinear, down and then across
    surface = rows[:, low] * (1 - part.T) + rows[:, low + 1] * part.T
    classes = np.digitize(surface, [-0.8, -0.2, 0.4, 1.0]).astype(np.uint8)
    for row, col, height, width in zip(
        *rng.integers(0, side, (2, side * side // 8192)), *rng.integers(8, 40, (2, side * side // 8192)), strict=True
    ):
        classes[row : row + height, col : col + width] = CLASSES - 1
    image = _COLORS.astype(np.int16)[classes].transpose(2, 0, 1) + rng.integers(-24, 25, (3, side, side), np.int16)
    return np.clip(image, 0, 255).astype(np.uint8), classes


def make_scene(path: Path, side: int) -> None:
    """Write the scene that is predicted."""
    image, _ = draw_fields(side, seed=0)
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 3, "height": side, "width": side, "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "crs": "EPSG:32633",
        "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(image)


def make_segmenter(folder: Path, network: str, encoder: str) -> None:
    """Train on another scene of the kind for a hundred steps, with all forms; that in int8 is kept as it comes out."""
    from hectares.config.prepare import PrepareConfig
    from hectares.config.quantize import QuantizeConfig
    from hectares.config.train import TrainConfig
    from hectares.core.grid import Grid
    from hectares.core.legend import Legend
    from hectares.io.artefact import dump_json
    from hectares.io.rasters.class_map import write_class_map
    from hectares.io.rasters.scene_file import write_scene
    from hectares.prepare import prepare_chips
    from hectares.quantize import quantize_segmenter
    from hectares.train import train_segmenter

    folder.mkdir()
    image, classes = draw_fields(1536, seed=1)
    grid = Grid("EPSG:32633", rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), classes.shape)
    legend = Legend.of({k + 1: f"class {k}" for k in range(CLASSES)}).for_maps()
    write_scene(folder / "scene.tif", image, grid, ("red", "green", "blue"), nodata=None, overwrite=True)
    write_class_map(folder / "label.tif", classes, grid, legend, {}, overwrite=True)
    (folder / "legend.json").write_text(dump_json(legend.to_json()))
    scenes = [{"id": "s", "image": "scene.tif", "label": "label.tif"}]
    (folder / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": scenes}))
    splits = PrepareConfig(chip_px=192, split="block", val_share=0.2, test_share=0.2)
    prepare_chips(folder / "catalog.json", folder / "chips", splits)
    options: dict[str, Any] = {"encoder": encoder} if network == "unet" else {"width": 16}
    config = TrainConfig(network=network, **options, batch=8, epochs=4, steps_per_epoch=25, device="cpu")
    train_segmenter(folder / "chips", folder / "run", config)
    forms = QuantizeConfig(calibrate=24, compare=24, keep=True)
    quantized = quantize_segmenter(folder / "run", folder / "chips", forms)
    print(f"int8 {'would' if quantized.is_enough else 'would not'} be taken unasked: {quantized.record}", flush=True)


class Began:
    """When the work began, by the clock and in processor time of this process."""

    def __init__(self) -> None:
        self.wall, self._cpu = time.monotonic(), time.process_time()

    def steady(self) -> dict[str, float]:
        """Give what it has taken since."""
        return {"steady_s": time.monotonic() - self.wall, "steady_cpu_s": time.process_time() - self._cpu}


def naive(segmenter: Path, scene: Path, out: Path, tile: int = 512, overlap: int = 64) -> dict[str, float]:
    """Read, predict four windows at once, write their middles: one after the other, into an ordinary GeoTIFF."""
    import torch

    from hectares.io.segmenter import find_segmenter
    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import fill

    stored = find_segmenter(segmenter)
    network = build_network(stored.spec.network, stored.spec.options, bands=3, classes=CLASSES).eval()
    fill(network, stored.weights())
    started, inside, half, step = Began(), 0.0, overlap // 2, tile - overlap
    with rasterio.open(scene) as source, rasterio.open(out, "w", **{**source.profile, "count": 1}) as target:
        rows, cols = (range(-half, extent - half, step) for extent in source.shape)
        places = [(row, col) for row in rows for col in cols]
        for first in range(0, len(places), 4):
            batch = places[first : first + 4]
            images = [
                source.read(window=RioWindow(col, row, tile, tile), boundless=True, fill_value=128)
                for row, col in batch
            ]
            scaled = torch.from_numpy(stored.spec.scaler.apply(np.stack(images)))
            before = time.monotonic()
            with torch.no_grad():
                logits = network(scaled)
            inside += time.monotonic() - before
            for (row, col), classes in zip(batch, logits.argmax(1).byte().numpy(), strict=True):
                height, width = min(step, source.height - row - half), min(step, source.width - col - half)
                middle = classes[half : half + height, half : half + width] + 1
                target.write(middle, 1, window=RioWindow(col + half, row + half, width, height))
    return started.steady() | {"forward_s": inside}


def torchgeo(segmenter: Path, scene: Path, out: Path, tile: int = 512, overlap: int = 64) -> dict[str, float]:
    """The sampler and loader of its documentation; the windows are summed by hand, since it has nothing for that."""
    import torch
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    from hectares.io.segmenter import find_segmenter
    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import fill

    class Scene(RasterDataset):
        filename_glob, is_image, separate_files = scene.name, True, False

    stored = find_segmenter(segmenter)
    network = build_network(stored.spec.network, stored.spec.options, bands=3, classes=CLASSES).eval()
    fill(network, stored.weights())
    started = Began()
    dataset = Scene(scene.parent)
    sampler = GridGeoSampler(dataset, size=tile, stride=tile - overlap)
    with rasterio.open(scene) as source:
        profile, (height, width), transform = source.profile, source.shape, source.transform
    summed = np.zeros((CLASSES, height, width), np.float32)
    for batch in DataLoader(dataset, batch_size=4, sampler=sampler, collate_fn=stack_samples):
        with torch.no_grad():
            logits = network(torch.from_numpy(stored.spec.scaler.apply(batch["image"].numpy()))).numpy()
        for bounds, planes in zip(batch["bounds"], logits, strict=True):
            x, y = bounds[:2]
            col, row = (
                round((float(x.start) - transform.c) / transform.a),
                round((float(y.stop) - transform.f) / transform.e),
            )
            top, left, bottom, right = max(row, 0), max(col, 0), min(row + tile, height), min(col + tile, width)
            summed[:, top:bottom, left:right] += planes[:, top - row : bottom - row, left - col : right - col]
    with rasterio.open(out, "w", **{**profile, "count": 1}) as target:
        target.write(summed.argmax(axis=0).astype(np.uint8) + 1, 1)
    return started.steady()


def predict(form: str, segmenter: Path, scene: Path, out: Path) -> dict[str, float]:
    """The command, and when it began and ended to compute."""
    from hectares.config.predict import PredictConfig
    from hectares.monitor import QuietMonitor
    from hectares.predict import predict_scene
    from hectares.runtime.allocator import keep_freed_memory

    times: dict[str, Any] = {}

    class Watch(QuietMonitor):
        def progress(self, stage: str, *_: object, **__: object) -> None:
            times.setdefault(f"{stage} begins", Began())
            times[f"{stage} ends"] = time.monotonic()

    keep_freed_memory()
    runtime, precision = form.split("-")
    import_module({"torch": "hectares.runtime.torch", "onnx": "onnxruntime"}.get(runtime, runtime))
    imported = _memory_mib("VmRSS")
    config = PredictConfig(runtime=runtime, device="cpu", precision=precision, overlap_px=64)  # type: ignore[arg-type]
    predict_scene(segmenter, scene, out, config, overwrite=True, monitor=Watch())
    began = times["predicting begins"]
    return began.steady() | {
        "stream_s": times["predicting ends"] - began.wall,
        "above_imports_mib": _memory_mib("VmHWM") - imported,
    }


def bare(form: str, segmenter: Path, scene: Path) -> dict[str, float]:
    """Only the forward passes, on the same tiles, which are in memory already."""
    from hectares.config.predict import PredictConfig
    from hectares.io.rasters.raster import open_raster
    from hectares.io.segmenter import find_segmenter
    from hectares.runtime.allocator import keep_freed_memory
    from hectares.runtime.protocol import open_runtime
    from hectares.scale.setup import plan_tiles

    keep_freed_memory()
    stored, (runtime, precision) = find_segmenter(segmenter), form.split("-")
    engine = open_runtime(stored, name=runtime, device="cpu", precision=precision)
    with open_raster(scene) as source:
        tiling = plan_tiles(source, [stored.spec], PredictConfig(overlap_px=64), stride=engine.stride)
        images = [stored.spec.scaler.apply(source.read(tile.read).image)[None] for tile in tiling]
    engine.logits(images[0])
    started = Began()
    for image in images:
        engine.logits(image)
    return started.steady() | {"overcompute": tiling.overcompute}


def run_one(way: str, segmenter: Path, scene: Path, out: Path) -> dict[str, float]:
    """Run one way in this process."""
    whole = {"naive": naive, "torchgeo": torchgeo, "same-tiles": on_same_tiles}
    if way in whole:
        found = whole[way](segmenter, scene, out)
    elif way.startswith("bare-"):
        found = bare(way.removeprefix("bare-"), segmenter, scene)
    else:
        found = predict(way, segmenter, scene, out)
    return found | {"peak_mib": _memory_mib("VmHWM")}


def _memory_mib(name: str) -> float:
    """Of this process alone: `getrusage` begins with what the parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


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


def samples(given: argparse.Namespace, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run all ways in turn, several times; each with the processors that the rest of the machine took."""
    for _ in range(given.rounds):
        for way in given.ways:
            meter = Meter()
            done = subprocess.run(_command(way, folder), check=True, capture_output=True, text=True)
            wall, others, own = meter.read()
            yield way, json.loads(done.stdout.splitlines()[-1]) | {"wall_s": wall, "cpu_s": own, "others": others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="unet")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--segmenter", type=Path, help="RUN of an earlier call, with all its forms")
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
        if given.segmenter is None:
            make_segmenter(folder / "segmenter", given.network, given.encoder)
        else:
            shutil.copytree(given.segmenter, folder / "segmenter" / "run")
        for way, sample in samples(given, folder):
            is_quiet = sample["others"] < MOST_CORES
            loud += not is_quiet
            shown = ", ".join(f"{key} {value:.2f}" for key, value in sample.items())
            print(f"{way:<18} {shown}{'' if is_quiet else '   (not quiet)'}", flush=True)
            if is_quiet or given.any:
                kept[way].append(sample)
        subprocess.run(_command("same-tiles", folder), check=True, stdout=subprocess.DEVNULL)
        agreement = {way: _agreement(folder, way) for way in FORMS if way in given.ways}
    _report(given.size, kept, loud, agreement)


def _command(way: str, folder: Path) -> list[str]:
    paths = folder / "segmenter" / "run", folder / "s.tif", folder / f"{way}.tif"
    return [sys.executable, __file__, "--one", way, *map(str, paths)]


def _agreement(folder: Path, way: str) -> float:
    with rasterio.open(folder / f"{way}.tif") as one, rasterio.open(folder / "same-tiles.tif") as other:
        return float((one.read(1) == other.read(1)).mean())


def _report(size: int, kept: dict[str, list[dict[str, Any]]], loud: int, agreement: dict[str, float]) -> None:
    medians = {
        way: {key: statistics.median(s[key] for s in found) for key in found[0]} for way, found in kept.items() if found
    }
    rows = {form: _ratios(form, medians) | {"agreement": agreement.get(form)} for form in FORMS if form in medians}
    print(f"\n{size} x {size} px; {loud} sample(s) were not quiet")
    print(f"  {'':<24}" + "".join(f"{form:>15}" for form in rows))
    for name in next(iter(rows.values()), {}):
        shown = [found[name] for found in rows.values()]
        print(f"  {name:<24}" + "".join(f"{'' if v is None else f'{v:.5g}':>15}" for v in shown))
    print(json.dumps({"size_px": size, "medians": medians, "ratios": rows, "loud": loud}))


def _ratios(form: str, medians: dict[str, dict[str, float]]) -> dict[str, float | None]:
    """What a form reaches against the loops, and against its own bare forward passes."""
    ours, limit = medians[form], medians.get(f"bare-{form}")
    found = {}
    for loop in LOOPS:
        of = medians.get(loop)
        for what, wall, cpu in (("whole", "wall_s", "cpu_s"), ("steady", "steady_s", "steady_cpu_s")):
            found[f"{what}, x {loop}"] = of and of[wall] / ours[wall]
            found[f"{what}, x {loop}, cpu"] = of and of[cpu] / ours[cpu]
    return found | {
        "overcompute": limit and limit["overcompute"],
        "bare / ours": limit and limit["steady_s"] / ours["steady_s"],
        "bare / ours, cpu": limit and limit["steady_cpu_s"] / ours["steady_cpu_s"],
        "peak MiB": ours["peak_mib"],
        "above imports MiB": ours["above_imports_mib"],
    }


if __name__ == "__main__":
    main()
