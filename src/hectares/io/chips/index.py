"""The index of a chip store: a line a chip."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hectares.core.window import Window
from hectares.errors import ArtefactError

INDEX_COLUMNS = (
    *("split", "number", "scene", "row", "col", "height", "width"),
    *("room_row", "room_col", "room_height", "room_width", "group", "labelled_px", "sha256"),
)


@dataclass(frozen=True, slots=True)
class ChipRecord:
    """One line of the index."""

    split: str
    number: int
    scene: str
    window: Window
    group: str
    labelled_px: int
    room: Window
    """Where a window of this split may be moved to without touching another split."""
    sha256: str = ""
    """Of the decoded pixels."""

    @property
    def row(self) -> tuple[object, ...]:
        """The cells of the line."""
        w, r = self.window, self.room
        places = (w.row, w.col, w.height, w.width, r.row, r.col, r.height, r.width)
        return (self.split, self.number, self.scene, *places, self.group, self.labelled_px, self.sha256)


def read_index(path: Path) -> Iterator[ChipRecord]:
    """Read the lines of `index.csv`. Raises ArtefactError naming a line that is not one of ours."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                try:
                    yield parse_record(row)
                except (KeyError, TypeError, ValueError) as error:
                    raise ArtefactError(f"{path}:{line}: is damaged ({error}); prepare the chips again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error}); prepare the chips again") from error


def parse_record(row: Mapping[str, str]) -> ChipRecord:
    """Read the cells of a line. Raises KeyError, TypeError or ValueError if it is not one of ours."""
    window, room = (
        Window(*(int(row[f"{prefix}{k}"]) for k in ("row", "col", "height", "width"))) for prefix in ("", "room_")
    )
    labelled = int(row["labelled_px"])
    scene, group = (row[k].removeprefix("'") if row[k][1:2] in set("=+-@") else row[k] for k in ("scene", "group"))
    return ChipRecord(row["split"], int(row["number"]), scene, window, group, labelled, room, row["sha256"])
