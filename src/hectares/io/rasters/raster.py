"""The one door for reading rasters.

Every raster of the user passes `open_raster`: a regular local file, of a kind known by its first bytes, with
the driver pinned, nothing read or written beside it, its header checked before its pixels, and the valid
mask computed from every source of validity there is. A `RemotePath`, which a verb gives where the user has
allowed it, is read part by part from its server; no other name reaches the network.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.windows import Window as RioWindow

from hectares.core.bands import choose_bands
from hectares.core.scene import Chip, place
from hectares.core.window import Window
from hectares.errors import BandError, InputError, RasterError
from hectares.io.file_kind import driver_of, local_file, sniff
from hectares.io.rasters.raster_header import MAX_PIXELS as MAX_PIXELS
from hectares.io.rasters.raster_header import RasterFacts as RasterFacts
from hectares.io.rasters.raster_header import channels_of, check_header, palette_of, read_facts
from hectares.io.rasters.tiff_pages import open_pages
from hectares.io.remote import GDAL_OPTIONS as REMOTE_OPTIONS
from hectares.io.remote import RemotePath, ask, unreachable

_GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 256,  # MiB of decoded blocks; the default grows with the machine, not with the work
    "GDAL_PAM_ENABLED": "NO",  # neither read nor write .aux.xml: a stale one replaces CRS and nodata
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # nor any other file beside it: .ovr, .tfw, .msk
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # with it, a cut PNG reads as unwritten memory without an error
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # a cut JPEG is an error, not gray
}
_open_lock = threading.Lock()  # warnings.catch_warnings is not thread-safe
_SEQUENTIAL = {"JPEG", "PNG", "JP2OpenJPEG"}
"""Decoded from top to bottom: what comes after the first damage is lost."""


def open_raster(
    path: str | Path,
    *,
    bands: str | Sequence[str] = "all",
    names: Sequence[str] | None = None,
    expand_palette: bool = True,
    use_nodata: bool = True,
    scaled: bool = True,
    tolerate_damage: bool = False,
    crs: str | None = None,
) -> RasterFile:
    """Open a raster for reading by window; see `RasterFile` for what is promised.

    `bands` are 1-based numbers or names, in the wanted order; `names` replace those in the file.
    `expand_palette` turns a palette into colors (labels by code want the numbers instead).
    `use_nodata` False reads nodata as a value like any other (labels: the legend knows better).
    `scaled` applies the scale and offset that the file declares, which gives float32; without, stored values.
    With `tolerate_damage`, blocks that cannot be decoded are not valid and listed in `RasterFile.damage`;
    without, they raise. Of a JPEG, PNG or JPEG 2000, all that follows the first damage counts as such a block.
    `crs` is that of a raster that has a place but names no CRS: its own transform, or a world file beside it.

    Raises RasterError for what is no raster, BandError for bands that are not there.
    """
    if isinstance(path, RemotePath):
        driver = driver_of(ask(path).head, path)
    else:
        path = local_file(path)
        driver = sniff(path)
    raster = RasterFile(
        path,
        driver,
        expand_palette=expand_palette,
        use_nodata=use_nodata,
        scaled=scaled,
        tolerate_damage=tolerate_damage,
        crs=crs,
    )
    try:
        if names is not None:
            raster.rename(names)
        raster.select(bands)
    except InputError:
        raster.close()
        raise
    return raster


class RasterFile:
    """A raster on disk, as a `RasterSource`.

    Reading is thread-safe: every thread has its own handle. It never resamples. A pixel is valid where

    - the mask band and the alpha band say so,
    - every band is finite, unless `keep_all_values` was called,
    - no band holds the nodata value; but nodata 0 of unsigned bands, where 0 is also an ordinary dark value,
      must stand in every band.
    """

    def __init__(
        self,
        path: Path,
        driver: str,
        *,
        expand_palette: bool,
        use_nodata: bool,
        scaled: bool,
        tolerate_damage: bool,
        crs: str | None = None,
    ) -> None:
        self.path = path
        self._options = _GDAL_OPTIONS | (REMOTE_OPTIONS if isinstance(path, RemotePath) else {})
        self._driver = driver
        self._use_nodata = use_nodata
        self._finite_only = True
        self._tolerate_damage = tolerate_damage
        self._local = threading.local()
        self._handles: list[rasterio.DatasetReader] = []
        self._damage: list[Window] = []
        self._search = threading.Lock()
        self._readable_rows: int | None = None  # of a file that is decoded from top to bottom, once it has failed
        with rasterio.Env(**self._options):
            dataset = self._dataset()
            try:
                check_header(path, dataset)
                self._palette = palette_of(dataset) if expand_palette else None
                self.facts = read_facts(path, driver, dataset, has_palette=self._palette is not None, crs=crs)
            except InputError:
                self.close()
                raise
            except (CPLE_BaseError, UnicodeDecodeError) as error:
                self.close()
                raise RasterError(f"{path}: its header is damaged ({error}); fetch the file again") from error
            self._channels = channels_of(dataset)
            self._alpha = next((n for n in dataset.indexes if n not in self._channels), None)
        self._scaled = scaled and self.facts.is_scaled and self._palette is None
        self.grid = self.facts.grid
        self.bands = self.facts.bands
        self._selected = tuple(range(len(self.bands)))

    def rename(self, names: Sequence[str]) -> None:
        """Give the bands of the file other names, in file order."""
        if len(names) != len(self.facts.bands):
            raise BandError(
                f"{self.path}: has {len(self.facts.bands)} bands, but {len(names)} names were given: {', '.join(names)}"
            )
        self.facts = replace(self.facts, bands=tuple(names))
        self.bands = self.facts.bands

    def keep_all_values(self) -> None:
        """Read infinity, and NaN that is not the nodata of the file, as values: labels tell damaged from missing."""
        self._finite_only = False

    def select(self, bands: str | Sequence[str]) -> None:
        """Choose bands by 1-based number or name; later reads give only these, in this order."""
        try:
            self._selected = choose_bands(bands, self.facts.bands)
        except ValueError as error:
            raise type(error)(f"{self.path}: {error}") from None
        self.bands = tuple(self.facts.bands[i] for i in self._selected)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(np.float32) if self._scaled else np.dtype(self.facts.dtype)

    @property
    def damage(self) -> tuple[Window, ...]:
        """Blocks that could not be decoded so far."""
        return tuple(dict.fromkeys(self._damage))

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""
        inside = window & self.grid.window
        if not inside.pixels:
            return Chip(np.zeros((len(self._selected), *window.shape), self.dtype), np.zeros(window.shape, np.bool_))
        with rasterio.Env(**self._options):
            if self._readable_rows is not None and inside.row_end > self._readable_rows:
                return place(self._read_around_damage(inside), inside, window)
            try:
                chip = self._read_inside(inside)
            except RasterioError as error:
                self._drop_handle()
                if isinstance(self.path, RemotePath):
                    return place(self._read_again(self.path, inside), inside, window)
                if not self._tolerate_damage:
                    raise RasterError(
                        f"{self.path}: pixels at row {inside.row}, col {inside.col} "
                        f"({inside.height} x {inside.width}) cannot be decoded; the file is cut short or damaged, "
                        "fetch it again"
                    ) from error
                chip = self._read_around_damage(inside)
        return place(chip, inside, window)

    @contextlib.contextmanager
    def lend(self) -> Iterator[rasterio.DatasetReader]:
        """Lend the handle of this thread to a library that reads by itself, under the options of this door.

        What was chosen here, such as bands and scale, does not count for it.
        """
        with rasterio.Env(**self._options):
            yield self._dataset()

    def close(self) -> None:
        """Close the handles of all threads."""
        for handle in self._handles:
            handle.close()
        self._handles.clear()
        self._local = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _dataset(self) -> rasterio.DatasetReader:
        """Give the handle of this thread, or what stands in for one if the bands are pages."""
        handle = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._open(self.path.gdal_name if isinstance(self.path, RemotePath) else str(self.path))
            if handle.subdatasets:
                try:
                    handle = open_pages(self.path, handle, self._open)
                except InputError:
                    handle.close()
                    raise
            self._local.handle = handle
            self._handles.append(handle)
        return handle

    def _open(self, name: str) -> rasterio.DatasetReader:
        with _open_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # we say so ourselves, where it matters
            try:
                return rasterio.open(name, driver=self._driver)
            except UnicodeEncodeError as error:
                raise RasterError(
                    f"{self.path}: the name of the file or of its folder is not UTF-8; rename it"
                ) from error
            except RasterioIOError as error:
                if isinstance(self.path, RemotePath):
                    ask(self.path)  # raises what it is, where the connection broke
                raise RasterError(f"{self.path}: cannot be opened as {self._driver} ({error})") from error

    def _drop_handle(self) -> None:
        """Let go of a handle that has failed: a JPEG gives gray from then on, without an error."""
        handle = getattr(self._local, "handle", None)
        if handle is not None:
            self._local.handle = None
            self._handles.remove(handle)
            handle.close()

    def _read_again(self, path: RemotePath, window: Window) -> Chip:
        """Read a window from a server once more; what fails then is never taken for a gap of the scene."""
        ask(path)
        try:
            return self._read_inside(window)
        except (RasterioError, RasterError) as error:
            self._drop_handle()
            what = f"row {window.row}, col {window.col} failed twice; a damaged file does so each time: download it"
            raise unreachable(path, what) from error

    def _read_inside(self, window: Window) -> Chip:
        dataset = self._dataset()
        area = RioWindow(window.col, window.row, window.width, window.height)
        if self._palette is not None:
            codes = dataset.read(1, window=area)
            image = self._palette[codes].transpose(2, 0, 1)[list(self._selected)]
            raw = codes[None]
        else:
            image = raw = dataset.read([self._channels[i] for i in self._selected], window=area)
        valid = self._valid(dataset, area, raw)
        if self._scaled:
            image = self._to_units(image)
        if not valid.all():
            image = np.where(valid, image, np.zeros((), image.dtype))
        return Chip(image, valid)

    def _to_units(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Turn stored values into the units that the file declares: value x scale + offset."""
        scales = np.array([self.facts.scales[i] for i in self._selected])[:, None, None]
        offsets = np.array([self.facts.offsets[i] for i in self._selected])[:, None, None]
        units: NDArray[np.float32] = (image * scales + offsets).astype(np.float32)
        return units

    def _valid(self, dataset: rasterio.DatasetReader, area: RioWindow, raw: NDArray[Any]) -> NDArray[np.bool_]:
        valid = np.ones(raw.shape[1:], np.bool_)
        if self._alpha is not None:  # not by read_masks: there, a nodata value takes the place of alpha
            valid &= dataset.read(self._alpha, window=area) != 0
        if self.facts.has_mask:
            valid &= dataset.read_masks(1, window=area) != 0
        nodata = self.facts.nodata
        if raw.dtype.kind == "f" and self._finite_only:
            valid &= np.isfinite(raw).all(axis=0)
        elif raw.dtype.kind == "f" and self._use_nodata and nodata is not None and np.isnan(nodata):
            valid &= ~np.isnan(raw).any(axis=0)
        if nodata is not None and self._use_nodata and not np.isnan(nodata):
            empty = raw == nodata
            if raw.dtype.kind == "u" and nodata == 0:
                valid &= ~self._empty_everywhere(dataset, area, empty.all(axis=0))
            else:
                valid &= ~empty.any(axis=0)
        return valid

    def _empty_everywhere(
        self, dataset: rasterio.DatasetReader, area: RioWindow, empty: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Of pixels that are zero in the selected bands, keep those that are zero in the others as well."""
        others = [n for i, n in enumerate(self._channels) if i not in self._selected]
        if self._palette is not None or not others or not empty.any():
            return empty
        dark: NDArray[np.bool_] = (dataset.read(others, window=area) == 0).all(axis=0)
        return empty & dark

    def _read_around_damage(self, window: Window) -> Chip:
        """Read block by block; blocks that fail are not valid."""
        image = np.zeros((len(self._selected), *window.shape), self.dtype)
        valid = np.zeros(window.shape, np.bool_)
        height, width = self.facts.block_shape
        readable = self._find_readable_rows() if self._driver in _SEQUENTIAL else self.grid.shape[0]
        if window.row_end > readable:
            self._damage.append(Window(readable, 0, self.grid.shape[0] - readable, self.grid.shape[1]))
        for row in range(window.row // height * height, min(window.row_end, readable), height):
            for col in range(window.col // width * width, window.col_end, width):
                block = Window(row, col, height, width)
                part = block & window
                try:
                    chip = self._read_inside(part)
                except RasterioError:
                    self._drop_handle()
                    self._damage.append(block & self.grid.window)
                    continue
                target = part.within(window).slices
                image[:, *target] = chip.image
                valid[target] = chip.valid
        return Chip(image, valid)

    def _find_readable_rows(self) -> int:
        """Count the rows from the top of a sequential file that can be decoded, in steps of block rows."""
        with self._search:
            if self._readable_rows is None:
                height, width = self.grid.shape
                step = self.facts.block_shape[0]
                self._readable_rows = height
                for row in range(0, height, step):
                    area = RioWindow(0, row, width, min(step, height - row))
                    try:
                        self._dataset().read(window=area)
                    except RasterioError:
                        self._drop_handle()
                        self._readable_rows = row
                        break
            return self._readable_rows
