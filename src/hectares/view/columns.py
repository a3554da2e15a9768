"""Which classes have a column of their own where there are too many to stand side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

OTHERS = "other classes"
_MOST, _KEPT = 12, 10


def largest_classes(areas: Mapping[str, float]) -> list[str]:
    """Choose the classes that have a column, in their order: all of a few, the largest of many.

    >>> largest_classes({"b": 1.0, "a": 2.0}), largest_classes({str(k): k for k in range(13)})[:2]
    (['b', 'a'], ['3', '4'])
    """
    if len(areas) <= _MOST:
        return list(areas)
    kept = set(sorted(areas, key=lambda name: -areas[name])[:_KEPT])
    return [name for name in areas if name in kept]


def collapse(
    table: NDArray[np.float64], names: tuple[Sequence[str], Sequence[str]], kept: Sequence[str]
) -> tuple[NDArray[np.float64], list[str], list[str]]:
    """Add up the rows and columns of a table that are not kept as one, the last, with the names of what is left.

    >>> table, rows, columns = collapse(np.array([[1.0, 2.0, 4.0]]), (["a"], ["a", "b", "c"]), ["a"])
    >>> table.tolist(), rows, columns
    ([[1.0, 6.0]], ['a'], ['a', 'other classes'])
    """
    left: list[list[str]] = []
    for axis, given in enumerate(names):
        chosen = np.array([name in kept for name in given])
        rest = table.compress(~chosen, axis).sum(axis, keepdims=True)
        table = np.concatenate([table.compress(chosen, axis), *([] if chosen.all() else [rest])], axis)
        left.append([name for name in given if name in kept] + ([] if chosen.all() else [OTHERS]))
    return table, left[0], left[1]


def by_number(name: str) -> list[tuple[int, str]]:
    """Give what names are sorted by, so that 2 comes before 10.

    >>> sorted(["plot 10", "plot 2", "Äcker"], key=by_number)
    ['plot 2', 'plot 10', 'Äcker']
    """
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part) if part.isdecimal() else 0, "" if part.isdecimal() else part) for part in parts]
