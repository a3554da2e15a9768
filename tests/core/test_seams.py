"""Label changes across borders of tiles against those inside."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.seams import SeamCounter
from hectares.core.window import Tiling, Window

MAP = np.array(
    [
        [1, 1, 2, 2, 2],
        [1, 1, 2, 3, 2],
        [4, 255, 2, 2, 2],
        [4, 4, 4, 2, 2],
    ],
    np.uint8,
)


def _count(labels: np.ndarray, rows: list[int], cols: list[int], size: tuple[int, int] = (999, 999)):
    counter = SeamCounter(labels.shape, rows, cols)
    whole = Window(0, 0, *labels.shape)
    for row in reversed(range(0, whole.height, size[0])):
        for col in range(0, whole.width, size[1]):
            window = Window(row, col, *size) & whole
            counter.add(window, labels[counter.reach(window).slices])
    return counter.result()


@pytest.mark.parametrize("size", [(1, 9), (2, 2), (3, 1), (1, 1), (9, 9)])
def test_pairs_are_told_apart_by_where_tiles_meet_whatever_the_windows(size: tuple[int, int]):
    found = _count(MAP, [0, 2], [0, 2], size)
    # across columns 1|2: rows 0 and 1 change, row 2 has a hole, row 3 does not; across rows 1|2: 1-4 and 3-2, of 4
    assert (found.border_pairs, found.border_changes) == (3 + 4, 2 + 2)
    # inside, side by side: 3 + 3 + 2 + 3 pairs, of which 2 in row 1 and 1 in row 3; one above the other: 5 + 4, 1 + 1
    assert (found.inner_pairs, found.inner_changes) == (11 + 9, 3 + 2)


def test_the_ratio_is_that_of_the_two_rates():
    found = _count(MAP, [0, 2], [0, 2])
    assert found.ratio == pytest.approx((4 / 7) / (5 / 20))
    assert (found.low, found.is_visible) == (None, False)


def test_one_tile_has_no_seams():
    found = _count(MAP, [0], [0])
    assert (found.border_pairs, found.ratio) == (0, None)


def test_noise_has_no_seams_and_flat_tiles_have():
    noise = np.random.default_rng(0).integers(0, 3, (96, 128), np.uint8)
    starts = [0, 32, 64], [0, 32, 64, 96]
    even = _count(noise, *starts)
    assert even.low is not None
    assert even.low < 1 < even.high
    tiles = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) % 5, np.ones((32, 32), np.uint8))
    mixed = np.where(noise == 0, np.uint8(9), tiles)
    assert _count(mixed, *starts).is_visible


def test_the_cores_of_a_tiling_are_taken():
    tiling = Tiling((60, 100), size=32, overlap=8, stride=4)
    labels = np.zeros((60, 100), np.uint8)
    for number, tile in enumerate(tiling):
        labels[tile.core.slices] = number
    counter = SeamCounter.of(tiling)
    counter.add(Window(0, 0, 60, 100), labels)
    found = counter.result()
    assert found.border_changes == found.border_pairs > 0
    assert found.inner_changes == 0
