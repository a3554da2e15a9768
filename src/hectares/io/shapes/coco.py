"""COCO annotations as masks: polygons, run lengths, crowds; every pixel as pycocotools has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pycocotools import mask as masks

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import CatalogError, GridError, LegendError
from hectares.io.artefact import read_json
from hectares.io.catalog import CocoLabel, LabelRules
from hectares.io.shapes.coco_schema import CocoCategory, CocoContent, CocoImage, Fault, pack_annotation, read_content
from hectares.io.shapes.rings import ring_boxes, rings_of
from hectares.io.shapes.rle import decode_runs
from hectares.monitor import Problem

_SHOWN = 20
_MERGED = 32
"""Masks that are merged at a time: each step of a merge walks through all that came before."""
_parsing = Lock()


def read_coco(path: Path) -> CocoFile:
    """Read and check a COCO file, once as long as it does not change.

    Raises CatalogError naming everything that makes the file unusable; broken annotations are in `faults`.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        raise CatalogError(f"{path}: there is no such file") from None
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read ({error.strerror})") from error
    with _parsing:  # so that threads that need the same file do not all read it
        file = _parse(path, facts.st_mtime_ns, facts.st_size)
    if not file.is_usable:
        file.refuse(file.faults)
    return file


@lru_cache(maxsize=4)
def _parse(path: Path, _mtime_ns: int, _size: int) -> CocoFile:
    return CocoFile(path, read_content(read_json(path, pack=pack_annotation)))


