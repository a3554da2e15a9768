"""Polygons and comparisons of runs in cells, from the content of their JSON records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hectares.core.legend import Legend, hex_color
from hectares.view.numbers import NONE, count, decimals_for, number
from hectares.view.tables import Fact

Content = Mapping[str, Any]
_M2_PER_HA = 10_000.0
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PolygonLine:
    """The polygons of one class."""

    name: str
    color: str
    polygons: str
    raster: str
    written: str
    difference: str


@dataclass(frozen=True, slots=True)
class PolygonSection:
    """What became of a map as polygons."""

    title: str
    map: str
    facts: tuple[Fact, ...]
    lines: tuple[PolygonLine, ...]


def polygon_section(content: Content) -> PolygonSection:
    """Give how many polygons each class has, and whether their areas are those of the pixels."""
    colors = {c.name: hex_color(c.color) for c in Legend.from_json(content["legend"]).classes}
    rows = content["classes"]
    decimals = decimals_for(r[key] / _M2_PER_HA for r in rows for key in ("raster_m2", "polygon_m2"))
    lines = (
        PolygonLine(
            name=r["class_name"],
            color=colors[r["class_name"]],
            polygons=number(r["polygons"]),
            raster=number(r["raster_m2"] / _M2_PER_HA, decimals),
            written=number(r["polygon_m2"] / _M2_PER_HA, decimals),
            difference=_difference(r["polygon_m2"], r["raster_m2"]),
        )
        for r in rows
    )
    return PolygonSection(str(content["polygons"]), str(content["map"]), tuple(_facts(content)), tuple(lines))


def _facts(content: Content) -> Iterator[Fact]:
    config = content["config"]
    yield Fact("polygons", number(sum(r["polygons"] for r in content["classes"])))
    yield Fact("coordinates", str(content["crs"] or "pixels of the map"))
    if config.get("min_area_m2"):
        way = "left out" if config.get("small") == "drop" else "given to a neighbor"
        yield Fact("small objects", f"below {config['min_area_m2']:,g} m² {way}")
    if config.get("fill_holes_m2"):
        yield Fact("holes", f"up to {config['fill_holes_m2']:,g} m² filled")
    if config.get("simplify_m"):
        yield Fact("simplified", f"details of {config['simplify_m']:,g} m")
    if content.get("walls"):
        yield Fact("right angles", f"walls moved by up to {content['walls']['moved_m']:.2f} m")


def _difference(polygons: float, raster: float) -> str:
    r"""Write how far the polygons lie from the pixels; what is rounding only is nothing.

    >>> _difference(1000.0000001, 1000.0), _difference(1004.0, 1000.0), _difference(1.0, 0.0)
    ('none', '+0.40\xa0%', '–')
    """
    if not raster:
        return NONE
    share = polygons / raster - 1
    return "none" if abs(share) < _ROUNDING else f"{100 * share:+.2f}\N{NO-BREAK SPACE}%".replace("-", "−")


def polygon_limits(content: Content) -> Iterator[str]:
    """Say what polygons are not."""
    yield (
        f"The polygons of {content['polygons']} have the borders of the map, and its errors: they are objects of the "
        f"classes as mapped, {count(sum(r['polygons'] for r in content['classes']), 'polygon')}, not a survey."
    )
