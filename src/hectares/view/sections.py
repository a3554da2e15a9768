"""From artefacts to the sections of a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.grid import Grid, same_grid
from hectares.core.legend import IGNORE, Legend, hex_color
from hectares.errors import InputError
from hectares.view import account, render
from hectares.view.cards import DataSection, data_card, model_card, model_limits
from hectares.view.changes import change_limits, change_section
from hectares.view.compared_runs import comparison_section
from hectares.view.estimate_chart import estimates_sheet
from hectares.view.estimates import estimate_limits, estimate_section
from hectares.view.exhibits import Given, Map, Record, Scene, intact
from hectares.view.figures import areas_sheet, history_sheet
from hectares.view.numbers import count, percent
from hectares.view.objects import ObjectSection, object_facts, object_limits, object_section
from hectares.view.page import (
    AreaFigures,
    ChangeFigures,
    ComparisonFigures,
    Entry,
    EstimateFigures,
    Image,
    MapSection,
    Page,
    RunSection,
    SceneSection,
    ScoreFigures,
    Source,
)
from hectares.view.place import place_facts, place_line
from hectares.view.polygons import PolygonSection, polygon_limits, polygon_section
from hectares.view.score_charts import charts_of
from hectares.view.scorecard import evaluation_sheet
from hectares.view.tables import AreaSection, Fact, area_section, score_section


@dataclass(frozen=True, slots=True)
class Heads:
    """What stands at the top of a page and who wrote it."""

    title: str | None
    """Without one, the name of the first artefact stands in."""
    place: str | None
    version: str


def compose(given: Given, heads: Heads, *, max_zones: int) -> Page:
    """Give the page about what was given."""
    if len(given.references) > 1:
        names = ", ".join(r.piece.name for r in given.references)
        raise InputError(f"{names}: are {len(given.references)} tables of reference areas; give one")
    areas = tuple(_area_sections(given, max_zones))
    scores = tuple(_score_sections(given))
    maps, alone = _map_sections(given, areas)
    pieces = given.pieces()
    checks = account.belong_together([p for p in pieces if p not in [s.piece for s in alone]])
    return Page(
        title=heads.title or Path(pieces[0].name).stem,
        subtitle=", ".join(_places(given, heads.place)),
        version=heads.version,
        key_figures=tuple(_key_figures(given, areas, scores, {c.about.sha256 for c in checks if not c.holds})),
        maps=tuple(maps),
        scenes=tuple(SceneSection(s.piece.name, _scene_facts(s), scene_image(s)) for s in alone),
        areas=areas,
        estimates=tuple(_estimate_sections(given, max_zones)),
        changes=tuple(_change_sections(given)),
        polygons=tuple(_polygon_sections(given)),
        scores=scores,
        objects=tuple(_object_sections(given)),
        comparisons=tuple(_comparison_sections(given)),
        runs=tuple(_run_sections(given)),
        data=tuple(_data_sections(given)),
        story=tuple(sentence for m in given.maps for sentence in account.mapping_story(m.piece.name, m.piece.content)),
        limits=tuple(_limits(given)),
        checks=tuple(checks),
        doubts=_doubts(given, checks),
        sources=tuple(Source(p.name, p.kind, p.sha256, account.stamp_facts(p.content)) for p in pieces),
    )


def _doubts(given: Given, checks: Sequence[account.Check]) -> dict[str, tuple[str, ...]]:
    """Give what does not belong to the rest of the page, by the anchor of the section that it stands in."""
    shown: dict[str, Sequence[Map | Record]] = {
        "map": given.maps,
        "area": given.areas or given.references,
        "estimate": given.estimates,
        "change": given.changes,
        "polygons": given.polygons,
        "scores": given.evaluations,
    }
    anchors = {f"{part}-{n}": item.piece for part, items in shown.items() for n, item in enumerate(items, start=1)}
    found = {
        anchor: tuple(c.sentence for c in checks if c.about == piece and not c.holds)
        for anchor, piece in anchors.items()
    }
    return {anchor: sentences for anchor, sentences in found.items() if sentences}


def _places(given: Given, name: str | None) -> Iterator[str]:
    """Name and coordinates of the place, if all maps, or without maps all scenes, lie on one grid."""
    if name:
        yield name
    grids = [item.grid for item in given.maps or given.scenes]
    if grids and all(_on_one_grid(grids[0], grid) for grid in grids[1:]):
        yield place_line(grids[0])


def _key_figures(
    given: Given, areas: Sequence[AreaFigures], scores: Sequence[ScoreFigures], doubted: Collection[str]
) -> Iterator[Fact]:
    """What a reader wants to know first, where there is one answer; what is of a map not shown has its name."""

    def of_map(record: Record) -> str:
        name = record.content.get("map")
        return f" of {name}" if name and record.piece.sha256 in doubted else ""

    if len(areas) == 1:
        section, other = areas[0].section, of_map((given.areas or given.references)[0])
        yield Fact(f"observed area{other}", f"{section.observed.hectares} ha")
        largest = max(section.bars, key=lambda bar: bar.mapped_ha)
        share = next(line.share for line in section.lines if line.name == largest.name)
        yield Fact(f"largest class{other}: {largest.name}", share)
    if len(given.estimates) == 1:
        with intact(given.estimates[0].path):
            overall, other = given.estimates[0].content["total"]["overall"], of_map(given.estimates[0])
            yield Fact(f"of the area{other} mapped right (estimated)", percent(overall["accuracy"]))
    if len(scores) == 1:
        content = given.evaluations[0].content
        compared = f"{content.get('map')} against {content.get('reference')}"
        where = f"the {content['split']} split" if content.get("split") else compared
        overall = {fact.label: fact.value for fact in scores[0].section.overall}
        yield Fact(f"of the scored pixels right ({where})", overall["accuracy"])
        yield Fact(f"mean IoU{of_map(given.evaluations[0])}", overall["mean IoU"])
    if len(given.objects) == 1:
        with intact(given.objects[0].path):
            yield from object_facts(given.objects[0].content)


# --- Maps and scenes --------------------------------------------------------------------------------------


def _map_sections(given: Given, areas: Sequence[AreaFigures]) -> tuple[list[MapSection], list[Scene]]:
    """Sections of the maps, and the scenes that no map lies on."""
    left, sections = list(given.scenes), []
    for item in given.maps:
        scene = scene_of(item, left)
        if scene is not None:
            left.remove(scene)
        sections.append(_map_section(item, scene, _section_of(item, given, areas)))
    return sections, left


def scene_of(item: Map, scenes: Sequence[Scene]) -> Scene | None:
    """Give the scene on the grid of a map; among several the one it was predicted from."""
    same = [s for s in scenes if _on_one_grid(s.grid, item.grid)]
    source = item.piece.inputs.get("scene")
    return next((s for s in same if s.piece.sha256 == source), same[0] if same else None)


def _on_one_grid(a: Grid, b: Grid) -> bool:
    return same_grid(a, b) if a.is_georeferenced and b.is_georeferenced else a.shape == b.shape


def _section_of(item: Map, given: Given, areas: Sequence[AreaFigures]) -> AreaSection | None:
    pairs = zip(given.areas or given.references, areas, strict=True)
    return next((a.section for r, a in pairs if r.piece.inputs.get("map") == item.piece.sha256), None)


def _map_section(item: Map, scene: Scene | None, areas: AreaSection | None) -> MapSection:
    entries = [Entry(c.name, hex_color(c.color)) for c in item.legend.classes]
    shown = ", ".join(item.legend.names)
    lines = {} if areas is None else {line.name: line for line in areas.lines}
    if set(item.legend.names) <= set(lines):
        entries = [replace(e, area=lines[e.name].hectares, share=lines[e.name].share) for e in entries]
        shown = ", ".join(f"{e.name} {e.share}" for e in entries)
    picture = map_image(item, shown)
    facts, has_nodata = place_facts(item.grid), bool((item.indices == IGNORE).any())
    notes = account.map_notes(item.piece.content, item.grid.shape, item.step, has_nodata=has_nodata)
    return MapSection(
        title=f"Map {item.piece.name}",
        facts=facts,
        picture=picture,
        legend=tuple(entries),
        notes=tuple(notes),
        scene=None if scene is None else scene_image(scene),
    )


def map_image(item: Map, shown: str = "") -> Image:
    """Give the picture of a map; `shown` says what is in it, by default the names of its classes."""
    height, width = item.indices.shape
    alt = f"Class map {item.piece.name}: {shown or ', '.join(item.legend.names)}."
    return Image("image/png", render.encode_classes(item.indices, item.legend), alt, width, height)


def _scene_facts(scene: Scene) -> tuple[Fact, ...]:
    return (*place_facts(scene.grid), Fact("bands", ", ".join(scene.bands)))


def scene_image(scene: Scene) -> Image:
    """Give the picture of a scene."""
    media, content = render.encode_photo(scene.picture)
    height, width = scene.picture.shape[:2]
    return Image(media, content, f"Picture of the scene {scene.piece.name}.", width, height)


# --- Areas, scores, runs ----------------------------------------------------------------------------------


def _area_sections(given: Given, max_zones: int) -> Iterator[AreaFigures]:
    reference = given.references[0] if given.references else None
    for record in given.areas or given.references:
        beside = reference if record is not reference else None
        with intact(record.path):
            content = None if beside is None else beside.content
            section = area_section(record.content, content, max_zones=max_zones)
            told = "; ".join(f"{line.name} {line.hectares} ha, {line.share}" for line in section.lines)
            chart = Image.of_sheet(areas_sheet(section.bars, section.kind), f"Bar chart of areas. {told}.")
            yield AreaFigures(section, chart)


def _estimate_sections(given: Given, max_zones: int) -> Iterator[EstimateFigures]:
    for record in given.estimates:
        with intact(record.path):
            section = estimate_section(record.content, max_zones=max_zones)
            told = "; ".join(f"{e.name} mapped {e.mapped} ha, estimated {e.estimate} ({e.ends})" for e in section.lines)
            sheet = estimates_sheet(section.bars, record.content["interval"]["level"])
            yield EstimateFigures(section, Image.of_sheet(sheet, f"Chart of mapped and estimated areas. {told}."))


def _change_sections(given: Given) -> Iterator[ChangeFigures]:
    for record in given.changes:
        maps = {item.piece.sha256: item for item in given.maps}
        pair = [maps.get(record.piece.inputs.get(role, "")) for role in ("before", "after")]
        with intact(record.path):
            section = change_section(record.content)
            yield ChangeFigures(section, *(map_image(m) for m in pair if m is not None and None not in pair))


def _polygon_sections(given: Given) -> Iterator[PolygonSection]:
    for record in given.polygons:
        with intact(record.path):
            yield polygon_section(record.content)


def _object_sections(given: Given) -> Iterator[ObjectSection]:
    for record in given.objects:
        with intact(record.path):
            yield object_section(record.content, record.piece.name)


def _comparison_sections(given: Given) -> Iterator[ComparisonFigures]:
    for record in given.comparisons:
        with intact(record.path):
            section = comparison_section(record.content, record.piece.name)
            alt = f"Mean IoU of the runs, IoU of the classes, and examples. {section.verdict}"
            yield ComparisonFigures(section, None if record.figure is None else Image.of_png(record.figure, alt))


def _data_sections(given: Given) -> Iterator[DataSection]:
    for record in given.chips:
        with intact(record.path):
            yield data_card(record.content, record.piece.name)


def _score_sections(given: Given) -> Iterator[ScoreFigures]:
    for record in given.evaluations:
        with intact(record.path):
            section = score_section(record.content, record.piece.name)
            told = "; ".join(f"{line.name}: IoU {line.iou}, F1 {line.f1}" for line in section.lines)
            alt = f"Confusion matrix, scores of the classes, and examples. {told}."
            yield ScoreFigures(section, _evaluation_image(record, alt))


def _evaluation_image(record: Record, alt: str) -> Image:
    """The figure that was written with the evaluation; without it, one from the counts."""
    if record.figure is not None:
        return Image.of_png(record.figure, alt)
    counts = np.array(record.content["confusion"], np.int64)
    confusion = Confusion(counts) if counts.ndim == 2 else PlaneConfusion(counts)
    legend = Legend.from_json(record.content["legend"])
    return Image.of_sheet(evaluation_sheet(confusion, legend, [], charts_of(record.content)), alt)


def _run_sections(given: Given) -> Iterator[RunSection]:
    for run in given.runs:
        curve = None
        with intact(run.folder):
            if run.history:
                best = run.piece.content["best"]["epoch"]
                alt = f"Loss and mean IoU of {count(len(run.history), 'epoch')}; the best is epoch {best:.0f}."
                curve = Image.of_sheet(history_sheet(run.history, best_epoch=best), alt)
            story, card = account.training_story(run.piece.content), model_card(run.piece.content)
            yield RunSection(run.piece.name, story, card, curve)


def _limits(given: Given) -> Iterator[str]:
    for record in given.areas:
        with intact(record.path):
            yield from account.area_limits(record.content)
    for record in given.evaluations:
        with intact(record.path):
            yield from account.score_limits(record.content, record.piece.name)
    for record in given.objects:
        with intact(record.path):
            yield from object_limits(record.content, record.piece.name)
    told_of = (
        (estimate_limits, given.estimates),
        (change_limits, given.changes),
        (polygon_limits, given.polygons),
    )
    for told, records in told_of:
        for record in records:
            with intact(record.path):
                yield from told(record.content)
    for run in given.runs:
        with intact(run.folder):
            yield from model_limits(run.piece.content, run.piece.name)
    if not (given.evaluations or given.estimates or given.comparisons or given.objects):
        yield account.NO_SCORES
