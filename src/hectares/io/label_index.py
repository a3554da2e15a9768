"""Which label rasters of a folder are written: a journal while it grows, `labels.json` when it is complete.

A label counts as written if its inputs are those of the record and its files are there. So a run that was stopped
goes on, and one that asks for more scenes writes only what is new.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from hectares.errors import ArtefactError
from hectares.io.artefact import dump_json, plain, read_artefact
from hectares.io.journal import difference
from hectares.io.outputs import PREFIX, disk_errors, exclusive, resolve, resumable_folder, staged_file
from hectares.monitor import Problem

KIND = "labels"
INDEX = "labels.json"
JOURNAL = f"{PREFIX}labels.jsonl"
_COMPARED = ("config", "format", "source", "legend", "rules")


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """A label that is written."""

    id: str
    """That of the scene."""
    inputs: str
    """Fingerprint of all that the label was made from."""
    files: Mapping[str, int]
    """Files by name within the folder, with their bytes."""
    pixels: tuple[int, ...]
    """Pixels of each class, which may overlap, and last of those without a label."""
    labelled: int
    """Pixels with a label."""
    area_m2: tuple[float, ...] | None
    """Their areas; None where the size of a pixel is unknown."""
    problems: tuple[Problem, ...] = field(default=())
    skips: bool = True
    """False if nothing broken was skipped, so that it is complete as far as its source is."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> LabelRecord:
        """Read a record that `asdict` gave."""
        area = record["area_m2"]
        return cls(
            str(record["id"]),
            str(record["inputs"]),
            {str(name): int(size) for name, size in record["files"].items()},
            tuple(map(int, record["pixels"])),
            int(record["labelled"]),
            None if area is None else tuple(map(float, area)),
            tuple(Problem(**p) for p in record["problems"]),
            bool(record.get("skips", True)),
        )


class LabelIndex:
    """The records of a folder of label rasters, while labels are added."""

    def __init__(self, folder: Path, head: Mapping[str, Any], records: Mapping[str, LabelRecord]) -> None:
        self.folder = folder
        self._head = plain(head)
        self._records = dict(records)
        self._journal = self._begin()

    def _begin(self) -> TextIO:
        """Write what is known so far, so that a journal is always whole but for its last line."""
        path = self.folder / JOURNAL
        lines = [dump_json(self._head), *(dump_json(asdict(r)) for r in self._records.values())]
        with staged_file(path, overwrite=True) as work:
            work.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path.open("a", encoding="utf-8")

    def find(self, name: str, inputs: str) -> LabelRecord | None:
        """Give the record of a scene if its label is written, from these inputs, and all its files are there."""
        record = self._records.get(name)
        if record is None or record.inputs != inputs:
            return None
        return record if all(_size(self.folder / f) == size for f, size in record.files.items()) else None

    def add(self, record: LabelRecord) -> None:
        """Note a label whose files are in place."""
        self._records[record.id] = record
        self._journal.write(f"{dump_json(asdict(record))}\n")
        self._journal.flush()

    def finish(self, order: Iterable[str]) -> None:
        """Write `labels.json`: the scenes of this run in their order, then others that were written earlier."""
        listed = list(order)
        ids = [*listed, *sorted(set(self._records) - set(listed))]
        head = dump_json(self._head, indent=1)
        body = ",\n".join(f"  {dump_json(asdict(self._records[name]))}" for name in ids)
        with staged_file(self.folder / INDEX, overwrite=True) as work:
            work.write_text(f'{head[:-2]},\n "scenes": [\n{body}\n ]\n}}\n', encoding="utf-8")
        self._journal.close()
        (self.folder / JOURNAL).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


@contextlib.contextmanager
def label_folder(
    target: Path, head: Mapping[str, Any], *, overwrite: bool, inputs: Iterable[Path]
) -> Iterator[LabelIndex]:
    """Yield the index of a folder of label rasters to fill.

    A folder that is new, or that a run with the same options left, is filled in place, file by file. With
    `overwrite`, one of other options is replaced when the new one is complete; so is a finished one of the same.
    Raises ArtefactError naming the first option that differs, or if the folder holds anything else.
    """
    target = resolve(target)
    if target.exists() and not target.is_dir():
        raise ArtefactError(f"{target}: is a file; expected the name of a folder")
    if (file := next((p for p in target.parents if p.exists() and not p.is_dir()), None)) is not None:
        raise ArtefactError(f"{target}: cannot be written: {file} is a file; choose another folder")
    found = _found(target)
    if found is None and target.is_dir() and any(not p.name.startswith(PREFIX) for p in target.iterdir()):
        raise ArtefactError(f"{target}: is not empty and holds no labels of ours; choose another folder")
    if found is not None and overwrite:
        ours = INDEX if (target / INDEX).is_file() else JOURNAL
        with (
            resumable_folder(target, dump_json(head), overwrite=True, inputs=inputs, ours=ours) as work,
            LabelIndex(work, head, _records(_read_journal(work / JOURNAL))) as index,
        ):
            yield index
        return
    earlier, records = found or ({}, {})
    now = plain(head)
    for key in _COMPARED if earlier else ():
        if earlier.get(key) != now[key]:
            what = difference(earlier.get(key), now[key], key)
            raise ArtefactError(
                f"{target}: holds labels written with other options ({what}); "
                "choose another folder, or give --overwrite to replace them"
            )
    with exclusive(target), disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        for path in target.rglob(f"{PREFIX}*"):
            if path.name != JOURNAL:
                path.unlink()  # half a file of a run that was killed
        with LabelIndex(target, head, records) as index:
            yield index


def _found(folder: Path) -> tuple[dict[str, Any], dict[str, LabelRecord]] | None:
    """Give head and records that earlier runs left; None if there are none."""
    head: dict[str, Any] = {}
    records: dict[str, LabelRecord] = {}
    if (folder / INDEX).is_file():
        head = read_artefact(folder / INDEX, KIND)
        try:
            records = {str(r["id"]): LabelRecord.from_json(r) for r in head.pop("scenes")}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtefactError(
                f"{folder / INDEX}: is damaged ({error!r}); delete it to write all labels anew"
            ) from None
    lines = _read_journal(folder / JOURNAL)
    if not lines:
        return (head, records) if head else None
    return lines[0], records | _records(lines)


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a journal up to the first that is not whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines: list[dict[str, Any]] = []
    for line in text.split("\n")[:-1]:
        try:
            content = json.loads(line)
        except ValueError:
            break
        lines.append(content)
    return lines


def _records(lines: list[dict[str, Any]]) -> dict[str, LabelRecord]:
    return {str(line["id"]): LabelRecord.from_json(line) for line in lines[1:]}
