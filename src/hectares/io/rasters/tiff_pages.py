"""TIFF files whose pages are the bands of one image, as tifffile and microscopes write arrays of three dimensions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RioWindow

from hectares.errors import RasterError

MAX_PAGES = 128
"""Each page of one band is a handle of its own."""
_MAX_BANDS_LAST = 64
_SHAPE = re.compile(r"shape\W+(\d+)\D+(\d+)\D+(\d+)\D*$")
"""What tifffile notes in the description of the first page: {"shape": [1024, 1024, 8]}."""
_WAY_OUT = "write the wanted page, or all as bands, to a file of its own"

Opener = Callable[[str], rasterio.DatasetReader]


class PagedDataset:
    """Pages as the bands of one dataset; has what we use of `rasterio.DatasetReader`."""

    def __init__(
        self, first: rasterio.DatasetReader, count: int, shape: tuple[int, int], block_shape: tuple[int, int]
    ) -> None:
        self._first = first
        self.count = count
        self.shape = shape
        self.height, self.width = shape
        self.indexes = tuple(range(1, count + 1))
        self.dtypes = first.dtypes[:1] * count
        self.block_shapes = [block_shape] * count
        self.mask_flag_enums = ([MaskFlags.all_valid],) * count
        self.colorinterp = (ColorInterp.gray if count == 1 else ColorInterp.undefined,) * count
        self.descriptions = (None,) * count
        self.scales, self.offsets = (1.0,) * count, (0.0,) * count
        self.crs, self.transform, self.nodata = first.crs, Affine(*first.transform[:6]), first.nodata

    def tags(self) -> dict[str, str]:
        """Tags of the first page."""
        return dict(self._first.tags())

    def overviews(self, _band: int) -> list[int]:
        """Pages have none."""
        return []

    def read(self, indexes: int | Sequence[int], *, window: RioWindow) -> NDArray[Any]:
        """Read bands (C, h, w), or one band (h, w) if `indexes` is a number."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the files."""
        self._first.close()


class BandPages(PagedDataset):
    """One page a band: an array (C, H, W)."""

    def __init__(self, pages: Sequence[rasterio.DatasetReader]) -> None:
        super().__init__(pages[0], len(pages), pages[0].shape, pages[0].block_shapes[0])
        self._pages = pages

    def read(self, indexes: int | Sequence[int], *, window: RioWindow) -> NDArray[Any]:
        """Read the page of each band."""
        if isinstance(indexes, int):
            page: NDArray[Any] = self._pages[indexes - 1].read(1, window=window)
            return page
        return np.stack([self._pages[n - 1].read(1, window=window) for n in indexes])

    def close(self) -> None:
        """Close all pages."""
        for page in self._pages:
            page.close()


class RowPages(PagedDataset):
    """One page a row: an array (H, W, C), not compressed, in one piece."""

    def __init__(self, first: rasterio.DatasetReader, values: NDArray[Any]) -> None:
        height, width, count = values.shape
        super().__init__(first, count, (height, width), (1, width))
        self._values = values

    def read(self, indexes: int | Sequence[int], *, window: RioWindow) -> NDArray[Any]:
        """Read from the mapped file."""
        rows = slice(int(window.row_off), int(window.row_off + window.height))
        cols = slice(int(window.col_off), int(window.col_off + window.width))
        block = self._values[rows, cols].astype(self._values.dtype.newbyteorder("="))
        if isinstance(indexes, int):
            return block[:, :, indexes - 1]
        return block[:, :, [n - 1 for n in indexes]].transpose(2, 0, 1)


def open_pages(path: Path, first: rasterio.DatasetReader, opener: Opener) -> PagedDataset:
    """Give the pages of a TIFF as one dataset; `first` is the file as it was opened. `opener` opens a page by name.

    Raises RasterError if pages are no bands: of several sizes or types, or of several bands each.
    """
    count = len(first.subdatasets)

    def page_name(number: int) -> str:
        return f"GTIFF_DIR:{number}:{path}"

    if first.count == 1 and (shape := _bands_last(first, count)) is not None:
        offsets = []
        for number in (1, 2, count):
            with opener(page_name(number)) as page:
                same = (page.shape, page.dtypes, page.count) == (first.shape, first.dtypes, 1)
                offsets.append(_offset(page) if same else None)
        return RowPages(first, _map_rows(path, first, shape, offsets))
    if count > MAX_PAGES or first.count != 1:
        raise RasterError(f"{path}: holds {count} pages of {first.count} band(s); {_WAY_OUT}")
    pages = [opener(page_name(number)) for number in range(1, count + 1)]  # GDAL lists them as 1, 10, 11, 2 ...
    kinds = {(page.shape, page.dtypes) for page in pages}
    if len(kinds) > 1 or any(page.colorinterp[0] == ColorInterp.palette for page in pages):
        for page in pages:
            page.close()
        sizes = ", ".join(sorted({f"{h} x {w} px of {types[0]}" for (h, w), types in kinds})[:3])
        raise RasterError(f"{path}: holds {count} pages that are no bands of one image ({sizes}); {_WAY_OUT}")
    first.close()
    return BandPages(pages)


def _bands_last(first: rasterio.DatasetReader, count: int) -> tuple[int, int, int] | None:
    """Give (H, W, C) if the pages are the rows of an array whose last dimension are the bands."""
    found = _SHAPE.search(first.tags().get("TIFFTAG_IMAGEDESCRIPTION", ""))
    if found is None:
        return None
    height, width, bands = map(int, found.groups())
    if (height, (width, bands)) != (count, first.shape) or bands > min(_MAX_BANDS_LAST, height // 2, width // 2):
        return None  # no image has more bands than pixels a side
    return height, width, bands


def _offset(page: rasterio.DatasetReader) -> int | None:
    text = page.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1)
    return None if text is None else int(text)


def _map_rows(
    path: Path, first: rasterio.DatasetReader, shape: tuple[int, int, int], offsets: Sequence[int | None]
) -> NDArray[Any]:
    """Map an uncompressed array into memory, after a look at where its first, second and last row stand."""
    with path.open("rb") as file:
        is_big_endian = file.read(2) == b"MM"
    dtype = np.dtype(first.dtypes[0]).newbyteorder(">" if is_big_endian else "<")
    row_bytes = shape[1] * shape[2] * dtype.itemsize
    start = offsets[0]
    expected = None if start is None else [start, start + row_bytes, start + (shape[0] - 1) * row_bytes]
    if start is None or first.compression is not None or list(offsets) != expected:
        raise RasterError(
            f"{path}: holds an array of {shape[0]} x {shape[1]} x {shape[2]} as {shape[0]} pages that do not lie in "
            "one piece; write it as a TIFF with bands"
        )
    if start + shape[0] * row_bytes > path.stat().st_size:
        raise RasterError(f"{path}: is cut short or damaged; its last rows are missing, fetch it again")
    return np.memmap(path, dtype, mode="r", offset=start, shape=shape)
