"""Objects that are larger than a strip: cut outlines are joined where strips meet.

The strips of a map come from top to bottom. An object stays open while the strip below may go on with it, and is
given out as soon as none does, so that memory is that of a strip and of the open objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hectares.core.polygons.outlines import Faces, Flags, Ints, Labels, Points, arrange, offsets, pieces, split_rings

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Objects:
    """Finished objects, with what was summed over each."""

    faces: Faces
    sums: FloatArray
    """(F, S)."""
    lows: FloatArray
    """(F,) the lowest of what was given strip by strip."""

    def parts(self, size: int) -> Iterator[Objects]:
        """Give them in parts of at most `size` objects, one part at least."""
        whole = self.faces
        for begin in range(0, max(1, len(whole)), size):
            end = min(begin + size, len(whole))
            first, last = np.searchsorted(whole.owners, [begin, end]).tolist()
            rings = whole.rings[first : last + 1]
            faces = Faces(
                whole.points[rings[0] : rings[-1]],
                rings - rings[0],
                whole.owners[first:last] - begin,
                whole.labels[begin:end],
            )
            yield Objects(faces, self.sums[begin:end], self.lows[begin:end])


@dataclass(frozen=True)
class StripEnds:
    """Class indices beside the ends of a strip: (w,) each, None at the ends of the map."""

    row: int
    """First row of the strip."""
    row_end: int
    above: Labels | None
    first: Labels
    below: Labels | None

    def cut(self, faces: Faces) -> Flags:
        """Tell which edges (N,) are no borders: those at which an object goes on in the next strip."""
        begin, end = faces.points, faces.following()
        label = faces.labels[faces.owners[faces.ring_of_point()]]
        cut = np.zeros(len(begin), np.bool_)
        for at, beyond in ((self.row, self.above), (self.row_end, self.below)):
            if beyond is not None:
                level = np.flatnonzero((begin[:, 0] == at) & (end[:, 0] == at))
                left = np.minimum(begin[level, 1], end[level, 1])
                cut[level] = beyond[left] == label[level]
        return cut

    def is_vertex(self, cols: Ints) -> Flags:
        """Tell if outlines turn or meet at places of the upper end, or only pass it."""
        assert self.above is not None
        above, below = (np.concatenate([[-1], row.astype(np.int16), [-1]]) for row in (self.above, self.first))
        up, down = above[cols] != above[cols + 1], below[cols] != below[cols + 1]
        left, right = above[cols] != below[cols], above[cols + 1] != below[cols + 1]
        vertex: Flags = (up != down) | (left != right) | (up & left)
        return vertex


@dataclass(slots=True)
class _Open:
    """An object that may go on in the next strip."""

    label: int
    sums: FloatArray
    low: float
    rings: list[Points] = field(default_factory=list)
    fragments: list[int] = field(default_factory=list)
    absorbed: list[int] = field(default_factory=list)

    def absorb(self, name: int, other: _Open) -> None:
        self.absorbed += [name, *other.absorbed]
        self.sums = self.sums + other.sums
        self.low = min(self.low, other.low)
        self.rings += other.rings
        self.fragments += other.fragments


@dataclass(slots=True)
class _Fragment:
    """A part of a ring from one cut edge to the next; its last point is the first of `after`."""

    points: Points
    owner: int
    after: int = -1
    passing: bool = False
    """True if nothing but the end of a strip makes its first point."""


class Stitcher:
    """Joins the objects of strips that follow each other."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._objects: dict[int, _Open] = {}
        self._parent: dict[int, int] = {}
        self._fragments: dict[int, _Fragment] = {}
        self._ends: dict[int, int] = {}
        """Fragments that end at the lower end of the last strip, by column; `_starts` likewise."""
        self._starts: dict[int, int] = {}
        self._named = 0

    @property
    def open_objects(self) -> int:
        """Number of objects that may go on."""
        return len(self._objects)

    def add(self, faces: Faces, cut: Flags, ends: StripEnds, sums: FloatArray, lows: FloatArray) -> Objects:
        """Add the objects of the next strip with their cut edges; gives the objects that ended, in their final order.

        The order is that of the lowest row, then of the first vertex in reading order; it does not depend on strips.
        """
        is_cut = np.zeros(len(faces), np.bool_)
        is_cut[faces.owners[faces.ring_of_point()[cut]]] = True
        self._open(faces, cut, is_cut, ends, sums, lows)
        whole = Objects(faces.select(~is_cut), sums[~is_cut], lows[~is_cut])
        going_on = {self._find(self._fragments[f].owner) for f in (*self._ends.values(), *self._starts.values())}
        finished = [name for name in self._objects if name not in going_on]
        joined = [whole, self._finish(finished)] if finished else [whole]
        return in_order(joined)

    def _open(
        self, faces: Faces, cut: Flags, is_cut: Flags, ends: StripEnds, sums: FloatArray, lows: FloatArray
    ) -> None:
        names = {}
        for face in np.flatnonzero(is_cut).tolist():
            names[face] = self._name()
            self._parent[names[face]] = names[face]
            self._objects[names[face]] = _Open(int(faces.labels[face]), sums[face], float(lows[face]))
        upper: list[tuple[int, int, bool]] = []
        lower: tuple[dict[int, int], dict[int, int]] = ({}, {})
        places = np.flatnonzero(cut)
        bounds = np.searchsorted(places, faces.rings).tolist()
        for ring in np.flatnonzero(is_cut[faces.owners]).tolist():
            owner = names[int(faces.owners[ring])]
            begin, end = int(faces.rings[ring]), int(faces.rings[ring + 1])
            at = places[bounds[ring] : bounds[ring + 1]].tolist()
            if not at:
                self._objects[owner].rings.append(faces.points[begin:end].copy())
                continue
            parts = [faces.points[a + 1 : b + 1] for a, b in pairwise(at)]
            parts.append(np.concatenate([faces.points[at[-1] + 1 : end], faces.points[begin : at[0] + 1]]))
            for part in parts:
                self._add_fragment(part, owner, ends, upper, lower)
        self._link(upper, ends)
        self._ends, self._starts = lower

    def _add_fragment(
        self,
        points: Points,
        owner: int,
        ends: StripEnds,
        upper: list[tuple[int, int, bool]],
        lower: tuple[dict[int, int], dict[int, int]],
    ) -> None:
        name = self._name()
        self._fragments[name] = _Fragment(points.copy(), owner)
        self._objects[owner].fragments.append(name)
        for (row, col), begins in ((points[0].tolist(), True), (points[-1].tolist(), False)):
            if row == ends.row_end:
                lower[begins][col] = name
            else:
                upper.append((col, name, begins))

    def _link(self, upper: Iterable[tuple[int, int, bool]], ends: StripEnds) -> None:
        """Join the fragments that meet at the upper end of the strip."""
        upper = list(upper)
        assert len(upper) == len(self._ends) + len(self._starts), "cut outlines of two strips do not meet"
        if not upper:
            return
        vertices = ends.is_vertex(np.array([col for col, _, _ in upper], np.int64)).tolist()
        for (col, name, begins), is_vertex in zip(upper, vertices, strict=True):
            first, second = (self._ends[col], name) if begins else (name, self._starts[col])
            self._fragments[first].after = second
            self._fragments[second].passing = not is_vertex
            self._join(self._fragments[first].owner, self._fragments[second].owner)

    def _finish(self, names: list[int]) -> Objects:
        """Give objects that are complete, and forget them."""
        parts: list[Points] = []
        owners: list[int] = []
        objects = [self._objects.pop(name) for name in names]
        for number, found in enumerate(objects):
            rings = found.rings + self._close(found.fragments)
            parts += rings
            owners += [number] * len(rings)
        for gone in [*names, *(name for found in objects for name in found.absorbed)]:
            del self._parent[gone]
        rings_at = offsets(np.array([len(p) for p in parts]))
        points = np.concatenate(parts).astype(np.int64)
        keys, rings_at, owner = split_rings(
            points[:, 0] * (self._width + 1) + points[:, 1], rings_at, np.array(owners, np.int64)
        )
        corners: Points = np.column_stack(np.divmod(keys, self._width + 1)).astype(np.int32)
        labels = np.array([found.label for found in objects], np.uint8)
        faces = arrange(corners, rings_at, owner, labels)
        return Objects(faces, np.array([o.sums for o in objects]), np.array([o.low for o in objects]))

    def _close(self, names: list[int]) -> list[Points]:
        """Follow fragments around to rings."""
        rings = []
        for name in names:
            if name not in self._fragments:
                continue
            parts, passing = [], []
            here = name
            while here in self._fragments:
                fragment = self._fragments.pop(here)
                parts.append(fragment.points[:-1])
                passing.append(fragment.passing)
                here = fragment.after
            assert here == name, "an outline does not close"
            rings.append(_without_passing(parts, passing))
        return rings

    def _name(self) -> int:
        self._named += 1
        return self._named

    def _find(self, name: int) -> int:
        root = name
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root

    def _join(self, one: int, other: int) -> None:
        one, other = self._find(one), self._find(other)
        if one == other:
            return
        if len(self._objects[one].fragments) < len(self._objects[other].fragments):
            one, other = other, one
        self._objects[one].absorb(other, self._objects.pop(other))
        self._parent[other] = one


