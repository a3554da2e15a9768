"""The page points are labelled on, in a browser: keys, undo, what is kept, and files out and in again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from browser.chromium import Browser, find_chromium
from factory import save_raster
from hectares.config.sample import SampleConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.rasters.class_map import write_class_map
from hectares.io.survey.sample import read_sample
from hectares.sample import sample_map

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium here: apt-get install chromium"),
]

LEGEND = Legend.of({20: "water", 10: "forest, </script> & co", 35: "=built-up"})
DOWNLOADS = "let saved = []; save = (name, type, text) => saved.push([name, text])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a sample of six points and its page."""
    folder = tmp_path_factory.mktemp("page")
    grid = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), (30, 40))
    indices = np.repeat(np.arange(3, dtype=np.uint8), 10)[:, None] * np.ones((1, 40), np.uint8)
    write_class_map(folder / "map.tif", indices, grid, LEGEND, {"trained_on": []}, overwrite=False)
    save_raster(folder / "scene.tif", np.stack([indices * 80] * 3), transform=grid.transform)
    sample_map(folder / "map.tif", folder / "my sample.gpkg", SampleConfig(size=6, scene=folder / "scene.tif"))
    return folder


@pytest.fixture
def page(folder: Path, tmp_path: Path) -> Iterator[Browser]:
    """Open the page with nothing kept from before."""
    with Browser(tmp_path / "profile") as browser:
        browser.open((folder / "my sample.html").as_uri())
        browser.value(DOWNLOADS)
        yield browser
        assert browser.complaints() == []
        assert [a for a in browser.addresses() if not a.startswith(("file:", "data:", "about:"))] == []


def _text(page: Browser, name: str) -> str:
    return str(page.value(f"document.getElementById('{name}').textContent"))


def _load(page: Browser, name: str, text: str) -> None:
    page.value(f"load(new File([{json.dumps(text)}], '{name}'))")


def test_keys_choose_classes_and_files_come_back(page: Browser, folder: Path, tmp_path: Path):
    for key in ("1", "0", "2", "3", "0", "ArrowRight", "n"):
        page.press(key)
    page.value("document.getElementById('note').value = '=1, \"two\"'")
    page.press("Enter")
    page.value("document.getElementById('note').dispatchEvent(new Event('change'))")
    assert _text(page, "count") == "5 of 6 · 4 answered"
    page.value("saveCsv(); saveGeojson()")
    saved = dict(page.value("saved"))
    assert list(saved) == ["my sample-labels.csv", "my sample-labels.geojson"]
    for name, text in saved.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = read_sample(folder / "my sample.gpkg", tmp_path / name).points
        assert [p.label_code for p in found] == [20, 10, 35, None, None, None]
        assert [p.confidence for p in found] == ["sure", "unsure", "sure", "unsure", None, None]
        assert found[4].note == '=1, "two"'
    before = page.value("JSON.stringify(answers)")
    for name, text in saved.items():
        page.value("answers = {}")
        _load(page, name, text)
        assert json.loads(page.value("JSON.stringify(answers)")) == json.loads(before)


def test_answers_are_kept_taken_back_and_found_again(page: Browser, folder: Path):
    for key in ("1", "2", "u"):
        page.press(key)
    assert _text(page, "count") == "2 of 6 · 1 answered"
    page.press("ArrowRight")
    page.press("o")
    page.open((folder / "my sample.html").as_uri() + "?again")
    assert _text(page, "say") == "Goes on with 1 answers kept in this browser."
    assert _text(page, "count") == "4 of 6 · 1 answered"


def test_files_of_other_samples_are_refused(page: Browser):
    _load(page, "other.csv", "id,label_code\n1,20\n77,20\n")
    assert _text(page, "say") == "other.csv was not loaded: point 77 is not on this page."
    _load(page, "other.csv", "id,label_class\n1,sea\n")
    assert "point 1 has a class that is not in the legend" in _text(page, "say")
    assert page.value("Object.keys(answers).length") == 0


def test_the_page_fits_a_phone_and_everything_has_a_name(page: Browser):
    page.resize(390, 844, phone=True)
    assert page.value("document.documentElement.scrollWidth") <= 390
    nameless = "[...document.querySelectorAll('button, input:not([hidden]), img')].filter(e => "
    nameless += "!(e.textContent.trim() || e.alt || (e.labels && e.labels.length))).length"
    assert page.value(nameless) == 0
