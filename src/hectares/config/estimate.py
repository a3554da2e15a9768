"""Knobs of `estimate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import needs
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EstimateConfig:
    """How a labelled sample becomes areas with intervals."""

    method: Literal["stratified", "model-assisted"] = "stratified"
    """Estimate from the sample and the areas of its strata; or a second time with a file that is known everywhere."""
    labels: Path | None = None
    """Labels of the points, .csv or .geojson as the labelling form exports them; by default those in the sample."""
    confidence: float = 0.95
    """Share of surveys whose interval should hold the true area."""
    interval: Literal["melded", "normal"] = "melded"
    """Intervals that hold for rare classes too, or the usual estimate +- z standard errors."""
    zones: str | None = None
    """Vector file of zones to estimate one by one, FILE or FILE:LAYER; by default those the sample was drawn for."""
    zone_field: str | None = None
    """Attribute that names a zone; by default the first text attribute."""
    assist_with: Path | None = None
    """For model-assisted: another class map, or a raster of scores with a band a class, on the grid of the map."""
    assist: Literal["regression", "tuned", "difference"] = "regression"
    """For model-assisted: fit all columns of the file; one factor a class (PPI++); or take them as they are (PPI)."""
    merge: tuple[str, ...] = ()
    """Strata to take as one, such as bog+fen, because one of them has too few points; may be given several times."""
    other_map: bool = False
    """The sample was drawn from another map of this place: its strata stay, accuracies are those of this map."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise ConfigError(f"--confidence is {self.confidence:g}; expected 0.5 to below 1, such as 0.95")
        if self.assist_with is not None and self.method != "model-assisted":
            raise ConfigError("--assist-with is for --method model-assisted; give both, or none")
        needs("--method model-assisted", given=self.method == "model-assisted", assist=self.assist != "regression")
        needs("--zones", given=self.zones is not None, zone_field=self.zone_field is not None)
        for names in self.merge:
            if len([n for n in names.split("+") if n.strip()]) < 2:
                raise ConfigError(f"--merge {names!r}: expected names of two or more classes with + between them")
