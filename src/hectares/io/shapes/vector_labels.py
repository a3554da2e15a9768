"""Shapes of a vector file as labels: laid over the grid of an image, and burned by window."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.window import Window
from hectares.errors import GridError
from hectares.io.catalog import LabelRules, VectorLabel
from hectares.io.shapes.pixel_shapes import PixelShapes
from hectares.io.shapes.polygons import find_overlaps
from hectares.io.shapes.vector_shapes import FileShapes, label_areas, label_shapes
from hectares.monitor import Problem

_NOTED_PX = 0.5
"""Classes that overlap on less do so along their borders, by the way they were drawn."""


def open_vector_label(label: VectorLabel, legend: Legend, rules: LabelRules, grid: Grid) -> VectorPlanes:
    """Lay the shapes of a file over the grid of an image.

    Raises GridError if the image has no CRS, LegendError for values that are no class, VectorError for the file.
    """
    if grid.crs is None:
        raise GridError(
            f"{label.path}: holds shapes in map coordinates, but the image has no CRS; "
            "give that of the image with --crs, its place with a world file beside it"
        )
    shapes = label_shapes(label, skip_bad=rules.skip_bad)
    return VectorPlanes(label, shapes, shapes.classes(label, legend, rules), label_areas(label), legend, rules, grid)


@dataclass(frozen=True, slots=True)
class ShapeCounts:
    """How many shapes a scene has to do with; sums over scenes tell a layer that lies elsewhere."""

    in_file: int
    touching: int
    """Reach into the scene."""
    burning: int
    """Burn at least one pixel of it."""


@dataclass(frozen=True, slots=True)
class ClassCover:
    """What one class covers of the labelled part of a scene."""

    name: str
    drawn_px: float
    """Area of its polygons, in pixels; where they overlap each other it counts once."""
    burned_px: int
    edge_px: float
    """Length of their outlines, in pixels: half of it bounds how far the two areas may differ."""


class VectorPlanes:
    """The shapes of a vector file on the grid of one image. Memory is that of the shapes near it."""

    def __init__(
        self,
        label: VectorLabel,
        shapes: FileShapes,
        classes: NDArray[np.int16],
        areas: tuple[FileShapes, ...],
        legend: Legend,
        rules: LabelRules,
        grid: Grid,
    ) -> None:
        self._label, self._legend, self._rules = label, legend, rules
        self._file_notes = (*shapes.layer.notes, *(areas[0].layer.notes if areas else ()))
        self._in_file = len(shapes.layer.geometries)
        if (classes < 0).any():
            what = f"{(classes < 0).sum()} shapes have no value in {label.field!r}"
            self._file_notes += (Problem(str(label.path), what, "left out"),)
        near, outlines = shapes.on_grid(grid)
        kept = classes[near] >= 0
        self._classes = classes[near][kept]
        self._shapes = PixelShapes(outlines[kept], grid.shape, all_touched=rules.all_touched)
        self._areas = [PixelShapes(a.on_grid(grid)[1], grid.shape, all_touched=False) for a in areas]

    def burn(self, window: Window) -> NDArray[np.bool_]:
        """Give one plane a class (K, h, w), True where a shape of the class covers the pixel."""
        planes = np.zeros((len(self._legend), *window.shape), np.bool_)
        hits = self._shapes.meeting(window)
        for k in np.unique(self._classes[hits]):
            if k != IGNORE:
                planes[k] = self._shapes.burn(window, hits[self._classes[hits] == k])
        return planes

    def labelled(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels (h, w) somebody has looked at: inside the AOI, and not under a shape to be ignored.

        Where areas of two splits overlap, the label of neither knows.
        """
        known = np.ones(window.shape, np.bool_)
        for number, areas in enumerate(self._areas):
            inside = areas.burn(window, areas.meeting(window))
            known &= ~inside if number else inside
        hits = self._shapes.meeting(window)
        ignored = hits[self._classes[hits] == IGNORE]
        return known & ~self._shapes.burn(window, ignored) if len(ignored) else known

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was repaired or left out in the file, what burns no pixel here, and where classes overlap."""
        return (*self._file_notes, *self._scene_notes)

    @cached_property
    def counts(self) -> ShapeCounts:
        """How many shapes reach into the scene, and how many of them burn a pixel."""
        touching = self._shapes.touching
        return ShapeCounts(self._in_file, len(touching), len(touching) - len(self._unburned))

    @cached_property
    def _unburned(self) -> NDArray[np.intp]:
        return self._shapes.unburned()

    @cached_property
    def _scene_notes(self) -> tuple[Problem, ...]:
        where, notes = str(self._label.path), []
        if len(self._unburned):
            what = f"{len(self._unburned)} of {self.counts.touching} shapes in a scene burn no pixel"
            remedy = "they are too small or too thin for its pixels; --all-touched burns them"
            notes.append(Problem(where, what, remedy))
        rank = {k: i for i, k in enumerate(self._rules.drawing_order(self._legend))}
        for (first, second), area in self.overlaps.items():
            if self._rules.multilabel or area < _NOTED_PX:
                continue  # planes keep both
            low, high = sorted((first, second), key=lambda name: rank[self._legend.index(name)])
            what = f"{low} and {high} overlap on {area:.0f} px of a scene"
            settled = high in self._rules.priority  # what is named lies above what is not
            remedy = "as the priority says" if settled else "--priority can say otherwise"
            notes.append(Problem(where, what, f"{high} is taken there; {remedy}", "note" if settled else "warning"))
        return tuple(notes)

    @cached_property
    def overlaps(self) -> dict[tuple[str, str], float]:
        """Area that pairs of classes share in the scene, in pixels, by their names."""
        chosen = self._shapes.touching[self._classes[self._shapes.touching] != IGNORE]
        classes = self._classes[chosen].tolist()
        areas: Counter[tuple[str, str]] = Counter()
        for overlap in find_overlaps(self._shapes.clipped(chosen), classes):
            first, second = sorted((classes[overlap.first], classes[overlap.second]))
            areas[self._legend.names[first], self._legend.names[second]] += overlap.area  # type: ignore[assignment]
        return dict(areas)

    def cover(self) -> tuple[ClassCover, ...]:
        """Compare the area of the polygons with what they burn, for each class that reaches into the scene.

        Burns the whole scene once, strip by strip.
        """
        whole = [shapely.union_all(a.clipped(a.touching)) for a in self._areas]
        burned = np.zeros(len(self._legend), np.int64)
        for strip in self._shapes.strips():
            known = self.labelled(strip)
            burned += (self.burn(strip) & known).sum(axis=(1, 2))
        result = []
        for k, name in enumerate(self._legend.names):
            chosen = self._shapes.touching[self._classes[self._shapes.touching] == k]
            if not len(chosen):
                continue
            drawn = shapely.union_all(self._shapes.clipped(chosen))
            for number, areas in enumerate(whole):
                drawn = shapely.difference(drawn, areas) if number else shapely.intersection(drawn, areas)
            result.append(ClassCover(name, float(drawn.area), int(burned[k]), float(drawn.length)))
        return tuple(result)
