"""Catalogs and legends as files: which scenes there are, with which labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from hectares.core.legend import Legend
from hectares.core.sampling import SPLITS
from hectares.errors import CatalogError, LegendError
from hectares.io.artefact import read_json

LabelBy = Literal["auto", "code", "color", "threshold"]


# --- Images -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One raster file of a scene, and what the file itself does not say."""

    path: Path
    bands: tuple[str, ...] | None = None
    """Names of all its bands, in file order; None to take those of the file."""
    crs: str | None = None
    """CRS where the file has none; its place comes from a world file beside it."""
    depth: int | None = None
    """Bits that its values use (11 in a uint16 file of WorldView), None for all of the type."""
    shift_px: tuple[float, float] = (0.0, 0.0)
    """Rows and columns, in pixels of this file, by which its content lies too far down and right."""


# --- Labels -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RasterLabel:
    """A label raster on the grid of the image."""

    path: Path
    by: LabelBy = "auto"


@dataclass(frozen=True, slots=True)
class CocoLabel:
    """The annotations of one image in a COCO file."""

    path: Path
    image: int
    """`id` of the image in the file."""


@dataclass(frozen=True, slots=True)
class WktLabel:
    """The multipolygons of one image in a CSV of well-known text, in the coordinates of DSTL."""

    path: Path
    image: str
    """`ImageId` in the file."""
    extent: tuple[float, float]
    """Xmax and Ymin of the image in `grid_sizes.csv`."""


@dataclass(frozen=True, slots=True)
class VectorLabel:
    """Shapes of a vector file in any CRS, with a class in an attribute."""

    path: Path
    layer: str | None = None
    field: str | None = None
    """Attribute with the name or code of the class; None if every shape is the one class of the legend."""
    crs: str | None = None
    """CRS where the file names none."""
    aoi: Path | None = None
    """What was labelled; outside of it everything is unlabelled."""
    aoi_layer: str | None = None
    aoi_split: str | None = None
    """Only areas with this value in their attribute `split` were labelled; None for all areas."""
    may_be_empty: bool = False
    """A file of 0 bytes means that there is no shape, as some data sets write it."""


Label = RasterLabel | CocoLabel | WktLabel | VectorLabel
_LABEL_KINDS: dict[str, type[Any]] = {"raster": RasterLabel, "coco": CocoLabel, "wkt": WktLabel, "vector": VectorLabel}


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How the labels of a catalog become class indices."""

    nearest: int = 0
    """Label colors may differ by at most this from a legend color."""
    erode_px: int = 0
    """Label pixels within this distance of a class border are ignored."""
    background: str | None = None
    """Class of pixels that no shape covers; None: they are unlabelled."""
    priority: tuple[str, ...] = ()
    """Classes from bottom to top where shapes overlap; classes not named lie below, in legend order."""
    multilabel: bool = False
    """One plane a class instead of one class a pixel."""
    all_touched: bool = False
    """Burn every pixel that a shape touches."""
    skip_bad: bool = False
    """Leave out broken shapes instead of refusing."""

    def drawing_order(self, legend: Legend) -> list[int]:
        """Give class indices from bottom to top: those without a declared priority first, in legend order."""
        named = [legend.index(name) for name in self.priority]
        return [k for k in range(len(legend)) if k not in named] + named


# --- Scenes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CatalogScene:
    """One scene of a catalog."""

    id: str
    images: tuple[ImageFile, ...]
    """Its files; the first gives the grid, the others are brought onto it."""
    label: Label | None
    group: str
    """Scenes of one group never meet across a split."""
    split: str | None = None
    """train, val or test, where the source says so."""
    gsd_m: float | None = None
    """Metres per pixel, as the source says for images without a georeference."""

    @property
    def image(self) -> Path:
        """The file that gives the grid."""
        return self.images[0].path

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the scene is read from."""
        label = () if self.label is None else (self.label.path,)
        aoi = (self.label.aoi,) if isinstance(self.label, VectorLabel) and self.label.aoi is not None else ()
        return (*(f.path for f in self.images), *label, *aoi)


