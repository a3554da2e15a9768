"""Filling a chip store, scene by scene, so that a stopped run goes on after its last whole scene."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from hectares.core.sampling import SPLITS
from hectares.core.scene import LabelledChip
from hectares.io.artefact import save_csv, sha256_file
from hectares.io.chips.frames import ChipShape, hash_chip, pack, unpack
from hectares.io.chips.index import INDEX_COLUMNS, ChipRecord, parse_record

_WORK = "index.part.csv"


class ChipWriter:
    """Appends chips to the files of their splits; `commit` after each scene makes them last."""

    def __init__(self, folder: Path, shape: ChipShape, classes: int) -> None:
        self.folder = folder
        self.records: list[ChipRecord] = []
        self.done: list[str] = []
        """Ids of the scenes that are in the store whole."""
        self.remarks: list[str] = []
        """What was given to `commit` with each of them."""
        self._shape = shape
        self._classes = classes
        self._places: dict[str, list[tuple[int, int, int, int]]] = {s: [] for s in SPLITS}
        self._counts: dict[str, list[NDArray[np.uint32]]] = {s: [] for s in SPLITS}
        self._pixels: dict[str, BinaryIO] = {}
        self._stack = ExitStack()
        self._lines: TextIO | None = None
        self._pending: list[ChipRecord] = []

    # A scene's end is a line with an empty split: what follows the last one was cut short and is cut off again.

    def resume(self) -> Iterator[tuple[ChipRecord, LabelledChip]]:
        """Take up what an earlier run has finished; yields its chips, for statistics to be counted again."""
        part = self.folder / _WORK
        if not part.is_file():
            self._open(fresh=True)
            return
        kept, scene = list[list[str]](), list[list[str]]()
        with part.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                scene.append(row)
                if row[:1] == ["end"] and len(row) == 3:
                    kept += scene
                    self.done.append(row[1])
                    self.remarks.append(row[2])
                    scene = []
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(kept)
        yield from self._take_up([row for row in kept if row[0] != "end"])
        self._open(fresh=False)

    def _take_up(self, rows: Sequence[Sequence[str]]) -> Iterator[tuple[ChipRecord, LabelledChip]]:
        for row in rows:
            record = parse_record(dict(zip(INDEX_COLUMNS, row, strict=False)))
            image, valid, label, end = (int(v) for v in row[len(INDEX_COLUMNS) :])
            self._places[record.split].append((image, valid, label, end))
            self.records.append(record)
        for split, places in self._places.items():
            path = self.folder / f"{split}.pixels"
            if path.exists():
                with path.open("r+b") as file:
                    file.truncate(places[-1][3] if places else 0)
        for record in self.records:
            chip = self._stored(record)
            self._counts[record.split].append(self._count(chip.label))
            yield record, chip

    def _stored(self, record: ChipRecord) -> LabelledChip:
        image, valid, label, end = self._places[record.split][record.number]
        with (self.folder / f"{record.split}.pixels").open("rb") as file:
            file.seek(image)
            frames = memoryview(file.read(end - image))
        to_valid, to_label = valid - image, label - image
        return unpack((frames[:to_valid], frames[to_valid:to_label], frames[to_label:]), self._shape)

    def _open(self, *, fresh: bool) -> None:
        for split in SPLITS:
            path = self.folder / f"{split}.pixels"
            self._pixels[split] = self._stack.enter_context(path.open("wb" if fresh else "ab"))
        part = self.folder / _WORK
        if fresh:
            part.write_text("")
        self._lines = self._stack.enter_context(part.open("a", newline="", encoding="utf-8"))

    def append(self, record: ChipRecord, chip: LabelledChip) -> None:
        """Add a chip; its number and hash are filled in here."""
        split = record.split
        frames = pack(chip, self._shape) if self._shape.packing != "scenes" else (b"", b"", b"")
        start = self._places[split][-1][3] if self._places[split] else 0
        ends = np.cumsum([start, *map(len, frames)]).tolist()
        for frame in frames:
            self._pixels[split].write(frame)
        number = len(self._places[split])
        done = ChipRecord(
            split, number, record.scene, record.window, record.group, record.labelled_px, record.room, hash_chip(chip)
        )
        self._places[split].append((ends[0], ends[1], ends[2], ends[3]))
        self._counts[split].append(self._count(chip.label))
        self.records.append(done)
        self._pending.append(done)

    def _count(self, label: NDArray[np.uint8]) -> NDArray[np.uint32]:
        if label.ndim == 3:
            planes: NDArray[np.uint32] = (label == 1).sum(axis=(1, 2)).astype(np.uint32)
            return planes
        return np.bincount(label.ravel(), minlength=256)[: self._classes].astype(np.uint32)

    def commit(self, scene: str, remarks: str = "") -> None:
        """Make the chips of a scene last, with a text that a resumed run finds in `remarks`."""
        assert self._lines is not None
        for file in self._pixels.values():
            file.flush()
        writer = csv.writer(self._lines, lineterminator="\n")
        for record in self._pending:
            writer.writerow([*map(str, record.row), *self._places[record.split][record.number]])
        writer.writerow(["end", scene, remarks])
        self._lines.flush()
        self._pending.clear()
        self.done.append(scene)
        self.remarks.append(remarks)

    def class_counts(self, split: str) -> NDArray[np.uint32]:
        """Labelled pixels of each class in each chip so far, (N, K)."""
        counts = self._counts[split]
        return np.stack(counts) if counts else np.zeros((0, self._classes), np.uint32)

    def finish(self) -> dict[str, str]:
        """Write the indexes, drop the files of empty splits, and give the SHA-256 of all files."""
        self._stack.close()
        (self.folder / _WORK).unlink()
        save_csv(self.folder / "index.csv", INDEX_COLUMNS, (r.row for r in self.records))
        for split, places in self._places.items():
            if not places or self._shape.packing == "scenes":
                (self.folder / f"{split}.pixels").unlink()
            if places:
                np.save(self.folder / f"{split}.index.npy", np.array(places, np.uint64), allow_pickle=False)
                np.save(self.folder / f"{split}.classes.npy", self.class_counts(split), allow_pickle=False)
        names = sorted(p.name for p in self.folder.iterdir() if p.suffix in {".csv", ".npy", ".pixels"})
        return {name: sha256_file(self.folder / name) for name in names}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
