"""The key of a figure: a swatch and a name for every class, set in lines."""

from __future__ import annotations

from collections.abc import Sequence

from hectares.core.legend import Color
from hectares.view.sheet import NOTE, Sheet, shorten, text_width

_SWATCH = 0.13
_NAME_MAX = 2.3
_LINE = 0.22


class ColorKey:
    """Names with their colors, one after the other in lines of a width."""

    def __init__(self, entries: Sequence[tuple[str, Color]], width: float) -> None:
        """Set the entries in lines; lengths are inches."""
        self._entries = list(entries)
        self._places: list[tuple[float, int]] = []
        x, line = 0.0, 0
        for name, _ in self._entries:
            needed = _SWATCH + 0.07 + min(_NAME_MAX, text_width(name, NOTE)) + 0.22
            if x and x + needed > width:
                x, line = 0.0, line + 1
            self._places.append((x, line))
            x += needed

    @property
    def height(self) -> float:
        """Inches it takes."""
        return _LINE * (1 + self._places[-1][1]) if self._places else 0.0

    def draw(self, sheet: Sheet, left: float, top: float) -> None:
        """Draw it with the middle of its first line at `top`."""
        for (x, line), (name, color) in zip(self._places, self._entries, strict=True):
            y = top + _LINE * line
            sheet.swatch(left + x, y, _SWATCH, color)
            sheet.text(left + x + _SWATCH + 0.07, y, shorten(name, _NAME_MAX, NOTE), NOTE, valign="center")
