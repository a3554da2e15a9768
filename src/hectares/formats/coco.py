"""COCO files of any data set, with the images that they list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.core.legend import IGNORE, MAX_CLASSES, Color, LandClass, Legend, default_color
from hectares.errors import CatalogError, LegendError
from hectares.formats.coco_pairs import SUFFIXES, CocoPart, files_below, open_part_file, pair_images, spelled
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, LabelRules, read_legend
from hectares.io.shapes.coco import CocoFile
from hectares.monitor import Monitor, Problem

BACKGROUND = "background"
_BACKGROUND_COLOR: Color = (233, 228, 216)
_ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "ann")
_OURS = {"legend.json", "catalog.json", "run.json"}
_SPLIT_WORD = re.compile(r"(?<![a-z])(train|val|test)(?:ing|id|idation)?(?![a-z])")
_SAMPLE = 200
"""Names that are tried to find the folder of images."""


def read_coco_source(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of one COCO file, or of those in a folder.

    Raises CatalogError naming images that are on disk or listed, but not both; LegendError if files contradict
    each other.
    """
    paths = _annotation_files(source)
    opened = [open_part_file(path, config, monitor) for path in paths]
    area = source if source.is_dir() and source.name.lower() not in _ANNOTATION_FOLDERS else _area(opened[0])
    on_disk = files_below(area)
    if not on_disk:
        raise CatalogError(f"{area}: has no images; expected those of {paths[0].name}, as {', '.join(SUFFIXES)}")
    splits = [_split_of(path, source) for path in paths]
    prefixes = _prefixes(paths, splits)
    parts, files = [], {}
    for file, split, prefix in zip(opened, splits, prefixes, strict=True):
        folder = _image_folder(file, area, on_disk, split)
        start = folder.relative_to(area).as_posix()
        files[folder] = {k.removeprefix(f"{start}/"): p for k, p in on_disk.items() if _is_below(k, start)}
        parts.append(CocoPart(file, folder, prefix, split))
    scenes = pair_images(parts, files, config, monitor, gsd_m=layout.gsd_m)
    legend = legend_of(opened) if config.legend is None else read_legend(config.legend)
    return Catalog(scenes, legend, _rules(layout.choose_rules(config, legend), legend, config, monitor))


def _rules(rules: LabelRules, legend: Legend, config: SourceConfig, monitor: Monitor) -> LabelRules:
    """Give the rules with the background as the legend spells it, or without if it has none."""
    if config.background is not None or rules.background is None:
        return rules
    name = next((n for n in legend.names if n.lower() == rules.background.lower()), None)
    if name is None:
        what = f"has no class {rules.background}: pixels without a shape are unlabelled"
        monitor.problem(Problem(str(config.legend), what, "name the class that they are with --background"))
    return replace(rules, background=name)


# --- Files ------------------------------------------------------------------------------------------------


def _annotation_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    below = sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [p for folder in (source, *below) for p in sorted(folder.glob("*.json")) if not p.is_dir()]
    found = [p for p in found if p.name not in _OURS]
    found = [p for p in found if p.name.startswith("instances")] or found
    if not found:
        raise CatalogError(f"{source}: has no JSON file, there or one folder below; give the COCO file itself")
    return found


def _area(file: CocoFile) -> Path:
    """Give the folder below which the images of a file are looked for; a near one, as the next may be a home."""
    folder = file.path.parent
    roots = (folder, folder.parent) if folder.name.lower() in _ANNOTATION_FOLDERS else (folder,)
    names = _sample(file)
    for place in (place for root in roots for place in (root / "images", root)):
        if all((place / name).is_file() for name in names):
            return place
    return roots[-1]


