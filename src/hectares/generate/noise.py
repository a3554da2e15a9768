"""Smooth random fields, the raw material of every texture in the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Standard deviation of white noise after cubic B-spline interpolation in two
# directions; dividing by it brings the field back to about unit variance.
_SPLINE_STD = 0.479


def _spline_taps(length: int, scale_px: float) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the first node (length,) and the 4 cubic B-spline weights (4, length)."""
    position = (np.arange(length) + 0.5) / scale_px
    first = np.floor(position).astype(np.intp)
    t = position - first
    weights = np.stack(
        [
            (1 - t) ** 3,
            3 * t**3 - 6 * t**2 + 4,
            -3 * t**3 + 3 * t**2 + 3 * t + 1,
            t**3,
        ]
    )
    return first, (weights / 6).astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> FloatArray:
    """Return a field (H, W) of about zero mean and unit variance that varies over `scale_px`.

    White noise on a coarse grid is interpolated with cubic B-splines: four taps
    a direction whatever the scale, where a Gaussian filter would grow with it.
    """
    (row, row_weights), (col, col_weights) = (_spline_taps(n, scale_px) for n in shape)
    grid = rng.standard_normal((int(row[-1]) + 4, int(col[-1]) + 4), dtype=np.float32)
    tall = np.zeros((shape[0], grid.shape[1]), np.float32)
    for k in range(4):
        tall += row_weights[k][:, None] * grid[row + k]
    field = np.zeros(shape, np.float32)
    for k in range(4):
        field += col_weights[k] * tall[:, col + k]
    field /= _SPLINE_STD
    return field


@dataclass(frozen=True)
class Textures:
    """Noise fields (H, W) shared by all painters, unit variance, named by their scale."""

    grain: FloatArray
    small: FloatArray
    medium: FloatArray
    large: FloatArray
    broad: FloatArray

    @classmethod
    def draw(cls, rng: np.random.Generator, shape: tuple[int, int], gsd_m: float) -> Textures:
        """Return the fields of 0 (white), 2, 7, 30 and 140 m for pixels of `gsd_m`."""
        white, *others = rng.spawn(5)
        fields = [
            smooth_noise(child, shape, scale_m / gsd_m)
            for child, scale_m in zip(others, (2.0, 7.0, 30.0, 140.0), strict=True)
        ]
        return cls(white.standard_normal(shape, dtype=np.float32), *fields)
