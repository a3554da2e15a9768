"""A network as a drawing: boxes of layers on levels of equal size, with arrows for what goes where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from hectares.view.sheet import BLUE, GREEN, INK, NOTE, ORANGE, PALE, SMALL_PT, SOFT, TITLE, Sheet, Style, note

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class GraphBlock:
    """A box: layers whose output has one size."""

    part: str
    """encoder, head, or any other word for what lies between."""
    kinds: tuple[str, ...]
    channels: int
    height: int
    width: int
    parameters: int


_BOX_W, _BOX_H = 1.32, 0.76
_ROW = 1.06
_BESIDE, _BELOW = 1.64, 0.94
"""From the middle of a box to that of the next one, on the same level and on another."""
_LEFT, _TOP, _MARGIN = 1.5, 0.95, 0.3
_FILLS = {"image": (PALE, SOFT), "encoder": ("#e3edf6", BLUE), "head": ("#e2f0e7", GREEN)}
_OTHER = ("#fbeadf", ORANGE)
_BOLD, _PLAIN = Style(SMALL_PT, weight="bold"), Style(6.8, SOFT)
_QUIET = {"Dropout", "pool", "up", "cut", "Identity", "MergeBlock", "features"}


def draw_network(
    title: str,
    subtitle: str,
    blocks: Sequence[GraphBlock],
    edges: Sequence[tuple[int, int]],
    *,
    bands: int,
    size_px: int,
) -> Sheet:
    """Draw blocks in the order they run; pairs of numbers say what goes where, -1 is the image."""
    image = GraphBlock("image", (), bands, size_px, size_px, 0)
    boxes = [image, *blocks]
    rows = _rows(boxes)
    places = _places(boxes, rows)
    arcs = max((_arc_height(_span(rows, a + 1, b + 1)) for a, b in edges), default=0.0)
    width = max(max(x for x, _ in places) + _BOX_W / 2 + _MARGIN, 6.5)
    height = max(y for _, y in places) + _BOX_H / 2 + _MARGIN + arcs
    places = [(x, y + arcs) for x, y in places]
    sheet = Sheet(width, height)
    sheet.text(_MARGIN, 0.2, title, TITLE)
    sheet.text(_MARGIN, 0.46, subtitle, NOTE)
    axes = sheet.axes(0, 0, width, height)
    axes.set(xlim=(0, width), ylim=(height, 0))
    for size, y in sorted({((b.height, b.width), place[1]) for b, place in zip(boxes, places, strict=True)}):
        note(axes, _MARGIN, y, f"{size[0]} x {size[1]} px", NOTE, va="center")
    for a, b in edges:
        _draw_edge(axes, places, rows, a + 1, b + 1)
    for box, place in zip(boxes, places, strict=True):
        _draw_box(axes, box, place)
    return sheet


def _rows(boxes: Sequence[GraphBlock]) -> list[int]:
    """The level of each box: 0 for the finest size."""
    sizes = sorted({(box.height, box.width) for box in boxes}, reverse=True)
    return [sizes.index((box.height, box.width)) for box in boxes]


def _places(boxes: Sequence[GraphBlock], rows: Sequence[int]) -> list[Point]:
    x = _LEFT + _BOX_W / 2
    places: list[Point] = []
    last: dict[int, float] = {}
    for number in range(len(boxes)):
        row = rows[number]
        if number:
            x += _BESIDE if rows[number - 1] == row else _BELOW
        x = max(x, last.get(row, -_BESIDE) + _BESIDE)
        last[row] = x
        places.append((x, _TOP + _BOX_H / 2 + row * _ROW))
    return places


# --- Boxes ------------------------------------------------------------------------------------------------


def _draw_box(axes: Axes, box: GraphBlock, place: Point) -> None:
    x, y = place
    fill, edge = _FILLS.get(box.part, _OTHER)
    corner = (x - _BOX_W / 2, y - _BOX_H / 2)
    axes.add_patch(Rectangle(corner, _BOX_W, _BOX_H, facecolor=fill, edgecolor=edge, linewidth=1.0, zorder=3))
    what = "bands" if box.part == "image" else "classes" if box.part == "head" else "channels"
    lines = [(f"{box.channels:,} {what if box.channels > 1 else _singular(what)}", _BOLD)]
    lines += [(line, _PLAIN) for line in describe_layers(box)]
    if box.parameters:
        lines.append((f"{_short_number(box.parameters)} parameters", _PLAIN))
    step = 0.165
    for number, (line, style) in enumerate(lines):
        offset = (number - (len(lines) - 1) / 2) * step
        note(axes, x, y + offset, line, style, ha="center", va="center", zorder=4)


def _singular(word: str) -> str:
    return {"bands": "band", "classes": "class", "channels": "channel"}[word]


def describe_layers(box: GraphBlock) -> list[str]:
    """Say in at most two short lines what a box holds: convolutions, then what else.

    >>> describe_layers(GraphBlock("encoder", ("conv 3x3", "BN", "ELU", "conv 3x3", "BN", "ELU"), 32, 8, 8, 0))
    ['2 conv 3x3', 'BN, ELU']
    """
    if box.part == "image":
        return ["image"]
    if box.kinds == ("features",):
        return ["features"]
    runs = [(kind, len(list(group))) for kind, group in groupby(k for k in box.kinds if "conv" in k)]
    plain = Counter({kind: 0 for kind, _ in runs})
    for kind, count in runs:
        plain[kind.split(" rate")[0]] += count
    convs = [f"{count} {kind}" if count > 1 else kind for kind, count in plain.items() if count]
    others = [kind for kind in dict.fromkeys(box.kinds) if "conv" not in kind and kind not in _QUIET]
    quiet = [kind for kind in dict.fromkeys(box.kinds) if kind in {"pool", "up", "cut"}]
    first = ", ".join(convs) if len(convs) <= 2 else f"{sum(plain.values())} convolutions"
    return [line for line in (first or ", ".join(quiet), ", ".join(others[:3])) if line]


def _short_number(number: int) -> str:
    for unit, word in ((10**6, " M"), (10**3, " k")):
        if number >= unit:
            value = number / unit
            return f"{value:.1f}{word}" if value < 100 else f"{value:.0f}{word}"
    return str(number)


# --- Arrows -----------------------------------------------------------------------------------------------


def _span(rows: Sequence[int], a: int, b: int) -> int:
    """Boxes that lie between two on the same level."""
    return sum(rows[n] == rows[a] for n in range(a + 1, b)) if rows[a] == rows[b] else 0


def _arc_height(between: int) -> float:
    return 0.0 if not between else min(0.08 + 0.03 * between, 0.24)


def _draw_edge(axes: Axes, places: Sequence[Point], rows: Sequence[int], a: int, b: int) -> None:
    """An arrow to the next box, or a join from further back, which is blue."""
    (xa, ya), (xb, yb) = places[a], places[b]
    joins = b > a + 1
    color, width = (BLUE, 1.1) if joins else (INK, 1.1)
    if rows[a] == rows[b]:
        between = _span(rows, a, b)
        if not between:
            path = [(xa + _BOX_W / 2, ya), (xb - _BOX_W / 2, yb)]
        else:
            top = ya - _BOX_H / 2
            lift = top - _arc_height(between)
            path = [(xa + 0.3, top), (xa + 0.3, lift), (xb - 0.3, lift), (xb - 0.3, top)]
    elif rows[a] < rows[b] and not joins:
        path = [(xa - 0.1, ya + _BOX_H / 2), (xa - 0.1, yb), (xb - _BOX_W / 2, yb)]
    else:
        end = yb + _BOX_H / 2 if rows[a] > rows[b] else yb - _BOX_H / 2
        at = xb + (0.1 if not joins else -0.15)
        path = [(xa + _BOX_W / 2, ya), (at, ya), (at, end)]
    axes.plot(
        [x for x, _ in path], [y for _, y in path], color=color, linewidth=width, zorder=2, linestyle="-", marker=""
    )
    head = FancyArrowPatch(
        path[-2],
        path[-1],
        arrowstyle="-|>",
        mutation_scale=8,
        shrinkA=0,
        shrinkB=0,
        color=color,
        linewidth=width,
        zorder=2,
    )
    axes.add_patch(head)
