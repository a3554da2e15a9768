"""A cell of a notebook: pictures and tables of artefacts as a piece of HTML, and the same tables as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hectares.core.area import AreaTable
from hectares.core.legend import hex_color
from hectares.view.cards import data_card, model_card
from hectares.view.changes import change_section
from hectares.view.compared_runs import comparison_section
from hectares.view.estimates import estimate_section
from hectares.view.exhibits import Given, Map, Record, intact
from hectares.view.numbers import hectares, percent
from hectares.view.objects import object_section
from hectares.view.page import Image
from hectares.view.place import place_line
from hectares.view.polygons import polygon_section
from hectares.view.sections import map_image, scene_image, scene_of
from hectares.view.tables import area_section, score_section
from hectares.view.template import fill

_MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """A small table: the first cell of a row is its head, and may have a color; without heads, a list of facts."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    colors: tuple[str | None, ...] = ()

    @property
    def lines(self) -> list[tuple[str | None, str, tuple[str, ...]]]:
        """Color, head and cells of each row."""
        colors = self.colors or (None,) * len(self.rows)
        return [(color, row[0], row[1:]) for color, row in zip(colors, self.rows, strict=True)]


@dataclass(frozen=True, slots=True)
class Part:
    """One artefact."""

    title: str
    note: str = ""
    table: Table | None = None
    pictures: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """All artefacts of one call."""

    parts: tuple[Part, ...] = field(default=())

    @classmethod
    def of(cls, given: Given, areas: Mapping[str, AreaTable]) -> Cell:
        """Give the parts of a cell; `areas` are those counted from maps, by the name of the map."""
        return cls(tuple(_parts(given, areas)))

    def text(self) -> str:
        """Give titles and tables as text.

        >>> print(Cell((Part("Map m.tif", "", Table(("class", "ha"), (("wood", "1.50"), ("bog", "20.00")))),)).text())
        Map m.tif
        class     ha
        wood    1.50
        bog    20.00
        """
        return "\n\n".join("\n".join(_text(part)) for part in self.parts)


def render_cell(cell: Cell) -> str:
    """Give a cell as HTML that stands for itself in a larger page. All text is escaped."""
    return fill("notebook.html", cell=cell)


def _text(part: Part) -> Iterator[str]:
    yield part.title
    if part.note:
        yield part.note
    if part.table is None:
        return
    facts = not part.table.heads[0]
    rows = [*([] if facts else [part.table.heads]), *part.table.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(part.table.heads))]
    for row in rows:
        more = (c.ljust(w) if facts else c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))
        cells = [row[0].ljust(widths[0]), *more]
        yield "  ".join(cells).rstrip()


# --- Parts ------------------------------------------------------------------------------------------------


def _parts(given: Given, areas: Mapping[str, AreaTable]) -> Iterator[Part]:
    left = list(given.scenes)
    for item in given.maps:
        scene = scene_of(item, left)
        if scene is not None:
            left.remove(scene)
        pictures = (*([] if scene is None else [scene_image(scene)]), map_image(item))
        yield Part(f"Map {item.piece.name}", place_line(item.grid), _legend(item, areas), pictures)
    for scene in left:
        bands = Table(("band", "name"), tuple((str(k), name) for k, name in enumerate(scene.bands[:_MOST_ROWS], 1)))
        yield Part(f"Scene {scene.piece.name}", place_line(scene.grid), bands, (scene_image(scene),))
    makers = (
        (given.areas + given.references, _areas_part),
        (given.estimates, _estimate_part),
        (given.changes, _change_part),
        (given.polygons, _polygons_part),
        (given.evaluations, _scores_part),
        (given.objects, _objects_part),
        (given.comparisons, _comparison_part),
        (given.chips, _chips_part),
    )
    for records, make in makers:
        for record in records:
            with intact(record.path):
                yield make(record)
    for run in given.runs:
        with intact(run.folder):
            facts = tuple((fact.label, fact.value) for fact in model_card(run.piece.content))
            yield Part(f"Segmenter {run.piece.name}", "", Table(("", ""), facts))


