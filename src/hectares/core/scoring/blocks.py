"""Units that are drawn anew for intervals: groups of scenes, or blocks of ground within them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hectares.core.scoring.bootstrap import LEAST_UNITS
from hectares.core.window import Window

UnitKind = Literal["auto", "group", "block"]

_ENOUGH = 20
_LARGEST, _SMALLEST = 256, 64


@dataclass(frozen=True, slots=True)
class Units:
    """Which unit each part belongs to."""

    what: str
    """In the plural."""
    names: tuple[str, ...]
    """One for each part."""


def square_side(shape: tuple[int, int]) -> int:
    """Give the side of the squares that a map is divided into: 256 px, less for a small map, 64 at least.

    >>> square_side((5000, 4000)), square_side((600, 600)), square_side((100, 100))
    (256, 128, 64)
    """
    side = _LARGEST
    while side > _SMALLEST and _count(shape, side) < _ENOUGH:
        side //= 2
    return side


def squares_of(shape: tuple[int, int], side: int | None = None) -> Iterator[Window]:
    """Yield the squares of a map, row by row; those at the right and lower border may be cut.

    >>> [w.shape for w in squares_of((100, 70))]
    [(64, 64), (64, 6), (36, 64), (36, 6)]
    """
    size = side or square_side(shape)
    for row in range(0, shape[0], size):
        for col in range(0, shape[1], size):
            yield Window(row, col, min(size, shape[0] - row), min(size, shape[1] - col))


def _count(shape: tuple[int, int], side: int) -> int:
    return -(-shape[0] // side) * -(-shape[1] // side)


def chip_units(
    scenes: Sequence[str], groups: Sequence[str], windows: Sequence[Window], kind: UnitKind, block_px: int | None = None
) -> Units:
    """Give the unit of each chip: its group if there are ten, its scene if there are twenty, else a block of its scene.

    A chip belongs to the block that its center lies in. Without `block_px`, blocks are as large as there can be at
    least 20 of them, and no smaller than a chip.

    >>> windows = [Window(r, c, 8, 8) for r in (0, 8) for c in (0, 8, 16)]
    >>> chip_units(["a"] * 6, ["a"] * 6, windows, "block", 16).names
    ('a r0 c0', 'a r0 c0', 'a r0 c16', 'a r0 c0', 'a r0 c0', 'a r0 c16')
    """
    if kind == "group" or (kind == "auto" and block_px is None and len(set(groups)) >= LEAST_UNITS):
        return Units(_what_groups_are(scenes, groups), tuple(groups))
    if kind == "auto" and block_px is None and len(set(scenes)) >= _ENOUGH:
        return Units("scenes of few groups", tuple(scenes))
    side = block_px or _largest(scenes, windows, max((w.height for w in windows), default=1))
    return Units(f"blocks of {side} px", _blocks(scenes, windows, side))


def _what_groups_are(scenes: Sequence[str], groups: Sequence[str]) -> str:
    if len(set(groups)) > len(set(scenes)):
        return "blocks by which the scenes were split"
    return "scenes" if list(groups) == list(scenes) else "groups of scenes"


def square_units(windows: Sequence[Window], block_px: int | None = None) -> Units:
    """Give the unit of each square of a map: the block it lies in."""
    scenes = [""] * len(windows)
    side = block_px or _largest(scenes, windows, max(w.height for w in windows))
    return Units(f"blocks of {side} px", tuple(name.strip() for name in _blocks(scenes, windows, side)))


def _largest(scenes: Sequence[str], windows: Sequence[Window], smallest: int) -> int:
    side, extent = smallest, max((max(w.row_end, w.col_end) for w in windows), default=1)
    while side < extent and len(set(_blocks(scenes, windows, 2 * side))) >= _ENOUGH:
        side *= 2
    return side


def _blocks(scenes: Sequence[str], windows: Sequence[Window], side: int) -> tuple[str, ...]:
    places = (((w.row + w.height // 2) // side, (w.col + w.width // 2) // side) for w in windows)
    return tuple(f"{scene} r{row * side} c{col * side}" for scene, (row, col) in zip(scenes, places, strict=True))
