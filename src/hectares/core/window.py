"""Windows of whole pixels, and how a scene is divided into tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from hectares.errors import ConfigError

TILE_STRETCH = 1.15
"""A fitted tile may exceed the asked size by this factor: fewer, equal tiles waste less overlap."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels. It may reach beyond the raster it is meant for.

    >>> w = Window(row=10, col=20, height=4, width=6)
    >>> w.slices
    (slice(10, 14, None), slice(20, 26, None))
    >>> w & Window(12, 0, 100, 22)
    Window(row=12, col=20, height=2, width=2)
    """

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            raise ConfigError(f"a window has no negative size, got {self.height} x {self.width} px")

    @property
    def row_end(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def col_end(self) -> int:
        """First column right of the window."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, for an array whose origin is the window's frame."""
        return slice(self.row, self.row_end), slice(self.col, self.col_end)

    def __and__(self, other: Window) -> Window:
        """Give the part shared by both; of size zero if there is none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = max(0, min(self.row_end, other.row_end) - row)
        width = max(0, min(self.col_end, other.col_end) - col)
        return Window(row, col, height, width)

    def within(self, outer: Window) -> Window:
        """Give this window in the pixel frame of `outer`.

        >>> Window(12, 25, 2, 2).within(Window(10, 20, 8, 8))
        Window(row=2, col=5, height=2, width=2)
        """
        return Window(self.row - outer.row, self.col - outer.col, self.height, self.width)

    @property
    def halves(self) -> tuple[Window, Window]:
        """Give the two halves along the longer side.

        >>> Window(0, 5, 2, 3).halves
        (Window(row=0, col=5, height=2, width=1), Window(row=0, col=6, height=2, width=2))
        """
        if self.height >= self.width:
            half = self.height // 2
            upper = Window(self.row, self.col, half, self.width)
            return upper, Window(self.row + half, self.col, self.height - half, self.width)
        half = self.width // 2
        left = Window(self.row, self.col, self.height, half)
        return left, Window(self.row, self.col + half, self.height, self.width - half)

    def grow(self, margin: int) -> Window:
        """Give the window with a margin on every side."""
        return Window(self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin)

    def shift(self, rows: int, cols: int) -> Window:
        """Give the window moved down and to the right."""
        return Window(self.row + rows, self.col + cols, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Tile:
    """The unit of prediction."""

    read: Window
    """What the network sees; may reach beyond the scene."""
    core: Window
    """What this tile answers for; inside `read` and inside the scene."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Tiles along one axis: `count` of equal `length`, `step` apart."""

    extent: int
    length: int
    step: int
    count: int

    def read(self, i: int) -> tuple[int, int]:
        return i * self.step, self.length

    def core(self, i: int) -> tuple[int, int]:
        start = self._seam(i) if i > 0 else 0
        end = self._seam(i + 1) if i + 1 < self.count else self.extent
        return start, end - start

    def over(self, start: int, end: int, *, reads: bool) -> list[int]:
        spans = ((i, *(self.read(i) if reads else self.core(i))) for i in range(self.count))
        return [i for i, first, length in spans if first < end and first + length > start]

    def overlaps(self, start: int) -> tuple[int, int]:
        i = start // self.step
        shared = self.length - self.step
        return (shared if i > 0 else 0), (shared if i + 1 < self.count else 0)

    def _seam(self, i: int) -> int:
        """First pixel of core i: the middle of the overlap of reads i - 1 and i."""
        return i * self.step + (self.length - self.step) // 2

    @classmethod
    def fit(cls, extent: int, size: int, overlap: int, stride: int) -> _Axis:
        """Fit the fewest equal tiles whose length is at most the stretched size."""
        whole = _round_up(extent, stride)
        if whole <= size * TILE_STRETCH:
            return cls(extent, whole, whole, 1)
        longest = max(int(size * TILE_STRETCH) // stride * stride, _round_up(size, stride))
        room = (longest - overlap) // stride * stride
        if room < stride:
            raise ConfigError(
                f"tiles of {size} px cannot overlap by {overlap} px on a stride of {stride} px; "
                f"take an overlap of at most {max(0, longest - stride)} px or larger tiles"
            )
        count = 1 + -(-(extent - longest) // room)
        # The shortest length with which this many tiles still cover the axis.
        length = _round_up(-(-(extent + (count - 1) * overlap) // count), stride)
        while (count - 1) * ((length - overlap) // stride * stride) + length < extent:
            length += stride
        step = (length - overlap) // stride * stride
        return cls(extent, length, step, 1 + max(0, -(-(extent - length) // step)))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@dataclass(frozen=True)
class Tiling(Sequence[Tile]):
    """Reading windows over a scene, and the part each one answers for.

    Cores cover every pixel exactly once. `size` is a target: the real size is fitted per axis so that
    equal tiles cover the scene with the least overlap (4096 with target 1024, overlap 64: 1088).
    Origins are multiples of the network's stride, so that a tile computes what the whole scene would;
    reads that reach beyond the scene are padded. Inside the scene a core keeps at least `overlap // 2`
    pixels of context on each side.

    >>> tiling = Tiling((1000, 1500), size=512, overlap=128, stride=32)
    >>> sum(t.core.pixels for t in tiling) == 1000 * 1500
    True
    >>> Tiling((4096, 4096), size=1024, overlap=64, stride=32).tile_shape
    (1088, 1088)
    """

    shape: tuple[int, int]
    size: int
    overlap: int
    stride: int = 1

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or self.size < 1 or self.overlap < 0 or self.stride < 1:
            raise ConfigError(
                f"cannot tile {self.shape[0]} x {self.shape[1]} px with size {self.size}, "
                f"overlap {self.overlap}, stride {self.stride}; sizes start at 1"
            )
        if self.overlap >= self.size:
            raise ConfigError(f"overlap {self.overlap} px must be smaller than the tile size {self.size} px")
        _ = self._axes  # fails now rather than in the middle of a scene

    @cached_property
    def _axes(self) -> tuple[_Axis, _Axis]:
        height, width = self.shape
        return (
            _Axis.fit(height, self.size, self.overlap, self.stride),
            _Axis.fit(width, self.size, self.overlap, self.stride),
        )

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of every reading window."""
        rows, cols = self._axes
        return rows.length, cols.length

    @property
    def context(self) -> int:
        """Pixels around a core that its tile sees at least, on each side inside the scene; 0 if all is one tile."""
        between = [(axis.length - axis.step) // 2 for axis in self._axes if axis.count > 1]
        return min(between, default=0)

    @property
    def overcompute(self) -> float:
        """Pixels computed for each pixel delivered.

        >>> round(Tiling((4096, 4096), size=1024, overlap=64, stride=32).overcompute, 3)
        1.129
        """
        height, width = self.tile_shape
        return len(self) * height * width / (self.shape[0] * self.shape[1])

    def over(self, window: Window, *, reads: bool = False) -> list[int]:
        """Give the numbers of the tiles whose core meets a window; with `reads`, of those that see some of it.

        >>> Tiling((10, 30), size=10, overlap=4).over(Window(0, 9, 2, 4))
        [1]
        """
        rows, cols = self._axes
        down = rows.over(window.row, window.row_end, reads=reads)
        along = cols.over(window.col, window.col_end, reads=reads)
        return [i * cols.count + j for i in down for j in along]

    def overlaps(self, tile: Tile) -> tuple[tuple[int, int], tuple[int, int]]:
        """Give the pixels that a tile shares with the one before and the one after it, down and along."""
        rows, cols = self._axes
        return rows.overlaps(tile.read.row), cols.overlaps(tile.read.col)

    @property
    def counts(self) -> tuple[int, int]:
        """Number of tile rows and tile columns."""
        rows, cols = self._axes
        return rows.count, cols.count

    def __len__(self) -> int:
        rows, cols = self.counts
        return rows * cols

    @overload
    def __getitem__(self, index: int) -> Tile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tile]: ...
    def __getitem__(self, index: int | slice) -> Tile | Sequence[Tile]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        rows, cols = self._axes
        i, j = divmod(index, cols.count)
        (row, height), (col, width) = rows.read(i), cols.read(j)
        (core_row, core_height), (core_col, core_width) = rows.core(i), cols.core(j)
        return Tile(Window(row, col, height, width), Window(core_row, core_col, core_height, core_width))

    def __iter__(self) -> Iterator[Tile]:
        return (self[i] for i in range(len(self)))


def chip_windows(shape: tuple[int, int], *, chip_px: int, stride_px: int, edge: str) -> list[Window]:
    """Give the windows of chips over a scene, row by row.

    `edge` says what happens at the right and lower border: `pad` lets the last window reach beyond the
    scene, `shift` pulls it back inside, `drop` leaves the remainder out.
    A scene smaller than a chip gives one window that reaches beyond it, except with `drop`.

    >>> len(chip_windows((6000, 6000), chip_px=256, stride_px=256, edge="pad"))
    576
    >>> len(chip_windows((6000, 6000), chip_px=256, stride_px=256, edge="drop"))
    529
    >>> len(chip_windows((1024, 1024), chip_px=128, stride_px=16, edge="drop"))
    3249
    """
    if chip_px < 1 or stride_px < 1:
        raise ConfigError(f"chips need a size and a stride of at least 1 px, got {chip_px} and {stride_px}")
    starts = [_chip_starts(extent, chip_px, stride_px, edge) for extent in shape]
    return [Window(row, col, chip_px, chip_px) for row in starts[0] for col in starts[1]]


def _chip_starts(extent: int, chip: int, stride: int, edge: str) -> list[int]:
    if edge not in {"pad", "shift", "drop", "mirror"}:
        raise ConfigError(f"edge {edge!r} is unknown; choose pad, shift, drop or mirror")
    inside = list(range(0, extent - chip + 1, stride))
    covered = inside[-1] + chip if inside else 0
    if covered >= extent or edge == "drop":
        return inside
    if edge == "shift":
        return [*inside, max(0, extent - chip)]
    return [*inside, len(inside) * stride]
