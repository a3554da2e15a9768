"""Knobs of `measure`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """How a class map becomes an area table."""

    zones: str | None = None
    """Vector file of zones, FILE or FILE:LAYER, in any CRS; a pixel belongs to the zone that holds its center."""
    zone_field: str | None = None
    """Attribute that names a zone; by default the first text attribute."""
    gsd_m: float | None = None
    """Metres per pixel, only for a map without georeference."""

    def __post_init__(self) -> None:
        at_least(1e-6, gsd_m=self.gsd_m)