class CocoFile:
    """A COCO file in memory: its images, its categories, and the masks of each image."""

    def __init__(self, path: Path, content: CocoContent) -> None:
        self.path = path
        self._content = content
        self._last: tuple[object, Mapping[int, NDArray[np.bool_]]] | None = None

    # --- What stands in it ---

    @property
    def images(self) -> tuple[CocoImage, ...]:
        """Its images, in file order."""
        return self._content.images

    @property
    def categories(self) -> tuple[CocoCategory, ...]:
        """Its categories, in file order."""
        return self._content.categories

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All that is wrong in it: images and categories first, then annotations."""
        return self._content.faults

    @cached_property
    def is_usable(self) -> bool:
        """False if there are faults that cannot be left out."""
        return all(fault.skippable for fault in self.faults)

    def __len__(self) -> int:
        """Count the annotations that have a good shape."""
        return len(self._content.shapes.entry)

    def image(self, number: int) -> CocoImage:
        """Give an image by its `id`. Raises CatalogError if there is none."""
        return self.images[self._position(number)]

    def ids(self, image: int) -> NDArray[np.int64]:
        """Give the `id` of the annotations of an image (n,) that have a good shape."""
        return self._content.shapes.id[self._rows(self._position(image))]

    def boxes(self, image: int) -> NDArray[np.float64]:
        """Give x, y, width and height (n, 4) of these, from their shapes: the field `bbox` is often wrong."""
        shapes, rows = self._content.shapes, self._rows(self._position(image))
        polygons = np.flatnonzero(shapes.rings[rows] > 0)
        boxes = np.zeros((len(shapes.entry[rows]), 4))
        boxes[polygons] = ring_boxes(shapes.polygons, shapes.ring[rows][polygons], shapes.rings[rows][polygons])
        size = self.image(image)
        for n, entry in enumerate(shapes.entry[rows].tolist()):
            if entry in shapes.runs:
                boxes[n] = masks.toBbox(_from_runs(shapes.runs[entry], size))
        return boxes

    @cached_property
    def used_categories(self) -> tuple[CocoCategory, ...]:
        """Categories of which there is a good shape."""
        return tuple(self.categories[k] for k in np.unique(self._content.shapes.category))

    # --- What is wrong with it ---

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What people should know about the file, though it can be used."""
        content, notes = self._content, []
        if content.first_shapeless is not None:
            first = f"annotations[{content.first_shapeless}]"
            what = f"{len(content.shapeless)} annotation(s) have no shape, a box at most, the first is {first}"
            notes.append(Problem(str(self.path), what, "they are left out", "incomplete"))
        if content.wrong_boxes:
            count, first = len(content.wrong_boxes), f"annotations[{content.wrong_boxes[0]}]"
            what = f"{count} of {len(self)} boxes (bbox) differ from their polygons by over 1 px, the first in {first}"
            notes.append(Problem(str(self.path), what, "boxes are taken from the polygons", "note"))
        return tuple(notes)

    def notes_on(self, image: int) -> tuple[Problem, ...]:
        """What is left out of the masks of an image."""
        position = self._position(image)
        where, notes = f"{self.path}, image {image} ({self.images[position].file_name})", []
        broken = self._faults_by_image.get(position, ())
        if broken:
            listed = "; ".join(map(str, broken[:_SHOWN])) + _more(broken)
            notes.append(Problem(where, f"{len(broken)} annotation(s) are broken: {listed}", "they are left out"))
        boxes = self._shapeless_by_image.get(position, 0)
        if boxes:
            what = f"{boxes} annotation(s) have no shape, a box at most"
            notes.append(Problem(where, what, "they are left out", "incomplete"))
        crossing, thin = self._odd_rings(position)
        if crossing:
            what = f"{crossing} polygon(s) cross or touch themselves"
            notes.append(Problem(where, what, "they are drawn as pycocotools draws them", "note"))
        if thin:
            notes.append(Problem(where, f"{thin} polygon(s) have less than a pixel", "they may cover none", "note"))
        return tuple(notes)

    def _odd_rings(self, position: int) -> tuple[int, int]:
        """Count the rings of an image that are no simple ones, and those of less than a pixel."""
        table = self._ring_table[self._ring_starts[position] : self._ring_starts[position + 1]]
        if not len(table):
            return 0, 0
        numbers = self._content.shapes.polygons.points.reshape(-1)
        rings = [numbers[begin:end].reshape(-1, 2) for _, begin, end in table.tolist()]
        sizes = [len(ring) for ring in rings]
        shapes = shapely.polygons(
            shapely.linearrings(np.concatenate(rings), indices=np.repeat(range(len(rings)), sizes))
        )
        simple = shapely.is_valid(shapes)
        return int((~simple).sum()), int((simple & (shapely.area(shapes) < 1)).sum())

    def faults_of(self, image: int) -> tuple[Fault, ...]:
        """Faults of the annotations of an image."""
        return tuple(self._faults_by_image.get(self._position(image), ()))

    def refuse(self, faults: Sequence[Fault]) -> None:
        """Raise CatalogError with these faults, if there are any."""
        if not faults:
            return
        way_out = "mend the file"
        if all(f.skippable for f in faults):
            way_out = "mend the file, or leave broken annotations out with --skip-bad"
        if len(faults) == 1:
            raise CatalogError(f"{self.path}: {faults[0]}; {way_out}")
        listed = "".join(f"\n  {f}" for f in faults[:_SHOWN])
        more = f"\n  {_more(faults).strip()}" if len(faults) > _SHOWN else ""
        raise CatalogError(f"{self.path}: has {len(faults)} faults; {way_out}:{listed}{more}")

    # --- Masks ---

    def masks(self, image: int, classes: Mapping[int, int]) -> Mapping[int, NDArray[np.bool_]]:
        """Give the union of the shapes of each class on an image (height, width), columns first in memory.

        `classes` gives the class of each category `id`. Classes without a shape on the image are not in the result,
        which is kept for the next call and must not be changed.
        """
        key = (image, tuple(classes.items()))
        last = self._last
        if last is None or last[0] != key:
            last = self._last = (key, self._draw(self._position(image), classes))
        return last[1]

    def _draw(self, position: int, classes: Mapping[int, int]) -> dict[int, NDArray[np.bool_]]:
        size, numbers = self.images[position], self._content.shapes.polygons.points.reshape(-1)
        index_of = [classes.get(category.id, IGNORE) for category in self.categories]
        rings: dict[int, list[NDArray[np.float64]]] = {}
        runs: dict[int, list[dict[str, Any]]] = {}
        for category, begin, end in self._ring_table[
            self._ring_starts[position] : self._ring_starts[position + 1]
        ].tolist():
            rings.setdefault(index_of[category], []).append(numbers[begin:end])
        for category, counts in self._runs_by_image.get(position, ()):
            runs.setdefault(index_of[category], []).append(_from_runs(counts, size))
        for index, found in rings.items():
            runs.setdefault(index, []).extend(masks.frPyObjects(found, size.height, size.width))
        return {
            index: decode_runs(_union(found)["counts"], size.height, size.width)
            for index, found in sorted(runs.items())
        }

    @cached_property
    def _ring_table(self) -> NDArray[np.int64]:
        """Category, and where its numbers begin and end (n, 3), of all rings, sorted by image."""
        shapes = self._content.shapes
        rings, ends = rings_of(shapes.ring, shapes.rings), 2 * shapes.polygons.ends
        return np.stack([np.repeat(shapes.category, shapes.rings), ends[rings], ends[rings + 1]], axis=1)

    @cached_property
    def _ring_starts(self) -> list[int]:
        """First ring of each image in that table."""
        shapes = self._content.shapes
        images = np.repeat(shapes.image, shapes.rings)
        starts: list[int] = np.searchsorted(images, np.arange(len(self.images) + 1)).tolist()
        return starts

    @cached_property
    def _runs_by_image(self) -> Mapping[int, list[tuple[int, str | list[int]]]]:
        shapes = self._content.shapes
        found: dict[int, list[tuple[int, str | list[int]]]] = {}
        for row in np.flatnonzero(shapes.rings == 0).tolist():
            item = (int(shapes.category[row]), shapes.runs[int(shapes.entry[row])])
            found.setdefault(int(shapes.image[row]), []).append(item)
        return found

    @cached_property
    def _positions(self) -> Mapping[int, int]:
        return {image.id: position for position, image in enumerate(self.images)}

    def _position(self, number: int) -> int:
        try:
            return self._positions[number]
        except KeyError:
            raise CatalogError(f"{self.path}: has no image with the id {number}") from None

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """First of the shapes of each image; they are sorted by image."""
        return np.searchsorted(self._content.shapes.image, np.arange(len(self.images) + 1))

    def _rows(self, position: int) -> slice:
        return slice(int(self._starts[position]), int(self._starts[position + 1]))

    @cached_property
    def _faults_by_image(self) -> Mapping[int, list[Fault]]:
        found: dict[int, list[Fault]] = {}
        for fault in self.faults:
            if fault.image is not None:
                found.setdefault(fault.image, []).append(fault)
        return found

    @cached_property
    def _shapeless_by_image(self) -> Mapping[int, int]:
        positions, counts = np.unique(self._content.shapeless, return_counts=True)
        return dict(zip(positions.tolist(), counts.tolist(), strict=True))


