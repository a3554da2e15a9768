"""Figures of numbers: the learning curve and the areas. The evaluation has `scorecard` to itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hectares.core.legend import Color, hex_color
from hectares.view.gallery import Example as Example
from hectares.view.numbers import decimals_for, difference, number, percent
from hectares.view.scorecard import draw_evaluation as draw_evaluation
from hectares.view.sheet import (
    BLUE,
    HEADING,
    INK,
    NOTE,
    ORANGE,
    SMALL_PT,
    SOFT,
    Sheet,
    Style,
    level_ticks,
    note,
    scale_ticks,
    shorten,
    text_width,
)

FloatArray = NDArray[np.float64]

_CURVES = {"train_loss": ("training", ORANGE), "val_loss": ("validation", BLUE), "val_miou": ("", BLUE)}


# --- Learning curve ---------------------------------------------------------------------------------------


def draw_history(rows: Sequence[Mapping[str, float]], path: Path, *, best_epoch: float | None = None) -> None:
    """Draw the learning curve with the best epoch marked: the one given, else that of the lowest validation loss."""
    history_sheet(rows, best_epoch=best_epoch).save(path)


def history_sheet(rows: Sequence[Mapping[str, float]], *, best_epoch: float | None = None) -> Sheet:
    """Give the learning curve; see `draw_history`."""
    epochs = np.array([row["epoch"] for row in rows], float)
    curves = {key: np.array([row.get(key, np.nan) for row in rows], float) for key in _CURVES}
    best = int(np.nanargmin(curves["val_loss"])) if np.isfinite(curves["val_loss"]).any() else None
    if best_epoch is not None and best_epoch in epochs:
        best = int(np.flatnonzero(epochs == best_epoch)[0])
    sheet = Sheet(9.0, 3.5)
    for left, title, keys in (
        (0.62, "Loss", ("train_loss", "val_loss")),
        (5.3, "Mean IoU, validation", ("val_miou",)),
    ):
        sheet.text(left - 0.36, 0.24, title, HEADING)
        axes = sheet.axes(left, 0.76, 3.2, 2.16)
        shown = {key: curves[key] for key in keys}
        high = _draw_curves(axes, epochs, shown)
        if len(keys) > 1:
            _name_ends(axes, shown, high)
        if best is not None:
            _mark_best(axes, epochs, shown, best, high)
        sheet.text(left + 1.6, 3.18, "epoch", NOTE, align="center")
    return sheet


def _draw_curves(axes: Axes, epochs: FloatArray, curves: Mapping[str, FloatArray]) -> float:
    """Draw curves over epochs; gives the upper end of the scale."""
    finite = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    high = 1.0 if "val_miou" in curves else float(finite.max(initial=1e-6)) * 1.05
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)
    axes.set(xlim=(first, last), ylim=(0, high))
    scale_ticks(axes, *_round_numbers(MaxNLocator(6, integer=True), first, last))
    level_ticks(axes, *_round_numbers(MaxNLocator(5), 0, high))
    axes.axhline(0, color=SOFT, linewidth=0.8, linestyle="-")
    for key, values in curves.items():
        axes.plot(epochs, values, color=_CURVES[key][1], linewidth=1.8, linestyle="-", marker="", clip_on=False)
    return high


def _mark_best(axes: Axes, epochs: FloatArray, curves: Mapping[str, FloatArray], best: int, high: float) -> None:
    """Mark the epoch that was kept, with its score where there is one."""
    score = f": {curves['val_miou'][best]:.3f}" if "val_miou" in curves else ""
    first, last = axes.get_xlim()
    place = (epochs[best] - first) / (last - first)
    align = "left" if place < 0.15 else "right" if place > 0.85 else "center"
    axes.axvline(epochs[best], color=SOFT, linewidth=0.9, linestyle=(0, (2, 2)))
    more: dict[str, Any] = {"ha": align, "va": "bottom", "xytext": (0, 4), "textcoords": "offset points"}
    note(axes, epochs[best], high, f"best, epoch {epochs[best]:.0f}{score}", **more)
    for key, values in curves.items():
        axes.plot(epochs[best], values[best], "o", markersize=5, color=_CURVES[key][1], clip_on=False)


def _name_ends(axes: Axes, curves: Mapping[str, FloatArray], high: float) -> None:
    """Write the names of curves at their right ends, apart from each other."""
    ends = [(values[np.isfinite(values)][-1], key) for key, values in curves.items() if np.isfinite(values).any()]
    floor = -np.inf
    for value, key in sorted(ends):
        name, color = _CURVES[key]
        floor = max(float(value), floor + 0.08 * high)
        more: dict[str, Any] = {
            "va": "center",
            "xytext": (8, 0),
            "textcoords": "offset points",
            "annotation_clip": False,
        }
        note(axes, axes.get_xlim()[1], floor, name, Style(SMALL_PT, color), **more)


def _round_numbers(locator: MaxNLocator, low: float, high: float) -> tuple[list[float], list[str]]:
    """Give round numbers between two values, and how they are written."""
    ticks = [float(t) for t in locator.tick_values(low, high) if low <= t <= high]
    return ticks, [f"{t:,g}" if t < 1e6 else f"{t:,.0f}" for t in ticks]


# --- Areas ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """The area of one class, for a chart."""

    name: str
    color: Color
    mapped_ha: float
    reference_ha: float | None = None
    """What a reference map says, if there is one."""

    @property
    def end_ha(self) -> float:
        """The larger of the two."""
        return max(self.mapped_ha, self.reference_ha or 0.0)


_BAR_ROW = 0.36
_BAR_TOP = 0.62


def areas_sheet(bars: Sequence[Bar], kind: str = "mapped") -> Sheet:
    """Give the chart of areas: each class as a bar, with a mark where the reference lies; `kind` is that of bars."""
    names = [shorten(bar.name, 2.4) for bar in bars]
    left = 0.42 + max(text_width(name) for name in names)
    sheet = Sheet(9.0, _BAR_TOP + _BAR_ROW * len(bars) + 0.2)
    with_reference = any(bar.reference_ha is not None for bar in bars)
    _draw_key(sheet, left, kind, with_reference=with_reference)
    width, largest = sheet.width - left - 2.0, max(bar.end_ha for bar in bars) or 1.0
    axes = sheet.axes(left, _BAR_TOP, width, _BAR_ROW * len(bars))
    axes.set(xlim=(0, largest), ylim=(len(bars), 0))
    labels = _bar_labels(bars)
    for k, (bar, name) in enumerate(zip(bars, names, strict=True)):
        y = _BAR_TOP + (k + 0.5) * _BAR_ROW
        sheet.text(left - 0.12, y, name, align="right", valign="center")
        _draw_bar(axes, bar, k + 0.5)
        x = left + width * bar.end_ha / largest + 0.1
        sheet.text(x, y, labels[k][0], valign="center")
        sheet.text(x + text_width(labels[k][0]) + 0.12, y, labels[k][1], NOTE, valign="center")
    axes.axvline(0, color=SOFT, linewidth=0.8, linestyle="-", clip_on=False)
    return sheet


def _bar_labels(bars: Sequence[Bar]) -> list[tuple[str, str]]:
    """Area of each class, and how far it lies from the reference, or without one its share."""
    total = sum(bar.mapped_ha for bar in bars)
    decimals = decimals_for(bar.mapped_ha for bar in bars)
    labels = []
    for bar in bars:
        beside = difference(bar.mapped_ha, bar.reference_ha)
        if bar.reference_ha is None:
            beside = percent(bar.mapped_ha / total if total else None)
        labels.append((f"{number(bar.mapped_ha, decimals)} ha", beside))
    return labels


def _draw_bar(axes: Axes, bar: Bar, y: float) -> None:
    axes.barh(y, bar.mapped_ha, 0.6, color=hex_color(bar.color), edgecolor=SOFT, linewidth=0.5)
    if bar.reference_ha is not None:
        for color, width in (("white", 4.5), (INK, 2.0)):
            ends = (y - 0.42, y + 0.42)
            axes.vlines(bar.reference_ha, *ends, color=color, linewidth=width, linestyles="solid", clip_on=False)


def _draw_key(sheet: Sheet, left: float, kind: str, *, with_reference: bool) -> None:
    what = f"bar: {kind} area" + (
        ", and its difference from the reference" if with_reference else ", and share of the total"
    )
    if not with_reference:
        sheet.text(left, 0.26, what, NOTE)
        return
    key = sheet.axes(left, 0.22, 0.1, 0.22)
    key.set(xlim=(-1, 1), ylim=(0, 1))
    key.vlines(0, 0, 1, color=INK, linewidth=2.0, linestyles="solid")
    sheet.text(left + 0.16, 0.33, "reference", NOTE, valign="center")
    sheet.text(left + 0.95, 0.33, what, NOTE, valign="center")
