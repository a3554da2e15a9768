"""From logits to classes and scores, in blocks of rows that stay in the cache of a processor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE

FloatPlanes = NDArray[np.float32]

SCORE_STEPS = 250
"""Scores as bytes: 0 to 250 for 0 to 1, and 255 for nodata."""
SCORE_NODATA = 255
_BLOCK_PX = 32 * 1024


def choose_classes(planes: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
    """Give the class with the largest of K values (K, h, w) at each valid pixel (h, w), else 255; the first of equals.

    None if a value at a valid pixel is not finite.

    >>> choose_classes(np.array([[[1, 2, 0]], [[3, 2, 1]]], np.float32), np.array([[True, True, False]]))
    array([[  1,   0, 255]], dtype=uint8)
    """
    classes, height, width = planes.shape
    indices = np.zeros((height, width), np.uint8)
    rows = max(1, min(height, _BLOCK_PX // max(1, width)))
    best, better = np.empty((rows, width), planes.dtype), np.empty((rows, width), np.bool_)
    index = np.empty((rows, width), np.uint8)
    is_whole = planes.strides[1:] == best.strides
    together = None if is_whole else np.empty((classes, rows, width), planes.dtype)
    is_finite = True
    with np.errstate(over="ignore", invalid="ignore"):  # of the sum, which is only looked at
        for row in range(0, height, rows):
            block, found = planes[:, row : row + rows], indices[row : row + rows]
            size = slice(block.shape[1])
            if together is not None:  # what lies apart is looked at several times: one copy of it is quicker
                np.copyto(together[:, size], block)
                block = together[:, size]
            highest, above, number = block[0], better[size], index[size]
            if classes > 1:
                np.greater(block[1], highest, out=found.view(np.bool_))
            for k in range(2, classes):
                highest = np.maximum(highest, block[k - 1], out=best[size])
                np.greater(block[k], highest, out=above)
                np.multiply(above.view(np.uint8), np.uint8(k), out=number)  # k only grows: the last that is above wins
                np.maximum(found, number, out=found)
            # one infinity or NaN makes the sum one; einsum adds all planes at once and starts no thread
            is_finite = is_finite and bool(np.isfinite(np.einsum("krc->", block)))
    if not is_finite and not np.isfinite(planes[:, valid]).all():
        return None
    if not valid.all():
        indices[~valid] = IGNORE
    return indices


def softmax_planes(logits: FloatPlanes, temperature: float = 1.0) -> FloatPlanes:
    """Give scores that sum to 1 over the third axis from the end, from logits (..., K, h, w).

    >>> softmax_planes(np.log(np.array([[[1.0]], [[3.0]]], np.float32))).ravel().tolist()
    [0.25, 0.75]
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite gives NaN, which is noticed later
        scores: FloatPlanes = logits - logits.max(axis=-3, keepdims=True)
        if temperature != 1:
            scores /= np.float32(temperature)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-3, keepdims=True)
    return scores


def log_softmax_planes(logits: FloatPlanes, temperature: float = 1.0) -> FloatPlanes:
    """Give the logarithms of what `softmax_planes` gives."""
    with np.errstate(over="ignore", invalid="ignore"):  # as there
        shifted: FloatPlanes = (logits - logits.max(axis=-3, keepdims=True)) / np.float32(temperature)
        shifted -= np.log(np.exp(shifted).sum(axis=-3, keepdims=True))
    return shifted


def quantize_scores(scores: FloatPlanes, valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give scores (K, h, w) in steps of 1/250 as bytes; 255 where not valid.

    >>> quantize_scores(np.array([[[0.0, 0.5, 1.0]]], np.float32), np.array([[True, True, False]])).tolist()
    [[[0, 125, 255]]]
    """
    steps = np.where(valid, np.rint(scores * np.float32(SCORE_STEPS)), np.float32(SCORE_NODATA))
    return steps.astype(np.uint8)


def taper(length: int, before: int, after: int) -> NDArray[np.float32]:
    """Give weights that rise over the pixels shared with the tile before, and fall over those shared with the next.

    The weights of two neighbors add up to 1 where they overlap.

    >>> taper(6, 0, 4).tolist(), taper(4, 4, 0).tolist()
    ([1.0, 1.0, 0.875, 0.625, 0.375, 0.125], [0.125, 0.375, 0.625, 0.875])
    """
    weights = np.ones(length, np.float32)
    if before:
        weights[:before] *= (np.arange(before, dtype=np.float32) + 0.5) / before
    if after:
        weights[length - after :] *= ((np.arange(after, dtype=np.float32) + 0.5) / after)[::-1]
    return weights
