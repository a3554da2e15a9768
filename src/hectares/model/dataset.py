"""Chips as torch items, in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from hectares.core.scene import ChipReader
from hectares.errors import ConfigError
from hectares.model.augment import Augmentation, choose_element, dihedral

_PASSES = 2**20
"""More passes than any epoch has."""

Key = tuple[int, int, int, int]
"""Epoch, pass over the chips within it, source of chips, and chip number in it."""


@dataclass(frozen=True)
class ChipSource:
    """Chips that training draws from."""

    chips: ChipReader
    scale: Callable[[int, NDArray[Any]], NDArray[np.float32]]
    """Gives what the network sees, from a chip's number and its image (C, h, w) in raster units."""
    weight: float = 1.0
    """Share of an epoch, against the other sources."""
    repeats: NDArray[np.float64] | None = None
    """How often each chip comes in one pass, on average; None for once."""


class ChipDataset(Dataset[tuple[Tensor, Tensor]]):
    """Scaled chips with labels; what was not observed is 0."""

    def __init__(
        self,
        sources: Sequence[ChipSource],
        *,
        augmentation: Augmentation = "none",
        move: bool = False,
        seed: int = 0,
    ) -> None:
        self._sources = tuple(sources)
        self._augmentation = augmentation
        self._move = move
        self._seed = seed

    def __len__(self) -> int:
        return sum(len(s.chips) for s in self._sources)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """Give image (C, h, w) float32 and label int64, (h, w) or one plane a class (K, h, w)."""
        epoch, round_, source, number = key
        chosen = self._sources[source]
        shift = None
        if self._move:  # a window anywhere in its room, where the pixels are not cut yet
            rng = np.random.default_rng((self._seed, 1, epoch, round_, source, number))
            shift = (float(rng.random()), float(rng.random()))
        chip = chosen.chips.read(number, shift)
        image = chosen.scale(number, chip.image) * chip.valid
        element = choose_element(self._augmentation, seed=self._seed, epoch=epoch, round_=round_, chip=number)
        image, label = dihedral(image, element), dihedral(chip.label, element)
        return torch.from_numpy(np.ascontiguousarray(image)), torch.from_numpy(label.astype(np.int64))


class EpochSampler(Sampler[Key]):
    """Every chip once before any comes again, shuffled by (seed, epoch); or in order for validation.

    With several sources, each fills its share of the epoch; an epoch is one pass over the first one, scaled up so
    that its share stays what its weight says.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        seed: int,
        shuffle: bool,
        weights: Sequence[float] = (),
        repeats: Sequence[NDArray[np.float64] | None] = (),
        items: int | None = None,
    ) -> None:
        shares = np.array(weights or [1.0] * len(sizes), np.float64)
        if (shares <= 0).any():
            raise ConfigError(f"weights of mixed chips must be positive, got {shares.tolist()}")
        self._repeats = tuple(repeats) or (None,) * len(sizes)
        first = self._repeats[0]
        once = sizes[0] if first is None else round(float(first.sum()))
        total = items if items is not None else round(once * shares.sum() / shares[0])
        ends = np.round(np.cumsum(shares) / shares.sum() * total).astype(int)
        self._sizes = tuple(sizes)
        self._items = tuple(int(n) for n in np.diff(ends, prepend=0))
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(self._items)

    def __iter__(self) -> Iterator[Key]:
        keys = [key for source in range(len(self._sizes)) for key in self._one_source(source)]
        if self._shuffle and len(self._sizes) > 1:
            order = np.random.default_rng((self._seed, self._epoch, len(keys))).permutation(len(keys))
            keys = [keys[i] for i in order]
        yield from keys

    def _one_source(self, source: int) -> Iterator[Key]:
        left, round_ = self._items[source], 0
        while left > 0:
            order = self._one_pass(source, round_)[:left]
            # A chip that comes again in the same pass is augmented anew: it counts as of another pass.
            seen: dict[int, int] = {}
            for chip in order.tolist():
                again = seen[chip] = seen.get(chip, -1) + 1
                yield self._epoch, round_ + again * _PASSES, source, chip
            left -= len(order)
            round_ += 1

    def _one_pass(self, source: int, round_: int) -> NDArray[np.int64]:
        """Give each chip once, or as often as it repeats, rounded up or down by chance."""
        order = np.arange(self._sizes[source])
        rng = np.random.default_rng((self._seed, self._epoch, round_, source))
        repeats = self._repeats[source]
        if repeats is not None:
            order = np.repeat(order, np.floor(repeats + rng.random(len(order))).astype(int))
        if self._shuffle:
            rng.shuffle(order)
        return order
