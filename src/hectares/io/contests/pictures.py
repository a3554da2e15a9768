"""Archives and folders of pictures: one GeoTIFF a map, with the values or colors that a contest wants."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from hectares.core.legend import IGNORE
from hectares.core.window import Window
from hectares.errors import ConfigError, InputError
from hectares.io.contests.map_objects import open_entry
from hectares.io.contests.submission import Fault, MapEntry
from hectares.io.rasters.class_map import ClassMap
from hectares.io.rasters.raster import open_raster
from hectares.monitor import Monitor, Problem, track

_ROWS = 512
_MOST_BYTES = 2**31
"""Of one picture that is unpacked."""
_DATE = (1980, 1, 1, 0, 0, 0)
"""What the clock says in every archive."""


@dataclass(frozen=True)
class Paint:
    """What the pixels of a map become."""

    values: NDArray[np.uint8]
    """(256, bands) of each class index."""
    rest: NDArray[np.uint8]
    """(bands,) of nodata."""


def write_pictures(
    work: Path,
    scratch: Path,
    entries: Mapping[str, MapEntry],
    paint: Callable[[MapEntry, ClassMap], Paint],
    monitor: Monitor,
    *,
    packed: bool,
    nodata: str,
) -> int:
    """Write a picture of each map, by its name, into an archive or folder; give how many.

    `scratch` is where one is made; `nodata` says what becomes of pixels without a class.
    """
    with PictureArchive(work, packed=packed) as archive:
        for name, entry in track(list(entries.items()), monitor, "writing pictures"):
            with open_entry(entry) as opened:
                unknown = write_picture(scratch, opened, paint(entry, opened))
            if unknown:
                monitor.problem(Problem(str(entry.path), f"{unknown} pixel(s) are nodata", nodata))
            archive.add(name, scratch)
    return len(entries)


def by_name(entries: Sequence[MapEntry], name_of: Callable[[Path], str]) -> dict[str, MapEntry]:
    """Give the maps by the names of their pictures. Raises ConfigError if two are of one tile."""
    named: dict[str, MapEntry] = {}
    for entry in entries:
        name = name_of(entry.path)
        if name in named:
            raise ConfigError(f"{entry.path} and {named[name].path}: two maps are of one tile, {name}; give one")
        named[name] = entry
    return named


def write_picture(path: Path, opened: ClassMap, paint: Paint) -> int:
    """Write a map as a GeoTIFF of what its class indices become; give how many pixels are nodata."""
    height, width = opened.grid.shape
    table = paint.values.copy()
    table[IGNORE] = paint.rest
    unknown = 0
    profile = {"driver": "GTiff", "count": table.shape[1], "height": height, "width": width, "dtype": "uint8"}
    profile |= {"compress": "DEFLATE", "crs": opened.grid.crs, "photometric": "RGB" if table.shape[1] == 3 else None}
    if not opened.grid.transform.is_identity:
        profile["transform"] = opened.grid.transform
    profile = {key: value for key, value in profile.items() if value is not None}
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.Env(GDAL_PAM_ENABLED="NO"),
        rasterio.open(path, "w", **profile) as dataset,
    ):
        for row in range(0, height, _ROWS):
            window = Window(row, 0, min(_ROWS, height - row), width)
            indices = opened.read(window)
            unknown += int((indices == IGNORE).sum())
            block = np.moveaxis(table[indices], -1, 0)
            dataset.write(block, window=((window.row, window.row_end), (0, width)))
    return unknown


class PictureArchive:
    """A zip archive or a folder that is filled with pictures."""

    def __init__(self, work: Path, *, packed: bool) -> None:
        """Begin an archive, or use an existing folder."""
        self._work = work
        self._zip = zipfile.ZipFile(work, "w", zipfile.ZIP_STORED) if packed else None  # pictures are packed already

    def add(self, name: str, picture: Path) -> None:
        """Take a finished picture in, by moving it."""
        if self._zip is None:
            picture.replace(self._work / name)
            return
        entry = zipfile.ZipInfo(name, _DATE)
        entry.external_attr = 0o644 << 16
        with picture.open("rb") as source, self._zip.open(entry, "w", force_zip64=True) as target:
            while chunk := source.read(2**20):
                target.write(chunk)
        picture.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._zip is not None:
            self._zip.close()


@dataclass(frozen=True, slots=True)
class PictureRules:
    """What a contest wants of a picture."""

    bands: int
    called: str
    """The bands in words."""
    colors: Mapping[str, tuple[int, ...]]
    """The values (bands,) that a pixel may have, by name; none if any will do."""
    expected: str
    """The same in words."""


def picture_faults(name: str, file: Path, rules: PictureRules, *, side_px: int | None) -> list[Fault]:
    """Read a picture; give what the contest would not take, of its pixels the first that is wrong."""
    try:
        raster = open_raster(file, use_nodata=False, expand_palette=False)
    except InputError as error:
        return [Fault(name, f"cannot be read ({str(error).split(': ', 1)[-1]})", "a GeoTIFF")]
    try:
        count, kind, (height, width) = len(raster.facts.bands), raster.facts.dtype, raster.grid.shape
        if count != rules.bands or str(kind) != "uint8":
            return [Fault(name, f"has {count} band(s) of {kind}", rules.called)]
        faults = []
        if side_px is not None and (height, width) != (side_px, side_px):
            faults.append(Fault(name, f"has {height} x {width} px", f"{side_px} x {side_px} px", incomplete=True))
        known = [_packed(np.array(color)).item() for color in rules.colors.values()]
        for row in range(0, height if known else 0, _ROWS):
            image = raster.read(Window(row, 0, min(_ROWS, height - row), width)).image
            odd = np.argwhere(~np.isin(_packed(image), known))
            if len(odd):
                y, x = odd[0].tolist()
                found = tuple(image[:, y, x].tolist())
                what = f"has the color {found}" if count > 1 else f"has the value {found[0]}"
                faults.append(Fault(f"{name}, row {row + y}, column {x}", what, rules.expected))
                break
    finally:
        raster.close()
    return faults


def _packed(image: NDArray[Any]) -> NDArray[np.int64]:
    """Give the values of the bands (bands, ...) as one number a pixel."""
    return sum(band.astype(np.int64) << 8 * k for k, band in enumerate(image))  # type: ignore[no-any-return]


def open_pictures(path: Path) -> Iterator[tuple[str, Path | Fault]]:
    """Give the files of an archive or folder with their names, unpacked one by one; or why one is not read."""
    if path.is_dir():
        yield from ((p.relative_to(path).as_posix(), p) for p in sorted(path.rglob("*")) if p.is_file())
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: is no zip archive ({error}); expected a zip of pictures, or a folder") from error
    with archive, tempfile.TemporaryDirectory() as folder:
        for member in archive.infolist():
            if member.is_dir():
                continue
            yield member.filename, _unpacked(archive, member, Path(folder))


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path | Fault:
    if member.file_size > _MOST_BYTES:
        return Fault(member.filename, f"has {member.file_size / 2**20:.0f} MiB", "a picture below 2048 MiB")
    target = folder / f"picture{PurePosixPath(member.filename).suffix.lower()}"
    try:
        with archive.open(member) as source, target.open("wb") as file:
            left = member.file_size
            while left > 0 and (chunk := source.read(min(left, 2**20))):
                file.write(chunk)
                left -= len(chunk)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
        return Fault(member.filename, f"cannot be unpacked ({error})", "a picture")
    return target
