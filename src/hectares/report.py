"""Artefacts to one self-contained HTML page for people: maps beside scenes, areas, scores, and where they come from.

Artefacts are known by what they hold, not by their names. The page needs no network and no other file, and the
same artefacts give the same bytes.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares import __version__
from hectares.config.report import ReportConfig
from hectares.core.confusion import Confusion
from hectares.core.grid import Grid, same_grid
from hectares.core.legend import IGNORE, Legend, hex_color
from hectares.errors import ArtefactError, HectaresError, InputError, RasterError
from hectares.io.artefact import read_artefact, read_json, sha256_file
from hectares.io.class_map import LEGEND_TAG, PROVENANCE_TAG, open_class_map
from hectares.io.outputs import check_target, resolve, staged_file
from hectares.io.raster import open_raster
from hectares.io.segmenter import SPEC_FILE, StoredSegmenter, find_segmenter
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view import account, page, render
from hectares.view.figures import areas_sheet, history_sheet
from hectares.view.numbers import count
from hectares.view.place import place_facts
from hectares.view.scorecard import evaluation_sheet
from hectares.view.tables import AreaSection, Fact, area_section, score_section

_KINDS = ("areas", "evaluation")
_RGB = ("red", "green", "blue")


def write_report(
    artefacts: Sequence[str | Path],
    out: str | Path,
    config: ReportConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Write a page about class maps, scenes, evaluations, areas and runs, as many of each as there are.

    Areas with `kind` "reference" stand beside the mapped ones. Memory is that of a strip of the largest raster.
    Raises InputError for what is none of these.
    """
    target = resolve(out)
    if target.suffix.lower() not in {".html", ".htm"}:
        raise ArtefactError(f"{target}: a report is a page; end its name in .html")
    paths = list(dict.fromkeys(_artefact_file(Path(a)) for a in artefacts))
    if not paths:
        raise InputError("a report needs at least one class map, scene, evaluation, table of areas or run")
    inputs = [p for p in paths if p.is_file()]
    check_target(target, overwrite=overwrite, inputs=inputs)
    given = _Given()
    for path in track(paths, monitor, "reading"):
        _read(path, given, config, monitor)
    content = _compose(given, config)
    for check in content.checks:
        if not check.holds:
            monitor.problem(Problem(str(target), f"it is not so that {check.sentence}", "give artefacts of one chain"))
    text = page.render_page(content)
    with staged_file(target, overwrite=overwrite, inputs=inputs) as work:
        work.write_text(text, encoding="utf-8")
    return target


# --- What is given ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Map:
    piece: account.Piece
    grid: Grid
    legend: Legend
    indices: NDArray[np.uint8]
    """The overview."""
    step: int
    """Pixels of the map to one of the overview, along a side."""


@dataclass(frozen=True, eq=False)
class _Scene:
    piece: account.Piece
    grid: Grid
    bands: tuple[str, ...]
    picture: render.Picture


@dataclass(frozen=True)
class _Record:
    """An evaluation or a table of areas."""

    piece: account.Piece
    path: Path

    @property
    def content(self) -> Mapping[str, Any]:
        return self.piece.content


@dataclass(frozen=True)
class _Run:
    piece: account.Piece
    folder: Path
    history: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class _Given:
    """All artefacts of a report, by kind, in the order they were given."""

    maps: list[_Map] = field(default_factory=list)
    scenes: list[_Scene] = field(default_factory=list)
    areas: list[_Record] = field(default_factory=list)
    references: list[_Record] = field(default_factory=list)
    evaluations: list[_Record] = field(default_factory=list)
    runs: list[_Run] = field(default_factory=list)

    def pieces(self) -> list[account.Piece]:
        groups = (self.maps, self.scenes, self.areas, self.references, self.evaluations, self.runs)
        return [item.piece for group in groups for item in group]


