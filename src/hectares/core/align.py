"""By how much the content of two images of one place lies apart, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UPSAMPLING = 20
"""Positions of the peak that are tried within a pixel, per axis."""
MIN_SHARED = 0.3
"""Shifts that leave less than this share of the pixels in common are not considered."""
_FLANK_PX = 3
"""Around its peak, a correlation is high for the same reason as at the peak."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Rows and columns by which content lies too far down and right, and how sure that is."""

    rows: float
    cols: float
    confidence: float
    """Correlation at this shift minus that at the best other one: near 0 without texture, at most 1."""


def estimate_shift(
    reference: NDArray[Any],
    moving: NDArray[Any],
    *,
    reference_valid: NDArray[np.bool_] | None = None,
    moving_valid: NDArray[np.bool_] | None = None,
    max_shift_px: float | None = None,
) -> Shift:
    """Give the shift of `moving` (h, w) against `reference` (h, w): moving[r + rows, c + cols] shows reference[r, c].

    Compares strengths of edges, so that bands of other wavelengths and sensors can be compared. The whole-pixel
    shift is the peak of the masked normalized correlation, the fraction that of the correlation upsampled around it.
    `max_shift_px` is a quarter of the shorter side unless given.
    Source: Padfield 2012 (doi 10.1109/TIP.2011.2181402), Guizar-Sicairos et al. 2008 (doi 10.1364/OL.33.000156).
    """
    if reference.shape != moving.shape or reference.ndim != 2:
        raise ValueError(
            f"images of shape {reference.shape} and {moving.shape} cannot be compared; bring them together"
        )
    limit = max(1, int(min(reference.shape) / 4 if max_shift_px is None else max_shift_px))
    a, a_valid = _edges(reference, reference_valid)
    b, b_valid = _edges(moving, moving_valid)
    table = _masked_correlation(a, a_valid, b, b_valid, limit)
    if not np.isfinite(table).any():
        return Shift(0.0, 0.0, 0.0)
    peak = np.unravel_index(np.argmax(np.nan_to_num(table, nan=-np.inf)), table.shape)
    rows, cols = (int(p) - limit for p in peak)
    confidence = _lead(table, (int(peak[0]), int(peak[1])))
    fraction = _fraction(a, a_valid, b, b_valid, (rows, cols))
    return Shift(float(rows + fraction[0]), float(cols + fraction[1]), confidence)


