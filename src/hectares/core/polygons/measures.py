"""What outlines enclose: area and length on the ellipsoid, and scores of the pixels inside.

All of it is a sum over the edges of an outline, so that an object that is cut into strips is measured strip by strip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray

from hectares.core.grid import Grid, angular_unit_deg, parse_crs
from hectares.core.polygons.outlines import Faces, Flags, tally
from hectares.core.window import Window
from hectares.errors import GridError

FloatArray = NDArray[np.float64]

_EDGES_AT_ONCE = 2**20
_NODE_ROWS, _NODE_COLS = 8, 64
_STEP_PX = 4.0


def face_areas(faces: Faces, areas: FloatArray, *, row: int = 0) -> FloatArray:
    """Give the area of each object from its outline, (F,), where each pixel of the strip has an area (h, w).

    An edge counts in every row of pixels that it crosses, with the area from the strip's left end to the edge.
    Exact along pixel edges; a slanted edge takes a pixel as evenly filled.

    >>> from hectares.core.polygons.outlines import trace_faces
    >>> l_shape = trace_faces(np.array([[1, 0], [1, 1]], np.uint8), wanted=np.ones(256, bool))
    >>> face_areas(l_shape, np.array([[2.0, 3.0], [5.0, 7.0]])).tolist()     # in the order of their top left corners
    [14.0, 3.0]
    """
    total = np.zeros(len(faces))
    sums = _RowSums(areas)
    for where, rows, cols, sign in _unit_rows(faces, row):
        total += tally(where, sign * sums.up_to(rows, cols), len(faces))
    return total


class _RowSums:
    """Area of a row of pixels from its left end to any place in it."""

    def __init__(self, areas: FloatArray) -> None:
        self._areas = areas
        self._even = areas.strides[1] == 0  # one value a row: pixels of an upright geographic grid
        if not self._even:
            self._sums = np.zeros((areas.shape[0], areas.shape[1] + 1))
            np.cumsum(areas, axis=1, out=self._sums[:, 1:])

    def up_to(self, rows: NDArray[np.int64], cols: FloatArray) -> FloatArray:
        if self._even:
            even: FloatArray = self._areas[rows, 0] * cols
            return even
        whole = np.minimum(cols.astype(np.int64), self._areas.shape[1] - 1)
        upto: FloatArray = self._sums[rows, whole] + (cols - whole) * self._areas[rows, whole]
        return upto


def _unit_rows(faces: Faces, row: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, FloatArray]]:
    """Cut edges at rows of pixels: (object, row in the strip, column in the middle of the row, +1 upwards)."""
    begin, end = faces.points.astype(np.int64), faces.following().astype(np.int64)
    sloping = np.flatnonzero(begin[:, 0] != end[:, 0])
    face = faces.owners[faces.ring_of_point()[sloping]]
    begin, step = begin[sloping], (end - begin)[sloping]
    count = np.abs(step[:, 0])
    ends = np.cumsum(count)
    first = 0
    while first < len(count):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _EDGES_AT_ONCE, side="right")))
        part = slice(first, last)
        n = count[part]
        inside = np.arange(n.sum()) - np.repeat(ends[part] - n - done, n)
        sign = np.sign(step[part, 0])
        upper = np.repeat(begin[part, 0] - (sign < 0) - row, n) + inside * np.repeat(sign, n)
        slope = np.repeat(step[part, 1] / n, n)
        cols = np.repeat(begin[part, 1], n) + (inside + 0.5) * slope
        yield np.repeat(face[part], n), upper, cols, -np.repeat(sign, n).astype(np.float64)
        first = last


def face_scores(faces: Faces, scores: FloatArray, *, row: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give the sum, the minimum and the count of the scores (h, w) of the pixels of each object, (F,) each.

    For outlines along pixel edges. Every pixel that belongs to no object must score NaN.
    """
    width = scores.shape[1]
    owner: list[NDArray[np.int64]] = []
    at: list[NDArray[np.int64]] = []
    for where, rows, cols, sign in _unit_rows(faces, row):
        begins = sign < 0  # downwards: the object is on the right
        owner.append(where[begins])
        at.append(rows[begins] * width + cols[begins].astype(np.int64))
    starts = np.concatenate(at)
    order = np.argsort(starts)
    known = ~np.isnan(scores.ravel())
    filled = np.where(known, scores.ravel(), 0.0)
    runs = starts[order]
    face = np.concatenate(owner)[order]
    total = tally(face, np.add.reduceat(filled, runs), len(faces))
    count = tally(face, np.add.reduceat(known, runs, dtype=np.float64), len(faces))
    lowest = np.full(len(faces), np.inf)
    np.minimum.at(lowest, face, np.minimum.reduceat(np.where(known, filled, np.inf), runs))
    return total, lowest, count


