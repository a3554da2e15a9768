"""What work there is: batches of tiles, each a function of its number alone, and how shards divide them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hectares.core.window import Tile, Tiling, Window
from hectares.errors import ConfigError


@dataclass(frozen=True)
class WorkPlan(Sequence[list[Tile]]):
    """The batches of a scene: neighbors in one row of tiles, so that a resumed run or another worker regroups nothing.

    >>> plan = WorkPlan(Tiling((10, 30), size=10, overlap=0), batch=2)
    >>> [[tile.core.col for tile in tiles] for tiles in plan]
    [[0, 10], [20]]
    """

    tiling: Tiling
    batch: int = 1

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"a batch has at least 1 tile, got {self.batch}")

    @property
    def per_row(self) -> int:
        """Number of batches in a row of tiles."""
        return -(-self.tiling.counts[1] // self.batch)

    def __len__(self) -> int:
        return self.tiling.counts[0] * self.per_row

    def __getitem__(self, number: int) -> list[Tile]:  # type: ignore[override]  # by number alone
        if not 0 <= number < len(self):
            raise IndexError(number)
        cols = self.tiling.counts[1]
        row, group = divmod(number, self.per_row)
        first = row * cols + group * self.batch
        return [self.tiling[i] for i in range(first, min(first + self.batch, (row + 1) * cols))]

    def place(self, tile: int) -> tuple[int, int]:
        """Give the batch that a tile is in, and its place there."""
        row, col = divmod(tile, self.tiling.counts[1])
        return row * self.per_row + col // self.batch, col % self.batch

    def over(self, window: Window, *, reads: bool) -> list[int]:
        """Give the batches that decide a window; with `reads`, all of those that see of it."""
        return sorted({self.place(tile)[0] for tile in self.tiling.over(window, reads=reads)})

    def shard(self, number: int, count: int) -> range:
        """Give the batches of shard 1 to `count`: neighbors, of about equal number.

        >>> [list(WorkPlan(Tiling((10, 50), size=10, overlap=0)).shard(n, 3)) for n in (1, 2, 3)]
        [[0], [1, 2], [3, 4]]
        """
        _check_shard(number, count)
        return range(len(self) * (number - 1) // count, len(self) * number // count)


def shard_numbers(text: str) -> tuple[int, int]:
    """Read which of how many shards is meant. Raises ConfigError unless it is one of them.

    >>> shard_numbers("3/8")
    (3, 8)
    """
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if found is None:
        raise ConfigError(f"--shard is {text!r}; expected I/N, for example 3/8")
    number, count = int(found[1]), int(found[2])
    _check_shard(number, count)
    return number, count


def _check_shard(number: int, count: int) -> None:
    if not 1 <= number <= count:
        exist = f"shards are 1/{count} to {count}/{count}" if count else "there is at least one, 1/1"
        raise ConfigError(f"shard {number}/{count} does not exist; {exist}")
