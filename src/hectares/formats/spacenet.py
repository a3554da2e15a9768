"""SpaceNet 1, 2 and 7: images of cities with building footprints as GeoJSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.errors import CatalogError, ConfigError
from hectares.formats.listing import list_folders
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, VectorLabel
from hectares.monitor import Monitor, Problem

_SUFFIXES = {".tif", ".tiff"}
_TEST = re.compile(r"(?:^|[_-])test", re.IGNORECASE)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Version:
    """How one of the data sets is laid out."""

    name: str
    images: tuple[str, ...]
    """Names of folders of images; the first is the default."""
    labels: tuple[str, ...]
    """Folders of labels beside them, in the order of --labels."""
    id: re.Pattern[str]
    """What tells images of one folder apart, in the names of images and labels."""
    label_end: str = ".geojson"


_VERSIONS = (
    _Version("SpaceNet 2", ("RGB-PanSharpen", "MUL-PanSharpen", "MUL", "PAN"), ("geojson/buildings",),
             re.compile(r"(?:AOI_(\d+)_.*)?_img(\d+)(?=[._])", re.IGNORECASE)),
    _Version("SpaceNet 1", ("3band", "8band"), ("geojson", "vectordata/geojson"),
             re.compile(r"(?:AOI_(\d+)_.*)?_img(\d+)(?=[._])", re.IGNORECASE)),
    _Version("SpaceNet 7", ("images_masked", "images"), ("labels", "labels_match"),
             re.compile(r"global_monthly_(\d{4})_(\d{2})(?=_)", re.IGNORECASE), "_buildings.geojson"),
)  # fmt: skip


def read_spacenet(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of SpaceNet 1, 2 or 7.

    Raises CatalogError naming images without labels and labels without images, or the folders that were looked for.
    """
    if not source.is_dir():
        raise CatalogError(f"{source}: is no folder; expected that of SpaceNet 1, 2 or 7")
    root = source.parent if source.name.lower() in _folder_names() else source
    version, places = _find(root)
    kinds = _kinds(version, layout, config)
    wanted = layout.choose_labels(config)
    scenes: list[CatalogScene] = []
    lonely: list[Path] = []
    for place in places:
        label_folder = _label_folder(place, version, wanted)
        folders = [_child(place, kind) for kind in kinds]
        if label_folder is None and _is_test(place, root):
            continue
        if label_folder is None or None in folders:
            lacking = [n for n, f in ((wanted, label_folder), *zip(kinds, folders, strict=True)) if f is None]
            raise CatalogError(f"{place}: lacks {', '.join(lacking)}; complete it, or choose other --images")
        images = [_by_id(_rasters(f), version) for f in folders if f is not None]
        labels = _by_id(_labels(label_folder, version), version)
        common = set(labels).intersection(*images)
        lonely += [p for files in (*images, labels) for key, p in files.items() if key not in common]
        for key in sorted(common, key=_natural):
            files = _stack([i[key] for i in images], kinds, layout)
            name, group = _names(place, version, key)
            scenes += [CatalogScene(name, files, VectorLabel(labels[key], may_be_empty=True), group)]
    _tell(source, lonely, config, monitor)
    if not scenes:
        raise CatalogError(f"{source}: {version.name} has no image with a label here; labels of test are not public")
    legend = layout.choose_legend(config)
    rules = replace(layout.choose_rules(config, legend), skip_bad=True)  # cut at an edge, a shape may be a line
    return Catalog(tuple(scenes), legend, rules)


# --- Folders ----------------------------------------------------------------------------------------------


def _folder_names() -> set[str]:
    return {n.lower() for v in _VERSIONS for n in (*v.images, *v.labels, "geojson")}


def _find(root: Path) -> tuple[_Version, list[Path]]:
    """Give the version, and the folders that hold folders of its images."""
    folders = list_folders(root)
    found = {
        v.name: [f for f in folders if any(_child(f, name) is not None for name in v.images) and _fits(f, v)]
        for v in _VERSIONS
    }
    versions = [v for v in _VERSIONS if found[v.name]]
    if len(versions) > 1:
        raise CatalogError(f"{root}: holds {' and '.join(v.name for v in versions)}; give the folder of one of them")
    if not versions:
        looked = "; ".join(f"{v.name}: {', '.join(v.images)} beside {v.labels[0]}" for v in _VERSIONS)
        raise CatalogError(f"{root}: has no folders of SpaceNet ({looked})")
    return versions[0], found[versions[0].name]


