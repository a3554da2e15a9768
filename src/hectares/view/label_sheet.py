"""The figure to look at before training: chips as image, as label, and one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.view.key import ColorKey
from hectares.view.numbers import count, percent
from hectares.view.render import NO_DATA_COLOR, Picture, class_picture, own_limits, rgb_bands, stretch_limits, to_rgb
from hectares.view.sheet import NOTE, SMALL_PT, SOFT, TITLE, Sheet, Style, shorten, text_width

_MARGIN, _GAP, _BETWEEN = 0.3, 0.06, 0.34
_WIDTH = 10.4
_TWO_A_ROW_PX = 320
"""Chips up to this side are shown two in a row: a panel is then 245 px wide on the sheet."""
_CAPTION, _HEADS = 0.28, 0.4
_TITLE = Style(SMALL_PT)


@dataclass(frozen=True, eq=False)
class LabelExample:
    """A chip with its label, and where it was cut."""

    scene: str
    place: str
    """Where in the scene: row 256, col 0."""
    image: NDArray[Any]
    """(C, h, w)."""
    valid: NDArray[np.bool_]
    """(h, w)."""
    label: NDArray[np.uint8]
    """(h, w) class indices, 255 = unlabelled; or one plane a class (K, h, w) of 0, 1 and 255."""

    @property
    def indices(self) -> NDArray[np.uint8]:
        """One class a pixel; where planes overlap, the last one of the legend."""
        if self.label.ndim == 2:
            return self.label
        present = self.label == 1
        top = len(present) - 1 - present[::-1].argmax(axis=0)
        return np.where(present.any(axis=0), top, IGNORE).astype(np.uint8)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a label (h, w), be it that none of overlapping classes is there."""
        known: NDArray[np.bool_] = self.label != IGNORE
        return known if known.ndim == 2 else np.logical_or.reduce(known, axis=0)


def draw_examples(
    examples: Sequence[LabelExample], legend: Legend, bands: Sequence[str], path: Path, *, alpha: float = 0.5
) -> None:
    """Draw chips as image, label, and label over image with an opacity of `alpha`, with a key of the classes.

    A class that covers more than half of them is left clear over the images.
    """
    examples_sheet(examples, legend, bands, alpha=alpha).save(path)


def examples_sheet(
    examples: Sequence[LabelExample], legend: Legend, bands: Sequence[str], *, alpha: float = 0.5
) -> Sheet:
    """Give the figure of examples; see `draw_examples`."""
    return _Gallery(examples, legend, bands, alpha).draw()


def overlay(picture: Picture, indices: NDArray[np.uint8], legend: Legend, alpha: float) -> Picture:
    """Lay class colors over a picture; where there is no label, the picture stays as it is.

    >>> legend = Legend.of({1: "a"})
    >>> overlay(np.zeros((1, 2, 3), np.uint8), np.array([[0, 255]], np.uint8), legend, 0.5)[0].tolist()
    [[34, 60, 85], [0, 0, 0]]
    """
    mixed = (1 - alpha) * picture + alpha * class_picture(indices, legend)
    laid: Picture = np.where((indices == IGNORE)[..., None], picture, np.rint(mixed)).astype(np.uint8)
    return laid


