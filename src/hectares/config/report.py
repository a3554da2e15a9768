"""Knobs of `report`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """How artefacts become a page."""

    title: str | None = None
    """Heading of the page; by default the name of the map."""
    place: str | None = None
    """Name of the place, to stand before its coordinates: "Sundarbans, Bangladesh"."""
    picture_px: int = 1400
    """Longest side of the pictures of scene and map."""
    rgb: str | None = None
    """Bands of the scene shown as red, green and blue, by 1-based number or name: 4,3,2; by default by their names."""
    max_zones: int = 60
    """Zones listed on the page; the table of areas has them all."""

    def __post_init__(self) -> None:
        at_least(100, picture_px=self.picture_px)
        at_least(1, max_zones=self.max_zones)
        if self.rgb is not None and self.rgb.count(",") not in {0, 2}:
            raise ConfigError(f"--rgb is {self.rgb!r}; expected three bands as in 4,3,2, or one")
