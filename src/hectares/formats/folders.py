"""Folders of images beside folders of labels, in the shapes people use, or a CSV manifest."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np

from hectares.config.source import SourceConfig
from hectares.core.legend import Legend, hex_color
from hectares.core.sampling import SPLITS
from hectares.errors import CatalogError, ConfigError, InputError, LegendError
from hectares.formats.listing import list_files, list_folders
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, RasterLabel, read_legend
from hectares.io.file_kind import kind_of
from hectares.io.rasters.raster import open_raster
from hectares.io.split_lists import SPLIT_WORDS, read_lists
from hectares.io.table import refuse_separators
from hectares.io.text import read_text
from hectares.monitor import Monitor, Problem

IMAGE_FOLDERS = ("images", "image", "img", "imgs", "img_dir", "sat")
LABEL_FOLDERS = ("labels", "label", "masks", "mask", "ann", "anns", "ann_dir", "annotations", "gt")
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")
_SHOWN = 5


def read_folders(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of a folder or of a CSV manifest.

    Raises CatalogError naming images without a label and labels without an image, LegendError with the codes
    or colors found if there is no legend.
    """
    if source.is_file() and source.suffix.lower() == ".csv":
        if config.allow_unmatched:
            raise ConfigError("--allow-unmatched has no effect with a manifest, which names the label of each image")
        scenes, folder = _from_manifest(source), source.parent
    elif source.is_dir():
        scenes, folder = _from_tree(source, allow_unmatched=config.allow_unmatched, monitor=monitor), source
    elif not source.exists():
        raise CatalogError(f"{source}: there is no such folder, nor a CSV manifest")
    elif not source.is_file():
        raise CatalogError(f"{source}: is {kind_of(source.stat().st_mode)}; expected a folder or a CSV manifest")
    else:
        raise CatalogError(f"{source}: is neither a folder nor a CSV manifest (NAME.csv)")
    legend = layout.legend if config.legend is None else read_legend(config.legend)
    legend = legend or _legend_beside(folder)
    if legend is None:
        raise LegendError(
            f"{source}: has no legend; write one and give it with --legend FILE. "
            f"{_values_found([s.label.path for s in scenes if s.label])}"
        )
    by = layout.choose_by(config)
    labelled = (replace(s, label=RasterLabel(s.label.path, by)) if s.label else s for s in scenes)
    return Catalog(tuple(labelled), legend, layout.choose_rules(config))


def _from_tree(source: Path, *, allow_unmatched: bool, monitor: Monitor) -> list[CatalogScene]:
    pairs = _folder_pairs(source)
    if not pairs:
        raise CatalogError(
            f"{source}: has no folder of images beside a folder of labels; expected names like "
            f"{'/'.join(IMAGE_FOLDERS[:3])} beside {'/'.join(LABEL_FOLDERS[:4:2])}, or give a CSV manifest"
        )
    scenes: list[CatalogScene] = []
    lonely: list[Path] = []
    named: dict[str, Path] = {}
    for images, labels in pairs:
        found, unmatched = _match(source, images, labels, single=len(pairs) == 1)
        scenes += found
        named |= dict.fromkeys(read_lists(images.parent, SUFFIXES), images.parent)
        lonely += unmatched
    if lonely:
        shown = ", ".join(str(p.relative_to(source)) for p in lonely[:_SHOWN])
        what = f"{len(lonely)} file(s) have no partner of the same name: {shown}"
        if not allow_unmatched:
            raise CatalogError(f"{source}: {what}; complete the pairs, or leave them out with --allow-unmatched")
        monitor.problem(Problem(str(source), what, "they are left out", "incomplete"))
    unknown = sorted(set(named) - {s.image.stem for s in scenes})
    if unknown:
        what = f"its split lists name {len(unknown)} image(s) that are not there: {', '.join(unknown[:_SHOWN])}"
        monitor.problem(Problem(str(named[unknown[0]]), what, "complete the data, or the lists"))
    if not scenes:
        raise CatalogError(f"{source}: no image has a label of the same name; supported: {', '.join(SUFFIXES)}")
    return scenes


def _folder_pairs(source: Path) -> list[tuple[Path, Path]]:
    """Folders of images with the folder of labels beside each, in a fixed order."""
    pairs = []
    for folder in list_folders(source):
        children = {p.name.lower(): p for p in sorted(folder.iterdir()) if p.is_dir()}
        images = [children[name] for name in IMAGE_FOLDERS if name in children]
        labels = [children[name] for name in LABEL_FOLDERS if name in children]
        if len(images) > 1 or len(labels) > 1:
            names = ", ".join(p.name for p in (images if len(images) > 1 else labels))
            raise CatalogError(f"{folder}: has several candidate folders ({names}); say which with a CSV manifest")
        if images and labels:
            pairs.append((images[0], labels[0]))
    return pairs


