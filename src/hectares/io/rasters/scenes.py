"""A scene of several files as one source of pixels: all bands on one grid, indices as extra bands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.band_roles import find_band
from hectares.core.bands import BandPlan, choose_bands
from hectares.core.grid import Grid
from hectares.core.indices import SpectralIndex
from hectares.core.resample import AxisMap, read_resampled
from hectares.core.scaling import UNITLESS
from hectares.core.scene import Chip, RasterSource, place
from hectares.core.window import Window
from hectares.errors import BandError, HectaresError
from hectares.io.catalog import ImageFile
from hectares.io.rasters.baseline import is_reflectance, sentinel2_offset
from hectares.io.rasters.placement import have_same_pixels, relate
from hectares.io.rasters.raster import RasterFacts, RasterFile, open_raster


class PlacedSource(RasterSource, Protocol):
    """A source that tells where its pixels come from, and which of them cannot be read."""

    @property
    def path(self) -> Path:
        """The file that messages name."""

    @property
    def damage(self) -> tuple[Window, ...]:
        """Windows whose pixels could not be decoded so far."""


def open_scene(images: Sequence[ImageFile], plan: BandPlan, *, tolerate_damage: bool = False) -> SceneFile:
    """Open the files of a scene as one source with the bands of a plan; see `SceneFile` for what is promised.

    Raises RasterError, GridError or BandError naming the file that does not fit.
    """
    scene = SceneFile(images, tolerate_damage=tolerate_damage)
    try:
        scene.choose(plan)
    except HectaresError:
        scene.close()
        raise
    return scene


class SceneFile:
    """The files of a scene, as a `PlacedSource`; thread-safe as `RasterFile` is.

    The first file gives the grid; files on the same grid are read as they are, all others are resampled onto it. They
    are placed by their transforms if both are placed, else both cover the same ground. A pixel is valid where every
    chosen band is, and no band needed for an index is missing. An index that is not defined (0/0 on black pixels)
    is 0 there: the pixel was observed all the same. `undefined` counts such pixels.

    A single file without indices is read as `RasterFile` reads it. Otherwise pixels keep the type of the files if all
    have the same one (resampled integers are rounded), and are float32 if not, or if there are indices.
    """

    def __init__(self, images: Sequence[ImageFile], *, tolerate_damage: bool = False) -> None:
        if not images:
            raise BandError("a scene needs at least one image file")
        self._layers: list[_Layer] = []
        self.undefined = Counter[str]()
        try:
            for image in images:
                self._layers.append(_open_layer(image, self._layers, tolerate_damage=tolerate_damage))
            self.available = tuple(name for layer in self._layers for name in layer.names)
            _refuse_same_names(self._layers)
            self.choose(BandPlan())
        except HectaresError:
            self.close()
            raise

    def choose(self, plan: BandPlan) -> None:
        """Choose bands, indices and corrections; numbers count the bands of all files together, from 1."""
        try:
            chosen = choose_bands(plan.bands, self.available)
            indices = tuple(_Computed.find(index, self.available) for index in plan.computed)
        except BandError as error:
            raise BandError(f"{self.path}: {error}") from None
        self.bands = (*(self.available[i] for i in chosen), *(c.index.name for c in indices))
        lowered = [name.lower() for name in self.bands]
        twice = next((name for name in lowered if lowered.count(name) > 1), None)
        if twice is not None:
            raise BandError(f"{self.path}: has a band named {twice!r} already; give the index another name")
        needed = tuple(dict.fromkeys((*chosen, *(p for c in indices for p in c.positions))))
        self._readings = [r for layer in self._layers if (r := _Reading.plan(layer, needed, plan)) is not None]
        self._factors = {p: layer.reflectance(plan) for layer in self._layers for p in needed if layer.has(p)}
        self._chosen, self._indices = chosen, indices
        self._refuse_units()
        self.dtype = self._common_type()
        alone = len(self._readings) == 1 and self._readings[0].is_plain and not indices
        self._plain = self._readings[0].layer.raster if alone else None

    @property
    def path(self) -> Path:
        """The file that gives the grid."""
        return self._layers[0].raster.path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of the scene."""
        return tuple(layer.raster.path for layer in self._layers)

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self._layers[0].grid

    @property
    def facts(self) -> RasterFacts:
        """What the header of the first file says."""
        return self._layers[0].raster.facts

    @property
    def all_tags(self) -> tuple[dict[str, str], ...]:
        """What the tags of each file say."""
        return tuple(layer.raster.facts.tags for layer in self._layers)

    @property
    def depths(self) -> tuple[int | None, ...]:
        """Bits that the values of each band use: None for floats, 0 for indices, which have no unit."""
        of_band = {p: layer.depth for layer in self._layers for p in self._chosen if layer.has(p)}
        return (*(of_band[p] for p in self._chosen), *(UNITLESS for _ in self._indices))

    @property
    def damage(self) -> tuple[Window, ...]:
        """Windows of the scene whose pixels could not be decoded so far."""
        return tuple(dict.fromkeys(w for layer in self._layers for w in layer.damage(self.grid.window)))

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""
        if self._plain is not None:
            return self._plain.read(window)
        inside = window & self.grid.window
        image = np.zeros((len(self.bands), *inside.shape), self.dtype)
        if not inside.pixels:
            return place(Chip(image, np.zeros(inside.shape, np.bool_)), inside, window)
        valid = np.ones(inside.shape, np.bool_)
        planes: dict[int, NDArray[Any]] = {}
        for reading in self._readings:
            chip = reading.read(inside)
            valid &= chip.valid
            planes |= dict(zip(reading.positions, chip.image, strict=True))
        for plane, position in zip(image, self._chosen, strict=False):
            found = planes[position]
            plane[...] = np.rint(found) if image.dtype.kind in "ui" and found.dtype.kind == "f" else found
        for plane, computed in zip(image[len(self._chosen) :], self._indices, strict=True):
            plane[...], defined = computed.compute(planes, self._factors)
            self.undefined[computed.index.name] += int((valid & ~defined).sum())
        if not valid.all():
            image[:, ~valid] = 0
        return place(Chip(image, valid), inside, window)

    def close(self) -> None:
        """Close all files."""
        for layer in self._layers:
            layer.raster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _common_type(self) -> np.dtype[Any]:
        layers = {i: layer for i, layer in enumerate(self._layers) if any(layer.has(p) for p in self._chosen)}
        types = {layer.raster.dtype for layer in layers.values()}
        kept = len(types) == 1 and not self._indices
        only = next(iter(types))
        if kept and only.kind in "ui" and only.itemsize > 2 and any(not layer.is_direct for layer in layers.values()):
            kept = False  # resampled values are float32, which has no digits for these
        return only if kept else np.dtype(np.float32)

    def _refuse_units(self) -> None:
        """Refuse indices whose constants fit reflectance, for values that cannot be reflectance."""
        for computed in self._indices:
            for layer in self._layers:
                used = [p for p in computed.positions if layer.has(p)]
                if computed.index.needs_reflectance and used and layer.is_integer and self._factors[used[0]] == 1:
                    raise BandError(
                        f"{layer.raster.path}: index {computed.index.name!r} needs reflectance of 0 to 1, the values "
                        f"are {layer.raster.dtype}; give the factor with --reflectance-scale (Sentinel-2: 0.0001)"
                    )


