"""Values of augmentation: light, noise, blur, and what is not seen. For scaled values of any range and band count.

What is drawn for brightness and noise is in units of the `spread` of each band: its deviation, as the network sees it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.model.augmentation.mixing import rectangle
from hectares.model.augmentation.warp import Sample

Spread = NDArray[np.float32]
"""(C,): deviation of each band."""
Change = Callable[[Sample, np.random.Generator, Sequence[float], Spread], None]
"""Changes a chip in place."""

_LOOK_AT = 64
"""Mean and deviation of a chip are taken from about so many rows and columns."""
_REACH = 2.5
"""Deviations of a Gaussian up to which it is summed."""


def center_and_spread(sample: Sample) -> tuple[NDArray[np.float32], Spread]:
    """Give mean and deviation of the valid pixels of each band, estimated on a grid; 0 if there are none."""
    image, valid, _ = sample
    step = max(1, min(valid.shape) // _LOOK_AT)
    seen = image[:, ::step, ::step][:, valid[::step, ::step]]
    if not seen.shape[1]:
        nothing = np.zeros(len(image), np.float32)
        return nothing, nothing
    return seen.mean(axis=1), seen.std(axis=1)


def _drawn(rng: np.random.Generator, values: Sequence[float], bands: int) -> NDArray[np.float32]:
    """Draw one number for the chip plus one for each band, (C, 1, 1), up to the two values."""
    chip, band = values
    drawn = rng.uniform(-chip, chip) + rng.uniform(-band, band, bands)
    return drawn.astype(np.float32)[:, None, None]


def _brightness(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    image = sample[0]
    image += _drawn(rng, values, len(image)) * spread[:, None, None]


def _contrast(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    """Further from the mean of the chip, or closer to it, by a factor e^drawn."""
    del spread
    image = sample[0]
    center = center_and_spread(sample)[0][:, None, None]
    factor = np.exp(_drawn(rng, values, len(image)))
    image *= factor
    image += center * (1 - factor)


def _gamma(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    """Raise to the power e^drawn, between the smallest and the largest value of the chip, which stay."""
    del spread
    image, valid, _ = sample
    powers = np.exp(_drawn(rng, values, len(image))).ravel()
    if not valid.any():
        return
    whole = bool(valid.all())
    for n, power in enumerate(powers):  # band by band, which stays near the processor
        band = image[n]
        seen = band if whole else band[valid]
        low, high = seen.min(), seen.max()
        if high > low:
            band -= low
            band /= high - low
            np.clip(band, 0, 1, out=band)
            np.power(band, power, out=band)
            band *= high - low
            band += low


def _noise(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    """Gaussian noise, each pixel and band for itself; torch draws it at twice the speed of numpy."""
    image = sample[0]
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    strength = np.float32(rng.uniform(0, values[0])) * spread
    drawn = torch.empty(image.shape[1:])
    for n, deviation in enumerate(strength):
        torch.randn(drawn.shape, generator=generator, out=drawn)
        image[n] += drawn.mul_(float(deviation)).numpy()


def _blur(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    """Gaussian, from valid pixels alone; below a third of the deviation asked for hardly anything would happen."""
    del spread
    image, valid, _ = sample
    weights = gaussian(float(rng.uniform(values[0] / 3, values[0])))
    share = None if valid.all() else np.maximum(_smooth(valid.astype(np.float32), weights), np.float32(1e-6))
    for n in range(len(image)):
        image[n] = _smooth(image[n], weights)
        if share is not None:
            image[n] /= share


def gaussian(deviation: float) -> NDArray[np.float32]:
    """Give one half of a Gaussian from its middle outwards; the whole adds up to 1.

    >>> gaussian(0.0)
    array([1.], dtype=float32)
    >>> gaussian(0.4).round(3)
    array([0.919, 0.04 ], dtype=float32)
    """
    if deviation < 1e-3:
        return np.ones(1, np.float32)
    half = np.exp(-0.5 * (np.arange(math.ceil(_REACH * deviation) + 1) / deviation) ** 2)
    weights: NDArray[np.float32] = (half / (2 * half.sum() - half[0])).astype(np.float32)
    return weights


def _smooth(plane: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh neighbors along both axes: sums of shifted planes, which take less time than a convolution of torch."""
    height, width = plane.shape
    up, side = (min(len(weights) - 1, size) for size in plane.shape)
    wide = np.pad(plane, ((up, up), (side, side)), mode="symmetric")
    rows = wide[up : up + height] * weights[0]
    pair = np.empty_like(rows)
    for far in range(1, up + 1):
        np.add(wide[up - far : up - far + height], wide[up + far : up + far + height], out=pair)
        pair *= weights[far]
        rows += pair
    total: NDArray[np.float32] = rows[:, side : side + width] * weights[0]
    pair = pair[:, :width]
    for far in range(1, side + 1):
        np.add(rows[:, side - far : side - far + width], rows[:, side + far : side + far + width], out=pair)
        pair *= weights[far]
        total += pair
    return total


def _band_drop(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    """Set bands to 0, as where nothing was observed: at least one, and never all."""
    del spread
    image = sample[0]
    bands = len(image)
    if bands == 1:
        return
    order = rng.permutation(bands)
    count = min(max(1, int(rng.binomial(bands, values[0]))), bands - 1)
    image[order[:count]] = 0


def _erase(sample: Sample, rng: np.random.Generator, values: Sequence[float], spread: Spread) -> None:
    """Make a rectangle as if it was not observed: 0, not valid, label ignore. A guess there is not learned."""
    del spread
    image, valid, label = sample
    rows, cols = rectangle(rng, valid.shape, values[0] / 4, values[0])
    image[:, rows, cols] = 0
    valid[rows, cols] = False
    label[..., rows, cols] = IGNORE


CHANGES: Mapping[str, Change] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "gamma": _gamma,
    "noise": _noise,
    "blur": _blur,
    "band-drop": _band_drop,
    "erase": _erase,
}
