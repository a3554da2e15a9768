"""Images that occur twice: exactly, by hashes of their pixels, or nearly, by hashes of how they look.

Nothing here compares every image with every other. Equal digests meet by sorting. Hashes of 64 bits that differ in
at most d bits agree in at least two of d + 2 parts, so they meet when all are sorted by every pair of parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hectares.core.sampling import SPLITS
from hectares.doctor.finding import Finding, Place
from hectares.doctor.thumbnails import alike

Hashes = NDArray[np.uint64]
_BITS = np.array([n.bit_count() for n in range(2**16)], np.uint8)
EXACT, NEAR = "duplicates", "near duplicates"
_FEW_BITS = 6
"""Up to so many, two parts have 16 bits and more: runs of equal keys are short among 300,000 hashes."""
_NAMED = 4
_PLACED = 100


# --- Search -----------------------------------------------------------------------------------------------


def equal_groups(digests: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Give the positions of equal rows (N, ...), group by group, for values that occur more than once.

    >>> [g.tolist() for g in equal_groups(np.array([7, 3, 7, 5, 3, 7]))]
    [[0, 2, 5], [1, 4]]
    """
    _, inverse, counts = np.unique(digests, return_inverse=True, return_counts=True, axis=0)
    inverse = inverse.ravel()
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(counts)
    groups = [order[end - n : end] for end, n in zip(ends, counts, strict=True) if n > 1]
    return sorted(groups, key=lambda g: int(g[0]))


def distance(a: Hashes, b: Hashes) -> NDArray[np.int64]:
    """Count the bits in which hashes (N,) differ.

    >>> distance(np.array([0b1011], np.uint64), np.array([0b0001], np.uint64)).tolist()
    [2]
    """
    parts = np.ascontiguousarray(a ^ b).view(np.uint16).reshape(-1, 4)
    bits: NDArray[np.int64] = _BITS[parts].sum(axis=1, dtype=np.int64)
    return bits


def near_pairs(hashes: Hashes, limit: int) -> NDArray[np.int64]:
    """Give all pairs (P, 2) of different hashes (N,), by position, that differ in at most `limit` bits.

    The hashes must be unique. Time grows as N log N as long as the parts of the hashes are spread evenly.
    Source: the pigeonhole search of Manku, Jain and Das Sarma 2007 (doi 10.1145/1242572.1242592).
    """
    found = np.zeros(0, np.int64)
    for mask in _masks(limit) if limit > 0 else ():
        pairs = _pairs_of_equal(hashes & mask, hashes, limit)
        found = np.sort(np.concatenate([found, *(low * len(hashes) + high for low, high in pairs)]))
        found = found[np.diff(found, prepend=-1) > 0]  # numpy's own `unique` is 30 times slower on such numbers
    return np.stack(np.divmod(found, max(len(hashes), 1)), axis=1)


def _masks(limit: int) -> Iterator[np.uint64]:
    """Give every choice of a few parts of the 64 bits, where the parts are so many that these stay equal."""
    chosen = 2 if limit <= _FEW_BITS else 3
    edges = np.linspace(0, 64, limit + chosen + 1).astype(int)
    parts = [((1 << int(b)) - 1) ^ ((1 << int(a)) - 1) for a, b in pairwise(edges)]
    return (np.uint64(sum(some)) for some in combinations(parts, chosen))


