"""The map page: what its browser side is told, and the files it is made of.

The page asks for nothing but its own files, by tags: so it works from a disk, where browsers let a page read no file.
Whatever it is told is data in a script of its own; the page writes it as text, never as HTML.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np

from hectares.core.area import nominal_pixel_area
from hectares.core.grid import Grid
from hectares.core.ground import GroundTable, area_table, lonlat_table
from hectares.core.legend import Legend, hex_color
from hectares.core.window import Window
from hectares.view.page import Source
from hectares.view.pyramid import TILE_PX, MapTile
from hectares.view.tables import Fact
from hectares.view.template import fill

SCRIPTS = (
    "words.js", "places.js", "tiles.js", "layers.js", "stage.js", "counting.js", "polygon.js", "panel.js", "page.js",
)  # fmt: skip
STYLE = "map.css"
_FOLDER = "templates/map"
_ABSENT = "-"


@dataclass
class Tiles:
    """Which tiles of a pyramid there are: a line for each row of tiles, a letter for each tile."""

    shapes: Sequence[tuple[int, int]]
    rows: list[list[list[str]]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [
            [[_ABSENT] * -(-width // TILE_PX) for _ in range(-(-height // TILE_PX))] for height, width in self.shapes
        ]

    def mark(self, tile: MapTile, letter: str) -> None:
        """Note that there is a tile, and of which kind."""
        self.rows[tile.level][tile.row][tile.col] = letter

    def to_json(self) -> list[dict[str, Any]]:
        """Give the levels, from the finest."""
        return [
            {"height": height, "width": width, "tiles": ["".join(line) for line in rows]}
            for (height, width), rows in zip(self.shapes, self.rows, strict=True)
        ]


def tile_name(layer: str, tile: MapTile) -> str:
    """Give the name of a tile, which is its path without suffix.

    >>> import numpy as np
    >>> tile_name("map-1", MapTile(2, 0, 3, np.zeros((1, 1), np.uint8)))
    'map-1/2/0-3'
    """
    return f"{layer}/{tile.level}/{tile.row}-{tile.col}"


def layer_record(
    name: str, label: str, affine: Sequence[float], shape: tuple[int, int], step: int, tiles: Tiles
) -> dict[str, Any]:
    """Tell of a layer: `affine` goes from its own pixels to those of the page, `step` pixels are one of its tiles."""
    return {
        "id": name,
        "name": label,
        "affine": [float(v) for v in affine],
        "height": shape[0],
        "width": shape[1],
        "step": step,
        "levels": tiles.to_json(),
    }


def legend_record(legend: Legend) -> list[dict[str, Any]]:
    """Tell of the classes, in the order of their indices."""
    return [{"code": c.code, "name": c.name, "color": hex_color(c.color)} for c in legend.classes]


def facts_record(facts: Sequence[Fact]) -> list[list[str]]:
    """Tell facts as pairs."""
    return [[fact.label, fact.value] for fact in facts]


def source_record(source: Source) -> dict[str, Any]:
    """Tell where a part of the page comes from."""
    return asdict(source) | {"facts": facts_record(source.facts)}


def extent_of(layers: Sequence[Mapping[str, Any]]) -> list[float]:
    """Give left, top, right and bottom of all layers, in pixels of the page."""
    points = []
    for layer in layers:
        a, b, c, d, e, f = layer["affine"]
        corners = ((x, y) for x in (0, layer["width"]) for y in (0, layer["height"]))
        points += [(a * x + b * y + c, d * x + e * y + f) for x, y in corners]
    xs, ys = zip(*points, strict=True)
    return [min(xs), min(ys), max(xs), max(ys)]


def lonlat_record(grid: Grid, extent: Sequence[float]) -> dict[str, Any]:
    """Tell of longitude and latitude over the extent of a page that counts in the pixels of a grid."""
    (left, top), (right, bottom) = map(math.floor, extent[:2]), map(math.ceil, extent[2:])
    whole = grid.crop(Window(top, left, bottom - top, right - left))
    return _ground_record(lonlat_table(whole), left, top, right - left, bottom - top)


def pixel_area_record(grid: Grid, gsd_m: float | None) -> dict[str, Any] | None:
    """Tell of the area of a pixel of a map, over the map."""
    if grid.crs is None and gsd_m is None:
        return None
    nominal = 0.0 if gsd_m is None else nominal_pixel_area(gsd_m)
    table = GroundTable(np.full((1, 2, 2), nominal)) if grid.crs is None else area_table(grid)
    return _ground_record(table, 0, 0, grid.shape[1], grid.shape[0])


def areas_record(table: Mapping[str, Any], *, last: str) -> dict[str, Any]:
    """Tell of areas: square metres of each class, and of nodata last; in total and by zone, of which `last` ends."""
    return {
        "total": [row["area_m2"] for row in table["total"]],
        "zones": {zone: [row["area_m2"] for row in rows] for zone, rows in table["zones"].items()},
        "order": sorted(table["zones"], key=lambda zone: (zone == last, zone)),
        "method": table["method"],
    }


def _ground_record(table: GroundTable, x: float, y: float, width: float, height: float) -> dict[str, Any]:
    """Tell of a table over a box of pixels of the page or of a layer."""
    return {"x": x, "y": y, "width": width, "height": height, **table.to_json()}


def page_files(
    title: str, content: Mapping[str, Any], *, more: Mapping[str, bytes] = MappingProxyType({})
) -> dict[str, bytes]:
    """Give the files of a page apart from its tiles, by name. The same content gives the same bytes.

    `more` are scripts, by name, that run after those of the page.
    """
    scripts = (*SCRIPTS, *more)
    page = fill("map/index.html", title=title, style=STYLE, scripts=scripts)
    folder = resources.files("hectares.view") / _FOLDER
    files = {f"page/{name}": (folder / name).read_bytes() for name in (STYLE, *SCRIPTS)}
    files |= {f"page/{name}": script for name, script in more.items()}
    return {"index.html": page.encode(), "page/content.js": _script(content), **files}


def _script(content: Mapping[str, Any]) -> bytes:
    """Write content as a script that is safe wherever it stands: no `<`, nothing but ASCII."""
    text = json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.hectares = {{ content: {text} }};\n".encode("ascii")
