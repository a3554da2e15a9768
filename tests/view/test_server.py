"""The server of a page."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hectares.errors import ResourceError
from hectares.view.server import PageServer, page_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    folder = tmp_path / "page"
    (folder / "tiles").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret.txt")
    with page_server(folder) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _ask(server: PageServer, path: str, *, method: str = "GET", host: str | None = None) -> tuple[int, bytes]:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_it_serves_the_page_on_the_loopback_interface_alone(server: PageServer):
    assert server.server_address[0] == "127.0.0.1"
    assert _ask(server, "/") == (200, b"the page")


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/link", "/tiles/", "/nothing", "/a%00b"])
def test_it_serves_nothing_else(server: PageServer, path: str):
    status, body = _ask(server, path)
    assert status in {400, 404}
    assert b"secret\n" not in body
    assert body != b"secret"


def test_a_request_that_names_another_host_is_refused(server: PageServer):
    assert _ask(server, "/", host="evil.example")[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(server: PageServer, method: str):
    assert _ask(server, "/index.html", method=method)[0] == 501


def test_a_port_in_use_is_told(server: PageServer, tmp_path: Path):
    with pytest.raises(ResourceError, match="cannot be had"):
        page_server(tmp_path, server.server_address[1])
