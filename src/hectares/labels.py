"""Labels of a data set to label rasters of one kind: codes of a legend, without loss, at the size of the image."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.labels import LabelsConfig
from hectares.core.area import nominal_pixel_area, pixel_area
from hectares.core.grid import Grid, same_grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import CatalogError, GridError, InputError
from hectares.formats.listing import refuse_among_data
from hectares.formats.registry import find_format
from hectares.io.artefact import fingerprint, sha256_file, stamp, write_json
from hectares.io.catalog import Catalog, CatalogScene, LabelRules, RasterLabel, catalog_json
from hectares.io.label_index import KIND, LabelIndex, LabelRecord, label_folder
from hectares.io.labels import LabelSource, as_gaps, open_label
from hectares.io.outputs import resolve
from hectares.io.rasters.label_rasters import STRIP_PX, LabelRaster, binary_legend
from hectares.io.rasters.raster import open_raster
from hectares.monitor import QUIET, Monitor, Problem

_WINDOW_COLS = 8 * STRIP_PX
_SHOWN = 20
_M2_PER_HA = 1e4
_UNSAFE = re.compile(r'[\x00-\x1f<>:"\\|?*]|^[.\s]+|[.\s]+$')
"""What no file may be called on one system or another."""
_OPEN = {"limit", "allow_unmatched", "skip_bad", "legend", "aoi", "band_names"}
"""Options that may differ between runs into one folder: what they change is compared by itself."""


@dataclass(frozen=True)
class LabelFolder:
    """A folder of label rasters, and what is in them."""

    folder: Path
    legend: Legend
    counts: Mapping[str, int]
    """Labels of each split; "" stands for scenes without one."""
    kept: int
    """Labels that an earlier run had written."""
    pixels: NDArray[np.int64]
    """Of each class, and last of what is not labelled."""
    labelled: int
    """Pixels with a label; less than the sum over the classes where these overlap."""
    area_ha: NDArray[np.float64] | None
    """The same as areas; None if the size of a pixel is unknown anywhere."""
    catalogs: tuple[Path, ...]
    """Catalogs of images with these labels, one, or one a class."""


def write_labels(
    layout: str,
    source: str | Path,
    out: str | Path,
    config: LabelsConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> LabelFolder:
    """Write the labels of a data set in a known layout as rasters; see `hectares formats`.

    Every file appears complete or not at all. A run that was stopped goes on when it is repeated, and a larger
    `limit` adds to what is there. Memory is that of a strip of 512 rows.
    """
    source, out = Path(source), resolve(out)
    catalog = find_format(layout).read(source, config, monitor)
    refuse_among_data(out, source, catalog)
    scenes = _labelled(catalog, config, monitor)
    catalog = replace(catalog, scenes=tuple(scenes))
    stems = _stems(scenes)
    head = stamp(KIND, config={k: v for k, v in config.settings().items() if k not in _OPEN}, inputs={}) | {
        "format": layout,
        "source": Path(os.path.relpath(source.resolve(), out)).as_posix(),
        "legend": catalog.legend.to_json(),
        "rules": {k: v for k, v in asdict(catalog.rules).items() if k not in _OPEN},
    }
    protected = [path for s in scenes for path in s.files]
    with label_folder(out, head, overwrite=overwrite, inputs=protected) as index:
        records, kept = _write_all(catalog, stems, index, config, monitor)
        _notice_no_classes(records, catalog, source, monitor)
        catalogs = _write_catalogs(catalog, stems, index.folder, config)
        index.finish([s.id for s in scenes])
    areas = [r.area_m2 for r in records]
    known = [a for a in areas if a is not None]
    return LabelFolder(
        folder=out,
        legend=catalog.legend,
        counts=dict(Counter(s.split or "" for s in scenes)),
        kept=kept,
        pixels=np.sum([r.pixels for r in records], axis=0, dtype=np.int64),
        labelled=sum(r.labelled for r in records),
        area_ha=np.sum(known, axis=0) / _M2_PER_HA if len(known) == len(areas) else None,
        catalogs=tuple(out / c for c in catalogs),
    )


def _labelled(catalog: Catalog, config: LabelsConfig, monitor: Monitor) -> list[CatalogScene]:
    """Give the scenes that have a label."""
    without = [s.id for s in catalog.scenes if s.label is None]
    scenes = [s for s in catalog.scenes if s.label is not None]
    if not without:
        return scenes
    what = f"{len(without)} scene(s) have no label: {', '.join(without[:5])}"
    if not scenes or not config.allow_unmatched:
        raise CatalogError(f"{what}; complete the catalog, or leave them out with --allow-unmatched")
    monitor.problem(Problem("catalog", what, "they are left out", "incomplete"))
    return scenes


def _stems(scenes: Sequence[CatalogScene]) -> dict[str, str]:
    """Give the name of each label below the folder, without suffix: split and id, made safe for any system."""
    stems: dict[str, str] = {}
    taken: dict[str, str] = {}
    for scene in scenes:
        name = scene.id.removeprefix(f"{scene.split}/")
        parts = [_UNSAFE.sub("_", part) or "_" for part in name.split("/") if part]
        stem = "/".join([*([scene.split] if scene.split else []), *(parts or ["_"])])
        other = taken.setdefault(stem.casefold(), scene.id)
        if other != scene.id:
            raise CatalogError(f"scenes {other!r} and {scene.id!r} would have one file, {stem}.tif; rename one")
        stems[scene.id] = stem
    return stems


# --- Writing ----------------------------------------------------------------------------------------------


def _write_all(
    catalog: Catalog, stems: Mapping[str, str], index: LabelIndex, config: LabelsConfig, monitor: Monitor
) -> tuple[list[LabelRecord], int]:
    """Write what is not written yet; gives the records of all scenes, and how many labels were there already."""
    records: list[LabelRecord] = []
    wrong: list[InputError] = []
    hashes: dict[Path, str] = {}
    told: set[Problem] = set()
    kept = 0
    stage, total = "writing labels", len(catalog.scenes)
    monitor.progress(stage, 0, total)
    for done, scene in enumerate(catalog.scenes, start=1):
        try:
            grid = _grid_of(scene)
            inputs = _fingerprint(scene, grid, hashes)
            record = _kept(index.find(scene.id, inputs), config)
            kept += record is not None
            if record is None:
                record = _write_scene(scene, grid, catalog, index.folder, stems[scene.id], inputs, config)
                index.add(record)
            records.append(record)
            for problem in record.problems:
                if problem not in told:  # one on a file of many scenes is told once
                    told.add(problem)
                    monitor.problem(problem)
        except InputError as error:
            wrong.append(error)
        monitor.progress(stage, done, total, f"{kept} kept" if kept else "")
        monitor.raise_if_stopped()
    if wrong:
        listed = "\n".join(str(e) for e in wrong[:_SHOWN])
        more = f"\n... and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise (wrong[0] if len(wrong) == 1 else CatalogError(f"{len(wrong)} labels cannot be read:\n{listed}{more}"))
    return records, kept


def _notice_no_classes(records: Sequence[LabelRecord], catalog: Catalog, source: Path, monitor: Monitor) -> None:
    """Say so if nothing but background came out: shapes that lie elsewhere burn no pixel."""
    classes = [i for i, name in enumerate(catalog.legend.names) if name != catalog.rules.background]
    if not any(record.pixels[i] for record in records for i in classes):
        remedy = "do the labels lie where the scenes are? check the legend, and the CRS of shapes, or give --crs"
        monitor.problem(Problem(str(source), "no pixel of any label has a class", remedy))


def _kept(record: LabelRecord | None, config: LabelsConfig) -> LabelRecord | None:
    """Give the record of a label that is written, unless it lacks shapes that shall not be skipped."""
    lacking = record is not None and record.skips and any(p.severity == "incomplete" for p in record.problems)
    return None if lacking and not config.skip_bad else record


def _grid_of(scene: CatalogScene) -> Grid:
    """Give the grid of the image."""
    with open_raster(scene.image, crs=scene.images[0].crs) as raster:
        return raster.grid


def _fingerprint(scene: CatalogScene, grid: Grid, hashes: dict[Path, str]) -> str:
    """Give one hash for all that a label is made from, beside the options."""
    assert scene.label is not None
    values = asdict(scene.label)
    for name, value in values.items():
        if isinstance(value, Path):
            if value not in hashes:
                hashes[value] = _hash_of(value)
            values[name] = hashes[value]
    return fingerprint([type(scene.label).__name__, values, grid.crs, tuple(grid.transform)[:6], grid.shape])


def _hash_of(path: Path) -> str:
    """Give one hash for a file, its companions if it is a Shapefile, or a folder; "" if there is none."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
    elif path.suffix.lower() == ".shp":
        files = sorted(p for p in path.parent.glob("*") if p.stem == path.stem and p.is_file())
    else:
        files = [path] if path.is_file() else []
    return fingerprint([[p.suffix, sha256_file(p)] for p in files]) if files else ""


