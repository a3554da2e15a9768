"""The figure of class shares."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hectares.core.legend import LandClass, Legend
from hectares.view.class_chart import draw_class_shares

LEGEND = Legend((LandClass(1, "forest", (10, 20, 200)), LandClass(2, "water", (200, 30, 20))))


def drawn(path: Path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))


def lengths(pixels: np.ndarray) -> list[int]:
    """Width of the bar of each class; its swatch does not count."""
    half = pixels[:, 100:]
    return [int((half == c.color).all(axis=2).sum(axis=1).max()) for c in LEGEND.classes]


@pytest.mark.parametrize("classes", [1, 2, 40])
@pytest.mark.parametrize("splits", [("train",), ("train", "val", "test")])
def test_any_number_of_classes_and_splits_is_drawn(tmp_path: Path, classes: int, splits: tuple[str, ...]):
    legend = Legend.of({n: f"a class with quite a long name {n}" for n in range(classes)})
    pixels = {split: 10 ** (np.arange(classes) % 9) for split in splits}
    area = {split: n * 1e-4 for split, n in pixels.items()}
    draw_class_shares(pixels, legend, tmp_path / "f.part", area)
    assert Image.open(io.BytesIO((tmp_path / "f.part").read_bytes())).format == "PNG"


def test_bars_are_as_long_as_their_shares(tmp_path: Path):
    draw_class_shares({"train": [400, 100]}, LEGEND, tmp_path / "f")
    long, short = lengths(drawn(tmp_path / "f"))
    assert long / short == pytest.approx(4, rel=0.03)


def test_a_rare_class_is_still_seen(tmp_path: Path):
    draw_class_shares({"train": [10**8, 10**3]}, LEGEND, tmp_path / "f")
    long, short = lengths(drawn(tmp_path / "f"))
    assert 0.02 < short / long < 0.4


def test_an_absent_class_and_an_empty_split_are_drawn(tmp_path: Path):
    draw_class_shares({"train": [5, 0], "val": [0, 0]}, LEGEND, tmp_path / "f")
    assert lengths(drawn(tmp_path / "f"))[1] == 0


def test_areas_make_the_figure_wider(tmp_path: Path):
    for name, area in (("with", {"train": [1.5, 20.0]}), ("without", None)):
        draw_class_shares({"train": [5, 60]}, LEGEND, tmp_path / name, area)
    assert drawn(tmp_path / "with").shape[1] > drawn(tmp_path / "without").shape[1]


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        draw_class_shares({"train": np.array([5, 60])}, LEGEND, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_where_classes_overlap_shares_are_of_the_labelled_pixels(tmp_path: Path):
    pixels = {"train": [80, 60]}
    for name, labelled_px in (("of 100", {"train": 100}), ("of 140", {"train": 140}), ("sum", None)):
        draw_class_shares(pixels, LEGEND, tmp_path / name, labelled_px=labelled_px)
    whole, of_sum, by_default = ((tmp_path / name).read_bytes() for name in ("of 100", "of 140", "sum"))
    assert whole != of_sum == by_default
