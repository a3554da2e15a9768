"""The figure of class shares: how much there is of each class in each split, however rare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hectares.core.legend import Legend, hex_color
from hectares.view.numbers import number, percent
from hectares.view.sheet import (
    HEADING,
    NOTE,
    ORANGE,
    SMALL_PT,
    SOFT,
    TITLE,
    Sheet,
    Style,
    scale_ticks,
    shorten,
    text_width,
)

Amounts = Mapping[str, Sequence[float] | NDArray[np.number]]
"""One number a class, by split."""

_MARGIN, _SWATCH, _NAME_MAX = 0.3, 0.13, 2.3
_TOP, _BOTTOM, _GAP = 1.34, 0.24, 0.42
_SHARE_W, _PIXELS_W, _AREA_W = 0.74, 0.72, 0.8
_ABSENT = Style(SMALL_PT, ORANGE)
_LINEAR_UP_TO = 50.0
"""If the largest share is more than this many times the smallest, bars are drawn to a logarithmic scale."""


def draw_class_shares(
    pixels: Amounts,
    legend: Legend,
    path: Path,
    area_ha: Amounts | None = None,
    *,
    labelled_px: Mapping[str, int] | None = None,
) -> None:
    """Draw pixels, share and, if known, area of every class in every split, as bars in the class colors.

    `labelled_px` of each split is what the shares are of, where that is not the sum over the classes: they overlap.
    """
    class_shares_sheet(pixels, legend, area_ha, labelled_px=labelled_px).save(path)


def class_shares_sheet(
    pixels: Amounts,
    legend: Legend,
    area_ha: Amounts | None = None,
    *,
    labelled_px: Mapping[str, int] | None = None,
) -> Sheet:
    """Give the figure of class shares; see `draw_class_shares`."""
    amounts = {s: np.asarray(n, np.float64) for s, n in pixels.items()}
    return _Chart(amounts, legend, area_ha, labelled_px or {s: int(n.sum()) for s, n in amounts.items()}).draw()


class _Chart:
    """One row a class, one group of columns a split: bar, share, pixels, area."""

    def __init__(
        self,
        pixels: Mapping[str, NDArray[np.float64]],
        legend: Legend,
        area_ha: Amounts | None,
        labelled_px: Mapping[str, int],
    ) -> None:
        self._pixels, self._legend, self._area, self._labelled_px = pixels, legend, area_ha, labelled_px
        self._shares = {split: n / max(labelled_px[split], 1) for split, n in pixels.items()}
        self._row_h = float(np.clip(5.0 / len(legend), 0.24, 0.36))
        self._names = [shorten(name, _NAME_MAX) for name in legend.names]
        self._left = _MARGIN + _SWATCH + 0.09 + max(text_width(name) for name in self._names) + 0.25
        self._numbers_w = _SHARE_W + _PIXELS_W + (_AREA_W if area_ha is not None else 0.0)
        self._bar_w = {1: 4.4, 2: 2.2}.get(len(pixels), 1.5)
        self._scale = _Scale([share for shares in self._shares.values() for share in shares])

    @property
    def _group_w(self) -> float:
        return self._bar_w + self._numbers_w

    def draw(self) -> Sheet:
        """Give the sheet."""
        groups = len(self._pixels)
        width = self._left + groups * self._group_w + (groups - 1) * _GAP + _MARGIN
        sheet = Sheet(max(width, 6.4), self._middle(len(self._legend)) + 0.5 * self._row_h + _BOTTOM)
        sheet.text(_MARGIN, 0.28, "How much there is of each class", TITLE)
        how = "shares of the labelled pixels" + (", to a logarithmic scale" if self._scale.is_log else "")
        sheet.text(_MARGIN, 0.56, how, Style(color=SOFT))
        for k, (name, land_class) in enumerate(zip(self._names, self._legend.classes, strict=True)):
            sheet.swatch(_MARGIN, self._middle(k), _SWATCH, land_class.color)
            sheet.text(_MARGIN + _SWATCH + 0.09, self._middle(k), name, valign="center")
        last = self._middle(len(self._legend))
        sheet.text(_MARGIN + _SWATCH + 0.09, last, "all", NOTE, valign="center")
        for g, split in enumerate(self._pixels):
            self._draw_split(sheet, split, self._left + g * (self._group_w + _GAP))
        return sheet

    def _middle(self, k: int) -> float:
        return _TOP + (k + 0.5) * self._row_h + (0.06 if k == len(self._legend) else 0.0)

    def _draw_split(self, sheet: Sheet, split: str, left: float) -> None:
        shares = self._shares[split]
        total, sums = self._labelled_px[split], float(self._pixels[split].sum())
        sheet.text(left, _TOP - 0.36, shorten(split, self._bar_w, HEADING), HEADING, valign="baseline")
        axes = sheet.axes(left, _TOP, self._bar_w, self._row_h * len(shares))
        axes.set(xlim=(0, 1), ylim=(len(shares), 0))
        scale_ticks(axes, *self._scale.ticks(self._bar_w), at="top")
        for k, share in enumerate(shares):
            if share > 0:
                self._draw_bar(axes, k, float(share))
        axes.axvline(0, color=SOFT, linewidth=0.8, linestyle="-", clip_on=False)
        share_x = left + self._bar_w + _SHARE_W
        pixels_x, area_x = share_x + _PIXELS_W, share_x + _PIXELS_W + _AREA_W
        heads = [(share_x, "share"), (pixels_x, "pixels"), *([(area_x, "ha")] if self._area is not None else [])]
        for x, head in heads:
            sheet.text(x, _TOP - 0.09, head, NOTE, align="right", valign="bottom")
        columns = [(pixels_x, _counts(self._pixels[split]), amount(total))]
        if self._area is not None:
            hectares = [float(a) for a in self._area[split]]
            columns.append((area_x, [area(a) for a in hectares], area(sum(hectares) * total / max(sums, 1.0))))
        for x, texts, summed in columns:
            for k, text in enumerate([*texts, summed]):
                sheet.text(x, self._middle(k), text, NOTE, align="right", valign="center")
        for k, share in enumerate(shares):
            text, style = (
                (percent(float(share), 2 if share < 0.01 else 1), Style()) if share > 0 else ("absent", _ABSENT)
            )
            sheet.text(share_x, self._middle(k), text, style, align="right", valign="center")

    def _draw_bar(self, axes: Axes, k: int, share: float) -> None:
        color = hex_color(self._legend.classes[k].color)
        end = self._scale.place(share)
        axes.barh(k + 0.5, end, 0.62, color=color, edgecolor=SOFT, linewidth=0.5, clip_on=False)


class _Scale:
    """Places of shares along a bar of length 1: linear, or by decades if some classes are very rare."""

    def __init__(self, shares: Sequence[float]) -> None:
        known = [s for s in shares if s > 0] or [1.0]
        self.is_log = max(known) > _LINEAR_UP_TO * min(known)
        self._top = max(known)
        self._decades = (math.floor(math.log10(min(known)) - 0.05), math.ceil(math.log10(max(known)) - 1e-9))

    def place(self, share: float) -> float:
        """Give the place of a share, 0 to 1."""
        if not self.is_log:
            return share / self._top
        low, high = self._decades
        return (math.log10(share) - low) / (high - low)

    def ticks(self, width: float) -> tuple[list[float], list[str]]:
        """Give ticks that do not crowd a bar of a width in inches: places and texts."""
        if not self.is_log:
            step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if self._top / s <= max(2, width / 0.5))
            values = [step * n for n in range(int(self._top / step + 1e-9) + 1)]
        else:
            low, high = self._decades
            every = max(1, math.ceil((high - low) / max(1, int(width / 0.5))))
            values = [10.0**n for n in range(high, low - 1, -every)]
        return [self.place(v) for v in values], [f"{100 * v:g}{' %' if v == max(values) else ''}" for v in values]


def _counts(pixels: NDArray[np.float64]) -> list[str]:
    return [amount(float(n)) for n in pixels]


def amount(value: float) -> str:
    r"""Write a number of pixels: whole while it is short, then in thousands of thousands.

    >>> amount(0.0), amount(98_765.0), amount(12_345_678.0), amount(45_678_901_234.0)
    ('0', '98,765', '12.3\xa0M', '45.7\xa0G')
    """
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return (
                f"{value / size:.3g}\N{NO-BREAK SPACE}{unit}" if value < 1e3 * size else f"{value / size:,.0f} {unit}"
            )
    return f"{value:,.0f}"


def area(hectares: float) -> str:
    """Write an area with as many digits as mean something.

    >>> area(0.0), area(0.01234), area(12.345), area(123_456.0)
    ('0', '0.0123', '12.3', '123,456')
    """
    if hectares == 0:
        return "0"
    return number(hectares, max(0, min(4, 2 - math.floor(math.log10(abs(hectares))))))
