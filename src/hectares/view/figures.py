"""Figures of numbers: the learning curve and the areas. See `scorecard` for the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hectares.view.scorecard import Example as Example
from hectares.view.scorecard import draw_evaluation as draw_evaluation
from hectares.view.sheet import BLUE, HEADING, NOTE, ORANGE, SOFT, Sheet, Style, level_ticks, note, scale_ticks


def draw_history(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the learning curve with the best epoch (the lowest validation loss) marked."""
    epochs = np.array([row["epoch"] for row in rows], float)
    curves = {key: np.array([row.get(key, np.nan) for row in rows], float) for key in _CURVES}
    best = _lowest(curves["val_loss"])
    sheet = Sheet(9.0, 3.5)
    for left, title, keys in ((0.62, "Loss", ("train_loss", "val_loss")), (5.1, "Mean IoU, validation", ("val_miou",))):
        sheet.text(left - 0.36, 0.24, title, HEADING)
        axes = sheet.axes(left, 0.72, 3.0, 2.2)
        shown = {key: curves[key] for key in keys}
        _draw_curves(axes, epochs, shown, best)
        sheet.text(left + 1.5, 3.16, "epoch", NOTE, align="center")
    sheet.save(path)


_CURVES = {"train_loss": ("training", ORANGE), "val_loss": ("validation", BLUE), "val_miou": ("", BLUE)}


def _draw_curves(
    axes: Axes, epochs: NDArray[np.float64], curves: Mapping[str, NDArray[np.float64]], best: int | None
) -> None:
    """Draw curves over epochs, named at their right end."""
    finite = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    high = 1.0 if set(curves) == {"val_miou"} else float(finite.max(initial=1e-6)) * 1.05
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)
    axes.set(xlim=(first, last), ylim=(0, high))
    scale_ticks(axes, *_labelled(MaxNLocator(6, integer=True), first, last))
    level_ticks(axes, *_labelled(MaxNLocator(5), 0, high))
    axes.axhline(0, color=SOFT, linewidth=0.8)
    for key, values in curves.items():
        axes.plot(epochs, values, color=_CURVES[key][1], linewidth=1.8, linestyle="-", marker="o" if len(epochs) < 3 else "")
    _name_ends(axes, curves, last, high)
    if best is not None:
        axes.axvline(epochs[best], color=SOFT, linewidth=0.9, linestyle=(0, (2, 2)))
        note(axes, epochs[best], high, f"best, epoch {epochs[best]:.0f}", ha="center", va="bottom", xytext=(0, 3), textcoords="offset points")
        for key, values in curves.items():
            axes.plot(epochs[best], values[best], "o", markersize=5, color=_CURVES[key][1], clip_on=False)


def _name_ends(axes: Axes, curves: Mapping[str, NDArray[np.float64]], x: float, high: float) -> None:
    """Write the names of curves at their right ends, apart from each other."""
    ends = [(float(values[np.isfinite(values)][-1]), key) for key, values in curves.items() if np.isfinite(values).any()]
    floor = -np.inf
    for value, key in sorted(ends):
        name, color = _CURVES[key]
        y = max(value, floor + 0.08 * high)
        label = name or f"{value:.3f}"
        note(axes, x, y, label, Style(8.0, color), va="center", xytext=(6, 0), textcoords="offset points", annotation_clip=False)
        floor = y


def _labelled(locator: MaxNLocator, low: float, high: float) -> tuple[list[float], list[str]]:
    """Give round numbers between two values, and how to write them."""
    ticks = [float(t) for t in locator.tick_values(low, high) if low <= t <= high]
    return ticks, [f"{t:g}" for t in ticks]


def _lowest(values: NDArray[np.float64]) -> int | None:
    """Position of the lowest value, None if there is none."""
    return int(np.nanargmin(values)) if np.isfinite(values).any() else None
