"""The journal of a prediction: which batches are done, so that a killed run goes on where it stood.

A hidden folder beside the target holds `header.json` (what is being made, and with what) and one file a
batch and kind, with its hash. Only a batch whose files are whole counts as done. Several processes, on several
machines that share a disk, may fill one journal, and even compute the same batch. A batch that is begun has a mark
until it is done or left in good order: marks that are left tell at which batches processes died. Who watches over
processes gives a batch up that ends all of them: it is not computed any more, and whoever writes the map leaves it out.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import platform
import re
import secrets
import shutil
import zlib
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.errors import ArtefactError
from hectares.io.artefact import dump_json, plain, read_json
from hectares.io.outputs import disk_errors, work_path

BATCH, SCORES = "batch", "scores"
"""Kinds of files: class indices, whose presence says that a batch is done, and scores, which are written before."""
_NOTE = "note"
_BEGUN = "begun"
_GIVEN_UP = "fatal"
_DIGEST_BYTES = 32
_OWN_NAME = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FEW = 8


class Journal:
    """Finished batches of one prediction."""

    def __init__(
        self,
        target: Path,
        header: Mapping[str, Any],
        *,
        overwrite: bool,
        others: Sequence[Path] = (),
        owner: str | None = None,
    ) -> None:
        """Start, or go on with what an earlier run of the same work left.

        `others` are folders of the same layout, of which batches are taken that are not in this one. `owner` is the
        name of this process in its marks, by default `process_name()`.
        Raises ArtefactError if the earlier run had another configuration and `overwrite` is not given.
        """
        self.folder = work_path(target)
        self._elsewhere = {file.name: file for folder in others for file in sorted(folder.iterdir())}
        self._marks: dict[int, Path] = {}
        self._found_marks: dict[int, list[Path]] = {}
        self._owner = owner or process_name()
        self._header = plain(header)
        if self.folder.exists():
            self._take_up(target, overwrite=overwrite)
        with disk_errors(self.folder):
            if not self.folder.exists():
                self._begin(target)

    def _begin(self, target: Path) -> None:
        """Put a folder with its header in place in one step: other shards may begin at the same time."""
        work = self.folder.with_name(f"{self.folder.name}-{_own_name()}")
        work.mkdir()
        (work / "header.json").write_text(dump_json(self._header, indent=1), encoding="utf-8")
        try:
            work.rename(self.folder)
        except OSError:
            shutil.rmtree(work)
            if not self.folder.exists():
                raise
            self._take_up(target, overwrite=False)  # another one was faster

    def _take_up(self, target: Path, *, overwrite: bool) -> None:
        header = self.folder / "header.json"
        try:
            earlier = read_json(header)
        except ValueError:
            earlier = None  # killed before the header was whole: nothing was done yet
        if earlier == self._header:
            return
        if earlier is not None and not overwrite:
            raise ArtefactError(
                f"{target}: an unfinished run of another configuration lies here "
                f"({difference(earlier, self._header)}); "
                "give --overwrite to discard it, or repeat the earlier command to finish it"
            )
        shutil.rmtree(self.folder)

    def _file(self, batch: int, kind: str) -> Path:
        return self.folder / f"{kind}-{batch:07d}.bin"

    def has(self, batch: int, kind: str = BATCH) -> bool:
        """Tell if a batch is done and its file is whole."""
        return self._payload(batch, kind) is not None

    def put(self, batch: int, blocks: Sequence[NDArray[Any]], kind: str = BATCH) -> None:
        """Keep the blocks of a finished batch."""
        packer = zlib.compressobj(level=1)
        packed = [packer.compress(np.ascontiguousarray(b).reshape(-1).view(np.uint8).data) for b in blocks]
        payload = b"".join([*packed, packer.flush()])
        self._write(self._file(batch, kind), hashlib.sha256(payload).digest() + payload)

    def note(self, batch: int, record: Mapping[str, Any]) -> None:
        """Keep what there is to tell about a batch, before it is put: a run that goes on tells it as well."""
        text = dump_json(plain(record))
        self._write(self.folder / f"{_NOTE}-{batch:07d}-{_own_name()}.json", text.encode())

    def begin(self, batch: int, record: Mapping[str, Any]) -> None:
        """Mark a batch as begun; `record` is for those who find the mark after this process died."""
        mark = self.folder / f"{_BEGUN}-{batch:07d}-{_own_name()}.json"
        self._marks[batch] = mark
        with disk_errors(self.folder), contextlib.suppress(FileNotFoundError):
            mark.write_text(dump_json({**record, "by": self._owner}), encoding="utf-8")

    def end(self, batch: int) -> None:
        """Take the marks of a batch away that is done: that of this process, and those that `find_marks` found."""
        for mark in [*self._found_marks.pop(batch, ()), self._marks.pop(batch, None)]:
            if mark is not None:
                mark.unlink(missing_ok=True)

    def end_all(self) -> None:
        """Take away what this process marked and did not finish: it stops in good order."""
        while self._marks:
            self._marks.popitem()[1].unlink(missing_ok=True)

    def find_marks(self, batches: Container[int]) -> list[int]:
        """Give those batches that other processes began and did not finish."""
        self._found_marks = {n: marks for n, marks in marks_in(self.folder).items() if n in batches}
        return sorted(self._found_marks)

    def given_up(self) -> dict[int, Any]:
        """Give the batches that are to be left out, with what was told of each."""
        return given_up_in(self.folder)

    def notes(self, batches: Container[int]) -> list[Any]:
        """Give what was noted about some batches, in their order; the same may have been noted twice."""
        found = {file.name: file for file in self.folder.glob(f"{_NOTE}-*.json")}
        found |= {name: file for name, file in self._elsewhere.items() if name.startswith(f"{_NOTE}-")}
        files = [found[name] for name in sorted(found)]
        return [read_json(file) for file in files if int(file.name.split("-")[1]) in batches]

    def _write(self, file: Path, content: bytes) -> None:
        part = file.with_name(f"{file.stem}-{_own_name()}.part")
        try:
            with disk_errors(self.folder):
                with part.open("wb") as work:
                    work.write(content)
                    work.flush()
                    os.fsync(work.fileno())
                part.replace(file)
        except FileNotFoundError as error:
            raise ArtefactError(
                f"{self.folder}: was removed meanwhile: another run has finished this map, or begun it anew; "
                "give the command again if the map is not there"
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def get(
        self,
        batch: int,
        shapes: Sequence[tuple[int, ...]],
        kind: str = BATCH,
        dtype: np.dtype[Any] = np.dtype(np.uint8),  # noqa: B008 - a value
    ) -> list[NDArray[Any]]:
        """Give the blocks of a batch, whose shapes and type the caller knows."""
        payload = self._payload(batch, kind)
        if payload is None:
            raise ArtefactError(f"{self._file(batch, kind)}: is damaged; run the command again")
        flat = np.frombuffer(zlib.decompress(payload), dtype)
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        return [part.reshape(s) for part, s in zip(np.split(flat, ends[:-1]), shapes, strict=True)]

    def _payload(self, batch: int, kind: str) -> bytes | None:
        file = self._file(batch, kind)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            if file.name not in self._elsewhere:
                return None
            content = self._elsewhere[file.name].read_bytes()
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return payload if hashlib.sha256(payload).digest() == digest else None

    def close_unused(self) -> None:
        """Remove the journal if nothing was done in it."""
        if [path.name for path in self.folder.iterdir()] == ["header.json"]:
            self.close()

    def close(self) -> None:
        """Remove the journal: the result is in place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        start = f"{self.folder.name}-"
        for path in self.folder.parent.iterdir():  # of runs that were killed as they began
            if path.name.startswith(start) and _OWN_NAME.fullmatch(path.name.removeprefix(start)):
                shutil.rmtree(path, ignore_errors=True)


