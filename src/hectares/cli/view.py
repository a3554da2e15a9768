"""The command that makes a map page: its docstring is its help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hectares.cli.console import ConsoleMonitor, stderr
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.view import ViewConfig
from hectares.errors import ConfigError

if TYPE_CHECKING:
    from hectares.map_page import MapPage


def view(
    *maps: Annotated[Path, Parameter(name="MAP... OUT_FOLDER")],
    open_page: Annotated[bool, Parameter(name="--open", negative="", group="Options")] = False,
    config: Annotated[ViewConfig, OPTIONS] = ViewConfig(),  # noqa: B008 - a frozen value
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Make a page to look at class maps: over scenes, with areas, in any browser, without a network.

    Writes a folder; double-click its index.html, or put the folder on any web server.

    Example: `hectares view map.tif --scene scene.tif --zones districts.gpkg map-page`

    Parameters
    ----------
    maps
        Class maps in one CRS, several for several dates, and last the folder to write.
    open_page
        Open the page afterwards in a browser, from this machine alone; Ctrl-C ends that.
    """
    written: list[MapPage] = []

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.map_page import write_map_page

        if len(maps) < 2:
            raise ConfigError("view needs at least one class map and, last, the folder to write")
        *sources, out = maps
        page = write_map_page(sources, out, config, overwrite=general.overwrite, monitor=monitor)
        written.append(page)
        lines = [
            f"{out}: {page.files:,} files, {_size(page.size)}",
            f"open {out / 'index.html'} in a browser; to give it away, zip the folder",
        ]
        return Outcome({"page": out / "index.html", "files": page.files, "bytes": page.size}, lines)

    code = run_verb(general, config, work)
    if open_page and written:
        _serve(written[0].folder)
    return code


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


def _serve(folder: Path) -> None:
    """Show the page until the user has enough."""
    import webbrowser

    from hectares.view.server import page_server

    with page_server(folder) as server:
        stderr.print(f"the page is at {server.address} until you press Ctrl-C")
        webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            stderr.print("closed")
