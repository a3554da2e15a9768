"""Windows, tilings and chips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.window import TILE_STRETCH, Tiling, Window, chip_windows
from hectares.errors import ConfigError
from strategies import tilings, windows

# --- Window -----------------------------------------------------------------------------------------------


def test_a_window_says_where_it_ends():
    window = Window(row=3, col=-2, height=4, width=5)
    assert (window.row_end, window.col_end, window.shape, window.pixels) == (7, 3, (4, 5), 20)


def test_slices_cut_the_window_from_an_array():
    array = np.arange(35).reshape(5, 7)
    assert array[Window(1, 4, 2, 3).slices].tolist() == [[11, 12, 13], [18, 19, 20]]


@pytest.mark.parametrize("shape", [(-1, 3), (3, -1)])
def test_negative_size_is_refused(shape: tuple[int, int]):
    with pytest.raises(ConfigError, match="no negative size"):
        Window(0, 0, *shape)


@given(windows(), windows())
def test_intersection_holds_exactly_the_shared_pixels(a: Window, b: Window):
    def pixels(w: Window) -> set[tuple[int, int]]:
        return {(r, c) for r in range(w.row, w.row_end) for c in range(w.col, w.col_end)}

    assert pixels(a & b) == pixels(a) & pixels(b)


@given(windows(), windows())
def test_within_and_shift_undo_each_other(a: Window, outer: Window):
    assert a.within(outer).shift(outer.row, outer.col) == a


# --- Tiling -----------------------------------------------------------------------------------------------


def _owners(tiling: Tiling, axis: int) -> np.ndarray:
    """How many cores hold each row (axis 0) or column (axis 1). Cores are a product of the two axes."""
    rows, cols = tiling.counts
    tiles = [tiling[i * cols] for i in range(rows)] if axis == 0 else [tiling[j] for j in range(cols)]
    count = np.zeros(tiling.shape[axis], int)
    for tile in tiles:
        count[tile.core.slices[axis]] += 1
    return count


@settings(max_examples=2500)
@given(tilings())
def test_cores_cover_every_pixel_exactly_once(tiling: Tiling):
    for axis in (0, 1):
        assert (_owners(tiling, axis) == 1).all()


@settings(max_examples=2500)
@given(tilings())
def test_a_core_lies_inside_its_read_and_inside_the_scene(tiling: Tiling):
    scene = Window(0, 0, *tiling.shape)
    for tile in (tiling[0], tiling[-1], tiling[len(tiling) // 2]):
        assert tile.core & tile.read == tile.core
        assert tile.core & scene == tile.core
        assert tile.core.pixels > 0


@settings(max_examples=2500)
@given(tilings())
def test_inside_the_scene_a_core_keeps_half_the_overlap_as_context(tiling: Tiling):
    least = tiling.overlap // 2
    for tile in (tiling[0], tiling[-1], tiling[len(tiling) // 2]):
        r, c = tile.read, tile.core
        assert c.row == 0 or c.row - r.row >= least
        assert c.col == 0 or c.col - r.col >= least
        assert c.row_end == tiling.shape[0] or r.row_end - c.row_end >= least
        assert c.col_end == tiling.shape[1] or r.col_end - c.col_end >= least


@settings(max_examples=2500)
@given(tilings())
def test_reads_are_of_one_size_on_multiples_of_the_stride(tiling: Tiling):
    for tile in (tiling[0], tiling[-1], tiling[len(tiling) // 2]):
        assert tile.read.shape == tiling.tile_shape
        assert all(v % tiling.stride == 0 for v in (tile.read.row, tile.read.col, *tile.read.shape))
    longest = max(tiling.size * TILE_STRETCH, tiling.size + tiling.stride - 1)
    assert max(tiling.tile_shape) <= longest


def test_small_scene_partitions_when_every_pixel_is_counted():
    count = np.zeros((13, 17), int)
    tiling = Tiling((13, 17), size=8, overlap=4, stride=2)
    for tile in tiling:
        count[tile.core.slices] += 1
    assert (count == 1).all()
    assert len(tiling) > 1


def test_size_is_fitted_to_equal_tiles():
    tiling = Tiling((4096, 4096), size=1024, overlap=64, stride=32)
    assert (tiling.tile_shape, tiling.counts) == ((1088, 1088), (4, 4))


def test_a_scene_that_is_hardly_larger_than_a_tile_is_one_tile():
    tiling = Tiling((1100, 3), size=1024, overlap=512, stride=1)
    assert (len(tiling), tiling.tile_shape) == (1, (1100, 3))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (17, 13), (997, 1009)])
def test_odd_scenes_are_tiled(shape: tuple[int, int]):
    tiling = Tiling(shape, size=256, overlap=64, stride=16)
    assert sum(t.core.pixels for t in tiling) == shape[0] * shape[1]


@pytest.mark.parametrize("overlap", [64, 65, 1000])
def test_overlap_as_large_as_the_tile_is_refused(overlap: int):
    with pytest.raises(ConfigError, match=f"overlap {overlap} px must be smaller than the tile size 64 px"):
        Tiling((500, 400), size=64, overlap=overlap)


def test_overlap_that_leaves_no_stride_is_refused_with_the_largest_possible():
    with pytest.raises(ConfigError, match="overlap of at most 32 px"):
        Tiling((500, 400), size=64, overlap=40, stride=32)


@pytest.mark.parametrize("wrong", [{"shape": (0, 5)}, {"size": 0}, {"overlap": -1}, {"stride": 0}])
def test_impossible_numbers_are_refused(wrong: dict[str, object]):
    numbers = {"shape": (9, 5), "size": 4, "overlap": 1, "stride": 1} | wrong
    with pytest.raises(ConfigError, match="cannot tile"):
        Tiling(**numbers)


def test_a_tiling_is_a_sequence():
    tiling = Tiling((40, 60), size=16, overlap=4)
    assert list(tiling) == [tiling[i] for i in range(len(tiling))]
    assert tiling[-1] == tiling[len(tiling) - 1]
    assert tiling[1:3] == [tiling[1], tiling[2]]
    with pytest.raises(IndexError):
        tiling[len(tiling)]


# --- Chips ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "chip_px", "stride_px", "edge", "count"),
    [
        ((6000, 6000), 256, 256, "pad", 576),
        ((6000, 6000), 256, 256, "drop", 529),
        ((1024, 1024), 128, 16, "drop", 3249),
        ((6000, 6000), 512, 512, "shift", 144),
        ((5, 7), 8, 8, "pad", 1),
        ((5, 7), 8, 8, "shift", 1),
        ((5, 7), 8, 8, "drop", 0),
    ],
)
def test_number_of_chips(shape: tuple[int, int], chip_px: int, stride_px: int, edge: str, count: int):
    assert len(chip_windows(shape, chip_px=chip_px, stride_px=stride_px, edge=edge)) == count


_sizes = st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20))


@given(_sizes, st.sampled_from(["pad", "shift"]), st.data())
def test_chips_without_gaps_cover_the_scene(sizes: tuple[int, int, int], edge: str, data: st.DataObject):
    height, width, chip = sizes
    stride = data.draw(st.integers(1, chip))
    count = np.zeros((height, width), int)
    for window in chip_windows((height, width), chip_px=chip, stride_px=stride, edge=edge):
        count[(window & Window(0, 0, height, width)).slices] += 1
    assert count.min() >= 1


@given(_sizes, st.integers(1, 30))
def test_dropped_and_shifted_chips_stay_inside_a_scene_that_holds_one(sizes: tuple[int, int, int], stride: int):
    height, width, chip = sizes
    scene = Window(0, 0, height, width)
    dropped = chip_windows(scene.shape, chip_px=chip, stride_px=stride, edge="drop")
    assert all(w & scene == w for w in dropped)
    if min(height, width) >= chip:
        shifted = chip_windows(scene.shape, chip_px=chip, stride_px=stride, edge="shift")
        assert all(w & scene == w for w in shifted)
        assert len(set(shifted)) == len(shifted)


@pytest.mark.parametrize("shape", [(100, 100), (64, 64)])
def test_unknown_edge_is_refused_whatever_the_scene(shape: tuple[int, int]):
    with pytest.raises(ConfigError, match="edge 'wrap' is unknown"):
        chip_windows(shape, chip_px=32, stride_px=32, edge="wrap")


@pytest.mark.parametrize(("chip_px", "stride_px"), [(0, 1), (1, 0)])
def test_chips_of_no_size_are_refused(chip_px: int, stride_px: int):
    with pytest.raises(ConfigError, match="at least 1 px"):
        chip_windows((9, 9), chip_px=chip_px, stride_px=stride_px, edge="pad")