def shrink(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Give an image (..., H, W) as means over fewer, larger pixels (..., h, w); sizes need not divide.

    >>> shrink(np.array([[0, 6, 3]]), (1, 2))
    array([[2., 4.]])
    """
    means = image.astype(np.float64)
    for axis, count in ((-2, shape[0]), (-1, shape[1])):
        means = np.moveaxis(_shrink_last(np.moveaxis(means, axis, -1), count), -1, axis)
    return means


def _shrink_last(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    size = values.shape[-1]
    edges = np.linspace(0, size, count + 1)
    whole = np.minimum(edges.astype(np.int64), size - 1)
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    below: NDArray[np.float64] = sums[..., whole] + (edges - whole) * values[..., whole]
    means: NDArray[np.float64] = np.diff(below, axis=-1) * (count / size)
    return means


def _edges(image: NDArray[Any], valid: NDArray[np.bool_] | None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the strength of edges (h, w), and where it does not depend on pixels that are not valid."""
    known = np.ones(image.shape, np.bool_) if valid is None else valid
    values = np.where(known, image, 0).astype(np.float64)
    strength = np.zeros(image.shape)
    inner = np.zeros(image.shape, np.bool_)
    down, right = values[2:, 1:-1] - values[:-2, 1:-1], values[1:-1, 2:] - values[1:-1, :-2]
    strength[1:-1, 1:-1] = np.hypot(down, right)
    inner[1:-1, 1:-1] = known[2:, 1:-1] & known[:-2, 1:-1] & known[1:-1, 2:] & known[1:-1, :-2] & known[1:-1, 1:-1]
    if inner.any():  # a few very strong edges must not decide alone
        strength = np.minimum(strength, np.percentile(strength[inner], 99))
    return np.where(inner, strength, 0), inner


def _masked_correlation(
    a: NDArray[np.float64], a_valid: NDArray[np.bool_], b: NDArray[np.float64], b_valid: NDArray[np.bool_], limit: int
) -> NDArray[np.float64]:
    """Give the correlation coefficient for all whole shifts up to a limit, NaN where little is shared or flat."""
    height, width = a.shape
    size = (height + limit, width + limit)  # room enough that shifts up to the limit do not wrap around
    rows = np.arange(-limit, limit + 1) % size[0]
    cols = np.arange(-limit, limit + 1) % size[1]

    def transform(image: NDArray[Any]) -> NDArray[np.complex128]:
        return np.fft.rfft2(image, size)

    def correlate(f: NDArray[np.complex128], g: NDArray[np.complex128]) -> NDArray[np.float64]:
        whole: NDArray[np.float64] = np.fft.irfft2(np.conj(f) * g, size)
        return whole[np.ix_(rows, cols)]

    scale = max(float(a.max(initial=0)), 1e-300), max(float(b.max(initial=0)), 1e-300)
    a, b = a / scale[0], b / scale[1]
    fa, fa2, fm = transform(a), transform(a * a), transform(a_valid)
    ga, ga2, gm = transform(b), transform(b * b), transform(b_valid)
    shared = np.maximum(np.rint(correlate(fm, gm)), 1)
    a_sum, b_sum = correlate(fa, gm), correlate(fm, ga)
    covariance = correlate(fa, ga) - a_sum * b_sum / shared
    a_spread = correlate(fa2, gm) - a_sum**2 / shared
    b_spread = correlate(fm, ga2) - b_sum**2 / shared
    enough = shared >= max(MIN_SHARED * a.size, 16)
    textured = (a_spread > 1e-9 * shared) & (b_spread > 1e-9 * shared)
    table = np.full(covariance.shape, np.nan)
    ok = enough & textured
    table[ok] = covariance[ok] / np.sqrt(a_spread[ok] * b_spread[ok])
    return table


def _lead(table: NDArray[np.float64], peak: tuple[int, int]) -> float:
    """Tell how far the peak stands above everything but its own flanks; 0 if there is nothing to compare it with."""
    others = table.copy()
    row, col = peak
    others[max(0, row - _FLANK_PX) : row + _FLANK_PX + 1, max(0, col - _FLANK_PX) : col + _FLANK_PX + 1] = np.nan
    rest = others[np.isfinite(others)]
    return 0.0 if rest.size == 0 else float(np.clip(table[peak] - max(rest.max(), 0), 0, 1))


def _fraction(
    a: NDArray[np.float64],
    a_valid: NDArray[np.bool_],
    b: NDArray[np.float64],
    b_valid: NDArray[np.bool_],
    whole: tuple[int, int],
) -> tuple[float, float]:
    """Give the rest of the shift after a whole one, within a pixel."""
    parts = [_overlap(n, size) for n, size in zip(whole, a.shape, strict=True)]
    in_a, in_b = tuple(p[0] for p in parts), tuple(p[1] for p in parts)
    both = a_valid[in_a] & b_valid[in_b]
    taper = np.hanning(both.shape[0] + 2)[1:-1, None] * np.hanning(both.shape[1] + 2)[1:-1] * both
    f, g = (np.fft.fft2((v - v[both].mean()) * taper) for v in (a[in_a], b[in_b]))
    cross = np.conj(f) * g
    steps = np.arange(-UPSAMPLING, UPSAMPLING + 1) / UPSAMPLING
    phases = [np.exp(2j * np.pi * np.outer(steps, np.fft.fftfreq(n))) for n in both.shape]
    table = (phases[0] @ cross @ phases[1].T).real
    row, col = np.unravel_index(np.argmax(table), table.shape)
    return float(steps[row]), float(steps[col])


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Give what two rows of pixels share, in each of them, when the second lies `shift` further on.

    >>> _overlap(2, 10)
    (slice(0, 8, None), slice(2, 10, None))
    """
    return slice(max(0, -shift), size - max(0, shift)), slice(max(0, shift), size - max(0, -shift))
