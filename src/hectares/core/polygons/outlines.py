"""Outlines of the objects of a class map: along pixel edges, exact, with the nodes where three regions meet.

An object is a set of pixels of one class that are joined by their sides: two that touch at a corner only are two
objects. Its outline runs along pixel edges with the object on its left, seen with rows running down: the outer
ring is counterclockwise, holes are clockwise.

A vertex is where an outline turns, and every place where more than two regions meet: without those nodes the
outlines of neighbors would not have the same points along their shared borders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTSIDE = 254
"""Label of what lies around a strip; class indices end at 253, and 255 is nodata."""
_EAST, _NORTH, _WEST, _SOUTH = range(4)
_LEFT_OF = ((0, 1), (0, 0), (1, 0), (1, 1))
"""Place of the pixel on the left of each direction in a padded strip, relative to the vertex it leaves."""

Ints = NDArray[np.int64]
Points = NDArray[np.int32]
Labels = NDArray[np.uint8]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Faces:
    """Closed rings of the objects of a strip, one after the other; those of one object follow each other."""

    points: Points
    """(N, 2) row and column of vertices, of the whole map; the first point of a ring is not repeated."""
    rings: Ints
    """(R + 1,) where each ring begins in `points`."""
    owners: Ints
    """(R,) object of each ring, ascending; the outer ring comes first, then its holes."""
    labels: Labels
    """(F,) class index of each object."""

    def __len__(self) -> int:
        return len(self.labels)

    def ring_of_point(self) -> Ints:
        """Give the ring of each vertex, (N,)."""
        return np.repeat(np.arange(len(self.owners)), np.diff(self.rings))

    def following(self) -> Points:
        """Give the vertex after each vertex, around its ring, (N, 2)."""
        return self.points[following(self.rings)]

    def select(self, keep: Flags) -> Faces:
        """Give some of the objects, (F,)."""
        if keep.all():
            return self
        rings = keep[self.owners]
        points = np.repeat(rings, np.diff(self.rings))
        sizes = np.diff(self.rings)[rings]
        renumbered = np.cumsum(keep) - 1
        return Faces(self.points[points], offsets(sizes), renumbered[self.owners[rings]], self.labels[keep])


def offsets(sizes: NDArray[np.integer]) -> Ints:
    """Give where pieces of these sizes begin, and where the last ends.

    >>> offsets(np.array([4, 2])).tolist()
    [0, 4, 6]
    """
    result = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=result[1:])
    return result


def tally(groups: NDArray[np.integer], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Add up the values of each of `count` groups.

    >>> tally(np.array([2, 0, 2]), np.array([0.5, 1.0, 0.25]), 3).tolist()
    [1.0, 0.0, 0.75]
    """
    return np.bincount(groups, weights=values, minlength=count).astype(np.float64, copy=False)


def following(rings: Ints) -> Ints:
    """Give the position of the next point of the same ring, (N,)."""
    after = np.arange(1, rings[-1] + 1)
    after[rings[1:] - 1] = rings[:-1]
    return after


def signed_areas(points: Points, rings: Ints) -> Ints:
    """Give the pixels inside of each ring, negative for holes, (R,), times two."""
    row, col = points.astype(np.int64).T
    after = following(rings)
    cross = row * col[after] - col * row[after]
    return np.add.reduceat(cross, rings[:-1]) if len(rings) > 1 else np.zeros(0, np.int64)


def trace_faces(
    labels: Labels, *, row: int = 0, above: Labels | None = None, below: Labels | None = None, wanted: Flags
) -> Faces:
    """Trace the objects of a strip of class indices (h, w) as closed rings, cut off at the strip's upper and lower end.

    `row` is the first of the strip in the map; `above` and `below` are the rows next to it, whose class borders
    become vertices on its ends. Only objects whose index is `wanted` (256,) come out.

    >>> wanted = np.arange(256) < 254
    >>> ring = trace_faces(np.array([[7, 7, 7], [7, 255, 7], [7, 7, 7]], np.uint8), wanted=wanted)
    >>> ring.points.tolist()
    [[0, 0], [3, 0], [3, 3], [0, 3], [1, 1], [1, 2], [2, 2], [2, 1]]
    >>> ring.rings.tolist(), ring.owners.tolist(), ring.labels.tolist()
    ([0, 4, 8], [0, 0], [7])
    """
    edges = _Edges(labels, above, below)
    order, rings = _walk(edges.following(), edges.starts(wanted))
    if len(rings) == 1:
        nothing = np.zeros(0, np.int64)
        return Faces(np.zeros((0, 2), np.int32), rings, nothing, np.zeros(0, np.uint8))
    vertices = order >> 2
    names, owners = np.unique(_outer_rings(edges, order, rings), return_inverse=True)
    labels_of_faces = edges.left_labels[order[rings[names]]]
    vertices, rings, owners = split_rings(vertices, rings, owners, edges.crossed)
    points = np.column_stack([edges.rows[vertices] + row, edges.cols[vertices]]).astype(np.int32)
    return arrange(points, rings, owners, labels_of_faces)


