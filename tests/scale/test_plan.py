"""Batches and shards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.window import Tiling, Window
from hectares.errors import ConfigError
from hectares.scale.plan import WorkPlan


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 5), st.integers(1, 7))
def test_batches_hold_every_tile_once_and_shards_every_batch(height: int, width: int, batch: int, shards: int):
    plan = WorkPlan(Tiling((height, width), size=8, overlap=3), batch)
    assert [tile for tiles in plan for tile in tiles] == list(plan.tiling)
    assert [n for shard in range(shards) for n in plan.shard(shard + 1, shards)] == list(range(len(plan)))


def test_a_batch_is_neighbors_of_one_row():
    plan = WorkPlan(Tiling((20, 50), size=10, overlap=0), 3)
    assert [[(t.core.row, t.core.col) for t in tiles] for tiles in plan][:3] == [
        [(0, 0), (0, 10), (0, 20)],
        [(0, 30), (0, 40)],
        [(10, 0), (10, 10), (10, 20)],
    ]
    assert [plan.place(tile) for tile in (0, 2, 4, 5)] == [(0, 0), (0, 2), (1, 1), (2, 0)]


@pytest.mark.parametrize(("number", "count"), [(0, 3), (4, 3)])
def test_a_shard_that_does_not_exist_is_refused(number: int, count: int):
    with pytest.raises(ConfigError, match=f"shard {number}/3 does not exist; shards are 1/3 to 3/3"):
        WorkPlan(Tiling((9, 9), size=3, overlap=0)).shard(number, count)


@given(st.integers(0, 29), st.integers(0, 39), st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_the_tiles_over_a_window_are_those_that_meet_it(row: int, col: int, height: int, width: int, reads: bool):
    tiling = Tiling((30, 40), size=9, overlap=4, stride=2)
    window = Window(row, col, height, width)
    expected = [i for i, t in enumerate(tiling) if ((t.read if reads else t.core) & window).pixels]
    assert tiling.over(window, reads=reads) == expected


def test_context_and_overcompute_of_a_tiling():
    tiling = Tiling((4096, 4096), size=1024, overlap=64, stride=32)
    assert tiling.context == 32
    assert tiling.overcompute == pytest.approx(16 * 1088**2 / 4096**2)
    assert Tiling((10, 12), size=16, overlap=4).context == 0
