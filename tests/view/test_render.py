"""Arrays to pictures, and overviews of scenes that are read in strips."""

from __future__ import annotations

import io

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.scene import ArraySource
from hectares.core.window import Window
from hectares.view import render


def source(image: np.ndarray, valid: np.ndarray | None = None) -> ArraySource:
    names = [f"band_{n}" for n in range(1, len(image) + 1)]
    return ArraySource(image, Grid(None, Affine.identity(), image.shape[1:]), names, valid)


class Indices:
    """A class map in memory that notes what is read."""

    def __init__(self, indices: np.ndarray) -> None:
        self.grid = Grid(None, Affine.identity(), indices.shape)
        self._indices = indices
        self.pixels_read = 0

    def read(self, window: Window) -> np.ndarray:
        self.pixels_read += window.pixels
        return self._indices[window.slices]


def test_overview_is_the_mean_of_the_valid_pixels_and_has_the_hole() -> None:
    image = np.zeros((2, 5, 7), np.uint16)
    image[0] = np.arange(35).reshape(5, 7)
    image[1, 4, 6] = 1000
    valid = np.ones((5, 7), np.bool_)
    valid[0:2, 2:4] = False  # a whole square
    valid[2, 0] = False  # a quarter of one
    valid[2:4, 4] = valid[3, 5] = False  # three quarters of one
    chip = render.image_overview(source(image, valid), longest_px=4)
    assert chip.image.dtype == np.float32
    expected = [[4, 0, 8, 9.5], [(15 + 21 + 22) / 3, 20, 0, 23.5], [28.5, 30.5, 32.5, 34]]
    np.testing.assert_allclose(chip.image[0], expected, rtol=1e-6)
    assert chip.image[1, 2, 3] == 1000
    assert chip.valid.tolist() == [[True, False, True, True], [True, True, False, True], [True] * 4]


@pytest.mark.parametrize("block", [(4, 3), (1, 11), (5, 16)])
def test_overview_does_not_depend_on_what_is_read_at_once(
    monkeypatch: pytest.MonkeyPatch, block: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    scene = source(rng.integers(0, 4000, (3, 16, 11)).astype(np.uint16), rng.random((16, 11)) > 0.3)
    whole = render.image_overview(scene, 6)
    monkeypatch.setattr(render, "_READ_PX", 24)
    parts = render.image_overview(scene, 6, block=block)
    assert whole.valid.shape == (6, 4)
    np.testing.assert_array_equal(whole.valid, parts.valid)
    np.testing.assert_allclose(whole.image, parts.image, rtol=1e-6)


def test_every_pixel_is_read_once_in_whole_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_READ_PX", 40)
    windows = list(render._windows((10, 13), (4, 4)))
    seen = np.zeros((10, 13), np.uint8)
    for window in windows:
        seen[window.slices] += 1
        assert window.row % 4 == window.col % 4 == 0
        assert window.pixels <= 40
    assert (seen == 1).all()


def test_small_scene_is_its_own_overview() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    np.testing.assert_array_equal(render.image_overview(source(image), 100).image, image)


def test_class_overview_takes_the_middle_of_each_square_and_reads_only_those_rows() -> None:
    indices = np.zeros((9, 7), np.uint8)
    indices[1, 1], indices[4, 4], indices[7, 6] = 1, 2, 255
    opened = Indices(indices)
    overview = render.class_overview(opened, longest_px=3)
    assert overview.tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 255]]
    assert overview.dtype == np.uint8
    assert opened.pixels_read == 3 * 7


def test_class_overview_of_a_small_map_is_the_map() -> None:
    indices = np.arange(15, dtype=np.uint8).reshape(5, 3)
    np.testing.assert_array_equal(render.class_overview(Indices(indices), 50), indices)


def test_nothing_valid_is_a_gray_picture() -> None:
    picture = render.to_rgb(np.ones((3, 2, 4), np.uint16), ("red", "green", "blue"), np.zeros((2, 4), np.bool_))
    assert picture.shape == (2, 4, 3)
    assert (picture == 235).all()


def test_class_picture_uses_the_legend_and_gray_for_nodata(legend: Legend) -> None:
    picture = render.class_picture(np.array([[0, 1, 255]], np.uint8), legend)
    assert picture.tolist() == [[[10, 20, 200], [0, 120, 10], [235, 235, 235]]]


def test_png_of_classes_has_their_colors_and_transparent_nodata(legend: Legend) -> None:
    content = render.encode_classes(np.array([[0, 2, 255], [1, 1, 0]], np.uint8), legend)
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    assert picture[0].tolist() == [[10, 20, 200, 255], [200, 30, 20, 255], [235, 235, 235, 0]]
    assert picture[1, 0].tolist() == [0, 120, 10, 255]


def test_photo_is_exact_when_small_and_jpeg_when_large() -> None:
    small = np.random.default_rng(0).integers(0, 255, (9, 5, 3)).astype(np.uint8)
    media, content = render.encode_photo(small)
    assert media == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), small)
    assert render.encode_photo(np.zeros((300, 300, 3), np.uint8))[0] == "image/jpeg"
