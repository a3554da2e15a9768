"""What else is known of scores, for the figure of an evaluation: views with intervals, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hectares.view.numbers import score
from hectares.view.score_lines import CALIBRATION, COLUMNS, ScoreLine, class_ends, ends, intervals_sentence, score_lines
from hectares.view.sheet import (
    BLUE,
    FAINT,
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
)

WIDTH, MARGIN = 10.4, 0.3
_LINE = 0.24
_CHART = 2.3
_DASHES: dict[str, tuple[str, Any]] = {
    "f1": (BLUE, "solid"),
    "iou": (ORANGE, "solid"),
    "precision": (INK, (0, (4, 2))),
    "recall": (SOFT, (0, (1, 1.5))),
}
_NAMES = {"f1": "F1", "iou": "IoU", "precision": "precision", "recall": "recall"}

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """How sure a segmenter was, and how often it was right."""

    name: str
    temperature: float
    table: FloatArray
    """(bins, 3) pixels, mean score, share right; NaN in an empty bin."""
    scores: Mapping[str, Sequence[float | None]]
    """ECE and its relatives, each with the ends of its interval."""


@dataclass(frozen=True)
class Charts:
    """What there is to draw; empty where nothing is known."""

    lines: tuple[ScoreLine, ...] = ()
    about: str = ""
    """How the intervals were made, or why there are none."""
    ends: Mapping[str, FloatArray] = field(default_factory=dict)
    """By score, the intervals of the classes, (K, 2)."""
    reliability: tuple[Reliability, ...] = ()
    curves: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    """By class, then score, values over thresholds of 0 to 1."""
    marks: Mapping[str, float] = field(default_factory=dict)
    """Thresholds to mark, by what they are."""


def charts_of(content: Mapping[str, Any]) -> Charts:
    """Take what there is from the content of an `evaluation.json`; older ones have none of it."""
    lines = tuple(score_lines(content))
    intervals = content.get("intervals", {})
    curves, marks = _curves(content.get("thresholds", {}).get("classes", {}))
    sure = content.get("calibration", {})
    names = {"as_stored": "as it is", "tuned_on_val": "tuned on val"}
    return Charts(
        lines,
        intervals_sentence(intervals),
        {k: np.array(v, np.float64) for k, v in class_ends(content).items()},
        tuple(_reliabilities(sure, names)),
        curves,
        marks,
    )


def _reliabilities(sure: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Reliability]:
    for key, name in names.items():
        if key in sure:
            table = np.array(sure[key]["reliability"], np.float64)
            yield Reliability(name, sure[key]["temperature"], table, sure[key]["scores"])


def _curves(classes: Mapping[str, Any]) -> tuple[dict[str, dict[str, FloatArray]], dict[str, float]]:
    curves = {name: {s: np.array(v, np.float64) for s, v in c["curve"].items()} for name, c in classes.items()}
    marks = {}
    if len(classes) == 1:
        [only] = classes.values()
        marks = {label: at["threshold"] for label, at in only["at"].items() if label != "0.5"}
    return curves, marks


# --- Drawing ----------------------------------------------------------------------------------------------


class ChartRows:
    """The middle of the figure: a table of views, and below it calibration and thresholds side by side."""

    def __init__(self, charts: Charts, width: float) -> None:
        """Lay out what there is."""
        self._charts, self._width = charts, width
        self._columns = [c for c in COLUMNS if any(c in line.scores for line in charts.lines)]

    @property
    def _table_h(self) -> float:
        return 0.62 + _LINE * len(self._charts.lines) + 0.5 if self._charts.lines else 0.0

    @property
    def height(self) -> float:
        """Inches this part takes."""
        charts = _CHART + 1.3 if self._charts.reliability or self._charts.curves else 0.0
        return self._table_h + charts

    def draw(self, sheet: Sheet, top: float) -> None:
        """Draw it below `top`."""
        if self._charts.lines:
            self._draw_table(sheet, top)
        top += self._table_h
        if self._charts.reliability:
            self._draw_reliability(sheet, MARGIN + 0.42, top)
        if self._charts.curves:
            self._draw_curves(sheet, MARGIN + 5.9, top)

    def _draw_table(self, sheet: Sheet, top: float) -> None:
        sheet.text(MARGIN, top + 0.06, "By what is scored, and how it is added up", HEADING)
        step = 1.45
        first = self._width - MARGIN - step * len(self._columns)
        for k, column in enumerate(self._columns):
            sheet.text(first + step * k, top + 0.5, COLUMNS[column], NOTE, valign="bottom")
        for number, line in enumerate(self._charts.lines):
            y = top + 0.62 + _LINE * (number + 0.5)
            sheet.text(MARGIN, y, shorten(line.name, first - MARGIN - 0.15), valign="center")
            for k, column in enumerate(self._columns):
                value, low, high = line.scores.get(column, (None, None, None))
                sheet.text(first + step * k, y, score(value), valign="center")
                sheet.text(first + step * k + 0.5, y, ends(low, high), NOTE, valign="center")
        bottom = top + 0.62 + _LINE * len(self._charts.lines)
        sheet.text(MARGIN, bottom + 0.06, shorten(self._charts.about, self._width - 2 * MARGIN, NOTE), NOTE)

    def _draw_reliability(self, sheet: Sheet, left: float, top: float) -> None:
        sheet.text(MARGIN, top + 0.06, "Does it know how sure it may be?", HEADING)
        axes = _unit_axes(sheet, left, top + 0.5)
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (3, 2)))
        for r, color, marker in zip(self._charts.reliability, (BLUE, ORANGE), ("o", "s"), strict=False):
            _draw_bins(axes, r.table, color, marker)
        note(axes, 0.03, 0.97, "right more often than it says", ha="left", va="top")
        note(axes, 0.97, 0.03, "less often", ha="right", va="bottom")
        sheet.text(left + _CHART / 2, top + 0.5 + _CHART + 0.24, "score of the class chosen", NOTE, align="center")
        sheet.text(left, top + 0.46, "share that is right", NOTE, valign="bottom")
        for k, (r, color) in enumerate(zip(self._charts.reliability, (BLUE, ORANGE), strict=False)):
            x, y = left + _CHART + 0.18, top + 0.55 + 1.0 * k
            sheet.text(x, y, f"{r.name}, temperature {r.temperature:.2f}", Style(SMALL_PT, color, "bold"))
            for line, (key, name) in enumerate(CALIBRATION.items()):
                value, low, high = r.scores[key]
                sheet.text(x, y + 0.18 * (line + 1), f"{name} {score(value)} {ends(low, high)}", NOTE)
        sheet.text(left + _CHART + 0.18, top + 0.5 + _CHART, "larger: more pixels", NOTE, valign="bottom")

    def _draw_curves(self, sheet: Sheet, left: float, top: float) -> None:
        curves = self._charts.curves
        single = len(curves) == 1
        title = f"Thresholds of {next(iter(curves))}" if single else "F1 of each class by threshold"
        sheet.text(left - 0.42, top + 0.06, shorten(title, 4.6, HEADING), HEADING)
        axes = _unit_axes(sheet, left, top + 0.5)
        drawn = next(iter(curves.values())) if single else {name: c["f1"] for name, c in curves.items()}
        looks = _DASHES if single else dict(zip(drawn, _looks(len(drawn)), strict=True))
        for name, values in drawn.items():
            color, dash = looks[name]
            axes.plot(np.linspace(0, 1, len(values)), values, color=color, linewidth=1.6, linestyle=dash)
        for k, (name, (color, dash)) in enumerate(looks.items()):
            if k * 0.21 > _CHART - 0.2:
                break
            y = top + 0.6 + 0.21 * k
            key = sheet.axes(left + _CHART + 0.18, y - 0.06, 0.32, 0.12)
            key.set(xlim=(0, 1), ylim=(0, 1))
            key.plot([0, 1], [0.5, 0.5], color=color, linewidth=1.6, linestyle=dash)
            text = shorten(_NAMES.get(name, name), 1.0, NOTE)
            sheet.text(left + _CHART + 0.58, y, text, NOTE, valign="center")
        self._draw_marks(sheet, axes, left, top)
        sheet.text(left + _CHART / 2, top + 0.5 + _CHART + 0.24, "threshold", NOTE, align="center")

    def _draw_marks(self, sheet: Sheet, axes: Axes, left: float, top: float) -> None:
        """Mark the best thresholds, with what they are beside the chart."""
        for k, (label, threshold) in enumerate(self._charts.marks.items()):
            axes.axvline(threshold, color=FAINT if k else SOFT, linewidth=1.0, linestyle=(0, (2, 2)))
            y = top + 1.62 + 0.2 * k
            sheet.text(left + _CHART + 0.18, y, f"{label}: {threshold:.3f}", NOTE, valign="center")


def _unit_axes(sheet: Sheet, left: float, top: float) -> Axes:
    axes = sheet.axes(left, top, _CHART, _CHART)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    scale_ticks(axes, ticks, [f"{t:g}" for t in ticks])
    level_ticks(axes, ticks, [f"{t:g}" for t in ticks])
    return axes


def _draw_bins(axes: Axes, table: FloatArray, color: str, marker: str) -> None:
    pixels, sure, right = table.T
    shown = pixels > 0
    sizes = 8 + 90 * np.sqrt(pixels[shown] / pixels.sum())
    axes.plot(sure[shown], right[shown], color=color, linewidth=1.1, linestyle="-", marker="")
    axes.scatter(
        sure[shown], right[shown], s=sizes, color=color, marker=marker, edgecolors="white", linewidths=0.6, zorder=3,
        clip_on=False,
    )  # fmt: skip


def _looks(count: int) -> Sequence[tuple[str, Any]]:
    """Colors and dashes, so that lines are told apart without colors as well."""
    dashes: list[Any] = ["solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))]
    inks = (BLUE, ORANGE, INK, SOFT)
    return [(inks[k % 4], dashes[(k // 4 + k) % 4]) for k in range(count)]
