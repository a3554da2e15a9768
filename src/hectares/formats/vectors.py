"""Scenes with vector labels: one file for all images, or one beside each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hectares.config.source import SourceConfig
from hectares.core.legend import MAX_CLASSES, LandClass, Legend, default_color, name_fault
from hectares.errors import CatalogError, ConfigError, LegendError
from hectares.formats.folders import LABEL_FOLDERS, SUFFIXES
from hectares.formats.listing import list_files
from hectares.formats.options import refuse_unknown_classes
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, LabelRules, VectorLabel, read_legend
from hectares.io.rasters.raster import open_raster
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.polygons import area_m2, find_overlaps
from hectares.io.shapes.vector_file import SUFFIXES as VECTOR_SUFFIXES
from hectares.io.shapes.vector_shapes import FileShapes, label_shapes, read_areas
from hectares.io.split_lists import SPLIT_WORDS
from hectares.monitor import Monitor, Problem

BACKGROUND = "background"
_AOI = "aoi"
_OBJECT = "object"
_GRAY = (60, 60, 60)
_SHOWN = 5
_M2_PER_HA = 10_000


def read_vectors(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of a folder of images with vector labels.

    Raises CatalogError naming images without labels and labels without an image, LegendError for attributes that
    are no classes, VectorError for files.
    """
    if not source.exists():
        raise CatalogError(f"{source}: there is no such folder")
    if source.is_file() and config.images is not None:
        raise ConfigError(f"--images chooses files of a folder; {source} is one image: drop the option")
    found = _Source(source if source.is_dir() else source.parent, config, monitor)
    images = [(ImageFile(source, crs=config.crs),)] if not source.is_dir() else found.images()
    aoi, aoi_layer = found.areas()
    template = VectorLabel(source, None, config.class_field, config.crs, aoi, aoi_layer)
    pairs = [(files, replace(template, path=path, layer=layer)) for files, (path, layer) in found.pair(images)]
    legend, rules = _meaning([label for _, label in pairs], layout, config)
    if rules.background is None:
        what = "pixels that no shape covers are unlabelled: nothing says where somebody has looked"
        monitor.problem(Problem(str(source), what, "give the areas with --aoi FILE, or their class with --background"))
    areas = None if aoi is None else read_areas(aoi, layer=aoi_layer, crs=config.crs)
    splits = {} if areas is None else _splits(template, areas, monitor)
    scenes = [scene for files, label in pairs for scene in found.scenes(files, label, splits, areas)]
    if not scenes:
        raise CatalogError(f"{aoi}: no area lies in any of the images; check its CRS")
    return Catalog(tuple(scenes), legend, rules)


