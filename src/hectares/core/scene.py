"""Pixels and whether they are valid, together; and what a reader of pixels promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import BandError, GridError


@dataclass(frozen=True, slots=True)
class Chip:
    """Pixels cut from a scene."""

    image: NDArray[Any]
    """(C, h, w) in the units of the raster; 0 where not valid."""
    valid: NDArray[np.bool_]
    """(h, w); True where the sensor saw something, by the rule of the source."""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[1:] != self.valid.shape:
            raise GridError(f"an image {self.image.shape} and a valid mask {self.valid.shape} do not fit")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledChip:
    """Pixels cut from a scene with their label, as training takes them."""

    image: NDArray[Any]
    """(C, h, w) in the units of the raster; 0 where not valid."""
    valid: NDArray[np.bool_]
    """(h, w)."""
    label: NDArray[np.uint8]
    """(h, w) class indices, 255 = ignore; or one plane a class (K, h, w) of 0, 1 and 255."""


class ChipReader(Protocol):
    """Chips of one split by number."""

    def __len__(self) -> int: ...

    def read(self, number: int, shift: tuple[float, float] | None = None) -> LabelledChip:
        """Give a chip; with `shift` (two numbers of 0 to 1), from elsewhere in its room, if its pixels are at hand."""


class RasterSource(Protocol):
    """Pixels that can be read by window. Reading is thread-safe and never resamples.

    Outside the scene, and where nodata, `Chip.valid` is False and values are 0.
    """

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names, in the order of `Chip.image`."""

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""


class ArraySource:
    """A scene in memory.

    >>> from affine import Affine
    >>> source = ArraySource(np.ones((1, 2, 3), np.uint8), Grid(None, Affine.identity(), (2, 3)), ["gray"])
    >>> source.read(Window(1, 2, 2, 2)).valid
    array([[ True, False],
           [False, False]])
    """

    def __init__(
        self,
        image: NDArray[Any],
        grid: Grid,
        bands: Sequence[str],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        if image.shape[1:] != grid.shape:
            raise GridError(f"an image of {image.shape[1:]} px does not fit a grid of {grid.shape} px")
        if len(bands) != image.shape[0]:
            raise BandError(f"{image.shape[0]} bands were given {len(bands)} names")
        everywhere = np.ones(grid.shape, np.bool_) if valid is None else valid
        observed = everywhere & np.isfinite(image).all(axis=0)
        self.grid = grid
        self.bands = tuple(bands)
        self._chip = Chip(np.where(observed, image, 0), observed)

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""
        inside = window & self.grid.window
        image, valid = self._chip.image[:, *inside.slices], self._chip.valid[inside.slices]
        return place(Chip(image, valid), inside, window)


def place(chip: Chip, inside: Window, window: Window) -> Chip:
    """Give the chip of `inside` on the larger `window`; what lies around it is not valid."""
    if inside == window:
        return chip
    image = np.zeros((chip.image.shape[0], *window.shape), chip.image.dtype)
    valid = np.zeros(window.shape, np.bool_)
    if inside.pixels:
        target = inside.within(window).slices
        image[:, *target] = chip.image
        valid[target] = chip.valid
    return Chip(image, valid)
