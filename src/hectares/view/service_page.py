"""The pages of the service: its files, by name, and what is filled into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from hectares.view.template import fill

_FOLDER = "templates/service"
ASSETS: Mapping[str, str] = {
    "map.css": "map",
    "service.css": "service",
    "asking.js": "service",
    "words.js": "map",
    "deleting.js": "service",
    "choosing.js": "service",
    "listing.js": "service",
    "service.js": "service",
}
"""Files that the page loads, with the folder of templates they lie in: numbers and colors are those of the map page."""
SCRIPTS = tuple(name for name in ASSETS if name.endswith(".js"))
STYLES = tuple(name for name in ASSETS if name.endswith(".css"))


@dataclass(frozen=True, slots=True)
class Operation:
    """A request that programs may make, for the page that lists them."""

    method: str
    path: str
    summary: str
    notes: str


def asset(name: str) -> bytes | None:
    """Give a file of the page; None if it has no such file."""
    folder = ASSETS.get(name)
    return None if folder is None else (resources.files("hectares.view") / "templates" / folder / name).read_bytes()


def map_frame() -> Mapping[str, bytes]:
    """Give the script that puts a way back and the files of a map onto its page."""
    return {"frame.js": (resources.files("hectares.view") / _FOLDER / "frame.js").read_bytes()}


def start_page(folder: str, version: str) -> str:
    """Give the page on which maps are made."""
    return _fill("index.html", folder=folder, version=version, scripts=SCRIPTS)


def door_page() -> str:
    """Give the page for someone without the token."""
    return _fill("door.html")


def operations_page(operations: Sequence[Operation], version: str) -> str:
    """Give the page that lists what programs may ask."""
    return _fill("operations.html", operations=operations, version=version)


def _fill(template: str, **values: object) -> str:
    return fill(f"service/{template}", styles=STYLES, **values)