@dataclass(frozen=True)
class _Source:
    """A folder with images and vector files."""

    folder: Path
    config: SourceConfig
    monitor: Monitor

    def images(self) -> list[tuple[ImageFile, ...]]:
        """Give the files of each scene."""
        rasters = [p for p in self._files() if p.suffix.lower() in SUFFIXES]
        names = self.config.image_names
        if names:
            chosen = [[p for p in rasters if self._is_named(p, name)] for name in names]
            for name, paths in zip(names, chosen, strict=True):
                if not paths or (len(names) > 1 and len(paths) > 1):
                    shown = ", ".join(self._relative(p) for p in (paths or rasters)[:_SHOWN])
                    raise CatalogError(
                        f"{self.folder}: --images {name} names {len(paths)} files; there are {shown or 'none'}"
                    )
            if len(names) > 1:
                return [tuple(ImageFile(paths[0], crs=self.config.crs) for paths in chosen)]
            return [(ImageFile(p, crs=self.config.crs),) for p in chosen[0]]
        labels = [p for p in rasters if {p.stem.lower(), p.parent.name.lower()} & set(LABEL_FOLDERS)]
        if labels:
            what = f"{len(labels)} raster(s) look like labels: {', '.join(map(self._relative, labels[:_SHOWN]))}"
            self.monitor.problem(Problem(str(self.folder), what, "they are left out; --images takes them"))
        images = [p for p in rasters if p not in labels]
        if not images:
            raise CatalogError(f"{self.folder}: has no images; supported: {', '.join(SUFFIXES)}")
        return [(ImageFile(p, crs=self.config.crs),) for p in images]

    def pair(
        self, images: Sequence[tuple[ImageFile, ...]]
    ) -> list[tuple[tuple[ImageFile, ...], tuple[Path, str | None]]]:
        """Give each scene its vector file and layer."""
        if self.config.labels is not None:
            shared = self._locate(self.config.labels, "labels")
            return [(files, shared) for files in images]
        stems = {files[0].path.stem.lower() for files in images}
        vectors = [p for p in self._files() if self._is_label(p, stems)]
        if not vectors:
            raise CatalogError(
                f"{self.folder}: has no vector file ({', '.join(VECTOR_SUFFIXES)}); name one with --labels FILE"
            )
        if len(vectors) == 1 and (len(images) == 1 or vectors[0].stem.lower() not in stems):
            return [(files, (vectors[0], None)) for files in images]
        if not any(p.stem.lower() in stems for p in vectors):
            shown = ", ".join(map(self._relative, vectors[:_SHOWN]))
            raise CatalogError(
                f"{self.folder}: has {len(vectors)} vector files: {shown}; choose one with --labels FILE"
            )
        return self._beside(images, vectors)

    def _beside(
        self, images: Sequence[tuple[ImageFile, ...]], vectors: Sequence[Path]
    ) -> list[tuple[tuple[ImageFile, ...], tuple[Path, str | None]]]:
        """Pair each image with the vector file of its name, in its folder or in any other."""
        pairs: list[tuple[tuple[ImageFile, ...], tuple[Path, str | None]]] = []
        lonely, used = [], set()
        for files in images:
            image = files[0].path
            same = [p for p in vectors if p.stem.lower() == image.stem.lower()]
            partners = [p for p in same if p.parent == image.parent] or same
            if len(partners) > 1:
                shown = ", ".join(map(self._relative, partners))
                raise CatalogError(f"{image}: has {len(partners)} vector files of its name: {shown}; keep one of them")
            if partners:
                pairs.append((files, (partners[0], None)))
                used.add(partners[0])
            else:
                lonely.append(image)
        lonely += [p for p in vectors if p not in used]
        if lonely:
            shown = ", ".join(map(self._relative, lonely[:_SHOWN]))
            what = f"{len(lonely)} file(s) have no partner of the same name: {shown}"
            if not self.config.allow_unmatched:
                raise CatalogError(
                    f"{self.folder}: {what}; complete the pairs, leave them out with --allow-unmatched, "
                    "or name one vector file for all images with --labels FILE"
                )
            self.monitor.problem(Problem(str(self.folder), what, "they are left out", "incomplete"))
        return pairs

    def areas(self) -> tuple[Path | None, str | None]:
        """Give the vector file and layer of what was labelled."""
        if self.config.aoi is not None:
            return self._locate(str(self.config.aoi), "aoi")
        named = [p for p in self._files() if p.stem.lower() == _AOI and p.suffix.lower() in VECTOR_SUFFIXES]
        if not named:
            return None, None
        if len(named) > 1:
            shown = ", ".join(map(self._relative, named))
            raise CatalogError(f"{self.folder}: has {len(named)} files of areas: {shown}; choose one with --aoi FILE")
        what = "is taken for the areas that were labelled"
        self.monitor.problem(Problem(str(named[0]), what, "outside of them pixels are unlabelled", "note"))
        return named[0], None

    def scenes(
        self, files: tuple[ImageFile, ...], label: VectorLabel, splits: Mapping[str, str], areas: FileShapes | None
    ) -> list[CatalogScene]:
        """Give the scene of an image, or one for each split whose areas it meets."""
        name = Path(self._relative(files[0].path)).with_suffix("").as_posix()
        if not splits or areas is None:
            return [CatalogScene(name, files, label, group=name)]
        with open_raster(files[0].path) as image:
            grid = image.grid
        result = []
        for value, split in splits.items():
            if grid.crs is None or areas.part(value)[0].meets(grid):
                part = f"{name}@{value}"
                result.append(CatalogScene(part, files, replace(label, aoi_split=value), group=part, split=split))
        return result

    def _files(self) -> list[Path]:
        return list(list_files(self.folder))

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)

    def _is_named(self, path: Path, name: str) -> bool:
        names = (self._relative(path), path.name, path.stem)
        return any(fnmatch(n.lower(), name.lower()) for n in names)

    def _is_label(self, path: Path, stems: set[str]) -> bool:
        suffix, stem = path.suffix.lower(), path.stem.lower()
        if suffix not in VECTOR_SUFFIXES or stem == _AOI or path == self.config.aoi:
            return False
        return suffix != ".json" or stem in stems  # other JSON is a legend, a catalog ...

    def _locate(self, text: str, option: str) -> tuple[Path, str | None]:
        """Find FILE or FILE:LAYER in the folder of the source, or where the command was called."""
        for place in (self.folder / text, Path(text)):
            path, layer = split_layer_name(place)
            if path.exists():
                return path, layer
        raise CatalogError(f"{text}: --{option} names a file that is neither here nor in {self.folder}")


# --- What the shapes mean ---------------------------------------------------------------------------------


