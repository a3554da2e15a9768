"""Chips cut from one scene: bands, valid mask and label of a window, as the catalog and the options want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.bands import BandPlan, BandStats, BandStatsCounter
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE
from hectares.core.resample import ResampledSource, nearest_window
from hectares.core.scene import Chip, LabelledChip, RasterSource
from hectares.core.window import Window
from hectares.io.catalog import Catalog, CatalogScene, ImageFile
from hectares.io.labels import LabelSource, ShapeLabels, open_label
from hectares.io.rasters.scenes import SceneFile, open_scene
from hectares.io.shapes.vector_labels import ShapeCounts, VectorPlanes
from hectares.monitor import Problem

_STRIP_PX = 512
_STRIP_PIXELS = 2**24
"""Largest strip that is held to cut a row of chips from it."""


@dataclass(frozen=True, slots=True)
class CuttingRule:
    """How windows of scenes are read."""

    plan: BandPlan
    edge: str = "pad"
    resize_px: int | None = None
    """Longer side of the resampled scene, None to leave it as it is."""
    multilabel: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the rule as a record."""
        return {
            "plan": self.plan.to_json(),
            "edge": self.edge,
            "resize_px": self.resize_px,
            "multilabel": self.multilabel,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> CuttingRule:
        """Read a record written by `to_json`."""
        return cls(BandPlan.from_json(record["plan"]), record["edge"], record["resize_px"], record["multilabel"])


class SceneCutter:
    """A scene with its label, opened to cut chips from; thread-safe."""

    def __init__(self, scene: CatalogScene, catalog: Catalog, rule: CuttingRule) -> None:
        self.scene = scene
        self._rule = rule
        self._image: SceneFile = open_scene(scene.images, rule.plan)
        self._label: LabelSource | None = None
        if scene.label is not None:
            self._label = open_label(scene.label, catalog.legend, catalog.rules, self._image.grid)
        factor = 1.0 if rule.resize_px is None else rule.resize_px / max(self._image.grid.shape)
        self._source: RasterSource = self._image if factor == 1 else ResampledSource(self._image, factor)

    @property
    def image(self) -> SceneFile:
        """The scene itself."""
        return self._image

    @property
    def label(self) -> LabelSource | None:
        """Its label."""
        return self._label

    @property
    def grid(self) -> Grid:
        """The grid that windows count on: that of the scene, or of the resampled scene."""
        return self._source.grid

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels of chips."""
        return self._image.dtype if self._source is self._image else np.dtype(np.float32)

    @property
    def gsd_m(self) -> float | None:
        """Metres per pixel of chips, None if unknown."""
        native = self._image.grid
        gsd = sum(native.gsd) / 2 if native.is_georeferenced else self.scene.gsd_m
        return None if gsd is None else gsd * max(native.shape) / max(self.grid.shape)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What the label had to say so far."""
        return () if self._label is None else self._label.notes

    @property
    def shape_counts(self) -> tuple[Path, ShapeCounts] | None:
        """For a file of shapes: which one it is, and how many of its shapes burn a pixel of this scene."""
        shapes = self._label.shapes if isinstance(self._label, ShapeLabels) else None
        if self.scene.label is None or not isinstance(shapes, VectorPlanes):
            return None
        return self.scene.label.path, shapes.counts

    def cut_all(self, windows: Sequence[Window]) -> Iterator[LabelledChip]:
        """Give the chips of many windows, reading those of one row of windows at once.

        Files that are not tiled are decoded row by row: chip by chip, every row would be decoded for each chip.
        """
        for _, group in groupby(windows, key=lambda w: (w.row, w.height)):
            row = list(group)
            left, right = min(w.col for w in row), max(w.col_end for w in row)
            strip = Window(row[0].row, left, row[0].height, right - left)
            if strip.pixels > _STRIP_PIXELS or strip.pixels > 2 * sum(w.pixels for w in row):
                yield from map(self.cut, row)
                continue
            whole = self.cut(strip)
            for window in row:
                rows, cols = window.within(strip).slices
                yield LabelledChip(whole.image[:, rows, cols], whole.valid[rows, cols], whole.label[..., rows, cols])

    def cut(self, window: Window) -> LabelledChip:
        """Give the chip of a window; a pixel that was not observed has no label."""
        if self._rule.edge != "mirror":
            return self._inside(window)
        rows, cols = (
            _mirrored(start, count, extent)
            for start, count, extent in zip((window.row, window.col), window.shape, self.grid.shape, strict=True)
        )
        row, col = int(rows.min()), int(cols.min())
        chip = self._inside(Window(row, col, int(rows.max()) - row + 1, int(cols.max()) - col + 1))
        down, across = (rows - row)[:, None], cols - col
        return LabelledChip(chip.image[:, down, across], chip.valid[down, across], chip.label[..., down, across])

    def _inside(self, window: Window) -> LabelledChip:
        chip = self._source.read(window)
        return LabelledChip(chip.image, chip.valid, self.cut_label(window, chip))

    def cut_label(self, window: Window, chip: Chip | None = None) -> NDArray[np.uint8]:
        """Give the label of a window; where `chip` is given, 255 where it is not valid."""
        assert self._label is not None
        read = self._label.read_planes if self._rule.multilabel else self._label.read
        if self._source is self._image:
            label = read(window)
        else:
            label = nearest_window(read, self._image.grid.shape, self.grid.shape, window)
        if chip is not None:
            label[..., ~chip.valid] = IGNORE
        return label

    def stats(self) -> BandStats:
        """Measure the bands of the whole scene by itself, strip by strip."""
        counter = BandStatsCounter(self._source.bands)
        height, width = self.grid.shape
        for row in range(0, height, _STRIP_PX):
            chip = self._source.read(Window(row, 0, min(_STRIP_PX, height - row), width))
            counter.add(chip.image, chip.valid)
        return counter.result()

    def close(self) -> None:
        """Close the files."""
        self._image.close()
        if self._label is not None:
            self._label.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _mirrored(start: int, count: int, extent: int) -> NDArray[np.int64]:
    """Give the pixels of an axis that stand for those of a window; beyond an edge it runs backwards.

    >>> _mirrored(1, 5, 4).tolist()
    [1, 2, 3, 3, 2]
    """
    places = np.arange(start, start + count) % (2 * extent)
    return np.where(places < extent, places, 2 * extent - 1 - places)


def named_bands(scene: CatalogScene, names: tuple[str, ...] | None) -> CatalogScene:
    """Give the scene with names for the bands of its first file."""
    if names is None:
        return scene
    first: ImageFile = replace(scene.images[0], bands=names)
    return replace(scene, images=(first, *scene.images[1:]))


def labels_are_apart(one: CatalogScene, other: CatalogScene, catalog: Catalog) -> bool:
    """Tell if no pixel has a label in both of two scenes of one image."""
    rule = CuttingRule(BandPlan(), multilabel=catalog.rules.multilabel)
    with SceneCutter(one, catalog, rule) as first, SceneCutter(other, catalog, rule) as second:
        height, width = first.image.grid.shape
        for row in range(0, height, _STRIP_PX):
            window = Window(row, 0, min(_STRIP_PX, height - row), width)
            if (_knows(first, window) & _knows(second, window)).any():
                return False
    return True


def _knows(cutter: SceneCutter, window: Window) -> NDArray[np.bool_]:
    """Tell where a scene has a label, (h, w)."""
    known: NDArray[np.bool_] = cutter.cut_label(window) != IGNORE
    return np.logical_or.reduce(known, axis=0) if known.ndim == 3 else known
