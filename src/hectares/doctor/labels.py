"""Labels against their legend and their image: unknown codes and colors with places, grids, and classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid, same_grid
from hectares.core.legend import IGNORE, Legend, hex_color
from hectares.core.window import Window
from hectares.doctor.finding import Finding, Place, from_error, from_problem
from hectares.errors import HectaresError, Interrupted, LegendError
from hectares.io.catalog import Label as CatalogLabel
from hectares.io.catalog import LabelRules, RasterLabel
from hectares.io.labels import LabelSource, open_label
from hectares.io.rasters.raster import RasterFacts, open_raster

_FEW_VALUES = 20
"""Up to so many unknown values are named one by one."""
_MOST_PLACES = 100
_LISTED = 5
_NEAR_COLOR = 64
"""Unknown colors up to this far from a class are those that compression makes."""

Value = tuple[int, ...]
Indices = NDArray[np.uint8]


@dataclass
class _Unknown:
    """A value that is not in the legend."""

    pixels: int = 0
    places: list[Place] = field(default_factory=list)


class LabelExam:
    """Reads the label of a scene, and goes on where a value is not in the legend."""

    def __init__(self, label: CatalogLabel, legend: Legend, rules: LabelRules, grid: Grid, scene: str) -> None:
        """Open the label. Raises what `open_label` raises."""
        self._label, self._legend, self._rules, self._grid = label, legend, replace(rules, erode_px=0), grid
        self._scene = scene
        self._where = str(label.path)
        self._source: LabelSource | None = open_label(label, legend, self._rules, grid)
        self._unknown: dict[Value, _Unknown] = {}
        self._tolerated: set[Value] = set()
        self._by_color = False
        self._error: HectaresError | None = None
        self.fits = True
        """True if pixels of the label are pixels of the image."""

    def kind(self) -> str:
        """Tell how the label is stored: by what a reader has to understand."""
        if not isinstance(self._label, RasterLabel):
            return "shapes"
        with open_raster(self._label.path, expand_palette=False, scaled=False) as raster:
            facts = raster.facts
        return "palette" if facts.has_palette else f"{len(facts.bands)} band{'s' * (len(facts.bands) != 1)}"

    def compare_grids(self) -> Iterator[Finding]:
        """Say if the label has another size or lies elsewhere than the image."""
        theirs = None if self._source is None else self._source.grid
        if theirs is None:
            return
        if theirs.shape != self._grid.shape:
            self.fits = False
            sizes = [f"{g.shape[0]} x {g.shape[1]}" for g in (theirs, self._grid)]
            what = f"is {sizes[0]} px, its image {sizes[1]}"
            yield self._finding("grid", "error", what, "bring the label onto the grid of the image")
        elif theirs.is_georeferenced and self._grid.is_georeferenced and not same_grid(theirs, self._grid):
            self.fits = False
            boxes = [f"{g.crs} {_box(g)}" for g in (theirs, self._grid)]
            what = f"lies elsewhere than its image: {boxes[0]} against {boxes[1]}"
            yield self._finding("grid", "error", what, "bring the label onto the grid of the image")

    def read(self, window: Window) -> Indices | None:
        """Give class indices (h, w), or planes (K, h, w) where the rules want these; None if it cannot be read."""
        if self._unknown:
            self._count(window)
        while self._source is not None:
            try:
                return self._source.read_planes(window) if self._rules.multilabel else self._source.read(window)
            except Interrupted:
                raise
            except LegendError as error:
                if not self._tolerate(window):
                    self._give_up(error)
            except HectaresError as error:
                self._give_up(error)
        return None

    def _give_up(self, error: HectaresError) -> None:
        self._error = error
        self.close()

    def _tolerate(self, window: Window) -> bool:
        """Take what is unknown in a window for ignored from now on; False if nothing new was found."""
        if not isinstance(self._label, RasterLabel) or self._rules.multilabel:
            return False
        if not self._unknown:
            self._count(window)
        if set(self._unknown) == self._tolerated:
            return False
        self._tolerated = set(self._unknown)
        self.close()
        if self._by_color and len(self._unknown) > _FEW_VALUES:
            rules = replace(self._rules, nearest=255)
            self._source = open_label(self._label, self._legend, rules, self._grid)
            return True
        found = tuple(self._unknown)
        if self._by_color:
            colors = (*self._legend.ignore_colors, *(v for v in found if len(v) == 3))
            legend = replace(self._legend, ignore_colors=colors)
        else:
            legend = replace(self._legend, also_ignore=(*self._legend.also_ignore, *(v[0] for v in found)))
        self._source = open_label(self._label, legend, self._rules, self._grid)
        return True

    def _count(self, window: Window) -> None:
        """Count values of a label raster that are not in the legend."""
        assert isinstance(self._label, RasterLabel)
        with open_raster(self._label.path, expand_palette=False, scaled=False) as raster:
            facts = raster.facts
        self._by_color = _is_by_color(self._label, facts, self._legend)
        by_bands = self._by_color and not facts.has_palette
        use_nodata = not by_bands and (self._by_color or facts.nodata not in self._legend.source_codes)
        with open_raster(
            self._label.path, expand_palette=self._by_color, use_nodata=use_nodata, scaled=False
        ) as raster:
            chip = raster.read(window)
        if not self._by_color and (chip.image[0] != np.rint(chip.image[0])).any():
            return  # no codes at all
        bands = chip.image[:3] if self._by_color else chip.image[:1]
        if self._label.by == "threshold":
            bands = np.where(bands > 127, 255, 0)
        values, first, counts = _distinct(bands, chip.valid)
        for i in np.flatnonzero(self._is_unknown(values, facts)):
            row, col = divmod(first[i], window.width)
            number: Any = values[i].tolist()
            known = self._unknown.setdefault(tuple(number), _Unknown())
            known.pixels += int(counts[i])
            if len(known.places) < _MOST_PLACES:
                known.places.append(Place.of_pixel(self._grid, window.row + int(row), window.col + int(col)))

    def _is_unknown(self, values: NDArray[Any], facts: RasterFacts) -> NDArray[np.bool_]:
        if not self._by_color:
            return np.array([not self._is_code(value) for value in values[:, 0]], np.bool_)
        unknown: NDArray[np.bool_] = self._color_distance(values) > self._rules.nearest
        if facts.nodata is not None and not facts.has_palette:
            unknown &= (values != facts.nodata).any(axis=1)
        return unknown

    def _is_code(self, value: Any) -> bool:
        try:
            self._legend.encode(np.array([value]))
        except LegendError:
            return False
        return True

    def _color_distance(self, values: NDArray[Any]) -> NDArray[np.int64]:
        known = np.array([*(c.color for c in self._legend.classes), *self._legend.ignore_colors], np.int64)
        distance: NDArray[np.int64] = np.abs(values[:, None].astype(np.int64) - known[None]).max(axis=2).min(axis=1)
        return distance

    @property
    def is_refused(self) -> bool:
        """True if its reader gave up: what was counted until then says nothing."""
        return self._error is not None

    def findings(self) -> Iterator[Finding]:
        """Say what is in the label and not in the legend, and what its reader had to say."""
        if self._error is not None:
            yield from_error("labels", self._where, self._error, scene=self._scene)
        kind = "colors" if self._by_color else "codes"
        ordered = sorted(self._unknown.items(), key=lambda item: -item[1].pixels)
        if len(ordered) > _FEW_VALUES:
            yield self._many(kind, ordered)
        else:
            for value, found in ordered:
                what = f"{_named(value)} ({found.pixels:,} px) is not in the legend"
                yield self._finding(kind, "error", what, _remedy(kind), tuple(found.places), found.pixels)
        for note in () if self._source is None or self._unknown else self._source.notes:
            yield from_problem("colors" if isinstance(self._label, RasterLabel) else "shapes", note, scene=self._scene)

    def _many(self, kind: str, ordered: list[tuple[Value, _Unknown]]) -> Finding:
        total = sum(found.pixels for _, found in ordered)
        shown = ", ".join(f"{_named(value)} ({found.pixels:,} px)" for value, found in ordered[:_LISTED])
        what = f"{len(ordered):,} {kind} ({total:,} px) are not in the legend: {shown} ..."
        remedy = _remedy(kind)
        if kind == "colors":
            farthest = int(self._color_distance(np.array([value for value, _ in ordered])).max())
            what += f", at most {farthest} from that of a class"
            if farthest <= _NEAR_COLOR:
                remedy = f"its colors were compressed with loss: accept near ones with --nearest {farthest}"
        return self._finding(kind, "error", what, remedy, tuple(ordered[0][1].places), total)

    def _finding(
        self, check: str, severity: Any, what: str, remedy: str, places: tuple[Place, ...] = (), count: int = 1
    ) -> Finding:
        return Finding(check, severity, self._where, what, remedy, self._scene, places, count)

    def close(self) -> None:
        """Close the files."""
        if self._source is not None:
            self._source.close()
            self._source = None


def _distinct(bands: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp]]:
    """Give the different values (N, 1 or 3) of valid pixels, where each stands first (flat), and how often."""
    packed = bands[0]
    if len(bands) > 1:
        red, green, blue = bands.astype(np.int32)
        packed = red << 16 | green << 8 | blue
    values, first, counts = np.unique(packed[valid], return_index=True, return_counts=True)
    first = np.flatnonzero(valid)[first]
    colors = values[:, None] if len(bands) == 1 else np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    return colors, first, counts


def _is_by_color(label: RasterLabel, facts: RasterFacts, legend: Legend) -> bool:
    if label.by == "auto":
        return len(facts.bands) >= 3 or (facts.has_palette and legend.color_coded)
    return label.by in {"color", "threshold"}


def _named(value: Value) -> str:
    return f"color {hex_color(value)}" if len(value) == 3 else f"code {value[0]:g}"


def _remedy(kind: str) -> str:
    if kind == "colors":
        return "add it to the classes or to ignore_colors of the legend, or correct the label"
    return "add it to the classes or to ignore of the legend, or correct the label"


def _box(grid: Grid) -> str:
    return "(" + ", ".join(f"{v:.8g}" for v in grid.bounds) + ")"


def count_classes(label: Indices, count: int, area_m2: NDArray[np.float64] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give pixels and areas (K + 1,) of the classes of a label, (h, w) or planes (K, h, w); last what is unlabelled.

    >>> count_classes(np.array([[0, 2, 2, 255]], np.uint8), 3, None)[0].tolist()
    [1, 0, 2, 1]
    """
    if label.ndim == 3:
        unknown = (label == IGNORE).all(axis=0)
        masks = [*(label == 1), unknown]
        pixels = np.array([np.count_nonzero(m) for m in masks], np.int64)
        return pixels, np.zeros(count + 1) if area_m2 is None else np.array([area_m2[m].sum() for m in masks])
    flat = np.minimum(label, np.uint8(count)).ravel()  # 255 becomes the last
    pixels = np.bincount(flat, minlength=count + 1)
    if area_m2 is None:
        return pixels, np.zeros(count + 1)
    return pixels, np.bincount(flat, weights=area_m2.ravel(), minlength=count + 1)