def marks_in(folder: Path) -> dict[int, list[Path]]:
    """Give the marks of batches in the folder of a journal: begun, and neither done nor left in good order."""
    found: dict[int, list[Path]] = {}
    for mark in sorted(folder.glob(f"{_BEGUN}-*.json")):
        found.setdefault(int(mark.name.split("-")[1]), []).append(mark)
    return found


def give_up(folder: Path, batch: int, record: Mapping[str, Any]) -> None:
    """Say that a batch is not to be computed any more; `record` is for those who leave it out."""
    with disk_errors(folder):
        work = folder / f"{_GIVEN_UP}-{_own_name()}.part"
        work.write_text(dump_json(record), encoding="utf-8")
        work.replace(folder / f"{_GIVEN_UP}-{batch:07d}.json")


def given_up_in(folder: Path) -> dict[int, Any]:
    """Give the batches that were given up in the folder of a journal."""
    found: dict[int, Any] = {}
    for file in sorted(folder.glob(f"{_GIVEN_UP}-*.json")):
        with contextlib.suppress(ValueError, OSError):  # it is taken back at this moment
            found[int(file.stem.split("-")[1])] = read_json(file)
    return found


def try_again(folder: Path) -> None:
    """Take back that batches are given up."""
    for file in folder.glob(f"{_GIVEN_UP}-*.json"):
        file.unlink(missing_ok=True)


def process_name(number: int | None = None) -> str:
    """Give the name of a process of this machine, by default of this one, as it is in marks."""
    return f"{platform.node()}:{os.getpid() if number is None else number}"


def _own_name() -> str:
    """Give a part of a name that no other process gives: numbers of processes repeat on other machines."""
    return secrets.token_hex(8)


def difference(earlier: Any, now: Any, path: str = "") -> str:  # JSON is what it is
    """Name the first value that differs between two headers; options first, since other values follow from them.

    >>> difference({"area": None, "config": {"decide": "argmax"}}, {"area": {"a": 1}, "config": {"decide": "area"}})
    "config.decide was 'argmax', is 'area'"
    >>> difference({"drift": None}, {"drift": {"bands": 3}})
    'drift was none, is there now'
    >>> difference({"inputs": {"scene": "0" * 64}}, {"inputs": {"scene": "f" * 64}})
    'inputs.scene has other content'
    """
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(set(earlier) | set(now), key=lambda k: (k != "config", k)):
            if earlier.get(key) != now.get(key):
                return difference(earlier.get(key), now.get(key), f"{path}.{key}".strip("."))
    if isinstance(earlier, dict) or isinstance(now, dict):
        return f"{path} was there, is not now" if now is None else f"{path} was {_shown(earlier)}, is there now"
    if all(isinstance(value, str) and _SHA256.fullmatch(value) for value in (earlier, now)):
        return f"{path} has other content"
    return f"{path} was {_shown(earlier)}, is {_shown(now)}"


def _shown(value: Any) -> str:  # JSON is what it is
    if isinstance(value, list) and len(value) > _FEW:
        return f"{len(value)} values"
    return "none" if value is None else repr(value)
