"""The chip store: pixels cut once, then read at the speed of memory.

A folder with one sub-folder a split, each with three NumPy files that are mapped into memory:

    chips.json              what this is, from which scenes, bands, legend, statistics, SHA-256 of the files
    index.csv               a line a chip: split, number, scene, window, group, labelled pixels
    catalog.json legend.json
    train/images.npy        (N, C, h, w) in the type and units of the source
    train/valid.npy         (N, h, w) uint8, 1 where observed
    train/labels.npy        (N, h, w) uint8 class indices, 255 = ignore
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.scene import Chip
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.artefact import read_artefact

KIND = "chips"
INDEX_COLUMNS = ("split", "number", "scene", "row", "col", "height", "width", "group", "labelled_px")


class ArrayAppender:
    """Writes an .npy file item by item; the number of items is known at the end.

    The header of the format reserves room for the first axis to grow, so that it can be rewritten in place.
    """

    def __init__(self, path: Path, item_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape = item_shape
        self._dtype = dtype
        self._count = 0
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        header: dict[str, Any] = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, item: NDArray[Any]) -> None:
        """Add one item."""
        assert item.shape == self._shape
        self._file.write(np.ascontiguousarray(item, self._dtype).tobytes())
        self._count += 1

    def close(self) -> None:
        """Write the final number of items and close."""
        self._file.seek(0)
        self._write_header()
        self._file.close()


class ChipWriter:
    """Fills the folder of one split."""

    def __init__(self, folder: Path, *, bands: int, chip_px: int, dtype: np.dtype[Any]) -> None:
        folder.mkdir()
        square = (chip_px, chip_px)
        self._images = ArrayAppender(folder / "images.npy", (bands, *square), dtype)
        self._valid = ArrayAppender(folder / "valid.npy", square, np.dtype(np.uint8))
        self._labels = ArrayAppender(folder / "labels.npy", square, np.dtype(np.uint8))
        self.count = 0

    def append(self, chip: Chip, label: NDArray[np.uint8]) -> None:
        """Add a chip and its label."""
        self._images.append(chip.image)
        self._valid.append(chip.valid)
        self._labels.append(label)
        self.count += 1

    def close(self) -> None:
        """Finish the files."""
        for array in (self._images, self._valid, self._labels):
            array.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, eq=False)
class ChipArrays:
    """The chips of one split, mapped from disk."""

    images: NDArray[Any]
    """(N, C, h, w)."""
    valid: NDArray[np.uint8]
    """(N, h, w), 1 where observed."""
    labels: NDArray[np.uint8]
    """(N, h, w) class indices, 255 = ignore."""

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ChipRecord:
    """One line of the index."""

    split: str
    number: int
    scene: str
    window: Window
    group: str
    labelled_px: int

    @property
    def row(self) -> tuple[object, ...]:
        """The cells of the line."""
        w = self.window
        return (
            self.split,
            self.number,
            self.scene,
            w.row,
            w.col,
            w.height,
            w.width,
            self.group,
            self.labelled_px,
        )


@dataclass(frozen=True)
class ChipStore:
    """A folder of chips, opened for reading."""

    folder: Path
    content: Mapping[str, Any]
    legend: Legend
    stats: BandStats

    @property
    def chip_px(self) -> int:
        """Side of the chips."""
        return int(self.content["chip_px"])

    @property
    def gsd_m(self) -> float | None:
        """Metres per pixel, None without georeference."""
        gsd = self.content["gsd_m"]
        return None if gsd is None else float(gsd)

    @property
    def counts(self) -> dict[str, int]:
        """Number of chips in each split."""
        return dict(self.content["counts"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the hashes of all pixel files."""
        return str(self.content["fingerprint"])

    def arrays(self, split: str) -> ChipArrays:
        """Map the chips of a split into memory. Raises ArtefactError if it has none."""
        if not self.counts.get(split):
            filled = ", ".join(f"{name} {n}" for name, n in self.counts.items() if n)
            raise ArtefactError(f"{self.folder}: has no chips in the split {split!r}; it has {filled}")
        folder = self.folder / split
        images, valid, labels = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("images", "valid", "labels")
        )
        return ChipArrays(images, valid, labels)

    def records(self, split: str) -> list[ChipRecord]:
        """Read the lines of the index of a split, in the order of the arrays."""
        with (self.folder / "index.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        return [
            ChipRecord(
                row["split"],
                int(row["number"]),
                row["scene"],
                Window(*(int(row[k]) for k in ("row", "col", "height", "width"))),
                row["group"],
                int(row["labelled_px"]),
            )
            for row in rows
        ]


def open_chips(folder: Path) -> ChipStore:
    """Open a folder written by `prepare`. Raises ArtefactError if it is none."""
    manifest = folder / "chips.json"
    if not manifest.is_file():
        raise ArtefactError(f"{folder}: has no chips.json; make one with `hectares prepare`")
    content = read_artefact(manifest, KIND)
    legend = Legend.from_json(content["legend"])
    return ChipStore(folder, content, legend, BandStats.from_json(content["stats"]))
