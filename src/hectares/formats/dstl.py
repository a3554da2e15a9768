"""DSTL satellite imagery feature detection: WorldView-3 images with overlapping classes as well-known text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.source import SourceConfig
from hectares.core.align import estimate_shift, shrink
from hectares.core.legend import Legend
from hectares.errors import CatalogError, ConfigError, LegendError
from hectares.formats.options import refuse_unknown_classes
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, LabelRules, WktLabel
from hectares.io.rasters.raster import open_raster
from hectares.io.shapes.wkt import CLASS_TYPES, read_wkt_table
from hectares.io.shifts import SHIFTS_FILE, Shifts, StoredShift, read_shifts, write_shifts
from hectares.io.table import read_table
from hectares.monitor import QUIET, Monitor, Problem, track

MIN_CONFIDENCE = 0.15
"""Shifts that lead by less are taken for none; unrelated images of 50 pixels a side reach 0.11, larger ones less."""
METHOD = "correlation of edges"

_REFERENCE = "RGB"
_GSD_M = {"RGB": 0.31, "P": 0.31, "M": 1.24, "A": 7.5}
_WKT_NAME = re.compile(r"train_wkt(_v\d+)?\.csv", re.IGNORECASE)
_GRID_NAME = re.compile(r"grid_sizes\.csv", re.IGNORECASE)
_ALIGN_PX = 1024
"""Shifts are measured on at most as many pixels a side."""
_SHOWN = 10

# --- Reader -----------------------------------------------------------------------------------------------


def read_dstl(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of the labelled images; shifts that were measured before are filled in.

    Raises CatalogError with all files and rows that labelled images lack.
    """
    kinds = _choose_kinds(layout, config)
    folder = _Folder.find(source)
    labels = read_wkt_table(folder.wkt)
    extents = _read_extents(folder.grid_sizes)
    _note_lacking_classes(folder.wkt, labels, monitor)
    complete = _complete(folder, kinds, labels, extents, config, monitor)
    shifts = read_shifts(folder.root / SHIFTS_FILE)
    legend, rules = _choose_meaning(layout, config)
    names = _band_names(layout, kinds)
    scenes = []
    for name in complete:
        shift = {kind: (s.rows, s.cols) for kind, s in shifts.get(name, {}).items()}
        images = tuple(
            ImageFile(
                folder.files[kind][name],
                names[kind],
                depth=layout.depth.get(kind),
                shift_px=shift.get(kind, (0.0, 0.0)),
            )
            for kind in kinds
        )
        label = WktLabel(folder.wkt, name, extents[name])
        scenes.append(CatalogScene(name, images, label, name.split("_")[0], gsd_m=_GSD_M.get(kinds[0])))
    return Catalog(tuple(scenes), legend, rules)


def _choose_kinds(layout: Format, config: SourceConfig) -> tuple[str, ...]:
    return layout.choose_images(config)


