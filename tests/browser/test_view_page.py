"""The map page in a browser, opened from the disk: what a person sees, clicks, draws and reads there."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from browser.chromium import Browser, find_chromium
from factory import save_raster
from hectares.config.measure import MeasureConfig
from hectares.config.view import ViewConfig
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, LandClass, Legend
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.map_page import MapPage, write_map_page
from hectares.measure import measure_map
from hectares.view.server import page_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium here: apt-get install chromium"),
]

EVIL = '<img src=x onerror="document.title=1">'
LEGEND = Legend(
    (
        LandClass(7, "water", (10, 20, 200)),
        LandClass(3, "wood & heath", (0, 120, 10)),
        LandClass(9, EVIL, (200, 30, 20)),
    ),
    nodata=255,
)
SHAPE = (600, 700)
GRIDS = {
    "utm": Grid("EPSG:32633", Affine(10, 0, 300_120, 0, -10, 5_000_370), SHAPE),
    "degrees": Grid("EPSG:4326", Affine(0.0002, 0, 10, 0, -0.0001, 60), SHAPE),
    "mercator": Grid("EPSG:3857", Affine(200, 0, 1.0e6, 0, -200, 8_400_000), SHAPE),
    "turned": Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370) @ Affine.rotation(30), SHAPE),
}
CORNERS = [(120.25, 60.5), (590.75, 130.0), (480.5, 540.25), (200.0, 410.5)]
"""A polygon in pixels of the map, over the border of tiles and over a hole."""


def _indices() -> np.ndarray:
    """Give water in the west, wood in the east, a diagonal of the third class, and a hole."""
    rows, cols = np.indices(SHAPE)
    indices = np.where(cols < 300, 0, 1).astype(np.uint8)
    indices[abs(rows - cols) < 20] = 2
    indices[200:260, 330:400] = IGNORE
    return indices


def _save(folder: Path, grid: Grid, name: str = "map.tif", indices: np.ndarray | None = None) -> Path:
    found = _indices() if indices is None else indices
    write_class_map(folder / name, found, grid, LEGEND, {}, overwrite=False)
    return folder / name


def _shape(grid: Grid, corners: list[tuple[float, float]]) -> shapely.Geometry:
    return shapely.Polygon([grid.transform @ corner for corner in corners])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> MapPage:
    """Give a page with all there is: two maps, a scene, scores, zones and polygons."""
    folder, grid = tmp_path_factory.mktemp("page"), GRIDS["utm"]
    maps = [_save(folder, grid), _save(folder, grid, "later.tif", np.full(SHAPE, 1, np.uint8))]
    gray = np.full((3, *SHAPE), 120, np.uint8)
    gray[:, ::2] = 130
    save_raster(folder / "scene.tif", gray, crs=grid.crs, transform=grid.transform)
    scores = np.where(np.indices(SHAPE)[1] < 300, 0.875, 0.5).astype(np.float32)
    for name in ("one.tif", "two.tif"):
        save_raster(folder / name, scores, crs=grid.crs, transform=grid.transform)
    north = _shape(grid, [(0, 0), (700, 0), (700, 300), (0, 300)])
    write_layer(folder / "zones.gpkg", VectorLayer(grid.crs, (north,), {"name": ("North",)}), name="z", overwrite=False)
    pond = _shape(grid, [(40, 480), (90, 480), (90, 530), (40, 530)])
    layer = VectorLayer(grid.crs, (pond,), {"class": ("pond",), "area_ha": (25.0,)})
    write_layer(folder / "polygons.gpkg", layer, name="p", overwrite=False)
    config = ViewConfig(
        scene=(str(folder / "scene.tif"),), scores=(str(folder / "one.tif"), str(folder / "two.tif")),
        zones=str(folder / "zones.gpkg"), polygons=str(folder / "polygons.gpkg"), title=f"Land {EVIL}",
    )  # fmt: skip
    return write_map_page(maps, folder / "out", config)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a browser for all tests."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(running: Browser, page: MapPage) -> Browser:
    """Give the browser with the page opened anew."""
    _open(running, page.start.as_uri())
    return running


def _open(browser: Browser, address: str) -> None:
    browser.resize(1366, 768)
    browser.events.clear()
    browser.open("about:blank?")
    browser.call("Page.navigate", url=address)
    browser.wait_for("window.hectares?.panel && hectares.tiles.pending() === 0 && hectares.stage.view.width > 1")


def _text(browser: Browser, where: str) -> str:
    return str(browser.value(f"document.querySelector({json.dumps(where)}).innerText")).replace("\u00a0", " ")


def _screen(browser: Browser, x: float, y: float) -> tuple[float, float]:
    """Give where a pixel of the map is in the window."""
    left, top = browser.value(f"hectares.stage.screen({x}, {y})")
    return left, top


def _color(browser: Browser, x: float, y: float) -> tuple[int, ...]:
    """Give the color at a pixel of the map, once all is drawn."""
    browser.wait_for("hectares.tiles.pending() === 0")
    browser.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
    picture = Image.open(io.BytesIO(browser.shot()))
    left, top = _screen(browser, x, y)
    return tuple(picture.convert("RGB").getpixel((round(left), round(top))))


def _measured(tmp_path: Path, grid: Grid, corners: list[tuple[float, float]]) -> list[float]:
    """Give square metres of the classes, and of nodata, as `measure --zones` does."""
    layer = VectorLayer(grid.crs, (_shape(grid, corners),), {"name": ("drawn",)})
    write_layer(tmp_path / "drawn.gpkg", layer, name="z", overwrite=True)
    areas = measure_map(
        _save(tmp_path, grid), tmp_path / "areas.csv", MeasureConfig(zones=str(tmp_path / "drawn.gpkg"))
    )
    return [row.mapped_m2 for row in areas.zones["drawn"].rows]


# --- It opens ---------------------------------------------------------------------------------------------


def test_it_opens_from_the_disk_without_an_error_or_a_network(browser: Browser, page: MapPage):
    assert browser.complaints() == []
    assert browser.addresses()
    root = page.folder.as_uri()
    assert all(a.startswith((root, "about:", "data:", "blob:")) for a in browser.addresses())


def test_it_opens_from_a_web_server(running: Browser, page: MapPage):
    with page_server(page.folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.call(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        _open(running, server.address)
        assert running.complaints() == []
        assert all(a.startswith((server.address, "about:", "data:", "blob:")) for a in running.addresses())
        assert "water" in _text(running, "#legend")
        server.shutdown()
        thread.join()


def test_names_that_are_markup_are_text(browser: Browser):
    assert browser.value("document.title") == f"Land {EVIL}"
    assert _text(browser, "h1") == f"Land {EVIL}"
    assert EVIL in _text(browser, "#legend")
    assert browser.value("document.querySelectorAll('img').length") == 0


# --- Looking ----------------------------------------------------------------------------------------------


def test_the_legend_tells_the_hectares_of_measure(browser: Browser, page: MapPage):
    table = json.loads((page.folder / "areas-1.json").read_text())["total"]
    for row in table:
        assert f"{row['area_ha']:,.2f}" in _text(browser, "#legend"), row["class_name"]


def test_a_click_tells_class_confidence_zone_and_place(browser: Browser):
    browser.click(*_screen(browser, 100.5, 250.5))
    browser.wait_for("!document.getElementById('place').hidden")
    text = _text(browser, "#place")
    assert "water" in text
    assert "88 %" in text
    assert "North" in text
    assert "45.1" in text
    assert "column 100, row 250" in text


def test_a_click_tells_the_area_of_a_polygon(browser: Browser):
    browser.click(*_screen(browser, 60.5, 500.5))
    browser.wait_for("!document.getElementById('place').hidden")
    assert "pond, 25.00 ha" in _text(browser, "#place")


def test_a_drag_moves_the_map_and_picks_nothing(browser: Browser):
    left, top = _screen(browser, 350, 300)
    browser.drag([(left, top), (left - 30, top), (left - 60, top - 20)])
    assert _screen(browser, 350, 300) == pytest.approx((left - 60, top - 20), abs=1)
    assert browser.value("document.getElementById('place').hidden") is True


def test_a_class_can_be_hidden(browser: Browser):
    browser.value("hectares.stage.state.opacity = 1")
    browser.value("document.getElementById('zoned').click()")
    assert _color(browser, 100, 350) == (10, 20, 200)
    browser.value("document.querySelector('#legend input').click()")
    red, green, blue = _color(browser, 100, 350)
    assert red == green == blue  # the gray scene
    assert _color(browser, 600, 350) == (0, 120, 10)


def test_the_divider_shows_the_scene_on_its_left(browser: Browser):
    browser.value("hectares.stage.state.opacity = 1")
    browser.value("document.getElementById('swiping').click()")
    browser.wait_for("!document.getElementById('swipe').hidden")
    assert _color(browser, 330, 400)[0] == _color(browser, 330, 400)[2]
    assert _color(browser, 600, 350) == (0, 120, 10)
    browser.value("document.getElementById('swipe').focus()")
    browser.press("Home")
    browser.press("ArrowRight")
    browser.wait_for("document.getElementById('swipe').getAttribute('aria-valuenow') === '2'")
    assert _color(browser, 330, 400) == (0, 120, 10)


def test_another_map_brings_its_own_areas(browser: Browser, page: MapPage):
    browser.value(
        "(s => { s.value = '1'; s.dispatchEvent(new Event('change')); })(document.querySelector('#choices select'))"
    )
    row = json.loads((page.folder / "areas-2.json").read_text())["total"][1]
    assert f"{row['area_ha']:,.2f}" in _text(browser, "#legend")


def test_a_zone_of_the_table_is_shown(browser: Browser):
    browser.value("document.querySelector('#zones button').click()")
    browser.wait_for("document.querySelector('#area caption')?.innerText.startsWith('North')")
    assert "wood & heath" in _text(browser, "#breakdown")


# --- Measuring --------------------------------------------------------------------------------------------


def _breakdown(browser: Browser) -> dict[str, float]:
    rows = browser.value(
        "[...document.querySelectorAll('#breakdown tbody tr')].map(r => [...r.children].map(c => c.innerText))"
    )
    return {name: float(ha.replace(",", "")) for name, ha, _ in rows}


def test_a_drawn_polygon_has_the_hectares_of_measure(browser: Browser, tmp_path: Path):
    browser.value("document.getElementById('pen').click()")
    for corner in [*CORNERS, CORNERS[0]]:  # a click on the first corner closes it
        browser.click(*_screen(browser, *corner))
    browser.wait_for("document.querySelector('#breakdown')")
    drawn = browser.value("hectares.polygon.rings()[0]")
    corners = list(zip(drawn[::2], drawn[1::2], strict=True))
    assert np.abs(np.array(corners) - CORNERS).max() < 1.5
    expected = _measured(tmp_path, GRIDS["utm"], corners)
    found = _breakdown(browser)
    for name, m2 in zip([*LEGEND.names, "no data"], expected, strict=True):
        assert found[name] == pytest.approx(m2 / 10_000, rel=1e-3), name


@pytest.mark.parametrize("name", ["degrees", "mercator", "turned"])
def test_hectares_are_right_on_any_grid(running: Browser, tmp_path: Path, name: str):
    (tmp_path / "other").mkdir()
    page = write_map_page([_save(tmp_path / "other", GRIDS[name])], tmp_path / "page", ViewConfig())
    _open(running, page.start.as_uri())
    flat = [v for corner in CORNERS for v in corner]
    found = running.value(f"hectares.counting.count(hectares.content.maps[0], [{flat}]).then(m2 => [...m2])")
    assert found == pytest.approx(_measured(tmp_path, GRIDS[name], CORNERS), rel=1e-3)
    assert running.complaints() == []


# --- Keys, phones, readers of screens ---------------------------------------------------------------------


def test_a_polygon_can_be_drawn_with_keys_alone(browser: Browser):
    browser.value("document.getElementById('draw').click()")
    for moves in (("ArrowLeft",), ("ArrowUp", "ArrowUp"), ("ArrowRight", "ArrowRight")):
        for key in moves:
            browser.press(key)
        browser.press("Enter")
    assert _text(browser, "#bar span") == "3 corners"
    browser.value("document.getElementById('finish').click()")
    browser.wait_for("document.querySelector('#breakdown')")
    browser.value("document.getElementById('canvas').focus()")
    browser.press("Escape")
    browser.wait_for("!document.querySelector('#breakdown')")


def test_enter_tells_what_is_in_the_middle(browser: Browser):
    browser.value("document.getElementById('canvas').focus()")
    browser.press("Enter")
    browser.wait_for("!document.getElementById('place').hidden")
    assert "Class" in _text(browser, "#place")


def _names(browser: Browser) -> list[tuple[str, str]]:
    nodes: list[dict[str, Any]] = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "checkbox", "slider", "combobox", "link", "application", "textbox"}
    shown = [n for n in nodes if not n.get("ignored") and n["role"]["value"] in roles]
    return [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in shown]


def test_every_control_has_a_name(browser: Browser):
    names = _names(browser)
    assert len(names) > 12
    assert [role for role, name in names if not name.strip()] == []


def test_a_phone_shows_it_without_scrolling_sideways(browser: Browser):
    browser.resize(390, 844, phone=True)
    browser.wait_for("innerWidth === 390")
    assert browser.value("document.documentElement.scrollWidth") <= 390
    small = browser.value(
        "[...document.querySelectorAll('button:not(:disabled), select, label.check')].filter(e => e.offsetParent)"
        ".filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML)"
    )
    assert small == []


def _touch(browser: Browser, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)


def test_a_finger_picks_and_two_fingers_zoom(browser: Browser):
    browser.resize(390, 844, phone=True)
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    browser.wait_for("innerWidth === 390 && hectares.stage.view.width === 780")
    before = browser.value("hectares.stage.view.scale")
    _touch(browser, "touchStart", (150, 200))
    _touch(browser, "touchStart", (150, 200), (250, 200))
    for spread in (20, 40, 60):
        _touch(browser, "touchMove", (150 - spread, 200), (250 + spread, 200))
    _touch(browser, "touchEnd")
    assert browser.value("hectares.stage.view.scale") == pytest.approx(2.2 * before, rel=0.15)
    assert browser.value("document.getElementById('place').hidden") is True
    _touch(browser, "touchStart", (200, 250))
    _touch(browser, "touchEnd")
    browser.wait_for("!document.getElementById('place').hidden")
    browser.call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_it_can_be_printed(browser: Browser):
    assert len(browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]) > 10_000
    assert browser.complaints() == []
