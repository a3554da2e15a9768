"""Scenes whose pixels coincide, as one source."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from factory import WriteRaster
from hectares.core.bands import BandPlan
from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.io.catalog import ImageFile
from hectares.io.rasters.scene_mosaic import Piece, SceneMosaic
from hectares.io.rasters.scenes import open_scene

PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
GRID = Grid("EPSG:32633", PLACE, (3, 5))
WEST = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
EAST = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
"""One row lower, from column 2."""


def _piece(write: WriteRaster, name: str, image: np.ndarray, row: int, col: int, **options: object) -> Piece:
    path = write(name, image, transform=PLACE @ Affine.translation(col, row), **options)
    opened = partial(open_scene, [ImageFile(path)], BandPlan(), tolerate_damage=True)
    return Piece(Window(row, col, *image.shape), opened)


def test_each_pixel_is_that_of_the_first_scene_in_which_it_is_valid(write_raster: WriteRaster):
    valid = np.array([[True, True, True], [True, True, False]])
    west = _piece(write_raster, "west.tif", WEST, 0, 0, valid=valid, valid_as="mask")
    east = _piece(write_raster, "east.tif", EAST, 1, 2)
    with SceneMosaic([west, east], GRID, Path("both")) as found:
        chip = found.read(Window(-1, 1, 4, 5))
    assert chip.image[0].tolist() == [[0, 0, 0, 0, 0], [2, 3, 0, 0, 0], [5, 10, 20, 30, 0], [0, 40, 50, 60, 0]]
    assert np.array_equal(chip.valid, chip.image[0] > 0)
    with SceneMosaic([east, west], GRID, Path("both")) as other:
        assert other.read(GRID.window).image[0].tolist() == [[1, 2, 3, 0, 0], [4, 5, 10, 20, 30], [0, 0, 40, 50, 60]]


def test_with_few_files_open_any_thread_reads_the_same(write_raster: WriteRaster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hectares.io.rasters.scene_mosaic._OPEN", 1)
    opened = []
    pieces = []
    for number in range(5):
        piece = _piece(write_raster, f"{number}.tif", np.full((3, 1), number + 1, np.uint8), 0, number)
        pieces.append(Piece(piece.window, lambda piece=piece: opened.append(piece) or piece.opened()))
    with SceneMosaic(pieces, GRID, Path("all")) as found, ThreadPoolExecutor(4) as pool:
        chips = list(pool.map(found.read, [GRID.window] * 40))
        assert len(found._held) == 1
    assert all(chip.image[0].tolist() == [[1, 2, 3, 4, 5]] * 3 for chip in chips)
    assert len(opened) > len(pieces)


@pytest.mark.parametrize("is_filled", [True, False])
def test_damage_is_told_unless_another_scene_shows_what_is_there(write_raster: WriteRaster, is_filled: bool):
    image = np.random.default_rng(1).integers(1, 200, (64, 64), dtype=np.uint8)
    form = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    west = _piece(write_raster, "west.tif", image, 0, 0, **form)
    with west.opened() as scene:
        content = bytearray(scene.path.read_bytes())
        third = len(content) // 3
        content[third : 2 * third] = bytes(third)
        scene.path.write_bytes(content)
    other = _piece(write_raster, "other.tif", image[:, : 64 if is_filled else 8], 0, 0)
    grid = Grid("EPSG:32633", PLACE, (64, 64))
    with SceneMosaic([west, other], grid, Path("both")) as found:
        chip = found.read(grid.window)
        assert chip.valid.all() == is_filled
        assert np.array_equal(chip.image[0], np.where(chip.valid, image, 0))
        assert bool(found.damage) == (not is_filled)
        assert bool(found.filled) == is_filled
