"""From colors to class indices, fast enough for labels of a hundred megapixels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hectares.core.colors import Color, pack

UNKNOWN = 254
"""Index of a color that is not known; no class has it."""
_BLOCK_PX = 2**16
"""Colors are looked up in blocks that stay in the processor's cache."""


class ColorLookup:
    """Index by color, exactly.

    >>> lookup = ColorLookup({(0, 0, 255): 3, (10, 20, 30): 7})
    >>> lookup.indices(np.array([[[10, 0, 9]], [[20, 0, 9]], [[30, 255, 9]]], np.uint8))
    (array([[  7,   3, 254]], dtype=uint8), False)
    """

    def __init__(self, colors: Mapping[Color, int]) -> None:
        self._colors = dict(colors)

    def indices(self, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bool]:
        """Give the index of every color (3, H, W), `UNKNOWN` where it is not known, and whether all are known."""
        found = np.empty(rgb.shape[1] * rgb.shape[2], np.uint8)
        planes = rgb.reshape(3, -1)
        all_known = True
        bits, sums = np.zeros(_BLOCK_PX, np.uint8), np.empty((2, _BLOCK_PX), np.uint8)
        for start in range(0, found.size, _BLOCK_PX):
            block, target = planes[:, start : start + _BLOCK_PX], found[start : start + _BLOCK_PX]
            if self._pairs is None or not _pure_bits(block, bits, sums):
                self._look_up(block, target)
            else:
                target[:] = self._pairs.take(bits.view(np.uint16), mode="clip").view(np.uint8)[: target.size]
            all_known = all_known and not (target == UNKNOWN).any()
        return found.reshape(rgb.shape[1:]), all_known

    @cached_property
    def _table(self) -> NDArray[np.uint8]:
        """Index by packed color (2^24)."""
        table = np.full(1 << 24, UNKNOWN, np.uint8)
        for color, index in self._colors.items():
            table[pack(color)] = index
        return table

    def _look_up(self, rgb: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
        packed = np.zeros((target.size, 4), np.uint8)
        for channel in range(3):
            packed[:, 2 - channel] = rgb[channel]
        numbers = packed.view("<i4")[:, 0]  # red, green and blue as one number, without arithmetic
        np.take(self._table, numbers, out=target, mode="clip")  # never clips, but writes without a copy

    @cached_property
    def _pairs(self) -> NDArray[np.uint16] | None:
        """Two indices by two pixels of three bits each, if all known colors are pure: made of 0 and 255."""
        if any(v not in {0, 255} for color in self._colors for v in color):
            return None
        single = np.full(8, UNKNOWN, np.uint8)
        for (red, green, blue), index in self._colors.items():
            single[red & 4 | green & 2 | blue & 1] = index
        first, second = np.meshgrid(np.arange(8, dtype=np.uint8), np.arange(8, dtype=np.uint8))
        pixels = np.stack([first, second], axis=-1)
        pairs = np.zeros(1 << 16, np.uint16)
        pairs[pixels.view(np.uint16)] = single[pixels].view(np.uint16)
        return pairs


def _pure_bits(rgb: NDArray[np.uint8], bits: NDArray[np.uint8], sums: NDArray[np.uint8]) -> bool:
    """Put one bit a channel of colors (3, n) into `bits`; False if a color is not made of 0 and 255."""
    red, green, blue = rgb
    impure, more = sums[:, : red.size]
    np.add(red, np.uint8(1), out=impure)  # 255 and 0 become 0 and 1, everything else is larger
    for channel in (green, blue):
        np.add(channel, np.uint8(1), out=more)
        np.bitwise_or(impure, more, out=impure)
    if impure.max() > 1:
        return False
    here = bits[: red.size]
    np.bitwise_and(red, np.uint8(4), out=here)
    for channel, bit in ((green, 2), (blue, 1)):
        np.bitwise_and(channel, np.uint8(bit), out=more)
        np.bitwise_or(here, more, out=here)
    return True