def _artefact_file(path: Path) -> Path:
    """Follow links, and take the JSON beside a CSV."""
    path = path.resolve()
    if path.suffix.lower() != ".csv":
        return path
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise InputError(f"{path}: has no {beside.name} beside it; give the JSON that was written with the table")
    return beside


def _read(path: Path, given: _Given, config: ReportConfig, monitor: Monitor) -> None:
    """Read one artefact to where it belongs."""
    if path.is_dir():
        given.runs.append(_read_run(path))
    elif path.suffix.lower() == ".json":
        record = _read_record(path)
        homes = {"evaluation": given.evaluations, "areas": given.areas, "reference areas": given.references}
        homes[record.piece.kind].append(record)
    elif _is_class_map(path):
        given.maps.append(_read_map(path, config))
    else:
        given.scenes.append(_read_scene(path, config, monitor))


def _unknown(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: {why}; a report takes class maps, scenes, evaluations (.json), areas (.json or .csv) and runs"
    )


def _read_run(path: Path) -> _Run:
    if not any((path / name).is_file() for name in (SPEC_FILE, f"segmenter/{SPEC_FILE}", "run.json")):
        raise _unknown(path, "is a folder, but no run and no segmenter")
    stored = find_segmenter(path)
    return _Run(account.Piece(path.name, "segmenter", stored.sha256, stored.content), path, _read_history(stored))


def _read_history(stored: StoredSegmenter) -> tuple[dict[str, float], ...]:
    path = stored.folder / "history.csv"
    if not path.is_file():
        return ()
    with _intact(path), path.open(newline="", encoding="utf-8") as file:
        return tuple({k: float(v) if v else float("nan") for k, v in line.items()} for line in csv.DictReader(file))


def _read_record(path: Path) -> _Record:
    content = read_json(path)
    kind = content.get("hectares") if isinstance(content, dict) else None
    if kind not in _KINDS:
        raise _unknown(path, f"holds {kind!r}" if isinstance(kind, str) else "is no artefact of hectares")
    content = read_artefact(path, kind)
    if content.get("kind") == "reference":
        kind = "reference areas"
    return _Record(account.Piece(path.name, kind, sha256_file(path), content), path)


def _is_class_map(path: Path) -> bool:
    """Tell our class maps from other rasters by their tags."""
    try:
        with open_raster(path) as raster:
            return bool({LEGEND_TAG, PROVENANCE_TAG} & set(raster.facts.tags))
    except RasterError as error:
        raise _unknown(path, str(error).removeprefix(f"{path}: ")) from error


def _read_map(path: Path, config: ReportConfig) -> _Map:
    with _intact(path), open_class_map(path) as opened:
        indices = render.class_overview(opened, config.picture_px)
        step = render.overview_step(opened.grid.shape, config.picture_px)
        piece = account.Piece(path.name, "class map", sha256_file(path), opened.provenance)
        return _Map(piece, opened.grid, opened.legend, indices, step)


def _read_scene(path: Path, config: ReportConfig, monitor: Monitor) -> _Scene:
    with open_raster(path, tolerate_damage=True) as raster:
        bands = raster.bands
        shown = render.rgb_bands(bands)
        wanted = sorted(set(shown))  # one band may be shown as all three colors
        raster.select(config.rgb or [str(band + 1) for band in wanted])
        chip = render.image_overview(raster, config.picture_px)
        order = [wanted.index(band) for band in shown] if config.rgb is None else [0, 1, 2][: len(chip.image)] * 3
        picture = render.to_rgb(chip.image[order[:3]], _RGB, chip.valid)
        if raster.damage:
            what = f"{len(raster.damage)} block(s) cannot be decoded"
            monitor.problem(
                Problem(str(path), what, "they are pale in the picture; fetch the file again", "incomplete")
            )
        return _Scene(account.Piece(path.name, "scene", sha256_file(path), {}), raster.grid, bands, picture)


@contextlib.contextmanager
def _intact(path: Path) -> Iterator[None]:
    """Turn what a damaged artefact causes into a sentence that names it."""
    try:
        yield
    except HectaresError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtefactError(f"{path}: is not complete ({error!r}); write it again or restore it from a copy") from error