def _legend(item: Map, areas: Mapping[str, AreaTable]) -> Table:
    colors = tuple(hex_color(c.color) for c in item.legend.classes)
    table = areas.get(item.piece.name)
    if table is None:
        return Table(("class",), tuple((name,) for name in item.legend.names), colors)
    rows = [(r.name, hectares(r.mapped_m2 / 1e4), percent(table.share(r)), f"{r.pixels:,}") for r in table.rows]
    counted = [row for row, r in zip(rows, table.rows, strict=True) if r.class_id is not None or r.pixels]
    return Table(("class", "mapped ha", "share", "pixels"), tuple(counted), (*colors, None)[: len(counted)])


def _cut(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(rows[:_MOST_ROWS])


def _areas_part(record: Record) -> Part:
    s = area_section(record.content, None, max_zones=1)
    lines = [*s.lines, s.observed, *([] if s.nodata is None else [s.nodata])]
    rows = tuple((line.name, line.hectares, line.share, line.pixels) for line in lines)
    heads = ("class", f"{s.kind} ha", "share", "pixels")
    return Part(f"{s.kind.capitalize()} area of {s.title}", "", Table(heads, rows, tuple(line.color for line in lines)))


def _estimate_part(record: Record) -> Part:
    s = estimate_section(record.content, max_zones=1)
    rows = tuple((e.name, e.mapped, e.estimate, e.ends) for e in s.lines)
    table = Table(("class", "mapped ha", "estimated ha", s.level), rows, tuple(e.color for e in s.lines))
    return Part(f"Estimated area of {s.title}", s.overall, table)


def _change_part(record: Record) -> Part:
    s = change_section(record.content)
    rows = tuple((f"{line.before} to {line.after}", line.hectares, line.share) for line in s.lines)
    return Part(f"Mapped change, {s.title}", s.summary, Table(("change", "ha", "share"), rows))


def _polygons_part(record: Record) -> Part:
    s = polygon_section(record.content)
    rows = tuple((line.name, line.polygons, line.written, line.difference) for line in s.lines)
    table = Table(("class", "polygons", "ha", "difference"), rows, tuple(line.color for line in s.lines))
    return Part(f"Polygons of {s.map}: {s.title}", "", table)


def _scores_part(record: Record) -> Part:
    s = score_section(record.content, record.piece.name)
    rows = tuple((c.name, c.iou, c.f1, c.precision, c.recall, c.reference_px) for c in s.lines)
    heads = ("class", "IoU", "F1", "precision", "recall", "reference px")
    overall = ", ".join(f"{fact.label} {fact.value}" for fact in s.overall)
    return Part(f"Scores {s.title}", f"{s.scored} {overall}.", Table(heads, rows, tuple(c.color for c in s.lines)))


def _objects_part(record: Record) -> Part:
    s = object_section(record.content, record.piece.name)
    lines = [*s.lines, *([] if s.overall is None else [s.overall])]
    heads = ("class", *s.count_heads, *s.average_heads)
    rows = tuple((line.name, *line.counts, *line.averages) for line in lines)
    note = f"{s.compared} Counted from an IoU of {s.iou}. {s.caution}".strip()
    return Part(f"Objects {s.title}", note, Table(heads, rows))


def _comparison_part(record: Record) -> Part:
    s = comparison_section(record.content, record.piece.name)
    rows = tuple((line.name, *(f"{value} {ends}".strip() for value, ends in line.cells)) for line in s.lines)
    return Part(f"Runs compared: {s.title}", s.verdict, Table(("run", *s.heads), _cut(rows)))


def _chips_part(record: Record) -> Part:
    s = data_card(record.content, record.piece.name)
    note = "; ".join(f"{fact.label}: {fact.value}" for fact in s.facts)
    rows = tuple((name, *cells) for name, _, cells in s.lines)
    table = Table(("share of the labelled pixels", *s.heads), rows, tuple(color for _, color, _ in s.lines))
    return Part(f"Chips {s.title}", note, table)
