"""The folder of the service: which scenes and segmenters lie in it, each known by an id that is no path."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affine import Affine

from hectares.core.grid import Grid
from hectares.core.legend import LandClass
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.builtin import PREFIX, builtin_names, locate, read_card
from hectares.io.outputs import PREFIX as HIDDEN
from hectares.io.outputs import disk_errors, exclusive
from hectares.io.segmenter import SPEC_FILE, StoredSegmenter, find_segmenter
from hectares.service.decoding import Decode, decode

RESULTS, UPLOADS = "results", "uploads"
SUFFIXES = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg")
_MARKS = {"run.json", SPEC_FILE, "chips.json", "page.json"}
"""A folder with one of these is a result, and its pictures are no scenes."""
_MOST_DEEP, _MOST_SEEN = 8, 50_000
_DELETED = f"{HIDDEN}deleted-"


@dataclass(frozen=True, slots=True)
class Scene:
    """A raster of the folder that the door for rasters has let in."""

    id: str
    name: str
    """Path below the folder, for people."""
    path: Path
    grid: Grid
    bands: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that looks like a scene and is none, with the reason."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A segmenter that maps can be made with."""

    id: str
    name: str
    run: str
    """What a command line is given: a path below the folder, or `builtin:NAME`."""
    summary: str
    bands: tuple[str, ...]
    gsd_m: float | None
    classes: tuple[LandClass, ...]
    license: str | None = None


