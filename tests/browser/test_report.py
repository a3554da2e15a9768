"""The report in a browser, opened from the disk: what a person sees, moves, reads aloud and prints."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

from browser.chromium import Browser, find_chromium
from factory import save_raster
from hectares.change import measure_change
from hectares.config.change import ChangeConfig
from hectares.config.evaluate import EvaluateConfig
from hectares.config.measure import MeasureConfig
from hectares.config.report import ReportConfig
from hectares.config.vectorize import VectorizeConfig
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.evaluate import evaluate_map
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.measure import measure_map
from hectares.report import write_report
from hectares.vectorize import vectorize_map

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium here: apt-get install chromium"),
]

EVIL = '<img src=x onerror="document.title=1">'
LEGEND = Legend.of({k: EVIL if k == 30 else f"class of land number {k}" for k in range(1, 31)})
GRID = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), (120, 150))
CONTRAST = """(() => {
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const behind = node => { for (; node; node = node.parentElement) {
    const c = numbers(getComputedStyle(node).backgroundColor);
    if (c.length < 4 || c[3] > 0.5) return c.slice(0, 3); } return [255, 255, 255]; };
  let worst = [99, ""];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some(c => c.nodeType === 3 && c.textContent.trim()) || !node.offsetParent) continue;
    const own = light(numbers(getComputedStyle(node).color).slice(0, 3));
    const [a, b] = [own, light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 80)];
  }
  return worst;
})()"""


def _indices() -> np.ndarray:
    """Give thirty classes in stripes, with a hole."""
    indices = np.tile((np.arange(150) // 5).astype(np.uint8), (120, 1))
    indices[20:40, 60:90] = IGNORE
    return indices


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with reports of all there is, of very much, and without a map."""
    folder = tmp_path_factory.mktemp("report")
    indices = _indices()
    write_class_map(folder / "map.tif", indices, GRID, LEGEND, {}, overwrite=False)
    write_class_map(folder / "later.tif", np.roll(indices, 2, axis=1), GRID, LEGEND, {}, overwrite=False)
    save_raster(folder / "scene.tif", np.stack([indices * 8] * 3), transform=GRID.transform, crs=GRID.crs)
    west, south, _, north = GRID.bounds
    boxes = [shapely.box(west + 7.5 * k, south, west + 7.5 * (k + 1), north) for k in range(200)]
    layer = VectorLayer(GRID.crs, tuple(boxes), {"name": tuple(f"Parish {k} of the long name" for k in range(200))})
    write_layer(folder / "zones.gpkg", layer, name="zones", overwrite=False)
    measure_map(folder / "map.tif", folder / "areas.csv", MeasureConfig(zones=str(folder / "zones.gpkg")))
    evaluate_map(folder / "map.tif", folder / "later.tif", folder / "scores.json", EvaluateConfig(draws=100))
    vectorize_map(folder / "map.tif", folder / "polygons.gpkg", VectorizeConfig())
    measure_change(folder / "map.tif", folder / "later.tif", folder / "change.csv", ChangeConfig())
    records = [folder / name for name in ("areas.csv", "scores.json", "polygons.json", "change.json")]
    rasters = [folder / name for name in ("map.tif", "later.tif", "scene.tif")]
    write_report([*rasters, *records], folder / "all.html", ReportConfig(title="All & everything", place=EVIL))
    write_report(records, folder / "without map.html", ReportConfig())
    return folder


@pytest.fixture
def page(folder: Path, tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile", (1280, 900)) as browser:
        browser.open((folder / "all.html").as_uri())
        yield browser
        assert browser.complaints() == []
        assert [a for a in browser.addresses() if not a.startswith(("file:", "data:", "about:"))] == []


def _shown(page: Browser, number: int = 0) -> str:
    script = f"getComputedStyle(document.querySelectorAll('.swipe .after')[{number}]).clipPath"
    return str(page.value(script)).removeprefix("inset(0px 0px 0px ").removesuffix(")")


def test_the_page_opens_without_a_network_and_runs_nothing_from_names(page: Browser):
    assert page.value("document.title") == "All & everything"
    assert page.value("document.images.length && [...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_the_divider_follows_the_pointer(page: Browser):
    assert _shown(page) == "50%"
    box = page.value("(() => { const b = document.querySelector('.swipe').getBoundingClientRect();"
                     " return [b.left, b.top, b.width, b.height]; })()")  # fmt: skip
    y = min(box[1] + box[3] / 2, 890)
    page.drag([(box[0] + box[2] / 2, y), (box[0] + 0.8 * box[2], y)])
    assert _shown(page) == "80%"


def test_the_divider_follows_the_arrow_keys_and_says_where_it_is(page: Browser):
    page.value("document.querySelector('.slider input').focus()")
    for _ in range(3):
        page.press("ArrowRight")
    assert _shown(page) == "53%"
    assert page.value("document.querySelector('.slider input').getAttribute('aria-valuetext')") == "53 % scene"


def test_the_maps_of_two_dates_are_laid_over_each_other(page: Browser):
    page.value("document.querySelector('#swipe-change-1').focus()")
    page.press("ArrowLeft")
    last = page.value("document.querySelectorAll('.swipe').length") - 1
    assert _shown(page, last) == "49%"
    assert page.value("document.activeElement.getAttribute('aria-valuetext')") == "49 % earlier"


def test_headings_go_down_step_by_step_and_links_arrive(page: Browser):
    levels = page.value("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.value("[...document.querySelectorAll('a[href]')].every(a => document.querySelector(a.hash))")


def test_every_table_has_heads_with_a_scope_and_every_picture_a_text(page: Browser):
    assert page.value("[...document.querySelectorAll('table')].every(t => t.querySelector('th[scope]'))")
    assert page.value("[...document.querySelectorAll('th')].every(h => ['row', 'col'].includes(h.scope))")
    assert page.value("[...document.images].every(i => i.alt)")


def test_letters_stand_out_from_what_is_behind_them(page: Browser):
    ratio, where = page.value(CONTRAST)
    assert ratio >= 4.5, where


@pytest.mark.parametrize("name", ["all.html", "without map.html"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(folder: Path, tmp_path: Path, name: str, width: int):
    with Browser(tmp_path / "profile", (1280, 900)) as browser:
        browser.resize(width, 844, phone=width < 500)
        browser.open((folder / name).as_uri())
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.complaints() == []


def test_it_prints_on_pages_with_both_pictures_and_all_columns(page: Browser, tmp_path: Path):
    pdf = base64.b64decode(page.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert pdf.startswith(b"%PDF")
    assert 4 <= pdf.count(b"/Type /Page\n") <= 40
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.value("getComputedStyle(document.querySelector('.swipe .after')).clipPath") == "none"
    assert page.value("getComputedStyle(document.querySelector('.slider')).display") == "none"


def test_many_classes_leave_the_table_of_zones_readable(page: Browser):
    heads = page.value("document.querySelectorAll('#zones-1 + p, #zones-1 ~ .wide .zones thead th').length")
    assert heads <= 16
    assert "140 more zones" in page.value("document.querySelector('#zones-1').parentElement.textContent")
