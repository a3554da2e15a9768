"""The one door for writing: a result is complete at its final name, or absent.

Everything is written under a hidden work name beside the target (the same file system, so that the last
rename is one step), flushed to disk, and renamed. The old result stays until the new one is whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hectares.errors import ArtefactError, ConfigError, InputError, ResourceError

PREFIX = ".hectares-"
"""Work files and folders start with this; whatever is found under it may be deleted when no run goes on."""
_NOTHING_LEFT = 2**20  # bytes
_LONG_NAME = 200  # bytes, of the 255 that file systems allow


def check_target(target: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse a target that is an input, exists without `overwrite`, or lies where nothing can be written."""
    for path in inputs:
        if target.exists() and path.exists() and target.samefile(path):
            raise ArtefactError(f"{target}: is an input of this command; choose another name for the result")
        if target.resolve() in path.resolve().parents:
            raise ArtefactError(f"{target}: holds {path.name}, an input of this command; choose another folder")
    if target.exists() and not overwrite:
        raise ArtefactError(f"{target}: exists already; give --overwrite to replace it, or choose another name")
    if target.suffix.lower() == ".gpkg" and target.exists():
        _refuse_open(target)
    parent = target.parent
    with disk_errors(target):
        parent.mkdir(parents=True, exist_ok=True)
        probe = parent / f"{PREFIX}probe-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # another machine may have a process of the same number


def _refuse_open(database: Path) -> None:
    """Refuse to replace a GeoPackage beside which lies a log: SQLite would take it for the log of the new one."""
    for log in (database.with_name(database.name + end) for end in ("-wal", "-journal")):
        if log.exists() and log.stat().st_size:
            raise ArtefactError(f"{database}: is open in another program ({log.name} is there); close it there first")


def work_path(target: Path) -> Path:
    """Give the hidden name under which a target is prepared."""
    return target.parent / f"{PREFIX}{target.name}"


def _staging_path(target: Path) -> Path:
    """Give the hidden name under which a file is written: short enough even where that of the target is long."""
    long = len(os.fsencode(target.name)) > _LONG_NAME
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32] + target.suffix[:16] if long else target.name
    return target.parent / f"{PREFIX}{os.getpid()}-{name}"


