"""Hypothesis strategies shared by the tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.confusion import Confusion
from hectares.core.legend import IGNORE, LandClass, Legend
from hectares.core.window import Tiling, Window
from hectares.errors import ConfigError

# --- Windows and tilings ----------------------------------------------------------------------------------


def windows(limit: int = 40) -> st.SearchStrategy[Window]:
    """Windows that may reach beyond an array of `limit` px on any side."""
    place, side = st.integers(-limit, limit), st.integers(0, limit)
    return st.builds(Window, place, place, side, side)


@st.composite
def tilings(draw: st.DrawFn, longest: int = 5000) -> Tiling:
    """Tilings that can be made; what cannot be made is refused, which has its own test."""
    shape = draw(st.tuples(st.integers(1, longest), st.integers(1, longest)))
    stride = draw(st.sampled_from([1, 2, 7, 8, 16, 32]))
    size = draw(st.integers(1, 1200))
    overlap = draw(st.integers(0, size - 1))
    try:
        return Tiling(shape, size=size, overlap=overlap, stride=stride)
    except ConfigError:
        return Tiling(shape, size=size + overlap + stride, overlap=overlap, stride=stride)


# --- Legends ----------------------------------------------------------------------------------------------

_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
_colors = st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def legends(draw: st.DrawFn, codes: st.SearchStrategy[int] | None = None) -> Legend:
    """Legends with distinct codes, names and colors, perhaps with nodata and codes and colors to ignore."""
    used = draw(st.lists(codes or st.integers(0, 254), min_size=1, max_size=8, unique=True))
    names = draw(st.lists(_names.map(str.strip).filter(bool), min_size=len(used), max_size=len(used), unique=True))
    colors = draw(st.lists(_colors, min_size=len(used) + 1, max_size=len(used) + 1, unique=True))
    free = st.integers(-9999, 70_000).filter(lambda code: code not in used)
    nodata, *ignored = draw(st.lists(free, min_size=2, max_size=3, unique=True))
    classes = tuple(LandClass(c, n, rgb) for c, n, rgb in zip(used, names, colors, strict=False))
    return Legend(
        classes,
        nodata=nodata if draw(st.booleans()) else None,
        also_ignore=tuple(ignored),
        ignore_colors=(colors[-1],),
    )


# --- Class indices ----------------------------------------------------------------------------------------


def index_maps(classes: int, shape: tuple[int, int] = (5, 7)) -> st.SearchStrategy[np.ndarray]:
    """Class indices (h, w) with 255 among them."""
    return hnp.arrays(np.uint8, shape, elements=st.sampled_from([*range(classes), IGNORE]))


@st.composite
def confusions(draw: st.DrawFn, classes: int = 3) -> Confusion:
    """Confusion matrices with small counts."""
    counts = draw(hnp.arrays(np.int64, (classes, classes), elements=st.integers(0, 50)))
    return Confusion(counts, draw(st.integers(0, 9)))
