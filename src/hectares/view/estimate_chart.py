"""The figure of estimated areas: mapped bars, estimates with intervals, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from hectares.core.legend import Color, hex_color
from hectares.view.numbers import decimals_for, number
from hectares.view.sheet import HEADING, INK, NOTE, ORANGE, SOFT, Sheet, scale_ticks, shorten, text_width

_ROW, _TOP, _BOTTOM, _MARGIN = 0.42, 0.98, 0.3, 0.3
_NAME_MAX, _RIGHT_W, _GAP = 2.0, 2.5, 0.3
_MOST = 2.5
"""Largest ratio to the estimate that the right side shows; what is beyond has an arrow."""


@dataclass(frozen=True, slots=True)
class EstimateBar:
    """A class: mapped and estimated area with the ends of its interval, ha. None where nothing is known."""

    name: str
    color: Color
    mapped_ha: float | None
    estimate_ha: float | None
    low_ha: float | None
    high_ha: float | None

    @property
    def end_ha(self) -> float:
        """The largest of its numbers."""
        return max(v or 0.0 for v in (self.mapped_ha, self.estimate_ha, self.high_ha))


def estimates_sheet(bars: Sequence[EstimateBar], level: float) -> Sheet:
    """Give the chart: areas on one scale at the left; at the right each class by itself, its estimate being 100 %."""
    names = [shorten(bar.name, _NAME_MAX) for bar in bars]
    left = _MARGIN + max(text_width(name) for name in names) + 0.14
    decimals = decimals_for(v for bar in bars for v in (bar.mapped_ha, bar.estimate_ha))
    labels = [f"{number(bar.estimate_ha, decimals)} ha" for bar in bars]
    label_w = max(text_width(label) for label in labels) + 0.2
    sheet = Sheet(9.0, _TOP + _ROW * len(bars) + _BOTTOM)
    right = sheet.width - _MARGIN - _RIGHT_W
    width = right - _GAP - label_w - left
    _draw_key(sheet, left, right, level)
    area, relative = (sheet.axes(x, _TOP, w, _ROW * len(bars)) for x, w in ((left, width), (right, _RIGHT_W)))
    largest = max(bar.end_ha for bar in bars) or 1.0
    area.set(xlim=(0, largest), ylim=(len(bars), 0))
    relative.set(xlim=(0, _MOST), ylim=(len(bars), 0))
    scale_ticks(relative, [0, 0.5, 1, 1.5, 2], ["0", "50", "100", "150", "200 %"])
    for k, (bar, name, label) in enumerate(zip(bars, names, labels, strict=True)):
        y = _TOP + (k + 0.5) * _ROW
        sheet.text(left - 0.14, y, name, align="right", valign="center")
        _draw_area(area, bar, k + 0.5)
        sheet.text(left + width * bar.end_ha / largest + 0.1, y, label, valign="center")
        _draw_relative(relative, bar, k + 0.5)
    for axes, at in ((area, 0), (relative, 1)):
        axes.axvline(at, color=SOFT, linewidth=0.8, linestyle="-", clip_on=False)
    return sheet


def _draw_key(sheet: Sheet, left: float, right: float, level: float) -> None:
    sheet.text(left, 0.2, "Mapped and estimated area", HEADING)
    sheet.text(left, 0.46, f"bar: mapped; dot and line: estimate, {100 * level:g} % interval", NOTE)
    sheet.text(right, 0.2, "By class, estimate = 100 %", HEADING)
    sheet.text(right, 0.46, "diamond: mapped; orange: outside", NOTE)
    sheet.text(right, 0.62, "the interval", NOTE)


def _draw_area(axes: Axes, bar: EstimateBar, y: float) -> None:
    if bar.mapped_ha is not None:
        axes.barh(y, bar.mapped_ha, 0.62, color=hex_color(bar.color), edgecolor=SOFT, linewidth=0.5)
    if bar.estimate_ha is not None and bar.low_ha is not None and bar.high_ha is not None:
        _draw_interval(axes, y, bar.low_ha, bar.estimate_ha, bar.high_ha)


def _draw_relative(axes: Axes, bar: EstimateBar, y: float) -> None:
    if not bar.estimate_ha or bar.low_ha is None or bar.high_ha is None:
        return
    low, high = bar.low_ha / bar.estimate_ha, bar.high_ha / bar.estimate_ha
    _draw_interval(axes, y, low, 1.0, min(high, _MOST))
    if high > _MOST:
        _arrow(axes, y, INK)
    if bar.mapped_ha is not None:
        mapped = bar.mapped_ha / bar.estimate_ha
        color = INK if low <= mapped <= high else ORANGE
        if mapped > _MOST:
            _arrow(axes, y - 0.22, color)
        else:
            more: dict[str, Any] = {"markersize": 7, "markerfacecolor": hex_color(bar.color), "markeredgewidth": 1.4}
            axes.plot(mapped, y, marker="D", markeredgecolor=color, linestyle="", clip_on=False, **more)


def _draw_interval(axes: Axes, y: float, low: float, middle: float, high: float) -> None:
    for color, width in (("white", 4.2), (INK, 1.8)):
        axes.hlines(y, low, high, color=color, linewidth=width, linestyles="solid", clip_on=False)
    for end in (low, high)[: 1 if high >= axes.get_xlim()[1] == _MOST else 2]:
        axes.vlines(end, y - 0.14, y + 0.14, color=INK, linewidth=1.8, linestyles="solid", clip_on=False)
    axes.plot(middle, y, marker="o", markersize=5, color=INK, markeredgecolor="white", linestyle="", clip_on=False)


def _arrow(axes: Axes, y: float, color: str) -> None:
    axes.plot(_MOST, y, marker=">", markersize=6, color=color, linestyle="", clip_on=False)