def _sample(file: CocoFile) -> list[str]:
    step = max(1, len(file.images) // _SAMPLE)
    return [image.file_name for image in file.images[::step]]


def _split_of(path: Path, source: Path) -> str | None:
    """Give the split that the name of a file says, or else that of its folder below the source.

    >>> _split_of(Path("annotations/instances_val2017.json"), Path())
    'val'
    >>> _split_of(Path("valid/_annotations.coco.json"), Path())
    'val'
    >>> _split_of(Path("terrain.json"), Path()) is None
    True
    """
    folder = path.parent.name if source not in (path, path.parent) else ""
    for name in (path.stem, folder):
        words = set(_SPLIT_WORD.findall(name.lower()))
        if len(words) == 1:
            return str(words.pop())
    return None


def _prefixes(paths: Sequence[Path], splits: Sequence[str | None]) -> list[str]:
    """Give what scene ids begin with, so that the ids of two files differ."""
    if len(paths) == 1:
        return [f"{splits[0]}/" if splits[0] else ""]
    counts = Counter(split or "" for split in splits)
    stems = Counter(path.stem for path in paths)
    return [
        f"{split}/"
        if split and counts[split] == 1
        else f"{path.stem}/"
        if stems[path.stem] == 1
        else f"{path.parent.name}/{path.stem}/"
        for path, split in zip(paths, splits, strict=True)
    ]


def _image_folder(file: CocoFile, area: Path, on_disk: Mapping[str, Path], split: str | None) -> Path:
    """Give the folder that most names of the file start from; of equal ones, the one that is nearest to it."""
    names = [spelled(name) for name in _sample(file)]
    best, chosen = (-1, -1), area
    for start in _folders(on_disk):
        hits = sum((name if start == "." else f"{start}/{name}") in on_disk for name in names)
        folder = area / start
        near = sum(
            (
                4 * (split is not None and _words(start) == {split}),
                2 * (folder.name != "" and file.path.stem.endswith(folder.name)),
                folder in {file.path.parent, file.path.parent / "images"},
            )
        )
        if (hits, near) > best:
            best, chosen = (hits, near), folder
    return chosen


def _folders(on_disk: Iterable[str]) -> list[str]:
    """Give all folders on the way to files, in a fixed order, nearest first."""
    places = {name.rpartition("/")[0] for name in on_disk}
    found = {"."}
    for place in places:
        parts = place.split("/") if place else []
        found |= {"/".join(parts[: i + 1]) for i in range(len(parts))}
    return sorted(found, key=lambda p: (p.count("/"), p))


def _words(start: str) -> set[str]:
    return set(_SPLIT_WORD.findall(start.lower()))


def _is_below(name: str, start: str) -> bool:
    return start == "." or name.startswith(f"{start}/")


# --- Legend -----------------------------------------------------------------------------------------------


def legend_of(files: Sequence[CocoFile]) -> Legend:
    """Make a legend from the categories of COCO files, sorted by id, with a class for what no shape covers.

    Raises LegendError if two files give one id to two names, or one name to two ids, or if there are too many.
    """
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for file in files:
        for category in file.categories:
            number, name = category.id, category.name
            if names.setdefault(number, name) != name or ids.setdefault(name, number) != number:
                raise LegendError(
                    f"{file.path}: the category {number} {name} contradicts "
                    f"{number} {names[number]} or {ids.get(name, number)} {name}; give the classes with --legend FILE"
                )
    if not names:
        raise LegendError(f"{files[0].path}: has no categories; give the classes with --legend FILE")
    has_background = any(name.lower() == BACKGROUND for name in ids)
    if len(names) + (not has_background) > MAX_CLASSES:
        rest = "" if has_background else f" and the class {BACKGROUND} of what no shape covers"
        raise LegendError(
            f"{files[0].path}: `categories` has {len(names)} classes{rest}, where a legend holds at most "
            f"{MAX_CLASSES}; name those to keep with --legend FILE, the ids of the others in its `ignore`"
        )
    kept = all(0 <= number < IGNORE for number in names)
    codes = {number: number if kept else n for n, number in enumerate(sorted(names), start=1)}
    classes = [
        LandClass(code, names[number], default_color(n), None if code == number else number)
        for n, (number, code) in enumerate(codes.items())
    ]
    if not has_background:
        classes.insert(0, _background(set(codes), set(codes.values())))
    return Legend(tuple(classes))


def _background(ids: set[int], codes: set[int]) -> LandClass:
    """Give the class of what no shape covers: code 0, or the first that no category has."""
    code = next(c for c in range(IGNORE + 1) if c not in codes)
    source_code = next(c for c in range(len(ids) + 1) if c not in ids)
    return LandClass(code, BACKGROUND, _BACKGROUND_COLOR, None if source_code == code else source_code)
