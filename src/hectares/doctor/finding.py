"""What an examination finds, and the ledger that keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import pyproj

from hectares.core.grid import Grid, parse_crs
from hectares.errors import HectaresError
from hectares.monitor import Problem

Severity = Literal["note", "warning", "error"]
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
_KEPT = 10_000
"""Findings of one check that are kept one by one; more are only counted."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point to look at: in pixels where it lies in a scene, in degrees where the place on Earth is known."""

    row: int | None = None
    col: int | None = None
    lon: float | None = None
    lat: float | None = None

    @classmethod
    def of_pixel(cls, grid: Grid, row: int, col: int) -> Place:
        """Give the place of a pixel.

        >>> from affine import Affine
        >>> grid = Grid("EPSG:4326", Affine(0.5, 0, 10, 0, -0.5, 50), (2, 4))
        >>> Place.of_pixel(grid, 0, 1)
        Place(row=0, col=1, lon=10.75, lat=49.75)
        """
        if grid.crs is None:
            return cls(row, col)
        x, y = grid.transform @ (col + 0.5, row + 0.5)
        return cls(row, col, *_degrees(grid.crs, x, y))

    @classmethod
    def of_point(cls, crs: str, x: float, y: float) -> Place:
        """Give the place of a point in map coordinates."""
        return cls(None, None, *_degrees(crs, x, y))

    @property
    def on_earth(self) -> bool:
        """True if longitude and latitude are known."""
        return self.lon is not None and self.lat is not None

    def __str__(self) -> str:
        if self.row is not None:
            return f"row {self.row}, col {self.col}"
        return f"{self.lon:.6f}, {self.lat:.6f}" if self.on_earth else ""


def _degrees(crs: str, x: float, y: float) -> tuple[float, float] | tuple[None, None]:
    lon, lat = _transformer(crs).transform(x, y)
    return (float(lon), float(lat)) if abs(lon) <= 180 and abs(lat) <= 90 else (None, None)


@lru_cache(maxsize=16)
def _transformer(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(parse_crs(crs).to_2d(), "EPSG:4326", always_xy=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an examination found."""

    check: str
    """What was looked for, in a word or two: the group under which it is shown."""
    severity: Severity
    """`error`: using it fails or gives wrong results; `warning`: look at it; `note`: good to know."""
    where: str
    """File, or several."""
    what: str
    remedy: str
    scene: str = ""
    """Id of the scene in its catalog, if it is about one."""
    places: tuple[Place, ...] = ()
    count: int = 1
    """How many pixels, shapes, files ... it is about."""

    @property
    def has_weight(self) -> bool:
        """False for what is only good to know."""
        return self.severity != "note"

    @property
    def place(self) -> Place | None:
        """The first place to look at."""
        return self.places[0] if self.places else None

    def to_problem(self) -> Problem:
        """Give the finding as a verb tells it to its monitor."""
        return Problem(self.where, self.what, self.remedy, "incomplete" if self.has_weight else "note")

    def to_json(self) -> dict[str, Any]:
        """Give the finding as a record."""
        return asdict(self)


def from_error(check: str, where: str, error: HectaresError, *, scene: str = "") -> Finding:
    """Give a refusal as a finding: its message says what was found and, after the last semicolon, the way out.

    >>> from hectares.errors import RasterError
    >>> from_error("reading", "a.tif", RasterError("a.tif: is empty; fetch it again")).remedy
    'fetch it again'
    """
    text = str(error).removeprefix(f"{where}: ").removeprefix(f"{where}, ")
    what, _, remedy = text.rpartition("; ")
    return Finding(check, "error", where, what or text, remedy if what else "see `hectares formats`", scene)


def from_problem(check: str, problem: Problem, severity: Severity | None = None, *, scene: str = "") -> Finding:
    """Give a problem that a reader noted as a finding; a note stays a note, all else is a warning by itself."""
    own: Severity = "note" if problem.severity == "note" else "warning"
    return Finding(check, severity or own, problem.where, problem.what, problem.remedy, scene)


class Ledger:
    """Keeps findings; of very many of one kind it keeps the first and counts the rest."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._findings: list[Finding] = []
        self._counts = Counter[tuple[str, Severity]]()

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        for finding in findings:
            key = (finding.check, finding.severity)
            self._counts[key] += 1
            if self._counts[key] <= self._kept:
                self._findings.append(finding)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was kept, the gravest first, each check together."""
        first = {key: n for n, key in enumerate(self._counts)}
        return tuple(sorted(self._findings, key=lambda f: (_ORDER[f.severity], first[f.check, f.severity])))

    @property
    def counts(self) -> dict[tuple[str, Severity], int]:
        """How many findings of each check and severity there were."""
        return dict(self._counts)