def _write_scene(
    scene: CatalogScene, grid: Grid, catalog: Catalog, folder: Path, stem: str, inputs: str, config: LabelsConfig
) -> LabelRecord:
    assert scene.label is not None
    legend = catalog.legend
    source = open_label(scene.label, legend, catalog.rules, grid)
    try:
        _compare_grids(scene, grid, source)
        tally = _Tally(len(legend), grid, scene.gsd_m)
        by_class = config.split_classes or catalog.rules.multilabel
        with ExitStack() as stack:
            rasters = [stack.enter_context(r) for r in _rasters(folder, stem, grid, catalog, config)]
            for row, strip in _strips(source.read_planes if by_class else source.read, grid.shape):
                tally.add(row, strip)
                for k, raster in enumerate(rasters):
                    raster.write(strip[k] if config.split_classes else strip)  # 0, 1 and 255 are indices as well
        files = {f.relative_to(folder).as_posix(): f.stat().st_size for r in rasters for f in r.files}
        notes = as_gaps(source.notes) if config.skip_bad else source.notes
        return LabelRecord(scene.id, inputs, files, *tally.result(), notes, config.skip_bad)
    finally:
        source.close()


def _rasters(folder: Path, stem: str, grid: Grid, catalog: Catalog, config: LabelsConfig) -> Iterator[LabelRaster]:
    if not config.split_classes:
        planes, legend = catalog.rules.multilabel, catalog.legend.for_maps()
        yield LabelRaster(folder / stem, grid, legend, planes=planes, picture=config.pictures)
        return
    for land_class, name in zip(catalog.legend.classes, _class_folders(catalog.legend), strict=True):
        yield LabelRaster(folder / name / stem, grid, binary_legend(land_class), picture=config.pictures)


