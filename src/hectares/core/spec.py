"""What a segmenter expects and means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hectares.core.bands import BandPlan, BandStats
from hectares.core.legend import Legend
from hectares.core.scaling import Scaling
from hectares.errors import ConfigError

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


@dataclass(frozen=True)
class SegmenterSpec:
    """What a model expects and means. Stored beside the weights; nothing about preprocessing lives elsewhere."""

    network: str
    """Name in the zoo."""
    options: Mapping[str, JSON]
    """What else the network is built from: encoder, width."""
    stats: BandStats
    """Bands, in order, with the statistics of the training pixels."""
    legend: Legend
    """Class k of the logits is `legend.classes[k]`."""
    gsd_m: float | None
    """Metres per pixel of the training images, None if they had no georeference."""
    tile_px: int
    """Side of the squares the network was trained on."""
    multilabel: bool = False
    """True if each class is a question of its own, so that classes may overlap."""
    only: str | None = None
    """The class that is told from all others, if the segmenter learned just that."""
    dtype: str = "uint8"
    """Type of the training pixels."""
    scaling: str = "standard"
    """How values in raster units become what the network sees; see `core.scaling`."""
    depths: tuple[int | None, ...] = ()
    """Bits that the values of each band use, None for floats."""
    plan: BandPlan = field(default_factory=BandPlan)
    """What the bands are made of: spectral indices, units, corrections."""
    footprint: tuple[Mapping[str, JSON], ...] = field(default=())
    """The scenes and windows seen in training, so that scores and samples can refuse them."""
    stride: int | None = None
    """Sides of the input are padded to multiples of this; None if it was not stored."""
    crop: int = 0
    """Pixels that the network cuts off each side; mirrored ones are put there first."""
    context_px: int | None = None
    """How far from a pixel its answer still depends on the image, measured when training ended; None if it was not."""

    def __post_init__(self) -> None:
        if self.tile_px < 1:
            raise ConfigError(f"tile_px is {self.tile_px}; expected at least 1")
        if self.stride is not None and self.stride < 1:
            raise ConfigError(f"stride is {self.stride}; expected at least 1")
        if min(self.crop, self.context_px or 0) < 0:
            raise ConfigError(f"crop is {self.crop} and context_px {self.context_px}; expected at least 0")

    @property
    def scaler(self) -> Scaling:
        """What scales values, by the range of all training pixels."""
        return Scaling.of(self.scaling, self.stats, self.depths)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in the order the network takes them."""
        return self.stats.names

    def to_json(self) -> dict[str, Any]:
        """Give the spec as a record."""
        return {
            "network": self.network,
            "options": dict(self.options),
            "stats": self.stats.to_json(),
            "scaling": self.scaling,
            "depths": list(self.depths),
            "plan": self.plan.to_json(),
            "multilabel": self.multilabel,
            "only": self.only,
            "legend": self.legend.to_json(),
            "gsd_m": self.gsd_m,
            "tile_px": self.tile_px,
            "dtype": self.dtype,
            "footprint": [dict(f) for f in self.footprint],
            "stride": self.stride,
            "crop": self.crop,
            "context_px": self.context_px,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> SegmenterSpec:
        """Read a record written by `to_json`."""
        return cls(
            network=record["network"],
            options=record["options"],
            stats=BandStats.from_json(record["stats"]),
            scaling=record["scaling"],
            depths=tuple(record["depths"]),
            plan=BandPlan.from_json(record["plan"]),
            multilabel=record["multilabel"],
            only=record.get("only"),
            legend=Legend.from_json(record["legend"]),
            gsd_m=record["gsd_m"],
            tile_px=record["tile_px"],
            dtype=record["dtype"],
            footprint=tuple(record["footprint"]),
            stride=record.get("stride"),
            crop=record.get("crop", 0),
            context_px=record.get("context_px"),
        )
