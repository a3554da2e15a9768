"""Units of chips and of squares."""

from __future__ import annotations

from hectares.core.scoring.blocks import chip_units, square_units, squares_of
from hectares.core.window import Window


def chips(rows: int, cols: int) -> list[Window]:
    return [Window(r * 8, c * 8, 8, 8) for r in range(rows) for c in range(cols)]


def test_ten_groups_are_the_units():
    windows = [Window(0, 0, 8, 8)] * 20
    scenes, groups = [f"s{n}" for n in range(20)], [f"g{n // 2}" for n in range(20)]
    assert chip_units(scenes, groups, windows, "auto").names == tuple(groups)
    assert chip_units(scenes, groups, windows, "auto").what == "groups of scenes"
    assert chip_units(scenes, scenes, windows, "auto").what == "scenes"


def test_groups_within_a_scene_are_blocks():
    windows, groups = [Window(0, 8 * n, 8, 8) for n in range(10)], [f"a {n}" for n in range(10)]
    assert chip_units(["a"] * 10, groups, windows, "auto").what == "blocks by which the scenes were split"


def test_many_scenes_of_few_groups_are_units_that_are_named_so():
    windows, scenes = [Window(0, 0, 8, 8)] * 20, [f"s{n}" for n in range(20)]
    found = chip_units(scenes, ["one"] * 20, windows, "auto")
    assert (found.what, found.names) == ("scenes of few groups", tuple(scenes))
    assert set(chip_units(scenes, ["one"] * 20, windows, "group").names) == {"one"}


def test_blocks_are_as_large_as_leaves_twenty_of_them():
    windows = chips(12, 10)  # 96 x 80 px: 30 blocks of 16 px, 9 of 32 px
    found = chip_units(["a"] * 120, ["a"] * 120, windows, "auto")
    assert found.what == "blocks of 16 px"
    assert len(set(found.names)) == 30


def test_blocks_of_different_scenes_are_different():
    windows = chips(1, 2)
    assert chip_units(["a", "b"], ["g", "g"], windows, "block", 64).names == ("a r0 c0", "b r0 c0")


def test_squares_cover_a_map_once():
    squares = list(squares_of((100, 150)))
    assert sum(w.pixels for w in squares) == 100 * 150
    assert squares[-1] == Window(64, 128, 36, 22)


def test_squares_belong_to_blocks():
    squares = list(squares_of((128, 256), 64))
    assert square_units(squares, 128).names == ("r0 c0", "r0 c0", "r0 c128", "r0 c128") * 2
    assert square_units(squares).what == "blocks of 64 px"


def test_blocks_of_many_scenes_are_no_larger_than_these():
    scenes = [f"s{n}" for n in range(25)]
    assert chip_units(scenes, scenes, [Window(0, 8, 8, 8)] * 25, "block").what == "blocks of 16 px"
