"""Small text files of people: lists, tables, settings."""

from __future__ import annotations

import stat
from pathlib import Path

from hectares.errors import InputError
from hectares.io.file_kind import kind_of, unreadable

MAX_TEXT_BYTES = 2**28


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """Read a UTF-8 text, with or without a BOM.

    Raises InputError for what is no regular file (a pipe would hang), too large, of another encoding, or binary.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is {kind_of(status.st_mode)}; expected a text file")
        if status.st_size > limit:
            raise InputError(f"{path}: is {status.st_size / 2**20:.0f} MiB, larger than {limit >> 20} MiB")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start} is {error.object[error.start]:#x}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {unreadable(error)}") from error
    if "\x00" in text:
        raise InputError(f"{path}: holds NUL bytes; it is no text, or it is UTF-16: save it as UTF-8")
    return text
