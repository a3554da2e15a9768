"""Segmenters that ship with the package, by `builtin:NAME`.

A folder of `hectares/builtin` holds the files of a segmenter and `card.md`: what it is good for and where it fails,
under a head of YAML with `summary`, `license` and `scores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.text import read_text

PREFIX = "builtin:"
ROOT = Path(__file__).resolve().parents[1] / "builtin"
CARD_FILE = "card.md"
_MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Card:
    """What people should know about a segmenter before they use it."""

    summary: str
    license: str
    scores: Mapping[str, float]
    """By what was scored, such as `mean IoU, Tile 7`."""
    text: str
    """The prose, in Markdown."""


def is_builtin(path: str | Path) -> bool:
    """Tell if a RUN is one that ships with the package.

    >>> is_builtin("builtin:town"), is_builtin("runs/town")
    (True, False)
    """
    return str(path).startswith(PREFIX)


def builtin_names(root: Path | None = None) -> list[str]:
    """List the segmenters that ship with the package."""
    root = ROOT if root is None else root
    return sorted(p.name for p in root.iterdir() if (p / CARD_FILE).is_file()) if root.is_dir() else []


def locate(path: str | Path, root: Path | None = None) -> Path:
    """Give the folder of `builtin:NAME`, and any other path as it is. Raises ConfigError for an unknown name.

    >>> locate("runs/town").as_posix()
    'runs/town'
    """
    if not is_builtin(path):
        return Path(path)
    name, names = str(path).removeprefix(PREFIX), builtin_names(root)
    if name not in names:
        known = f"known: {', '.join(PREFIX + n for n in names)}" if names else "none ships with this version"
        raise ConfigError(f"{path}: there is no such segmenter; {known}")
    return (ROOT if root is None else root) / name


def read_card(folder: Path) -> Card:
    """Read the card of a segmenter. Raises ArtefactError if its head is not one."""
    from hectares.io.yaml import parse_yaml  # a segmenter runs without its card

    path = folder / CARD_FILE
    try:
        start, head, text = read_text(path, limit=_MAX_BYTES).split("---\n", 2)
        record: Any = {} if start else parse_yaml(head, path)
        scores = {str(k): float(v) for k, v in (record.get("scores") or {}).items()}
        return Card(str(record["summary"]), str(record["license"]), scores, text.strip())
    except (InputError, ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "expected a head of YAML between two lines of ---, with summary, license and scores"
        raise ArtefactError(f"{path}: is no card ({error}); {expected}") from error