def _band_names(layout: Format, kinds: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Name the bands of the files of a scene; beside RGB, the red of M is m_red."""
    taken = set(layout.bands[_REFERENCE]) if _REFERENCE in kinds else set()
    return {
        kind: tuple(
            f"{kind.lower()}_{band}" if band in taken and kind != _REFERENCE else band for band in layout.bands[kind]
        )
        for kind in kinds
    }


def _complete(
    folder: _Folder,
    kinds: Sequence[str],
    labels: Mapping[str, object],
    extents: Mapping[str, object],
    config: SourceConfig,
    monitor: Monitor,
) -> list[str]:
    """Give the labelled images of which everything is there, in the order of their ids."""
    lacking: dict[str, list[str]] = {}
    for name in sorted(labels):
        missing = [f"no {folder.expected(kind, name)}" for kind in kinds if name not in folder.files[kind]]
        missing += [] if name in extents else [f"no row in {folder.grid_sizes.name}"]
        if missing:
            lacking[name] = missing
    if lacking:
        listed = "; ".join(f"{name}: {', '.join(missing)}" for name, missing in list(lacking.items())[:_SHOWN])
        more = "" if len(lacking) <= _SHOWN else f"; and {len(lacking) - _SHOWN} more"
        what = f"{len(lacking)} of {len(labels)} images in {folder.wkt.name} are not complete ({listed}{more})"
        if not config.allow_unmatched:
            raise CatalogError(f"{folder.root}: {what}; add what is missing, or leave them out with --allow-unmatched")
        monitor.problem(Problem(str(folder.root), what, "they are left out", "incomplete"))
    complete = [name for name in sorted(labels) if name not in lacking]
    if not complete:
        raise CatalogError(f"{folder.root}: no image is complete: files, a row in grid_sizes.csv, and labels")
    return complete


def _note_lacking_classes(path: Path, labels: Mapping[str, Mapping[int, object]], monitor: Monitor) -> None:
    lacking = {name: sorted(set(CLASS_TYPES) - set(cells)) for name, cells in sorted(labels.items())}
    listed = [f"{name}: {', '.join(map(str, numbers))}" for name, numbers in lacking.items() if numbers]
    if listed:
        what = f"{len(listed)} image(s) have no rows for some classes ({'; '.join(listed[:_SHOWN])})"
        monitor.problem(
            Problem(str(path), what, "these classes are taken as absent there; expected MULTIPOLYGON EMPTY")
        )


# --- Files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folder:
    """What a download holds."""

    root: Path
    wkt: Path
    grid_sizes: Path
    files: Mapping[str, Mapping[str, Path]]
    """Kind of image to id to file."""

    @classmethod
    def find(cls, source: Path) -> _Folder:
        """Find the files in a folder, one folder below it, or above it if it is a folder of images."""
        if not source.exists():
            raise CatalogError(f"{source}: there is no such folder")
        given = source if source.is_dir() else source.parent
        near = [given, *sorted(p for p in given.iterdir() if p.is_dir())]
        if given.name.lower() in {"three_band", "sixteen_band"}:
            near.append(given.parent)
        for root in near:
            wkt, grid_sizes = _newest(root, _WKT_NAME), _newest(root, _GRID_NAME)
            if wkt is not None and grid_sizes is not None:
                bands, many = _images(root, "three_band"), _images(root, "sixteen_band")
                files = {kind: _of_kind(many, kind) for kind in ("P", "M", "A")}
                return cls(root, wkt, grid_sizes, {"RGB": bands, **files})
        raise CatalogError(
            f"{source}: is no DSTL data; expected train_wkt_v4.csv, grid_sizes.csv, three_band/ID.tif and "
            "sixteen_band/ID_M.tif there or one folder below"
        )

    @staticmethod
    def expected(kind: str, name: str) -> str:
        """Name the file that an image should have."""
        return f"three_band/{name}.tif" if kind == "RGB" else f"sixteen_band/{name}_{kind}.tif"


def _newest(root: Path, pattern: re.Pattern[str]) -> Path | None:
    """Find a file by name, also in a folder of its own name, as some programs unpack it."""
    places = [p for p in root.iterdir() if pattern.fullmatch(p.name)]
    places += [p for folder in places if folder.is_dir() for p in folder.iterdir() if pattern.fullmatch(p.name)]
    return max((p for p in places if not p.is_dir()), key=lambda p: p.name.lower(), default=None)


def _images(root: Path, name: str) -> dict[str, Path]:
    """Give the TIFF files of a folder by stem; the folder may lie in one of the same name."""
    found: dict[str, Path] = {}
    folders = [p for p in root.iterdir() if p.is_dir() and p.name.lower() == name]
    folders += [p for f in folders for p in f.iterdir() if p.is_dir() and p.name.lower() == name]
    for path in sorted(p for folder in folders for p in folder.iterdir()):
        if path.suffix.lower() not in {".tif", ".tiff"} or path.name.startswith("."):
            continue
        if path.stem in found:
            raise CatalogError(f"{path} and {found[path.stem]}: two files of one image; keep one of them")
        found[path.stem] = path
    return found


def _of_kind(files: Mapping[str, Path], kind: str) -> dict[str, Path]:
    ending = f"_{kind}"
    return {stem.removesuffix(ending): path for stem, path in files.items() if stem.endswith(ending)}


def _read_extents(path: Path) -> dict[str, tuple[float, float]]:
    """Read Xmax and Ymin of each image; the column of ids has no name."""
    table = read_table(path)
    x_column, y_column = table.columns("Xmax", "Ymin")
    (id_column,) = table.columns("ImageId") if "ImageId" in table.header else (0,)
    extents: dict[str, tuple[float, float]] = {}
    for row in table.rows:
        name = row.cells[id_column].strip()
        if name in extents:
            raise CatalogError(f"{path}: row {row.number}: image {name} stands twice")
        x_max, y_min = _number(row.cells[x_column]), _number(row.cells[y_column])
        if not x_max > 0:
            raise CatalogError(
                f"{path}: row {row.number}, column Xmax: is {row.cells[x_column]!r}; expected degrees above 0"
            )
        if not y_min < 0:
            raise CatalogError(
                f"{path}: row {row.number}, column Ymin: is {row.cells[y_column]!r}; expected degrees below 0"
            )
        extents[name] = (x_max, y_min)
    return extents


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


# --- Classes ----------------------------------------------------------------------------------------------


def _choose_meaning(layout: Format, config: SourceConfig) -> tuple[Legend, LabelRules]:
    """Give the legend and the rules; class numbers of the file are found by the names of the classes.

    With one plane a class there is no class for the rest, unless it is asked for.
    """
    legend, rules = layout.choose_legend(config), layout.choose_rules(config)
    rest = layout.rules.background
    if config.legend is not None and layout.legend is not None:
        legend = _by_name(legend, layout.legend, {rest, config.background})
    if config.background is None and (config.multilabel or rest not in legend.names):
        legend = replace(legend, classes=tuple(c for c in legend.classes if c.name != rest))
        rules = replace(rules, background=None)
    refuse_unknown_classes(config, legend)
    if not config.priority_names:
        rules = replace(rules, priority=tuple(name for name in rules.priority if name in legend.names))
    return legend, rules


def _by_name(legend: Legend, known: Legend, rest: set[str | None]) -> Legend:
    """Give the classes of a legend of the user the numbers that they have in the file."""
    numbers = {c.name.lower(): c.code for c in known.classes}
    classes = []
    for c in legend.classes:
        if c.name in rest:
            number = 0
        elif c.name.lower() in numbers:
            number = numbers[c.name.lower()]
        else:
            raise LegendError(f"class {c.name!r} is not in the data; it has {', '.join(known.names)}")
        classes.append(replace(c, source_code=None if number == c.code else number))
    return Legend(tuple(classes))


# --- Shifts -----------------------------------------------------------------------------------------------


def measure_shifts(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Path:
    """Measure how P, M and A lie against the RGB image of each labelled scene, store it beside them, give the file.

    Shifts that are stored already are kept. Where the images do not tell, the shift is stored as zero and noted.
    """
    kinds = tuple(k for k in _choose_kinds(layout, config) if k != _REFERENCE)
    if not kinds:
        raise ConfigError(f"there is nothing to align with RGB alone; name more images: --images {_REFERENCE}+M")
    everything = replace(config, images="+".join((_REFERENCE, *kinds)))
    folder = _Folder.find(source)
    path = folder.root / SHIFTS_FILE
    shifts: Shifts = read_shifts(path)
    before = {name: dict(of_scene) for name, of_scene in shifts.items()}
    for scene in track(layout.read(source, everything, QUIET).scenes, monitor, "aligning"):
        stored = shifts.setdefault(scene.id, {})
        files = dict(zip((_REFERENCE, *kinds), scene.images, strict=True))
        missing = [kind for kind in kinds if kind not in stored]
        if not missing:
            continue
        reference = _gray(files[_REFERENCE].path, layout, _REFERENCE)
        for kind in missing:
            shift, confidence = _measure(reference, _gray(files[kind].path, layout, kind))
            stored[kind] = StoredShift(*shift, METHOD, confidence)
            if confidence < MIN_CONFIDENCE:
                what = f"{kind} shows too little that RGB shows as well (confidence {confidence}) to find its shift"
                monitor.problem(Problem(str(files[kind].path), what, f"it is taken as 0; write another into {path}"))
    if shifts != before or not path.is_file():
        write_shifts(path, shifts)
    return path


def _gray(path: Path, layout: Format, kind: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give the mean of the bands that look most like RGB, and where they are valid."""
    alike = [n for n, band in enumerate(layout.bands[kind], start=1) if band in layout.bands[_REFERENCE]]
    with open_raster(path, bands=",".join(map(str, alike)) or "all") as raster:
        chip = raster.read(raster.grid.window)
    return chip.image.mean(axis=0, dtype=np.float32), chip.valid


def _measure(
    reference: tuple[NDArray[Any], NDArray[np.bool_]], moving: tuple[NDArray[Any], NDArray[np.bool_]]
) -> tuple[tuple[float, float], float]:
    """Give shift and confidence of two images of one place, compared on the coarser of their grids."""
    height, width = (min(sizes) for sizes in zip(reference[0].shape, moving[0].shape, strict=True))
    share = min(1.0, _ALIGN_PX / max(height, width))
    shape = (max(1, round(height * share)), max(1, round(width * share)))
    a, a_valid = _shrunk(*reference, shape)
    b, b_valid = _shrunk(*moving, shape)
    found = estimate_shift(a, b, reference_valid=a_valid, moving_valid=b_valid)
    if found.confidence < MIN_CONFIDENCE:
        return (0.0, 0.0), round(found.confidence, 3)
    rows, cols = found.rows * moving[0].shape[0] / shape[0], found.cols * moving[0].shape[1] / shape[1]
    return (round(rows, 3), round(cols, 3)), round(found.confidence, 3)


def _shrunk(
    image: NDArray[Any], valid: NDArray[np.bool_], shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the means of the valid pixels on a coarser grid, known where at least half of a pixel was."""
    if image.shape == shape:
        return image.astype(np.float64), valid
    weight = shrink(valid, shape)
    known = weight >= 0.5
    return shrink(np.where(valid, image, 0), shape) / np.where(known, weight, 1), known
