"""Views of one evaluation: which classes and which pixels enter the scores, as benchmarks differ in that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import Legend
from hectares.core.scoring.scores import Mask
from hectares.errors import LegendError

ALL = "all classes"
_CLUTTER = ("clutter", "background clutter", "clutter/background")
_UNKNOWN = ("unclassified", "unlabelled", "unlabeled", "unknown", "void", "undefined")
_DFC2019 = {"ground", "trees", "building", "water", "bridge or elevated road"}


@dataclass(frozen=True, slots=True)
class View:
    """What is scored."""

    name: str
    eroded: bool = False
    """Reference without the pixels along borders."""
    rows_out: tuple[int, ...] = ()
    """Classes whose reference pixels are not scored."""
    columns_out: tuple[int, ...] = ()
    """Classes for which pixels predicted as them are not scored; else these are errors."""
    unaveraged: tuple[int, ...] = ()
    """Classes that are in no mean and have no scores of their own."""

    def apply(self, counts: NDArray[np.number]) -> NDArray[np.number]:
        """Give counts (..., K, K) with zeros for what is not scored.

        >>> View("", rows_out=(0,)).apply(np.array([[3, 1], [2, 4]])).tolist()
        [[0, 0], [2, 4]]
        """
        if not self.rows_out and not self.columns_out:
            return counts
        kept = counts.copy()
        kept[..., list(self.rows_out), :] = 0
        kept[..., :, list(self.columns_out)] = 0
        return kept

    def averaged(self, classes: int) -> Mask:
        """Tell which classes (K,) have scores and enter means."""
        mask = np.ones(classes, np.bool_)
        mask[list(self.unaveraged)] = False
        return mask


def views_of(
    legend: Legend, *, without: Sequence[str] = (), erode_px: int = 0, overlapping: bool = False
) -> list[View]:
    """Give the views that a legend and the options ask for, the plainest first.

    - all classes;
    - without the classes of `without`: neither their reference pixels nor pixels predicted as them are scored;
    - where there is a class of unclassified, or the classes are those of DFC2019: reference pixels of unclassified are
      not scored, and what is predicted as it is an error. Source: the metrics of pubgeo/dfc2019, track 1;
    - where there is clutter: it is in no mean, and its pixels are scored, as in the tables of ISPRS;
    - with `erode_px`, the same on the reference without its borders.
    """
    left_out = tuple(sorted({legend.index(name) for name in without}))
    if len(left_out) >= len(legend):
        raise LegendError("--without leaves no class to score")
    plain = [View(ALL)]
    if left_out:
        listed = ", ".join(legend.names[k] for k in left_out)
        plain.append(View(f"without {listed}", rows_out=left_out, columns_out=left_out, unaveraged=left_out))
    names = [name.lower() for name in legend.names]
    unknown = tuple(k for k, name in enumerate(names) if name in _UNKNOWN)
    dfc2019 = set(names) - set(_UNKNOWN) == _DFC2019
    if not overlapping and (unknown or dfc2019) and len(unknown) < len(names):
        title = "as DFC2019" if dfc2019 else "reference without unclassified"
        plain.append(View(title, rows_out=unknown, unaveraged=unknown))
    clutter = tuple(k for k, name in enumerate(names) if name in _CLUTTER)
    if clutter and len(clutter) < len(names):
        plain.append(View(f"{legend.names[clutter[0]]} in no mean", unaveraged=clutter))
    return plain + [_on_eroded(view, erode_px) for view in plain if erode_px]


def _on_eroded(view: View, erode_px: int) -> View:
    where = f"borders of {erode_px} px left out"
    name = where if view.name == ALL else f"{view.name}, {where}"
    return View(name, True, view.rows_out, view.columns_out, view.unaveraged)  # noqa: FBT003
