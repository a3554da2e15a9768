"""Chips read straight from the scenes, for a store without pixels."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hectares.core.scene import LabelledChip
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.catalog import read_catalog
from hectares.io.chips.cutting import CuttingRule, SceneCutter
from hectares.io.chips.frames import hash_chip
from hectares.io.chips.index import ChipRecord

_OPEN_SCENES = 64
"""Scenes that are held open at a time; the one that was opened first is closed for a new one."""


class SceneChips:
    """The chips of one split, cut when they are read, at their place or moved within their room."""

    def __init__(self, folder: Path, content: Mapping[str, Any], records: Sequence[ChipRecord]) -> None:
        self._catalog = read_catalog(folder / "catalog.json")
        self._scenes = {s.id: s for s in self._catalog.scenes}
        self._rule = CuttingRule.from_json(content["cutting"])
        self._records = records
        self._folder = folder
        self._open: dict[str, SceneCutter] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._records)

    def read(self, number: int, shift: tuple[float, float] | None = None) -> LabelledChip:
        """Give a chip; `shift` (0 to 1 down and right) says where in its room it is cut instead."""
        record = self._records[number]
        cutter = self._cutter(record)
        return cutter.cut(record.window if shift is None else _moved(record.window, record.room, shift))

    def _cutter(self, record: ChipRecord) -> SceneCutter:
        name = record.scene
        with self._lock:
            if name not in self._open:
                if name not in self._scenes:
                    raise ArtefactError(f"{self._folder}: the catalog lacks the scene {name!r}; prepare it again")
                if len(self._open) >= _OPEN_SCENES:
                    self._open.pop(next(iter(self._open))).close()
                cutter = SceneCutter(self._scenes[name], self._catalog, self._rule)
                if hash_chip(cutter.cut(record.window)) != record.sha256:
                    raise ArtefactError(
                        f"{cutter.scene.image}: has other pixels or labels than when {self._folder} was prepared; "
                        "prepare it again"
                    )
                self._open[name] = cutter
            return self._open[name]


def _moved(window: Window, room: Window, shift: tuple[float, float]) -> Window:
    """Give a window of the same size anywhere in the room.

    >>> _moved(Window(0, 0, 4, 4), Window(0, 0, 4, 10), (0.5, 0.99))
    Window(row=0, col=6, height=4, width=4)
    """
    rows, cols = room.height - window.height + 1, room.width - window.width + 1
    return Window(room.row + int(shift[0] * rows), room.col + int(shift[1] * cols), window.height, window.width)