# --- Files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Layer:
    """One file of a scene and how it lies on the grid of the scene."""

    image: ImageFile
    raster: RasterFile
    names: tuple[str, ...]
    start: int
    """Position of its first band among the bands of all files."""
    rows: AxisMap
    cols: AxisMap
    is_direct: bool
    """True if its pixels are those of the scene, so that nothing is resampled."""

    @property
    def grid(self) -> Grid:
        return self.raster.grid

    @property
    def is_integer(self) -> bool:
        return bool(self.raster.dtype.kind in "ui")

    @property
    def depth(self) -> int | None:
        if not self.is_integer:
            return None
        if self.image.depth is not None:
            return self.image.depth
        return {"uint8": 8, "uint16": 16}.get(self.raster.dtype.name)

    def has(self, position: int) -> bool:
        return self.start <= position < self.start + len(self.names)

    def reflectance(self, plan: BandPlan) -> float:
        """Give the factor from values to reflectance: none for files in units, else as asked for, or by depth."""
        if self.raster.facts.is_scaled:
            return 1.0
        if plan.reflectance_scale == 1 and self.image.depth is not None and self.is_integer:
            return 1.0 / float(2**self.image.depth - 1)
        return plan.reflectance_scale

    def damage(self, scene: Window) -> list[Window]:
        """Give the windows of the scene that blocks which cannot be decoded fall on."""
        if self.is_direct:
            return list(self.raster.damage)
        found = []
        for window in self.raster.damage:
            top, bottom = _output_span(self.rows, window.row, window.row_end)
            left, right = _output_span(self.cols, window.col, window.col_end)
            found.append(Window(top, left, bottom - top, right - left) & scene)
        return found


def _output_span(axis: AxisMap, start: int, end: int) -> tuple[int, int]:
    places = sorted(((start - axis.offset) / axis.scale, (end - axis.offset) / axis.scale))
    return math.floor(places[0]), math.ceil(places[1])


