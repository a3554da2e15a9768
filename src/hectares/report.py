"""Artefacts to one self-contained HTML page for people: maps beside scenes, areas, scores, and where they come from.

Artefacts are known by what they hold, not by their names. The page needs no network and no other file, and the
same artefacts give the same bytes.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hectares import __version__
from hectares.config.report import ReportConfig
from hectares.errors import ArtefactError, InputError, LegendError, RasterError
from hectares.io.artefact import read_artefact, read_json, sha256_file
from hectares.io.builtin import locate
from hectares.io.outputs import check_target, resolve, staged_file
from hectares.io.rasters.class_map import (
    LEGEND_TAG,
    MOST_CODES,
    PROVENANCE_TAG,
    codes_in_the_middle,
    open_class_map,
)
from hectares.io.rasters.raster import open_raster
from hectares.io.segmenter import SPEC_FILE, find_segmenter
from hectares.monitor import QUIET, Monitor, Problem, Severity, track
from hectares.view import render
from hectares.view.account import Piece
from hectares.view.exhibits import Given, Map, Record, Run, Scene, intact
from hectares.view.page import render_page
from hectares.view.sections import Heads, compose

_KINDS = ("areas", "evaluation", "estimate", "change", "polygons", "comparison", "objects")
_WITH_FIGURE = {"evaluation", "comparison"}
_CHIPS = "chips.json"
_POLYGON_FILES = {".gpkg", ".fgb", ".geojson", ".parquet", ".pmtiles", ".shp"}
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_RGB = ("red", "green", "blue")


def write_report(
    artefacts: Sequence[str | Path],
    out: str | Path,
    config: ReportConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Path:
    """Write a page about class maps, scenes, their JSON records, runs and chips, as many as there are.

    Areas with `kind` "reference" stand beside the mapped ones. Memory is that of a strip of the largest raster.
    Raises InputError for what is none of these.
    """
    target = resolve(out)
    if target.suffix.lower() not in {".html", ".htm"}:
        raise ArtefactError(f"{target}: a report is a page; end its name in .html")
    inputs = [p for p in _artefact_files(artefacts) if p.is_file()]
    check_target(target, overwrite=overwrite, inputs=inputs)
    given, _ = read_artefacts(artefacts, config, monitor=monitor)
    heads = Heads(config.title, config.place, __version__)
    page = compose(given, heads, max_zones=config.max_zones)
    for check in page.checks:
        if not check.holds:
            severity: Severity = "incomplete" if check.misleads else "warning"
            remedy = "the page says so; give artefacts of one chain"
            monitor.problem(Problem(str(target), check.sentence.rstrip("."), remedy, severity))
    text = render_page(page)
    with staged_file(target, overwrite=overwrite, inputs=inputs) as work:
        work.write_text(text, encoding="utf-8")
    return target


# --- What is given ----------------------------------------------------------------------------------------


def read_artefacts(
    artefacts: Sequence[str | Path], config: ReportConfig, *, monitor: Monitor = QUIET
) -> tuple[Given, dict[str, Path]]:
    """Read artefacts by what they hold, and give their files by the names they have on a page.

    Raises InputError for what is no artefact of a known kind.
    """
    paths = _artefact_files(artefacts)
    if not paths:
        raise InputError("give at least one class map, scene, evaluation, table of areas or run")
    given, names = Given(), _names(paths)
    for path in track(paths, monitor, "reading"):
        _read(path, names[path], given, config, monitor)
    return given, {name: path for path, name in names.items()}


def _artefact_files(artefacts: Sequence[str | Path]) -> list[Path]:
    return list(dict.fromkeys(_artefact_file(Path(a)) for a in artefacts))


def _artefact_file(path: Path) -> Path:
    """Follow links, and take the JSON beside a CSV or a file of polygons."""
    path = locate(path).resolve()
    if path.suffix.lower() in _POLYGON_FILES:
        return _polygon_record(path)
    if path.suffix.lower() != ".csv":
        return path
    beside = path.with_name(path.name.removesuffix(path.suffix).removesuffix(".scores") + ".json")
    if not beside.is_file():
        raise InputError(f"{path}: has no {beside.name} beside it; give the JSON that was written with the table")
    return beside


def _polygon_record(path: Path) -> Path:
    """Give the record beside a file of polygons. Raises InputError if there is none, or that of another file."""
    record = path.with_suffix(".json")
    content = read_json(record) if record.is_file() else None
    if isinstance(content, dict) and content.get("hectares") == "polygons" and content.get("polygons") == path.name:
        return record
    why = f"has no {record.name} beside it" if content is None else f"has beside it {record.name} of another file"
    raise InputError(
        f"{path}: {why}; a report takes polygons by the record that `vectorize` writes beside them: give this .json"
    )


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name the artefacts: the name of the file, with that of its folder where several share it."""
    shared = Counter(path.name for path in paths)
    return {path: path.name if shared[path.name] == 1 else f"{path.parent.name}/{path.name}" for path in paths}


