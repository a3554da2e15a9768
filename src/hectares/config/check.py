"""Knobs of `check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal  # noqa: F401 - the command line reads inherited annotations by the names of this module

from hectares.config.checks import between
from hectares.config.source import SourceConfig


@dataclass(frozen=True, slots=True)
class CheckConfig(SourceConfig):
    """What to look for, and where to note it."""

    layout: str | None = None
    """Layout of the data set, as in `hectares formats`; without it the path says what it is."""
    places: Path | None = None
    """Write the places to look at: a GeoPackage or GeoJSON of points, or a CSV of rows and columns."""
    duplicates: bool = True
    """Look for images that occur twice, exactly or nearly."""
    near: int = 4
    """Bits of 64 by which hashes of near duplicates may differ: 4 finds recompressed, resized and brighter copies."""
    flips: bool = False
    """Also find near duplicates that are flipped or rotated by 90 degrees."""
    shift: bool = True
    """Measure whether labels lie shifted against their images."""

    # Why 4. On 3,108 chips of different places (aerial, WorldView-3, Sentinel-2) no pair of 4.8 million is nearer
    # than 4, and the 2 at 4 are told apart by their thumbnails; of copies, 4 finds 100 % at JPEG quality 90 or at
    # half size, 98 % at JPEG quality 50 or 20 gray levels brighter, 92 % with a row and a column cut off. 2 finds
    # 99, 90, 93 and 71 %.

    def __post_init__(self) -> None:
        SourceConfig.__post_init__(self)  # a dataclass with slots has no usable super() without arguments
        between(0, 8, near=self.near)
