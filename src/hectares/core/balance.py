"""Rare classes: weights for the loss, and how often a chip should come.

All is reckoned from the labeled pixels of each class in each chip, counts (N, K).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "inverse", "median", "effective"]

_BETA = 0.999


def class_weights(class_counts: NDArray[Any], kind: Balance) -> NDArray[np.float64]:
    """Give the weight of each class (K,), with a mean of 1 over the classes that are there, from counts (N, K).

    - `inverse`: one over the share of labelled pixels;
    - `median`: the median share over the share, each taken over the chips that hold the class.
      Source: Eigen and Fergus 2015 (ICCV), median frequency balancing;
    - `effective`: one over the effective number of chips that hold the class, with beta 0.999.
      Source: Cui, Jia, Lin, Song and Belongie 2019 (CVPR).

    A class that is nowhere has weight 1: it never counts.

    >>> class_weights(np.array([[90, 10, 0]]), "inverse").round(2)
    array([0.2, 1.8, 1. ])
    """
    totals = class_counts.sum(axis=0, dtype=np.float64)
    present = totals > 0
    if kind == "none" or not present.any():
        return np.ones(len(totals))
    holders = (class_counts > 0).sum(axis=0)
    if kind == "inverse":
        rarity = _over(totals.sum(), totals)
    elif kind == "median":
        labelled = class_counts.sum(axis=1, dtype=np.float64)
        share = totals * _over(1.0, ((class_counts > 0) * labelled[:, None]).sum(axis=0))
        rarity = _over(float(np.median(share[present])), share)
    else:
        rarity = _over(1 - _BETA, 1 - _BETA**holders)
    weights: NDArray[np.float64] = np.where(present, rarity / rarity[present].mean(), 1.0)
    return weights


def repeat_factors(class_counts: NDArray[Any], threshold: float) -> NDArray[np.float64]:
    """Give how often each chip should come in an epoch (N,), at least once, so that rare classes are seen.

    A class that is in less than `threshold` of the chips asks for the root of threshold over its share; a chip
    comes as often as its rarest class asks.
    Source: Gupta, Dollar and Girshick 2019 (CVPR), repeat factor sampling.

    >>> repeat_factors(np.array([[5, 0], [5, 0], [5, 0], [5, 1]]), threshold=1.0).tolist()
    [1.0, 1.0, 1.0, 2.0]
    """
    held = class_counts > 0
    share = held.sum(axis=0) / max(len(held), 1)
    asked = np.maximum(1.0, np.sqrt(threshold * _over(1.0, share)))
    factors: NDArray[np.float64] = np.where(held, asked, 1.0).max(axis=1, initial=1.0)
    return factors


def _over(part: float, whole: NDArray[Any]) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return quotient