def _pairs_of_equal(keys: Hashes, hashes: Hashes, limit: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give the near pairs among hashes whose keys are equal, as lower and higher positions."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    here = np.arange(len(keys))
    for step in range(1, len(keys)):
        here = here[here + step < len(keys)]
        here = here[keys[here] == keys[here + step]]  # runs of equal keys: what ends a run at this step stays out
        if not here.size:
            return
        first, second = order[here], order[here + step]
        near = distance(hashes[first], hashes[second]) <= limit
        yield np.minimum(first, second)[near], np.maximum(first, second)[near]


def join_groups(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the number (N,) of the group of each of `count` things, when pairs (P, 2) belong together.

    >>> join_groups(5, np.array([[0, 3], [3, 4]])).tolist()
    [0, 1, 2, 0, 0]
    """
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs.tolist():
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(i) for i in range(count)], np.int64)


# --- Findings ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What is known of all images of a data set, row by row."""

    digests: NDArray[np.uint8]
    """(N, 16), of decoded pixels; 0 where an image could not be read."""
    labels: NDArray[np.uint8]
    """(N, 16), of decoded labels; 0 without one."""
    hashes: Hashes
    """(N, 1) of the looks; or (N, 8), one for each flip and rotation."""
    thumbnails: NDArray[np.int8]
    """(N, 256)."""
    textured: NDArray[np.bool_]
    """(N,), False for images that are constant or could not be read: these all look alike."""
    splits: NDArray[np.int8]
    """(N,), position in `SPLITS`, -1 without."""
    sources: NDArray[np.int64]
    """(N,), equal for scenes that are read from the same image file."""


class Places(Protocol):
    """Where images lie, by number."""

    def __getitem__(self, number: int) -> Place | None: ...


@dataclass(frozen=True, slots=True)
class Copies:
    """Groups of images that are equal, or look alike."""

    check: str
    groups: list[NDArray[np.intp]]

    def summary(self, prints: Fingerprints) -> dict[str, Any]:
        """Count groups, their images, and the images in groups that meet across splits."""
        across: dict[str, int] = {}
        for group in self.groups:
            splits = _splits_of(prints, group)
            if len(splits) > 1:
                across[" and ".join(splits)] = across.get(" and ".join(splits), 0) + len(group)
        return {"groups": len(self.groups), "images": sum(map(len, self.groups)), "across_splits": across}

    def findings(self, prints: Fingerprints, names: Sequence[str], places: Places) -> Iterator[Finding]:
        """Give a finding for each group, those that meet across splits first."""
        ordered = sorted(self.groups, key=lambda g: (len(_splits_of(prints, g)) < 2, -len(g)))
        how = "are the same" if self.check == EXACT else "look the same"
        for group in ordered:
            splits = _splits_of(prints, group)
            labels = np.unique(prints.labels[group][prints.labels[group].any(axis=1)], axis=0)
            what = f"{len(group)} images {how}: {_named([names[i] for i in group])}"
            what += f", in {' and '.join(splits)}" if len(splits) > 1 else ""
            what += ", with different labels" if self.check == EXACT and len(labels) > 1 else ""
            remedy = "keep one; scores on the others are scores on training pixels" if len(splits) > 1 else "keep one"
            known = [p for p in (places[int(i)] for i in group[:_PLACED]) if p is not None]
            name = names[int(group[0])]
            yield Finding(
                self.check,
                "error" if len(splits) > 1 else "warning",
                name,
                what,
                remedy,
                name,
                tuple(known),
                len(group),
            )


def find_copies(prints: Fingerprints, *, near: int) -> tuple[Copies, Copies]:
    """Give the groups of equal images, and those of nearly equal ones (of each equal group only the first)."""
    exact = [g for g in equal_groups(prints.digests) if prints.textured[g].all() and not _is_meant(prints, g)]
    return Copies(EXACT, exact), Copies(NEAR, _near_groups(prints, near))


def _is_meant(prints: Fingerprints, group: NDArray[np.intp]) -> bool:
    """Tell if scenes are one image file with labels of different areas: that is how areas get splits."""
    labels = np.unique(prints.labels[group], axis=0)
    return len(np.unique(prints.sources[group])) == 1 and len(labels) == len(group)


def _near_groups(prints: Fingerprints, near: int) -> list[NDArray[np.intp]]:
    _, first = np.unique(prints.digests, axis=0, return_index=True)
    rows = np.sort(first[prints.textured[first]])
    if rows.size < 2:
        return []
    turns = prints.hashes.shape[1]
    owners = np.repeat(rows, turns)
    hashes, chosen, number = np.unique(prints.hashes[rows].ravel(), return_index=True, return_inverse=True)
    with_equal = np.stack([owners[chosen][number.ravel()], owners], axis=1)
    with_near = owners[chosen][near_pairs(hashes, near)]
    pairs = np.sort(np.concatenate([with_equal, with_near]), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    kept = pairs[alike(prints.thumbnails, pairs, turns=turns)]
    return equal_groups(join_groups(len(prints.textured), kept))


def _splits_of(prints: Fingerprints, group: NDArray[np.intp]) -> list[str]:
    return [SPLITS[s] for s in np.unique(prints.splits[group]) if s >= 0]


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
