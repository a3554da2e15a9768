"""Labels as class indices, whatever they are on disk: rasters of codes, colors or a palette, or shapes.

`open_label` gives a `LabelSource` for any kind of label of a catalog. Shapes come as planes, one a class, and are
brought to one class a pixel here, by the priority and the background of the catalog's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.scene import Chip
from hectares.core.scoring.borders import erode_borders
from hectares.core.window import Window
from hectares.errors import LegendError
from hectares.io.catalog import CocoLabel, Label, LabelBy, LabelRules, RasterLabel, VectorLabel, WktLabel
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.monitor import Problem

PLANES_TAG = "HECTARES_PLANES"
"""Tag of a raster of planes that we wrote: with one class, its one band would be taken for codes."""


_STRIP_PX = 512


class LabelSource(Protocol):
    """Labels of a scene that can be read by window, which may reach beyond the scene."""

    legend: Legend

    @property
    def grid(self) -> Grid | None:
        """Where the pixels of a label raster lie; None for shapes, which are burned onto any grid."""

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was repaired, left out or accepted so far, for the user to know."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 where ignored, unlabelled, or outside the scene."""

    def read_planes(self, window: Window) -> NDArray[np.uint8]:
        """Read one plane a class (K, h, w): 1 where it is, 0 where not, 255 where nobody knows."""

    def close(self) -> None:
        """Let go of files."""


class ShapePlanes(Protocol):
    """Shapes of one scene, as a file format keeps them."""

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was repaired or left out."""

    def burn(self, window: Window) -> NDArray[np.bool_]:
        """Give one plane a class (K, h, w), True where a shape of the class covers the pixel."""

    def labelled(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels (h, w) somebody has looked at."""


def open_label(label: Label, legend: Legend, rules: LabelRules, grid: Grid) -> LabelSource:
    """Open the label of a scene whose image has this grid. Raises LegendError, VectorError or CatalogError."""
    source = _open(label, legend, rules, grid)
    return source if rules.erode_px == 0 else _Eroded(source, rules.erode_px)


def _open(label: Label, legend: Legend, rules: LabelRules, grid: Grid) -> LabelSource:
    if isinstance(label, RasterLabel):
        return LabelFile(label.path, legend, by=label.by, nearest=rules.nearest, planes=rules.multilabel)
    # The readers of shapes are imported when they are needed: each brings a library of its own.
    if isinstance(label, CocoLabel):
        from hectares.io.shapes.coco import open_coco

        return ShapeLabels(open_coco(label, legend, rules, grid), legend, rules, grid)
    if isinstance(label, WktLabel):
        from hectares.io.shapes.wkt import open_wkt

        return ShapeLabels(open_wkt(label, legend, rules, grid), legend, rules, grid)
    assert isinstance(label, VectorLabel)
    from hectares.io.shapes.vector_labels import open_vector_label

    return ShapeLabels(open_vector_label(label, legend, rules, grid), legend, rules, grid)


def as_gaps(notes: Iterable[Problem]) -> tuple[Problem, ...]:
    """Give the notes of a label, those on what was left out as gaps of the result: the user asked to skip."""
    return tuple(replace(n, severity="incomplete") if "left out" in n.remedy else n for n in notes)


# --- Shapes -----------------------------------------------------------------------------------------------


def flatten(planes: NDArray[np.bool_], order: Sequence[int], background: int | None) -> NDArray[np.uint8]:
    """Give one class a pixel from overlapping planes (K, h, w); `order` names their indices from bottom to top.

    >>> planes = np.array([[[1, 1, 0]], [[0, 1, 0]]], np.bool_)
    >>> flatten(planes, order=[1, 0], background=None)
    array([[  0,   0, 255]], dtype=uint8)
    """
    indices = np.full(planes.shape[1:], IGNORE if background is None else background, np.uint8)
    for k in order:
        indices[planes[k]] = k
    return indices


