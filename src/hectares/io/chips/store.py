"""The chip store: chips cut once, read back in any order.

    chips.json              what this is, from which scenes, bands, legend, statistics, hashes
    index.csv               a line a chip: split, number, scene, window, room, group, labelled pixels, SHA-256
    catalog.json legend.json
    train.pixels            the chips of a split, one after the other: image, valid mask, label
    train.index.npy         (N, 4) uint64: where image, valid mask and label of a chip begin, and where it ends
    train.classes.npy       (N, K) uint32: labelled pixels of each class

An image is a frame of Blosc (zstd, bit-shuffled) or, in a store that is `raw`, its plain bytes; a valid mask is one
bit a pixel, and nothing at all where everything is valid. Pixels have the type and the units of the source.
A store of `scenes` has no pixels: windows are read from the scenes of its catalog when they are needed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.sampling import SPLITS
from hectares.core.scaling import Scaling
from hectares.core.scene import ChipReader, LabelledChip
from hectares.errors import ArtefactError
from hectares.io.artefact import read_artefact, sha256_file
from hectares.io.chips.frames import ChipShape, Packing, unpack
from hectares.io.chips.index import ChipRecord, read_index
from hectares.io.chips.scene_chips import SceneChips

KIND = "chips"


class StoredChips:
    """The chips of one split in their file, mapped into memory."""

    def __init__(self, folder: Path, split: str, shape: ChipShape) -> None:
        self.path = folder / f"{split}.pixels"
        self._shape = shape
        try:
            self._places = np.load(folder / f"{split}.index.npy", mmap_mode="r", allow_pickle=False)
            with self.path.open("rb") as file:
                self._map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise ArtefactError(f"{self.path}: cannot be read ({error}); prepare the chips again") from error
        if self._places.ndim != 2 or (len(self._places) and int(self._places[-1, 3]) != len(self._map)):
            raise ArtefactError(f"{self.path}: does not fit its index; prepare the chips again")

    def __len__(self) -> int:
        return len(self._places)

    def read(self, number: int, shift: tuple[float, float] | None = None) -> LabelledChip:
        """Give a chip; stored pixels stay where they are, so `shift` changes nothing."""
        del shift
        image, valid, label, end = (int(v) for v in self._places[number])
        frames = (self._map[image:valid], self._map[valid:label], self._map[label:end])
        try:
            return unpack(frames, self._shape)
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(f"{self.path}: chip {number} is damaged ({error}); prepare the chips again") from error


# --- Store ------------------------------------------------------------------------------------------------


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
        """Metres per pixel, None if unknown."""
        gsd = self.content["gsd_m"]
        return None if gsd is None else float(gsd)

    @property
    def counts(self) -> dict[str, int]:
        """Number of chips in each split."""
        return {split: int(self.content["counts"][split]) for split in SPLITS}

    @property
    def class_pixels(self) -> dict[str, dict[str, int]]:
        """Labelled pixels of each class, by split and class name in the order of the legend."""
        found = self.content["class_pixels"]
        return {split: {name: int(found[split][name]) for name in self.legend.names} for split in SPLITS}

    @property
    def labelled_px(self) -> dict[str, int]:
        """Pixels with a label by split; less than the sum over the classes where these overlap."""
        return {split: sum(r.labelled_px for r in self.records(split)) for split in self.counts}

    @property
    def scaling(self) -> Scaling:
        """How values become what a network sees; by the range of all training pixels, if not of each scene."""
        return Scaling.of(self.content["scaling"], self.stats, self.content["depths"])

    def scaling_of(self, scene: str) -> Scaling:
        """Give the scaling of one scene, which differs from the others if scenes are scaled each by itself."""
        ranges = self.content["scene_ranges"].get(scene)
        return self.scaling if ranges is None else self.scaling.for_scene(*ranges)

    @property
    def multilabel(self) -> bool:
        """True if labels are one plane a class."""
        return bool(self.content["multilabel"])

    @property
    def packing(self) -> Packing:
        """How pixels are kept."""
        packing: Packing = self.content["packing"]
        return packing

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the hashes of all chips."""
        return str(self.content["fingerprint"])

    @property
    def shape(self) -> ChipShape:
        """What the frames hold."""
        square = (self.chip_px, self.chip_px)
        label = (len(self.legend), *square) if self.multilabel else square
        dtype = np.dtype(str(self.content["dtype"]))
        return ChipShape((len(self.stats.names), *square), dtype, label, self.packing)

    def chips(self, split: str) -> ChipReader:
        """Open the chips of a split. Raises ArtefactError if it has none."""
        if not self.counts.get(split):
            filled = ", ".join(f"{name} {n}" for name, n in self.counts.items() if n)
            raise ArtefactError(f"{self.folder}: has no chips in the split {split!r}; it has {filled}")
        if self.packing == "scenes":
            return SceneChips(self.folder, self.content, self.records(split))
        return StoredChips(self.folder, split, self.shape)

    def class_counts(self, split: str) -> NDArray[np.uint32]:
        """Give the labelled pixels of each class in each chip, (N, K)."""
        counts: NDArray[np.uint32] = np.load(self.folder / f"{split}.classes.npy", allow_pickle=False)
        return counts

    def records(self, split: str) -> list[ChipRecord]:
        """Read the lines of the index of a split, in the order of the chips."""
        return [r for r in read_index(self.folder / "index.csv") if r.split == split]

    def verify(self) -> Iterator[tuple[str, str]]:
        """Compare everything with its hash; yields (file and place, what is wrong)."""
        for name, digest in self.content["files"].items():
            path = self.folder / name
            if not path.is_file():
                yield name, "is missing"
            elif sha256_file(path) != digest:
                yield name, "is damaged: its SHA-256 differs from chips.json"


def open_chips(folder: Path) -> ChipStore:
    """Open a folder written by `prepare`. Raises ArtefactError if it is none, or its small files were changed."""
    manifest = folder / "chips.json"
    if not manifest.is_file():
        raise ArtefactError(f"{folder}: has no chips.json; make one with `hectares prepare`")
    content = read_artefact(manifest, KIND)
    try:
        legend = Legend.from_json(content["legend"])
        store = ChipStore(folder, content, legend, BandStats.from_json(content["stats"]))
        _ = store.shape, store.counts, store.fingerprint  # makes a damaged record speak up here
        files: Mapping[str, str] = content["files"]
        small = {n: files[n] for n in files if not n.endswith(".pixels")}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{manifest}: is damaged ({error!r}); prepare the chips again") from error
    _refuse_changed(folder, small.items())
    return store


def _refuse_changed(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    for name, digest in files:
        path = folder / name
        if not path.is_file() or sha256_file(path) != digest:
            what = "is missing" if not path.is_file() else "was changed or damaged"
            raise ArtefactError(f"{path}: {what}; prepare the chips again")
