"""What a report is about: artefacts as they were read, by kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, HectaresError
from hectares.view.account import Piece
from hectares.view.render import Picture


@dataclass(frozen=True, eq=False)
class Map:
    """A class map."""

    piece: Piece
    grid: Grid
    legend: Legend
    indices: NDArray[np.uint8]
    """The overview."""
    step: int
    """Pixels of the map to one of the overview, along a side."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Any other raster."""

    piece: Piece
    grid: Grid
    bands: tuple[str, ...]
    picture: Picture


@dataclass(frozen=True)
class Record:
    """What is stored as JSON: an evaluation, objects, areas, an estimate, change, polygons, a comparison, or chips."""

    piece: Piece
    path: Path
    figure: bytes | None = None
    """The PNG that was written with an evaluation or a comparison, if it lies beside it."""

    @property
    def content(self) -> Mapping[str, Any]:
        """What the JSON holds."""
        return self.piece.content


@dataclass(frozen=True)
class Run:
    """A run or a bare segmenter."""

    piece: Piece
    folder: Path
    history: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class Given:
    """All artefacts of a report, by kind, in the order they were given."""

    maps: list[Map] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    areas: list[Record] = field(default_factory=list)
    references: list[Record] = field(default_factory=list)
    evaluations: list[Record] = field(default_factory=list)
    objects: list[Record] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    estimates: list[Record] = field(default_factory=list)
    changes: list[Record] = field(default_factory=list)
    polygons: list[Record] = field(default_factory=list)
    comparisons: list[Record] = field(default_factory=list)
    chips: list[Record] = field(default_factory=list)

    def pieces(self) -> list[Piece]:
        """Give what is common to all of them."""
        areas = (self.areas, self.references, self.estimates, self.changes)
        scored = (self.evaluations, self.objects, self.comparisons, self.runs, self.chips)
        groups = (self.maps, self.scenes, *areas, self.polygons, *scored)
        return [item.piece for group in groups for item in group]


@contextlib.contextmanager
def intact(path: Path) -> Iterator[None]:
    """Turn what a damaged artefact causes into an ArtefactError that names it."""
    try:
        yield
    except HectaresError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtefactError(f"{path}: is not complete ({error!r}); write it again or restore it from a copy") from error
