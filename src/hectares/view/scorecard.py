"""The figure of an evaluation: confusion, scores of the classes, views, charts, and examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.legend import Legend
from hectares.view.gallery import Example, Gallery
from hectares.view.numbers import percent, score
from hectares.view.render import Picture
from hectares.view.score_charts import MARGIN, WIDTH, ChartRows, Charts
from hectares.view.sheet import (
    BLUE,
    FAINT,
    INK,
    NOTE,
    PALE,
    SOFT,
    TITLE,
    Sheet,
    Style,
    note,
    scale_ticks,
    shorten,
    text_width,
)

_APART = 0.17
"""Rows from the middle of a class to its IoU, above, and its F1, below, where these have intervals."""
_SWATCH = 0.13
_LABEL_MAX = 2.3
_DOTS_MIN = 1.5
_CORNER = "reference ↓   predicted →"
_NUMBERS = (0.52, 0.52, 0.78)  # columns right of the dots: IoU, F1, share
_GAP = 0.22
_RIGHT, _WRONG = (31, 95, 153), (194, 87, 26)


FloatArray = NDArray[np.float64]
AnyConfusion = Confusion | PlaneConfusion
"""One class a pixel, or classes that may overlap: these have no matrix of one class against another."""


def draw_evaluation(
    path: Path, confusion: AnyConfusion, legend: Legend, examples: Sequence[Example], charts: Charts | None = None
) -> None:
    """Draw the confusion matrix with the scores of each class, what else is known of them, and examples."""
    evaluation_sheet(confusion, legend, examples, charts).save(path)


def evaluation_sheet(
    confusion: AnyConfusion, legend: Legend, examples: Sequence[Example], charts: Charts | None = None
) -> Sheet:
    """Give the figure of an evaluation; see `draw_evaluation`."""
    known = charts or Charts()
    card, more, gallery = _Card(confusion, legend, known), ChartRows(known, WIDTH), Gallery(examples, legend, WIDTH)
    sheet = Sheet(WIDTH, card.height + more.height + gallery.height)
    card.draw(sheet)
    more.draw(sheet, card.height)
    gallery.draw(sheet, card.height + more.height)
    return sheet


# --- Confusion and scores ---------------------------------------------------------------------------------


class _Card:
    """The upper half: one row a class, with its line of the confusion matrix, its dots and its numbers."""

    def __init__(self, confusion: AnyConfusion, legend: Legend, charts: Charts) -> None:
        self._confusion, self._legend, self._charts = confusion, legend, charts
        self._matrix = confusion if isinstance(confusion, Confusion) else None
        classes = len(legend)
        self._row_h = float(np.clip(4.2 / classes, 0.22, 0.36))
        self._text = Style(min(9.0, self._row_h * 30))
        self._names = [shorten(name, _LABEL_MAX, self._text) for name in legend.names]
        longest = max(text_width(name, self._text) for name in self._names)
        label_w = max(_SWATCH + 0.09 + longest, text_width(_CORNER, NOTE))
        self._left = MARGIN + label_w + 0.14
        room = WIDTH - MARGIN - sum(_NUMBERS) - _GAP - _DOTS_MIN - self._left
        self._cell_w = min(0.62, room / classes) if self._matrix else 0.0
        self._slanted = self._matrix is not None and longest > self._cell_w - 0.06
        self._top = 0.98 + (longest * 0.72 + 0.16 if self._slanted else 0.26)

    @property
    def height(self) -> float:
        """Inches from the top of the sheet to the end of this part."""
        return self._top + self._row_h * len(self._legend) + 0.74

    def draw(self, sheet: Sheet) -> None:
        """Draw it at the top of the sheet."""
        c = self._confusion
        sheet.text(MARGIN, 0.28, "How well the classes are told apart", TITLE)
        kappa = f"kappa {score(c.kappa)}  ·  {c.total:,} pixels" if isinstance(c, Confusion) else f"{c.total:,} answers"
        summary = (
            f"accuracy {percent(c.accuracy)}  ·  mean IoU {score(c.mean_iou)}  ·  mean F1 {score(c.mean_f1)}  ·  "
            f"{kappa} scored"
        )
        sheet.text(MARGIN, 0.56, summary, Style(color=SOFT))
        self._draw_names(sheet)
        if self._matrix:
            self._draw_matrix(sheet, self._matrix)
        self._draw_scores(sheet)

    def _middle(self, k: int) -> float:
        return self._top + (k + 0.5) * self._row_h

    def _draw_names(self, sheet: Sheet) -> None:
        for k, (name, land_class) in enumerate(zip(self._names, self._legend.classes, strict=True)):
            sheet.swatch(MARGIN, self._middle(k), _SWATCH, land_class.color)
            sheet.text(MARGIN + _SWATCH + 0.09, self._middle(k), name, self._text, valign="center")
            if not self._matrix:
                continue
            x = self._left + (k + 0.5) * self._cell_w
            if self._slanted:
                sheet.text(x - 0.02, self._top - 0.08, name, self._text, valign="bottom", turn=45)
            else:
                sheet.text(x, self._top - 0.08, name, self._text, align="center", valign="bottom")
        if self._matrix:
            sheet.text(MARGIN, self._top - 0.08, _CORNER, NOTE, valign="bottom")

    def _draw_matrix(self, sheet: Sheet, confusion: Confusion) -> None:
        classes = len(self._legend)
        shares = confusion.row_shares
        axes = sheet.axes(self._left, self._top, self._cell_w * classes, self._row_h * classes)
        axes.imshow(_inked(shares), aspect="auto", interpolation="nearest", extent=(0, classes, classes, 0))
        axes.set_xticks([])
        axes.set_yticks([])
        for edge in range(classes + 1):
            axes.axhline(edge, color="white", linewidth=1.2)
            axes.axvline(edge, color="white", linewidth=1.2)
        if self._cell_w >= 0.27:
            self._write_cells(axes, shares)
        caption = "% of the reference pixels of a class (row): blue is right, orange is wrong"
        sheet.text(MARGIN, self._top + self._row_h * classes + 0.32, caption, NOTE)

    def _write_cells(self, axes: Axes, shares: FloatArray) -> None:
        size = min(9.0, self._cell_w * 23, self._row_h * 28)
        for (row, col), share in np.ndenumerate(shares):
            if np.isnan(share):
                text = "not in the reference" if col == 0 else ""
                width = self._cell_w * len(shares)
                if text and width > text_width(text, NOTE):
                    note(axes, len(shares) / 2, row + 0.5, text, ha="center", va="center")
                continue
            color = "white" if share > 0.55 else INK
            style = Style(size, color, "bold" if row == col else "normal")
            note(axes, col + 0.5, row + 0.5, _cell(share, exact=row == col), style, ha="center", va="center")

    def _draw_scores(self, sheet: Sheet) -> None:
        c, classes = self._confusion, len(self._legend)
        left = self._left + self._cell_w * classes + _GAP
        right = WIDTH - MARGIN - sum(_NUMBERS)
        axes = sheet.axes(left, self._top, right - left, self._row_h * classes)
        axes.set(xlim=(-0.03, 1.03), ylim=(classes, 0))
        ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if right - left > 1.6 else [0.0, 0.5, 1.0]
        scale_ticks(axes, ticks, [f"{t:g}" for t in ticks])
        middles = np.arange(classes, dtype=np.float64) + 0.5
        ends = [self._charts.ends.get(score) for score in ("iou", "f1")]
        if all(e is not None and len(e) == classes for e in ends):
            _whiskers(axes, ends[0], middles - _APART, BLUE)
            _whiskers(axes, ends[1], middles + _APART, SOFT)
            _dots(axes, c.iou, np.full(classes, np.nan), middles - _APART)
            _dots(axes, np.full(classes, np.nan), c.f1, middles + _APART)
        else:
            axes.hlines(middles, c.iou, c.f1, color=FAINT, linewidth=2.5, linestyles="solid")
            _dots(axes, c.iou, c.f1, middles)
        self._draw_numbers(sheet, right)
        key = sheet.axes(right - 1.12, self._top - 0.24, 1.12, 0.2)
        key.set(xlim=(0, 1.12), ylim=(0, 1))
        _dots(key, np.array([0.18, np.nan]), np.array([np.nan, 0.72]), np.array([0.45, 0.45]))
        note(key, 0.28, 0.45, "IoU", va="center")
        note(key, 0.82, 0.45, "F1", va="center")

    def _draw_numbers(self, sheet: Sheet, left: float) -> None:
        c = self._confusion
        shares = c.reference_pixels / max(c.total, 1)
        edges = left + np.cumsum(_NUMBERS)
        for edge, head in zip(edges, ("IoU", "F1", "% of ref."), strict=True):
            sheet.text(edge, self._top - 0.08, head, NOTE, align="right", valign="bottom")
        for k, (iou, f1, share) in enumerate(zip(c.iou, c.f1, shares, strict=True)):
            cells = (score(iou), score(f1), _cell(share, exact=True))
            for edge, text in zip(edges, cells, strict=True):
                sheet.text(edge, self._middle(k), text, self._text, align="right", valign="center")


def _dots(axes: Axes, iou: FloatArray, f1: FloatArray, y: FloatArray) -> None:
    """Mark IoU by a filled dot and F1 by a ring; where they meet, the dot is seen in the ring."""
    axes.plot(
        f1,
        y,
        "o",
        markersize=6.5,
        markerfacecolor="white",
        markeredgecolor=BLUE,
        markeredgewidth=1.2,
        clip_on=False,
    )
    axes.plot(
        iou,
        y,
        "o",
        markersize=4.5,
        markerfacecolor=BLUE,
        markeredgecolor=BLUE,
        markeredgewidth=0,
        clip_on=False,
    )


def _whiskers(axes: Axes, ends: FloatArray | None, y: FloatArray, color: str) -> None:
    """Mark intervals (K, 2) by lines with short ends."""
    if ends is None:
        return
    axes.hlines(y, ends[:, 0], ends[:, 1], color=color, linewidth=1.3, linestyles="solid")
    for side in (0, 1):
        axes.vlines(ends[:, side], y - 0.11, y + 0.11, color=color, linewidth=1.0, linestyles="solid")


def _inked(shares: FloatArray) -> Picture:
    """Colors of the cells: the diagonal in blue, errors in orange, deeper for more; absent rows are pale."""
    right = np.eye(len(shares), dtype=np.bool_)
    known = np.nan_to_num(shares)
    depth = np.where(right, known, np.sqrt(known))[..., None]  # a few per cent of errors should be seen
    inks = np.where(right[..., None], np.array(_RIGHT), np.array(_WRONG))
    mixed = np.rint(248 + (inks - 248) * depth)
    mixed[np.isnan(shares)] = tuple(bytes.fromhex(PALE[1:]))
    picture: Picture = mixed.astype(np.uint8)
    return picture


def _cell(share: float, *, exact: bool = False) -> str:
    """Write a share in per cent for a cell: what is small is said to be small, and nothing is left blank by chance.

    >>> [_cell(s) for s in (0.0, 0.002, 0.005, 0.426, 0.996, 1.0)]
    ['', '<1', '<1', '43', '>99', '100']
    """
    percent = share * 100
    if percent == 0:
        return "0" if exact else ""
    if percent < 1:
        return "<1"
    if 99 < percent < 100:
        return ">99"
    return f"{percent:.0f}"
