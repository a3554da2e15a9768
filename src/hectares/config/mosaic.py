"""Knobs of `predict --mosaic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hectares.errors import ConfigError

OverlapRule = Literal["first", "newest", "center"]


@dataclass(frozen=True, slots=True)
class MosaicConfig:
    """How the maps of many scenes become one."""

    mosaic: bool = False
    """Make one map of all scenes, OUT.tif, instead of one for each: they may overlap and lie in several UTM zones."""
    overlap_rule: OverlapRule = "first"
    """Which scene decides a pixel that several show: the first as given, the newest, or (center) the one whose edge and
    nodata are farthest away. Classes of several scenes are never mixed."""
    crs: str | None = None
    """CRS of the mosaic, as EPSG:32633; by default that of the first scene, with its pixels as they are."""
    gsd_m: float | None = None
    """Pixel size of the mosaic in meters; by default that of the first scene."""

    def __post_init__(self) -> None:
        if self.overlap_rule not in get_args(OverlapRule):
            raise ConfigError(f"overlap_rule is {self.overlap_rule!r}; choose first, newest or center")
        if self.gsd_m is not None and not 0 < self.gsd_m < float("inf"):
            raise ConfigError(f"gsd_m is {self.gsd_m}; expected a length in meters above 0")
        if not self.mosaic and (self.overlap_rule != "first" or self.crs is not None or self.gsd_m is not None):
            raise ConfigError(
                "--overlap-rule, --crs and --gsd-m are those of one map; give them together with --mosaic"
            )