def _match(source: Path, images: Path, labels: Path, *, single: bool) -> tuple[list[CatalogScene], list[Path]]:
    """Pair files by their path below the two folders, without suffix."""
    image_files, label_files = _files_by_name(images), _files_by_name(labels)
    listed = read_lists(images.parent, SUFFIXES)
    scenes = []
    for name in sorted(set(image_files) & set(label_files)):
        path = image_files[name]
        relative = path.relative_to(source)
        stem = relative.with_suffix("")
        parts = [*(part for part in stem.parts[:-1] if part.lower() not in IMAGE_FOLDERS), stem.name]
        split = listed.get(path.stem) or _split_of(relative)
        group = images.parent.relative_to(source).as_posix()
        scenes.append(
            CatalogScene(
                id="/".join(parts),
                images=(ImageFile(path),),
                label=RasterLabel(label_files[name]),
                group="/".join(parts) if single or group == "." else group,
                split=split,
            )
        )
    lonely = [image_files[n] for n in sorted(set(image_files) - set(label_files))]
    lonely += [label_files[n] for n in sorted(set(label_files) - set(image_files))]
    return scenes, lonely


def _files_by_name(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in list_files(folder):
        if path.suffix.lower() not in SUFFIXES:
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise CatalogError(f"{path} and {files[name].name}: two files of one name; keep one of them")
        files[name] = path
    return files


def _split_of(relative: Path) -> str | None:
    words = {SPLIT_WORDS[part.lower()] for part in relative.parts[:-1] if part.lower() in SPLIT_WORDS}
    return words.pop() if len(words) == 1 else None


def _from_manifest(path: Path) -> list[CatalogScene]:
    text = read_text(path)
    refuse_separators(path, text)
    try:
        reader = csv.DictReader(StringIO(text, newline=""))
        columns = set(reader.fieldnames or ())
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise CatalogError(f"{path}: is not a table of comma-separated values ({error})") from error
    if not {"image", "label"} <= columns:
        raise CatalogError(f"{path}: has the columns {', '.join(sorted(columns))}; expected at least image and label")
    if not rows:
        raise CatalogError(f"{path}: has no scenes; expected a row for each image with its label")
    scenes = []
    lines: dict[str, int] = {}
    for line, row in rows:
        scene = _manifest_scene(path, line, row)
        if lines.setdefault(scene.id, line) != line:
            raise CatalogError(
                f"{path}:{line}: scene {scene.id!r} stands twice, first in line {lines[scene.id]}; "
                "remove one of the two, or tell them apart in a column `id`"
            )
        scenes.append(scene)
    return scenes


def _manifest_scene(path: Path, line: int, row: Mapping[str, str | None]) -> CatalogScene:
    image, label = (row.get("image") or "").strip(), (row.get("label") or "").strip()
    if not image or not label:
        raise CatalogError(f"{path}:{line}: image or label is empty")
    split = (row.get("split") or "").strip().lower() or None
    if split is not None and split not in SPLIT_WORDS:
        raise CatalogError(f"{path}:{line}: split {split!r} is unknown; expected {', '.join(SPLITS)}")
    name = (row.get("id") or "").strip() or Path(image).with_suffix("").as_posix()
    group = (row.get("group") or "").strip() or name
    return CatalogScene(
        name,
        (ImageFile(path.parent / image),),
        RasterLabel(path.parent / label),
        group,
        SPLIT_WORDS[split] if split else None,
    )


def _legend_beside(folder: Path) -> Legend | None:
    for name in ("legend.json", "legend.yaml", "legend.yml"):
        if (folder / name).exists():
            return read_legend(folder / name)
    return None


def _values_found(labels: Iterable[Path], files: int = 20) -> str:
    """Say which codes or colors the first labels hold, so that a legend can be written from the message."""
    counts: Counter[str] = Counter()
    for path in list(labels)[:files]:
        try:
            with open_raster(path, use_nodata=False) as raster:
                raster.keep_all_values()
                image = raster.read(raster.grid.window).image
        except InputError:
            continue  # the doctor names damaged labels; here we only count
        if len(image) >= 3:
            values, sizes = np.unique(image[:3].reshape(3, -1), axis=1, return_counts=True)
            found = [f"color {hex_color(tuple(v))}" for v in values.T]
        else:
            codes, sizes = np.unique(image[0], return_counts=True)
            found = [f"code {v}" for v in codes]
        counts.update(dict(zip(found, sizes.tolist(), strict=True)))
    total = sum(counts.values()) or 1
    shown = ", ".join(f"{v} ({n / total:.1%})" for v, n in counts.most_common(12))
    return f"Its labels hold: {shown}" if shown else "None of its labels can be read"
