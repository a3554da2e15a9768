"""The socket of the service, and the server that listens at it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from hectares.config.serve import ServeConfig
from hectares.errors import ConfigError, ResourceError

_HEAD_PATIENCE_S = 10.0
_MOST_HEAD = 16 * 1024
_GOODBYE_S = 3


class _Impatient(H11Protocol):
    """Hangs up on those who connect and then do not say what they want."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent has it
        super().connection_made(transport)
        self.loop.call_later(_HEAD_PATIENCE_S, self._hang_up)

    def _hang_up(self) -> None:
        begun: Any = self.cycle
        if begun is None and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """A server whose end is asked for by `should_exit`; signals are those of the command line."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def open_socket(config: ServeConfig) -> socket.socket:
    """Take the port. Raises ResourceError if it is in use, ConfigError for an address that this machine has not."""
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"--host {config.host}: is no address of this machine ({error.strerror})") from error
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((config.host, config.port))
        found.listen(config.max_connections)  # who asks before the server runs, waits
    except OSError as error:
        found.close()
        raise ResourceError(
            f"port {config.port} of {config.host} cannot be had ({error.strerror}); give another with --port, "
            "or --port 0 for one that is free"
        ) from error
    return found


def build_server(app: ASGIApp, config: ServeConfig) -> Server:
    """Give a server that serves an application when it is run with a socket."""
    settings = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        http=_Impatient,
        proxy_headers=False,
        limit_concurrency=config.max_connections,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=_GOODBYE_S,
        h11_max_incomplete_event_size=_MOST_HEAD,
    )
    return Server(settings)
