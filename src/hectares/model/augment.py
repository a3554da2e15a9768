"""Augmentation of image and label together, for any number of bands."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Augmentation = Literal["none", "flips", "d4"]
_CHOICES = {"none": 1, "flips": 4, "d4": 8}


def dihedral(array: NDArray[Any], element: int) -> NDArray[Any]:
    """Turn the last two axes by one of the eight symmetries of the square, 0 (identity) to 7.

    Bit 0 flips left and right, bit 1 flips up and down, bit 2 transposes.

    >>> dihedral(np.array([[1, 2], [3, 4]]), 1)
    array([[2, 1],
           [4, 3]])
    >>> dihedral(np.array([[1, 2], [3, 4]]), 4)
    array([[1, 3],
           [2, 4]])
    """
    if element & 4:
        array = array.swapaxes(-1, -2)
    if element & 1:
        array = array[..., ::-1]
    if element & 2:
        array = array[..., ::-1, :]
    return array


def choose_element(augmentation: Augmentation, *, seed: int, epoch: int, round_: int, chip: int) -> int:
    """Choose a symmetry for a chip: a function of (seed, epoch, pass, chip) alone, so that a resumed run repeats it."""
    rng = np.random.default_rng((seed, epoch, chip, round_))
    return int(rng.integers(_CHOICES[augmentation]))