class ShapeLabels:
    """Shapes as class indices."""

    def __init__(self, shapes: ShapePlanes, legend: Legend, rules: LabelRules, grid: Grid) -> None:
        self.legend = legend
        self.grid = None
        self.shapes = shapes
        self._inside = grid.window
        self._order = rules.drawing_order(legend)
        self._background = None if rules.background is None else legend.index(rules.background)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was repaired or left out."""
        return self.shapes.notes

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w)."""
        indices = flatten(self.shapes.burn(window), self._order, self._background)
        indices[~self._known(window)] = IGNORE
        return indices

    def read_planes(self, window: Window) -> NDArray[np.uint8]:
        """Read one plane a class (K, h, w); the background is where no other class is."""
        planes = self.shapes.burn(window)
        if self._background is not None:
            planes[self._background] = ~np.delete(planes, self._background, axis=0).any(axis=0)
        return np.where(self._known(window), planes, np.uint8(IGNORE)).astype(np.uint8)

    def _known(self, window: Window) -> NDArray[np.bool_]:
        known = np.zeros(window.shape, np.bool_)
        part = (window & self._inside).within(window).slices
        known[part] = self.shapes.labelled(window)[part]
        return known

    def close(self) -> None:
        """Nothing is held open."""


class _Eroded:
    """A label without the pixels near class borders."""

    def __init__(self, source: LabelSource, radius_px: int) -> None:
        self.legend = source.legend
        self._source = source
        self._radius = radius_px

    @property
    def grid(self) -> Grid | None:
        """That of the whole label."""
        return self._source.grid

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Those of the whole label."""
        return self._source.notes

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); the context around the window counts."""
        r = self._radius
        wide = Window(window.row - r, window.col - r, window.height + 2 * r, window.width + 2 * r)
        return erode_borders(self._source.read(wide), r)[r : r + window.height, r : r + window.width]

    def read_planes(self, window: Window) -> NDArray[np.uint8]:
        """Read planes as they are, without the pixels near a border of any of them."""
        r = self._radius
        wide = Window(window.row - r, window.col - r, window.height + 2 * r, window.width + 2 * r)
        planes = np.stack([erode_borders(plane, r) for plane in self._source.read_planes(wide)])
        return planes[:, r : r + window.height, r : r + window.width]

    def close(self) -> None:
        """Close the whole label."""
        self._source.close()


# --- Rasters ----------------------------------------------------------------------------------------------


