"""Who goes into which split."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.sampling import apportion, block_of, fold_groups, split_groups, split_items, stratify_groups
from hectares.core.window import Window
from hectares.errors import CatalogError, ConfigError

THREE = {"train": 0.7, "val": 0.15, "test": 0.15}

_groups = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=40).filter(lambda g: len(set(g)) >= 3)


@given(_groups, st.integers(0, 9))
def test_a_group_is_in_one_split_and_no_split_is_empty(groups: list[str], seed: int):
    splits = split_groups(groups, THREE, seed)
    assert len({(g, s) for g, s in zip(groups, splits, strict=True)}) == len(set(groups))
    assert set(splits) == set(THREE)


@given(_groups, st.integers(0, 9), st.randoms(use_true_random=False))
def test_order_of_the_items_does_not_matter(groups: list[str], seed: int, shuffler: random.Random):
    by_group = dict(zip(groups, split_groups(groups, THREE, seed), strict=True))
    shuffled = list(groups)
    shuffler.shuffle(shuffled)
    assert split_groups(shuffled, THREE, seed) == [by_group[g] for g in shuffled]


def test_shares_are_met_with_many_small_groups():
    groups = [str(n) for n in range(200)]
    splits = split_groups(groups, THREE, seed=3)
    assert [splits.count(s) for s in ("train", "val", "test")] == [140, 30, 30]


def test_another_seed_gives_another_split():
    groups = [str(n) for n in range(50)]
    assert split_groups(groups, THREE, seed=1) != split_groups(groups, THREE, seed=2)


def test_a_split_without_a_share_stays_empty():
    assert set(split_groups(["a", "b"], {"train": 0.9, "val": 0.1, "test": 0}, seed=0)) == {"train", "val"}


def test_too_few_groups_are_refused():
    with pytest.raises(CatalogError, match=r"2 group\(s\) cannot fill 3 splits"):
        split_groups(["a", "a", "b"], THREE, seed=0)


@pytest.mark.parametrize("fractions", [{}, {"train": 0}, {"train": 1.2, "val": -0.2}])
def test_impossible_shares_are_refused(fractions: dict[str, float]):
    with pytest.raises(ConfigError, match="must be positive"):
        split_groups(["a", "b", "c"], fractions, seed=0)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 12))
def test_a_block_holds_its_windows_whole(row: int, col: int, height: int, width: int, block_px: int):
    window = Window(row, col, height, width)
    block = block_of(window, block_px)
    whole = [
        (r, c)
        for r in range(50)
        for c in range(50)
        if window & Window(r * block_px, c * block_px, block_px, block_px) == window
    ]
    assert ([] if block is None else [block]) == whole


# --- Classes, folds and numbers ---------------------------------------------------------------------------


@given(_groups, st.integers(0, 9))
def test_a_stratified_group_is_in_one_split_and_no_split_is_empty(groups: list[str], seed: int):
    counts = np.array([[len(g), ord(g[0]) % 3] for g in groups])
    splits = stratify_groups(groups, counts, THREE, seed)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    assert set(splits) == set(THREE)


def test_each_split_gets_its_share_of_every_class():
    rng = np.random.default_rng(5)
    groups = [str(n) for n in range(200)]
    counts = np.stack([rng.integers(0, 100, 200), (np.arange(200) % 20 == 0) * 50], axis=1)
    splits = np.array(stratify_groups(groups, counts, THREE, seed=1))
    shares = np.array([counts[splits == s].sum(axis=0) for s in THREE]) / counts.sum(axis=0)
    assert np.abs(shares - np.array([[0.7], [0.15], [0.15]])).max() < 0.06


def test_groups_without_labels_are_dealt_out_too():
    assert set(stratify_groups(["a", "b", "c"], np.zeros((3, 2)), THREE, seed=0)) == set(THREE)


@given(_groups, st.integers(2, 3))
def test_folds_are_whole_groups_and_none_is_empty(groups: list[str], folds: int):
    dealt = fold_groups(groups, folds, seed=0)
    assert set(dealt) == set(range(1, folds + 1))
    assert len(set(zip(groups, dealt, strict=True))) == len(set(groups))


def test_too_many_folds_are_refused():
    with pytest.raises(CatalogError, match=r"2 group\(s\) cannot fill 5 folds"):
        fold_groups(["a", "b"], 5, seed=0)


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 50), min_size=3, max_size=3))
def test_items_are_shared_out_to_the_last(items: int, weights: list[float]):
    given_ = apportion(items, dict(zip(THREE, weights, strict=True)))
    assert sum(given_.values()) == items
    exact = [items * w / sum(weights) for w in weights]
    assert all(abs(n - e) < 1 for n, e in zip(given_.values(), exact, strict=True))


def test_no_item_is_drawn_twice():
    drawn = split_items(10, {"train": 6, "val": 2, "test": 1}, seed=3)
    assert [drawn.count(s) for s in ("train", "val", "test", None)] == [6, 2, 1, 1]
