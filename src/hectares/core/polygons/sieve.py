"""Small objects of a class map merged into their neighbors, and holes filled, strip by strip.

The map is read twice: once to learn of every object how large it is and what lies around it, and once to give
small ones their new class. Nodata is never filled, and nothing becomes nodata.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.polygons.outlines import Flags, Ints, Labels, offsets, tally

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Relabelling:
    """New classes for the objects of every strip."""

    labels: tuple[Labels, ...]
    """For each strip the new index of each of its objects."""
    filled: int
    """Objects that lay in a hole."""
    merged: int
    """Small objects that went to a neighbor."""
    alone: int
    """Small objects that stay, because nothing but nodata lies around them."""

    def apply(self, number: int, labels: Labels) -> Labels:
        """Give strip `number` with its new class indices, (h, w)."""
        runs = _Runs(labels)
        return np.repeat(self.labels[number][runs.objects], runs.lengths).reshape(labels.shape)


class Sieve:
    """Learns the objects of a map from its strips."""

    def __init__(self, height: int, *, min_area_m2: float, fill_holes_m2: float) -> None:
        self._height = height
        self._min, self._fill = min_area_m2, fill_holes_m2
        self._row = 0
        self._counts: list[int] = []
        self._areas: list[FloatArray] = []
        self._labels: list[Labels] = []
        self._at_edge: list[Flags] = []
        self._same: list[Ints] = []
        self._borders: list[tuple[Ints, FloatArray]] = []
        self._last: tuple[Labels, Ints] | None = None

    def add(self, labels: Labels, areas: FloatArray, pixel_m: tuple[float, float]) -> None:
        """Add the next strip (h, w) with the area of its pixels, and their height and width on the ground, m."""
        runs = _Runs(labels)
        begin, count = sum(self._counts), runs.count
        sums = np.zeros((labels.shape[0], labels.shape[1] + 1))
        np.cumsum(areas, axis=1, out=sums[:, 1:])
        row, col = np.divmod(runs.starts, labels.shape[1])
        run_areas = sums[row, col + runs.lengths] - sums[row, col]
        self._counts.append(count)
        self._areas.append(tally(runs.objects, run_areas, count))
        self._labels.append(runs.labels_of_objects)
        at_edge = np.zeros(count, np.bool_)
        at_edge[runs.objects[(col == 0) | (col + runs.lengths == labels.shape[1])]] = True
        image = runs.objects_by_pixel(row=0) + begin, runs.objects_by_pixel(row=-1) + begin
        if self._row == 0:
            at_edge[image[0] - begin] = True
        if self._last is not None:
            self._meet(labels[0], image[0], pixel_m[1])
        self._row += labels.shape[0]
        if self._row == self._height:
            at_edge[image[1] - begin] = True
        self._at_edge.append(at_edge)
        pairs, meters = runs.borders(*pixel_m)
        small = self._areas[-1] < max(self._min, self._fill)
        useful = small[pairs].any(axis=1)  # two large ones never merge
        self._borders.append((pairs[useful] + begin, meters[useful]))
        self._last = labels[-1], image[1]

    def _meet(self, labels: Labels, objects: Ints, pixel_m: float) -> None:
        """Note which objects of two strips are one, and which are neighbors."""
        assert self._last is not None
        above, over = self._last
        fresh = np.ones(len(labels), np.bool_)
        fresh[1:] = (over[1:] != over[:-1]) | (objects[1:] != objects[:-1])
        at = np.flatnonzero(fresh)
        length = np.diff(np.append(at, len(labels)))
        pairs = np.column_stack([over[at], objects[at]])
        same = above[at] == labels[at]
        self._same.append(pairs[same])
        self._borders.append((pairs[~same], length[~same] * pixel_m))

    def plan(self) -> Relabelling:
        """Decide on every object, after the last strip."""
        areas, labels = np.concatenate(self._areas), np.concatenate(self._labels)
        root = connect(len(areas), np.concatenate([*self._same, np.zeros((0, 2), np.int64)]))
        total = tally(root, areas, len(areas))
        at_edge = np.zeros(len(areas), np.bool_)
        at_edge[root[np.concatenate(self._at_edge)]] = True
        pairs = root[np.concatenate([p for p, _ in self._borders])]
        pairs, meters = _pooled(pairs, np.concatenate([m for _, m in self._borders]), len(areas))
        tree = _Merging(total, labels.copy(), self._min)
        filled = tree.fill(pairs, at_edge, self._fill)
        merged, alone = tree.sieve(pairs, meters, np.unique(root))
        new = tree.labels[tree.roots()[root]]
        bounds = offsets(np.array(self._counts))
        parts = tuple(new[a:b] for a, b in pairwise(bounds))
        return Relabelling(parts, filled, merged, alone)


class _Runs:
    """Runs of equal pixels in the rows of a strip, and the objects that they make."""

    def __init__(self, labels: Labels) -> None:
        height, width = labels.shape
        begins = np.ones((height, width), np.bool_)
        begins[:, 1:] = labels[:, 1:] != labels[:, :-1]
        self._shape = labels.shape
        self.starts = np.flatnonzero(begins)
        self.lengths = np.diff(np.append(self.starts, labels.size))
        run = (np.cumsum(begins.ravel(), dtype=np.int32) - 1).reshape(labels.shape)
        at = np.flatnonzero(begins[:-1] | begins[1:])
        self._touching = np.column_stack([run[:-1].ravel()[at], run[1:].ravel()[at]]).astype(np.int64)
        self._touching_px = np.diff(np.append(at, (height - 1) * width))
        run_labels = labels.ravel()[self.starts]
        self._same = run_labels[self._touching[:, 0]] == run_labels[self._touching[:, 1]]
        root = connect(len(self.starts), self._touching[self._same])
        firsts, self.objects = np.unique(root, return_inverse=True)
        self.labels_of_objects = run_labels[firsts]
        self.count = len(firsts)

    def objects_by_pixel(self, row: int) -> Ints:
        """Give the object of each pixel of a row, (w,)."""
        height, width = self._shape
        begin = row % height * width
        of_run = slice(*np.searchsorted(self.starts, [begin, begin + width]).tolist())
        result: Ints = np.repeat(self.objects[of_run], self.lengths[of_run])
        return result

    def borders(self, height_m: float, width_m: float) -> tuple[Ints, FloatArray]:
        """Give pairs of neighboring objects, (N, 2), and the length of their border, m."""
        beside = np.flatnonzero(self.starts[1:] % self._shape[1] != 0)
        upright = np.column_stack([self.objects[beside], self.objects[beside + 1]])
        level = self.objects[self._touching[~self._same]]
        meters = np.concatenate([np.full(len(upright), height_m), self._touching_px[~self._same] * width_m])
        return _pooled(np.concatenate([upright, level]), meters, self.count)


def _pooled(pairs: Ints, meters: FloatArray, count: int) -> tuple[Ints, FloatArray]:
    """Add up what belongs to the same pair, whatever its order; a pair of the same twice goes away."""
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    apart = low != high
    keys, place = np.unique(low[apart] * count + high[apart], return_inverse=True)
    return np.column_stack(np.divmod(keys, count)), tally(place, meters[apart], len(keys))


def connect(count: int, pairs: Ints) -> Ints:
    """Give for each of `count` things the smallest that it is connected with by pairs (N, 2).

    >>> connect(5, np.array([[3, 1], [4, 3]])).tolist()
    [0, 1, 2, 1, 1]
    """
    root = np.arange(count)
    while True:
        one, other = root[pairs[:, 0]], root[pairs[:, 1]]
        apart = one != other
        if not apart.any():
            return root
        pairs, one, other = pairs[apart], one[apart], other[apart]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while True:
            farther = root[root]
            if np.array_equal(farther, root):
                break
            root = farther


class _Merging:
    """Objects that grow as they take in others."""

    def __init__(self, areas: FloatArray, labels: Labels, min_area_m2: float) -> None:
        self.labels = labels
        self._areas = areas
        self._min = min_area_m2
        self._parent = np.arange(len(areas)).tolist()

    def roots(self) -> Ints:
        """Give the object that each object has become."""
        root = np.array(self._parent)
        while not np.array_equal(root[root], root):
            root = root[root]
        return root

    def fill(self, pairs: Ints, at_edge: Flags, fill_m2: float) -> int:
        """Give what is enclosed by one object, and smaller than `fill_m2`, to that object."""
        inner = (self._areas < fill_m2) & ~at_edge & (self.labels != IGNORE)
        both = inner[pairs].all(axis=1)
        cluster = connect(len(inner), pairs[both])
        size = tally(cluster, np.where(inner, self._areas, 0.0), len(inner))
        taken = _enclosed(cluster[pairs], pairs, inner, mixed=True)
        taken = {c: by for c, by in taken.items() if size[c] < fill_m2}
        member = np.flatnonzero(inner & np.isin(cluster, list(taken)))
        target = {one: taken[int(cluster[one])] for one in member.tolist()}
        rest = _enclosed(pairs, pairs, inner, mixed=False)
        target |= {one: by for one, by in rest.items() if one not in target and by not in target and by not in rest}
        filled = 0
        for one, by in target.items():
            if self.labels[by] == IGNORE:
                continue
            self._parent[one] = by
            self._areas[by] += self._areas[one]
            filled += 1
        return filled

    def sieve(self, pairs: Ints, meters: FloatArray, objects: Ints) -> tuple[int, int]:
        """Give each small object to the neighbor with the longest border, the smallest first."""
        around: dict[int, dict[int, float]] = {}
        live = [o for o in objects[self._areas[objects] < self._min].tolist() if self.labels[o] != IGNORE]
        around = {one: {} for one in live if self._parent[one] == one}
        for (one, other), m in zip(pairs.tolist(), meters.tolist(), strict=True):
            for here, there in ((self._find(one), self._find(other)), (self._find(other), self._find(one))):
                if here in around and here != there:
                    around[here][there] = around[here].get(there, 0) + m
        queue = [(float(self._areas[one]), one) for one in around]
        heapq.heapify(queue)
        merged = alone = 0
        while queue:
            area, one = heapq.heappop(queue)
            if self._parent[one] != one or area != self._areas[one] or area >= self._min:
                continue
            nearby: dict[int, float] = {}
            for other, m in around.pop(one).items():
                root = self._find(other)
                if root != one and self.labels[root] != IGNORE:
                    nearby[root] = nearby.get(root, 0) + m
            if not nearby:
                alone += 1
                continue
            best = max(nearby, key=lambda n: (round(nearby[n], 6), self._areas[n], -n))
            merged += 1
            around[one] = nearby
            self._unite([best, one, *(n for n in nearby if n != best and self.labels[n] == self.labels[best])], around)
            root = self._find(best)
            if root in around:
                heapq.heappush(queue, (float(self._areas[root]), root))
        return merged, alone

    def _unite(self, members: list[int], around: dict[int, dict[int, float]]) -> None:
        """Make one object of several; its class is that of the first."""
        label = self.labels[members[0]]
        large = [m for m in members if m not in around]
        root = large[0] if large else max(members, key=lambda m: len(around[m]))
        for member in members:
            if member == root:
                continue
            self._parent[member] = root
            self._areas[root] += self._areas[member]
            for other, m in around.pop(member, {}).items():
                if root in around:
                    around[root][other] = around[root].get(other, 0) + m
        self.labels[root] = label

    def _find(self, one: int) -> int:
        root = one
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[one] != root:
            self._parent[one], one = root, self._parent[one]
        return root


def _enclosed(groups: Ints, pairs: Ints, inner: Flags, *, mixed: bool) -> dict[int, int]:
    """Give the groups of inner objects that have one neighbor only, and that neighbor.

    With `mixed`, only borders between an inner and another object count.
    """
    found: dict[int, int] = {}
    several: set[int] = set()
    for side in (0, 1):
        here, there = pairs[:, side], pairs[:, 1 - side]
        rows = inner[here] & (~inner[there] if mixed else True)
        for group, neighbor in zip(groups[rows, side].tolist(), there[rows].tolist(), strict=True):
            if found.setdefault(group, neighbor) != neighbor:
                several.add(group)
    return {group: neighbor for group, neighbor in found.items() if group not in several}
