"""Chips as torch items, in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from hectares.core.bands import BandStats
from hectares.model.augment import Augmentation, choose_element, dihedral

Key = tuple[int, int, int]
"""Epoch, pass over the chips within it, and chip number."""


class ChipDataset(Dataset[tuple[Tensor, Tensor]]):
    """Normalised chips with labels; what was not observed is 0, the mean of every normalised band."""

    def __init__(
        self,
        images: NDArray[Any],
        valid: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        stats: BandStats,
        *,
        augmentation: Augmentation = "none",
        seed: int = 0,
    ) -> None:
        self._images, self._valid, self._labels = images, valid, labels
        self._stats = stats
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """Give image (C, h, w) float32 and label (h, w) int64."""
        epoch, round_, chip = key
        image = self._stats.normalize(self._images[chip])
        image *= self._valid[chip]
        label = self._labels[chip]
        element = choose_element(self._augmentation, seed=self._seed, epoch=epoch, round_=round_, chip=chip)
        image, label = dihedral(image, element), dihedral(label, element)
        return torch.from_numpy(np.ascontiguousarray(image)), torch.from_numpy(label.astype(np.int64))


class EpochSampler(Sampler[Key]):
    """Every chip once before any comes again, shuffled by (seed, epoch); or in order for validation."""

    def __init__(self, chips: int, *, seed: int, shuffle: bool, items: int | None = None) -> None:
        self._chips = chips
        self._items = chips if items is None else items
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._items

    def __iter__(self) -> Iterator[Key]:
        for start in range(0, self._items, self._chips):
            round_ = start // self._chips
            order = np.arange(self._chips)
            if self._shuffle:
                np.random.default_rng((self._seed, self._epoch, round_)).shuffle(order)
            for chip in order[: self._items - start]:
                yield self._epoch, round_, int(chip)
