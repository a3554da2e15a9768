"""The page of a report: what stands on it, and how it becomes HTML.

All text is escaped by the template. Pictures, style and script are inside the file: it needs nothing else.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from hectares.view.account import Check
from hectares.view.cards import DataSection
from hectares.view.changes import ChangeSection
from hectares.view.compared_runs import ComparisonSection
from hectares.view.estimates import EstimateSection
from hectares.view.objects import ObjectSection
from hectares.view.polygons import PolygonSection
from hectares.view.sheet import Sheet
from hectares.view.tables import AreaSection, Fact, ScoreSection
from hectares.view.template import fill


@dataclass(frozen=True, slots=True)
class Image:
    """A picture inside the page."""

    media: str
    content: bytes
    alt: str
    """What it shows, for readers who do not see it."""
    width: int
    height: int

    @classmethod
    def of_sheet(cls, sheet: Sheet, alt: str) -> Image:
        """Take a figure onto the page."""
        return cls.of_png(sheet.png(), alt)

    @classmethod
    def of_png(cls, content: bytes, alt: str) -> Image:
        """Take a PNG file onto the page."""
        width, height = struct.unpack(">II", content[16:24])
        return cls("image/png", content, alt, width, height)

    @property
    def uri(self) -> str:
        """The picture as an address that holds it."""
        return f"data:{self.media};base64,{base64.b64encode(self.content).decode()}"

    @property
    def is_wide(self) -> bool:
        """True if it takes the whole width of the page, with nothing beside it."""
        return self.width > 1.3 * self.height

    @property
    def is_coarse(self) -> bool:
        """True if the page enlarges it: its pixels then stay squares."""
        return self.width < 700


@dataclass(frozen=True, slots=True)
class Entry:
    """A class in a legend."""

    name: str
    color: str
    area: str | None = None
    """In hectares, if an area table of this map was given."""
    share: str | None = None


@dataclass(frozen=True, slots=True)
class MapSection:
    """A class map, with the scene it was made from if that was given."""

    title: str
    facts: tuple[Fact, ...]
    picture: Image
    legend: tuple[Entry, ...]
    notes: tuple[str, ...]
    scene: Image | None = None
    """On the same grid as the map: the two can be laid over each other."""


@dataclass(frozen=True, slots=True)
class SceneSection:
    """A scene without a map on its grid."""

    title: str
    facts: tuple[Fact, ...]
    picture: Image


@dataclass(frozen=True, slots=True)
class RunSection:
    """A segmenter: how it came about."""

    title: str
    story: tuple[str, ...]
    card: tuple[Fact, ...]
    curve: Image | None


@dataclass(frozen=True, slots=True)
class ScoreFigures:
    """The scores of one evaluation, with their figure."""

    section: ScoreSection
    figure: Image


@dataclass(frozen=True, slots=True)
class ComparisonFigures:
    """Several runs compared, with the figure that was written with the comparison."""

    section: ComparisonSection
    figure: Image | None


@dataclass(frozen=True, slots=True)
class ChangeFigures:
    """What became what, with the two maps if both were given."""

    section: ChangeSection
    before: Image | None = None
    after: Image | None = None


@dataclass(frozen=True, slots=True)
class AreaFigures:
    """The areas of one map, with their chart."""

    section: AreaSection
    chart: Image


@dataclass(frozen=True, slots=True)
class EstimateFigures:
    """The estimates of one map, with their chart."""

    section: EstimateSection
    chart: Image


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of the page comes from."""

    name: str
    kind: str
    sha256: str
    facts: tuple[Fact, ...] = ()
    """Version, inputs with their hashes, and settings."""


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    subtitle: str
    version: str
    key_figures: tuple[Fact, ...] = ()
    maps: tuple[MapSection, ...] = ()
    scenes: tuple[SceneSection, ...] = ()
    areas: tuple[AreaFigures, ...] = ()
    estimates: tuple[EstimateFigures, ...] = ()
    changes: tuple[ChangeFigures, ...] = ()
    polygons: tuple[PolygonSection, ...] = ()
    scores: tuple[ScoreFigures, ...] = ()
    objects: tuple[ObjectSection, ...] = ()
    comparisons: tuple[ComparisonFigures, ...] = ()
    runs: tuple[RunSection, ...] = ()
    data: tuple[DataSection, ...] = ()
    story: tuple[str, ...] = ()
    """How the maps were made."""
    limits: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What does not belong to the rest of the page, by the anchor of its section."""
    sources: tuple[Source, ...] = field(default=())

    @property
    def contents(self) -> tuple[tuple[str, str], ...]:
        """The parts that are there: anchor of the first of each, and what it is called."""
        mapped = any(item.section.kind == "mapped" for item in self.areas)
        parts = (
            ("map-1", "Map", self.maps),
            ("scene-1", "Scene", self.scenes),
            ("area-1", "Mapped area" if mapped else "Reference area", self.areas),
            ("estimate-1", "Estimated area", self.estimates),
            ("change-1", "Change", self.changes),
            ("polygons-1", "Polygons", self.polygons),
            ("scores-1", "How good it is", self.scores),
            ("objects-1", "Objects", self.objects),
            ("comparison-1", "Comparison", self.comparisons),
            ("made", "How it was made", self.runs or self.story),
            ("data-1", "Training data", self.data),
        )
        always = (("limits", "Limits of use"), ("sources", "Provenance"))
        return (*((anchor, name) for anchor, name, there in parts if there), *always)


def render_page(page: Page) -> str:
    """Give the page as HTML. The same page gives the same text."""
    return fill("report.html", page=page)
