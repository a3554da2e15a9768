"""The site: built without a warning, whole, and with nothing in it that is loaded from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import hectares
from docs import running
from hectares.cli.commands import NAMES

pytest.importorskip("mkdocs")
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """What a page links, loads and can be linked at."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag in LOADED and found.get(LOADED[tag]):
            self.loads.append(found[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=running.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_every_command_has_its_page_with_its_options(site):
    for name in NAMES:
        text = (site / "reference/commands" / f"{name}.html").read_text(encoding="utf-8")
        assert f"hectares {name}" in text
    text = (site / "reference/commands/measure.html").read_text(encoding="utf-8")
    assert "--zone-field" in text
    assert "Attribute that names a zone" in text
    assert "--json" in (site / "reference/commands/index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_public_name_has_its_section(site, pages):
    shown = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "python"))
    missing = [n for n in hectares.__all__ if not n.startswith("__") and n.lower() not in shown]
    assert missing == []


@pytest.mark.slow
def test_every_page_of_docs_is_there(site):
    docs = running.ROOT / "docs"
    expected = {p.relative_to(docs).with_suffix(".html").as_posix() for p in docs.rglob("*.md")}
    built = {p.relative_to(site).as_posix().replace("/index.html", "/README.html") for p in site.rglob("*.html")}
    assert expected - built == set()


@pytest.mark.slow
def test_every_link_leads_somewhere(pages):
    lost = [(path.name, link) for path, page in pages.items() for link in page.links if not leads(pages, path, link)]
    assert lost == []


def leads(pages, path, link):
    parts = urlsplit(link)
    if parts.scheme or path.name == "404.html":  # that page is shown at any address
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    return target.is_file() and (target.suffix != ".html" or unquote(parts.fragment) in pages[target].ids | {""})


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site, pages):
    loads = [(path.name, load) for path, page in pages.items() for load in page.loads]
    assert [pair for pair in loads if urlsplit(pair[1]).netloc] == []
    styles = {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    assert [n for n, text in styles.items() if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text)] == []


@pytest.mark.slow
def test_formulas_are_drawn(site):
    text = (site / "statistics.html").read_text(encoding="utf-8")
    assert text.count('<svg role="img"') > 20
    assert "formula-i-" not in text
    assert "$$" not in text


def test_options_are_told_in_words():
    kinds = running.load_tool("command_pages").kind_of
    assert (kinds(Path | None), kinds(tuple[int, ...]), kinds(bool)) == ("path", "whole number, several", "nothing")
