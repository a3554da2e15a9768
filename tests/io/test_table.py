"""Comma-separated text."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
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
        ("id,text", "lacks the column wkt; it has 'id', 'text'"),
        ("id,wk;t", "lacks the column wkt; it has 'id', 'wk;t'"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, header: str, message: str):
    with pytest.raises(CatalogError, match=message):
        read_table(_write(tmp_path, header + "\n1,2\n")).columns("id", "wkt")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("id;wkt\n1;2\n", "';'"),
        ('id;wkt\n1;"POLYGON ((0 0, 1 0, 1 1, 0 0))"\n', "';'"),
        ('"id, of an image";"wkt"\r\n1;"POLYGON ((0 0, 1 0, 1 1, 0 0))"\r\n', "';'"),
        ("\nid;wkt\n1;POLYGON ((0 0, 1 0, 1 1, 0 0))\n", "';'"),
        ("id\twkt\n1\t2\n", "tabs"),
        ("id|wkt\n1|2\n", r"'\|'"),
    ],
)
def test_another_separator_is_named_before_the_quotes_that_do_not_balance_because_of_it(
    tmp_path: Path, content: str, shown: str
):
    with pytest.raises(CatalogError, match=rf"t\.csv: its fields are separated by {shown} where ',' is expected; save"):
        read_table(_write(tmp_path, content))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_the_command_in_the_message_converts_the_table(tmp_path: Path, separator: str):
    path = _write(tmp_path, f'id{separator}wkt\n1{separator}"{"0 1, " * 40_000}"\n')
    with pytest.raises(CatalogError) as error:
        read_table(path)
    command = str(error.value).rpartition("or by: ")[2].replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert read_table(tmp_path / "commas.csv").rows[0].cells == ("1", "0 1, " * 40_000)


@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a named pipe, not a regular file"), (os.mkdir, "a folder")])
def test_what_is_no_file_is_named_and_never_waited_for(tmp_path: Path, make: Callable[[Path], None], kind: str):
    make(tmp_path / "t.csv")
    with pytest.raises(CatalogError, match=rf"t\.csv: is {kind}; expected a table"):
        read_table(tmp_path / "t.csv")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"none\.csv: there is no such file"):
        read_table(tmp_path / "none.csv")