# --- The page ---------------------------------------------------------------------------------------------


def _compose(given: _Given, config: ReportConfig) -> page.Page:
    if len(given.references) > 1:
        names = ", ".join(r.piece.name for r in given.references)
        raise InputError(f"{names}: are {len(given.references)} tables of reference areas; give one")
    areas = tuple(_area_sections(given, config))
    scores = tuple(_score_sections(given))
    maps, alone = _map_sections(given, areas)
    pieces = given.pieces()
    return page.Page(
        title=config.title or Path(pieces[0].name).stem,
        subtitle=_subtitle(given),
        version=__version__,
        key_figures=tuple(_key_figures(given, areas, scores)),
        maps=tuple(maps),
        scenes=tuple(page.SceneSection(s.piece.name, _scene_facts(s), _scene_image(s)) for s in alone),
        areas=areas,
        scores=scores,
        runs=tuple(_run_sections(given)),
        story=tuple(sentence for m in given.maps for sentence in account.mapping_story(m.piece.name, m.piece.content)),
        limits=tuple(_limits(given)),
        checks=tuple(account.belong_together(pieces)),
        sources=tuple(page.Source(p.name, p.kind, p.sha256, account.stamp_facts(p.content)) for p in pieces),
    )


def _subtitle(given: _Given) -> str:
    if len(given.maps) != 1:
        return ""
    facts = {f.label: f.value for f in place_facts(given.maps[0].grid)}
    return ", ".join(facts[label] for label in ("center", "size") if label in facts)


def _key_figures(
    given: _Given, areas: Sequence[page.AreaFigures], scores: Sequence[page.ScoreFigures]
) -> Iterator[Fact]:
    """What a reader wants to know first, where there is one answer."""
    if len(areas) == 1:
        section = areas[0].section
        yield Fact("observed area", f"{section.observed.hectares} ha")
        largest = max(section.bars, key=lambda bar: bar.mapped_ha)
        share = next(line.share for line in section.lines if line.name == largest.name)
        yield Fact(f"largest class: {largest.name}", share)
    if len(scores) == 1:
        content = given.evaluations[0].content
        where = f"the {content['split']} split" if content.get("split") else str(content.get("reference"))
        overall = {fact.label: fact.value for fact in scores[0].section.overall}
        yield Fact(f"of the scored pixels right ({where})", overall["accuracy"])
        yield Fact("mean IoU", overall["mean IoU"])


# --- Maps and scenes --------------------------------------------------------------------------------------


def _map_sections(given: _Given, areas: Sequence[page.AreaFigures]) -> tuple[list[page.MapSection], list[_Scene]]:
    """Sections of the maps, and the scenes that no map lies on."""
    left, sections = list(given.scenes), []
    for item in given.maps:
        scene = _scene_of(item, left)
        if scene is not None:
            left.remove(scene)
        sections.append(_map_section(item, scene, _section_of(item, given, areas)))
    return sections, left


def _scene_of(item: _Map, scenes: Sequence[_Scene]) -> _Scene | None:
    """The scene on the grid of a map; among several the one it was predicted from."""
    same = [s for s in scenes if _on_one_grid(s.grid, item.grid)]
    source = item.piece.inputs.get("scene")
    return next((s for s in same if s.piece.sha256 == source), same[0] if same else None)


def _on_one_grid(a: Grid, b: Grid) -> bool:
    return same_grid(a, b) if a.is_georeferenced and b.is_georeferenced else a.shape == b.shape


def _section_of(item: _Map, given: _Given, areas: Sequence[page.AreaFigures]) -> AreaSection | None:
    pairs = zip(given.areas, areas, strict=False)  # without mapped areas, the reference has a section alone
    return next((a.section for r, a in pairs if r.piece.inputs.get("map") == item.piece.sha256), None)