class LabelFile:
    """A label raster that is read as class indices.

    What the legend knows about a code counts more than the nodata tag of the file: a class 0 stays a class
    in a file that calls 0 nodata.
    """

    def __init__(
        self, path: Path, legend: Legend, *, by: LabelBy = "auto", nearest: int = 0, planes: bool = False
    ) -> None:
        self.path = path
        self.legend = legend
        self._nearest = nearest
        self._threshold = by == "threshold"
        self._off_palette = 0
        self._planes = planes
        self._raster = self._open(by)
        self.grid = self._raster.grid

    def _open(self, by: LabelBy) -> RasterFile:
        raster = self._door(use_nodata=True)
        facts = raster.facts
        count = len(facts.bands)
        self._void: float | None = None
        self._by_color = False
        self._holds_planes = self._planes and count == len(self.legend) and (count > 1 or PLANES_TAG in facts.tags)
        if self._holds_planes and facts.nodata != IGNORE:
            return raster
        if self._holds_planes:  # 255 in one plane says nothing of the others
            raster.close()
            return self._door(use_nodata=False)
        if by == "threshold":
            by = "color"
        if by == "auto":
            by = "color" if count >= 3 or (facts.has_palette and self.legend.color_coded) else "code"
        self._by_color = by == "color"
        if by == "code" and count not in {1, 3}:  # some write a gray picture in three equal bands
            raise LegendError(f"{self.path}: a label by code has one band, this one has {count}")
        if by == "code" and self.legend.color_coded:
            raise LegendError(
                f"{self.path}: has one band of codes, but the legend gives no codes; "
                'add "code" to every class of the legend'
            )
        if by == "color" and count < 3 and not facts.has_palette:
            raise LegendError(f"{self.path}: a label by color has a palette or three bands, this one has {count}")
        by_bands = by == "color" and not facts.has_palette
        if by_bands and facts.nodata not in {c.color[0] for c in self.legend.classes if len(set(c.color)) == 1}:
            self._void = facts.nodata  # as a gray: pure red is no nodata in a file that calls 255 so
        use_nodata = not by_bands and (by == "color" or facts.nodata not in self.legend.source_codes)
        if facts.nodata is not None and np.isinf(facts.nodata):
            use_nodata = False  # infinity comes from a division by zero; nobody means it
        if by == "code" and use_nodata:
            return raster
        raster.close()
        return self._door(expand_palette=by == "color", use_nodata=use_nodata)

    def _door(self, *, expand_palette: bool = False, use_nodata: bool) -> RasterFile:
        raster = open_raster(self.path, expand_palette=expand_palette, use_nodata=use_nodata, scaled=False)
        raster.keep_all_values()
        return raster

    @property
    def notes(self) -> tuple[Problem, ...]:
        """How many pixels were decoded by tolerance."""
        if not self._off_palette:
            return ()
        how = "above or below 127" if self._threshold else f"within {self._nearest}"
        what = f"{self._off_palette} px have a color that is not in the legend"
        return (Problem(str(self.path), what, f"they were taken for the nearest class ({how} a channel)"),)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read class indices (h, w); 255 where ignored, nodata, or outside the raster."""
        chip = self._read(window)
        valid = chip.valid
        if self._void is not None:
            valid = valid & (chip.image[:3] != self._void).any(axis=0)
        indices = np.full(window.shape, IGNORE, np.uint8)
        if not valid.any():
            return indices
        try:
            if self._by_color:
                # A known color stands in where nothing was observed, so that places in messages stay right.
                known = np.array(self.legend.classes[0].color, np.uint8)[:, None, None]
                colors = chip.image[:3] if valid.all() else np.where(valid, chip.image[:3], known)
                indices = self._from_colors(colors)
                indices[~valid] = IGNORE
            else:
                indices[valid] = self.legend.encode(_one_band(chip.image[:, valid]))
        except LegendError as error:
            row, col = max(window.row, 0), max(window.col, 0)  # windows may begin beyond the raster
            raise LegendError(f"{self.path}, window at row {row}, col {col}: {error}") from None
        return indices

    def _read(self, window: Window) -> Chip:
        """Read values; NaN that the file does not declare, and infinity, say nothing about a pixel: refused."""
        chip = self._raster.read(window)
        if chip.image.dtype.kind != "f" or np.isfinite(chip.image).all():
            return chip
        height, width = self.grid.shape
        count, first, kinds = 0, (0, 0), set[str]()
        for row in range(0, height, _STRIP_PX):
            strip = self._raster.read(Window(row, 0, min(_STRIP_PX, height - row), width)).image
            bad = ~np.isfinite(strip).all(axis=0)
            if bad.any():
                top, col = np.argwhere(bad)[0].tolist()
                first = first if count else (row + top, col)
                count += int(bad.sum())
                kinds |= {"NaN"} if np.isnan(strip).any() else set()
                kinds |= {"infinity"} if np.isinf(strip).any() else set()
        remedy = "write the code of a class there"
        if kinds == {"NaN"}:
            remedy += ", or declare NaN as nodata if nobody labelled them: gdal_translate -a_nodata nan FILE NEW"
        raise LegendError(
            f"{self.path}: {count:,} px are {' or '.join(sorted(kinds))}, first at row {first[0]}, col {first[1]}, "
            f"where a class code is expected; {remedy}"
        )

    def _from_colors(self, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._threshold:
            pure = np.where(colors > 127, np.uint8(255), np.uint8(0))
            self._off_palette += int((pure != colors).any(axis=0).sum())
            return self.legend.encode_colors(pure)
        if self._nearest:
            self._off_palette += self.legend.count_unknown(colors)
        return self.legend.encode_colors(colors, nearest=self._nearest)

    def read_planes(self, window: Window) -> NDArray[np.uint8]:
        """Read one plane a class (K, h, w), from a raster of planes or from one class a pixel."""
        if self._holds_planes:
            chip = self._read(window)
            wrong = ~np.isin(chip.image, (0, 1, IGNORE))
            if wrong.any():
                raise LegendError(f"{self.path}: holds {chip.image[wrong][0]}; planes of classes hold 0, 1 and 255")
            return np.where(chip.valid, chip.image, IGNORE).astype(np.uint8)
        indices = self.read(window)
        planes = indices[None] == np.arange(len(self.legend), dtype=np.uint8)[:, None, None]
        return np.where(indices == IGNORE, np.uint8(IGNORE), planes).astype(np.uint8)

    def close(self) -> None:
        """Close the file."""
        self._raster.close()


def _one_band(codes: NDArray[Any]) -> NDArray[Any]:
    """Give the codes (n) of bands (C, n) that must be equal."""
    if (codes[1:] != codes[0]).any():
        raise LegendError("the three bands differ; a label by code has one band, or three equal ones")
    band: NDArray[Any] = codes[0]
    return band
