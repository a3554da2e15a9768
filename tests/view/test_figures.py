"""Figures: what they draw without failing, and that they depend on nothing but their numbers."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from hectares.core.confusion import Confusion
from hectares.core.legend import Legend
from hectares.view.figures import Bar, Example, areas_sheet, draw_evaluation, draw_history
from hectares.view.sheet import BODY, Sheet, printable, shorten, text_width

HISTORY = [
    {"epoch": e, "train_loss": 2 / e, "val_loss": [2.5, 1.2, 1.6][e - 1], "val_miou": [0.2, 0.5, 0.4][e - 1]}
    for e in (1, 2, 3)
]


def example(legend: Legend, *, picture: bool, shape: tuple[int, int] = (5, 7)) -> Example:
    reference = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape) % len(legend)
    predicted = reference.copy()
    predicted[0, :3] = 255
    image = np.full((*shape, 3), 90, np.uint8) if picture else None
    return Example("scene r0 c0", image, reference, predicted, 1.0)


def draw(path: Path, classes: int, examples: int = 0, *, picture: bool = True, name: str = "class") -> Image.Image:
    legend = Legend.of({code: f"{name} {code}" for code in range(classes)})
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 50, (classes, classes)) + 100 * np.eye(classes, dtype=np.int64)
    draw_evaluation(path, Confusion(counts), legend, [example(legend, picture=picture) for _ in range(examples)])
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize("classes", [1, 2, 26])
def test_evaluation_takes_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    assert draw(tmp_path / "figure", classes).format == "PNG"


def test_figure_is_png_whatever_its_suffix(tmp_path: Path) -> None:
    assert draw(tmp_path / ".hectares-12-e.png.work", 3).format == "PNG"


def test_examples_make_the_figure_higher_not_wider(tmp_path: Path) -> None:
    none, three = (draw(tmp_path / "f", 3, n) for n in (0, 3))
    assert none.width == three.width
    assert none.height < three.height


def test_examples_without_a_picture_are_drawn(tmp_path: Path) -> None:
    assert draw(tmp_path / "f", 2, 4, picture=False).format == "PNG"


def test_class_colors_and_the_missing_prediction_are_seen(tmp_path: Path) -> None:
    legend = Legend.from_json({"classes": [{"name": "a", "color": "#0a14c8"}, {"name": "b", "color": "#c81e14"}]})
    draw_evaluation(tmp_path / "f", Confusion.empty(2), legend, [example(legend, picture=True)])
    pixels = np.asarray(Image.open(io.BytesIO((tmp_path / "f").read_bytes())).convert("RGB")).reshape(-1, 3)
    for color in ((10, 20, 200), (200, 30, 20), (90, 90, 90), (235, 235, 235)):
        assert (pixels == color).all(axis=1).sum() > 500


def test_absent_class_and_empty_matrix_are_drawn_without_a_warning(tmp_path: Path) -> None:
    legend = Legend.of({1: "here", 2: "absent"})
    draw_evaluation(tmp_path / "a", Confusion(np.array([[5, 2], [0, 0]])), legend, [])
    draw_evaluation(tmp_path / "b", Confusion.empty(2), legend, [])
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_names_that_look_like_formulas_or_lack_glyphs_are_harmless(tmp_path: Path) -> None:
    assert draw(tmp_path / "f", 3, 1, name=r"$\frac$ 水 " + "long " * 30).format == "PNG"


def test_same_numbers_give_the_same_bytes_whatever_the_global_style(tmp_path: Path) -> None:
    draw(tmp_path / "first", 3, 2)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "lines.linewidth": 9, "savefig.bbox": "tight"}):
        draw(tmp_path / "second", 3, 2)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_figure_holds_no_software_or_date(tmp_path: Path) -> None:
    assert draw(tmp_path / "f", 2).info == {}


@pytest.mark.parametrize("rows", [HISTORY, HISTORY[:1], [{**HISTORY[0], "val_loss": float("nan")}]])
def test_history_is_drawn(tmp_path: Path, rows: list[dict[str, float]]) -> None:
    draw_history(rows, tmp_path / "history.part")
    assert Image.open(io.BytesIO((tmp_path / "history.part").read_bytes())).width > 1000


def test_the_epoch_that_was_kept_is_marked(tmp_path: Path) -> None:
    rows = [{"epoch": n, "train_loss": 1 / n, "val_loss": 0.5 + 0.1 * n, "val_miou": 0.1 * n} for n in (1, 2, 3)]
    for name, best in (("lowest loss", None), ("first", 1), ("third", 3)):
        draw_history(rows, tmp_path / name, best_epoch=best)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "lowest loss").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "third").read_bytes()


def test_bars_are_as_long_as_their_areas(tmp_path: Path) -> None:
    bars = [Bar("a", (10, 20, 200), 100.0), Bar("b", (200, 30, 20), 25.0), Bar("c", (0, 0, 9), 0.0)]
    areas_sheet(bars).save(tmp_path / "f")
    pixels = np.asarray(Image.open(io.BytesIO((tmp_path / "f").read_bytes())).convert("RGB"))
    long, short = ((pixels == color).all(axis=2).any(axis=0).sum() for color in ((10, 20, 200), (200, 30, 20)))
    assert long / short == pytest.approx(4, rel=0.02)


def test_reference_changes_the_chart_of_areas(tmp_path: Path) -> None:
    areas_sheet([Bar("a", (10, 20, 200), 100.0, 110.0)]).save(tmp_path / "with")
    areas_sheet([Bar("a", (10, 20, 200), 100.0)]).save(tmp_path / "without")
    assert (tmp_path / "with").read_bytes() != (tmp_path / "without").read_bytes()


def test_reference_areas_are_not_called_mapped(tmp_path: Path) -> None:
    bars = [Bar("a", (10, 20, 200), 100.0)]
    areas_sheet(bars).save(tmp_path / "mapped")
    areas_sheet(bars, "reference").save(tmp_path / "reference")
    assert (tmp_path / "mapped").read_bytes() != (tmp_path / "reference").read_bytes()


def test_shortened_text_fits() -> None:
    text = shorten("a class with quite a long name", 1.0)
    assert text.endswith("…")
    assert 0.8 < text_width(text, BODY) <= 1.0


def test_unprintable_is_replaced_and_lines_are_joined() -> None:
    assert printable("a\nb 水") == "a b \N{REPLACEMENT CHARACTER}"


def test_sheet_has_the_size_asked_for() -> None:
    assert struct.unpack(">II", Sheet(2.0, 1.5, dpi=100).png()[16:24]) == (200, 150)