def _map_section(item: _Map, scene: _Scene | None, areas: AreaSection | None) -> page.MapSection:
    entries = [page.Entry(c.name, hex_color(c.color)) for c in item.legend.classes]
    shown = ", ".join(item.legend.names)
    lines = {} if areas is None else {line.name: line for line in areas.lines}
    if set(item.legend.names) <= set(lines):
        entries = [replace(e, area=lines[e.name].hectares, share=lines[e.name].share) for e in entries]
        shown = ", ".join(f"{e.name} {e.share}" for e in entries)
    height, width = item.indices.shape
    alt = f"Class map {item.piece.name}: {shown}."
    picture = page.Image("image/png", render.encode_classes(item.indices, item.legend), alt, width, height)
    facts, has_nodata = place_facts(item.grid), bool((item.indices == IGNORE).any())
    notes = account.map_notes(item.piece.content, item.grid.shape, item.step, has_nodata=has_nodata)
    return page.MapSection(
        f"Map {item.piece.name}", facts, picture, tuple(entries), tuple(notes),
        None if scene is None else _scene_image(scene),
    )  # fmt: skip


def _scene_facts(scene: _Scene) -> tuple[Fact, ...]:
    return (*place_facts(scene.grid), Fact("bands", ", ".join(scene.bands)))


def _scene_image(scene: _Scene) -> page.Image:
    media, content = render.encode_photo(scene.picture)
    height, width = scene.picture.shape[:2]
    return page.Image(media, content, f"Picture of the scene {scene.piece.name}.", width, height)


# --- Areas, scores, runs ----------------------------------------------------------------------------------


def _area_sections(given: _Given, config: ReportConfig) -> Iterator[page.AreaFigures]:
    reference = given.references[0] if given.references else None
    for record in given.areas or given.references:
        beside = reference if record is not reference else None
        with _intact(record.path):
            content = None if beside is None else beside.content
            section = area_section(record.content, content, max_zones=config.max_zones)
            told = "; ".join(f"{line.name} {line.hectares} ha, {line.share}" for line in section.lines)
            chart = page.Image.of_sheet(areas_sheet(section.bars), f"Bar chart of areas. {told}.")
            yield page.AreaFigures(section, chart)


def _score_sections(given: _Given) -> Iterator[page.ScoreFigures]:
    for record in given.evaluations:
        with _intact(record.path):
            section = score_section(record.content, record.piece.name)
            told = "; ".join(f"{line.name}: IoU {line.iou}, F1 {line.f1}" for line in section.lines)
            alt = f"Confusion matrix, scores of the classes, and examples. {told}."
            yield page.ScoreFigures(section, _evaluation_image(record, alt))


def _evaluation_image(record: _Record, alt: str) -> page.Image:
    """The figure that was written with the evaluation; without it, one from the counts."""
    beside = record.path.with_suffix(".png")
    if beside.is_file() and (content := beside.read_bytes()).startswith(b"\x89PNG\r\n\x1a\n"):
        return page.Image.of_png(content, alt)
    confusion = Confusion(np.array(record.content["confusion"], np.int64))
    return page.Image.of_sheet(evaluation_sheet(confusion, Legend.from_json(record.content["legend"]), []), alt)


def _run_sections(given: _Given) -> Iterator[page.RunSection]:
    for run in given.runs:
        curve = None
        with _intact(run.folder):
            if run.history:
                best = run.piece.content["best"]["epoch"]
                alt = f"Loss and mean IoU of {count(len(run.history), 'epoch')}; the best is epoch {best:.0f}."
                curve = page.Image.of_sheet(history_sheet(run.history), alt)
            yield page.RunSection(run.piece.name, account.training_story(run.piece.content), curve)


def _limits(given: _Given) -> Iterator[str]:
    for record in given.areas:
        with _intact(record.path):
            yield from account.area_limits(record.content)
    for record in given.evaluations:
        with _intact(record.path):
            yield from account.score_limits(record.content, record.piece.name)
    if not given.evaluations:
        yield account.NO_SCORES
