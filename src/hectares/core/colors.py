"""Colors of classes: how they are written, and which one a class gets that has none."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from hectares.errors import LegendError

Color = tuple[int, int, int]

DEFAULT_COLORS: tuple[Color, ...] = (
    (68, 119, 170), (102, 204, 238), (34, 136, 51), (204, 187, 68), (238, 102, 119), (170, 51, 119),
    (136, 136, 136), (221, 170, 51), (0, 68, 136), (153, 153, 51), (136, 34, 85), (68, 170, 153),
)  # fmt: skip
"""For classes without a color: Paul Tol's qualitative schemes, told apart by color-blind readers too."""
_GOLDEN = 0.6180339887498949


def default_color(index: int) -> Color:
    """Color of the class at an index when the legend gives none.

    >>> default_color(0)
    (68, 119, 170)
    """
    if index < len(DEFAULT_COLORS):
        return DEFAULT_COLORS[index]
    hue = index * _GOLDEN % 1  # steps of the golden ratio never come near an earlier hue soon
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.45 + 0.15 * (index % 3), 0.55 + 0.13 * (index % 4))
    return round(255 * red), round(255 * green), round(255 * blue)


def parse_color(value: object) -> Color:
    """Read `#rrggbb` or `[r, g, b]`.

    >>> parse_color("#3b6fb6"), parse_color([1, 2, 3])
    ((59, 111, 182), (1, 2, 3))
    """
    if isinstance(value, str) and len(value) == 7 and value[0] == "#":
        try:
            red, green, blue = bytes.fromhex(value[1:])
        except ValueError:
            pass
        else:
            return red, green, blue
    is_triple = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3
    if is_triple and all(isinstance(v, int) and 0 <= v <= 255 for v in value):  # type: ignore[attr-defined]
        red, green, blue = value  # type: ignore[misc]
        return red, green, blue
    raise LegendError(f"{value!r} is no color; give '#rrggbb' or [r, g, b] with numbers 0 to 255")


def hex_color(color: tuple[int, ...]) -> str:
    """Write a color as `#rrggbb`."""
    return "#" + bytes(int(v) for v in color).hex()


def pack(color: Color) -> int:
    """Give a color as one number, 0xrrggbb."""
    red, green, blue = color
    return (red << 16) | (green << 8) | blue
