"""The command that serves a folder: its docstring is its help."""

from __future__ import annotations

import importlib.util
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hectares.cli.console import show_result, stdout
from hectares.cli.options import General
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.serve import ServeConfig
from hectares.errors import MissingExtraError

if TYPE_CHECKING:
    from hectares.service.listening import Server

PROGRAM = (sys.executable, "-P", "-m", "hectares.cli.leash")  # -P: no module is taken from the folder it runs in
_NEEDED = ("fastapi", "uvicorn", "rio_tiler")


def serve(
    folder: Annotated[Path, Parameter(name="DIR")],
    /,
    *,
    open_page: Annotated[bool, Parameter(name="--open", negative="", group="Options")] = False,
    config: Annotated[ServeConfig, OPTIONS] = ServeConfig(),  # noqa: B008 - a frozen value
    general: General = General(),  # noqa: B008
) -> int:
    """Make maps in a browser: pick or send a scene, choose a segmenter, watch, look at the map, take the files.

    Prints an address with a token; whoever has it can use the service, and nobody else. Only this machine can reach it.
    Maps lie in DIR/results, scenes that are sent in DIR/uploads; nothing else in DIR is written. Ctrl-C ends the
    service, and what it was at goes on when it is started again.

    Example: `hectares serve my-town --open`

    Example: `hectares serve my-town --port 9000 --jobs 2 --max-upload-mb 500`

    Parameters
    ----------
    folder
        Folder with scenes and runs, anywhere below it. What ships with the package is there in any case.
    open_page
        Open the page in a browser.
    """
    if general.print_config:
        return run_verb(general, config, lambda _: Outcome({}))
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError("the service needs an extra: pip install 'hectares[serve]'")
    return _serve(folder, config, general, open_page=open_page)


def _serve(folder: Path, config: ServeConfig, general: General, *, open_page: bool) -> int:
    import secrets

    from hectares.service.app import build_app
    from hectares.service.data_root import DataRoot
    from hectares.service.decoders import Decoders
    from hectares.service.listening import build_server, open_socket

    decoders = Decoders()
    root = DataRoot(folder, max_scenes=config.max_scenes, decode=decoders.run)
    token, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    with root.alone(), decoders, open_socket(config) as listening:
        config = replace(config, port=listening.getsockname()[1])
        server = build_server(build_app(root, PROGRAM, config, token, key=key if open_page else None), config)
        address = _address(config, token)
        _say(address, folder, config, general)
        if open_page:
            import webbrowser

            webbrowser.open(_address(config, key))  # other users see what programs are started with
        _until_signal(server)
        server.run(sockets=[listening])
    if not general.json:
        stdout.print("closed; what was under way goes on when the service is started again")
    return 0


def _address(config: ServeConfig, token: str) -> str:
    host = config.called[0] if config.called else config.host
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{config.port}/?token={token}"


def _say(address: str, folder: Path, config: ServeConfig, general: General) -> None:
    lines = [f"{folder}: open {address}", "the service runs until you press Ctrl-C"]
    if not config.is_local:
        lines.insert(1, "other machines can reach it, and what is sent is not encrypted: give the address to few")
    show_result({"address": address, "folder": folder}, lines, (), as_json=general.json)
    sys.stdout.flush()


def _until_signal(server: Server) -> None:
    """Let Ctrl-C and a request of the system end the server; a second one ends it at once."""

    def end(_number: int, _frame: FrameType | None) -> None:
        if server.should_exit:
            raise KeyboardInterrupt
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
