"""Examples side by side: image, reference, prediction, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.view.key import ColorKey
from hectares.view.numbers import score
from hectares.view.render import NO_DATA_COLOR, Picture, class_picture
from hectares.view.sheet import HEADING, NOTE, SMALL_PT, Sheet, Style, shorten, text_width

MARGIN = 0.3
WRONG = (194, 87, 26)
_GAP = 0.06
_APART = 0.34
_ROOM = 0.62


@dataclass(frozen=True, eq=False)
class Example:
    """One place, as seen, as it is, and as predicted."""

    title: str
    picture: Picture | None
    """The image, (h, w, 3), if there is one."""
    reference: NDArray[np.uint8]
    """Class indices."""
    predicted: NDArray[np.uint8]
    iou: float
    """Mean over the classes that are in the reference or the prediction of this place."""


def error_picture(example: Example) -> Picture:
    """Give a picture of what is wrong in a strong color, over the image in pale gray; not scored is plain gray.

    >>> place = Example("", None, np.array([[0, 1, 255]], np.uint8), np.array([[0, 0, 0]], np.uint8), 0.5)
    >>> error_picture(place)[0].tolist()
    [[255, 255, 255], [194, 87, 26], [235, 235, 235]]
    """
    shape = example.reference.shape
    if example.picture is None:
        shown = np.full((*shape, 3), 255, np.uint8)
    else:
        gray = example.picture.astype(np.float32).mean(axis=2)
        shown = np.repeat(np.rint(127 + gray / 2).astype(np.uint8)[..., None], 3, axis=2)
    known = (example.reference != IGNORE) & (example.predicted != IGNORE)
    shown[known & (example.reference != example.predicted)] = WRONG
    shown[~known] = NO_DATA_COLOR
    return shown


class Gallery:
    """Groups of image, reference, prediction and errors, with a key."""

    def __init__(self, examples: Sequence[Example], legend: Legend, width: float) -> None:
        """Lay out examples on a sheet of a width in inches."""
        self._examples, self._legend, self._width = examples, legend, width
        with_image = any(e.picture is not None for e in examples)
        heads = ("image", "reference", "prediction", "errors")
        self._heads = heads if with_image else heads[1:]
        self._per_row = 2 if len(examples) > 1 else 1
        group_w = (width - 2 * MARGIN - _APART * (self._per_row - 1)) / self._per_row
        self._panel_w = min(1.9, (group_w - _GAP * (len(self._heads) - 1)) / len(self._heads))
        tallest = max((e.reference.shape[0] / e.reference.shape[1] for e in examples), default=0)
        self._panel_h = min(tallest, 1.6) * self._panel_w
        entries = [(c.name, c.color) for c in legend.classes]
        entries += [("wrong (last picture)", WRONG), ("not scored", NO_DATA_COLOR)]
        self._key = ColorKey(entries, width - 2 * MARGIN)

    @property
    def height(self) -> float:
        """Inches this part takes."""
        if not self._examples:
            return 0.0
        rows = -(-len(self._examples) // self._per_row)
        return 0.46 + self._key.height + rows * (self._panel_h + _ROOM) + 0.1

    def draw(self, sheet: Sheet, top: float) -> None:
        """Draw it below `top`."""
        if not self._examples:
            return
        sheet.text(MARGIN, top + 0.06, "Examples, from the worst to the best", HEADING)
        self._key.draw(sheet, MARGIN, top + 0.48)
        y = top + 0.46 + self._key.height
        for i, example in enumerate(self._examples):
            row, column = divmod(i, self._per_row)
            self._draw_example(sheet, example, column, y + row * (self._panel_h + _ROOM))

    def _draw_example(self, sheet: Sheet, example: Example, column: int, top: float) -> None:
        group_w = (self._panel_w + _GAP) * len(self._heads) - _GAP
        left = MARGIN + column * (group_w + _APART)
        right = "not scored" if np.isnan(example.iou) else f"mean IoU {score(example.iou)}"
        bold = Style(SMALL_PT, weight="bold")
        room = group_w - text_width(right, bold) - 0.15
        sheet.text(left, top + 0.2, shorten(example.title, room, NOTE), NOTE, valign="baseline")
        sheet.text(left + group_w, top + 0.2, right, bold, align="right", valign="baseline")
        reference, predicted = (class_picture(i, self._legend) for i in (example.reference, example.predicted))
        panels = {"image": example.picture, "reference": reference, "prediction": predicted}
        panels["errors"] = error_picture(example)
        for k, head in enumerate(self._heads):
            x = left + k * (self._panel_w + _GAP)
            picture = panels[head]
            if picture is not None:
                sharp = head in {"reference", "prediction"}
                sheet.picture(x, top + 0.26, self._panel_w, self._panel_h, picture, sharp=sharp)
            sheet.text(x + self._panel_w / 2, top + 0.3 + self._panel_h, head, NOTE, align="center")
