"""Knobs of `prepare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PrepareConfig:
    """How scenes become chips."""

    legend: Path | None = None
    """Legend file (JSON or YAML): the classes, their codes or colors, and what to ignore."""
    bands: str = "all"
    """Bands by 1-based number or name, in order: 4,3,2 or red,green,blue or all."""
    band_names: str | None = None
    """Names of the bands in the files, in file order, where the files do not say: B01,B02,B03."""
    chip_px: int = 256
    """Side of the square chips, in pixels."""
    stride_px: int | None = None
    """Distance from chip to chip, in pixels; by default the chip size."""
    edge: Literal["pad", "shift", "drop"] = "pad"
    """Last row and column: pad beyond the scene as unlabelled, shift back inside, or drop."""
    split: str = "auto"
    """auto, official, group, block, or a CSV with the columns scene (or group) and split."""
    val_share: float = 0.15
    """Share of the validation split, for group and block."""
    test_share: float = 0.15
    """Share of the test split, for group and block."""
    block_px: int | None = None
    """Side of the spatial blocks of --split block; by default four chips."""
    label_by: Literal["auto", "code", "color"] = "auto"
    """How labels are coded; auto decides by the number of bands and the legend."""
    nearest: int = 0
    """Accept label colors that differ by at most this from a legend color (0 to 255)."""
    min_labelled: float = 0.0
    """Leave out chips of which less than this share is labelled; wholly unlabelled ones always."""
    allow_unmatched: bool = False
    """Leave out images without a label and labels without an image, instead of refusing."""
    limit: int | None = None
    """Take only the first N scenes."""
    seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        at_least(1, chip_px=self.chip_px, stride_px=self.stride_px, block_px=self.block_px, limit=self.limit)
        between(0, 0.9, val_share=self.val_share, test_share=self.test_share)
        between(0, 1, min_labelled=self.min_labelled)
        between(0, 255, nearest=self.nearest)
        if self.val_share + self.test_share >= 1:
            raise ConfigError("--val-share and --test-share leave nothing to train on; their sum must be below 1")
        if self.split not in {"auto", "official", "group", "block"} and Path(self.split).suffix != ".csv":
            raise ConfigError(f"--split is {self.split!r}; expected auto, official, group, block or a CSV file")
