"""The figure of mapped areas: hectares of each class, and of each zone by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from hectares.core.legend import Legend, hex_color
from hectares.view.class_chart import area
from hectares.view.numbers import percent
from hectares.view.sheet import HEADING, NOTE, SOFT, TITLE, Sheet, Style, shorten, text_width

_MARGIN, _SWATCH, _ROW, _BAR_W = 0.3, 0.13, 0.3, 4.4
_NAME_MAX, _NUMBER_W = 2.4, 0.95
_TOP, _HEAD = 0.86, 0.62
_MOST_ZONES = 30


_WHENCE = {"mapped": "counted from the map, whose errors it carries", "reference": "counted from labels"}


def draw_areas(
    total_ha: Sequence[float],
    zones_ha: Mapping[str, Sequence[float]],
    legend: Legend,
    path: Path,
    *,
    kind: str = "mapped",
) -> None:
    """Draw the hectares of each class as bars, and below them each zone as one bar of all its classes.

    `kind` is mapped or reference.
    """
    areas_sheet(total_ha, zones_ha, legend, kind=kind).save(path)


def areas_sheet(
    total_ha: Sequence[float], zones_ha: Mapping[str, Sequence[float]], legend: Legend, *, kind: str = "mapped"
) -> Sheet:
    """Give the figure of mapped or reference areas; of very many zones, it has the largest."""
    zones = dict(sorted(zones_ha.items(), key=lambda item: -sum(item[1]))[:_MOST_ZONES])
    zones = {name: zones[name] for name in zones_ha if name in zones}
    names = [shorten(name, _NAME_MAX) for name in (*legend.names, *zones)]
    left = _MARGIN + _SWATCH + 0.09 + max(text_width(name) for name in names) + 0.22
    width = max(left + _BAR_W + 2 * _NUMBER_W + _MARGIN, 6.4)
    height = _TOP + _ROW * len(legend) + (_HEAD + _ROW * len(zones) if zones else 0.0) + 0.3
    sheet = Sheet(width, height)
    sheet.text(_MARGIN, 0.28, f"{kind.capitalize()} area of each class", TITLE)
    sheet.text(_MARGIN, 0.56, f"{_WHENCE[kind]}; nodata left out", Style(color=SOFT))
    _draw_classes(sheet, left, total_ha, legend, names[: len(legend)])
    if zones:
        _draw_zones(sheet, left, zones, legend, more=len(zones_ha) - len(zones))
    return sheet


def _draw_classes(sheet: Sheet, left: float, total_ha: Sequence[float], legend: Legend, names: Sequence[str]) -> None:
    axes = _bars(sheet, left, _TOP, len(legend))
    largest, whole = max([*total_ha, 0.0]) or 1.0, sum(total_ha) or 1.0
    for k, (name, land_class, ha) in enumerate(zip(names, legend.classes, total_ha, strict=True)):
        middle = _TOP + (k + 0.5) * _ROW
        sheet.swatch(_MARGIN, middle, _SWATCH, land_class.color)
        sheet.text(_MARGIN + _SWATCH + 0.09, middle, name, valign="center")
        axes.barh(k + 0.5, ha / largest, 0.62, color=hex_color(land_class.color), edgecolor=SOFT, linewidth=0.5)
        _number(sheet, left + _BAR_W + _NUMBER_W, middle, f"{area(ha)} ha")
        _number(sheet, left + _BAR_W + 2 * _NUMBER_W, middle, percent(ha / whole, 1), note=True)


def _draw_zones(sheet: Sheet, left: float, zones: Mapping[str, Sequence[float]], legend: Legend, *, more: int) -> None:
    top = _TOP + _ROW * len(legend) + _HEAD
    sheet.text(_MARGIN, top - 0.34, "By zone", HEADING)
    if more > 0:
        sheet.text(left, top - 0.34, f"the largest {len(zones)}; {more} more are in the table", NOTE)
    axes = _bars(sheet, left, top, len(zones))
    largest = max(sum(ha) for ha in zones.values()) or 1.0
    for k, (name, hectares) in enumerate(zones.items()):
        middle, start = top + (k + 0.5) * _ROW, 0.0
        sheet.text(_MARGIN, middle, shorten(name, _NAME_MAX + _SWATCH), valign="center")
        for land_class, ha in zip(legend.classes, hectares, strict=True):
            share = ha / largest
            axes.barh(
                k + 0.5, share, 0.62, left=start, color=hex_color(land_class.color), edgecolor="white", linewidth=0.4
            )
            start += share
        _number(sheet, left + _BAR_W + _NUMBER_W, middle, f"{area(sum(hectares))} ha")


def _bars(sheet: Sheet, left: float, top: float, rows: int) -> Axes:
    axes = sheet.axes(left, top, _BAR_W, _ROW * rows)
    axes.set(xlim=(0, 1), ylim=(rows, 0))
    axes.axvline(0, color=SOFT, linewidth=0.8, linestyle="-", clip_on=False)
    return axes


def _number(sheet: Sheet, x: float, y: float, text: str, *, note: bool = False) -> None:
    sheet.text(x, y, text, NOTE if note else Style(), align="right", valign="center")
