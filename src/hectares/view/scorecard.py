"""The figure of an evaluation: confusion, scores of the classes, and examples from the worst to the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.legend import Legend
from hectares.view.key import ColorKey
from hectares.view.render import Picture, class_picture
from hectares.view.sheet import (
    BLUE,
    FAINT,
    HEADING,
    INK,
    NOTE,
    PALE,
    SMALL_PT,
    SOFT,
    TITLE,
    Sheet,
    Style,
    note,
    scale_ticks,
    shorten,
    text_width,
)

_WIDTH = 10.4
_MARGIN = 0.3
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


@dataclass(frozen=True, eq=False)
class Example:
    """One place, as seen, as it is, and as predicted."""

    title: str
    picture: Picture | None
    """The image, (h, w, 3), if there is one."""
    reference: NDArray[np.uint8]
    """Class indices."""
    predicted: NDArray[np.uint8]
    accuracy: float


def draw_evaluation(path: Path, confusion: AnyConfusion, legend: Legend, examples: Sequence[Example]) -> None:
    """Draw the confusion matrix with the scores of each class, and examples from the worst to the best."""
    evaluation_sheet(confusion, legend, examples).save(path)


def evaluation_sheet(confusion: AnyConfusion, legend: Legend, examples: Sequence[Example]) -> Sheet:
    """Give the figure of an evaluation; see `draw_evaluation`."""
    card = _Card(confusion, legend)
    gallery = _Gallery(examples, legend)
    sheet = Sheet(_WIDTH, card.height + gallery.height)
    card.draw(sheet)
    gallery.draw(sheet, card.height)
    return sheet


# --- Confusion and scores ---------------------------------------------------------------------------------


class _Card:
    """The upper half: one row a class, with its line of the confusion matrix, its dots and its numbers."""

    def __init__(self, confusion: AnyConfusion, legend: Legend) -> None:
        self._confusion, self._legend = confusion, legend
        self._matrix = confusion if isinstance(confusion, Confusion) else None
        classes = len(legend)
        self._row_h = float(np.clip(4.2 / classes, 0.22, 0.36))
        self._text = Style(min(9.0, self._row_h * 30))
        self._names = [shorten(name, _LABEL_MAX, self._text) for name in legend.names]
        longest = max(text_width(name, self._text) for name in self._names)
        label_w = max(_SWATCH + 0.09 + longest, text_width(_CORNER, NOTE))
        self._left = _MARGIN + label_w + 0.14
        room = _WIDTH - _MARGIN - sum(_NUMBERS) - _GAP - _DOTS_MIN - self._left
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
        sheet.text(_MARGIN, 0.28, "How well the classes are told apart", TITLE)
        kappa = (
            f"kappa {_score(c.kappa)}  ·  {c.total:,} pixels" if isinstance(c, Confusion) else f"{c.total:,} answers"
        )
        summary = (
            f"accuracy {_percent(c.accuracy)}  ·  mean IoU {_score(c.mean_iou)}  ·  mean F1 {_score(c.mean_f1)}  ·  "
            f"{kappa} scored"
        )
        sheet.text(_MARGIN, 0.56, summary, Style(color=SOFT))
        self._draw_names(sheet)
        if self._matrix:
            self._draw_matrix(sheet, self._matrix)
        self._draw_scores(sheet)

    def _middle(self, k: int) -> float:
        return self._top + (k + 0.5) * self._row_h

    def _draw_names(self, sheet: Sheet) -> None:
        for k, (name, land_class) in enumerate(zip(self._names, self._legend.classes, strict=True)):
            sheet.swatch(_MARGIN, self._middle(k), _SWATCH, land_class.color)
            sheet.text(_MARGIN + _SWATCH + 0.09, self._middle(k), name, self._text, valign="center")
            if not self._matrix:
                continue
            x = self._left + (k + 0.5) * self._cell_w
            if self._slanted:
                sheet.text(x - 0.02, self._top - 0.08, name, self._text, valign="bottom", turn=45)
            else:
                sheet.text(x, self._top - 0.08, name, self._text, align="center", valign="bottom")
        if self._matrix:
            sheet.text(_MARGIN, self._top - 0.08, _CORNER, NOTE, valign="bottom")

    def _draw_matrix(self, sheet: Sheet, confusion: Confusion) -> None:
        classes = len(self._legend)
        shares = _row_shares(confusion)
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
        sheet.text(_MARGIN, self._top + self._row_h * classes + 0.32, caption, NOTE)

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
        right = _WIDTH - _MARGIN - sum(_NUMBERS)
        axes = sheet.axes(left, self._top, right - left, self._row_h * classes)
        axes.set(xlim=(-0.03, 1.03), ylim=(classes, 0))
        ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if right - left > 1.6 else [0.0, 0.5, 1.0]
        scale_ticks(axes, ticks, [f"{t:g}" for t in ticks])
        middles = np.arange(classes, dtype=np.float64) + 0.5
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
            cells = (_score(iou), _score(f1), _cell(share, exact=True))
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


def _row_shares(confusion: Confusion) -> FloatArray:
    """(K, K) share of each reference class that was predicted as each class; NaN where there is no reference."""
    counts = confusion.counts.astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares: FloatArray = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    return shares


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


def _score(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f} %"


# --- Examples ---------------------------------------------------------------------------------------------


class _Gallery:
    """The lower half: groups of image, reference and prediction."""

    def __init__(self, examples: Sequence[Example], legend: Legend) -> None:
        self._examples, self._legend = examples, legend
        with_image = any(e.picture is not None for e in examples)
        self._heads = ("image", "reference", "prediction") if with_image else ("reference", "prediction")
        self._per_row = 2 if with_image else 3
        group_w = (_WIDTH - 2 * _MARGIN - 0.3 * (self._per_row - 1)) / self._per_row
        self._panel_w = (group_w - 0.06 * (len(self._heads) - 1)) / len(self._heads)
        tallest = max((e.reference.shape[0] / e.reference.shape[1] for e in examples), default=0)
        self._panel_h = min(tallest, 1.6) * self._panel_w
        self._key = ColorKey([(c.name, c.color) for c in legend.classes], _WIDTH - 2 * _MARGIN)

    @property
    def height(self) -> float:
        """Inches this part takes."""
        if not self._examples:
            return 0.0
        rows = -(-len(self._examples) // self._per_row)
        return 0.46 + self._key.height + rows * (self._panel_h + 0.62) + 0.1

    def draw(self, sheet: Sheet, top: float) -> None:
        """Draw it below `top`."""
        if not self._examples:
            return
        sheet.text(_MARGIN, top + 0.06, "Examples, from the worst to the best", HEADING)
        self._key.draw(sheet, _MARGIN, top + 0.48)
        y = top + 0.46 + self._key.height
        for i, example in enumerate(self._examples):
            row, column = divmod(i, self._per_row)
            self._draw_example(sheet, example, column, y + row * (self._panel_h + 0.62))

    def _draw_example(self, sheet: Sheet, example: Example, column: int, top: float) -> None:
        group_w = (self._panel_w + 0.06) * len(self._heads) - 0.06
        left = _MARGIN + column * (group_w + 0.3)
        right = f"{_percent(example.accuracy)} right" if not np.isnan(example.accuracy) else "not scored"
        room = group_w - text_width(right, Style(SMALL_PT, weight="bold")) - 0.15
        sheet.text(left, top + 0.2, shorten(example.title, room, NOTE), NOTE, valign="baseline")
        sheet.text(left + group_w, top + 0.2, right, Style(SMALL_PT, weight="bold"), align="right", valign="baseline")
        reference, predicted = (class_picture(i, self._legend) for i in (example.reference, example.predicted))
        panels = {"image": example.picture, "reference": reference, "prediction": predicted}
        for k, head in enumerate(self._heads):
            x = left + k * (self._panel_w + 0.06)
            picture = panels[head]
            if picture is not None:
                sheet.picture(x, top + 0.26, self._panel_w, self._panel_h, picture, sharp=head != "image")
            sheet.text(x + self._panel_w / 2, top + 0.3 + self._panel_h, head, NOTE, align="center")
