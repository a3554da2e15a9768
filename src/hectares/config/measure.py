"""Knobs of `measure`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hectares.config.checks import at_least, needs
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """How a class map becomes an area table."""

    zones: str | None = None
    """Vector file of zones, FILE or FILE:LAYER, in any CRS."""
    zone_field: str | None = None
    """Attribute that names a zone; by default the first text attribute."""
    edges: Literal["share", "center"] = "share"
    """Pixels on the edge of a zone count with the share that lies inside, or wholly if their center does."""
    min_coverage: float = 0.0
    """Refuse if less than this share of the maps shows a class, the rest being nodata: 0.95."""
    gsd_m: float | None = None
    """Meters per pixel, only for a map without georeference."""

    def __post_init__(self) -> None:
        at_least(1e-6, gsd_m=self.gsd_m)
        zones = self.zones is not None
        needs("--zones", given=zones, zone_field=self.zone_field is not None, edges=self.edges != "share")
        if not 0 <= self.min_coverage <= 1:
            raise ConfigError(f"--min-coverage {self.min_coverage}: expected a share from 0 to 1")
