"""Class maps to a page in a folder: maps over scenes, with areas, that opens in any browser without a network.

A composition: the areas on the page are those that `measure` writes, and its tables lie in the folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from hectares import __version__
from hectares.config.measure import MeasureConfig
from hectares.config.view import ViewConfig
from hectares.core.grid import Grid, same_grid
from hectares.core.window import Window
from hectares.errors import ConfigError, GridError, InputError, RasterError
from hectares.io.artefact import read_artefact, save_json, sha256_file, stamp
from hectares.io.outputs import resolve, staged_folder
from hectares.io.polygons.page_polygons import label_point, read_page_polygons, rings_on
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.zones import OUTSIDE, read_zones
from hectares.measure import measure_map
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view import map_page as view
from hectares.view import render
from hectares.view.account import map_notes, stamp_facts
from hectares.view.page import Source
from hectares.view.place import place_facts, place_line
from hectares.view.pyramid import (
    MapTile,
    Pyramid,
    encode_codes,
    encode_picture,
    finest_step,
    level_shapes,
    mean_squares,
    sample,
    shrink_codes,
    shrink_picture,
)
from hectares.view.tables import Fact

KIND = "map page"
RECORD = "page.json"
_STRIP_ROWS, _WINDOW_COLS = 512, 4096
_OVERVIEW_PX = 1000
_RGB = ("red", "green", "blue")
_NO_SCORE = 255


@dataclass(frozen=True)
class MapPage:
    """A page that was written."""

    folder: Path
    files: int
    size: int
    """Bytes of all files."""

    @property
    def start(self) -> Path:
        """The file to open."""
        return self.folder / "index.html"


def write_map_page(
    maps: Sequence[str | Path],
    out: str | Path,
    config: ViewConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> MapPage:
    """Write a folder with a page about class maps in one CRS. Memory is that of a strip of the widest raster.

    Raises ConfigError without a map, GridError for rasters that cannot be laid over the first map, and what
    `measure` raises.
    """
    paths = [Path(m) for m in maps]
    _refuse_counts(paths, config)
    if Path(out).suffix.lower() in {".html", ".htm"}:
        raise ConfigError(f"{out}: is the name of a file; `view` writes a folder: give its name, like {Path(out).stem}")
    inputs = [*paths, *(path for _, path in _others(config))]
    target = resolve(out)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_class_map(p)) for p in paths]
        for other in opened[1:]:
            _refuse_elsewhere(other.path, other.grid, opened[0].grid)
        folder = stack.enter_context(staged_folder(target, overwrite=overwrite, inputs=inputs, ours=RECORD))
        work = _Work(folder, opened[0].grid, config, monitor, _labels(inputs), {p: sha256_file(p) for p in inputs})
        content = _compose(work, opened)
        for name, data in view.page_files(content["title"], content).items():
            work.put(name, data)
        hashes = {work.labels[p]: sha for p, sha in work.hashes.items()}
        save_json(folder / RECORD, stamp(KIND, config=_settings(config), inputs=hashes))
    sizes = [p.stat().st_size for p in target.rglob("*") if p.is_file()]
    return MapPage(target, len(sizes), sum(sizes))


# --- What is given ----------------------------------------------------------------------------------------


def _refuse_counts(paths: Sequence[Path], config: ViewConfig) -> None:
    if not paths:
        raise ConfigError("a page needs at least one class map")
    if len(set(paths)) < len(paths):
        raise ConfigError(f"{Counter(paths).most_common(1)[0][0]}: is given twice")
    if len(config.scores) not in {0, len(paths)}:
        raise ConfigError(f"--scores is given {len(config.scores)} times for {len(paths)} map(s); give one for each")


def _others(config: ViewConfig) -> list[tuple[str, Path]]:
    """Give what is given beside the maps, with its kind."""
    files = [("scene", s) for s in config.scene] + [("scores", s) for s in config.scores]
    files += [("table of areas", s) for s in config.areas]
    files += [(kind, s) for kind, s in (("zones", config.zones), ("polygons", config.polygons)) if s is not None]
    return [(kind, split_layer_name(file)[0]) for kind, file in files]


def _labels(paths: Sequence[Path]) -> dict[Path, str]:
    """Name files for people: by name, with that of the folder where several share it."""
    shared = Counter(path.name for path in dict.fromkeys(paths))
    return {p: p.name if shared[p.name] == 1 else f"{p.resolve().parent.name}/{p.name}" for p in paths}


def _settings(config: ViewConfig) -> dict[str, Any]:
    """Give the options with files by name alone: a page goes to other machines."""

    def name(file: str) -> str:
        path, layer = split_layer_name(file)
        return path.name if layer is None else f"{path.name}:{layer}"

    settings = asdict(config)
    for key in ("scene", "scores", "areas"):
        settings[key] = [name(file) for file in settings[key]]
    for key in ("zones", "polygons"):
        settings[key] = None if settings[key] is None else name(settings[key])
    return settings


def _refuse_elsewhere(path: Path, grid: Grid, first: Grid) -> None:
    """Raise GridError for a raster that cannot be laid over the first map by moving, turning and scaling it."""
    if grid.crs != first.crs:
        known = first.crs if first.crs and len(first.crs) < 20 else "CRS"
        raise GridError(
            f"{path}: is in {(grid.crs or 'no CRS')[:80]}, the first map in {(first.crs or 'none')[:80]}; "
            f"bring it there, for example with gdalwarp -t_srs {known}"
        )
    if grid.crs is None and grid.shape != first.shape:
        raise GridError(
            f"{path}: has {grid.shape[0]} x {grid.shape[1]} px and no CRS, the first map {first.shape[0]} x "
            f"{first.shape[1]}; without a place, rasters of one page have the same size"
        )
    west, south, east, north = first.bounds
    left, lower, right, upper = grid.bounds
    if grid.crs is not None and (left >= east or right <= west or lower >= north or upper <= south):
        raise GridError(f"{path}: spans {grid.bounds}, the first map {first.bounds}: they do not meet")


def _refuse_rasters(config: ViewConfig, maps: Sequence[ClassMap]) -> None:
    """Look at scenes and scores before hours of work, not after them."""
    for path in map(Path, config.scene):
        with open_raster(path) as raster:
            _refuse_elsewhere(path, raster.grid, maps[0].grid)
    for file, opened in zip(config.scores, maps, strict=False):
        with open_raster(file, expand_palette=False) as raster:
            if not same_grid(raster.grid, opened.grid):
                raise GridError(f"{file}: lies on another grid than {opened.path}; give the scores of this map")


# --- The page ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """The folder that is being filled, and what all parts of the page need."""

    folder: Path
    frame: Grid
    """The grid of the first map: the page counts in its pixels."""
    config: ViewConfig
    monitor: Monitor
    labels: Mapping[Path, str]
    hashes: Mapping[Path, str]

    def put(self, name: str, data: bytes) -> None:
        """Write a file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def put_codes(self, layer: str, tiles: view.Tiles, found: Iterator[MapTile]) -> None:
        """Write those tiles of codes on which there is anything."""
        for tile in found:
            name = view.tile_name(layer, tile)
            data = encode_codes(tile, name)
            if data is not None:
                self.put(f"tiles/{name}.js", data)
                tiles.mark(tile, "c")

    def layer(self, name: str, path: Path, grid: Grid, step: int, tiles: view.Tiles) -> dict[str, Any]:
        """Tell of a layer and of its place on the page."""
        affine = (~self.frame.transform @ grid.transform)[:6] if grid.crs else Affine.identity()[:6]
        return view.layer_record(name, self.labels[path], [round(v, 9) for v in affine], grid.shape, step, tiles)


