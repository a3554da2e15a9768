"""Splits against each other: classes that one lacks, groups and places that meet across them, and their distance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.grid import linear_unit_m, parse_crs
from hectares.core.sampling import SPLITS
from hectares.doctor.finding import Finding, Place
from hectares.io.catalog import Catalog

_OVERLAP = 0.01
"""Share of the smaller scene; less is how neighbors are cut."""
_M_PER_DEGREE = 111_320.0
_NAMED = 3
_SHARE_OF_RARE = 100.0

Bounds = NDArray[np.float64]


def find_absent(where: str, pixels: Mapping[str, Sequence[int]], names: Sequence[str]) -> Iterator[Finding]:
    """Name the classes without a pixel anywhere, or in one of the splits that have labels."""
    filled = {split: np.asarray(n) for split, n in pixels.items() if np.sum(n)}
    if not filled:
        return
    lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
    for k, name in enumerate(names):
        absent = [split for split, n in filled.items() if not n[k]]
        if len(absent) == len(filled):
            lacking["no pixel", "cannot be learned"].append(name)
        elif "train" in absent:
            lacking["no pixel in training", "cannot be learned"].append(name)
        elif absent:
            lacking[f"no pixel in {' and '.join(absent)}", "will have no score there"].append(name)
    for (what, then), found in lacking.items():
        one = len(found) == 1
        said = f"class {found[0]!r} has {what}" if one else f"{len(found)} classes have {what}: {', '.join(found)}"
        yield Finding("classes", "warning", where, said, f"{'it' if one else 'they'} {then}", count=len(found))
    total = np.sum([np.asarray(n) for n in filled.values()], axis=0)
    present = total[total > 0]
    if len(names) > 1 and len(present) == 1:
        what = f"all labels are {names[int(np.flatnonzero(total)[0])]!r}"
        yield Finding("classes", "warning", where, what, "check the legend and --label-by")
    elif len(present) > 1 and present.max() > _SHARE_OF_RARE * present.min():
        rare, common = names[int(np.flatnonzero(total == present.min())[0])], names[int(total.argmax())]
        what = f"{common!r} has {present.max() / present.min():,.0f} times the pixels of {rare!r}"
        yield Finding("imbalance", "note", where, what, "weigh the classes, or draw chips of rare ones more often")


def find_shared_groups(where: str, catalog: Catalog) -> Iterator[Finding]:
    """Name groups of scenes that are in several splits, and files that are read by several of them."""
    splits: dict[str, set[str]] = defaultdict(set)
    for scene in catalog.scenes:
        if scene.split is not None:
            splits[scene.group].add(scene.split)
    shared = sorted(group for group, found in splits.items() if len(found) > 1)
    if shared:
        named = ", ".join(shared[:_NAMED]) + (" ..." if len(shared) > _NAMED else "")
        what = f"{len(shared)} group(s) have scenes in several splits: {named}"
        remedy = "scores will be better than on new places; use --split group"
        yield Finding("groups in splits", "warning", where, what, remedy, count=len(shared))


class Footprints:
    """Where scenes lie, found by place."""

    def __init__(self, catalog: Catalog, crs: Sequence[str | None], bounds: Bounds) -> None:
        """Take the CRS and the bounds (N, 4) of all scenes; None and NaN where there are none."""
        self._catalog = catalog
        self._crs = np.array([c or "" for c in crs], dtype=object)
        self._bounds = bounds
        order = {split: i for i, split in enumerate(SPLITS)}
        self._splits = np.array([order.get(s.split or "", -1) for s in catalog.scenes], np.int64)
        self._splits_of: dict[Path, set[str | None]] = defaultdict(set)
        for scene in catalog.scenes:
            self._splits_of[scene.image].add(scene.split)

    def _in_several(self, row: int) -> bool:
        return len(self._splits_of[self._catalog.scenes[row].image]) > 1

    def _parts(self) -> Iterator[tuple[str, NDArray[np.intp], NDArray[Any]]]:
        for crs in sorted(set(self._crs) - {""}):
            rows = np.flatnonzero((self._crs == crs) & (self._splits >= 0) & np.isfinite(self._bounds).all(axis=1))
            if len(np.unique(self._splits[rows])) > 1:
                yield crs, rows, shapely.box(*self._bounds[rows].T)

    def overlaps(self) -> Iterator[Finding]:
        """Name scenes of different splits that cover the same ground."""
        for crs, rows, boxes in self._parts():
            first, second = shapely.STRtree(boxes).query(boxes, predicate="intersects")
            meet = (first < second) & (self._splits[rows[first]] != self._splits[rows[second]])
            first, second = first[meet], second[meet]
            shared = shapely.intersection(boxes[first], boxes[second])
            smaller = np.minimum(shapely.area(boxes[first]), shapely.area(boxes[second]))
            for i in np.flatnonzero(shapely.area(shared) > _OVERLAP * smaller):
                a, b = self._catalog.scenes[rows[first[i]]], self._catalog.scenes[rows[second[i]]]
                if a.images == b.images and a.label != b.label:
                    continue  # one image with labels of different areas: that is how areas get splits
                what = f"covers the ground of {b.id} ({a.split} and {b.split}) by {shared[i].area / smaller[i]:.0%}"
                place = Place.of_point(crs, shared[i].centroid.x, shared[i].centroid.y)
                remedy = "put both into one split; scores there are scores on training pixels"
                yield Finding("overlap of splits", "error", a.id, what, remedy, a.id, (place,))

    def distances_m(self) -> dict[str, float]:
        """Give the least distance between scenes of each two splits, in metres; nominal.

        An image that is in several splits by areas does not count: only its areas know how far they lie apart.
        """
        found: dict[str, float] = {}
        for crs, all_rows, all_boxes in self._parts():
            alone = np.array([not self._in_several(int(row)) for row in all_rows])
            rows, boxes = all_rows[alone], all_boxes[alone]
            parsed = parse_crs(crs)
            unit = _M_PER_DEGREE if parsed.is_geographic else linear_unit_m(parsed)
            for one, other in combinations(range(len(SPLITS)), 2):
                a, b = (boxes[self._splits[rows] == s] for s in (one, other))
                if len(a) and len(b):
                    _, gaps = shapely.STRtree(a).query_nearest(b, return_distance=True, all_matches=False)
                    name = f"{SPLITS[one]} and {SPLITS[other]}"
                    found[name] = min(found.get(name, np.inf), float(gaps.min()) * unit)
        return found


def note_distances(where: str, distances_m: Mapping[str, float], gsd_m: float | None) -> Iterator[Finding]:
    """Say which splits touch each other."""
    near = [name for name, gap in distances_m.items() if gap <= (gsd_m or 0)]
    if near:
        what = f"scenes of {', of '.join(near)} lie side by side"
        remedy = "neighbors are alike, so scores will be somewhat better than far away"
        yield Finding("distance of splits", "note", where, what, remedy)
