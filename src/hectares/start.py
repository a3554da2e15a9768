"""`demo`: the whole chain on a generated town."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from hectares.config.evaluate import EvaluateConfig
from hectares.config.measure import MeasureConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.report import ReportConfig
from hectares.config.start import DemoConfig
from hectares.config.train import TrainConfig
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, LandClass, Legend, parse_color
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.artefact import read_artefact, stamp, write_json
from hectares.io.outputs import staged_folder
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.scene_file import write_scene
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.monitor import QUIET, Monitor


@dataclass(frozen=True)
class Demo:
    """Where the results of the demo are."""

    folder: Path
    seconds: dict[str, float]
    """Of each step that ran now; a step whose result was there already is not in it."""

    @property
    def scene(self) -> Path:
        """The scene that training never saw."""
        return self.folder / "scenes" / "east.tif"

    @property
    def reference(self) -> Path:
        """Its exact classes."""
        return self.folder / "reference" / "east.tif"

    @property
    def districts(self) -> Path:
        """Zones."""
        return self.folder / "districts.gpkg"

    @property
    def chips(self) -> Path:
        """Chips of the west."""
        return self.folder / "chips"

    @property
    def run(self) -> Path:
        """The trained segmenter."""
        return self.folder / "run"

    @property
    def class_map(self) -> Path:
        """The map of the east."""
        return self.folder / "map.tif"

    @property
    def evaluation(self) -> Path:
        """Scores of the map."""
        return self.folder / "evaluation.json"

    @property
    def areas(self) -> Path:
        """Mapped areas by district."""
        return self.folder / "areas.csv"

    @property
    def reference_areas(self) -> Path:
        """True areas by district."""
        return self.folder / "reference-areas.csv"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"


def run_demo(folder: str | Path, config: DemoConfig, *, overwrite: bool = False, monitor: Monitor = QUIET) -> Demo:
    """Generate a town, train on its west, map its east, score and measure the map, and report.

    A demo that was interrupted goes on where it stood: every step leaves a complete result or none.
    """
    demo = Demo(Path(folder), {})
    _begin(demo, config, overwrite=overwrite)
    for name, result, step in _steps(demo, config, monitor):
        if not result.exists():
            started = time.monotonic()
            step()
            demo.seconds[name] = time.monotonic() - started
    return demo


def _begin(demo: Demo, config: DemoConfig, *, overwrite: bool) -> None:
    manifest = demo.folder / "demo.json"
    head = stamp("demo", config=asdict(config), inputs={})
    if demo.folder.is_dir() and any(demo.folder.iterdir()) and not overwrite:
        same = manifest.is_file() and read_artefact(manifest, "demo") == head
        if not same or demo.report.exists():
            state = "holds a finished demo" if same else "is not empty"
            raise ArtefactError(f"{demo.folder}: {state}; choose another folder or give --overwrite")
        return
    with staged_folder(demo.folder, overwrite=overwrite, ours="demo.json") as work:
        write_json(work / "demo.json", head, overwrite=False)


def _steps(demo: Demo, config: DemoConfig, monitor: Monitor) -> list[tuple[str, Path, Callable[[], object]]]:
    """The chain: name of the step, its result, and what makes it. The same calls as on the command line."""
    from hectares.evaluate import evaluate_map
    from hectares.measure import measure_map
    from hectares.predict import predict_scene
    from hectares.prepare import prepare_chips
    from hectares.report import write_report
    from hectares.train import train_segmenter

    catalog = demo.folder / "catalog.json"
    chip_px = min(256, config.size_px // 4)
    preparing = PrepareConfig(
        chip_px=chip_px, split="block", block_px=2 * chip_px, val_share=0.2, test_share=0, seed=config.seed
    )
    training = TrainConfig(epochs=config.epochs, width=config.width, batch=2, lr=2e-3, patience=None, seed=config.seed)
    zones = MeasureConfig(zones=str(demo.districts), zone_field="district")
    artefacts = [demo.class_map, demo.scene, demo.evaluation, demo.areas, demo.reference_areas, demo.run]
    page = ReportConfig(title="Land cover of a generated town")
    return [
        ("generate", catalog, lambda: _generate(demo, config, monitor)),
        ("prepare", demo.chips, lambda: prepare_chips(catalog, demo.chips, preparing, monitor=monitor)),
        (
            "train",
            demo.run,
            lambda: train_segmenter(demo.chips, demo.run, training, monitor=monitor),
        ),
        (
            "predict",
            demo.class_map,
            lambda: predict_scene(demo.run, demo.scene, demo.class_map, PredictConfig(), monitor=monitor),
        ),
        (
            "evaluate",
            demo.evaluation,
            lambda: evaluate_map(
                demo.class_map, demo.reference, demo.evaluation, EvaluateConfig(scene=demo.scene), monitor=monitor,
                overwrite=True,
            ),
        ),
        (
            "measure",
            demo.areas,
            lambda: measure_map(demo.class_map, demo.areas, zones, monitor=monitor, overwrite=True),
        ),
        (
            "measure reference",
            demo.reference_areas,
            lambda: measure_map(demo.reference, demo.reference_areas, zones, monitor=monitor, overwrite=True),
        ),
        ("report", demo.report, lambda: write_report(artefacts, demo.report, page, monitor=monitor)),
    ]  # fmt: skip


def _generate(demo: Demo, config: DemoConfig, monitor: Monitor) -> None:
    """Write the two halves of a town, their exact classes, its districts and a catalog of the west."""
    from hectares.generate.town import BANDS, CLASSES, generate_town

    monitor.progress("generating a town", 0, 3)
    side = config.size_px
    town = generate_town((side, 2 * side), seed=config.seed)
    monitor.progress("generating a town", 1, 3)
    legend = Legend(tuple(LandClass(code, name, parse_color(color)) for code, name, color in CLASSES)).for_maps()
    grid = Grid(town.crs, town.transform, town.label.shape)
    indices = np.where(town.valid, town.label - np.uint8(1), np.uint8(IGNORE))
    head: dict[str, Any] = stamp("reference", config={"town": asdict(config)}, inputs={})
    for half, name in enumerate(("west", "east")):
        window = Window(0, half * side, side, side)
        part = grid.crop(window)
        image = town.image[:, *window.slices]
        for folder in ("scenes", "reference"):
            (demo.folder / folder).mkdir(exist_ok=True)
        write_scene(demo.folder / "scenes" / f"{name}.tif", image, part, BANDS, nodata=0, overwrite=True)
        write_class_map(
            demo.folder / "reference" / f"{name}.tif",
            indices[window.slices],
            part,
            legend,
            head,
            overwrite=True,
        )
    east = shapely.box(*grid.crop(Window(0, side, side, side)).bounds)
    names, polygons = zip(*((name, p) for name, p in town.districts if p.intersects(east.buffer(-1))), strict=True)
    layer = VectorLayer(town.crs, polygons, {"district": names})
    write_layer(demo.districts, layer, name="districts", overwrite=True)
    write_json(demo.folder / "legend.json", legend.to_json(), overwrite=True)
    west = {"id": "west", "image": "scenes/west.tif", "label": "reference/west.tif"}
    write_json(demo.folder / "catalog.json", {"legend": "legend.json", "scenes": [west]}, overwrite=True)
    monitor.progress("generating a town", 3, 3)