def _meaning(labels: Sequence[VectorLabel], layout: Format, config: SourceConfig) -> tuple[Legend, LabelRules]:
    """Give the legend asked for, or that of the values found; and the class of uncovered pixels, if any."""
    rules = layout.choose_rules(config)
    files = list({(label.path, label.layer): label for label in labels}.values())
    given = None if config.legend is None else read_legend(config.legend)
    if rules.background is None and labels[0].aoi is not None and (given is None or BACKGROUND in given.names):
        rules = replace(rules, background=BACKGROUND)
    legend = given or _legend_of(files, rules, config)
    refuse_unknown_classes(config, legend)
    if len(files) == 1:  # many files are told one by one, with their images
        label_shapes(files[0], skip_bad=rules.skip_bad).classes(files[0], legend, rules)
    return legend, rules


def _legend_of(files: Sequence[VectorLabel], rules: LabelRules, config: SourceConfig) -> Legend:
    if config.class_field is None:
        name = label_shapes(files[0], skip_bad=rules.skip_bad).layer.name if len(files) == 1 else _OBJECT
        values: list[Any] = [name]
        if (fault := name_fault(name)) is not None:
            raise LegendError(f"{files[0].path}: its layer is named {name!r}, which {fault}")
    else:
        found = {v for label in files for v in label_shapes(label, skip_bad=rules.skip_bad).values}
        values = _sorted(files[0], config.class_field, found - {None, "", rules.background})
        _refuse_names(files, [v for v in values if isinstance(v, str)], rules)
    classes = _classes(values)
    if rules.background is not None:
        taken = {c.code for c in classes} | {c.source_code for c in classes}
        free = next(code for code in range(2 * MAX_CLASSES) if code not in taken)
        classes.insert(0, LandClass(free, rules.background, _GRAY))
    return Legend(tuple(classes))


def _sorted(label: VectorLabel, field: str, values: Iterable[Any]) -> list[Any]:
    """Sort classes, numbers by size and text by the alphabet. Raises LegendError if they cannot be classes."""
    values = list(values)
    if not values:
        raise LegendError(f"{label.path}: attribute {field!r} has no values; choose another --class-field")
    fractions = [v for v in values if isinstance(v, float)]
    if fractions or len(values) >= MAX_CLASSES:
        what = f"numbers such as {fractions[0]}" if fractions else f"{len(values)} values"
        raise LegendError(
            f"{label.path}: attribute {field!r} holds {what}, which cannot be classes; choose another --class-field, "
            "or group them with --legend FILE"
        )
    return sorted(values, key=lambda v: (isinstance(v, str), v))


def _refuse_names(files: Sequence[VectorLabel], values: Iterable[str], rules: LabelRules) -> None:
    """Raise LegendError naming the first file and feature with a value that cannot be the name of a class."""
    faults = {value: fault for value in values if (fault := name_fault(value)) is not None}
    for label in files if faults else ():
        shapes = label_shapes(label, skip_bad=rules.skip_bad)
        for feature, value in zip(shapes.layer.ids, shapes.column, strict=True):
            if value in faults:
                raise LegendError(
                    f"{label.path}: attribute {label.field!r} of feature {feature} is {value!r}, which {faults[value]}"
                )


def _classes(values: Sequence[Any]) -> list[LandClass]:
    """Give classes for values; numbers that fit into a map keep their code."""
    kept = all(isinstance(v, int) and 0 <= v < MAX_CLASSES for v in values)
    return [
        LandClass(
            code=v if kept else i,
            name=str(v),
            color=default_color(i - 1),
            source_code=v if isinstance(v, int) and not kept else None,
        )
        for i, v in enumerate(values, start=1)
    ]


# --- Areas ------------------------------------------------------------------------------------------------


def _splits(label: VectorLabel, areas: FileShapes, monitor: Monitor) -> dict[str, str]:
    """Give the values of the attribute `split` of the areas with the split each means; empty if they have none."""
    if not areas.values:
        return {}
    unknown = [v for v in areas.values if str(v).lower() not in SPLIT_WORDS]
    if unknown:
        raise CatalogError(
            f"{label.aoi}: an area has split {unknown[0]!r}; expected {', '.join(dict.fromkeys(SPLIT_WORDS.values()))}"
        )
    splits = {str(v): SPLIT_WORDS[str(v).lower()] for v in areas.values}
    if len(splits) > 1:
        what = f"areas of {', '.join(splits)} lie in one image"
        remedy = "chips at their edges show pixels of a neighboring area, unlabelled; labelled pixels are never shared"
        monitor.problem(Problem(str(label.aoi), what, remedy, "note"))
    shapes = areas.layer.geometries
    owners = [str(v) for v in areas.column]
    shared = find_overlaps(shapes, owners, tolerance=1e-6)
    if shared:
        first = shared[0]
        size = area_m2(sum(o.area for o in shared), areas.geometries, areas.layer.crs) / _M2_PER_HA
        pair = f"{areas.layer.ids[first.first]} ({owners[first.first]}) and {areas.layer.ids[first.second]}"
        what = f"areas of two splits overlap on {size:.2g} ha: {pair} ({owners[first.second]})"
        monitor.problem(Problem(str(label.aoi), what, "these pixels are unlabelled in both", "note"))
    return splits
