"""Pyramids of tiles."""

from __future__ import annotations

import base64
import io
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from hectares.core.legend import IGNORE
from hectares.view.pyramid import (
    TILE_PX,
    MapTile,
    Pyramid,
    encode_codes,
    encode_picture,
    level_shapes,
    mean_squares,
    shrink_codes,
    shrink_picture,
)


def _put_together(tiles: list[MapTile], shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    levels = [np.zeros(shape, np.uint8) for shape in shapes]
    for tile in tiles:
        row, col = tile.row * TILE_PX, tile.col * TILE_PX
        height, width = tile.pixels.shape
        levels[tile.level][row : row + height, col : col + width] = tile.pixels
    return levels


@pytest.mark.parametrize("rows", [1, 100, 512, 700, 5000])
def test_tiles_hold_every_level_however_the_rows_come(rows: int):
    codes = np.random.default_rng(1).integers(0, 9, (1537, 1031), np.uint8)
    pyramid = Pyramid(codes.shape, shrink_codes)
    tiles = [t for start in range(0, 1537, rows) for t in pyramid.add(codes[start : start + rows])]
    levels = _put_together(tiles, pyramid.shapes)
    assert pyramid.shapes == level_shapes((1537, 1031)) == [(1537, 1031), (769, 516), (385, 258)]
    for number, level in enumerate(levels):
        step = 2**number
        np.testing.assert_array_equal(level, codes[::step, ::step])
    assert len(tiles) == len({(t.level, t.row, t.col) for t in tiles}) == 4 * 3 + 2 * 2 + 1


def test_a_picture_shrinks_to_means_of_what_is_seen():
    picture = np.zeros((2, 4, 4), np.uint8)
    picture[0, 0] = (100, 10, 0, 255)
    picture[1, 1] = (50, 20, 0, 255)
    picture[0, 2] = (80, 80, 80, 255)
    shrunk = shrink_picture(picture)
    assert shrunk[0, 0].tolist() == [75, 15, 0, 255]
    assert shrunk[0, 1, 3] == 0  # one of four is seen


def test_means_of_squares_leave_out_what_is_not_valid():
    image = np.array([[[4, 8, 1], [0, 0, 5]]], np.uint16)
    valid = np.array([[True, True, True], [False, False, True]])
    means, seen = mean_squares(image, valid, 2)
    assert means.tolist() == [[[6.0, 3.0]]]
    assert seen.tolist() == [[True, True]]


def test_codes_come_back_from_their_script():
    pixels = np.array([[0, 1, 255], [2, 2, 7]], np.uint8)
    script = encode_codes(MapTile(0, 0, 0, pixels), "map-1/0/0-0")
    found = re.fullmatch(r'hectares\.receive\("map-1/0/0-0","([A-Za-z0-9+/=]+)"\);\n', script.decode())
    assert zlib.decompress(base64.b64decode(found[1])) == pixels.tobytes()


def test_a_tile_of_nodata_is_no_file():
    assert encode_codes(MapTile(0, 0, 0, np.full((2, 2), IGNORE, np.uint8)), "a") is None
    assert encode_picture(MapTile(0, 0, 0, np.zeros((2, 2, 4), np.uint8))) is None


def test_a_picture_is_clear_where_nothing_was_seen():
    pixels = np.full((3, 2, 4), 200, np.uint8)
    pixels[0, 1, 3] = 0
    suffix, data = encode_picture(MapTile(0, 0, 0, pixels))
    assert suffix == "png"
    assert (np.array(Image.open(io.BytesIO(data)))[..., 3] == 0).tolist() == [[False, True], [False] * 2, [False] * 2]


def test_a_picture_without_gaps_is_a_jpeg():
    suffix, data = encode_picture(MapTile(0, 0, 0, np.full((8, 8, 4), 255, np.uint8)))
    assert suffix == "jpg"
    assert Image.open(io.BytesIO(data)).size == (8, 8)
