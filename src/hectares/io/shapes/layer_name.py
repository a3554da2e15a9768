"""The name of a layer in a vector file, as it is written on a command line."""

from __future__ import annotations

from pathlib import Path


def split_layer_name(text: str | Path) -> tuple[Path, str | None]:
    """Take `FILE` or `FILE:LAYER` apart.

    >>> split_layer_name("zones.gpkg:districts")[1]
    'districts'
    """
    path = Path(text)
    if path.exists() or ":" not in str(text):
        return path, None
    file, layer = str(text).rsplit(":", 1)
    return (Path(file), layer) if Path(file).suffix else (path, None)
