"""Batches of chips, read ahead by threads so that the network does not wait.

Threads rather than processes: decompressing and resampling leave Python's lock, nothing is copied between
processes, and there is no worker that the system can kill. The order is that of the sampler, whatever the threads do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from hectares.core.legend import IGNORE
from hectares.errors import ArtefactError, HectaresError
from hectares.model.training.dataset import ChipDataset, EpochSampler, Key

Batch = tuple[Tensor, ...]
"""Image (B, C, h, w) float32, label (B, h, w) or (B, K, h, w) int64, and pixel weights (B, h, w) if asked for."""

_MOST_DAMAGED = 0.01


class ChipLoader:
    """Gives the batches of an epoch in the order of its sampler.

    A chip that cannot be read is replaced by one that is not labelled, and noted in `damaged`; more than one in a
    hundred raise ArtefactError.
    """

    batch_sampler = None  # Lightning looks for one beside the sampler

    def __init__(
        self,
        dataset: ChipDataset,
        sampler: EpochSampler,
        *,
        batch: int,
        drop_last: bool = False,
        threads: int = 1,
        pin: bool = False,
    ) -> None:
        self.sampler = sampler  # Lightning tells it the epoch
        self.damaged: dict[tuple[int, int], str] = {}
        self._dataset = dataset
        self._batch = batch
        self._drop_last = drop_last
        self._threads = threads
        self._pin = pin
        self._blank: Batch | None = None

    def start_at(self, batches: int) -> None:
        """Leave out the first batches of the next epoch that is read: they are done."""
        self.sampler.start_at(batches * self._batch)

    def names_of(self, epoch: int, batch: int) -> list[str]:
        """Name the chips of a batch, for people who look for what went wrong."""
        self.sampler.set_epoch(epoch)
        keys = list(self.sampler)[batch * self._batch : (batch + 1) * self._batch]
        return [self._dataset.name_of(key) for key in keys]

    def __len__(self) -> int:
        items = len(self.sampler)
        return items // self._batch if self._drop_last else -(-items // self._batch)

    def __iter__(self) -> Iterator[Batch]:
        batches = self._keys()
        if not self._threads:
            yield from map(self._read, batches)
            return
        with ThreadPoolExecutor(self._threads, thread_name_prefix="chips") as pool:
            waiting: deque[Future[Batch]] = deque()
            try:
                for keys in batches:
                    waiting.append(pool.submit(self._read, keys))
                    if len(waiting) > self._threads + 1:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _keys(self) -> Iterator[list[Key]]:
        keys: list[Key] = []
        for key in self.sampler:
            keys.append(key)
            if len(keys) == self._batch:
                yield keys
                keys = []
        if keys and not self._drop_last:
            yield keys

    def _read(self, keys: Sequence[Key]) -> Batch:
        items = [self._one(key) for key in keys]
        stacked = tuple(torch.stack(parts) for parts in zip(*items, strict=True))
        return tuple(part.pin_memory() for part in stacked) if self._pin else stacked

    def _one(self, key: Key) -> Batch:
        try:
            item: Batch = self._dataset[key]
        except (HectaresError, OSError) as error:
            self.damaged[key[2:]] = str(error)
            if self._blank is None or len(self.damaged) > max(1, _MOST_DAMAGED * len(self._dataset)):
                raise ArtefactError(
                    f"{len(self.damaged)} of {len(self._dataset)} chips cannot be read, the last one because: {error}"
                ) from error
            return self._blank
        if self._blank is None:
            image, label, *weights = item
            self._blank = (torch.zeros_like(image), torch.full_like(label, IGNORE), *map(torch.zeros_like, weights))
        return item