class DataRoot:
    """Looks into the folder when it is asked, and remembers files as long as they stay what they are."""

    def __init__(self, folder: str | Path, *, max_scenes: int = 500, decode: Decode = decode) -> None:
        """Take a folder, and make room for results in it; `decode` reads rasters. Raises InputError if it is none."""
        path = Path(folder)
        if not path.is_dir():
            raise InputError(f"{path}: is no folder; make it, and put scenes into it")
        self.path = path.resolve()
        self.results, self.uploads = self.path / RESULTS, self.path / UPLOADS
        for part in (self.results, self.uploads):
            if part.is_symlink():
                raise InputError(f"{part}: is a link; the service writes into a folder of its own there")
            with disk_errors(part):
                part.mkdir(exist_ok=True)
        self._max_scenes, self.decode = max_scenes, decode
        self._known: dict[tuple[str, int, int], Scene | Refused] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for this service. Raises ArtefactError if another one does."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self.results / "service"))
            except ArtefactError as error:
                taken = f"{self.path}: another service works on this folder; use that one, or stop it"
                raise ArtefactError(taken) from error
            yield

    # --- Scenes -------------------------------------------------------------------------------------------

    def scenes(self) -> tuple[list[Scene], list[Refused], bool]:
        """Give the scenes by name, what was refused, and whether there are more than are shown."""
        scenes: list[Scene] = []
        refused: list[Refused] = []
        for name in sorted(self._files()):
            if len(scenes) + len(refused) == self._max_scenes:
                return scenes, refused, True
            found = self._look(name)
            if isinstance(found, Scene):
                scenes.append(found)
            elif found is not None:
                refused.append(found)
        return scenes, refused, False

    def scene(self, scene_id: str) -> Scene | None:
        """Give the scene of an id; None if there is none now."""
        name = next((name for name in self._files() if id_of(name) == scene_id), None)
        found = None if name is None else self._look(name)
        return found if isinstance(found, Scene) else None

    def holds(self, path: Path) -> bool:
        """Tell if a path, all links followed, lies in the folder."""
        return path.resolve().is_relative_to(self.path)

    def _look(self, name: str) -> Scene | Refused | None:
        path = self.path / name
        try:
            facts = path.stat()
        except OSError:
            return None  # gone since it was listed
        key = (name, facts.st_size, facts.st_mtime_ns)
        with self._lock:
            if key in self._known:
                return self._known[key]
        found = self._open(name, path, facts.st_size)
        with self._lock:
            if len(self._known) > 4 * self._max_scenes:
                self._known.clear()
            self._known[key] = found
        return found

    def _open(self, name: str, path: Path, size: int) -> Scene | Refused:
        try:
            header = self.decode("header", path).answer
            return Scene(id_of(name), name, path, grid_of(header), tuple(header["bands"]), size)
        except InputError as error:
            return Refused(name, self.plainly(str(error)))

    def plainly(self, message: str) -> str:
        """Give a message with the files of the folder named as they are in it."""
        return message.replace(f"{self.path}{os.sep}", "").replace(str(self.path), self.path.name)

    def _files(self) -> Iterator[str]:
        """Give the paths below the folder of what may be a scene; no link leads out of it, hidden ones do not count."""
        for folder, files in self._folders():
            if _MARKS & set(files):
                continue
            for name in files:
                path = folder / name
                if name.lower().endswith(SUFFIXES) and not name.startswith(".") and self._is_ours(path):
                    yield path.relative_to(self.path).as_posix()

    def _is_ours(self, path: Path) -> bool:
        return _is_text(path.name) and (not path.is_symlink() or self.holds(path)) and path.is_file()

    def _folders(self) -> Iterator[tuple[Path, list[str]]]:
        seen = 0
        for where, folders, files in os.walk(self.path):  # does not follow links to folders
            folder = Path(where)
            deep = len(folder.relative_to(self.path).parts)
            folders[:] = [
                f
                for f in sorted(folders)
                if not f.startswith(".") and deep < _MOST_DEEP and _is_text(f) and (deep or f != RESULTS)
            ]
            seen += len(files)
            yield folder, files
            if seen > _MOST_SEEN:
                return

    # --- Deleting -----------------------------------------------------------------------------------------

    def is_sent(self, scene: Scene) -> bool:
        """Tell if a scene was sent, and so is ours to delete: a file of its own right in the folder for such."""
        path = self.uploads / scene.path.name
        return scene.path == path and path.is_file() and not path.is_symlink() and not self.uploads.is_symlink()

    def delete_sent(self, scene: Scene) -> None:
        """Delete a scene for which `is_sent` is true."""
        with disk_errors(scene.path):
            scene.path.unlink(missing_ok=True)

    def hide_result(self, name: str) -> Path:
        """Take the folder of a result out of the results in one step, and give where it is now."""
        folder, hidden = self.results / name, self.results / f"{_DELETED}{name}-{secrets.token_hex(4)}"
        if folder.parent != self.results or folder.is_symlink() or self.results.is_symlink():
            raise ArtefactError(f"{folder}: is no folder of this service")
        with disk_errors(folder):
            folder.rename(hidden)
        return hidden

    def remove_hidden(self, hidden: Path) -> None:
        """Remove what was hidden; what cannot be removed now is tried again at the next start."""
        shutil.rmtree(hidden, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove what a service that was killed had begun to take, or to delete."""
        for path in self.uploads.iterdir():
            if path.name.startswith(HIDDEN) and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)
        for path in self.results.iterdir():
            if path.name.startswith(_DELETED) and path.is_dir() and not path.is_symlink():
                self.remove_hidden(path)

    # --- Segmenters ---------------------------------------------------------------------------------------

    def segmenters(self) -> list[Segmenter]:
        """Give those of the folder by name, and then those that ship with the package."""
        own = [self._own(name) for name in sorted(self._runs())]
        return [s for s in own if s is not None] + [_builtin(name) for name in builtin_names()]

    def segmenter(self, segmenter_id: str) -> Segmenter | None:
        """Give the segmenter of an id; None if there is none now."""
        return next((s for s in self.segmenters() if s.id == segmenter_id), None)

    def _runs(self) -> Iterator[str]:
        for folder, files in self._folders():
            if SPEC_FILE in files and self._is_ours(folder / SPEC_FILE):
                run = folder.parent if folder.name == "segmenter" and folder != self.path else folder
                yield run.relative_to(self.path).as_posix()

    def _own(self, name: str) -> Segmenter | None:
        try:
            stored = find_segmenter(self.path / name)
        except (ArtefactError, ConfigError, InputError):
            return None
        network = f"{stored.spec.network}, trained here or copied into this folder"
        return _segmenter(id_of(name), self.path.name if name == "." else name, f"./{name}", network, stored)


def grid_of(header: Mapping[str, Any]) -> Grid:
    """Give the grid of a raster from what was told of its header."""
    height, width = header["shape"]
    return Grid(header["crs"], Affine(*header["transform"]), (height, width))


def id_of(name: str) -> str:
    """Give the id of a file by its path below the folder.

    >>> id_of("scenes/town.tif")
    '5407c2641aa5db5a'
    """
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _is_text(name: str) -> bool:
    """Tell if a name can be written as UTF-8: others come back from no page."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _builtin(name: str) -> Segmenter:
    run = PREFIX + name
    stored, card = find_segmenter(run), read_card(locate(run))
    return _segmenter(id_of(run), run, run, card.summary, stored, card.license)


def _segmenter(
    key: str, name: str, run: str, summary: str, stored: StoredSegmenter, terms: str | None = None
) -> Segmenter:
    spec = stored.spec
    return Segmenter(key, name, run, summary, tuple(spec.bands), spec.gsd_m, tuple(spec.legend.classes), terms)
