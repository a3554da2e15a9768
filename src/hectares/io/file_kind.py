"""What kind of file is it? Told by its first bytes, before a library sees it."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from hectares.errors import InputError, RasterError

_DRIVERS = {
    b"II*\x00": "GTiff", b"MM\x00*": "GTiff", b"II+\x00": "GTiff", b"MM\x00+": "GTiff",
    b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG",
    b"\x00\x00\x00\x0cjP  ": "JP2OpenJPEG", b"\xff\x4f\xff\x51": "JP2OpenJPEG",
}  # fmt: skip
_NOT_A_PATH = re.compile(r"/vsi|<|[a-z0-9+]{2,}:/|[A-Z][A-Z0-9_]+:", re.ASCII)
"""What GDAL would take for something else than a file: a URL, a virtual file, inline XML, DRIVER:name."""


def kind_of(mode: int) -> str:
    """Say what stands in the place of a regular file, by its `st_mode`.

    >>> kind_of(stat.S_IFIFO), kind_of(stat.S_IFDIR)
    ('a named pipe, not a regular file', 'a folder')
    """
    if stat.S_ISDIR(mode):
        return "a folder"
    tests = {"a named pipe": stat.S_ISFIFO, "a device": stat.S_ISCHR, "a block device": stat.S_ISBLK}
    kind = next((name for name, test in tests.items() if test(mode)), "a socket")
    return f"{kind}, not a regular file"


def unreadable(error: OSError) -> str:
    """Say that a file cannot be read, why, and the way out if permissions are all it lacks.

    >>> unreadable(PermissionError(13, "Permission denied"))
    'cannot be read (Permission denied); change its permissions, or choose another'
    """
    way_out = "; change its permissions, or choose another" if isinstance(error, PermissionError) else ""
    return f"cannot be read ({error.strerror}){way_out}"


def local_file(path: str | Path, *, expected: str = "an image file", refusal: type[InputError] = RasterError) -> Path:
    """Give the path of a regular local file, or raise RasterError (or another) saying what it is instead."""
    text = str(path)
    if _NOT_A_PATH.match(text) and not Path(text).exists():
        raise refusal(f"{text[:120]}: only local files are read; download it first")
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise refusal(f"{path}: there is no such file") from None
    except OSError as error:
        raise refusal(f"{path}: {unreadable(error)}") from error
    if not stat.S_ISREG(mode):
        raise refusal(f"{path}: is {kind_of(mode)}; expected {expected}")
    return path


def sniff(path: Path) -> str:
    """Tell the driver of a raster by its first bytes, or raise RasterError saying what the file is instead."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise RasterError(f"{path}: {unreadable(error)}") from error
    return driver_of(head, path)


def driver_of(head: bytes, path: Path) -> str:
    """Tell the driver of a raster that begins with these bytes, or raise RasterError saying what it is instead."""
    for magic, driver in _DRIVERS.items():
        if head.startswith(magic):
            return driver
    raise RasterError(f"{path}: {impostor(head)}; expected a GeoTIFF, JPEG 2000, PNG or JPEG")


def impostor(head: bytes, noun: str = "image") -> str:
    """Say what a file that begins with these bytes is, instead of an image (or something else)."""
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if not head:
        return "is empty (0 bytes): a download or copy that did not finish"
    if text.startswith(b"version https://git-lfs"):
        return f"is a git-lfs pointer, not the {noun} itself: run `git lfs pull`"
    if text.startswith((b"<!doctype html", b"<html")):
        return "is a web page, probably the error page of a failed download"
    if b"<vrtdataset" in text:
        return "is a VRT, which refers to other files: write it out with `gdal_translate` first"
    if not head.strip(b"\x00"):
        return "holds only zeros: a download that was reserved but never written"
    article = "an" if noun[0] in "aeiou" else "a"
    return f"is not {article} {noun} (it starts with {head[:8]!r})"
