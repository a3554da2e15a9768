"""From satellite image to hectares.

Prepare labels, train a segmenter, map whole scenes, measure what is there, and say how sure we are.
Names are resolved on first use, so that importing the package costs and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hectares.assemble import assemble_shards as assemble_shards
    from hectares.change import measure_change as measure_change
    from hectares.compare import compare_recipe as compare_recipe
    from hectares.compare import compare_runs as compare_runs
    from hectares.config.change import ChangeConfig as ChangeConfig
    from hectares.config.compare import CompareConfig as CompareConfig
    from hectares.config.contest import ContestConfig as ContestConfig
    from hectares.config.estimate import EstimateConfig as EstimateConfig
    from hectares.config.evaluate import EvaluateConfig as EvaluateConfig
    from hectares.config.measure import MeasureConfig as MeasureConfig
    from hectares.config.mosaic import MosaicConfig as MosaicConfig
    from hectares.config.objects import ObjectsConfig as ObjectsConfig
    from hectares.config.predict import PredictConfig as PredictConfig
    from hectares.config.prepare import PrepareConfig as PrepareConfig
    from hectares.config.quantize import QuantizeConfig as QuantizeConfig
    from hectares.config.report import ReportConfig as ReportConfig
    from hectares.config.sample import SampleConfig as SampleConfig
    from hectares.config.source import SourceConfig as SourceConfig
    from hectares.config.train import TrainConfig as TrainConfig
    from hectares.config.vectorize import VectorizeConfig as VectorizeConfig
    from hectares.config.view import ViewConfig as ViewConfig
    from hectares.contest import check_contest as check_contest
    from hectares.contest import write_contest as write_contest
    from hectares.core.area import AreaTable as AreaTable
    from hectares.core.area import map_area as map_area
    from hectares.core.area import pixel_area as pixel_area
    from hectares.core.bands import BandStats as BandStats
    from hectares.core.confusion import Confusion as Confusion
    from hectares.core.grid import Grid as Grid
    from hectares.core.legend import LandClass as LandClass
    from hectares.core.legend import Legend as Legend
    from hectares.core.scene import ArraySource as ArraySource
    from hectares.core.scene import Chip as Chip
    from hectares.core.window import Tiling as Tiling
    from hectares.core.window import Window as Window
    from hectares.errors import CatalogError as CatalogError
    from hectares.errors import ConfigError as ConfigError
    from hectares.errors import HectaresError as HectaresError
    from hectares.errors import LegendError as LegendError
    from hectares.estimate import estimate_areas as estimate_areas
    from hectares.evaluate import evaluate_chips as evaluate_chips
    from hectares.evaluate import evaluate_map as evaluate_map
    from hectares.formats.registry import Format as Format
    from hectares.io.catalog import Catalog as Catalog
    from hectares.io.catalog import CatalogScene as CatalogScene
    from hectares.io.catalog import CocoLabel as CocoLabel
    from hectares.io.catalog import ImageFile as ImageFile
    from hectares.io.catalog import LabelRules as LabelRules
    from hectares.io.catalog import RasterLabel as RasterLabel
    from hectares.io.catalog import VectorLabel as VectorLabel
    from hectares.io.rasters.raster import open_raster as open_raster
    from hectares.map_page import write_map_page as write_map_page
    from hectares.measure import measure_map as measure_map
    from hectares.measure import measure_maps as measure_maps
    from hectares.monitor import Monitor as Monitor
    from hectares.monitor import Problem as Problem
    from hectares.mosaic import predict_mosaic as predict_mosaic
    from hectares.notebook import show as show
    from hectares.objects import score_objects as score_objects
    from hectares.predict import predict_scene as predict_scene
    from hectares.prepare import prepare_chips as prepare_chips
    from hectares.quantize import quantize_segmenter as quantize_segmenter
    from hectares.report import write_report as write_report
    from hectares.sample import sample_map as sample_map
    from hectares.start import run_demo as run_demo
    from hectares.train import train_segmenter as train_segmenter
    from hectares.vectorize import vectorize_map as vectorize_map
    from hectares.verify import verify_file as verify_file

_HOMES = {
    "AreaTable": "core.area",
    "ArraySource": "core.scene",
    "BandStats": "core.bands",
    "Catalog": "io.catalog",
    "CatalogError": "errors",
    "CatalogScene": "io.catalog",
    "ChangeConfig": "config.change",
    "Chip": "core.scene",
    "CocoLabel": "io.catalog",
    "CompareConfig": "config.compare",
    "ConfigError": "errors",
    "Confusion": "core.confusion",
    "ContestConfig": "config.contest",
    "EstimateConfig": "config.estimate",
    "EvaluateConfig": "config.evaluate",
    "Format": "formats.registry",
    "Grid": "core.grid",
    "HectaresError": "errors",
    "ImageFile": "io.catalog",
    "LabelRules": "io.catalog",
    "LandClass": "core.legend",
    "Legend": "core.legend",
    "LegendError": "errors",
    "MeasureConfig": "config.measure",
    "Monitor": "monitor",
    "MosaicConfig": "config.mosaic",
    "ObjectsConfig": "config.objects",
    "PredictConfig": "config.predict",
    "PrepareConfig": "config.prepare",
    "Problem": "monitor",
    "QuantizeConfig": "config.quantize",
    "RasterLabel": "io.catalog",
    "ReportConfig": "config.report",
    "SampleConfig": "config.sample",
    "SourceConfig": "config.source",
    "Tiling": "core.window",
    "TrainConfig": "config.train",
    "VectorLabel": "io.catalog",
    "VectorizeConfig": "config.vectorize",
    "ViewConfig": "config.view",
    "Window": "core.window",
    "assemble_shards": "assemble",
    "check_contest": "contest",
    "compare_recipe": "compare",
    "compare_runs": "compare",
    "estimate_areas": "estimate",
    "evaluate_chips": "evaluate",
    "evaluate_map": "evaluate",
    "map_area": "core.area",
    "measure_change": "change",
    "measure_map": "measure",
    "measure_maps": "measure",
    "open_raster": "io.rasters.raster",
    "pixel_area": "core.area",
    "predict_mosaic": "mosaic",
    "predict_scene": "predict",
    "prepare_chips": "prepare",
    "quantize_segmenter": "quantize",
    "run_demo": "start",
    "sample_map": "sample",
    "score_objects": "objects",
    "show": "notebook",
    "train_segmenter": "train",
    "vectorize_map": "vectorize",
    "verify_file": "verify",
    "write_contest": "contest",
    "write_map_page": "map_page",
    "write_report": "report",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hectares' has no attribute {name!r}")
    value = getattr(import_module(f"hectares.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
