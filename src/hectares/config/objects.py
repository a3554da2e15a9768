"""Knobs of `objects`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ObjectsConfig:
    """How predicted objects are compared with those of a reference."""

    iou: float = 0.5
    """A prediction finds an object if their intersection is at least this share of their union: F1 and counts."""
    classes: str | None = None
    """Classes to score, separated by commas; by default those of the reference. For vector files."""
    class_field: str | None = None
    """Attribute of the reference that names the class; class_name or class_id by default. For vector files."""
    score_field: str | None = None
    """Attribute of the predictions that says how sure they are; prob_mean, score or confidence by default."""
    aoi: str | None = None
    """FILE or FILE:LAYER of what was labelled; objects with their middle outside are left out. For vector files."""
    min_area: float = 0.0
    """Leave out smaller objects of the reference, m2, or pixels where there is no CRS; SpaceNet had 20 pixels."""
    max_detections: int | None = None
    """AP and AR take the surest so many of each image and class; 100 for COCO, all otherwise."""
    skip_bad: bool = False
    """Leave out COCO annotations without a usable shape; otherwise they count as missed."""
    places: str | None = None
    """Write what was matched, missed and false, with IoU and score: .gpkg, .fgb or .geojson, or .csv for any."""

    def __post_init__(self) -> None:
        at_least(0, min_area=self.min_area)
        at_least(1, max_detections=self.max_detections)
        if not 0 < self.iou <= 1:
            raise ConfigError(f"--iou is {self.iou}; expected a share above 0, at most 1, like 0.5")