def _open_layer(image: ImageFile, earlier: Sequence[_Layer], *, tolerate_damage: bool) -> _Layer:
    raster = open_raster(image.path, names=image.bands, crs=image.crs, tolerate_damage=tolerate_damage)
    try:
        onto = earlier[0].grid if earlier else raster.grid
        rows, cols = relate(image.path, raster.grid, onto, earlier[0].raster.path if earlier else image.path)
        rows, cols = _shifted(rows, image.shift_px[0]), _shifted(cols, image.shift_px[1])
    except HectaresError:
        raster.close()
        raise
    start = sum(len(layer.names) for layer in earlier)
    is_direct = have_same_pixels(raster.grid, onto) and not any(image.shift_px)
    return _Layer(image, raster, raster.facts.bands, start, rows, cols, is_direct)


def _shifted(axis: AxisMap, pixels: float) -> AxisMap:
    return AxisMap(axis.scale, axis.offset + pixels, axis.extent)


def _refuse_same_names(layers: Sequence[_Layer]) -> None:
    owners: dict[str, Path] = {}
    for layer in layers:
        for name in layer.names:
            if name.lower() in owners:
                other = owners[name.lower()]
                where = "twice" if other == layer.raster.path else f"as {other} has"
                raise BandError(
                    f"{layer.raster.path}: has a band {name!r} {where}; bands of a scene have distinct names, which "
                    "the catalog can give them (`bands` of an image)"
                )
            owners[name.lower()] = layer.raster.path


# --- Reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    """The bands that are read from one file."""

    layer: _Layer
    positions: tuple[int, ...]
    """Among the bands of all files."""
    offsets: NDArray[Any] | None
    """What is taken out of each band (C, 1, 1), in its type; None for nothing."""

    @classmethod
    def plan(cls, layer: _Layer, needed: Sequence[int], plan: BandPlan) -> _Reading | None:
        positions = tuple(p for p in needed if layer.has(p))
        if not positions:
            return None
        layer.raster.select([str(p - layer.start + 1) for p in positions])
        names = [layer.names[p - layer.start] for p in positions]
        return cls(layer, positions, _offsets(layer, names) if plan.harmonize else None)

    @property
    def is_plain(self) -> bool:
        """True if the file gives these pixels as they are."""
        return self.layer.is_direct and self.layer.start == 0 and self.offsets is None

    def read(self, window: Window) -> Chip:
        """Read a window of the scene; float32 if it was resampled."""
        if self.layer.is_direct:
            return self._read_file(window)
        return read_resampled(self._read_file, self.layer.rows, self.layer.cols, window)

    def _read_file(self, window: Window) -> Chip:
        chip = self.layer.raster.read(window)
        if self.offsets is None:
            return chip
        return Chip(np.maximum(chip.image, self.offsets) - self.offsets, chip.valid)


def _offsets(layer: _Layer, names: Sequence[str]) -> NDArray[Any] | None:
    """Give the offset of a Sentinel-2 file in each band, in its own units; None if there is nothing to take out."""
    facts = layer.raster.facts
    touched = [is_reflectance(name, layer.names) for name in names]
    if not any(touched) or any(facts.offsets):  # an offset that the file declares is applied already
        return None
    offset = sentinel2_offset(layer.raster.path, facts.tags)
    if offset == 0:
        return None
    dtype = layer.raster.dtype
    if dtype.kind in "ui" and np.iinfo(dtype).max < offset:
        raise BandError(
            f"{layer.raster.path}: values of {dtype} cannot carry the offset {offset:g} of its processing baseline; "
            "leave out --harmonize"
        )
    scales = [facts.scales[layer.names.index(name)] for name in names]
    taken = [offset * scale if touch else 0.0 for touch, scale in zip(touched, scales, strict=True)]
    return np.array(taken, dtype)[:, None, None]


@dataclass(frozen=True, slots=True)
class _Computed:
    """An index and the bands it is computed from."""

    index: SpectralIndex
    positions: tuple[int, ...]
    """Of the words of the index, among the bands of all files."""

    @classmethod
    def find(cls, index: SpectralIndex, available: Sequence[str]) -> _Computed:
        try:
            return cls(index, tuple(find_band(word, available) for word in index.words))
        except BandError as error:
            raise BandError(f"index {index.name!r}: {error}") from None

    def compute(
        self, planes: dict[int, NDArray[Any]], factors: dict[int, float]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Give the values, and where they are defined."""
        bands = {
            word: planes[p].astype(np.float32) * np.float32(factors[p])
            for word, p in zip(self.index.words, self.positions, strict=True)
        }
        return self.index.compute(bands)