def _without_passing(parts: list[Points], passing: list[bool]) -> Points:
    """Join the parts of a ring, without points at strip ends through which the outline goes straight."""
    sizes = np.array([len(p) for p in parts])
    ring = np.concatenate(parts)
    first = offsets(sizes)[:-1]
    at = first[np.array(passing) & (sizes > 0)]
    before, after = ring[at - 1].astype(np.int64), ring[(at + 1) % len(ring)].astype(np.int64)
    one, other = ring[at] - before, after - ring[at]
    straight = one[:, 0] * other[:, 1] == one[:, 1] * other[:, 0]
    return np.delete(ring, at[straight], axis=0)


def in_order(parts: Iterable[Objects]) -> Objects:
    """Bring objects together in the order of their lowest row, then of their first vertex."""
    parts = list(parts)
    points = np.concatenate([p.faces.points for p in parts])
    labels = np.concatenate([p.faces.labels for p in parts])
    sums, lows = np.concatenate([p.sums for p in parts]), np.concatenate([p.lows for p in parts])
    if not len(labels):
        return Objects(parts[0].faces, sums, lows)
    counts = offsets(np.array([len(p.faces) for p in parts]))
    owners = np.concatenate([p.faces.owners + n for p, n in zip(parts, counts, strict=False)])
    rings = offsets(np.concatenate([np.diff(p.faces.rings) for p in parts]))
    outer = np.searchsorted(owners, np.arange(len(labels)))
    first = points[rings[outer]]
    lowest = np.maximum.reduceat(points[:, 0], rings[outer])
    order = np.lexsort((first[:, 1], first[:, 0], lowest))
    sizes = np.diff(np.append(outer, len(owners)))[order]
    ring_order = pieces(outer[order], sizes)
    lengths = np.diff(rings)[ring_order]
    faces = Faces(
        points[pieces(rings[:-1][ring_order], lengths)],
        offsets(lengths),
        np.repeat(np.arange(len(order)), sizes),
        labels[order],
    )
    return Objects(faces, sums[order], lows[order])