@dataclass(frozen=True)
class Catalog:
    """A list of scenes with labels, and what the labels mean."""

    scenes: tuple[CatalogScene, ...]
    legend: Legend
    rules: LabelRules = field(default_factory=LabelRules)

    def __post_init__(self) -> None:
        if not self.scenes:
            raise CatalogError("the catalog has no scenes; it needs at least one image with its label")
        twice = [name for name, n in Counter(s.id for s in self.scenes).items() if n > 1]
        if twice:
            raise CatalogError(f"scene id {twice[0]!r} stands twice in the catalog; ids are unique")
        for scene in self.scenes:
            if scene.split is not None and scene.split not in SPLITS:
                raise CatalogError(f"scene {scene.id!r} has split {scene.split!r}; expected {', '.join(SPLITS)}")
        for name in (*self.rules.priority, *((self.rules.background,) if self.rules.background else ())):
            self.legend.index(name)

    def first(self, limit: int | None) -> Catalog:
        """Give the first `limit` scenes of each split; all of them if it is None."""
        if limit is None:
            return self
        seen = Counter[str | None]()
        kept = []
        for scene in self.scenes:
            seen[scene.split] += 1
            if seen[scene.split] <= limit:
                kept.append(scene)
        return replace(self, scenes=tuple(kept))


def read_legend(path: Path) -> Legend:
    """Read a legend from JSON or YAML. Raises LegendError or InputError naming the file."""
    if path.suffix.lower() in {".yaml", ".yml"}:
        from hectares.io.yaml import read_yaml  # all that has scenes knows catalogs, few read YAML

        content = read_yaml(path)
    else:
        content = read_json(path)
    if not isinstance(content, Mapping):
        raise LegendError(f"{path}: is a {type(content).__name__}; expected {{nodata, classes: [...]}}")
    try:
        return Legend.from_json(content)
    except LegendError as error:
        raise LegendError(f"{path}: {error}") from None


# --- catalog.json -----------------------------------------------------------------------------------------


