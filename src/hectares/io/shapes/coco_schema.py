"""What stands in a COCO file, checked in one pass, as columns of numbers.

The annotations of large files are millions: they are kept as arrays, which take a tenth of the memory of their JSON.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import name_fault
from hectares.io.shapes.rings import Rings, ring_boxes, ring_faults
from hectares.io.shapes.rle import rle_fault

MAX_IMAGE_PX = 10**9
"""A larger image is a mistake, or an attack on the memory."""
_BOX_TOLERANCE_PX = 1.0
_EMPTY: tuple[Any, ...] = ([[]], [array("d")])
_NO_BOX = array("d", [math.nan] * 4)
_KEYS = ("id", "image_id", "category_id", "segmentation", "bbox")
_NUMBERS = {int, float}
_PLAIN_NAME = re.compile(r"\w[\w.-]*")
_ROOT = "expected {images: [...], annotations: [...], categories: [...]}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a COCO file that cannot be used."""

    place: str
    """JSON path."""
    what: str
    image: int | None = None
    """Position of the image that it belongs to."""
    skippable: bool = True
    """True if the rest of the file is good without it."""

    def __str__(self) -> str:
        return f"{self.place} {self.what}"


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One entry of `images`."""

    id: int
    file_name: str
    """Relative to the folder of images, with slashes; never leads out of it."""
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class CocoCategory:
    """One entry of `categories`."""

    id: int
    name: str


@dataclass(frozen=True)
class Shapes:
    """Annotations that have a good shape, sorted by image; positions, not ids."""

    entry: NDArray[np.int64]
    """Position in `annotations` of the file."""
    id: NDArray[np.int64]
    image: NDArray[np.int64]
    category: NDArray[np.int64]
    ring: NDArray[np.int64]
    """First ring of each (n,)."""
    rings: NDArray[np.int64]
    """How many rings each has; 0 for run lengths."""
    polygons: Rings
    """All rings of the file."""
    runs: Mapping[int, str | list[int]]
    """Counts of those that are run lengths, by position in `annotations`."""


@dataclass(frozen=True)
class CocoContent:
    """A COCO file after its check."""

    images: tuple[CocoImage, ...]
    categories: tuple[CocoCategory, ...]
    shapes: Shapes
    faults: tuple[Fault, ...]
    shapeless: NDArray[np.int64]
    """Images (positions) of annotations that have a box at most; one entry an annotation."""
    first_shapeless: int | None
    """Position of the first of them in `annotations`."""
    wrong_boxes: tuple[int, ...]
    """Positions in `annotations` whose `bbox` is not that of the polygons."""


def pack_annotation(record: dict[str, Any]) -> dict[str, Any]:
    """Give an annotation with its numbers as arrays and without what is not read; any other object as it is.

    What cannot be packed stays as it is, for the check to name it.
    """
    if "image_id" not in record:
        return record
    packed = {key: record[key] for key in _KEYS if key in record}
    shape, box = record.get("segmentation"), record.get("bbox")
    if type(shape) is list:
        packed["segmentation"] = [packed_ring(ring) for ring in shape]
    if box is not None:
        packed["bbox"] = packed_ring(box)
    return packed


def packed_ring(numbers: Any) -> Any:
    """Give a list of numbers as an array, which takes less memory; anything else as it is."""
    if type(numbers) is not list or not set(map(type, numbers)) <= _NUMBERS:
        return numbers
    try:
        return array("d", numbers)
    except OverflowError:
        return numbers


def read_content(content: object) -> CocoContent:
    """Check a parsed COCO file. Nothing is raised: what is wrong stands in `faults`."""
    faults: list[Fault] = []
    record: dict[str, Any] = {}
    if not isinstance(content, dict):
        hint = "; this may be a list of predictions" if isinstance(content, list) else ""
        faults.append(Fault("the root", f"is a {type(content).__name__}; {_ROOT}{hint}", skippable=False))
    else:
        record = content
        wrong = [k for k in ("images", "annotations", "categories") if not isinstance(record.get(k), list)]
        faults += [
            Fault(k, f"{'is no list' if k in record else 'is missing'}; {_ROOT}", skippable=False) for k in wrong
        ]
        record = {k: [] if k in wrong else v for k, v in record.items()}
    images = _entries("images", record.get("images", ()), _image, faults)
    categories = _entries("categories", record.get("categories", ()), _category, faults)
    reader = _AnnotationReader(images, categories, faults)
    if images and categories:  # without them, every annotation would dangle
        reader.read(record.get("annotations", ()))
    shapes = reader.shapes()
    return CocoContent(
        images,
        categories,
        shapes,
        tuple(faults),
        np.array(reader.shapeless, np.int64),
        reader.first_shapeless,
        reader.wrong_boxes(shapes),
    )


# --- Images and categories --------------------------------------------------------------------------------


def _entries(key: str, entries: Sequence[Any], read: Callable[[Any], Any], faults: list[Fault]) -> tuple[Any, ...]:
    """Read the entries of a list; the ids of those that can be read must differ."""
    found: dict[int, Any] = {}
    for i, entry in enumerate(entries):
        try:
            record = read(entry)
        except _FaultError as error:
            faults.append(Fault(f"{key}[{i}]{error.place}", error.what, skippable=False))
            continue
        if found.setdefault(record.id, record) is not record:
            what = f"is {record.id}, which another entry has too; ids are unique"
            faults.append(Fault(f"{key}[{i}].id", what, skippable=False))
    return tuple(found.values())


class _FaultError(Exception):
    def __init__(self, place: str, what: str) -> None:
        super().__init__(what)
        self.place = place
        self.what = what


def _image(entry: Any) -> CocoImage:
    _need(entry, "id", "file_name", "width", "height")
    height, width = _whole(entry, "height"), _whole(entry, "width")
    if height < 1 or width < 1:
        raise _FaultError("", f"is declared with {height} x {width} px (height x width); expected at least one")
    if height * width > MAX_IMAGE_PX:
        raise _FaultError("", f"is declared with {height} x {width} px; expected at most {MAX_IMAGE_PX:.0e} in all")
    return CocoImage(_whole(entry, "id"), _file_name(entry["file_name"]), height, width)


def _file_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise _FaultError(".file_name", f"is {value!r}; expected the name of a file")
    if _PLAIN_NAME.fullmatch(value) and ".." not in value:
        return value
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", value):
        raise _FaultError(".file_name", f"is the address {value!r}; expected a file in the folder of images")
    windows = PureWindowsPath(value)
    if windows.drive or windows.root or PurePosixPath(value).is_absolute() or ".." in windows.parts:
        raise _FaultError(".file_name", f"is {value!r}, which leads out of the folder of images")
    return windows.as_posix()


def _category(entry: Any) -> CocoCategory:
    _need(entry, "id", "name")
    name = entry["name"]
    if not isinstance(name, str) or not name.strip():
        raise _FaultError(".name", f"is {name!r}; expected the name of a class")
    if (fault := name_fault(name.strip())) is not None:
        raise _FaultError(".name", f"is {_short(name)}, which {fault}")
    return CocoCategory(_whole(entry, "id"), name.strip())


def _need(entry: Any, *keys: str) -> None:
    if not isinstance(entry, dict):
        raise _FaultError("", f"is {_short(entry)}; expected an object")
    missing = [k for k in keys if k not in entry]
    if missing:
        raise _FaultError("", f"lacks {' and '.join(missing)}")


def _whole(entry: Mapping[str, Any], key: str) -> int:
    value = entry[key]
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise _FaultError(f".{key}", f"is {_short(value)}; expected a whole number")
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 50 else f"{text[:50]}..."


# --- Annotations ------------------------------------------------------------------------------------------


@dataclass
class _AnnotationReader:
    """Collects the columns of good annotations, and the faults of the others."""

    images: tuple[CocoImage, ...]
    categories: tuple[CocoCategory, ...]
    faults: list[Fault]
    shapeless: array[int] = field(default_factory=lambda: array("q"))
    first_shapeless: int | None = None

    def __post_init__(self) -> None:
        self._image_at = {image.id: i for i, image in enumerate(self.images)}
        self._category_at = {category.id: i for i, category in enumerate(self.categories)}
        self._entry, self._id, self._image, self._category = array("q"), array("q"), array("q"), array("q")
        self._ring, self._rings, self._ends, self._numbers = array("q"), array("q"), array("q", [0]), array("d")
        self._boxes = array("d")
        self._runs: dict[int, str | list[int]] = {}

    def read(self, annotations: Sequence[Any]) -> None:
        """Read all annotations, in file order."""
        seen: dict[int, int] = {}
        for i, entry in enumerate(annotations):
            image = None
            try:
                _need(entry, "id", "image_id", "category_id")
                number = _whole(entry, "id")
                if seen.setdefault(number, i) != i:
                    what = f"is {number}, which annotations[{seen[number]}] has too; ids are unique"
                    self.faults.append(Fault(f"annotations[{i}].id", what, skippable=False))
                image = self._find(entry, "image_id", self._image_at, "images")
                category = self._find(entry, "category_id", self._category_at, "categories")
                self._read_shape(i, entry, image, category)
            except _FaultError as error:
                self.faults.append(Fault(f"annotations[{i}]{error.place}", _named(entry, error.what), image))

    def _find(self, entry: Mapping[str, Any], key: str, positions: Mapping[int, int], where: str) -> int:
        number = _whole(entry, key)
        try:
            return positions[number]
        except KeyError:
            raise _FaultError(f".{key}", f"is {number}, which `{where}` does not have") from None

    def _read_shape(self, i: int, entry: Mapping[str, Any], image: int, category: int) -> None:
        shape = entry.get("segmentation")
        if not shape or shape in _EMPTY:
            self.shapeless.append(image)
            self.first_shapeless = i if self.first_shapeless is None else self.first_shapeless
            return
        rings = len(self._ends)
        if isinstance(shape, dict):
            size = self.images[image]
            fault = rle_fault(shape, size.height, size.width)
            if fault is not None:
                raise _FaultError(".segmentation", fault)
            self._runs[i] = shape["counts"]
        else:
            self._read_rings(shape)
        self._entry.append(i)
        self._id.append(entry["id"])
        self._image.append(image)
        self._category.append(category)
        self._ring.append(rings - 1)
        self._rings.append(len(self._ends) - rings)
        box = packed_ring(entry.get("bbox"))
        self._boxes.extend(box if type(box) is array and len(box) == 4 else _NO_BOX)

    def _read_rings(self, shape: object) -> None:
        expected = "expected a list of rings [[x1, y1, x2, y2, ...]] or run lengths {size, counts}"
        if type(shape) is not list or not all(type(ring) in {list, array} for ring in shape):
            raise _FaultError(".segmentation", f"is {_short(shape)}; {expected}")
        begin, first = len(self._numbers), len(self._ends)
        for r, ring in enumerate(shape):
            numbers = packed_ring(ring)
            what = None
            if type(numbers) is not array:
                bad = next((v for v in numbers if type(v) not in _NUMBERS), "a number of hundreds of digits")
                what = f"holds {_short(bad)}; expected numbers"
            elif not numbers or len(numbers) % 2:
                what = f"has {len(ring)} numbers; expected pairs of x and y, at least three"
            if what is not None:
                del self._numbers[begin:], self._ends[first:]
                raise _FaultError(f".segmentation[{r}]", what)
            self._numbers.extend(numbers)
            self._ends.append(len(self._numbers))

    def shapes(self) -> Shapes:
        """Give the columns, without the annotations whose rings are no polygons, sorted by image."""
        entry, ids, image, category, ring, rings = (
            np.frombuffer(column, np.int64) if column else np.zeros(0, np.int64)
            for column in (self._entry, self._id, self._image, self._category, self._ring, self._rings)
        )
        numbers = np.frombuffer(self._numbers, np.float64) if self._numbers else np.zeros(0)
        polygons = Rings(numbers.reshape(-1, 2), np.frombuffer(self._ends, np.int64) // 2)
        owner = np.repeat(np.arange(len(entry)), rings)
        sizes = np.array([(i.height, i.width) for i in self.images], np.int64).reshape(-1, 2)[image[owner]]
        good = np.ones(len(entry), np.bool_)
        for r, what in ring_faults(polygons, sizes):
            row = owner[r]
            good[row] = False
            place = f"annotations[{entry[row]}].segmentation[{r - ring[row]}]"
            self.faults.append(Fault(place, _named({"id": int(ids[row])}, what), int(image[row])))
        order = np.flatnonzero(good)
        order = order[np.argsort(image[order], kind="stable")]
        entry, ids, image, category, ring, rings = (c[order] for c in (entry, ids, image, category, ring, rings))
        return Shapes(entry, ids, image, category, ring, rings, polygons, self._runs)

    def wrong_boxes(self, shapes: Shapes) -> tuple[int, ...]:
        """Give the annotations whose `bbox` differs by more than a pixel from the box of their polygons."""
        if not len(shapes.entry):
            return ()
        fields = np.frombuffer(self._boxes, np.float64).reshape(-1, 4)
        drawn = np.flatnonzero(shapes.rings > 0)
        rows = np.searchsorted(np.frombuffer(self._entry, np.int64), shapes.entry[drawn])
        boxes = ring_boxes(shapes.polygons, shapes.ring[drawn], shapes.rings[drawn])
        differs = (np.abs(fields[rows] - boxes) > _BOX_TOLERANCE_PX).any(axis=1)
        return tuple(np.sort(shapes.entry[drawn[differs]]).tolist())


def _named(entry: Any, what: str) -> str:
    known = isinstance(entry, dict) and "id" in entry
    return f"(annotation {entry['id']}) {what}" if known else what
