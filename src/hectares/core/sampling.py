"""Who goes into which split, so that neighbors never meet across a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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
    wanted = {name: share for name, share in fractions.items() if share > 0}
    if not wanted or any(share < 0 for share in fractions.values()):
        raise ConfigError(f"split fractions must be positive, got {dict(fractions)}")
    names = sorted(set(groups))
    if len(names) < len(wanted):
        raise CatalogError(
            f"{len(names)} group(s) cannot fill {len(wanted)} splits ({', '.join(wanted)}); "
            "use --split block to cut scenes into blocks, or name the split of each scene in a CSV"
        )
    sizes = dict.fromkeys(names, 0)
    for group in groups:
        sizes[group] += 1
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: -sizes[name])  # large groups first: the small ones even out the shares
    total = sum(wanted.values())
    missing = {split: share / total * len(groups) for split, share in wanted.items()}
    assigned: dict[str, str] = {}
    for position, name in enumerate(names):
        empty = [split for split in wanted if split not in assigned.values()]
        forced = len(names) - position <= len(empty)
        split = max(empty if forced else wanted, key=lambda s: missing[s])
        assigned[name] = split
        missing[split] -= sizes[name]
    return [assigned[group] for group in groups]


def block_of(window: Window, block_px: int) -> tuple[int, int] | None:
    """Give the (row, column) of the block that holds a window whole; None if it crosses a block border.

    >>> block_of(Window(0, 300, 256, 200), block_px=512), block_of(Window(0, 300, 256, 256), block_px=512)
    ((0, 0), None)
    """
    first = window.row // block_px, window.col // block_px
    last = (window.row_end - 1) // block_px, (window.col_end - 1) // block_px
    return first if first == last else None