def read_catalog(path: Path, *, legend: Legend | None = None) -> Catalog:
    """Read `catalog.json` and, unless one is given, the legend it names; paths in it are relative to the file."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("scenes"), list):
        raise CatalogError(f"{path}: expected {{legend, scenes: [...]}}")
    _refuse_unknown(f"{path}", content, ("legend", "scenes", "rules"))
    folder = path.parent
    if legend is None:
        name = content.get("legend", "legend.json")
        if not isinstance(name, str):
            raise CatalogError(f"{path}: legend is {name!r}; expected the name of a legend file")
        legend = read_legend(folder / name)
    try:
        scenes = tuple(_scene(f"scenes[{i}]", folder, entry) for i, entry in enumerate(content["scenes"]))
        rules = _filled("rules", LabelRules, content.get("rules", {}), {"priority": _names})
        return Catalog(scenes, legend, rules)
    except (CatalogError, LegendError) as error:
        raise CatalogError(f"{path}: {error}") from None


def _scene(where: str, folder: Path, entry: object) -> CatalogScene:
    if not isinstance(entry, dict) or "image" not in entry:
        raise CatalogError(f"{where}: expected {{id, image, label, group, split, gsd_m}} with at least `image`")
    _refuse_unknown(where, entry, ("id", "image", "label", "group", "split", "gsd_m"))
    given = entry["image"] if isinstance(entry["image"], list) else [entry["image"]]
    if not given:
        raise CatalogError(f"{where}: image is an empty list; expected at least one file")
    images = tuple(_image(f"{where}.image", folder, item) for item in given)
    label = None if entry.get("label") is None else _label(f"{where}.label", folder, entry["label"])
    default = Path(os.path.relpath(images[0].path, folder)).with_suffix("").as_posix()
    name = _text(f"{where}.id", entry.get("id") or default)
    gsd_m = entry.get("gsd_m")
    if gsd_m is not None and (isinstance(gsd_m, bool) or not isinstance(gsd_m, (int, float)) or gsd_m <= 0):
        raise CatalogError(f"{where}.gsd_m is {gsd_m!r}; expected metres per pixel")
    return CatalogScene(
        id=name,
        images=images,
        label=label,
        group=_text(f"{where}.group", entry.get("group") or name),
        split=None if entry.get("split") is None else _text(f"{where}.split", entry["split"]),
        gsd_m=gsd_m,
    )


def _image(where: str, folder: Path, item: object) -> ImageFile:
    record = {"path": item} if isinstance(item, str) else item
    pair = _numbers(2)
    image: ImageFile = _filled(where, ImageFile, record, {"path": _path(folder), "bands": _names, "shift_px": pair})
    return image


def _label(where: str, folder: Path, item: object) -> Label:
    record = {"path": item} if isinstance(item, str) else item
    if not isinstance(record, dict):
        raise CatalogError(f"{where} is {item!r}; expected a file name or {{kind, path, ...}}")
    kind = record.get("kind", "raster")
    if kind not in _LABEL_KINDS:
        raise CatalogError(f"{where}.kind is {kind!r}; known: {', '.join(_LABEL_KINDS)}")
    rest = {k: v for k, v in record.items() if k != "kind"}
    read = {"path": _path(folder), "aoi": _path(folder), "extent": _numbers(2)}
    label: Label = _filled(where, _LABEL_KINDS[kind], rest, read)
    return label


def _filled(where: str, record: type[Any], content: object, read: Mapping[str, Callable[[str, Any], Any]]) -> Any:
    """Make a dataclass from JSON; its simple fields must have the type of their annotation."""
    if not isinstance(content, dict):
        raise CatalogError(f"{where} is {content!r}; expected a record")
    fields = record.__dataclass_fields__
    _refuse_unknown(where, content, tuple(fields))
    values: dict[str, Any] = {}
    for name, value in content.items():
        place = f"{where}.{name}"
        if value is None:
            continue
        values[name] = read[name](place, value) if name in read else _simple(place, value, str(fields[name].type))
    try:
        return record(**values)
    except TypeError:
        raise CatalogError(f"{where} has only {', '.join(content) or 'nothing'}; it lacks a required field") from None


def _simple(where: str, value: object, annotation: str) -> object:
    known: dict[str, type] = {"bool": bool, "int": int, "str": str}
    wanted = known.get(annotation.removesuffix(" | None"), str)
    if type(value) is not wanted:
        raise CatalogError(f"{where} is {value!r}; expected {wanted.__name__}")
    return value


def _text(where: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise CatalogError(f"{where} is {value!r}; expected text")
    return str(value)


def _path(folder: Path) -> Callable[[str, Any], Path]:
    def read(where: str, value: Any) -> Path:
        if not isinstance(value, str) or not value or "\x00" in value:
            raise CatalogError(f"{where} is {value!r}; expected a file name")
        return folder / value

    return read


def _names(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise CatalogError(f"{where} is {value!r}; expected a list of names")
    return tuple(value)


def _numbers(count: int) -> Callable[[str, Any], tuple[float, ...]]:
    def read(where: str, value: Any) -> tuple[float, ...]:
        numbers = value if isinstance(value, list) else []
        if len(numbers) != count or not all(isinstance(v, (int, float)) for v in numbers):
            raise CatalogError(f"{where} is {value!r}; expected {count} numbers")
        return tuple(map(float, numbers))

    return read


def _refuse_unknown(where: str, content: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise CatalogError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(known)}")


def catalog_json(catalog: Catalog, folder: Path) -> dict[str, Any]:
    """Give the content of a `catalog.json` that lies in a folder."""
    return {
        "legend": "legend.json",
        "rules": _record(catalog.rules, LabelRules(), folder),
        "scenes": [
            {
                "id": s.id,
                "image": [_record(f, ImageFile(Path()), folder) for f in s.images],
                "label": None if s.label is None else _label_record(s.label, folder),
                "group": s.group,
                "split": s.split,
                "gsd_m": s.gsd_m,
            }
            for s in catalog.scenes
        ],
    }


def _label_record(label: Label, folder: Path) -> dict[str, Any]:
    kind = next(name for name, record in _LABEL_KINDS.items() if isinstance(label, record))
    return {"kind": kind, **_record(label, None, folder)}


def _record(value: Any, default: object, folder: Path) -> dict[str, Any]:
    """Give the fields of a dataclass that differ from a default, paths relative to a folder."""
    found = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {
        name: Path(os.path.relpath(v, folder)).as_posix() if isinstance(v, Path) else v
        for name, v in found.items()
        if v is not None and (name == "path" or v != getattr(default, name, None))
    }
