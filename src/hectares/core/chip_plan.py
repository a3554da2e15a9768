"""Which windows of which scenes become chips, and in which split; and whether the splits leak into each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.sampling import (
    SPLITS,
    apportion,
    block_of,
    fold_groups,
    split_groups,
    split_items,
    stratify_groups,
)
from hectares.core.window import Window
from hectares.errors import CatalogError

SplitKind = Literal["official", "named", "group", "block", "kfold", "ratio", "counts"]
ClassCounts = Callable[[], NDArray[Any]]
"""Gives the labelled pixels of each class in each chip, (N, K), in the order of scenes and windows."""

_PRIORITY = {"test": 0, "val": 1, "train": 2}
_PAIRS_AT_ONCE = 2**24


@dataclass(frozen=True, slots=True)
class SceneOutline:
    """What a plan needs to know of a scene."""

    id: str
    group: str
    shape: tuple[int, int]
    split: str | None = None
    """Where the source, or the user, puts it."""


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How chips are given to splits."""

    kind: SplitKind
    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 0.7, "val": 0.15, "test": 0.15})
    """Weights of the splits, for group, block and ratio."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Numbers of chips, for counts."""
    block_px: int = 1024
    buffer_px: int = 0
    """Chips this close to a block of another split are left out: train gives way to val, and both to test."""
    folds: int = 5
    fold: int = 1
    """The fold that is the test split; the next one is val, if val has a share."""
    stratify: bool = False
    """Give each split its share of every class."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PlannedChip:
    """A window of a scene, and the split it belongs to."""

    window: Window
    split: str
    group: str
    room: Window
    """Where the window may be moved to without touching another split."""


Plan = list[list[PlannedChip]]
"""The chips of each scene, in the order of the scenes."""


def plan_chips(
    scenes: Sequence[SceneOutline], windows: Sequence[Sequence[Window]], rule: SplitRule, class_counts: ClassCounts
) -> Plan:
    """Give every window its split; windows that a rule leaves out are not in the plan.

    Raises CatalogError if the rule cannot be met by these scenes.
    """
    if rule.kind in {"official", "named"}:
        return [_whole_scene(s, ws, _given(s, rule)) for s, ws in zip(scenes, windows, strict=True)]
    if rule.kind in {"ratio", "counts"}:
        return _split_chips(scenes, windows, rule, class_counts)
    blocks = [_blocks(s, ws, rule) for s, ws in zip(scenes, windows, strict=True)]
    places = [p for scene in blocks for p in scene]
    groups = [p.group for p in places]
    if rule.kind == "block":
        _need_blocks(scenes, len(set(groups)), rule)
    if rule.kind == "kfold":
        splits = _folds(groups, rule)
    elif rule.stratify:
        counts = class_counts()
        kept = [i for i, place in enumerate(_all_places(windows, blocks)) if place is not None]
        splits = stratify_groups(groups, counts[kept], rule.shares, rule.seed)
    else:
        splits = split_groups(groups, rule.shares, rule.seed)
    split_of = dict(zip(groups, splits, strict=True))
    plan = [[PlannedChip(p.window, split_of[p.group], p.group, p.room) for p in scene] for scene in blocks]
    return [_keep_distance(chips, rule.buffer_px) for chips in plan] if rule.buffer_px else plan


@dataclass(frozen=True, slots=True)
class _Place:
    window: Window
    group: str
    room: Window


def _given(scene: SceneOutline, rule: SplitRule) -> str:
    if scene.split is None:
        hint = "the source gives it none" if rule.kind == "official" else "the list does not name it"
        raise CatalogError(f"scene {scene.id!r} has no split: {hint}; use --split group, or name it in a CSV")
    return scene.split


def _whole_scene(scene: SceneOutline, windows: Sequence[Window], split: str) -> list[PlannedChip]:
    inside = Window(0, 0, *scene.shape)
    return [PlannedChip(w, split, scene.group, _room(w, inside)) for w in windows]


def _room(window: Window, room: Window) -> Window:
    """The room, but at least the window itself, which may reach beyond it at the edge."""
    fits = room.height >= window.height and room.width >= window.width
    return room if fits else window


def _blocks(scene: SceneOutline, windows: Sequence[Window], rule: SplitRule) -> list[_Place]:
    inside = Window(0, 0, *scene.shape)
    if rule.kind == "group" or (rule.kind == "kfold" and rule.block_px == 0):
        return [_Place(w, scene.group, _room(w, inside)) for w in windows]
    places = []
    for window in windows:
        block = block_of(window, rule.block_px)
        if block is not None:
            row, col = (n * rule.block_px for n in block)
            room = Window(row, col, rule.block_px, rule.block_px) & inside
            free = window if rule.buffer_px else _room(window, room)
            places.append(_Place(window, f"{scene.id}@{block[0]},{block[1]}", free))
    return places


def _all_places(windows: Sequence[Sequence[Window]], blocks: Sequence[Sequence[_Place]]) -> list[_Place | None]:
    """For each window, in order, its place, or None if it was left out."""
    found: list[_Place | None] = []
    for ws, places in zip(windows, blocks, strict=True):
        by_window = {p.window: p for p in places}
        found += [by_window.get(w) for w in ws]
    return found


def _need_blocks(scenes: Sequence[SceneOutline], blocks: int, rule: SplitRule) -> None:
    if blocks < sum(share > 0 for share in rule.shares.values()):
        raise CatalogError(
            f"{len(scenes)} scene(s) of up to {max(max(s.shape) for s in scenes)} px give only {blocks} "
            f"block(s) of {rule.block_px} px; give a smaller --block-px (at least --chip-px)"
        )


def _folds(groups: Sequence[str], rule: SplitRule) -> list[str]:
    following = rule.fold % rule.folds + 1
    val = following if rule.shares.get("val", 0) > 0 and rule.folds > 2 else 0
    names = {rule.fold: "test", val: "val"}
    return [names.get(fold, "train") for fold in fold_groups(groups, rule.folds, rule.seed)]


def _split_chips(
    scenes: Sequence[SceneOutline], windows: Sequence[Sequence[Window]], rule: SplitRule, class_counts: ClassCounts
) -> Plan:
    """Give single chips to splits, as the literature does; neighbors may meet across splits."""
    total = sum(map(len, windows))
    if rule.kind == "ratio" and rule.stratify:
        each = [str(n) for n in range(total)]
        splits: list[str | None] = [*stratify_groups(each, class_counts(), rule.shares, rule.seed)]
    else:
        amounts = dict(rule.counts) if rule.kind == "counts" else apportion(total, rule.shares)
        splits = split_items(total, amounts, rule.seed)
    given = iter(splits)
    plan: Plan = []
    for scene, ws in zip(scenes, windows, strict=True):
        drawn = [(w, next(given)) for w in ws]
        plan.append([PlannedChip(w, split, scene.group, w) for w, split in drawn if split is not None])
    return plan


def _keep_distance(chips: Sequence[PlannedChip], buffer_px: int) -> list[PlannedChip]:
    """Leave out chips within the buffer around a chip of a split that goes before theirs."""
    kept = []
    boxes = {split: _boxes([c.window for c in chips if c.split == split]) for split in SPLITS}
    for chip in chips:
        before = [boxes[s] for s in SPLITS if _PRIORITY[s] < _PRIORITY[chip.split] and len(boxes[s])]
        if all(_gaps(_boxes([chip.window]), others).min() >= buffer_px for others in before):
            kept.append(chip)
    return kept


# --- Leaks ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaks:
    """How well the splits are kept apart."""

    shared_groups: tuple[str, ...]
    """Groups that have chips in several splits."""
    overlapping: int
    """Chips that share pixels with a chip of another split."""
    distance_px: float | None
    """Least distance between chips of different splits within a scene, None if no scene is in two splits."""


def find_leaks(plan: Plan) -> Leaks:
    """Tell which groups meet across splits, how many chips share pixels, and how near the splits come.

    >>> here, there = Window(0, 0, 4, 4), Window(0, 6, 4, 4)
    >>> chips = [PlannedChip(here, "train", "a", here), PlannedChip(there, "test", "a", there)]
    >>> find_leaks([chips])
    Leaks(shared_groups=('a',), overlapping=0, distance_px=2.0)
    """
    splits_of: dict[str, set[str]] = defaultdict(set)
    overlapping, nearest = 0, np.inf
    for chips in plan:
        by_split: dict[str, list[Window]] = defaultdict(list)
        for chip in chips:
            splits_of[chip.group].add(chip.split)
            by_split[chip.split].append(chip.window)
        for split, windows in by_split.items():
            others = [w for s, ws in by_split.items() if s != split for w in ws]
            if others:
                gaps = _least_gaps(_boxes(windows), _boxes(others))
                overlapping += int((gaps < 0).sum())
                nearest = min(nearest, float(gaps.min()))
    shared = tuple(sorted(g for g, splits in splits_of.items() if len(splits) > 1))
    return Leaks(shared, overlapping, None if np.isinf(nearest) else max(0.0, nearest))


def _boxes(windows: Sequence[Window]) -> NDArray[np.int64]:
    return np.array([(w.row, w.col, w.row_end, w.col_end) for w in windows], np.int64).reshape(-1, 4)


def _gaps(boxes: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance in pixels from each box to each other, (N, M); -1 where they share pixels."""
    rows = np.maximum(boxes[:, None, 0] - others[None, :, 2], others[None, :, 0] - boxes[:, None, 2])
    cols = np.maximum(boxes[:, None, 1] - others[None, :, 3], others[None, :, 1] - boxes[:, None, 3])
    apart = np.hypot(np.maximum(rows, 0), np.maximum(cols, 0))
    return np.where((rows < 0) & (cols < 0), -1.0, apart)


def _least_gaps(boxes: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    step = max(1, _PAIRS_AT_ONCE // len(others))
    return np.concatenate([_gaps(boxes[i : i + step], others).min(axis=1) for i in range(0, len(boxes), step)])