def _compose(work: _Work, maps: Sequence[ClassMap]) -> dict[str, Any]:
    config, frame = work.config, work.frame
    tables = _given_tables(work, maps)
    zones = read_zones(config.zones, config.zone_field, frame, maps[0].path, QUIET) if config.zones else {}
    outlines = read_page_polygons(config.polygons, frame, config.max_polygons, work.monitor) if config.polygons else []
    _refuse_rasters(config, maps)
    records = [_map_record(work, opened, number, tables.get(opened.path)) for number, opened in enumerate(maps)]
    scenes = [_scene_record(work, Path(scene), number) for number, scene in enumerate(config.scene)]
    sources = [_map_source(work, opened) for opened in maps]
    sources += [Source(work.labels[path], kind, work.hashes[path]) for kind, path in _others(config)]
    extent = view.extent_of(records)
    return {
        "title": config.title or maps[0].path.stem,
        "subtitle": place_line(frame),
        "version": __version__,
        "extent": extent,
        "pixelM": list(frame.gsd) if frame.crs is not None else [config.gsd_m, config.gsd_m],
        "lonlat": None if frame.crs is None else view.lonlat_record(frame, extent),
        "maps": records,
        "scenes": scenes,
        "zones": [
            {"name": name, "rings": rings_on(shape, frame), "label": label_point(shape, frame)}
            for name, shape in zones.items()
        ],
        "outlines": [{"name": o.name, "m2": float(f"{o.area_m2:.9g}"), "rings": o.rings} for o in outlines],
        "sources": [view.source_record(s) for s in sources],
    }


