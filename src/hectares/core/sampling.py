"""Who goes into which split, so that neighbors never meet across a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.window import Window
from hectares.errors import CatalogError, ConfigError

SPLITS = ("train", "val", "test")


def split_groups(groups: Sequence[str], fractions: Mapping[str, float], seed: int) -> list[str]:
    """Give every group to one split, so that neighbors never meet across a split.

    The result follows `groups`, item by item. Shares are met as well as whole groups allow; every split with
    a positive fraction gets at least one group. The order of `groups` does not matter.

    >>> split_groups(["a", "a", "b", "c"], {"train": 0.5, "test": 0.5}, seed=1)
    ['train', 'train', 'test', 'test']
    """
    wanted = _wanted(fractions, len(set(groups)))
    sizes = Counter(groups)
    names = sorted(sizes)
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: -sizes[name])  # large groups first: the small ones even out the shares
    missing = {split: share * len(groups) for split, share in wanted.items()}
    assigned: dict[str, str] = {}
    for position, name in enumerate(names):
        empty = [split for split in wanted if split not in assigned.values()]
        forced = len(names) - position <= len(empty)
        split = max(empty if forced else wanted, key=lambda s: missing[s])
        assigned[name] = split
        missing[split] -= sizes[name]
    return [assigned[group] for group in groups]


def stratify_groups(
    groups: Sequence[str], class_counts: NDArray[Any], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """Give every group to one split, so that each split gets its share of every class, rare ones first.

    `class_counts` (N, K) holds the labelled pixels of each item. The result follows `groups`.
    Source: the iterative stratification of Sechidis, Tsoumakas and Vlahavas 2011 (ECML PKDD), with pixels
    in place of examples and whole groups in place of single ones.

    >>> counts = np.array([[9, 1], [9, 0], [9, 1], [9, 0]])
    >>> splits = stratify_groups(["a", "b", "c", "d"], counts, {"train": 0.5, "test": 0.5}, seed=0)
    >>> sorted(s for s, c in zip(splits, counts, strict=True) if c[1])
    ['test', 'train']
    """
    names = sorted(set(groups))
    wanted = _wanted(fractions, len(names))
    np.random.default_rng(seed).shuffle(names)
    position = {name: n for n, name in enumerate(names)}
    pixels = np.zeros((len(names), class_counts.shape[1] + 1))
    np.add.at(pixels[:, :-1], [position[g] for g in groups], class_counts)
    pixels[:, -1] = 1  # groups without a label are shared out by number
    splits = list(wanted)
    desired = np.outer([wanted[s] for s in splits], pixels.sum(axis=0))
    assigned = np.full(len(names), -1)
    while (assigned < 0).any():
        free = assigned < 0
        left = np.where(free[:, None], pixels, 0)
        totals = left[:, :-1].sum(axis=0)
        rarest = int(np.where(totals > 0, totals, np.inf).argmin()) if totals.any() else -1
        group = int(np.where(free, left[:, rarest], -1).argmax())
        empty = [n for n in range(len(splits)) if n not in assigned]
        lacking = [n for n in range(len(splits)) if not pixels[assigned == n, rarest].any()]
        choice: Sequence[int] = range(len(splits))
        if 0 < (left[:, rarest] > 0).sum() <= len(lacking):  # the last ones that have it go where it is not yet
            choice = lacking
        elif free.sum() <= len(empty):
            choice = empty
        split = max(choice, key=lambda n: (desired[n, rarest], desired[n].sum()))
        assigned[group] = split
        desired[split] -= pixels[group]
    return [splits[assigned[position[g]]] for g in groups]


def _wanted(fractions: Mapping[str, float], groups: int) -> dict[str, float]:
    """The splits that shall get something, with shares that sum to 1."""
    wanted = {name: share for name, share in fractions.items() if share > 0}
    if not wanted or any(share < 0 for share in fractions.values()):
        raise ConfigError(f"split fractions must be positive, got {dict(fractions)}")
    if groups < len(wanted):
        raise CatalogError(
            f"{groups} group(s) cannot fill {len(wanted)} splits ({', '.join(wanted)}); "
            "use --split block to cut scenes into blocks, or name the split of each scene in a CSV"
        )
    total = sum(wanted.values())
    return {name: share / total for name, share in wanted.items()}


def fold_groups(groups: Sequence[str], folds: int, seed: int) -> list[int]:
    """Deal whole groups into folds of about equal size; gives the fold of each item, from 1.

    >>> fold_groups(["a", "b", "a", "c"], folds=3, seed=0).count(1) > 0
    True
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        raise CatalogError(f"{len(sizes)} group(s) cannot fill {folds} folds; use fewer folds, or smaller blocks")
    names = sorted(sizes)
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: -sizes[name])
    filled = [0] * folds
    fold_of: dict[str, int] = {}
    for name in names:
        fold = filled.index(min(filled))
        fold_of[name] = fold + 1
        filled[fold] += sizes[name]
    return [fold_of[g] for g in groups]


def apportion(items: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Share out whole items in proportion to weights, by largest remainders.

    >>> apportion(21_888, {"train": 20_000, "val": 1000, "test": 888})
    {'train': 20000, 'val': 1000, 'test': 888}
    >>> apportion(10, {"train": 2, "val": 1})
    {'train': 7, 'val': 3}
    """
    total = sum(weights.values())
    if not total > 0 or min(weights.values()) < 0:
        raise ConfigError(f"weights of splits must be positive, got {dict(weights)}")
    exact = {name: items * weight / total for name, weight in weights.items()}
    given = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: given[name] - exact[name])
    for name in by_remainder[: items - sum(given.values())]:
        given[name] += 1
    return given


def split_items(items: int, amounts: Mapping[str, int], seed: int) -> list[str | None]:
    """Draw the members of each split at random, one by one; None for those that are left over.

    >>> split_items(4, {"train": 2, "test": 1}, seed=0).count(None)
    1
    """
    if sum(amounts.values()) > items:
        raise CatalogError(f"{sum(amounts.values())} chips are asked for, but there are {items}")
    names: list[str | None] = [name for name, number in amounts.items() for _ in range(number)]
    names += [None] * (items - len(names))
    order = np.random.default_rng(seed).permutation(items)
    drawn: list[str | None] = [None] * items
    for place, name in zip(order, names, strict=True):
        drawn[place] = name
    return drawn


def block_of(window: Window, block_px: int) -> tuple[int, int] | None:
    """Give the (row, column) of the block that holds a window whole; None if it crosses a block border.

    >>> block_of(Window(0, 300, 256, 200), block_px=512), block_of(Window(0, 300, 256, 256), block_px=512)
    ((0, 0), None)
    """
    first = window.row // block_px, window.col // block_px
    last = (window.row_end - 1) // block_px, (window.col_end - 1) // block_px
    return first if first == last else None
