"""Scenes whose pixels coincide, as one source: windows reach from one into the next."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from hectares.core.grid import Grid
from hectares.core.scene import Chip, place
from hectares.core.window import Window
from hectares.io.rasters.scenes import SceneFile

_OPEN = 64
"""A system lets a program open only so many files; every scene takes one for each of its files and each thread."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A scene, and where its pixels lie in the mosaic."""

    window: Window
    opened: Callable[[], SceneFile]
    """Opens it; all pieces have the same bands and the same type of values."""


class SceneMosaic:
    """Scenes as a `PlacedSource`: each pixel is that of the first one in which it is valid.

    Thread-safe as `SceneFile` is. Scenes are opened when they are needed, and few are held.
    """

    def __init__(self, pieces: Sequence[Piece], grid: Grid, path: Path) -> None:
        self.grid = grid
        self.path = path
        self._pieces = pieces
        self._lock = threading.Lock()
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._damage: dict[tuple[Path, Window], bool | None] = {}
        """By file and window of the mosaic, if other scenes show all that is there; None if nobody has looked yet."""
        with self._lend(0) as first:
            self.bands, self._dtype = first.bands, first.dtype

    @property
    def damage(self) -> tuple[Window, ...]:
        """Windows with pixels that could not be decoded so far, and that no other scene shows."""
        with self._lock:
            for number, held in self._held.items():
                self._remember(number, held)
            unknown = [key for key, filled in self._damage.items() if filled is None]
        for key in unknown:
            self._damage[key] = bool(self.read(key[1]).valid.all())
        with self._lock:
            return tuple(dict.fromkeys(window for (_, window), filled in self._damage.items() if not filled))

    @property
    def filled(self) -> dict[Path, int]:
        """How many blocks of which file could not be decoded, and are shown by other scenes."""
        with self._lock:
            return Counter(path for (path, _), filled in self._damage.items() if filled)

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the mosaic."""
        inside = window & self.grid.window
        image: Any = np.zeros((len(self.bands), *inside.shape), self._dtype)
        valid = np.zeros(inside.shape, np.bool_)
        for number, piece in enumerate(self._pieces):
            shared = piece.window & inside
            part = shared.within(inside).slices
            if valid[part].all():  # or empty
                continue
            with self._lend(number) as scene:
                chip = scene.read(shared.within(piece.window))
            new = chip.valid & ~valid[part]
            np.copyto(image[:, *part], chip.image, where=new)
            valid[part] |= new
        return place(Chip(image, valid), inside, window)

    def close(self) -> None:
        """Close all scenes."""
        with self._lock:
            while self._held:
                self._held.popitem()[1].scene.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _lend(self, number: int) -> Iterator[SceneFile]:
        """Lend a scene to a thread; those that nobody reads make room, the one that waits longest first."""
        with self._lock:
            if number not in self._held:
                self._held[number] = _Held(self._pieces[number].opened())
            held = self._held[number]
            self._held.move_to_end(number)
            held.readers += 1
        try:
            yield held.scene
        finally:
            with self._lock:
                held.readers -= 1
                idle = [n for n, h in self._held.items() if not h.readers]
                for n in idle[: max(0, len(self._held) - _OPEN)]:
                    self._remember(n, self._held[n])
                    self._held.pop(n).scene.close()

    def _remember(self, number: int, held: _Held) -> None:
        origin = self._pieces[number].window
        for window in held.scene.damage:
            self._damage.setdefault((held.scene.path, window.shift(origin.row, origin.col)), None)


@dataclass(slots=True)
class _Held:
    scene: SceneFile
    readers: int = 0
