"""Windows, splits, and whether splits leak into each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.chip_plan import Plan, PlannedChip, SceneOutline, SplitRule, find_leaks, plan_chips
from hectares.core.window import Window, chip_windows
from hectares.errors import CatalogError

SCENES = [SceneOutline(f"{city}{n}", city, (24, 40)) for city in "abcdef" for n in (1, 2)]
WINDOWS = [chip_windows(s.shape, chip_px=8, stride_px=8, edge="drop") for s in SCENES]
RULE = SplitRule("group")


def _no_counts() -> np.ndarray:
    raise AssertionError("labels are read only for a stratified split")


def _plan(rule: SplitRule, scenes: list[SceneOutline] = SCENES, windows: list[list[Window]] = WINDOWS) -> Plan:
    return plan_chips(scenes, windows, rule, _no_counts)


def _sizes(plan: Plan) -> Counter[str]:
    return Counter(chip.split for chips in plan for chip in chips)


def test_a_group_stays_together():
    splits_of: dict[str, set[str]] = {}
    for scene, chips in zip(SCENES, _plan(RULE), strict=True):
        splits_of.setdefault(scene.group, set()).update(c.split for c in chips)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert set().union(*splits_of.values()) == {"train", "val", "test"}


def test_a_whole_scene_is_the_room_of_its_chips():
    assert {c.room for chips in _plan(RULE) for c in chips} == {Window(0, 0, 24, 40)}


def test_official_splits_are_kept_and_lacking_ones_named():
    scenes = [replace(s, split="val" if s.group == "b" else "train") for s in SCENES]
    plan = _plan(SplitRule("official"), scenes)
    assert [chips[0].split for chips in plan[:4]] == ["train", "train", "val", "val"]
    with pytest.raises(CatalogError, match="scene 'a1' has no split: the source gives it none"):
        _plan(SplitRule("official"))


def test_blocks_go_whole_and_chips_across_a_border_are_left_out():
    scene = [SceneOutline("s", "s", (40, 40))]
    windows = [chip_windows((40, 40), chip_px=8, stride_px=4, edge="drop")]
    plan = _plan(SplitRule("block", block_px=16), scene, windows)
    assert all(c.window.row // 16 == (c.window.row_end - 1) // 16 for c in plan[0])
    assert {c.group for c in plan[0]} >= {"s@0,0", "s@1,2"}
    assert {c.room for c in plan[0] if c.group == "s@1,2"} == {Window(16, 32, 16, 8)}


def test_blocks_that_are_too_few_are_refused_with_a_way_out():
    with pytest.raises(CatalogError, match=r"give only 1 block\(s\) of 64 px; give a smaller --block-px"):
        _plan(SplitRule("block", block_px=64), SCENES[:1], WINDOWS[:1])


@given(st.integers(0, 99), st.integers(1, 20))
def test_a_buffer_keeps_splits_apart(seed: int, buffer_px: int):
    scene = [SceneOutline("s", "s", (96, 96))]
    windows = [chip_windows((96, 96), chip_px=8, stride_px=8, edge="drop")]
    plan = _plan(SplitRule("block", block_px=24, buffer_px=buffer_px, seed=seed), scene, windows)
    distance = find_leaks(plan).distance_px
    assert distance is None or distance >= buffer_px


def test_with_a_buffer_training_gives_way():
    scene = [SceneOutline("s", "s", (96, 96))]
    windows = [chip_windows((96, 96), chip_px=8, stride_px=8, edge="drop")]
    rule = SplitRule("block", block_px=24)
    before, after = (_sizes(_plan(replace(rule, buffer_px=b), scene, windows)) for b in (0, 8))
    assert after["test"] == before["test"]
    assert after["train"] < before["train"]


def test_every_group_is_tested_in_one_fold():
    tested = []
    for fold in (1, 2, 3):
        plan = _plan(SplitRule("kfold", folds=3, fold=fold, block_px=0))
        tested.append({s.group for s, chips in zip(SCENES, plan, strict=True) if chips[0].split == "test"})
    assert sorted(g for groups in tested for g in groups) == list("abcdef")


def test_the_fold_after_the_tested_one_validates():
    plan = _plan(SplitRule("kfold", folds=3, fold=3, block_px=0))
    following = _plan(SplitRule("kfold", folds=3, fold=1, block_px=0))
    validated = [s.id for s, chips in zip(SCENES, plan, strict=True) if chips[0].split == "val"]
    assert validated == [s.id for s, chips in zip(SCENES, following, strict=True) if chips[0].split == "test"]


def test_a_ratio_is_met_to_the_chip():
    shares = {"train": 20_000.0, "val": 1000.0, "test": 888.0}
    tiles = [SceneOutline(str(n), str(n), (6000, 6000)) for n in range(38)]
    windows = [chip_windows((6000, 6000), chip_px=256, stride_px=256, edge="pad")] * 38
    assert _sizes(_plan(SplitRule("ratio", shares=shares), tiles, windows)) == {
        "train": 20_000,
        "val": 1000,
        "test": 888,
    }


def test_counts_leave_the_rest_out():
    plan = _plan(SplitRule("counts", counts={"train": 100, "val": 30, "test": 20}))
    assert _sizes(plan) == {"train": 100, "val": 30, "test": 20}
    with pytest.raises(CatalogError, match="999 chips are asked for, but there are 180"):
        _plan(SplitRule("counts", counts={"train": 999}))


def test_the_seed_decides():
    ratio = SplitRule("ratio")
    assert _plan(ratio) == _plan(ratio)
    assert _plan(ratio) != _plan(replace(ratio, seed=1))


def test_a_stratified_split_spreads_a_rare_class():
    rare = np.array([[100, 5 if s.group in "abc" else 0] for s, ws in zip(SCENES, WINDOWS, strict=True) for _ in ws])
    plan = plan_chips(SCENES, WINDOWS, replace(RULE, stratify=True), lambda: rare)
    holders = {c.split for s, chips in zip(SCENES, plan, strict=True) for c in chips if s.group in "abc"}
    assert holders == {"train", "val", "test"}


@settings(max_examples=80)
@given(
    shapes=st.lists(st.tuples(st.integers(30, 90), st.integers(30, 90)), min_size=1, max_size=3),
    chip=st.integers(2, 9),
    stride=st.integers(1, 12),
    blocks=st.integers(1, 3),
    edge=st.sampled_from(["pad", "shift", "drop"]),
    seed=st.integers(0, 5),
)
def test_block_splits_share_no_pixel_and_no_block(
    shapes: list[tuple[int, int]], chip: int, stride: int, blocks: int, edge: str, seed: int
):
    block_px = chip * blocks
    scenes = [SceneOutline(str(n), "g", shape) for n, shape in enumerate(shapes)]
    windows = [chip_windows(shape, chip_px=chip, stride_px=stride, edge=edge) for shape in shapes]
    try:
        plan = _plan(SplitRule("block", block_px=block_px, seed=seed), scenes, windows)
    except CatalogError:
        return  # too few blocks hold a chip, which is refused
    for planned, shape in zip(plan, shapes, strict=True):
        owner = np.zeros((shape[0] + 40, shape[1] + 40), int)
        block_owner: dict[tuple[int, int], set[str]] = {}
        for item in planned:
            bit = {"train": 1, "val": 2, "test": 4}[item.split]
            owner[item.window.slices] |= bit
            block_owner.setdefault((item.window.row // block_px, item.window.col // block_px), set()).add(item.split)
        assert set(np.unique(owner)) <= {0, 1, 2, 4}
        assert all(len(splits) == 1 for splits in block_owner.values())
    assert {i.split for planned in plan for i in planned} == {"train", "val", "test"}


# --- Leaks ------------------------------------------------------------------------------------------------


def _chip(row: int, col: int, split: str, group: str = "g") -> PlannedChip:
    window = Window(row, col, 4, 4)
    return PlannedChip(window, split, group, window)


def test_chips_drawn_one_by_one_leak_and_it_is_said():
    leaks = find_leaks(_plan(SplitRule("ratio")))
    assert set(leaks.shared_groups) == set("abcdef")
    assert (leaks.overlapping, leaks.distance_px) == (0, 0.0)


def test_shared_pixels_are_counted_in_both_splits():
    leaks = find_leaks([[_chip(0, 0, "train"), _chip(0, 3, "test"), _chip(0, 8, "train")]])
    assert (leaks.overlapping, leaks.distance_px) == (2, 0.0)


def test_distance_runs_across_corners():
    leaks = find_leaks([[_chip(0, 0, "train", "a"), _chip(7, 8, "test", "b")]])
    assert leaks.shared_groups == ()
    assert leaks.distance_px == pytest.approx(5)


def test_scenes_that_lie_in_one_split_have_no_distance():
    assert find_leaks([[_chip(0, 0, "train", "a")], [_chip(0, 0, "test", "b")]]).distance_px is None


_places = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from(["train", "test"])), min_size=2, max_size=12
)


@given(_places)
def test_the_least_distance_is_that_of_single_pixels(places: list[tuple[int, int, str]]):
    chips = [_chip(row, col, split) for row, col, split in places]
    pixels = {
        s: [(r + i, c + j) for r, c, t in places if t == s for i in range(4) for j in range(4)]
        for s in ("train", "test")
    }
    leaks = find_leaks([chips])
    if not pixels["train"] or not pixels["test"]:
        assert leaks.distance_px is None
        return
    one, other = (np.array(pixels[s]) for s in ("train", "test"))
    apart = np.maximum(np.abs(one[:, None] - other[None]) - 1, 0)
    nearest = np.hypot(*np.moveaxis(apart, -1, 0)).min()
    same = (one[:, None] == other[None]).all(axis=-1).any()
    assert leaks.distance_px == pytest.approx(nearest)
    assert (leaks.overlapping > 0) == same