def _class_folders(legend: Legend) -> list[str]:
    """Give a folder for each class: its name, made safe for any system.

    >>> _class_folders(Legend.of({1: "water", 2: "Water", 3: "road/track"}))
    ['water', 'Water_2', 'road_track']
    """
    names: list[str] = []
    for land_class in legend.classes:
        name = _UNSAFE.sub("_", land_class.name.replace("/", "_"))
        taken = {n.casefold() for n in names}
        names.append(f"{name}_{land_class.code}" if name.casefold() in taken else name)
    return names


def _strips(
    read: Callable[[Window], NDArray[np.uint8]], shape: tuple[int, int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read a label from top to bottom: first row of each strip, and the strip."""
    height, width = shape
    for row in range(0, height, STRIP_PX):
        rows = min(STRIP_PX, height - row)
        parts = [read(Window(row, c, rows, min(_WINDOW_COLS, width - c))) for c in range(0, width, _WINDOW_COLS)]
        yield row, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _compare_grids(scene: CatalogScene, grid: Grid, source: LabelSource) -> None:
    if source.grid is None or scene.label is None:
        return
    path, name = scene.label.path, scene.image.name
    if source.grid.shape != grid.shape:
        raise GridError(
            f"{path}: is {source.grid.shape[0]} x {source.grid.shape[1]} px, its image {name} is "
            f"{grid.shape[0]} x {grid.shape[1]}; bring the label onto the grid of the image"
        )
    if grid.is_georeferenced and source.grid.is_georeferenced and not same_grid(grid, source.grid):
        raise GridError(
            f"{path}: lies elsewhere than its image {name} ({source.grid.crs} {source.grid.bounds} against "
            f"{grid.crs} {grid.bounds}); bring the label onto the grid of the image"
        )


class _Tally:
    """Counts pixels of each class, and measures their area where the size of a pixel is known."""

    def __init__(self, classes: int, grid: Grid, gsd_m: float | None) -> None:
        self._classes, self._grid = classes, grid
        self._nominal = None if gsd_m is None else nominal_pixel_area(gsd_m)
        self._pixels = np.zeros(classes + 1, np.int64)
        self._area_m2 = np.zeros(classes + 1)
        self._labelled = 0

    def add(self, row: int, strip: NDArray[np.uint8]) -> None:
        """Count a strip of class indices (h, W), or of planes (K, h, W)."""
        height, width = strip.shape[-2:]
        area = pixel_area(self._grid, Window(row, 0, height, width)) if self._grid.is_georeferenced else None
        if strip.ndim == 3:
            unknown = (strip == IGNORE).all(axis=0)
            self._labelled += int(unknown.size - np.count_nonzero(unknown))
            masks = [*(plane == 1 for plane in strip), unknown]
            self._pixels += [np.count_nonzero(m) for m in masks]
            self._area_m2 += 0 if area is None else [float(area[m].sum()) for m in masks]
            return
        self._labelled += int(np.count_nonzero(strip != IGNORE))
        places = np.append(np.arange(self._classes), IGNORE)
        self._pixels += np.bincount(strip.ravel(), minlength=IGNORE + 1)[places]
        if area is not None:
            self._area_m2 += np.bincount(strip.ravel(), area.ravel(), minlength=IGNORE + 1)[places]

    def result(self) -> tuple[tuple[int, ...], int, tuple[float, ...] | None]:
        """Give pixels of the classes and of what is not labelled, the pixels with a label, and areas as pixels."""
        pixels = tuple(self._pixels.tolist())
        if self._grid.is_georeferenced:
            return pixels, self._labelled, tuple(self._area_m2.tolist())
        return pixels, self._labelled, None if self._nominal is None else tuple(n * self._nominal for n in pixels)


# --- Catalogs ---------------------------------------------------------------------------------------------


def _write_catalogs(catalog: Catalog, stems: Mapping[str, str], folder: Path, config: LabelsConfig) -> list[str]:
    """Write legend and catalog of the rasters, so that `prepare catalog` reads them; gives their names."""
    legends = {".": catalog.legend.for_maps()}
    if config.split_classes:
        names = _class_folders(catalog.legend)
        legends = dict(zip(names, map(binary_legend, catalog.legend.classes), strict=True))
    rules = LabelRules(multilabel=catalog.rules.multilabel and not config.split_classes)
    for name, legend in legends.items():
        root = folder / name
        scenes = tuple(replace(s, label=RasterLabel(root / f"{stems[s.id]}.tif", "code")) for s in catalog.scenes)
        content: dict[str, Any] = catalog_json(Catalog(scenes, legend, rules), root)
        write_json(root / "legend.json", legend.to_json(), overwrite=True)
        write_json(root / "catalog.json", content, overwrite=True)
    return [f"{name}/catalog.json".removeprefix("./") for name in legends]