@contextlib.contextmanager
def staged_file(target: str | Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield a path to write to; when the block ends well the file takes its final name, else it goes away."""
    target = resolve(target)
    if target.is_dir():
        raise ArtefactError(f"{target}: is a folder; expected the name of a file")
    check_target(target, overwrite=overwrite, inputs=inputs)
    work = _staging_path(target)
    try:
        with disk_errors(target):
            yield work
            commit_file(work, target)
    finally:
        work.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_files(targets: Sequence[Path], *, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[list[Path]]:
    """Yield paths to write the files of one result to; they take their final names one right after the other."""
    inputs = list(inputs)
    for target in targets:
        if target.is_dir():
            raise ArtefactError(f"{target}: is a folder; expected the name of a file")
        check_target(target, overwrite=overwrite, inputs=inputs)
    works = [_staging_path(t) for t in targets]
    try:
        with disk_errors(targets[0]):
            yield works
            for work in works:
                _flush(work)
            for work, target in zip(works, targets, strict=True):
                work.replace(target)
            _flush(targets[0].parent)
    finally:
        for work in works:
            work.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(
    target: str | Path, *, overwrite: bool, inputs: Iterable[Path] = (), ours: str | None = None
) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends well it takes its final name, else it goes away.

    A folder that lacks the file `ours` is not replaced even with `overwrite`: it may be anything.
    """
    target = _check_folder(resolve(target), overwrite=overwrite, inputs=inputs, ours=ours)
    work = work_path(target)
    with exclusive(target), disk_errors(target):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
            _finish_folder(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def resumable_folder(
    target: str | Path, head: str, *, overwrite: bool, inputs: Iterable[Path] = (), ours: str | None = None
) -> Iterator[Path]:
    """Yield a folder to fill, with what an earlier run with the same `head` had done when it was stopped.

    A run that was stopped or killed leaves its work; one that failed over its input does not, and neither does
    one with another head: half a result of other work is worth nothing.
    """
    target = _check_folder(resolve(target), overwrite=overwrite, inputs=inputs, ours=ours)
    work = work_path(target)
    mark = work / ".head"
    with exclusive(target), disk_errors(target):
        if not mark.is_file() or mark.read_text(encoding="utf-8") != head:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            mark.write_text(head, encoding="utf-8")
        try:
            yield work
            mark.unlink()
            _finish_folder(work, target)
        except (InputError, ConfigError):
            shutil.rmtree(work, ignore_errors=True)
            raise


def _check_folder(target: Path, *, overwrite: bool, inputs: Iterable[Path], ours: str | None) -> Path:
    restore(target)
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()  # an empty folder made by hand is in nobody's way
    check_target(target, overwrite=overwrite, inputs=inputs)
    if target.exists() and not target.is_dir():
        raise ArtefactError(f"{target}: is a file; expected the name of a folder")
    if target.exists() and ours is not None and not (target / ours).is_file():
        raise ArtefactError(f"{target}: has no {ours}, so --overwrite does not delete it; choose another folder")
    return target


def _finish_folder(work: Path, target: Path) -> None:
    for path in sorted(work.rglob("*")):
        if path.is_file():
            _flush(path)
    replace_folder(work, target)


@contextlib.contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """Hold a target for this process alone; the system lets go of it when the process ends, however it ends."""
    if os.name == "nt":  # pragma: no cover - Windows has no such locks
        yield
        return
    import fcntl

    lock = target.parent / f"{PREFIX}lock-{target.name}"
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")  # where a link stands in its place, the file that it names stays what it is
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ArtefactError(
                f"{target}: another run is writing it; wait for that one, or choose another name"
            ) from None
        if _is_still(file.fileno(), lock):
            break
        file.close()  # an earlier holder removed the file between our opening and our locking it
        with disk_errors(target):
            file = lock.open("a")
    with file:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _is_still(descriptor: int, path: Path) -> bool:
    """Tell if an open file is the one that has a name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def commit_file(work: Path, target: Path) -> None:
    """Flush a finished work file and give it its final name."""
    _flush(work)
    work.replace(target)
    _flush(target.parent)


def replace_folder(work: Path, target: Path) -> None:
    """Give a finished work folder its final name; the old folder is moved aside first and then removed."""
    old = _aside(target)
    if target.exists():
        target.rename(old)
    work.rename(target)
    _flush(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def restore(target: Path) -> None:
    """Put back an old folder if a run was killed between moving it aside and putting the new one in place."""
    old = _aside(target)
    if not old.exists():
        return
    if target.exists():
        shutil.rmtree(old)
    else:
        old.rename(target)


def resolve(target: str | Path) -> Path:
    """Follow links, so that the file a link points to is replaced and not the link."""
    return Path(target).resolve()


def _aside(target: Path) -> Path:
    return target.parent / f"{PREFIX}old-{target.name}"


def _flush(path: Path) -> None:
    """Ask the system to put a file or a folder on disk."""
    flags = os.O_RDONLY | (getattr(os, "O_DIRECTORY", 0) if path.is_dir() else 0)
    if path.is_dir() and os.name == "nt":  # pragma: no cover - Windows cannot open a folder
        return
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn errors of the disk into sentences."""
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(_existing(target)).free
        # GDAL's errors carry no number: a write that fails where nothing is left is one for lack of space.
        if error.errno in {errno.ENOSPC, errno.EDQUOT} or (error.errno is None and free < _NOTHING_LEFT):
            raise _full(target) from error
        if _is_elsewhere(error, target):
            raise
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            raise ArtefactError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error
        raise
    except (RuntimeError, sqlite3.Error, ArtefactError) as error:
        # those of GDAL's vector files and of SQLite, which tell of a full disk in many words
        reason = error.__cause__ if isinstance(error, ArtefactError) else error
        if not isinstance(reason, (RuntimeError, sqlite3.Error)):
            raise
        free = shutil.disk_usage(_existing(target)).free
        if free >= _NOTHING_LEFT and "disk is full" not in str(reason) and "No space left" not in str(reason):
            raise
        raise _full(target) from error


def _full(target: Path) -> ResourceError:
    free = shutil.disk_usage(_existing(target)).free
    return ResourceError(
        f"{target}: the disk is full ({free / 2**20:.0f} MiB free); free some space and run the command again"
    )


def _is_elsewhere(error: OSError, target: Path) -> bool:
    """Tell if an error names a file that is neither the target, below it, above it, nor a work file beside it."""
    if not isinstance(error.filename, (str, bytes)):
        return False
    path = Path(os.fsdecode(error.filename)).absolute()
    ours = path.parent == target.parent and path.name.startswith(PREFIX)
    below = any(p.name.startswith(PREFIX) and p.parent == target.parent for p in path.parents)
    return not (ours or below or path == target or target in path.parents or path in target.parents)


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
