"""Comma-separated text, read strictly: cells of any length as text, and messages that name row and column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hectares.errors import CatalogError
from hectares.io.file_kind import local_file, unreadable

_MAX_BYTES = 2**31
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r\n|\n|\r|\Z)')
"""A cell and what ends it. The `csv` module would do, but its limit on the length of cells is one for all threads."""
_QUOTED = re.compile(r'"[^"]*"')
_CONVERT = (
    'python -c "import csv, sys; csv.field_size_limit(2**31 - 1); '
    "csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter='{separator}'))\" < {name} > commas.csv"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    number: int
    """As a spreadsheet counts: the header is row 1."""
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its header and its rows, all text."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def columns(self, *names: str) -> tuple[int, ...]:
        """Give the positions of columns. Raises CatalogError naming those that are missing."""
        missing = [n for n in names if n not in self.header]
        if not missing:
            return tuple(self.header.index(n) for n in names)
        found = ", ".join(map(repr, self.header))
        raise CatalogError(f"{self.path}: lacks the column {', '.join(missing)}; it has {found}")


def read_table(path: Path) -> Table:
    """Read a CSV file with a header. A cell may be as long as the file; nothing is guessed, "007" stays text.

    Raises CatalogError naming row and column of a NUL, an unbalanced quote or a row of another length, the
    encoding if it is not UTF-8, or the separator if it is no comma.
    """
    text = _decode(path, _bytes(path))
    refuse_separators(path, text)
    header: tuple[str, ...] | None = None
    rows: list[Row] = []
    number, position = 0, 0
    while position < len(text):
        number += 1
        cells, position = _split_row(path, text, position, number, header)
        if cells == [""]:
            continue
        if header is None:
            header = tuple(c.strip() for c in cells)
            if len(set(header)) < len(header):
                raise CatalogError(f"{path}: two columns have the same name: {', '.join(map(repr, header))}")
        elif len(cells) != len(header):
            raise CatalogError(f"{path}: row {number} has {len(cells)} cells, the header has {len(header)}")
        else:
            rows.append(Row(number, tuple(cells)))
    if header is None:
        raise CatalogError(f"{path}: is empty; expected a header and rows")
    return Table(path, header, tuple(rows))


def refuse_separators(path: Path, text: str) -> None:
    """Raise CatalogError if the header of a table is separated by something else than commas."""
    header = _QUOTED.sub("", text.lstrip().partition("\n")[0])
    if "," in header:
        return
    for separator, shown in ((";", "';'"), ("\t", "tabs"), ("|", "'|'")):
        if separator in header:
            command = _CONVERT.format(separator=separator.replace("\t", r"\t"), name=path.name)
            raise CatalogError(
                f"{path}: its fields are separated by {shown} where ',' is expected; "
                f"save it with commas, in a spreadsheet or by: {command}"
            )


def _bytes(path: Path) -> bytes:
    local_file(path, expected="a table (CSV)", refusal=CatalogError)
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise CatalogError(f"{path}: is {size / 2**20:.0f} MiB, more than {_MAX_BYTES / 2**20:.0f} of a table")
        return path.read_bytes()
    except OSError as error:
        raise CatalogError(f"{path}: {unreadable(error)}") from error


def _decode(path: Path, content: bytes) -> str:
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise CatalogError(f"{path}: is UTF-16 text; save it as UTF-8")
    if (nul := content.find(b"\x00")) >= 0:
        row = content.count(b"\n", 0, nul) + 1
        raise CatalogError(f"{path}: row {row} holds a NUL byte; the file is damaged or no text, fetch it again")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        character = bytes([byte]).decode("latin-1")
        raise CatalogError(
            f"{path}: row {row} is not UTF-8 text (byte {byte:#x} at {error.start}, {character!r} in Latin-1); "
            "save the file as UTF-8"
        ) from error


def _split_row(
    path: Path, text: str, position: int, number: int, header: tuple[str, ...] | None
) -> tuple[list[str], int]:
    """Give the cells of the row at a position, and where the next row begins."""
    cells: list[str] = []
    while True:
        match = _CELL.match(text, position)
        if match is None:
            column = header[len(cells)] if header and len(cells) < len(header) else str(len(cells) + 1)
            raise CatalogError(
                f"{path}: row {number}, column {column}: a quote is not balanced in "
                f"{text[position : position + 40]!r}; a cell is quoted whole, and quotes in it are doubled"
            )
        quoted, plain, end = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if end != ",":
            return cells, position
