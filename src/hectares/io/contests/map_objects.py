"""The objects of a class map in pixels, with the mean score of each: what contests of objects are made of."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from hectares.core.area import AreaTally
from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.io.contests.submission import MapEntry
from hectares.io.polygons.coverage import to_polygons
from hectares.io.polygons.map_outlines import EXACT, SCORE, SCORED, OutlinePlan, check_scores, outline_map
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.shapes.burning import burn_polygons
from hectares.monitor import QUIET

_PIXELS = Affine.identity()


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """Which objects of a map count, and how closely they are outlined."""

    min_px: int = 0
    """Smaller ones are left out."""
    simplify_px: float = 0.0
    """Details of about this size are left out of borders, which stay shared."""


@dataclass(frozen=True)
class MapObjects:
    """Objects of a map, in order of their lowest row."""

    path: Path
    shape: tuple[int, int]
    classes: NDArray[np.int64]
    """(n,) class index of the map."""
    polygons: NDArray[np.object_]
    """(n,) x = column and y = row."""
    pixels: NDArray[np.int64]
    """(n,)."""
    scores: NDArray[np.float64]
    """(n,) mean score of the class over the pixels of the object; NaN without a raster of scores."""

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class _PixelMap(ClassMap):
    """A class map whose ground is its pixels."""

    @property
    def grid(self) -> Grid:
        """Pixels of 1 m without a place."""
        return Grid(None, _PIXELS, self.raster.grid.shape)


def read_objects(entry: MapEntry, opened: ClassMap, wanted: Collection[int], rules: ObjectRules) -> MapObjects:
    """Give the objects of some classes of a map; pixels that touch by their sides are one object."""
    chosen = np.zeros(256, np.bool_)
    chosen[list(wanted)] = True
    with ExitStack() as stack:
        scores = None
        if entry.scores is not None:
            scores = open_raster(entry.scores, expand_palette=False)
            stack.callback(scores.close)
            check_scores(scores, opened.grid, len(opened.legend))
        bare = _PixelMap(opened.raster, opened.legend, opened.provenance)
        simplify = np.full(256, rules.simplify_px) if rules.simplify_px > 0 else None
        plan = OutlinePlan(bare, chosen, 1.0, simplify, scores)
        parts = [objects for objects, _ in outline_map(plan, AreaTally(opened.legend), QUIET)]
    polygons = np.concatenate([to_polygons(p.faces, _PIXELS) for p in parts])
    labels = np.concatenate([p.faces.labels for p in parts]).astype(np.int64)
    sums = np.concatenate([p.sums for p in parts])
    known = sums[:, SCORED] > 0
    means = np.where(known & (scores is not None), sums[:, SCORE] / np.where(known, sums[:, SCORED], 1), np.nan)
    pixels = np.round(sums[:, EXACT]).astype(np.int64)
    keep = pixels >= rules.min_px
    return MapObjects(entry.path, opened.grid.shape, labels[keep], polygons[keep], pixels[keep], means[keep])


def object_mask(polygon: shapely.Polygon, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], Window]:
    """Give the pixels whose centers lie in a polygon, and the window of the image that they fill."""
    left, top, right, bottom = polygon.bounds
    first, last = (max(0, int(np.floor(v))) for v in (top, left))
    window = Window(first, last, int(np.ceil(bottom)) - first, int(np.ceil(right)) - last) & Window(0, 0, *shape)
    moved = np.array([shapely.transform(polygon, lambda p: p - [window.col, window.row])], dtype=object)
    burned = burn_polygons(moved, window.shape, all_touched=False)
    mask = np.unpackbits(burned.bits, axis=1)[:, : window.width].astype(np.bool_)
    return mask, window


def open_entry(entry: MapEntry) -> ClassMap:
    """Open the map of an entry."""
    return open_class_map(entry.path)
