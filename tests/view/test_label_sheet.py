"""The figure of images and labels, and the composites in it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hectares.core.legend import LandClass, Legend
from hectares.view.label_sheet import LabelExample, draw_examples, overlay
from hectares.view.render import own_limits, rgb_bands, stretch_limits, to_rgb

LEGEND = Legend((LandClass(1, "forest", (10, 20, 200)), LandClass(2, "water", (200, 30, 20))))
RNG = np.random.default_rng(2)


def example(side: int, *, bands: int = 3, label: np.ndarray | None = None, scene: str = "north") -> LabelExample:
    valid = np.ones((side, side), np.bool_)
    valid[0, : side // 2] = False
    found = np.arange(side * side).reshape(side, side).astype(np.uint8) // 7 % 2 if label is None else label
    return LabelExample(scene, "row 0, col 64", RNG.integers(0, 4000, (bands, side, side)), valid, found)


def draw(path: Path, examples: list[LabelExample], bands: int = 3, *, alpha: float = 0.5) -> np.ndarray:
    draw_examples(examples, LEGEND, [f"band_{n}" for n in range(bands)], path, alpha=alpha)
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))


def count(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((picture.reshape(-1, 3) == color).all(axis=1).sum())


@pytest.mark.parametrize("side", [8, 64, 512])
@pytest.mark.parametrize("bands", [1, 2, 3, 12])
def test_chips_of_any_size_and_number_of_bands_are_drawn(tmp_path: Path, side: int, bands: int):
    picture = draw(tmp_path / "f.part", [example(side, bands=bands), example(side, bands=bands)], bands)
    assert count(picture, (10, 20, 200)) > 10_000
    assert count(picture, (200, 30, 20)) > 10_000


def test_small_chips_stand_two_in_a_row_and_large_ones_alone(tmp_path: Path):
    small = draw(tmp_path / "small", [example(64)] * 2)
    large = draw(tmp_path / "large", [example(512)] * 2)
    assert small.shape[1] == large.shape[1]
    assert large.shape[0] > 2 * small.shape[0]


def test_no_example_and_nothing_labelled_are_drawn(tmp_path: Path):
    draw(tmp_path / "none", [])
    picture = draw(tmp_path / "void", [example(9, label=np.full((9, 9), 255, np.uint8))])
    assert count(picture, (235, 235, 235)) > 50_000


def test_long_names_keep_their_end_and_their_place_in_the_sheet(tmp_path: Path):
    short = draw(tmp_path / "short", [example(64)] * 2)
    long = draw(tmp_path / "long", [example(64, scene="a/very/long/path " * 20)] * 2)
    assert short.shape == long.shape
    assert (long[:, -20:] == 255).all()


def test_planes_are_drawn_with_the_later_class_on_top(tmp_path: Path):
    planes = np.zeros((2, 9, 9), np.uint8)
    planes[0] = 1
    planes[1, :, 4:] = 1
    planes[:, 0] = 255
    label = example(9, label=planes).indices
    assert label[3].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert (label[0] == 255).all()
    draw(tmp_path / "f", [example(9, label=planes)])


def test_a_pixel_without_any_of_overlapping_classes_is_labelled_all_the_same():
    planes = np.zeros((2, 8, 8), np.uint8)
    planes[0, :2], planes[:, 4:] = 1, 255
    found = example(8, label=planes)
    assert np.array_equal(found.known, np.arange(8)[:, None] < 4 * np.ones((1, 8)))
    assert (found.indices[:2] == 0).all()
    assert (found.indices[2:] == 255).all()


def test_overlay_mixes_class_colors_into_the_picture_and_spares_what_is_unlabelled():
    picture = np.full((1, 3, 3), 100, np.uint8)
    laid = overlay(picture, np.array([[0, 1, 255]], np.uint8), LEGEND, 0.25)
    assert laid.tolist() == [[[78, 80, 125], [125, 82, 80], [100, 100, 100]]]


def test_opacity_changes_the_overlay_only(tmp_path: Path):
    chip = example(64)
    weak, strong = (draw(tmp_path / f"{a}", [chip], alpha=a) for a in (0.2, 0.8))
    third = weak.shape[1] // 3
    assert (weak != strong).any()
    lines = np.flatnonzero((weak != strong).any(axis=(0, 2)))
    assert lines.min() > 2 * third - 30


def test_the_class_that_covers_most_is_left_clear(tmp_path: Path):
    label = np.zeros((64, 64), np.uint8)
    label[:8] = 1
    chip = LabelExample("s", "", np.full((3, 64, 64), 50), np.ones((64, 64), np.bool_), label)
    with_tint = count(draw(tmp_path / "f", [chip], alpha=1.0), (10, 20, 200))
    panel = count(draw(tmp_path / "g", [chip], alpha=0.0), (10, 20, 200))
    assert with_tint == panel


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (("coastal", "blue", "green", "yellow", "red", "nir"), (4, 2, 1)),
        (("B01", "B02", "B03", "B04", "B08"), (3, 2, 1)),
        (("nir", "red", "green"), (0, 1, 2)),
        (("height", "green", "red", "nir"), (3, 2, 1)),
        (("band_1", "band_2", "band_3", "band_4"), (0, 1, 2)),
        (("vv", "vh"), (0, 0, 0)),
        (("gray",), (0, 0, 0)),
    ],
)
def test_bands_are_chosen_by_what_they_measure(bands: tuple[str, ...], shown: tuple[int, int, int]):
    assert rgb_bands(bands) == shown


def test_a_pure_red_image_stays_red():
    image = np.zeros((3, 4, 4), np.uint8)
    image[0, 1:] = 255
    picture = to_rgb(image, ("red", "green", "blue"), np.ones((4, 4), np.bool_))
    assert picture[2, 2].tolist() == [255, 0, 0]


def test_a_dark_image_among_bright_ones_is_brightened_in_its_hue():
    bright = RNG.integers(0, 1000, (3, 20, 20))
    dark = np.stack([RNG.integers(50, 60, (20, 20)) * factor for factor in (1, 2, 1)])
    valid = np.ones((20, 20), np.bool_)
    bands = ("red", "green", "blue")
    common = stretch_limits([(bright, valid), (dark, valid)], bands)
    alone = to_rgb(dark, bands, valid, limits=common)
    lifted = to_rgb(dark, bands, valid, limits=own_limits(dark, valid, bands, common))
    assert lifted.mean() > alone.mean() + 30
    assert (lifted[..., 1] > lifted[..., 0]).mean() > 0.9


def test_limits_of_nothing_valid_are_harmless():
    image, valid = np.ones((3, 2, 2)), np.zeros((2, 2), np.bool_)
    common = stretch_limits([(image, valid)], ("a", "b", "c"))
    assert common == ((0.0, 1.0),) * 3
    assert own_limits(image, valid, ("a", "b", "c"), common) == common