class _Gallery:
    """Groups of three panels, two in a row if the chips are small."""

    def __init__(self, examples: Sequence[LabelExample], legend: Legend, bands: Sequence[str], alpha: float) -> None:
        self._examples, self._legend, self._bands, self._alpha = examples, legend, bands, alpha
        self._limits = stretch_limits([(e.image, e.valid) for e in examples], bands)
        longest = max((max(e.valid.shape) for e in examples), default=1)
        self._per_row = 2 if longest <= _TWO_A_ROW_PX and len(examples) > 1 else 1
        self._group_w = (_WIDTH - 2 * _MARGIN - _BETWEEN * (self._per_row - 1)) / self._per_row
        self._panel_w = (self._group_w - 2 * _GAP) / 3
        tallest = max((e.valid.shape[0] / e.valid.shape[1] for e in examples), default=1.0)
        self._panel_h = min(tallest, 1.6) * self._panel_w
        entries = [(c.name, c.color) for c in legend.classes]
        if any((e.indices == IGNORE).any() for e in examples):
            is_bare = any((e.known & (e.indices == IGNORE)).any() for e in examples)
            entries.append(("no class, or unlabelled" if is_bare else "unlabelled", NO_DATA_COLOR))
        self._key = ColorKey(entries, _WIDTH - 2 * _MARGIN)
        self._top = 0.86 + self._key.height + _HEADS - 0.2
        self._clear = _commonest([e.indices for e in examples], len(legend))
        self._overlaps = any(e.label.ndim == 3 and ((e.label == 1).sum(axis=0) > 1).any() for e in examples)

    def draw(self) -> Sheet:
        """Give the sheet."""
        rows = max(1, -(-len(self._examples) // self._per_row))
        row_h = self._panel_h + _CAPTION + 0.16
        sheet = Sheet(_WIDTH, self._top + rows * row_h + 0.16)
        sheet.text(_MARGIN, 0.28, "Images and their labels", TITLE)
        sheet.text(_MARGIN, 0.56, self._subtitle(), Style(color=SOFT))
        self._key.draw(sheet, _MARGIN, 0.92)
        for column in range(self._per_row if self._examples else 0):
            for k, head in enumerate(("image", "label", "label over image")):
                x = self._left(column) + k * (self._panel_w + _GAP) + self._panel_w / 2
                sheet.text(x, self._top - 0.06, head, NOTE, align="center", valign="baseline")
        for i, example in enumerate(self._examples):
            row, column = divmod(i, self._per_row)
            self._draw_example(sheet, example, self._left(column), self._top + row * row_h)
        return sheet

    def _left(self, column: int) -> float:
        return _MARGIN + column * (self._group_w + _BETWEEN)

    def _subtitle(self) -> str:
        shown = [self._bands[i] for i in rgb_bands(self._bands)]
        colors = "true color" if shown == ["red", "green", "blue"] else f"{', '.join(shown)} as red, green, blue"
        parts = [f"{shown[0]} as gray" if len(set(shown)) == 1 else colors]
        if self._clear is not None:
            parts.append(f"{self._legend.names[self._clear]} is left clear over the image")
        if self._overlaps:
            parts.append("where classes overlap, the later one of the key is on top")
        return shorten("; ".join(parts), _WIDTH - 2 * _MARGIN)

    def _draw_example(self, sheet: Sheet, example: LabelExample, left: float, top: float) -> None:
        indices = example.indices
        limits = own_limits(example.image, example.valid, self._bands, self._limits)
        picture = to_rgb(example.image, self._bands, example.valid, limits=limits)
        tinted = indices if self._clear is None else np.where(indices == self._clear, np.uint8(IGNORE), indices)
        laid = overlay(picture, tinted, self._legend, self._alpha)
        panels = (picture, class_picture(indices, self._legend), laid)
        for k, panel in enumerate(panels):
            x = left + k * (self._panel_w + _GAP)
            is_small = max(panel.shape) <= self._panel_w * sheet.dpi
            sheet.picture(x, top, self._panel_w, self._panel_h, panel, sharp=is_small or k == 1)
        y = top + self._panel_h + 0.17
        facts = _facts(example)
        room = self._group_w - text_width(facts, NOTE) - 0.2
        sheet.text(left, y, _title(example, room), _TITLE, valign="baseline")
        sheet.text(left + self._group_w, y, facts, NOTE, align="right", valign="baseline")


def _commonest(labels: Sequence[NDArray[np.uint8]], classes: int) -> int | None:
    """Give the class of more than half of the labelled pixels: tinted, it would veil everything; None without one.

    >>> _commonest([np.array([[1, 1], [0, 255]], np.uint8)], 2), _commonest([np.array([[1, 0]], np.uint8)], 2)
    (1, None)
    """
    pixels = sum((np.bincount(i.ravel(), minlength=IGNORE + 1)[:classes] for i in labels), np.zeros(classes, np.int64))
    largest = int(pixels.argmax())
    return largest if classes > 1 and 2 * pixels[largest] > pixels.sum() else None


def _title(example: LabelExample, room: float) -> str:
    """Give scene and place on a line; of a long name of a scene its end, which tells more."""
    place = f", {example.place}"
    rest = room - text_width(place, _TITLE)
    backwards = shorten(example.scene[::-1], rest, _TITLE)
    return backwards[::-1] + place


def _facts(example: LabelExample) -> str:
    indices, known = example.indices, example.known
    classes = count(len(np.unique(indices[indices != IGNORE])), "class", "classes")
    return classes if known.all() else f"{classes}, {percent(float(known.mean()), 0)} labelled"
