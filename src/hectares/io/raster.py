"""The one door for reading rasters.

Every raster of the user passes `open_raster`: a regular local file, of a kind known by its first bytes, with
the driver pinned, nothing read or written beside it, its header checked before its pixels, and the valid
mask computed from every source of validity there is.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.windows import Window as RioWindow

from hectares.core.bands import choose_bands
from hectares.core.grid import Grid
from hectares.core.scene import Chip, place
from hectares.core.window import Window
from hectares.errors import BandError, InputError, RasterError
from hectares.io.file_kind import local_file, sniff

MAX_PIXELS = 10**11
MAX_BANDS = 1000
MAX_BLOCK_BYTES = 2**29
"""A block is decoded whole, whatever the window: one strip of a gigabyte would break the promise of bounded memory."""

_GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 256,  # MiB of decoded blocks; the default grows with the machine, not with the work
    "GDAL_PAM_ENABLED": "NO",  # neither read nor write .aux.xml: a stale one replaces CRS and nodata
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # nor any other file beside it: .ovr, .tfw, .msk
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # with it, a cut PNG reads as unwritten memory without an error
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # a cut JPEG is an error, not gray
}
_open_lock = threading.Lock()  # warnings.catch_warnings is not thread-safe

COLOR_NAMES = {
    ColorInterp.red: "red",
    ColorInterp.green: "green",
    ColorInterp.blue: "blue",
    ColorInterp.gray: "gray",
}


@dataclass(frozen=True, slots=True)
class RasterFacts:
    """What the header of a raster says."""

    path: Path
    driver: str
    grid: Grid
    bands: tuple[str, ...]
    """Names of the bands that carry measurements (alpha is not one; a palette is red, green, blue)."""
    dtype: str
    nodata: float | None
    has_alpha: bool
    has_mask: bool
    has_palette: bool
    is_tiled: bool
    block_shape: tuple[int, int]
    overviews: int
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    tags: dict[str, str]


def open_raster(
    path: str | Path,
    *,
    bands: str | Sequence[str] = "all",
    names: Sequence[str] | None = None,
    expand_palette: bool = True,
    use_nodata: bool = True,
    tolerate_damage: bool = False,
) -> RasterFile:
    """Open a raster for reading by window; see `RasterFile` for what is promised.

    `bands` are 1-based numbers or names, in the wanted order; `names` replace those in the file.
    `expand_palette` turns a palette into colors (labels by code want the numbers instead).
    `use_nodata` False reads nodata as a value like any other (labels: the legend knows better).
    With `tolerate_damage`, blocks that cannot be decoded are not valid and listed in `RasterFile.damage`;
    without, they raise.

    Raises RasterError for what is no raster, BandError for bands that are not there.
    """
    path = local_file(path)
    driver = sniff(path)
    raster = RasterFile(
        path, driver, expand_palette=expand_palette, use_nodata=use_nodata, tolerate_damage=tolerate_damage
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
    - every band is finite,
    - no band holds the nodata value; but nodata 0 of unsigned bands, where 0 is also an ordinary dark value,
      must stand in every band.
    """

    def __init__(
        self, path: Path, driver: str, *, expand_palette: bool, use_nodata: bool, tolerate_damage: bool
    ) -> None:
        self.path = path
        self._driver = driver
        self._use_nodata = use_nodata
        self._tolerate_damage = tolerate_damage
        self._local = threading.local()
        self._handles: list[rasterio.DatasetReader] = []
        self._damage: list[Window] = []
        with rasterio.Env(**_GDAL_OPTIONS):
            dataset = self._dataset()
            _check_header(path, dataset)
            self._palette = _palette(dataset) if expand_palette else None
            self.facts = _facts(path, driver, dataset, self._palette is not None)
            self._channels = _channels(dataset)
            self._alpha = next((n for n in dataset.indexes if n not in self._channels), None)
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
        return np.dtype(self.facts.dtype)

    @property
    def damage(self) -> tuple[Window, ...]:
        """Blocks that could not be decoded so far."""
        return tuple(dict.fromkeys(self._damage))

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""
        inside = window & self.grid.window
        if not inside.pixels:
            return Chip(np.zeros((len(self._selected), *window.shape), self.dtype), np.zeros(window.shape, np.bool_))
        with rasterio.Env(**_GDAL_OPTIONS):
            try:
                chip = self._read_inside(inside)
            except RasterioError as error:
                if not self._tolerate_damage:
                    raise RasterError(
                        f"{self.path}: pixels at row {inside.row}, col {inside.col} "
                        f"({inside.height} x {inside.width}) cannot be decoded; the file is cut short or damaged, "
                        "fetch it again"
                    ) from error
                chip = self._read_around_damage(inside)
        return place(chip, inside, window)

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
        handle = getattr(self._local, "handle", None)
        if handle is None:
            with _open_lock, warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # we say so ourselves, where it matters
                try:
                    handle = rasterio.open(self.path, driver=self._driver)
                except RasterioIOError as error:
                    raise RasterError(f"{self.path}: cannot be opened as {self._driver} ({error})") from error
            self._local.handle = handle
            self._handles.append(handle)
        return handle

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
        if not valid.all():
            image = np.where(valid, image, np.zeros((), image.dtype))
        return Chip(image, valid)

    def _valid(self, dataset: rasterio.DatasetReader, area: RioWindow, raw: NDArray[Any]) -> NDArray[np.bool_]:
        valid = np.ones(raw.shape[1:], np.bool_)
        if self._alpha is not None:  # not by read_masks: there, a nodata value takes the place of alpha
            valid &= dataset.read(self._alpha, window=area) != 0
        if self.facts.has_mask:
            valid &= dataset.read_masks(1, window=area) != 0
        if raw.dtype.kind == "f":
            valid &= np.isfinite(raw).all(axis=0)
        nodata = self.facts.nodata
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
        for row in range(window.row // height * height, window.row_end, height):
            for col in range(window.col // width * width, window.col_end, width):
                block = Window(row, col, height, width)
                part = block & window
                try:
                    chip = self._read_inside(part)
                except RasterioError:
                    self._damage.append(block & self.grid.window)
                    continue
                target = part.within(window).slices
                image[:, *target] = chip.image
                valid[target] = chip.valid
        return Chip(image, valid)


def _check_header(path: Path, dataset: rasterio.DatasetReader) -> None:
    if dataset.subdatasets:
        raise RasterError(f"{path}: holds {len(dataset.subdatasets)} pages; write the wanted one to a file of its own")
    if dataset.count == 0:
        raise RasterError(f"{path}: has no bands")
    if dataset.width * dataset.height > MAX_PIXELS:
        raise RasterError(
            f"{path}: claims {dataset.width} x {dataset.height} px, more than {MAX_PIXELS:.0e}; crop it first"
        )
    if dataset.count > MAX_BANDS:
        raise RasterError(f"{path}: claims {dataset.count} bands, more than {MAX_BANDS}; select bands first")
    if len(set(dataset.dtypes)) > 1 or np.dtype(dataset.dtypes[0]).kind not in "uif":
        raise RasterError(f"{path}: has values of type {', '.join(set(dataset.dtypes))}; expected one real type")
    height, width = dataset.block_shapes[0]
    block_bytes = height * width * np.dtype(dataset.dtypes[0]).itemsize
    if block_bytes > MAX_BLOCK_BYTES:
        raise RasterError(
            f"{path}: is stored in blocks of {height} x {width} px ({block_bytes / 2**20:.0f} MiB each); "
            "convert it to a tiled file: gdal_translate -of COG"
        )


def _facts(path: Path, driver: str, dataset: rasterio.DatasetReader, has_palette: bool) -> RasterFacts:
    flags = dataset.mask_flag_enums[0]
    crs = dataset.crs.to_wkt() if dataset.crs else None
    block_height, block_width = dataset.block_shapes[0]
    return RasterFacts(
        path=path,
        driver=driver,
        grid=Grid(crs, Affine(*dataset.transform[:6]), dataset.shape),
        bands=_band_names(dataset, has_palette),
        dtype="uint8" if has_palette else dataset.dtypes[0],
        nodata=dataset.nodata,
        has_alpha=ColorInterp.alpha in dataset.colorinterp,
        has_mask=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
        has_palette=ColorInterp.palette in dataset.colorinterp,
        is_tiled=block_width < dataset.width or block_height > 1,
        block_shape=(block_height, block_width),
        overviews=len(dataset.overviews(1)),
        scales=tuple(dataset.scales),
        offsets=tuple(dataset.offsets),
        tags=dict(dataset.tags()),
    )


def _channels(dataset: rasterio.DatasetReader) -> list[int]:
    """GDAL numbers of the bands that carry measurements."""
    return [n for n, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True) if meaning != ColorInterp.alpha]


def _band_names(dataset: rasterio.DatasetReader, has_palette: bool) -> tuple[str, ...]:
    """Descriptions if every band has its own, else color names, else band_1, band_2 ..."""
    if has_palette:
        return ("red", "green", "blue")
    channels = _channels(dataset)
    described = [(dataset.descriptions[n - 1] or "").strip() for n in channels]
    if all(described) and len(set(described)) == len(described):
        return tuple(described)
    colors = [COLOR_NAMES.get(dataset.colorinterp[n - 1], f"band_{n}") for n in channels]
    if len(set(colors)) == len(colors) and {"red", "green", "blue"} <= set(colors):
        return tuple(colors)
    return tuple(f"band_{n}" for n in channels) if len(channels) > 1 else ("gray",)


def _palette(dataset: rasterio.DatasetReader) -> NDArray[np.uint8] | None:
    if dataset.colorinterp[0] != ColorInterp.palette:
        return None
    table = np.zeros((np.iinfo(dataset.dtypes[0]).max + 1, 3), np.uint8)
    for code, color in dataset.colormap(1).items():
        table[code] = color[:3]
    return table
