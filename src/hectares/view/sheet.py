"""The one look of our figures: a white sheet measured in inches, a few inks, one typeface.

Figures are drawn through matplotlib's objects alone, with every property set here, so that neither the state
of pyplot nor a user's matplotlibrc changes them, and the same numbers give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hectares.core.legend import Color, hex_color
from hectares.view.render import Picture, encode_png

INK = "#1f2328"
SOFT = "#5a636d"
FAINT = "#d5dadf"
PALE = "#f3f5f7"
BLUE = "#1f5f99"
ORANGE = "#c2571a"
GREEN = "#2c7a4b"
"""Blue and orange are told apart by every reader; green only ever stands alone."""

TITLE_PT, TEXT_PT, SMALL_PT = 12.0, 9.0, 8.0
DPI = 160
_FAMILY = "DejaVu Sans"  # comes with matplotlib
_FINE = 16  # text is measured at this many times its size, so that it is not rounded to whole pixels

Weight = Literal["normal", "bold"]
Align = Literal["left", "center", "right"]
Valign = Literal["top", "center", "bottom", "baseline"]


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of text looks."""

    size: float = TEXT_PT
    color: str = INK
    weight: Weight = "normal"

    @property
    def font(self) -> FontProperties:
        """The typeface at this size."""
        return FontProperties(family=[_FAMILY], size=self.size, weight=self.weight)


TITLE = Style(TITLE_PT, weight="bold")
HEADING = Style(10.0, weight="bold")
BODY = Style()
NOTE = Style(SMALL_PT, SOFT)


class Sheet:
    """A figure whose parts are placed in inches from the upper left corner."""

    def __init__(self, width: float, height: float, *, dpi: int = DPI) -> None:
        self.width, self.height, self.dpi = width, height, dpi
        self._figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white", edgecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add bare axes: no frame, no ticks."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self._figure.add_axes(box, facecolor="none")
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def text(
        self, x: float, y: float, content: str, style: Style = BODY, *,
        align: Align = "left", valign: Valign = "top", turn: float = 0.0,
    ) -> None:  # fmt: skip
        """Write one line of text."""
        self._figure.text(
            x / self.width, 1 - y / self.height, printable(content), fontproperties=style.font, color=style.color,
            ha=align, va=valign, rotation=turn, rotation_mode="anchor" if turn else "default",
            parse_math=False, usetex=False,
        )  # fmt: skip

    def swatch(self, x: float, y: float, side: float, color: Color) -> None:
        """Paint a square in the color of a class, centered on the height y."""
        corner = (x / self.width, 1 - (y + side / 2) / self.height)
        self._figure.add_artist(
            Rectangle(
                corner,
                side / self.width,
                side / self.height,
                facecolor=hex_color(color),
                edgecolor=SOFT,
                linewidth=0.5,
                transform=self._figure.transFigure,
            )
        )

    def picture(self, left: float, top: float, width: float, height: float, picture: Picture, *, sharp: bool) -> None:
        """Show a picture inside a box, as large as fits; `sharp` keeps its pixels square and unmixed."""
        rows, cols = picture.shape[:2]
        scale = min(width / cols, height / rows)
        shown_w, shown_h = cols * scale, rows * scale
        axes = self.axes(left + (width - shown_w) / 2, top + (height - shown_h) / 2, shown_w, shown_h)
        interpolation = "nearest" if sharp else "antialiased"
        axes.imshow(picture, aspect="auto", interpolation=interpolation, resample=True)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=True, color=FAINT, linewidth=0.6)

    def save(self, path: Path) -> None:
        """Write the sheet as PNG, whatever the suffix of the path."""
        path.write_bytes(self.png())

    def svg(self) -> bytes:
        """Give the sheet as the bytes of an SVG file; the same sheet gives the same bytes."""
        file = BytesIO()
        with rc_context({"svg.hashsalt": "hectares", "svg.fonttype": "path"}):
            self._figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    def png(self) -> bytes:
        """Give the sheet as the bytes of a PNG file."""
        self._canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib
        pixels: NDArray[np.uint8] = np.asarray(self._canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        return encode_png(pixels[..., :3])


def scale_ticks(axes: Axes, ticks: list[float], labels: list[str], *, at: Literal["top", "bottom"] = "bottom") -> None:
    """Label the x axis of bare axes at the given places, with faint lines up through the picture."""
    axes.set_xticks(ticks, labels)
    axes.tick_params(
        axis="x", length=0, pad=4, colors=SOFT, labelfontfamily=_FAMILY, labelsize=SMALL_PT,
        bottom=False, top=False, labelbottom=at == "bottom", labeltop=at == "top",
    )  # fmt: skip
    axes.xaxis.grid(visible=True, color=FAINT, linewidth=0.7, linestyle="-")
    axes.set_axisbelow(True)


def level_ticks(axes: Axes, ticks: list[float], labels: list[str]) -> None:
    """Label the y axis of bare axes at the given places, with faint lines across."""
    axes.set_yticks(ticks, labels)
    axes.tick_params(
        axis="y",
        length=0,
        pad=4,
        colors=SOFT,
        labelfontfamily=_FAMILY,
        labelsize=SMALL_PT,
        left=False,
        labelleft=True,
    )
    axes.yaxis.grid(visible=True, color=FAINT, linewidth=0.7, linestyle="-")
    axes.set_axisbelow(True)


def note(axes: Axes, x: float, y: float, content: str, style: Style = NOTE, **more: Any) -> None:
    """Write text at a place of the data. `more` is what matplotlib's annotate takes."""
    axes.annotate(
        printable(content),
        (x, y),
        fontproperties=style.font,
        color=style.color,
        parse_math=False,
        usetex=False,
        **more,
    )


# --- Text that fits ---------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Give the text on one line, with a sign in place of what the typeface cannot draw.

    >>> printable("a" + chr(10) + "b")
    'a b'
    """
    return "".join(c if _has_glyph(c) else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    return bool(get_font(findfont(FontProperties(family=[_FAMILY]))).get_char_index(ord(character)))


def text_width(content: str, style: Style = BODY) -> float:
    """Give the width of a line of text in inches."""
    if not content.strip():
        return 0.0
    font = get_font(findfont(style.font))  # one for each thread
    font.set_size(style.size, 72 * _FINE)
    font.set_text(printable(content))
    width, _ = font.get_width_height()
    return float(width) / 64 / 72 / _FINE


def shorten(content: str, width: float, style: Style = BODY) -> str:
    """Cut a line of text so that it fits a width in inches; the cut is marked.

    >>> shorten("mangrove", 5.0), shorten("mangrove forest, dense", 0.8)
    ('mangrove', 'mangrove …')
    """
    if text_width(content, style) <= width:
        return content
    low, high = 0, len(content)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(content[:middle] + "…", style) <= width else (low, middle - 1)
    return content[:low] + "…"