def arrange(points: Points, rings: Ints, owners: Ints, labels: Labels) -> Faces:
    """Bring rings into the order of `Faces`, each from its first vertex in reading order."""
    keys = points[:, 0].astype(np.int64) << 32 | points[:, 1]
    points, firsts = _from_first(points, keys, rings)
    holes = signed_areas(points, rings) < 0
    order = np.lexsort((firsts, holes, owners))
    sizes = np.diff(rings)[order]
    return Faces(points[pieces(rings[:-1][order], sizes)], offsets(sizes), owners[order], labels)


def pieces(starts: Ints, sizes: Ints) -> Ints:
    """Give the positions in pieces that begin at `starts`, one piece after the other.

    >>> pieces(np.array([10, 3]), np.array([2, 3])).tolist()
    [10, 11, 3, 4, 5]
    """
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - sizes), sizes)
    return positions


def _from_first(points: Points, keys: Ints, rings: Ints) -> tuple[Points, Ints]:
    """Turn each ring so that it begins with its smallest key; gives the points, and those keys."""
    if len(rings) == 1:
        return points, np.zeros(0, np.int64)
    sizes = np.diff(rings)
    smallest = np.minimum.reduceat(keys, rings[:-1])
    at = np.flatnonzero(keys == np.repeat(smallest, sizes))  # a simple ring has each point once
    ring_of = np.searchsorted(rings, at, side="right") - 1
    shift = np.zeros(len(sizes), np.int64)
    shift[ring_of[::-1]] = (at - rings[ring_of])[::-1]
    inside = np.arange(rings[-1]) - np.repeat(rings[:-1], sizes)
    turned = (inside + np.repeat(shift, sizes)) % np.repeat(sizes, sizes)
    return points[turned + np.repeat(rings[:-1], sizes)], smallest


# --- Rings ------------------------------------------------------------------------------------------------


class _Edges:
    """Vertices of a strip, and the edges between them.

    Half-edge 4v + d leaves vertex v in direction d; both sides of an edge have one, with the object on its left.
    """

    def __init__(self, labels: Labels, above: Labels | None, below: Labels | None) -> None:
        height, width = labels.shape
        padded = np.full((height + 2, width + 2), OUTSIDE, np.uint8)
        padded[1:-1, 1:-1] = labels
        self.across = padded[1:-1, :-1] != padded[1:-1, 1:]  # upright unit edges, (h, w + 1)
        along = padded[:-1, 1:-1] != padded[1:, 1:-1]  # level unit edges, (h + 1, w)
        up, down = (np.zeros((height + 1, width + 1), np.bool_) for _ in range(2))
        up[1:], down[:-1] = self.across, self.across
        left, right = (np.zeros((height + 1, width + 1), np.bool_) for _ in range(2))
        left[:, 1:], right[:, :-1] = along, along
        kept = (up != down) | (left != right) | (up & left)
        for at, beyond in ((0, above), (height, below)):
            if beyond is not None:
                kept[at, 1:-1] |= beyond[1:] != beyond[:-1]
        flat = np.flatnonzero(kept)
        self.rows, self.cols = np.divmod(flat, width + 1)
        self.leaves = np.column_stack([edge.ravel()[flat] for edge in (right, up, left, down)])
        self.crossed: Flags = np.asarray(self.leaves.all(axis=1))
        self.left_labels = np.column_stack([padded[self.rows + i, self.cols + j] for i, j in _LEFT_OF]).ravel()
        narrow = self.cols.astype(np.uint16) if width < 2**16 else self.cols
        self.by_column = np.argsort(narrow, kind="stable")

    def starts(self, wanted: Flags) -> Ints:
        """Half-edges of the wanted labels, ascending."""
        return np.flatnonzero(self.leaves.ravel() & wanted[self.left_labels] & (self.left_labels != OUTSIDE))

    def following(self) -> Ints:
        """The half-edge after each half-edge: the leftmost at its end, so that corners are not passed through."""
        count = len(self.rows)
        ends = np.empty((count, 4), np.int64)
        ends[:, _EAST] = np.arange(1, count + 1)
        ends[:, _WEST] = np.arange(-1, count - 1)
        ends[self.by_column[:-1], _SOUTH] = self.by_column[1:]
        ends[self.by_column[1:], _NORTH] = self.by_column[:-1]
        after = np.zeros((count, 4), np.int64)
        for direction in range(4):
            here = self.leaves[:, direction]
            end = ends[here, direction]
            turns = [(direction + turn) % 4 for turn in (1, 0, 3)]
            choice = np.select([self.leaves[end, t] for t in turns[:2]], turns[:2], turns[2])
            after[here, direction] = 4 * end + choice
        return after.ravel()


