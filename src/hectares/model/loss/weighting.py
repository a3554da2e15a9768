"""Weights of pixels, from a label: more where objects are close to each other, more for small objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hectares.core.legend import IGNORE
from hectares.errors import ConfigError
from hectares.model.loss.terms import Parameter, parse_terms

Weigh = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From a label of indices (h, w), or planes (K, h, w) of 0 and 1, with 255 for ignore, to weights (h, w)."""

_REACH = 3.5
"""In sigmas; what is farther away would add less than a hundredth of its height."""
_CORNERS = np.ones((3, 3), np.int8)


def border_weights(label: NDArray[Any], *, height: float, sigma: float, background: float) -> NDArray[np.float32]:
    """Give 1 + height x exp(-(d1 + d2)^2 / (2 sigma^2)) outside of objects, 1 in them.

    d1 and d2 are the distances in pixels to the nearest and the second nearest object of a class, so that weight is in
    the gaps between close objects. What is ignored is no border: pieces that touch the same ignored pixels are one
    object.
    Source: Ronneberger, Fischer and Brox 2015 (MICCAI), equation 2, without the part for classes.
    """
    weights = np.ones(label.shape[-2:], np.float32)
    for objects, ignored, gaps in _layers(label, int(background)):
        pieces, _ = ndimage.label(objects | ignored, _CORNERS)
        nearest = np.full(objects.shape, np.inf, np.float32)
        second = nearest.copy()
        room = int(np.ceil(_REACH * sigma))
        for number, (rows, columns) in _boxes(np.where(objects, pieces, 0)):
            around = np.s_[
                max(0, rows.start - room) : rows.stop + room, max(0, columns.start - room) : columns.stop + room
            ]
            outside = ~((pieces[around] == number) & objects[around])
            distance = ndimage.distance_transform_edt(outside).astype(np.float32)
            second[around] = np.minimum(second[around], np.maximum(nearest[around], distance))
            nearest[around] = np.minimum(nearest[around], distance)
        close = np.isfinite(second) & gaps
        extra = height * np.exp(-((nearest[close] + second[close]) ** 2) / (2 * sigma**2))
        weights[close] = np.maximum(weights[close], 1 + extra)
    return weights


def size_weights(label: NDArray[Any], *, side: float, most: float, background: float) -> NDArray[np.float32]:
    """Give side / root of the object's pixels in objects, at least 1 and at most `most`; 1 outside of them.

    An object is as large as what is seen of it in the chip.
    Source: the weights of the winners of the crowdAI Mapping Challenge 2018 (Neptune), with limits.
    """
    weights = np.ones(label.shape[-2:], np.float32)
    for objects, _, _ in _layers(label, int(background)):
        pieces, _ = ndimage.label(objects, _CORNERS)
        sizes = np.bincount(pieces.ravel())
        by_piece = np.clip(side / np.sqrt(np.maximum(sizes, 1)), 1, most)
        by_piece[0] = 1
        weights = np.maximum(weights, by_piece[pieces].astype(np.float32))
    return weights


def _layers(label: NDArray[Any], background: int) -> Iterator[tuple[NDArray[np.bool_], ...]]:
    """Give for each class with objects where it is, what is ignored, and where no object is at all."""
    if label.ndim == 3:
        for plane in label:
            if (plane == 1).any():
                yield plane == 1, plane == IGNORE, plane == 0
        return
    ignored, gaps = label == IGNORE, label == background
    for index in np.flatnonzero(np.bincount(label[~ignored].ravel().astype(np.int64))):
        if index != background:
            yield label == index, ignored, gaps


def _boxes(pieces: NDArray[Any]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        if box is not None:
            yield number, box


# --- By name ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WeightingEntry:
    """A way to weigh pixels that can be asked for."""

    function: Callable[..., NDArray[np.float32]]
    summary: str
    parameters: Mapping[str, Parameter]


_BACKGROUND = Parameter(0, 0, 254)
"""Index of the class that has no objects."""

WEIGHTINGS: dict[str, WeightingEntry] = {
    "borders": WeightingEntry(
        border_weights, "more weight in the gaps between objects that are close to each other",
        {"height": Parameter(10, 0, 1000), "sigma": Parameter(5, 0.1, 100), "background": _BACKGROUND},
    ),
    "size": WeightingEntry(
        size_weights, "more weight on small objects",
        {"side": Parameter(64, 1, 10000), "most": Parameter(10, 1, 1000), "background": _BACKGROUND},
    ),
}  # fmt: skip


def find_weighting(text: str) -> Weigh | None:
    """Give weights of pixels by name; those of a sum are multiplied. None for `none`.

    Ignored pixels weigh 0. Raises ConfigError with the place in the text and the known names.

    >>> weigh = find_weighting("size(side=4)")
    >>> weigh(np.array([[1, 0, 0, 255], [0, 0, 1, 1]])).round(1)
    array([[4. , 1. , 1. , 0. ],
           [1. , 1. , 2.8, 2.8]], dtype=float32)
    """
    if text.strip() == "none":
        return None
    known = {name: entry.parameters for name, entry in WEIGHTINGS.items()}
    terms = parse_terms(text, what="weights of pixels", known={"none": {}} | known)
    names = [term.name for term in terms]
    if "none" in names or len(set(names)) < len(names) or any(term.weight != 1 for term in terms):
        raise ConfigError(
            f"weights of pixels {text!r}: expected none, or each of {', '.join(known)} at most once and without a "
            "factor, such as borders+size; the strength is a parameter: borders(height=5)"
        )

    def weigh(label: NDArray[Any]) -> NDArray[np.float32]:
        seen = label != IGNORE
        weights: NDArray[np.float32] = (seen.any(axis=0) if label.ndim == 3 else seen).astype(np.float32)
        for term in terms:
            weights *= WEIGHTINGS[term.name].function(label, **term.values)
        return weights

    return weigh
