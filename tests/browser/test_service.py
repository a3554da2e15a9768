"""The service in a browser: from an empty folder to hectares, at the width of a laptop and of a phone."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser.chromium import Browser, find_chromium
from hectares.config.serve import ServeConfig
from hectares.service.app import build_app
from hectares.service.data_root import DataRoot
from hectares.service.listening import build_server, open_socket
from service.conftest import write_scene

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium here: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),  # rasterio's own use
]

STUB = Path(__file__).parents[1] / "service" / "stub_command.py"
TOKEN = "a-token"
LAPTOP, PHONE = (1280, 800), (390, 844)


class Running:
    """A service in a thread."""

    def __init__(self, folder: Path, made: Path) -> None:
        self.config = ServeConfig(port=0, min_free_mb=0)
        app = build_app(DataRoot(folder), [sys.executable, str(STUB), str(made)], self.config, TOKEN)
        self._socket = open_socket(self.config)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.server = build_server(app, self.config)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop it."""
        self.server.should_exit = True
        self._thread.join(60)
        self._socket.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what the commands make."""
    from service.conftest import save_made

    return save_made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give an empty folder."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def running(folder: Path, made: Path) -> Iterator[Running]:
    """Give a service over the folder."""
    found = Running(folder, made)
    yield found
    found.end()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a browser for all tests."""
    with Browser(tmp_path_factory.mktemp("profile"), LAPTOP) as browser:
        yield browser


def _open(browser: Browser, running: Running) -> None:
    browser.resize(*LAPTOP)
    browser.events.clear()
    browser.open(f"{running.address}?token={TOKEN}")
    browser.wait_for("document.body.dataset.ready === 'yes'")


def _text(browser: Browser, where: str) -> str:
    return str(browser.value(f"document.querySelector({json.dumps(where)})?.innerText ?? ''")).replace("\u00a0", " ")


def _press(browser: Browser, where: str) -> None:
    browser.value(f"document.querySelector({json.dumps(where)}).click()")


def _send(browser: Browser, path: Path) -> None:
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def test_from_an_empty_folder_to_hectares(browser: Browser, running: Running, tmp_path: Path):
    _open(browser, running)
    assert browser.value("location.search") == ""
    assert "This folder has no scene yet" in _text(browser, "#scene-list")
    assert "No map yet" in _text(browser, "#none")
    _press(browser, "#go")
    assert _text(browser, "#asked") == "Send a scene first."
    write_scene(tmp_path / "my town.tif")
    _send(browser, tmp_path / "my town.tif")
    browser.wait_for("document.querySelector('#scene-list :checked')")
    assert _text(browser, "#sent") == "my-town.tif is here, and chosen."
    assert "5 × 4 px of 10 m" in _text(browser, "#scene-list")
    _press(browser, "#go")
    browser.wait_for("document.querySelector('.badge.done')")
    card = _text(browser, ".job")
    assert "my-town.tif" in card
    assert "0.11 ha" in card.replace("0.110", "0.11")
    assert "wood" in card
    _press(browser, ".files summary")
    links = browser.value(
        "[...document.querySelectorAll('.files a')].map(a => a.getAttribute('href').split('/').pop())"
    )
    assert links == ["map.tif", "map.qml", "areas.csv", "areas.json", "polygons.gpkg", "report.html"]
    _press(browser, ".job .row a")
    browser.wait_for("window.hectares?.panel && hectares.tiles.pending() === 0 && hectares.stage.view.width > 1")
    assert "wood" in _text(browser, "#legend")
    assert "0.11" in _text(browser, "#legend")
    assert "polygons.gpkg" in _text(browser, "#files")
    browser.click(*browser.value("hectares.stage.screen(0.5, 0.5)"))
    browser.wait_for("!document.getElementById('place').hidden")
    assert "water" in _text(browser, "#place")
    _press(browser, "#panel header a")
    browser.wait_for("document.querySelector('.badge.done')")
    assert browser.complaints() == []
    assert all(a.startswith((running.address, "data:", "about:", "blob:")) for a in browser.addresses())


def test_a_failure_is_told_and_can_be_tried_again(browser: Browser, running: Running, folder: Path):
    write_scene(folder / "bad.tif")
    _open(browser, running)
    browser.wait_for("document.querySelector('#scene-list :checked')")
    _press(browser, "#go")
    browser.wait_for("document.querySelector('.badge.failed')")
    assert "bad.tif: has 1 band; take another scene" in _text(browser, ".job .bad")
    _press(browser, "[data-act=retry]")
    browser.wait_for("document.querySelector('.badge.failed')")