@dataclass(frozen=True)
class GroundScale:
    """How long a step of pixels is on the ground, anywhere in a strip."""

    rows: FloatArray
    """(R,) rows of the nodes."""
    cols: FloatArray
    """(M,) columns of the nodes."""
    metric: FloatArray
    """(R, M, 3): squared length of a step of a column, of a row, and twice their product, m2."""

    @property
    def pixel_m(self) -> tuple[float, float]:
        """Metres from row to row and from column to column, in the mean."""
        across, down, _ = self.metric.mean(axis=(0, 1))
        return float(np.sqrt(down)), float(np.sqrt(across))

    def lengths(self, begin: NDArray[np.int32], end: NDArray[np.int32]) -> FloatArray:
        """Give the length of edges between points (N, 2), m: straight in the map, measured on the ellipsoid."""
        middle = (begin.astype(np.float64) + end) / 2
        step = end.astype(np.float64) - begin
        i, down = _between(self.rows, middle[:, 0])
        j, right = _between(self.cols, middle[:, 1])
        square = np.zeros(len(begin))
        for k, product in enumerate((step[:, 1] ** 2, step[:, 0] ** 2, step[:, 0] * step[:, 1])):
            node = self.metric[:, :, k]
            upper = (1 - right) * node[i, j] + right * node[i, j + 1]
            lower = (1 - right) * node[i + 1, j] + right * node[i + 1, j + 1]
            square += product * ((1 - down) * upper + down * lower)
        lengths: FloatArray = np.sqrt(np.maximum(square, 0))
        return lengths


def _between(nodes: FloatArray, places: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Give for each place the node before it, and the share of the way to the next; nodes are evenly apart."""
    along = (places - nodes[0]) / (nodes[-1] - nodes[0]) * (len(nodes) - 1)
    before = np.clip(along.astype(np.int64), 0, len(nodes) - 2)
    return before, along - before


def ground_scale(grid: Grid, window: Window, *, gsd_m: float | None = None) -> GroundScale:
    """Give the lengths of steps of pixels in a window, from geodesics; `gsd_m` counts where the grid has no CRS."""
    rows = np.linspace(window.row, window.row_end, window.height // _NODE_ROWS + 2)
    cols = np.linspace(window.col, window.col_end, window.width // _NODE_COLS + 2)
    metric = np.empty((len(rows), len(cols), 3))
    if grid.crs is None:
        assert gsd_m is not None, "a grid without a CRS needs a GSD"
        metric[:] = (gsd_m**2, gsd_m**2, 0)
        return GroundScale(rows, cols, metric)
    row, col = (a.ravel() for a in np.meshgrid(rows, cols, indexing="ij"))
    across, down, diagonal = (_geodesics(grid, row, col, *step) ** 2 for step in ((0, 1), (1, 0), (1, 1)))
    metric[:] = np.stack([across, down, diagonal - across - down], axis=-1).reshape(metric.shape)
    return GroundScale(rows, cols, metric)


def _geodesics(grid: Grid, row: FloatArray, col: FloatArray, down: int, right: int) -> FloatArray:
    """Length of a step of pixels around each place, m."""
    assert grid.crs is not None  # checked by `ground_scale`
    crs = parse_crs(grid.crs)
    geographic, geod = crs.geodetic_crs, crs.get_geod()
    if geographic is None or geod is None:
        raise GridError(f"{crs.name} is not tied to the Earth, so nothing has a length; assign a projected CRS")
    unit = angular_unit_deg(geographic)
    transformer = pyproj.Transformer.from_crs(crs.to_2d(), geographic.to_2d(), always_xy=True)
    ends = []
    for side in (-_STEP_PX / 2, _STEP_PX / 2):
        x, y = grid.transform @ np.stack([col + side * right, row + side * down])  # type: ignore[operator]
        lon, lat = transformer.transform(x, y)
        ends += [np.asarray(lon) * unit, np.clip(np.asarray(lat) * unit, -90, 90)]
    if not np.isfinite(ends).all():
        raise GridError(f"pixels lie outside the domain of {crs.name}; crop the map, or reproject it")
    lon_from, lat_from, lon_to, lat_to = ends
    lengths: FloatArray = np.asarray(geod.inv(lon_from, lat_from, lon_to, lat_to)[2]) / _STEP_PX
    return lengths


def face_perimeters(faces: Faces, scale: GroundScale, cut: Flags) -> FloatArray:
    """Give the length of the outlines of each object, m, (F,), without the edges (N,) that are `cut`."""
    lengths = np.where(cut, 0, scale.lengths(faces.points, faces.following()))
    return tally(faces.owners[faces.ring_of_point()], lengths, len(faces))
