"""A web server on this machine that serves parts of files, and can be told to fail."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Served:
    """What a server does, and what it was asked for."""

    root: Path
    url: str = ""
    ranges: bool = True
    break_after: int | None = None
    """So many requests are answered; then connections are cut."""
    at_most: int | None = None
    """Bytes of an answer: of what was asked for, it gives the beginning, and says so."""
    requests: list[str] = field(default_factory=list)


@contextmanager
def serve(root: Path) -> Iterator[Served]:
    """Serve a folder on a free port of 127.0.0.1."""
    served = Served(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Send a file, or the part that was asked for."""
            served.requests.append(self.path)
            if served.break_after is not None and len(served.requests) > served.break_after:
                self.close_connection = True
                return
            file = root / self.path.partition("?")[0].lstrip("/")
            if not file.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = file.read_bytes()
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)?", self.headers.get("Range", "")) if served.ranges else None
            first, last = 0, len(content) - 1
            if asked is not None:
                first, last = int(asked[1]), min(last, int(asked[2] or last))
                last = min(last, first + (served.at_most or len(content)) - 1)
            self.send_response(200 if asked is None else 206)
            if asked is not None:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("ETag", '"abc"')
            self.end_headers()
            self.wfile.write(content[first : last + 1])

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing of clients that have read enough."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
