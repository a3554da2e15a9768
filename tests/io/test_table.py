"""Comma-separated text."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hectares.errors import CatalogError
from hectares.io.table import read_table


def _write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_cells_are_text_whatever_they_look_like(tmp_path: Path):
    table = read_table(_write(tmp_path, '\ufeffid,kind\r\n007,NA\r\n1e3,"a, ""b"""\r\n,nan'))
    assert table.header == ("id", "kind")
    assert [(r.number, r.cells) for r in table.rows] == [
        (2, ("007", "NA")),
        (3, ("1e3", 'a, "b"')),
        (4, ("", "nan")),
    ]


def test_blank_lines_are_left_out_but_counted(tmp_path: Path):
    table = read_table(_write(tmp_path, "a,b\n\n1,2\n"))
    assert [(r.number, r.cells) for r in table.rows] == [(3, ("1", "2"))]


def test_a_cell_may_be_longer_than_the_csv_module_allows(tmp_path: Path):
    before = csv.field_size_limit()
    table = read_table(_write(tmp_path, f'a,b\n1,"{"x," * 200_000}"\n'))
    assert len(table.rows[0].cells[1]) == 400_000
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a,b\n1,"Stra\xdfe"\n'.encode("latin-1"), r"row 2 is not UTF-8 text \(byte 0xdf at 11, 'ß' in Latin-1\)"),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"a,b\n1,2\n3,\x004\n", "row 3 holds a NUL byte"),
        ('a,b\n1,2\n3,"4\n5,6\n', r"row 3, column b: a quote is not balanced in '\"4"),
        ('a,b\n1,"2"3\n', "row 2, column b: a quote is not balanced"),
        ("a,b\n1,2,3\n", "row 2 has 3 cells, the header has 2"),
        ("a,a\n", "two columns have the same name: 'a', 'a'"),
        ("", "is empty"),
    ],
)
def test_what_is_no_table_is_named_with_its_row(tmp_path: Path, content: str | bytes, message: str):
    with pytest.raises(CatalogError, match=message):
        read_table(_write(tmp_path, content))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id;wkt", "is separated by semicolons; save it with commas"),
        ("id\twkt", "is separated by tabs"),
        ("id,text", "lacks the column wkt; it has 'id', 'text'"),
    ],
)
def test_missing_columns_are_named_with_the_separator(tmp_path: Path, header: str, message: str):
    with pytest.raises(CatalogError, match=message):
        read_table(_write(tmp_path, header + "\n1,2\n" if "," in header else header + "\n")).columns("id", "wkt")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"none\.csv: there is no such file"):
        read_table(tmp_path / "none.csv")
