"""A server for one folder, for this machine alone."""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from hectares.errors import ResourceError

_HOST = "127.0.0.1"
_PATIENCE_S = 10.0


class PageServer(ThreadingHTTPServer):
    """Serves the files of a folder on the loopback interface, to be read and nothing else."""

    daemon_threads = True
    request_queue_size = 64

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{_HOST}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:  # as the parent has them
        """Say nothing of a browser that went away in the middle of an answer."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def page_server(folder: Path, port: int = 0) -> PageServer:
    """Give a server that serves as soon as `serve_forever` is called; port 0 takes one that is free.

    Raises ResourceError if the port is in use.
    """
    try:
        return PageServer((_HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise ResourceError(
            f"port {port} of {_HOST} cannot be had ({error.strerror}); take another, or open index.html from the disk"
        ) from error


class _Handler(SimpleHTTPRequestHandler):
    """Files only: no listings, no links out of the folder, no requests that name another host."""

    timeout = _PATIENCE_S
    server: PageServer

    def send_head(self) -> Any:  # what the parent gives
        """Answer with a file, or with an error."""
        port = self.server.server_address[1]
        if self.headers.get("Host") not in {f"{_HOST}:{port}", f"localhost:{port}"}:
            self.send_error(HTTPStatus.FORBIDDEN, "this server answers for this machine only")
            return None
        path = self.translate_path(self.path)
        if "\0" in path or not Path(path).resolve().is_relative_to(Path(self.directory).resolve()):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> BinaryIO | None:  # type: ignore[override]  # noqa: ARG002
        """List nothing."""
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def end_headers(self) -> None:
        """Let a page that is written anew be seen at once."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the parent's
        """Say nothing."""
