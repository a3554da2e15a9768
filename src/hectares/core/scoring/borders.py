"""The borders between classes, where labels are least certain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE


def erode_borders(indices: NDArray[np.uint8], radius_px: int) -> NDArray[np.uint8]:
    """Ignore every pixel that has a pixel of another class within a disc around it; 255 is no class.

    The borders that benchmarks leave out of their scores: ISPRS takes a disc of 3 px.
    Source: Rottensteiner et al. 2014, ISPRS Journal of Photogrammetry and Remote Sensing 93.

    >>> erode_borders(np.array([[0, 0, 0, 1, 1, 1]], np.uint8), 1)
    array([[  0,   0, 255, 255,   1,   1]], dtype=uint8)
    """
    if radius_px < 1:
        return indices
    height, width = indices.shape
    near_other = np.zeros(indices.shape, np.bool_)
    padded = np.pad(indices, radius_px, constant_values=IGNORE)
    for rows in range(-radius_px, radius_px + 1):
        for cols in range(-radius_px, radius_px + 1):
            if 0 < rows**2 + cols**2 <= radius_px**2:
                other = padded[radius_px + rows :, radius_px + cols :][:height, :width]
                near_other |= (other != indices) & (other != IGNORE)
    return np.where(near_other, np.uint8(IGNORE), indices)
