"""The figure of a comparison: mean IoU of the runs, IoU of the classes, and what each run says of the same chips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hectares.core.legend import Legend
from hectares.core.scoring.comparison import CHOSEN, Apart, Comparison, Value
from hectares.view.key import ColorKey
from hectares.view.numbers import NONE, score
from hectares.view.render import NO_DATA_COLOR, Picture, class_picture
from hectares.view.score_lines import ends
from hectares.view.sheet import (
    FAINT,
    HEADING,
    INK,
    NOTE,
    SMALL_PT,
    SOFT,
    TITLE,
    Sheet,
    Style,
    scale_ticks,
    shorten,
    text_width,
)

WIDTH, MARGIN = 10.4, 0.3
_LOOKS = (
    ("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"),
    ("#e69f00", "v"), ("#56b4e9", "P"), ("#000000", "X"), ("#8c6d1f", "<"),
)  # fmt: skip
"""Color and marker of each run. Source: Okabe and Ito 2008, Color Universal Design, for seven of the colors."""
_FLOOR = "#b6bdc4"
_BAR_ROW, _BAR = 0.3, 0.17
_NUMBERS = (0.98, 2.4)  # columns right of the bars: interval of the score, difference with interval and p-value
_NAME_MAX = 2.3
_SWATCH = 0.13
_PANEL_MAX, _PANEL_MIN, _GAP, _APART = 1.9, 1.05, 0.06, 0.34
_ROOM = 0.62
_SUMMARY = Style(color=SOFT)
_BOLD = Style(SMALL_PT, weight="bold")


@dataclass(frozen=True, eq=False)
class Place:
    """One chip, and what each run says of it."""

    title: str
    word: str
    """Why it is shown: worst, middle, best."""
    picture: Picture
    reference: NDArray[np.uint8]
    """Class indices."""
    predicted: tuple[tuple[str, NDArray[np.uint8], float], ...]
    """By run: name, class indices, mean IoU."""


def draw_comparison(
    path: Path, comparison: Comparison, legend: Legend, places: Sequence[Place], *, about: str = ""
) -> None:
    """Draw bars of all runs, dots of all classes, and the places; `about` says how the intervals were made."""
    comparison_sheet(comparison, legend, places, about=about).save(path)


def comparison_sheet(
    comparison: Comparison, legend: Legend, places: Sequence[Place], *, about: str = ""
) -> Sheet:  # fmt: skip
    """Give the figure of a comparison; see `draw_comparison`."""
    columns = 2 + max((len(p.predicted) for p in places), default=0)
    width = max(WIDTH, 2 * MARGIN + columns * (_PANEL_MIN + _GAP))
    bars, dots = _Bars(comparison, width, about), _Dots(comparison, legend, width)
    grid = _Grid(places, legend, width, columns)
    sheet = Sheet(width, bars.height + dots.height + grid.height)
    bars.draw(sheet)
    dots.draw(sheet, bars.height)
    grid.draw(sheet, bars.height + dots.height)
    return sheet


def _look(number: int, total: int) -> tuple[str, str]:
    """Color and marker of a line; the last one is the floor."""
    return (_FLOOR, "|") if number == total - 1 else _LOOKS[number % len(_LOOKS)]


def wrapped(text: str, width: float, style: Style) -> list[str]:
    """Break a text into lines of a width in inches.

    >>> wrapped("one two three", 0.6, NOTE)
    ['one two', 'three']
    """
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", style) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


# --- Runs -------------------------------------------------------------------------------------------------


class _Bars:
    """The head: what came out in a sentence, and a bar for each run."""

    def __init__(self, comparison: Comparison, width: float, about: str) -> None:
        self._comparison, self._width = comparison, width
        self._sentence = wrapped(comparison.verdict.sentence, width - 2 * MARGIN, _SUMMARY)
        self._about = wrapped(about, width - 2 * MARGIN, NOTE)
        self._top = 0.98 + 0.19 * (len(self._sentence) - 1) + 0.3
        longest = max(text_width(line.name) for line in comparison.lines)
        self._left = MARGIN + min(_NAME_MAX, longest) + 0.14

    @property
    def height(self) -> float:
        return self._top + _BAR_ROW * len(self._comparison.lines) + 0.42 + 0.17 * len(self._about) + 0.1

    def draw(self, sheet: Sheet) -> None:
        sheet.text(MARGIN, 0.28, "Runs compared on the same places", TITLE)
        for k, line in enumerate(self._sentence):
            sheet.text(MARGIN, 0.56 + 0.19 * k, line, _SUMMARY)
        lines, bottom = self._comparison.lines, self._top + _BAR_ROW * len(self._comparison.lines)
        right = self._width - MARGIN - sum(_NUMBERS) - 0.6
        axes = sheet.axes(self._left, self._top, right - self._left, bottom - self._top)
        most = max((v for line in lines for v in line.overall[CHOSEN] if not math.isnan(v)), default=1.0)
        limit = min(1.0, math.ceil(most * 10 + 0.01) / 10)
        axes.set(xlim=(0, limit), ylim=(len(lines), 0))
        ticks = [k / 5 for k in range(6) if k / 5 <= limit]
        scale_ticks(axes, ticks, [f"{t:g}" for t in ticks])
        _bars(axes, [line.overall[CHOSEN] for line in lines])
        self._draw_texts(sheet, right)
        for k, text in enumerate(self._about):
            sheet.text(MARGIN, bottom + 0.42 + 0.17 * k, text, NOTE)

    def _draw_texts(self, sheet: Sheet, right: float) -> None:
        best = self._comparison.verdict.best
        first, second, third = right + 0.16, right + 0.6, right + 0.6 + _NUMBERS[0] + 0.14
        sheet.text(first, self._top - 0.06, "mean IoU", NOTE, valign="bottom")
        against = shorten(f"difference from {self._comparison.against}", _NUMBERS[1] - 0.1, NOTE)
        sheet.text(third, self._top - 0.06, against, NOTE, valign="bottom")
        for k, line in enumerate(self._comparison.lines):
            y = self._top + _BAR_ROW * (k + 0.5)
            style = Style(weight="bold" if line.name == best else "normal")
            name = shorten(line.name, self._left - MARGIN - 0.1, style)
            sheet.text(self._left - 0.1, y, name, style, align="right", valign="center")
            value, low, high = line.overall[CHOSEN]
            sheet.text(first, y, score(value), style, valign="center")
            sheet.text(second, y, ends(low, high), NOTE, valign="center")
            apart = None if line.overall_apart is None else line.overall_apart[CHOSEN]
            sheet.text(third, y, difference_text(apart), NOTE, valign="center")


def difference_text(apart: Apart | None) -> str:
    """Write a difference with its sign, interval and p-value; a dash for the run that is compared with.

    >>> difference_text((0.0412, 0.012, 0.069, 0.004)), difference_text((-0.1, float("nan"), float("nan"), 1.0))
    ('+0.041 (0.012 to 0.069), p 0.004', '−0.100, p 1')
    """
    if apart is None:
        return NONE
    value, low, high, p_value = apart
    if math.isnan(value):
        return NONE
    sign = "−" if round(value, 3) < 0 else "+"
    interval = "" if math.isnan(low) else f" ({low:.3f} to {high:.3f})".replace("-", "−")
    return f"{sign}{abs(value):.3f}{interval}" + ("" if math.isnan(p_value) else f", p {p_value:.2g}")


def _bars(axes: Axes, values: Sequence[Value]) -> None:
    for k, (value, low, high) in enumerate(values):
        if math.isnan(value):
            continue
        axes.barh(k + 0.5, value, height=_BAR / _BAR_ROW, color=_look(k, len(values))[0], linewidth=0)
        _whisker(axes, low, high, k + 0.5, INK, 0.13)


def _whisker(axes: Axes, low: float, high: float, y: float, color: str, half: float) -> None:
    if math.isnan(low):
        return
    axes.hlines(y, low, high, color=color, linewidth=1.2, linestyles="solid")
    axes.vlines([low, high], y - half, y + half, color=color, linewidth=1.0, linestyles="solid")


# --- Classes ----------------------------------------------------------------------------------------------


class _Dots:
    """A row for each class, in it a dot for each run."""

    def __init__(self, comparison: Comparison, legend: Legend, width: float) -> None:
        self._lines, self._classes, self._width = comparison.lines, comparison.classes, width
        self._colors = {c.name: c.color for c in legend.classes}
        self._row_h = max(0.27, 0.1 * len(self._lines) + 0.1)
        longest = max(text_width(name) for name in self._classes)
        self._left = MARGIN + _SWATCH + 0.09 + min(_NAME_MAX, longest) + 0.16
        self._key = self._set_key()
        self._top = 0.78 + 0.22 * self._key[-1][2]

    def _set_key(self) -> list[tuple[str, float, int]]:
        """Name, distance from the left and line of the entries of the key."""
        found, x, row = [], 0.0, 0
        for line in self._lines:
            name = shorten(line.name, _NAME_MAX, NOTE)
            needed = 0.18 + text_width(name, NOTE) + 0.26
            if x and x + needed > self._width - 2 * MARGIN:
                x, row = 0.0, row + 1
            found.append((name, x, row))
            x += needed
        return found

    @property
    def height(self) -> float:
        return self._top + self._row_h * len(self._classes) + 0.5

    def draw(self, sheet: Sheet, top: float) -> None:
        sheet.text(MARGIN, top + 0.06, "IoU of each class", HEADING)
        total = len(self._lines)
        for k, (name, x, row) in enumerate(self._key):
            color, marker = _look(k, total)
            y = top + 0.48 + 0.22 * row
            mark = sheet.axes(MARGIN + x, y - 0.08, 0.16, 0.16)
            mark.set(xlim=(0, 1), ylim=(0, 1))
            _mark(mark, 0.5, 0.5, color, marker)
            sheet.text(MARGIN + x + 0.2, y, name, NOTE, valign="center")
        upper, height = top + self._top, self._row_h * len(self._classes)
        axes = sheet.axes(self._left, upper, self._width - MARGIN - 0.1 - self._left, height)
        axes.set(xlim=(0, 1), ylim=(len(self._classes), 0))
        ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        scale_ticks(axes, ticks, [f"{t:g}" for t in ticks])
        for c, name in enumerate(self._classes):
            y = upper + self._row_h * (c + 0.5)
            sheet.swatch(MARGIN, y, _SWATCH, self._colors[name])
            shown = shorten(name, self._left - MARGIN - _SWATCH - 0.2)
            sheet.text(MARGIN + _SWATCH + 0.09, y, shown, valign="center")
            axes.axhline(c, color=FAINT, linewidth=0.7)
            self._draw_class(axes, name, c)

    def _draw_class(self, axes: Axes, name: str, row: int) -> None:
        total = len(self._lines)
        for k, line in enumerate(self._lines):
            value, low, high = line.iou[name]
            if math.isnan(value):
                continue
            y = row + (k + 1) / (total + 1)
            color, marker = _look(k, total)
            _whisker(axes, low, high, y, color, 0.0)
            _mark(axes, value, y, color, marker)


def _mark(axes: Axes, x: float, y: float, color: str, marker: str) -> None:
    edge = color if marker == "|" else "white"
    axes.plot(
        [x], [y], marker, markersize=6.0, markerfacecolor=color, markeredgecolor=edge,
        markeredgewidth=2.2 if marker == "|" else 0.5, clip_on=False, zorder=3,
    )  # fmt: skip


# --- Places -----------------------------------------------------------------------------------------------


class _Grid:
    """A row for each place: image, reference, and the prediction of each run."""

    def __init__(self, places: Sequence[Place], legend: Legend, width: float, columns: int) -> None:
        self._places, self._legend, self._width, self._columns = places, legend, width, columns
        self._per_row = 2 if columns <= 4 and len(places) > 1 else 1
        group_w = (width - 2 * MARGIN - _APART * (self._per_row - 1)) / self._per_row
        self._panel_w = min(_PANEL_MAX, (group_w - _GAP * (columns - 1)) / columns)
        tallest = max((p.reference.shape[0] / p.reference.shape[1] for p in places), default=0)
        self._panel_h = min(tallest, 1.6) * self._panel_w
        entries = [(c.name, c.color) for c in legend.classes] + [("no label, or nodata", NO_DATA_COLOR)]
        self._key = ColorKey(entries, width - 2 * MARGIN)

    @property
    def height(self) -> float:
        if not self._places:
            return 0.0
        rows = -(-len(self._places) // self._per_row)
        return 0.46 + self._key.height + rows * (self._panel_h + _ROOM) + 0.1

    def draw(self, sheet: Sheet, top: float) -> None:
        if not self._places:
            return
        sheet.text(MARGIN, top + 0.06, "The same chips by each run, with its mean IoU below", HEADING)
        self._key.draw(sheet, MARGIN, top + 0.48)
        y = top + 0.46 + self._key.height
        for i, place in enumerate(self._places):
            row, column = divmod(i, self._per_row)
            self._draw_place(sheet, place, column, y + row * (self._panel_h + _ROOM))

    def _draw_place(self, sheet: Sheet, place: Place, column: int, top: float) -> None:
        group_w = (self._panel_w + _GAP) * self._columns - _GAP
        left = MARGIN + column * (group_w + _APART)
        sheet.text(left, top + 0.2, place.word, _BOLD, valign="baseline")
        beside = text_width(place.word, _BOLD) + 0.1
        title = shorten(place.title, group_w - beside, NOTE)
        sheet.text(left + beside, top + 0.2, title, NOTE, valign="baseline")
        panels = [("image", place.picture), ("reference", class_picture(place.reference, self._legend))]
        for name, indices, iou in place.predicted:
            value = f" {score(iou)}"
            short = shorten(name, self._panel_w - text_width(value, NOTE) - 0.02, NOTE)
            panels.append((f"{short}{value}", class_picture(indices, self._legend)))
        for k, (head, picture) in enumerate(panels):
            x = left + k * (self._panel_w + _GAP)
            sheet.picture(x, top + 0.26, self._panel_w, self._panel_h, picture, sharp=k > 0)
            sheet.text(x + self._panel_w / 2, top + 0.3 + self._panel_h, head, NOTE, align="center")
