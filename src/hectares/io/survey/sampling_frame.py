"""What reference points of a map are drawn from: its pixels by stratum, without nodata and the training areas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from hectares.core.area import pixel_area
from hectares.core.grid import Grid, parse_crs
from hectares.core.legend import IGNORE
from hectares.core.survey.estimators import LEAST_POINTS
from hectares.core.survey.pixel_draw import DrawnPixels, PixelDraw
from hectares.core.survey.point_plan import Population
from hectares.core.window import Window
from hectares.errors import InputError
from hectares.io.rasters.class_map import ClassMap
from hectares.io.shapes.features import inside, pixel_window
from hectares.monitor import Monitor, track

_SUMMED_AT_ONCE = 2**14


@dataclass(frozen=True, eq=False)
class FrameAreas:
    """Pixels and areas of the strata of a map, (H,) each; strata without a pixel are left out."""

    zone: NDArray[np.int64]
    mapped: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    """All of the stratum."""
    sampled_m2: NDArray[np.float64]
    """Without the training areas; 0 where too few pixels are left to draw points from."""
    units: NDArray[np.int64]
    outside_m2: float
    """What lies in no zone."""
    excluded_m2: float
    """What lies in the training areas."""
    too_small: int
    """Strata with pixels outside the training areas, but too few of them."""


class SamplingFrame:
    """The strata of a map: its classes, or its classes within zones. Where zones overlap the first one counts."""

    def __init__(self, opened: ClassMap, zones: Mapping[str, shapely.Geometry]) -> None:
        self.opened = opened
        self.zones = tuple(zones) or ("",)
        self._geometries = tuple((geometry, pixel_window(geometry, opened.grid)) for geometry in zones.values())
        self.excluded = tuple(Window(*w) for w in opened.provenance.get("trained_on", ()))

    @property
    def classes(self) -> int:
        """Number of classes, K."""
        return len(self.opened.legend)

    def read(self, window: Window) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Give strata (h, w): zone times K plus class, -1 where nodata or in no zone.

        Then what is mapped but in no zone, and what is excluded, (h, w) each.
        """
        indices = self.opened.read(window)
        zone = np.full(window.shape, -1 if self._geometries else 0, np.int32)
        for number, (geometry, area) in enumerate(self._geometries):
            part = area & window
            if part.pixels:
                local = zone[part.within(window).slices]
                local[(local < 0) & inside(geometry, self.opened.grid, part)] = number
        mapped = indices != IGNORE
        strata = np.where(mapped & (zone >= 0), zone * self.classes + indices, -1).astype(np.int32)
        return strata, mapped & (zone < 0), self._excluded(window)

    def _excluded(self, window: Window) -> NDArray[np.bool_]:
        mask = np.zeros(window.shape, np.bool_)
        for seen in self.excluded:
            part = seen & window
            if part.pixels:
                mask[part.within(window).slices] = True
        return mask

    @cached_property
    def _cells(self) -> int:
        return len(self.zones) * self.classes

    def measure(self, monitor: Monitor) -> FrameAreas:
        """Add up the strata, window by window. Raises InputError if there is nothing to draw from."""
        pixels, units = np.zeros(self._cells, np.int64), np.zeros(self._cells, np.int64)
        area, sampled = np.zeros(self._cells), np.zeros(self._cells)
        outside_m2 = 0.0
        for window in track(self.opened.windows(), monitor, "measuring strata"):
            strata, outside, excluded = self.read(window)
            m2 = pixel_area(self.opened.grid, window)
            outside_m2 += float(m2[outside].sum())
            for kept, numbers, areas in ((strata >= 0, pixels, area), ((strata >= 0) & ~excluded, units, sampled)):
                _add(strata[kept], m2[kept], numbers, areas)
        small = (units > 0) & (units < LEAST_POINTS)
        excluded_m2 = float(area.sum() - sampled.sum())
        units[small], sampled[small] = 0, 0.0
        self._refuse_nothing(pixels, units, excluded_m2)
        at = np.flatnonzero(pixels)
        zone, mapped = np.divmod(at, self.classes)
        return FrameAreas(zone, mapped, area[at], sampled[at], units[at], outside_m2, excluded_m2, int(small.sum()))

    def _refuse_nothing(self, pixels: NDArray[np.int64], units: NDArray[np.int64], excluded_m2: float) -> None:
        path = self.opened.path
        if not pixels.any():
            where = "no zone covers a pixel with a class; check the CRS of the zones" if self._geometries else ""
            raise InputError(f"{path}: {where or 'has no pixel with a class, only nodata'}")
        if not units.any() and not excluded_m2:
            raise InputError(
                f"{path}: no class{' of a zone' if self._geometries else ''} has {LEAST_POINTS} pixels, the fewest "
                "that points can be drawn from; take a larger part of the map"
            )
        if not units.any():
            raise InputError(
                f"{path}: all of it lies in the areas the segmenter was trained on, so that no point would tell how "
                "good the map is elsewhere; map a scene it has not seen, or keep a part of this one out of training"
            )

    def population(self, areas: FrameAreas) -> Population:
        """Give what points are drawn from."""
        return Population(areas.zone, areas.mapped, areas.sampled_m2, areas.units, self.classes)

    def draw(self, areas: FrameAreas, points: NDArray[np.int64], seed: int, monitor: Monitor) -> DrawnPixels:
        """Draw points (H,) from the strata in the order of `areas`."""
        place = np.full(self._cells + 1, -1, np.int64)  # the last is what -1 points at
        open_ = areas.units > 0
        place[(areas.zone * self.classes + areas.mapped)[open_]] = np.flatnonzero(open_)
        drawing = PixelDraw(points)
        for window in track(self.opened.windows(), monitor, "drawing points"):
            strata, _, excluded = self.read(window)
            drawing.add(np.where(excluded, -1, place[strata]), pixel_area(self.opened.grid, window), window, seed=seed)
        return drawing.result()


def _add(
    strata: NDArray[np.int32], m2: NDArray[np.float64], numbers: NDArray[np.int64], areas: NDArray[np.float64]
) -> None:
    for start in range(0, len(strata), _SUMMED_AT_ONCE):  # sums of sums lose fewer digits
        part = slice(start, start + _SUMMED_AT_ONCE)
        numbers += np.bincount(strata[part], minlength=len(numbers))
        areas += np.bincount(strata[part], m2[part], len(areas))


def lonlat(grid: Grid, rows: NDArray[np.number], cols: NDArray[np.number]) -> tuple[list[float], list[float]]:
    """Give longitude and latitude (WGS84) of the centers of pixels."""
    assert grid.crs is not None  # checked by whoever draws points
    t = grid.transform
    x, y = t.a * (cols + 0.5) + t.b * (rows + 0.5) + t.c, t.d * (cols + 0.5) + t.e * (rows + 0.5) + t.f
    to_degrees = pyproj.Transformer.from_crs(parse_crs(grid.crs).to_2d(), "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(x, y)
    return np.round(lon, 8).tolist(), np.round(lat, 8).tolist()