def _fits(folder: Path, version: _Version) -> bool:
    """Tell `images` of SpaceNet 7 from those of anybody: by the names of the files."""
    children = [_child(folder, name) for name in version.images]
    return any(version.id.search(p.name) for child in children if child is not None for p in _rasters(child))


def _child(folder: Path, name: str) -> Path | None:
    """Find a folder below a folder, in any case of letters."""
    for part in name.lower().split("/"):
        found = next((p for p in sorted(folder.iterdir()) if p.is_dir() and p.name.lower() == part), None)
        if found is None:
            return None
        folder = found
    return folder


def _label_folder(place: Path, version: _Version, wanted: str) -> Path | None:
    """Find the folder of labels; versions with one kind of labels may name it differently."""
    if wanted in version.labels:
        return _child(place, wanted)
    if wanted == "labels":
        return next((f for f in (_child(place, name) for name in version.labels) if f is not None), None)
    raise ConfigError(f"{version.name} has no --labels {wanted}; it has labels")


def _is_test(place: Path, root: Path) -> bool:
    parts = (root.name, *place.relative_to(root).parts)
    return any(_TEST.search(part) for part in parts)


def _kinds(version: _Version, layout: Format, config: SourceConfig) -> tuple[str, ...]:
    """Give the images asked for; by default the first of the version."""
    if not config.image_names:
        return version.images[:1]
    kinds = layout.choose_images(config)
    for kind in kinds:
        if kind not in version.images:
            raise ConfigError(f"{version.name} has no --images {kind}; it has {', '.join(version.images)}")
    return kinds


# --- Files ------------------------------------------------------------------------------------------------


def _rasters(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in _SUFFIXES and not p.name.startswith(".")]


def _labels(folder: Path, version: _Version) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if p.name.lower().endswith(version.label_end) and p.name[0] != "."]


def _by_id(paths: Iterable[Path], version: _Version) -> dict[tuple[str, ...], Path]:
    """Give files by area and number, or by year and month. Raises CatalogError for names without, and for twins."""
    files: dict[tuple[str, ...], Path] = {}
    for path in paths:
        match = version.id.search(path.name)
        if match is None:
            raise CatalogError(f"{path}: its name has no id of {version.name} ({version.id.pattern}); remove it")
        key = tuple(part or "" for part in match.groups())
        if key in files:
            raise CatalogError(f"{path} and {files[key].name}: two files of one id; keep one of them")
        files[key] = path
    return files


def _natural(key: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(part or 0) for part in key)


def _names(place: Path, version: _Version, key: tuple[str, ...]) -> tuple[str, str]:
    """Give the id of a scene and its group: the months of a site are one, all other images stand alone."""
    if version.name == "SpaceNet 7":
        return f"{place.name}/{'_'.join(key)}", place.name
    area, number = key
    name = f"AOI_{area}_img{number}" if area else f"img{number}"
    return name, name


def _stack(images: Sequence[Path], kinds: Sequence[str], layout: Format) -> tuple[ImageFile, ...]:
    """Give the files of a scene; a band that an earlier file has too is told apart by the kind of image."""
    files = []
    seen: set[str] = set()
    for path, kind in zip(images, kinds, strict=True):
        bands = layout.bands.get(kind)
        if bands is not None:
            bands = tuple(f"{kind} {band}" if band in seen else band for band in bands)
            seen.update(bands)
        files.append(ImageFile(path, bands, depth=layout.depth.get(kind)))
    return tuple(files)


def _tell(source: Path, lonely: Sequence[Path], config: SourceConfig, monitor: Monitor) -> None:
    if not lonely:
        return
    shown = ", ".join(p.relative_to(source.parent).as_posix() for p in lonely[:_SHOWN])
    what = f"{len(lonely)} file(s) have no partner of the same id: {shown}"
    if not config.allow_unmatched:
        raise CatalogError(f"{source}: {what}; complete the pairs, or leave them out with --allow-unmatched")
    monitor.problem(Problem(str(source), what, "they are left out", "incomplete"))