def _read(path: Path, name: str, given: Given, config: ReportConfig, monitor: Monitor) -> None:
    """Read one artefact to where it belongs."""
    if (path / _CHIPS).is_file():
        given.chips.append(_read_chips(path, name))
    elif path.is_dir():
        given.runs.append(_read_run(path, name))
    elif path.suffix.lower() == ".json":
        record = _read_record(path, name)
        homes = {
            "evaluation": given.evaluations,
            "areas": given.areas,
            "reference areas": given.references,
            "estimate": given.estimates,
            "change": given.changes,
            "polygons": given.polygons,
            "comparison": given.comparisons,
            "objects": given.objects,
        }
        homes[record.piece.kind].append(record)
    elif _is_class_map(path, monitor):
        given.maps.append(_read_map(path, name, config))
    else:
        given.scenes.append(_read_scene(path, name, config, monitor))


def _unknown(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: {why}; a report takes class maps, scenes, evaluations, comparisons, objects and polygons (.json), "
        "areas, estimates and change (.json or .csv), runs and chips"
    )


def _read_run(path: Path, name: str) -> Run:
    if not any((path / file).is_file() for file in (SPEC_FILE, f"segmenter/{SPEC_FILE}", "run.json")):
        raise _unknown(path, "is a folder, but no run and no segmenter")
    stored = find_segmenter(path)
    return Run(Piece(name, "segmenter", stored.sha256, stored.content), path, _read_history(stored.folder))


def _read_chips(path: Path, name: str) -> Record:
    content = read_artefact(path / _CHIPS, "chips")
    with intact(path / _CHIPS):
        facts = {key: value for key, value in content.items() if key != "inputs"}  # of thousands of scenes
        return Record(Piece(name, "chips", content["fingerprint"], {**facts, "images": len(content["inputs"])}), path)


def _read_history(folder: Path) -> tuple[dict[str, float], ...]:
    path = folder / "history.csv"
    if not path.is_file():
        return ()
    with intact(path), path.open(newline="", encoding="utf-8") as file:
        return tuple({k: float(v) if v else float("nan") for k, v in line.items()} for line in csv.DictReader(file))


def _read_record(path: Path, name: str) -> Record:
    content = read_json(path)
    kind = content.get("hectares") if isinstance(content, dict) else None
    if kind not in _KINDS:
        raise _unknown(path, f"holds {kind!r}" if isinstance(kind, str) else "is no artefact of hectares")
    content = read_artefact(path, kind)
    if content.get("kind") == "reference":
        kind = "reference areas"
    figure = None
    if kind in _WITH_FIGURE and path.with_suffix(".png").is_file():
        beside = path.with_suffix(".png").read_bytes()
        figure = beside if beside.startswith(_PNG) else None
    return Record(Piece(name, kind, sha256_file(path), content), path, figure)


def _is_class_map(path: Path, monitor: Monitor) -> bool:
    """Tell class maps from scenes: ours by their tags, those of other tools by the few codes that are in them."""
    try:
        with open_raster(path, expand_palette=False, tolerate_damage=True) as raster:
            if {LEGEND_TAG, PROVENANCE_TAG} & set(raster.facts.tags):
                return True
            looks_like_one, has_palette = bool(codes_in_the_middle(raster)), raster.facts.has_palette
    except RasterError as error:
        raise _unknown(path, str(error).removeprefix(f"{path}: ")) from error
    count = _count_codes(path) if looks_like_one else 0
    if not 0 < count <= MOST_CODES:
        return False
    if not has_palette:
        what = f"its one band holds only {count} different whole number(s), so it is taken for a class map"
        remedy = "if it is a scene, store it as floats (gdal_translate -ot Float32)"
        monitor.problem(Problem(str(path), what, remedy, "note"))
    return True


def _count_codes(path: Path) -> int:
    """Count the classes of the whole raster; 0 for what is no class map after all."""
    try:
        with open_class_map(path) as opened:
            return len(opened.legend)
    except (LegendError, RasterError):
        return 0


def _read_map(path: Path, name: str, config: ReportConfig) -> Map:
    with intact(path), open_class_map(path) as opened:
        indices = render.class_overview(opened, config.picture_px)
        step = render.overview_step(opened.grid.shape, config.picture_px)
        seams = None if opened.seal is None else opened.seal.seams
        made = dict(opened.provenance) if seams is None else {**opened.provenance, "seams": seams}
        piece = Piece(name, "class map", sha256_file(path), made)
        return Map(piece, opened.grid, opened.legend, indices, step)


def _read_scene(path: Path, name: str, config: ReportConfig, monitor: Monitor) -> Scene:
    with open_raster(path, tolerate_damage=True) as raster:
        bands = raster.bands
        shown = render.rgb_bands(bands)
        wanted = sorted(set(shown))  # one band may be shown as all three colors
        raster.select(config.rgb or [str(band + 1) for band in wanted])
        chip = render.image_overview(raster, config.picture_px, block=raster.facts.block_shape)
        order = [wanted.index(band) for band in shown] if config.rgb is None else [0, 1, 2][: len(chip.image)] * 3
        picture = render.to_rgb(chip.image[order[:3]], _RGB, chip.valid)
        if raster.damage:
            what = f"{len(raster.damage)} block(s) cannot be decoded"
            monitor.problem(
                Problem(str(path), what, "they are pale in the picture; fetch the file again", "incomplete")
            )
        return Scene(Piece(name, "scene", sha256_file(path), {}), raster.grid, bands, picture)
