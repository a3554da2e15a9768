"""What a network wants of the size of its input, and how many processors there are to run it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.errors import ResourceError


@dataclass(frozen=True, slots=True)
class Fit:
    """What a network wants of the size of its input."""

    stride: int
    """Sides are multiples of this: zeros fill them up, below and to the right."""
    crop: int = 0
    """Pixels that the network cuts off each side: mirrored ones are put there first."""

    def put_on(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pad (B, C, H, W) of any size.

        >>> Fit(stride=4, crop=1).put_on(np.array([[[[1, 2, 3], [4, 5, 6]]]], np.float32))[0, 0].astype(int).tolist()
        [[5, 4, 5, 6, 5, 0, 0, 0], [2, 1, 2, 3, 2, 0, 0, 0], [5, 4, 5, 6, 5, 0, 0, 0], [2, 1, 2, 3, 2, 0, 0, 0]]
        """
        if self.crop:
            mirror = min(image.shape[-2:]) > self.crop
            sides = ((0, 0), (0, 0), (self.crop, self.crop), (self.crop, self.crop))
            image = np.pad(image, sides, mode="reflect" if mirror else "edge")
        below, right = (-side % self.stride for side in image.shape[-2:])
        if below or right:
            image = np.pad(image, ((0, 0), (0, 0), (0, below), (0, right)))
        return np.ascontiguousarray(image)


def processors() -> int:
    """Count the processors that this process may use."""
    available: Any = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(available(0)) if available is not None else os.cpu_count() or 1


def is_out_of_memory(error: Exception) -> bool:
    """Tell if an engine says that memory is not enough: none has an exception of its own for it."""
    text = str(error).lower()
    return "allocate" in text or "bad_alloc" in text or "out of memory" in text


def too_large(image: NDArray[np.float32]) -> ResourceError:
    """Give what to say when memory is not enough for a batch (B, C, H, W)."""
    size = f"{image.shape[0]} tile(s) of {image.shape[2]} x {image.shape[3]} px"
    return ResourceError(f"memory is not enough for {size}; use a smaller --batch or --tile-px")
