"""What of the chips is learned and scored: all bands or some, all classes or one against the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.bands import BandPlan, BandStats, choose_bands
from hectares.core.legend import IGNORE, Legend
from hectares.core.one_class import one_against_rest
from hectares.core.scaling import Scaling
from hectares.core.scene import ChipReader, LabelledChip
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError, LegendError
from hectares.io.chips.cutting import CuttingRule
from hectares.io.chips.store import ChipStore


@dataclass(frozen=True)
class Selection:
    """Bands and classes of a folder of chips, and how images and labels of the chips become those of a network."""

    store: ChipStore
    positions: tuple[int, ...]
    """Of the bands in the chips, in the wanted order."""
    legend: Legend
    multilabel: bool
    lookup: NDArray[np.uint8] | None = None
    """From class index of the chips to index here, with 256 places; None if they are the same."""
    plane: int | None = None
    """Of chips with one plane a class, the one that is learned; None for all, or without planes."""

    @classmethod
    def of(cls, store: ChipStore, *, bands: str = "all", only: str | None = None) -> Selection:
        """Select bands by number or name, and one class or all. Raises ConfigError, BandError or LegendError."""
        positions = choose_bands(bands, store.stats.names)
        measured = len(store.stats.names) - len(_plan(store).indices)
        chosen = sum(p < measured for p in positions)
        last = all(p >= measured for p in positions[chosen:])
        if chosen < len(positions) and not (chosen == measured and last):
            raise ConfigError(
                f"--bands {bands}: spectral indices of the chips can be chosen after all measured bands only; "
                f"these are {', '.join(store.stats.names[:measured])}"
            )
        legend = store.legend.for_maps()
        if only is None:
            return cls(store, positions, legend, store.multilabel)
        two, lookup = one_against_rest(legend, only)
        if store.multilabel:
            return cls(store, positions, two, multilabel=False, plane=legend.index(only))
        return cls(store, positions, two, multilabel=False, lookup=lookup)

    @classmethod
    def like(cls, store: ChipStore, spec: SegmenterSpec) -> Selection:
        """Select what a segmenter takes and answers. Raises ArtefactError or LegendError if the chips lack it."""
        names, alike = store.stats.names, "score it on chips that were prepared alike"
        if not set(spec.bands) <= set(names):
            raise ArtefactError(
                f"{store.folder}: has the bands {', '.join(names)}, the segmenter takes "
                f"{', '.join(spec.bands)}; {alike}"
            )
        if spec.only is not None and spec.only not in store.legend.names:
            raise LegendError(
                f"{store.folder}: has the classes {', '.join(store.legend.names)}, the segmenter tells "
                f"{spec.only} from the rest; {alike}"
            )
        chosen = cls.of(store, bands=",".join(str(names.index(band) + 1) for band in spec.bands), only=spec.only)
        if chosen.multilabel != spec.multilabel:
            kinds = {True: "one plane a class", False: "one class a pixel"}
            raise LegendError(
                f"{store.folder}: has labels with {kinds[chosen.multilabel]}, the segmenter answers with "
                f"{kinds[spec.multilabel]}; {alike}"
            )
        if chosen.legend.names != spec.legend.names:
            raise LegendError(
                f"{store.folder}: has the classes {', '.join(chosen.legend.names)}, the segmenter knows "
                f"{', '.join(spec.legend.names)}; {alike}"
            )
        return chosen

    @property
    def is_whole(self) -> bool:
        """True if images and labels are as they are in the chips."""
        same_label = self.lookup is None and self.plane is None
        return same_label and self.positions == tuple(range(len(self.store.stats.names)))

    @property
    def stats(self) -> BandStats:
        """Statistics of the selected bands."""
        return self.store.stats.take(self.positions)

    @property
    def depths(self) -> tuple[int | None, ...]:
        """Bits that the values of the selected bands use."""
        return tuple(self.store.content["depths"][p] for p in self.positions)

    @property
    def plan(self) -> BandPlan:
        """What the selected bands are made of."""
        whole, measured = _plan(self.store), len(self.store.stats.names)
        names = [self.store.stats.names[p] for p in self.positions]
        kept = tuple(text for text, name in zip(whole.indices, whole.index_names, strict=True) if name in names)
        return whole if measured == len(names) else replace(whole, indices=kept)

    @property
    def scaling(self) -> Scaling:
        """How values become what a network sees, by the range of all training pixels."""
        return Scaling.of(str(self.store.content["scaling"]), self.stats, self.depths)

    @property
    def spread(self) -> NDArray[np.float32] | None:
        """Deviation of each selected band over all training pixels, once scaled; None if each scene has its range."""
        if self.scaling.by_scene:
            return None
        scaled = [std / d if d > 0 else 0.0 for std, d in zip(self.stats.std, self.scaling.divide, strict=True)]
        return np.array(scaled, np.float32)

    def scaling_of(self, scene: str) -> Scaling:
        """Give the scaling of one scene, if each scene is scaled by itself; else that of all."""
        ranges = self.store.content["scene_ranges"].get(scene)
        if ranges is None:
            return self.scaling
        low, high = ranges
        return self.scaling.for_scene([low[p] for p in self.positions], [high[p] for p in self.positions])

    def chips(self, split: str) -> ChipReader:
        """Open the chips of a split, as selected. Raises ArtefactError if it has none."""
        reader = self.store.chips(split)
        return reader if self.is_whole else _Selected(reader, self)

    def select(self, chip: LabelledChip) -> LabelledChip:
        """Give the selected bands of a chip with its label in the selected classes."""
        return LabelledChip(chip.image[list(self.positions)], chip.valid, self.label(chip.label))

    def label(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give the label of a chip, (h, w) or (K, h, w), in the selected classes."""
        if self.plane is not None:
            plane: NDArray[np.uint8] = label[self.plane]
            return plane
        if self.lookup is None:
            return label
        turned: NDArray[np.uint8] = self.lookup[label]
        return turned

    def class_counts(self, split: str) -> NDArray[Any]:
        """Give the labelled pixels of each selected class in each chip, (N, K)."""
        counts = self.store.class_counts(split).astype(np.int64)
        if self.plane is not None:
            one = counts[:, self.plane]
            labelled = np.array([r.labelled_px for r in self.store.records(split)], np.int64)
        elif self.lookup is not None:
            indices = self.lookup[: counts.shape[1]]
            one = counts[:, indices == 1].sum(axis=1)
            labelled = counts[:, indices != IGNORE].sum(axis=1)
        else:
            return counts
        return np.stack([labelled - one, one], axis=1)


@dataclass(frozen=True)
class _Selected:
    """Reads chips and selects."""

    reader: ChipReader
    selection: Selection

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, number: int, shift: tuple[float, float] | None = None) -> LabelledChip:
        return self.selection.select(self.reader.read(number, shift))


def _plan(store: ChipStore) -> BandPlan:
    return CuttingRule.from_json(store.content["cutting"]).plan
