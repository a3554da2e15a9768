"""The camera: haze, blur, band misregistration, noise and quantization."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hectares.generate.noise import FloatArray, smooth_noise

# Counts for a white surface on level ground, and the light that the air adds, by
# band (red, green, blue, nir): the shorter the wave, the more.
_GAIN = 2300.0
_PATH_COUNTS = (62.0, 84.0, 112.0, 30.0)
_FULL_SCALE = 2047
_BLUR_PX = 0.8
# Where each band lies against the red one, in pixels (row, col).
_OFFSET_PX = ((0.0, 0.0), (0.05, -0.08), (-0.10, 0.12), (0.15, 0.10))
_READ_NOISE = 4.0
_PHOTON_NOISE = 0.25  # variance in counts per count


def cloud_shadow(rng: np.random.Generator, shape: tuple[int, int], gsd_m: float) -> FloatArray:
    """Return (H, W) the part of direct sunlight that thin clouds take, mostly 0."""
    field = smooth_noise(rng, shape, 260.0 / gsd_m)
    return np.asarray(np.clip(0.34 * (field - 1.25), 0.0, 0.32), np.float32)


def record(light: FloatArray, gsd_m: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return the counts (4, H, W), 1..2047, that the sensor makes of the light (4, H, W)."""
    for_haze, *for_bands = rng.spawn(5)
    shape = light.shape[1], light.shape[2]
    haze = 1.0 + 0.22 * smooth_noise(for_haze, shape, 420.0 / gsd_m)
    tilt = np.linspace(-0.035, 0.035, shape[1], dtype=np.float32)
    counts = np.empty(light.shape, np.uint16)
    for band, child in enumerate(for_bands):
        blurred = light[band]
        for axis, offset in enumerate(_OFFSET_PX[band]):
            blurred = ndimage.correlate1d(blurred, _point_spread(offset), axis=axis, mode="nearest")
        signal = _GAIN * blurred * (1.0 + tilt) + _PATH_COUNTS[band] * haze
        noise = child.standard_normal(shape, dtype=np.float32)
        signal += noise * np.sqrt(_READ_NOISE**2 + _PHOTON_NOISE * signal)
        counts[band] = np.clip(np.rint(signal), 1, _FULL_SCALE)
    return counts


def _point_spread(offset_px: float) -> FloatArray:
    """Return a Gaussian kernel (9,) that blurs and shifts by part of a pixel at once."""
    at = np.arange(-4, 5) - offset_px
    kernel = np.exp(-0.5 * (at / _BLUR_PX) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float32)


def footprint(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (H, W) where the tilted image strip covers the grid.

    The strip leaves a wedge at the lower left and one at the upper right.
    """
    height, width = shape
    row = (np.arange(height)[:, None] + 0.5) / height
    col = (np.arange(width)[None, :] + 0.5) / width
    left = 0.055 * np.clip((row - 0.35) / 0.65, 0.0, None)
    right = 1.0 - 0.055 * np.clip((0.65 - row) / 0.65, 0.0, None)
    return np.asarray((col > left) & (col < right), np.bool_)
