"""Geometry of augmentation: symmetries of the square as views, and one affine that is resampled once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

Sample = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.uint8]]
"""Scaled image (C, h, w), 0 where not valid; valid mask (h, w); label (h, w), or one plane a class (K, h, w)."""
Matrix = NDArray[np.float64]
"""(3, 3): from (x, y, 1) of a pixel that is wanted to where it is taken from, in px from the center of the chip."""
Move = Callable[[np.random.Generator, Sequence[float], tuple[int, int]], Matrix]
"""Draws a matrix, from the numbers of a step and the shape (h, w) of the chip."""

TURNS: Mapping[str, tuple[int, ...]] = {
    "hflip": (1,),
    "vflip": (2,),
    "transpose": (4,),
    "flips": (1, 2, 3),
    "d4": (1, 2, 3, 4, 5, 6, 7),
}
"""Elements that a step draws from, see `dihedral`; all but the identity."""


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


def turn(sample: Sample, name: str, rng: np.random.Generator) -> Sample:
    """Draw one of the symmetries of a step, views all; an oblong chip is not transposed, to keep its shape."""
    image, valid, label = sample
    square = valid.shape[0] == valid.shape[1]
    elements = [e for e in TURNS[name] if square or not e & 4]
    if not elements:
        return sample
    element = elements[int(rng.integers(len(elements)))]
    return dihedral(image, element), dihedral(valid, element), dihedral(label, element)


# --- Matrices ---------------------------------------------------------------------------------------------


def _matrix(a: float, b: float, c: float, d: float, *, x: float = 0.0, y: float = 0.0) -> Matrix:
    return np.array([[a, b, x], [c, d, y], [0, 0, 1]], np.float64)


def _both_ways(rng: np.random.Generator, amount: float) -> float:
    return float(rng.uniform(-amount, amount))


def _rotate(rng: np.random.Generator, values: Sequence[float], _: tuple[int, int]) -> Matrix:
    angle = math.radians(_both_ways(rng, values[0]))
    return _matrix(math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle))


def _shift(rng: np.random.Generator, values: Sequence[float], shape: tuple[int, int]) -> Matrix:
    height, width = shape
    return _matrix(1, 0, 0, 1, x=_both_ways(rng, values[0]) * width, y=_both_ways(rng, values[0]) * height)


def _shear(rng: np.random.Generator, values: Sequence[float], _: tuple[int, int]) -> Matrix:
    along_x, factor = rng.random() < 0.5, _both_ways(rng, values[0])
    return _matrix(1, factor, 0, 1) if along_x else _matrix(1, 0, factor, 1)


def _zoom(rng: np.random.Generator, values: Sequence[float], _: tuple[int, int]) -> Matrix:
    return _matrix(1 + _both_ways(rng, values[0]), 0, 0, 1 + _both_ways(rng, values[0]))


def _scale(rng: np.random.Generator, values: Sequence[float], shape: tuple[int, int]) -> Matrix:
    """Objects become larger or smaller by a factor, evenly in its logarithm; the cut is anywhere in what there is."""
    low, high = values
    step = 1 / math.exp(rng.uniform(math.log(low), math.log(high)))
    slack = abs(1 - step) / 2
    height, width = shape
    return _matrix(step, 0, 0, step, x=_both_ways(rng, slack) * width, y=_both_ways(rng, slack) * height)


MOVES: Mapping[str, Move] = {"rotate": _rotate, "shift": _shift, "shear": _shear, "zoom": _zoom, "scale": _scale}

# --- Resampling -------------------------------------------------------------------------------------------


def resample(sample: Sample, matrix: Matrix) -> Sample:
    """Take every pixel from where the matrix says, reflected at the edges of the chip.

    The image is bilinear between valid pixels alone; valid mask and label are those of the nearest pixel, so that no
    new code comes up, and what was not valid is not valid where it is reflected to.
    """
    image, valid, label = sample
    if np.array_equal(matrix, np.eye(3)):
        return sample
    grid = _grid(matrix, valid.shape)
    planes = label.reshape(-1, *valid.shape)
    codes = _sample(np.concatenate([valid[None], planes]).astype(np.float32), grid, "nearest")
    seen = codes[0] > 0
    if valid.all():
        moved = _sample(image, grid, "bilinear")
    else:
        mixed = _sample(np.concatenate([image, valid[None].astype(np.float32)]), grid, "bilinear")
        moved = mixed[:-1] * np.divide(1, mixed[-1], out=np.zeros_like(mixed[-1]), where=seen)
    return moved, seen, codes[1:].astype(np.uint8).reshape(label.shape)


def _grid(matrix: Matrix, shape: tuple[int, ...]) -> torch.Tensor:
    """Give where each pixel is taken from, (1, h, w, 2) as x, y, with -1 and 1 at the outer edges of the chip."""
    height, width = shape
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
    grid = np.empty((1, height, width, 2), np.float32)
    for axis, size in ((0, width), (1, height)):
        a, b, c = matrix[axis] * 2 / size
        grid[0, :, :, axis] = (a * x + c).astype(np.float32) + (b * y).astype(np.float32)[:, None]
    return torch.from_numpy(grid)


def _sample(planes: NDArray[np.float32], grid: torch.Tensor, mode: str) -> NDArray[np.float32]:
    source = torch.from_numpy(np.ascontiguousarray(planes))[None]
    moved = F.grid_sample(source, grid, mode=mode, padding_mode="reflection", align_corners=False)
    result: NDArray[np.float32] = moved[0].numpy()
    return result
