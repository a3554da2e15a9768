"""Archives and folders of pictures: one GeoTIFF a map, with the values or colors that a contest wants."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from hectares.core.legend import IGNORE
from hectares.core.window import Window
from hectares.errors import InputError
from hectares.io.contests.submission import Fault
from hectares.io.rasters.class_map import ClassMap

_ROWS = 512
_MOST_BYTES = 2**31
"""Of one picture that is unpacked."""
_DATE = (1980, 1, 1, 0, 0, 0)
"""What the clock says in every archive."""


def write_picture(path: Path, opened: ClassMap, values: NDArray[np.uint8], rest: NDArray[np.uint8]) -> int:
    """Write a map as a GeoTIFF of the values (256, bands) of its class indices; give how many pixels are nodata.

    These get the value `rest` (bands,).
    """
    height, width = opened.grid.shape
    table = values.copy()
    table[IGNORE] = rest
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

    def close(self) -> None:
        """Complete the archive."""
        if self._zip is not None:
            self._zip.close()


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
