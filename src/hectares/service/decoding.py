"""Reading of rasters that came from anywhere, in a process of its own: `python -m hectares.service.decoding`.

What a file does to the libraries that decode it, it does to this process: it may take so much memory and time and no
more, and the service starts another one. It is asked line by line, as JSON, and answers with a line and bytes:

    {"operation": "preview", "path": "/data/town.tif", "values": [320]}
    {"answer": "image/png", "size": 2} and 2 bytes, or {"message": "town.tif: is empty"}
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hectares.core.legend import hex_color
from hectares.errors import HectaresError, RasterError
from hectares.io.rasters.class_map import open_class_map
from hectares.io.rasters.raster import open_raster

PATIENCE_S = 30
_MOST_BYTES = 3 * 2**30


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file was found to be: a value of JSON, None for nothing, and perhaps a picture or a script."""

    answer: Any
    body: bytes = b""


Decode = Callable[..., Decoded]
"""Takes the name of an operation, a path, and what else the operation takes; raises HectaresError."""


def decode(operation: str, path: str | Path, *values: Any) -> Decoded:
    """Do an operation in this process. Raises HectaresError for a file that does not allow it."""
    try:
        return _operation(operation)(Path(path), *values)
    except HectaresError:
        raise
    except Exception as error:  # libraries raise what they like over a damaged file
        raise RasterError(f"{path}: cannot be read ({type(error).__name__}); it is damaged, fetch it again") from error


# --- Operations -------------------------------------------------------------------------------------------


def _header(path: Path) -> Decoded:
    with open_raster(path) as raster:
        grid = raster.grid
        return Decoded(
            {
                "crs": grid.crs,
                "transform": list(grid.transform)[:6],
                "shape": list(grid.shape),
                "bands": list(raster.bands),
            }
        )


def _legend(path: Path) -> Decoded:
    with open_class_map(path) as opened:
        return Decoded([[c.name, hex_color(c.color)] for c in opened.legend.classes])


OPERATIONS: dict[str, Callable[..., Decoded]] = {"header": _header, "legend": _legend}
"""What needs rasterio alone; for pictures, `service/pictures.py` is loaded when the first is asked for."""


def _operation(name: str) -> Callable[..., Decoded]:
    if name not in OPERATIONS:
        from hectares.service.pictures import PICTURES

        OPERATIONS.update(PICTURES)
    return OPERATIONS[name]


# --- The process ------------------------------------------------------------------------------------------


def main() -> None:
    """Answer until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library says goes elsewhere
    _set_limits()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        _ring_after(PATIENCE_S)
        try:
            found = decode(asked["operation"], asked["path"], *asked["values"])
            head, body = {"answer": found.answer, "size": len(found.body)}, found.body
        except HectaresError as error:
            head, body = {"message": str(error)}, b""
        _ring_after(0)
        answers.write(json.dumps(head).encode() + b"\n" + body)
        answers.flush()


def _ring_after(seconds: int) -> None:
    """Let the system end this process after a time, wherever it is by then; 0: not at all."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _set_limits() -> None:
    if sys.platform == "win32":  # pragma: no cover - Windows has no such limits
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        own = _MOST_BYTES if most == resource.RLIM_INFINITY else min(_MOST_BYTES, most)
        resource.setrlimit(resource.RLIMIT_DATA, (own, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
