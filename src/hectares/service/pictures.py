"""What is shown of rasters, as bytes: the operations of `service/decoding.py` that make pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from hectares.service import tiles
from hectares.service.decoding import Decoded, decode
from hectares.view.pyramid import MapTile, code_script, encode_picture
from hectares.view.render import encode_png

_KINDS = {"jpg": "image/jpeg", "png": "image/png"}


def _look(path: Path) -> tiles.Look:
    facts = path.stat()
    return _look_once(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=16)
def _look_once(path: Path, _size: int, _changed: int) -> tiles.Look:
    return tiles.look_of(path)


def _showable(path: Path) -> Decoded:
    """Give the header of a scene of which pictures can be made."""
    _look(path)
    return decode("header", path)


def _preview(path: Path, longest_px: int) -> Decoded:
    return _picture(MapTile(0, 0, 0, tiles.scene_picture(path, _look(path), longest_px)))


def _scene_tile(path: Path, level: int, row: int, col: int) -> Decoded:
    tile = tiles.scene_tile(path, _look(path), level, row, col)
    if tile is None:
        return Decoded(None)
    found = _picture(tile)
    return found if found.answer else Decoded(_KINDS["png"], encode_png(np.zeros((1, 1, 4), np.uint8)))


def _picture(tile: MapTile) -> Decoded:
    encoded = encode_picture(tile)
    return Decoded(None) if encoded is None else Decoded(_KINDS[encoded[0]], encoded[1])


def _map_tile(path: Path, name: str, level: int, row: int, col: int) -> Decoded:
    tile = tiles.code_tile(path, level, row, col)
    return Decoded(None) if tile is None else Decoded("text/javascript", code_script(tile, name))


def _map_picture(path: Path, longest_px: int) -> Decoded:
    return Decoded(_KINDS["png"], tiles.map_picture(path, longest_px))


def _web_tile(path: Path, zoom: int, x: int, y: int) -> Decoded:
    body = tiles.web_tile(path, zoom, x, y)
    return Decoded(None) if body is None else Decoded(_KINDS["png"], body)


PICTURES: Mapping[str, Callable[..., Decoded]] = {
    "showable": _showable,
    "preview": _preview,
    "scene_tile": _scene_tile,
    "map_tile": _map_tile,
    "map_picture": _map_picture,
    "web_tile": _web_tile,
}
