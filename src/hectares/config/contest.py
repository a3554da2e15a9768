"""Knobs of `contest`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hectares.config.checks import at_least
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ContestConfig:
    """How class maps become the file of a contest."""

    scores: str | None = None
    """Scores of `predict --scores`: a raster for one map, or a folder for several, with the names of the maps."""
    template: str | None = None
    """What is expected: sample_submission.csv of dstl, a COCO file of crowdai, a CSV with ImageId of spacenet."""
    grid_sizes: str | None = None
    """grid_sizes.csv, with the extents of the images; for dstl."""
    rename: str | None = None
    """Classes that the contest calls otherwise, separated by commas: roof=building,street=road."""
    min_px: int = 0
    """Leave out objects of fewer pixels; for contests of polygons or objects."""
    simplify_px: float = 0.0
    """Leave out details of about this many pixels from outlines; borders that are shared stay shared."""
    shapes: Literal["rle", "polygons"] = "rle"
    """How crowdai writes an object: run lengths, which are exact, or rings, which have no holes."""
    against: str | None = None
    """With --check, for dstl: the Jaccard index of each class against train_wkt.csv or another submission."""

    def __post_init__(self) -> None:
        at_least(0, min_px=self.min_px, simplify_px=self.simplify_px)
        if self.shapes not in {"rle", "polygons"}:
            raise ConfigError(f"--shapes is {self.shapes}; expected rle or polygons")
        self.renamed()

    def renamed(self) -> dict[str, str]:
        """Give the name in the contest of each class that has another one in the maps.

        >>> ContestConfig(rename="roof=building, lawn = low vegetation").renamed()
        {'roof': 'building', 'lawn': 'low vegetation'}
        """
        found: dict[str, str] = {}
        for part in [] if self.rename is None else self.rename.split(","):
            name, equals, meant = (word.strip() for word in part.partition("="))
            if not (name and equals and meant):
                raise ConfigError(
                    f"--rename: {part!r} is no pair; expected NAME=NAME_IN_THE_CONTEST, like roof=building"
                )
            found[name] = meant
        return found
