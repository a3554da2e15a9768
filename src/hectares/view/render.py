"""Pixels to pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hectares.core.legend import IGNORE, Color, Legend

Picture = NDArray[np.uint8]
"""(h, w, 3)."""

_TRUE_COLOR = (("red", "green", "blue"), ("b04", "b03", "b02"), ("b4", "b3", "b2"))
_NO_DATA_GRAY = 235


def rgb_bands(bands: Sequence[str]) -> tuple[int, int, int]:
    """Choose the bands to show as red, green and blue: by name if they tell, else the first three, else gray.

    >>> rgb_bands(["B02", "B03", "B04", "B08"])
    (2, 1, 0)
    """
    names = [b.lower() for b in bands]
    for red, green, blue in _TRUE_COLOR:
        if {red, green, blue} <= set(names):
            return names.index(red), names.index(green), names.index(blue)
    return (0, 1, 2) if len(bands) >= 3 else (0, 0, 0)


def to_rgb(image: NDArray[Any], bands: Sequence[str], valid: NDArray[np.bool_]) -> Picture:
    """Give a picture of an image (C, h, w), each band stretched from its 2nd to its 98th percentile."""
    picture = np.full((*valid.shape, 3), _NO_DATA_GRAY, np.uint8)
    if not valid.any():
        return picture
    for channel, band in enumerate(rgb_bands(bands)):
        values = image[band].astype(np.float32)
        low, high = np.percentile(values[valid], (2, 98))
        stretched = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
        picture[..., channel] = np.where(valid, np.rint(stretched * 255), _NO_DATA_GRAY)
    return picture


def class_picture(indices: NDArray[np.uint8], legend: Legend) -> Picture:
    """Give a picture of class indices (h, w) in the colors of the legend; nodata is light gray."""
    table = np.full((IGNORE + 1, 3), _NO_DATA_GRAY, np.uint8)
    table[: len(legend)] = [c.color for c in legend.classes]
    return table[indices]


def encode_png(picture: Picture) -> bytes:
    """Give a picture as the bytes of a PNG file, without a date or a name in it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", optimize=True)
    return file.getvalue()