def test_a_map_and_a_scene_that_was_sent_are_deleted_only_after_a_question(
    browser: Browser, running: Running, folder: Path, tmp_path: Path
):
    write_scene(folder / "mine.tif")
    write_scene(tmp_path / "sent.tif")
    _open(browser, running)
    browser.wait_for("document.querySelector('#scene-list :checked')")
    assert browser.value("document.getElementById('unsend').hidden")  # it was not sent
    _send(browser, tmp_path / "sent.tif")
    browser.wait_for("document.getElementById('sent').textContent.includes('sent.tif')")
    _press(browser, "#go")
    browser.wait_for("document.querySelector('.badge.done')")
    assert "until you delete them" in _text(browser, "#kept")
    _press(browser, "[data-act=delete]")
    assert _text(browser, "#sure h2") == "Delete the map of sent.tif?"
    browser.press("Enter")  # the focus is on what keeps it
    browser.wait_for("!document.getElementById('sure').open")
    assert len(list((folder / "results").glob("*/map.tif"))) == 1
    _press(browser, "[data-act=delete]")
    _press(browser, "#sure .danger")
    browser.wait_for("!document.querySelector('.job')")
    assert list((folder / "results").glob("*/map.tif")) == []
    _press(browser, "#unsend button")
    _press(browser, "#sure .danger")
    browser.wait_for("document.getElementById('sent').textContent === 'sent.tif is deleted.'")
    assert list((folder / "uploads").iterdir()) == []
    assert (folder / "mine.tif").exists()
    assert browser.complaints() == []


def test_one_under_way_shows_how_far_it_is_and_can_be_cancelled(browser: Browser, running: Running, folder: Path):
    write_scene(folder / "slow.tif")
    _open(browser, running)
    browser.wait_for("document.querySelector('#scene-list :checked')")
    _press(browser, "#go")
    browser.wait_for("/Mapping, [1-9]/.test(document.querySelector('.told')?.textContent)")
    assert browser.value("document.querySelector('.job progress').value") > 10
    browser.value("document.querySelector('[data-act=cancel]').focus()")
    browser.press("Enter")
    browser.wait_for("document.querySelector('.badge.stopped')")
    assert browser.value("document.activeElement.dataset.act") == "retry"  # the focus stays on the card
    assert "slow.tif: stopped" in browser.value("document.getElementById('news').textContent")


def test_what_has_no_place_and_what_is_no_scene_is_told(
    browser: Browser, running: Running, folder: Path, tmp_path: Path
):
    write_scene(folder / "photo.tif", crs=None, transform=None)
    (folder / "note.tif").write_text("not a raster")
    _open(browser, running)
    browser.wait_for("!document.getElementById('gsd').hidden")
    assert "no areas" in _text(browser, "#gsd")
    assert _text(browser, "#refused summary") == "1 file is no scene"
    (tmp_path / "page.tif").write_text("<!doctype html>")
    _send(browser, tmp_path / "page.tif")
    browser.wait_for("document.getElementById('sent').className === 'bad'")
    assert "page.tif" in _text(browser, "#sent")


def test_names_that_are_markup_are_text(browser: Browser, running: Running, folder: Path):
    evil = "<img src=x onerror=document.title=1>.tif"
    write_scene(folder / evil)
    _open(browser, running)
    browser.wait_for("document.querySelector('#scene-list :checked')")
    assert evil in _text(browser, "#scene-list")
    assert browser.value("document.title").endswith("hectares")


def test_an_end_of_the_service_is_told(browser: Browser, running: Running):
    _open(browser, running)
    running.end()
    browser.value("hectares.listing.refresh().catch(() => 0)")
    assert "The service does not answer" in _text(browser, "#say")


@pytest.mark.parametrize("size", [LAPTOP, PHONE, (320, 640)])
def test_everything_fits_and_has_a_name(browser: Browser, running: Running, folder: Path, size: tuple[int, int]):
    write_scene(folder / "a-name-as-long-as-names-of-scenes-tend-to-be-when-satellites-give-them_T33TVL_20200606.tif")
    write_scene(folder / "bad.tif")
    _open(browser, running)
    browser.resize(*size, phone=size[0] < 500)
    for scene in (0, 1):
        browser.wait_for(
            "document.querySelectorAll('#scene-list input').length === 2 && !document.getElementById('go').ariaDisabled"
        )
        _press(browser, f".choice:nth-child({scene + 1}) input")
        _press(browser, "#go")
    browser.wait_for("document.querySelector('.badge.done') && document.querySelector('.badge.failed')")
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.value("document.documentElement.scrollWidth") <= size[0]
    shown = "[...document.querySelectorAll('a, button, input, summary')].filter(e => e.checkVisibility())"
    nameless = f"{shown}.filter(e => !e.closest('[aria-hidden]')"
    nameless += " && !(e.textContent.trim() || e.ariaLabel || e.labels?.length))"
    assert browser.value(f"{nameless}.map(e => e.outerHTML)") == []
    assert browser.value("document.querySelectorAll('img:not([alt])').length") == 0
    small = f"{shown}.filter(e => e.matches('button, .button') && e.getBoundingClientRect().height < 34)"
    assert browser.value(f"{small}.map(e => e.outerHTML)") == []
