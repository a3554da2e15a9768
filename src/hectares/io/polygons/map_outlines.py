"""The objects of a class map of any size, strip by strip, with what is measured on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hectares.core.area import AreaTally, nominal_pixel_area, pixel_area
from hectares.core.grid import Grid, same_grid
from hectares.core.legend import IGNORE
from hectares.core.polygons.measures import GroundScale, face_areas, face_perimeters, face_scores, ground_scale
from hectares.core.polygons.outlines import OUTSIDE, Flags, Labels, trace_faces
from hectares.core.polygons.sieve import Relabelling, Sieve
from hectares.core.polygons.stitching import Objects, Stitcher, StripEnds
from hectares.core.window import Window
from hectares.errors import GridError, RasterError
from hectares.io.polygons.coverage import simplify_faces
from hectares.io.rasters.class_map import ClassMap
from hectares.io.rasters.raster import RasterFile
from hectares.monitor import Monitor, track

FloatArray = NDArray[np.float64]

EXACT, AREA, PERIMETER, SCORE, SCORED = range(5)
"""Columns of the sums of an object: area before and after simplifying, outline, scores, pixels with a score."""
_STRIP_PX = 2**20
_BAND_PX = 2**22
_BAND_ROWS = (64, 512)
_COARSE_ROWS, _BAND_DEGREES = 16, 2.0
"""Lines between the bands in which outlines are simplified; they depend on the map alone, not on memory."""


@dataclass(frozen=True)
class OutlinePlan:
    """How the objects of a map are outlined."""

    opened: ClassMap
    wanted: Flags
    """(256,) class indices that come out."""
    gsd_m: float | None = None
    simplify_m: NDArray[np.float64] | None = None
    """(256,) size of details that are left out, by class index; None for outlines along the pixels."""
    scores: RasterFile | None = None
    relabelling: Relabelling | None = None
    rows: int = 0
    """Rows of a strip, chosen by size if 0."""

    def windows(self) -> list[Window]:
        """Give the strips of the map, from top to bottom."""
        height, width = self.opened.grid.shape
        rows = self.rows
        if rows == 0 and self.simplify_m is not None:
            rows = int(np.clip(_BAND_PX // width, *_BAND_ROWS))
            if self.opened.grid.is_geographic:  # where a pixel is not the same size everywhere
                rows = min(rows, max(_COARSE_ROWS, int(_BAND_DEGREES / abs(self.opened.grid.transform.e or 1))))
        elif rows == 0:
            rows = max(1, min(512, _STRIP_PX // width))
        return [Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]

    def areas(self, window: Window) -> FloatArray:
        """Give the area of each pixel of a strip, m2, (h, w)."""
        if self.gsd_m is None:
            return pixel_area(self.opened.grid, window)
        return np.broadcast_to(np.full((window.height, 1), nominal_pixel_area(self.gsd_m)), window.shape)

    def scale(self, window: Window) -> GroundScale:
        """Give the lengths of steps of pixels in a strip."""
        return ground_scale(self.opened.grid, window, gsd_m=self.gsd_m)

    def smallest_detail_m(self) -> float:
        """Give the side of a square as large as the smallest triangle of pixel edges, which is half a pixel."""
        height, width = self.scale(self.windows()[0]).pixel_m
        return float((height * width / 2) ** 0.5)


def plan_sieve(
    plan: OutlinePlan, tally: AreaTally, monitor: Monitor, *, min_area_m2: float, fill_holes_m2: float
) -> OutlinePlan:
    """Read the whole map, and decide what becomes of small objects and holes."""
    windows = plan.windows()
    sieve = Sieve(plan.opened.grid.shape[0], min_area_m2=min_area_m2, fill_holes_m2=fill_holes_m2)
    for window in track(windows, monitor, "finding small objects"):
        labels, areas = plan.opened.read(window), plan.areas(window)
        tally.add(labels, areas)
        sieve.add(labels, areas, plan.scale(window).pixel_m)
    return replace(plan, relabelling=sieve.plan(), rows=windows[0].height)


def outline_map(plan: OutlinePlan, tally: AreaTally, monitor: Monitor) -> Iterator[tuple[Objects, GroundScale]]:
    """Give the objects of a map as they end, from top to bottom, with the scale where they end.

    `tally` adds up the areas of all pixels, as they are after small objects are merged.
    """
    stitcher = Stitcher(plan.opened.grid.shape[1])
    for window, above, labels, below in track(_strips(plan), monitor, "outlining", len(plan.windows())):
        areas, scale = plan.areas(window), plan.scale(window)
        tally.add(labels, areas)
        ends = StripEnds(window.row, window.row_end, above, labels[0], below)
        everything = np.arange(IGNORE + 1) != OUTSIDE
        wanted = everything if plan.simplify_m is not None else plan.wanted
        faces = trace_faces(labels, row=window.row, above=above, below=below, wanted=wanted)
        sums = np.zeros((len(faces), 5))
        lows = np.full(len(faces), np.inf)
        sums[:, EXACT] = sums[:, AREA] = face_areas(faces, areas, row=window.row)
        if plan.scores is not None and len(faces):
            scored = np.where(wanted[labels], _scores(plan.scores, window, labels), np.nan)
            sums[:, SCORE], lows, sums[:, SCORED] = face_scores(faces, scored, row=window.row)
        if plan.simplify_m is not None:
            faces = simplify_faces(faces, plan.simplify_m[faces.labels], scale.pixel_m)
            keep = plan.wanted[faces.labels]
            faces, sums, lows = faces.select(keep), sums[keep], lows[keep]
            sums[:, AREA] = face_areas(faces, areas, row=window.row)
        cut = ends.cut(faces)
        sums[:, PERIMETER] = face_perimeters(faces, scale, cut)
        yield stitcher.add(faces, cut, ends, sums, lows), scale


def _strips(plan: OutlinePlan) -> Iterator[tuple[Window, Labels | None, Labels, Labels | None]]:
    """Give each strip with the rows above and below it."""
    above: Labels | None = None
    held: tuple[Window, Labels] | None = None
    for number, window in enumerate(plan.windows()):
        labels = plan.opened.read(window)
        if plan.relabelling is not None:
            labels = plan.relabelling.apply(number, labels)
        if held is not None:
            yield held[0], above, held[1], labels[0]
            above = held[1][-1]
        held = window, labels
    assert held is not None  # a map has at least one row
    yield held[0], above, held[1], None


def check_scores(scores: RasterFile, grid: Grid, classes: int) -> None:
    """Refuse scores that do not belong to a map."""
    if not same_grid(scores.grid, grid):
        raise GridError(
            f"{scores.path}: lies on another grid ({scores.grid.shape[0]} x {scores.grid.shape[1]} px in "
            f"{scores.grid.crs}); scores need the grid of the map ({grid.shape[0]} x {grid.shape[1]} px in {grid.crs})"
        )
    if len(scores.bands) != classes or (scores.dtype.kind != "f" and scores.dtype != np.uint8):
        raise RasterError(
            f"{scores.path}: has {len(scores.bands)} band(s) of {scores.dtype}; expected one of float or uint8 "
            f"for each of the {classes} classes"
        )


def _scores(scores: RasterFile, window: Window, labels: Labels) -> FloatArray:
    """Give the score of the class of each pixel, 0 to 1, NaN where there is none."""
    chip = scores.read(window)
    known = labels < len(scores.bands)
    own = np.take_along_axis(chip.image, np.where(known, labels, 0)[None].astype(np.intp), axis=0)[0]
    scaled = own.astype(np.float64) / (255 if own.dtype == np.uint8 else 1)
    return np.where(known & chip.valid, scaled, np.nan)