def _more(items: Sequence[object]) -> str:
    return f" ... and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""


def _from_runs(counts: str | list[int], size: CocoImage) -> dict[str, Any]:
    """Give checked run lengths in the form that pycocotools decodes."""
    shape = [size.height, size.width]
    if isinstance(counts, str):
        return {"size": shape, "counts": counts.encode("ascii")}
    compressed: dict[str, Any] = masks.frPyObjects({"size": shape, "counts": counts}, size.height, size.width)
    return compressed


def _union(found: list[dict[str, Any]]) -> dict[str, Any]:
    while len(found) > 1:
        found = [masks.merge(found[i : i + _MERGED]) for i in range(0, len(found), _MERGED)]
    return found[0]


# --- As a label -------------------------------------------------------------------------------------------


def open_coco(label: CocoLabel, legend: Legend, rules: LabelRules, grid: Grid) -> CocoPlanes:
    """Open the annotations of one image.

    Raises CatalogError if its annotations are broken and `rules.skip_bad` is not set, GridError if the file
    declares another size than the image has, LegendError if a category is no class of the legend.
    """
    file = read_coco(label.path)
    if not rules.skip_bad:
        file.refuse(file.faults_of(label.image))
    image = file.image(label.image)
    if (image.height, image.width) != grid.shape:
        raise GridError(
            f"{label.path}: image {image.id} ({image.file_name}) is declared with {image.height} x {image.width} px "
            f"(height x width), its file has {grid.shape[0]} x {grid.shape[1]}; the annotations are of another image, "
            "or of another size of it"
        )
    return CocoPlanes(file, label.image, legend)


class CocoPlanes:
    """The annotations of one image as planes."""

    def __init__(self, file: CocoFile, image: int, legend: Legend) -> None:
        self._file = file
        self._image = image
        self._count = len(legend)
        self._classes = match_categories(file, legend)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Annotations that are left out."""
        return self._file.notes_on(self._image)

    def burn(self, window: Window) -> NDArray[np.bool_]:
        """Give one plane a class (K, h, w), True where a shape of the class covers the pixel."""
        planes = np.zeros((self._count, *window.shape), np.bool_)
        for index, mask in self._masks().items():
            if index != IGNORE:
                _paste(mask, window, planes[index])
        return planes

    def labelled(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels (h, w) are not covered by a category that the legend ignores."""
        ignored = np.zeros(window.shape, np.bool_)
        mask = self._masks().get(IGNORE)
        if mask is not None:
            _paste(mask, window, ignored)
        return ~ignored

    def _masks(self) -> Mapping[int, NDArray[np.bool_]]:
        return self._file.masks(self._image, self._classes)


def match_categories(file: CocoFile, legend: Legend) -> dict[int, int]:
    """Give the class index of each category `id` that is used; 255 for an id that the legend ignores.

    A category is the class of its name, else the class whose code in the source is its id.
    Raises LegendError naming the categories that are neither.
    """
    names = {name: index for index, name in enumerate(legend.names)}
    codes = dict.fromkeys((legend.nodata, *legend.also_ignore), IGNORE) | {
        code: k for k, code in enumerate(legend.source_codes)
    }
    classes, unknown = {}, []
    for category in file.used_categories:
        index = names.get(category.name, codes.get(category.id))
        if index is None:
            unknown.append(f"{category.id} {category.name}")
        else:
            classes[category.id] = index
    if unknown:
        raise LegendError(
            f"{file.path}: the category {', '.join(unknown[:_SHOWN])}{_more(unknown)} is not in the legend, by name or "
            f"code; known: {', '.join(legend.names)}. Add a class of this name, or put the id into `ignore`"
        )
    return classes


def _paste(mask: NDArray[np.bool_], window: Window, out: NDArray[np.bool_]) -> None:
    """Copy the part of a mask that lies in a window, which may reach beyond it."""
    inside = window & Window(0, 0, *mask.shape)
    out[inside.within(window).slices] = mask[inside.slices]
