"""Chips as torch items, in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from hectares.core.legend import IGNORE
from hectares.core.scene import ChipReader
from hectares.errors import ConfigError, HectaresError
from hectares.model.augmentation.augment import Augmentation
from hectares.model.augmentation.warp import Sample

_PASSES = 2**20
"""More passes than any epoch has."""
_TRIES = 9
"""So many chips to mix with may be damaged in a row."""

Key = tuple[int, int, int, int]
"""Epoch, pass over the chips within it, source of chips, and chip number in it."""
FILLER = -1
"""Pass of a key that is there for its place alone: its chip comes without label, so that it is counted nowhere."""

Weigh = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Gives weights of pixels (h, w) from a label."""


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
    names: Sequence[str] = ()
    """What the chips are called, in their order."""
    spread: NDArray[np.float32] | None = None
    """Deviation of each scaled band over all chips, (C,), the unit of noise and brightness; None for that of a chip."""


class ChipDataset(Dataset[tuple[Tensor, ...]]):
    """Scaled chips with labels; what was not observed is 0.

    All that is random in an item is a function of the seed and its key.
    """

    def __init__(
        self,
        sources: Sequence[ChipSource],
        *,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - it is frozen
        weigh: Weigh | None = None,
        move: bool = False,
        seed: int = 0,
    ) -> None:
        """`weigh` sees labels as they come out."""
        self._sources = tuple(sources)
        self._augmentation = augmentation
        self._weigh = weigh
        self._move = move
        self._seed = seed

    def __len__(self) -> int:
        return sum(len(s.chips) for s in self._sources)

    def name_of(self, key: Key) -> str:
        """Name the chip of a key."""
        names = self._sources[key[2]].names
        return names[key[3]] if names else f"number {key[3]}"

    def __getitem__(self, key: Key) -> tuple[Tensor, ...]:
        """Give image (C, h, w) float32 and label int64, (h, w) or one plane a class (K, h, w).

        With `weigh`, a third tensor has the weights of the pixels, (h, w) float32.
        """
        epoch, round_, source, number = key
        place = (epoch, max(round_, 0), source, number)
        rng = np.random.default_rng((self._seed, 2, *place))
        image, valid, label = self._read(source, number, np.random.default_rng((self._seed, 1, *place)))
        image, valid, label = self._augmentation.apply(
            image, valid, label, rng, spread=self._sources[source].spread, other=partial(self._draw, source, rng)
        )
        if round_ == FILLER:
            label = np.full_like(label, IGNORE)
        item = torch.from_numpy(image), torch.from_numpy(label.astype(np.int64))
        if self._weigh is None:
            return item
        return *item, torch.from_numpy(np.ascontiguousarray(self._weigh(label), np.float32))

    def _draw(self, source: int, rng: np.random.Generator) -> Sample:
        """Give any chip of a source, to mix another one with; a damaged one is told of when its own turn comes."""
        count = len(self._sources[source].chips)
        for _ in range(_TRIES):
            with contextlib.suppress(HectaresError, OSError):
                return self._read(source, int(rng.integers(count)), rng)
        return self._read(source, int(rng.integers(count)), rng)

    def _read(self, source: int, number: int, rng: np.random.Generator) -> Sample:
        chosen = self._sources[source]
        shift = None
        if self._move:  # a window anywhere in its room, where the pixels are not cut yet
            shift = (float(rng.random()), float(rng.random()))
        chip = chosen.chips.read(number, shift)
        return chosen.scale(number, chip.image) * chip.valid, chip.valid, chip.label


class EpochSampler(Sampler[Key]):
    """Every chip once before any comes again, shuffled by (seed, epoch); or in order for validation.

    With several sources, each fills its share of the epoch; an epoch is one pass over the first one, scaled up so
    that its share stays what its weight says. `items` is the length of an epoch over all devices.
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
        self._start = 0
        self._rank, self._ranks = 0, 1

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def start_at(self, items: int) -> None:
        """Leave out the first keys of the next epoch that is asked for: they are done. Counts keys of this device."""
        self._start = items

    def shard(self, rank: int, ranks: int) -> None:
        """Give the keys of one of several devices that train together, as many for each.

        Each takes every `ranks`-th key, so that their batches together are a batch of one that trains alone. Where
        the keys do not come out even, a shuffled epoch draws some more chips, and one in order has keys without label.
        """
        if not 0 <= rank < ranks:
            raise ValueError(f"rank {rank} is not one of {ranks}")
        self._rank, self._ranks = rank, ranks

    def __len__(self) -> int:
        return math.ceil(sum(self._items) / self._ranks)

    def __iter__(self) -> Iterator[Key]:
        start, self._start = self._start, 0
        lacking = len(self) * self._ranks - sum(self._items)
        drawn = lacking if self._shuffle else 0
        keys = [
            key
            for source, items in enumerate(self._items)
            for key in self._one_source(source, items + drawn * (source == 0))
        ]
        if self._shuffle and len(self._sizes) > 1:
            order = np.random.default_rng((self._seed, self._epoch, len(keys))).permutation(len(keys))
            keys = [keys[i] for i in order]
        if not self._shuffle and keys:
            keys += [(self._epoch, FILLER, *keys[0][2:])] * lacking
        return iter(keys[self._rank :: self._ranks][start:])

    def _one_source(self, source: int, items: int) -> Iterator[Key]:
        left, round_ = items, 0
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
