"""Knobs of `vectorize`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hectares.config.checks import at_least, between, needs
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class VectorizeConfig:
    """How a class map becomes polygons."""

    classes: str | None = None
    """Classes to write, separated by commas; all by default."""
    min_area_m2: float = 0.0
    """Objects smaller than this go to the neighbor with which they share the longest border; see --small."""
    small: Literal["merge", "drop"] = "merge"
    """What becomes of objects below --min-area-m2: merge gives them to a neighbor, drop leaves them out."""
    fill_holes_m2: float = 0.0
    """What one object encloses, up to this area, becomes part of it; nodata stays a hole."""
    simplify_m: float = 0.0
    """Leave out details of about this size; shared borders are simplified together, so that no gap opens."""
    area_budget: float = 1.0
    """Largest change of the area of a class by --simplify-m, in percent; beyond it, less is simplified."""
    regularize: bool = False
    """Give the polygons right angles: for buildings, chosen with --classes; borders are then no longer shared."""
    regularize_m: float | None = None
    """How far --regularize may move a wall, in meters; 1.5 pixels by default."""
    scores: str | None = None
    """Raster of one band of scores for each class, on the grid of the map: adds prob_mean and prob_min."""
    gsd_m: float | None = None
    """Meters per pixel, only for a map without georeference."""

    def __post_init__(self) -> None:
        at_least(0, min_area_m2=self.min_area_m2, fill_holes_m2=self.fill_holes_m2, simplify_m=self.simplify_m)
        at_least(1e-6, gsd_m=self.gsd_m, regularize_m=self.regularize_m)
        between(0.0, 100.0, area_budget=self.area_budget)
        if self.small not in {"merge", "drop"}:
            raise ConfigError(f"--small is {self.small}; expected merge or drop")
        needs("--min-area-m2", given=self.min_area_m2 > 0, small=self.small != "merge")
        needs("--simplify-m", given=self.simplify_m > 0, area_budget=self.area_budget != 1.0)
        if self.regularize and self.classes is None:
            raise ConfigError(
                "--regularize gives right angles, which suit buildings only; say which with --classes, like building"
            )
        if self.regularize_m is not None and not self.regularize:
            raise ConfigError("--regularize-m is how far --regularize may move a wall; give --regularize as well")