def _walk(after: Ints, starts: Ints) -> tuple[Ints, Ints]:
    """Follow half-edges around; gives them in order, and where each ring begins."""
    follow = after.tolist()
    seen = bytearray(len(follow))
    order: list[int] = []
    rings = [0]
    for start in starts.tolist():
        if seen[start]:
            continue
        here = start
        while not seen[here]:
            seen[here] = 1
            order.append(here)
            here = follow[here]
        rings.append(len(order))
    return np.array(order, np.int64), np.array(rings, np.int64)


def _outer_rings(edges: _Edges, order: Ints, rings: Ints) -> Ints:
    """Give the outer ring of each ring's object, (R,).

    The run of pixels that ends at the leftmost edge of a hole begins at another ring of the same object, farther
    to the left. From ring to ring this leads to the outer one.
    """
    rows, cols = edges.rows[order >> 2], edges.cols[order >> 2]
    points = np.column_stack([rows, cols]).astype(np.int32)
    holes = np.flatnonzero(signed_areas(points, rings) < 0)
    outer = np.arange(len(rings) - 1)
    if not len(holes):
        return outer
    ring_of = np.full(4 * len(edges.rows), -1, np.int64)
    ring_of[order] = np.repeat(outer, np.diff(rings))
    north = np.where(order & 3 == _NORTH, cols, np.iinfo(np.int64).max)
    smallest = np.minimum.reduceat(north, rings[:-1])[holes]
    is_hole = np.zeros(len(outer), np.bool_)
    is_hole[holes] = True
    position = np.zeros(len(outer), np.int64)
    at = np.flatnonzero(is_hole[ring_of[order]] & (order & 3 == _NORTH))
    leftmost = np.zeros(len(outer), np.int64)
    leftmost[holes] = smallest
    at = at[cols[at] == leftmost[ring_of[order[at]]]]
    position[ring_of[order[at]]] = at
    at = position[holes]
    outer[holes] = ring_of[4 * _left_of(edges, rows[at] - 1, cols[at]) + _SOUTH]
    while True:
        farther = outer[outer]
        if np.array_equal(farther, outer):
            return outer
        outer = farther


def _left_of(edges: _Edges, rows: Ints, cols: Ints) -> Ints:
    """Give the vertex above the upright edge where the run of pixels begins that ends at an upright unit edge."""
    height, width = edges.across.shape
    unit = np.flatnonzero(edges.across)
    begins = unit[np.searchsorted(unit, rows * width + cols) - 1] - rows * width
    keys = edges.cols[edges.by_column] * (height + 1) + edges.rows[edges.by_column]
    vertices: Ints = edges.by_column[np.searchsorted(keys, begins * (height + 1) + rows, side="right") - 1]
    return vertices


def split_rings(names: Ints, rings: Ints, owners: Ints, crossed: Flags | None = None) -> tuple[Ints, Ints, Ints]:
    """Split rings that pass a vertex twice, so that each passes every vertex once: (vertices, rings, owners).

    `names` (N,) tells vertices apart; those that are not `crossed`, by name, are passed once for certain.
    """
    ring_of = np.repeat(np.arange(len(owners)), np.diff(rings))
    at = np.arange(len(names)) if crossed is None else np.flatnonzero(crossed[names])
    at = at[np.lexsort((names[at], ring_of[at]))]
    twice = (ring_of[at[1:]] == ring_of[at[:-1]]) & (names[at[1:]] == names[at[:-1]])
    touching = np.zeros(len(owners), np.bool_)
    touching[ring_of[at[1:][twice]]] = True
    if not touching.any():
        return names, rings, owners
    loops, owner_of_loop = [], []
    for ring in np.flatnonzero(touching).tolist():
        found = _loops(names[rings[ring] : rings[ring + 1]].tolist())
        loops += found
        owner_of_loop += [owners[ring]] * len(found)
    whole = ~touching
    kept = names[np.repeat(whole, np.diff(rings))]
    sizes = np.concatenate([np.diff(rings)[whole], [len(loop) for loop in loops]])
    pooled = np.concatenate([kept, *(np.array(loop, np.int64) for loop in loops)])
    return pooled, offsets(sizes), np.concatenate([owners[whole], np.array(owner_of_loop, np.int64)])


def _loops(names: list[int]) -> list[list[int]]:
    """Cut a closed walk at every vertex it meets again.

    >>> _loops([1, 2, 3, 4, 2, 5])
    [[2, 3, 4], [1, 2, 5]]
    """
    loops: list[list[int]] = []
    path: list[int] = []
    place: dict[int, int] = {}
    for name in names:
        if name in place:
            begin = place[name]
            loops.append(path[begin:])
            for gone in path[begin:]:
                del place[gone]
            del path[begin:]
        place[name] = len(path)
        path.append(name)
    return [*loops, path]
