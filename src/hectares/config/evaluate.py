"""Knobs of `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError

_FOR_CHIPS = {
    "split": "chooses chips; a map is scored as a whole",
    "threshold": "needs the scores of a segmenter; a map holds classes alone",
    "tune": "needs the scores of a segmenter; a map holds classes alone",
    "runtime": "says what runs a network; a map is scored without one",
    "device": "says where a network runs; a map is scored without one",
}
_FOR_MAPS = {
    "legend": "is that of a reference raster; chips have theirs",
    "class_field": "is an attribute of a vector reference; chips have their labels",
    "aoi": "is what was labelled of a vector reference; chips have their labels",
    "background": "is a class of a vector reference; chips have their labels",
    "scene": "is the image of a map; chips have theirs",
}
"""What an option is for, by its name, where it has no effect."""


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """How a map or a run is scored."""

    split: Literal["train", "val", "test"] = "test"
    """Which chips are scored, when the reference is a folder of chips."""
    without: tuple[str, ...] = ()
    """Classes to leave out of the scores, by name; may be given several times."""
    legend: Path | None = None
    """Legend of a reference, if its codes or colors are not those of the map; classes are matched by name."""
    class_field: str | None = None
    """Attribute of a vector reference with the name or code of the class."""
    aoi: str | None = None
    """What was labelled of a vector reference, FILE or FILE:LAYER; outside of it nothing is scored."""
    background: str | None = None
    """Class of what no shape of a vector reference covers; by default it is taken as not labelled."""
    scene: Path | None = None
    """The image of the place, for the pictures of examples when a map is scored."""
    examples: int = 6
    """Pictures of image, reference, prediction and errors: half of them the worst, the others up to the best."""
    erode_px: int = 0
    """Score a second time without reference pixels this close to another class; ISPRS takes 3."""
    boundary_share: float = 0.02
    """Width of the band of boundary IoU, as a share of the diagonal of a chip (of 256 px of a map); 0 for none."""
    slack_px: int = 3
    """Slack of relaxed precision and recall; 0 for none."""
    intervals: Literal["bca", "percentile", "none"] = "bca"
    """How intervals follow from the draws: corrected for bias and skewness, plain quantiles, or not at all."""
    level: float = 0.95
    """Share of cases in which an interval should hold the score."""
    draws: int = 2000
    """How often units are drawn anew for the intervals."""
    units: Literal["auto", "group", "block"] = "auto"
    """What is drawn: groups of scenes, or blocks within scenes; auto takes groups if there are ten."""
    block_px: int | None = None
    """Side of the blocks, at least that of a chip; by default as large as leaves 20 of them."""
    seed: int = 0
    """Seed of the draws."""
    threshold: float | None = None
    """Score from which a pixel is the class, for two classes or classes that may overlap; by default 0.5."""
    tune: bool = False
    """Run over the val chips first, for the temperature, thresholds and area offsets that fit them best."""
    baseline: Path | None = None
    """An evaluation.json of the same places to compare with, such as that of a simple method."""
    runtime: Literal["auto", "openvino", "onnx", "torch"] = "auto"
    """What runs the network, in fp32; auto takes torch on a GPU, else the first of these that is there and checked."""
    device: str = "auto"
    """auto, cpu or cuda."""

    def __post_init__(self) -> None:
        at_least(0, examples=self.examples, erode_px=self.erode_px, slack_px=self.slack_px, seed=self.seed)
        at_least(1, block_px=self.block_px)
        at_least(100, draws=self.draws)
        between(0, 0.2, boundary_share=self.boundary_share)
        between(0.5, 0.999, level=self.level)
        between(0, 1, threshold=self.threshold)

    def require_for(self, subject: Literal["map", "chips"]) -> None:
        """Raise ConfigError for an option that says nothing about what is scored.

        >>> EvaluateConfig(split="val").require_for("map")
        Traceback (most recent call last):
            ...
        hectares.errors.ConfigError: --split chooses chips; a map is scored as a whole: leave --split out
        """
        defaults = {f.name: f.default for f in fields(self)}
        for name, why in (_FOR_CHIPS if subject == "map" else _FOR_MAPS).items():
            if getattr(self, name) != defaults[name]:
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{option} {why}: leave {option} out")
