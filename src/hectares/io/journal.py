"""The journal of a prediction: which batches are done, so that a killed run goes on where it stood.

A hidden folder beside the target holds `header.json` (what is being made, and with what) and one small file
a finished batch, with its hash. Only a batch whose file is whole counts as done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.errors import ArtefactError
from hectares.io.artefact import dump_json, plain, read_json
from hectares.io.outputs import disk_errors, work_path

_DIGEST_BYTES = 32


class Journal:
    """Finished batches of one prediction."""

    def __init__(self, target: Path, header: Mapping[str, Any], *, overwrite: bool) -> None:
        """Start, or go on with what an earlier run of the same work left.

        Raises ArtefactError if the earlier run had another configuration and `overwrite` is not given.
        """
        self.folder = work_path(target)
        self._header = plain(header)
        if self.folder.exists():
            self._take_up(target, overwrite=overwrite)
        with disk_errors(self.folder):
            self.folder.mkdir(exist_ok=True)
            (self.folder / "header.json").write_text(dump_json(self._header, indent=1), encoding="utf-8")

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

    def _file(self, batch: int) -> Path:
        return self.folder / f"batch-{batch:07d}.bin"

    def has(self, batch: int) -> bool:
        """Tell if a batch is done and its file is whole."""
        return self._payload(batch) is not None

    def put(self, batch: int, blocks: Sequence[NDArray[np.uint8]]) -> None:
        """Keep the blocks of a finished batch."""
        payload = zlib.compress(b"".join(np.ascontiguousarray(b).tobytes() for b in blocks), level=1)
        work = self.folder / "batch.part"
        with disk_errors(self.folder):
            with work.open("wb") as file:
                file.write(hashlib.sha256(payload).digest() + payload)
                file.flush()
                os.fsync(file.fileno())
            work.replace(self._file(batch))

    def get(self, batch: int, shapes: Sequence[tuple[int, int]]) -> list[NDArray[np.uint8]]:
        """Give the blocks of a batch, whose shapes the caller knows."""
        payload = self._payload(batch)
        if payload is None:
            raise ArtefactError(f"{self._file(batch)}: is damaged; run the command again")
        flat = np.frombuffer(zlib.decompress(payload), np.uint8)
        ends = np.cumsum([h * w for h, w in shapes])
        return [part.reshape(s) for part, s in zip(np.split(flat, ends[:-1]), shapes, strict=True)]

    def _payload(self, batch: int) -> bytes | None:
        try:
            content = self._file(batch).read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return payload if hashlib.sha256(payload).digest() == digest else None

    def close(self) -> None:
        """Remove the journal: the result is in place."""
        shutil.rmtree(self.folder, ignore_errors=True)


def difference(earlier: Any, now: Any, path: str = "") -> str:  # JSON is what it is
    """Name the first value that differs between two headers."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(set(earlier) | set(now)):
            if earlier.get(key) != now.get(key):
                return difference(earlier.get(key), now.get(key), f"{path}.{key}".strip("."))
    return f"{path} was {earlier!r}, is {now!r}"