def _map_source(work: _Work, opened: ClassMap) -> Source:
    facts = (*place_facts(opened.grid), *stamp_facts(opened.provenance))
    if not opened.provenance:
        facts = (*facts, Fact("origin", "not known: the file does not say how it was made"))
    return Source(work.labels[opened.path], "class map", work.hashes[opened.path], facts)


# --- Maps -------------------------------------------------------------------------------------------------


def _map_record(work: _Work, opened: ClassMap, number: int, table: Mapping[str, Any] | None) -> dict[str, Any]:
    name, config, grid = f"map-{number + 1}", work.config, opened.grid
    step = finest_step(grid.shape, config.max_px)
    shape = (-(-grid.shape[0] // step), -(-grid.shape[1] // step))
    tiles = view.Tiles(level_shapes(shape))
    pyramid = Pyramid(shape, shrink_codes)
    for strip in _strips(opened, step, work.monitor, f"tiles of {work.labels[opened.path]}"):
        work.put_codes(name, tiles, pyramid.add(strip))
    record = work.layer(name, opened.path, grid, step, tiles)
    if table is None and (grid.crs is not None or config.gsd_m is not None):
        table = _measure(work, opened, f"areas-{number + 1}.csv")
        record["table"] = f"areas-{number + 1}.csv"
    notes = map_notes(opened.provenance, grid.shape, step, has_nodata=False)  # the legend has a line for it
    return record | {
        "classes": view.legend_record(opened.legend),
        "notes": list(notes),
        "areas": None if table is None else view.areas_record(table, last=OUTSIDE),
        "pixelArea": view.pixel_area_record(grid, config.gsd_m),
        "scores": _score_record(work, opened, number) if config.scores else None,
    }


def _strips(opened: ClassMap, step: int, monitor: Monitor, stage: str) -> Iterator[NDArray[np.uint8]]:
    """Give the class indices of a map from top to bottom, one of `step` pixels along each side."""
    row: list[NDArray[np.uint8]] = []
    for window in track(opened.windows(), monitor, stage):
        row.append(sample(opened.read(window), step))
        if window.col_end == opened.grid.shape[1]:
            yield np.concatenate(row, axis=1)
            row = []


def _measure(work: _Work, opened: ClassMap, name: str) -> dict[str, Any]:
    """Write the table of a map into the folder, and give what it says."""
    config = MeasureConfig(zones=work.config.zones, zone_field=work.config.zone_field, gsd_m=work.config.gsd_m)
    table = work.folder / name
    measure_map(opened.path, table, config, monitor=work.monitor)
    table.with_suffix(".png").unlink(missing_ok=True)  # the page draws its own
    return read_artefact(table.with_suffix(".json"), "areas")


def _given_tables(work: _Work, maps: Sequence[ClassMap]) -> dict[Path, dict[str, Any]]:
    """Read the tables of areas that are given, by the map that they were counted from."""
    owners = {work.hashes[m.path]: m.path for m in maps}
    tables = {}
    for file in map(Path, work.config.areas):
        if file.suffix.lower() == ".csv" and not file.with_suffix(".json").is_file():
            raise InputError(
                f"{file}: has no {file.stem}.json beside it; give the JSON that was written with the table"
            )
        content = read_artefact(file.with_suffix(".json"), "areas")
        owner = owners.get(content["inputs"].get("map", ""))
        if owner is None or len(content["inputs"]) > 1:
            raise InputError(f"{file}: was not counted from one of the maps of this page; measure the map again")
        if work.config.zones is not None and not content["zones"]:
            raise InputError(f"{file}: has no zones; measure the map with --zones, or leave --areas out")
        tables[owner] = content
    return tables


def _score_record(work: _Work, opened: ClassMap, number: int) -> dict[str, Any]:
    """Cut the scores of a map into tiles of per cent, the finest level alone."""
    path, name = Path(work.config.scores[number]), f"scores-{number + 1}"
    step = finest_step(opened.grid.shape, work.config.max_px)
    shape = (-(-opened.grid.shape[0] // step), -(-opened.grid.shape[1] // step))
    tiles = view.Tiles([shape])
    pyramid = Pyramid(shape, shrink_codes)
    with open_raster(path, expand_palette=False) as raster:
        percent: list[NDArray[np.uint8]] = []
        for window in track(opened.windows(), work.monitor, f"scores {work.labels[path]}"):
            percent.append(sample(_percent(raster, window), step))
            if window.col_end == opened.grid.shape[1]:
                found = (t for t in pyramid.add(np.concatenate(percent, axis=1)) if t.level == 0)
                work.put_codes(name, tiles, found)
                percent = []
    return work.layer(name, path, opened.grid, step, tiles)


def _percent(raster: RasterFile, window: Window) -> NDArray[np.uint8]:
    """Give the highest score of each pixel in per cent, 255 where there is none."""
    chip = raster.read(window)
    highest = chip.image.max(axis=0)
    seen = highest[chip.valid]
    if seen.size and not (seen.min() >= 0 and seen.max() <= 1):
        raise RasterError(
            f"{raster.path}: holds {seen.max():g}; scores are 0 to 1 (whole numbers need the scale in the file)"
        )
    return np.where(chip.valid, np.rint(highest * 100), _NO_SCORE).astype(np.uint8)


# --- Scenes -----------------------------------------------------------------------------------------------


def _scene_record(work: _Work, path: Path, number: int) -> dict[str, Any]:
    """Cut a scene into tiles of pictures, stretched as in a report."""
    name = f"scene-{number + 1}"
    with open_raster(path, tolerate_damage=True) as raster:
        order = _choose_bands(raster, work.config)
        overview = render.image_overview(raster, _OVERVIEW_PX, block=raster.facts.block_shape)
        limits = render.stretch_limits([(overview.image[order], overview.valid)], _RGB)
        step = finest_step(raster.grid.shape, work.config.scene_px)
        shape = (-(-raster.grid.shape[0] // step), -(-raster.grid.shape[1] // step))
        tiles, pyramid = view.Tiles(level_shapes(shape)), Pyramid(shape, shrink_picture)
        for strip in _picture_strips(raster, order, limits, step, work):
            for tile in pyramid.add(strip):
                encoded = encode_picture(tile)
                if encoded is not None:
                    work.put(f"tiles/{view.tile_name(name, tile)}.{encoded[0]}", encoded[1])
                    tiles.mark(tile, encoded[0][0])
        if raster.damage:
            what = f"{len(raster.damage)} block(s) cannot be decoded"
            remedy = "they are blank on the page; fetch the file again"
            work.monitor.problem(Problem(str(path), what, remedy, "incomplete"))
        return work.layer(name, path, raster.grid, step, tiles)


def _choose_bands(raster: RasterFile, config: ViewConfig) -> list[int]:
    """Select the bands to show, and give which of them are red, green and blue."""
    shown = render.rgb_bands(raster.bands)
    wanted = sorted(set(shown))  # one band may be shown as all three colors
    raster.select(config.rgb or [str(band + 1) for band in wanted])
    return (
        [wanted.index(band) for band in shown] if config.rgb is None else ([0, 1, 2] if "," in config.rgb else [0] * 3)
    )


def _picture_strips(
    raster: RasterFile, order: Sequence[int], limits: render.Limits, step: int, work: _Work
) -> Iterator[NDArray[np.uint8]]:
    """Give the rows of a scene as RGBA, stretched, one of `step` pixels along each side."""
    height, width = raster.grid.shape
    starts = range(0, height, _STRIP_ROWS)
    for row in track(starts, work.monitor, f"tiles of {work.labels[raster.path]}"):
        parts = []
        for col in range(0, width, _WINDOW_COLS):
            chip = raster.read(Window(row, col, min(_STRIP_ROWS, height - row), min(_WINDOW_COLS, width - col)))
            image, valid = mean_squares(chip.image, chip.valid, step)
            picture = render.to_rgb(image[list(order)], _RGB, valid, limits=limits)
            parts.append(np.dstack([picture, np.where(valid, 255, 0).astype(np.uint8)]))
        yield np.concatenate(parts, axis=1)
