"""One class against all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, LandClass, Legend

_LIGHT, _DARK = (200, 200, 200), (60, 60, 60)


def one_against_rest(legend: Legend, name: str) -> tuple[Legend, NDArray[np.uint8]]:
    """Give the legend of two classes, the rest and the named one, and a table from old to new class index.

    The class keeps its code and color; the rest is called "not NAME" and takes the lowest free code.
    The table has 256 places and keeps 255, ignore. Raises LegendError if the class is unknown.

    >>> legend, lookup = one_against_rest(Legend.of({0: "road", 1: "roof", 2: "tree"}), "roof")
    >>> legend.names, legend.codes
    (('not roof', 'roof'), (0, 1))
    >>> lookup[[0, 1, 2, 255]].tolist()
    [0, 1, 0, 255]
    """
    index = legend.index(name)
    chosen = legend.classes[index]
    free = next(code for code in range(IGNORE) if code != chosen.code)
    rest = LandClass(free, f"not {name}", _DARK if chosen.color == _LIGHT else _LIGHT)
    lookup = np.full(256, IGNORE, np.uint8)
    lookup[: len(legend)] = 0
    lookup[index] = 1
    return replace(legend, classes=(rest, chosen)), lookup
