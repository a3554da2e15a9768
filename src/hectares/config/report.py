"""Knobs of `report`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """How artefacts become a page."""

    title: str | None = None
    """Heading of the page; by default the name of the map."""
    picture_px: int = 1000
    """Longest side of the pictures of scene and map."""

    def __post_init__(self) -> None:
        at_least(100, picture_px=self.picture_px)
