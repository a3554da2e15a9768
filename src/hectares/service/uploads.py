"""Files that are sent: streamed to disk under a hidden name, looked at by the door for rasters, then given a name."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path, PurePosixPath, PureWindowsPath

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from hectares.errors import InputError
from hectares.io.outputs import staged_file
from hectares.service.data_root import SUFFIXES, UPLOADS, DataRoot, Scene, id_of

_OTHER = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST = 80
_RESERVED = {"con", "prn", "aux", "nul", "com1", "com2", "com3", "lpt1", "lpt2", "lpt3"}


def clean_name(given: str) -> str:
    r"""Give a safe file name that still looks like the given one. Raises HTTPException for a suffix of no raster.

    >>> clean_name("Tile 8/image_part.jpg"), clean_name("..\\..\\evil .TIF"), clean_name("-rf.tif")
    ('image_part.jpg', 'evil.tif', 'rf.tif')
    """
    last = PureWindowsPath(PurePosixPath(given).name).name
    stem, suffix = Path(last).stem, Path(last).suffix.lower()
    if suffix not in SUFFIXES:
        raise HTTPException(415, f"{last[:80]!r} ends in none of {', '.join(SUFFIXES)}; send a raster of these")
    safe = _OTHER.sub("-", stem).strip("-._")[:_LONGEST] or "scene"
    return f"{safe}-scene{suffix}" if safe.lower() in _RESERVED else f"{safe}{suffix}"


async def take_upload(request: Request, root: DataRoot, given: str, min_free_mb: float) -> Scene:
    """Take the body of a request as a scene, and give it. What is no raster is removed again.

    Raises InputError for a file that the door refuses, HTTPException if there is no room for it.
    """
    target = _free_name(root.uploads, clean_name(given))
    _refuse_no_room(root, int(request.headers.get("content-length", "0")), min_free_mb)
    with staged_file(target, overwrite=False) as work:
        await _write(request, work, root, min_free_mb)
        await run_in_threadpool(_look_at, root, work, target.name)
    found = await run_in_threadpool(root.scene, id_of(f"{UPLOADS}/{target.name}"))
    if found is None:
        raise InputError(f"{target.name}: is gone already")
    return found


async def _write(request: Request, work: Path, root: DataRoot, min_free_mb: float) -> None:
    taken = 0
    try:
        with work.open("wb") as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
                before, taken = taken, taken + len(piece)
                if before >> 26 != taken >> 26:  # every 64 MiB
                    _refuse_no_room(root, 0, min_free_mb)
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the file did") from None


def _look_at(root: DataRoot, work: Path, name: str) -> None:
    try:
        root.decode("header", work)
    except InputError as error:
        raise InputError(str(error).replace(str(work), name)) from None


def _refuse_no_room(root: DataRoot, coming: int, min_free_mb: float) -> None:
    free = shutil.disk_usage(root.uploads).free
    if free - coming < min_free_mb * 1e6:
        raise HTTPException(507, f"the disk has {free / 1e6:,.0f} MB left, which is not enough; free some space")


def _free_name(folder: Path, name: str) -> Path:
    """Give a name that is not taken: what is there is never replaced."""
    target = folder / name
    while target.exists() or target.is_symlink():
        target = folder / f"{Path(name).stem}-{secrets.token_hex(3)}{Path(name).suffix}"
    return target
