"""Small class maps that are hard to outline."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

NODATA = 255
WANTED = np.arange(256) < 254

maps = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2, 255]))
"""Random maps of three classes with nodata."""


def spiral(side: int) -> np.ndarray:
    """One object of class 1 that winds inwards, one pixel wide, on class 0."""
    labels = np.zeros((side, side), np.uint8)
    row = col = 0
    down, right = 0, 1
    for length in [side, *(n for n in range(side - 1, 1, -2) for _ in (0, 1))]:
        for _ in range(length - (length == side)):
            labels[row, col] = 1
            if not (0 <= row + down < side and 0 <= col + right < side):
                break
            row, col = row + down, col + right
        down, right = right, -down
    labels[row, col] = 1
    return labels


HARD = {
    "checkerboard": (np.indices((8, 9)).sum(0) % 2).astype(np.uint8),
    "diagonal": np.eye(7, dtype=np.uint8),
    "touching holes": np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], np.uint8),
    "hole that touches the rim": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], np.uint8),
    "islands in nodata": np.array([[255, 255, 255, 255], [255, 2, 255, 0], [255, 255, 2, 255]], np.uint8),
    "spiral": spiral(13),
    "columns": np.tile(np.array([0, 1, 0, 2], np.uint8), (9, 2)),
    "one pixel": np.array([[2]], np.uint8),
    "all nodata": np.full((3, 4), 255, np.uint8),
}
