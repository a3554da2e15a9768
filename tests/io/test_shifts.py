"""Shifts in a file beside the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from hectares.errors import CatalogError
from hectares.io.shifts import StoredShift, read_shifts, write_shifts


def test_shifts_come_back_as_they_were_written(tmp_path: Path):
    shifts = {"6010_1_2": {"M": StoredShift(1.5, -2.25, "by hand", 0.75), "A": StoredShift(0.0, 0.0)}}
    write_shifts(tmp_path / "shifts.json", shifts)
    assert read_shifts(tmp_path / "shifts.json") == shifts


def test_without_a_file_there_are_none(tmp_path: Path):
    assert read_shifts(tmp_path / "shifts.json") == {}


def test_rows_and_columns_are_enough(tmp_path: Path):
    (tmp_path / "shifts.json").write_text('{"a": {"M": {"rows": 1, "cols": -2.25}}}')
    assert read_shifts(tmp_path / "shifts.json") == {"a": {"M": StoredShift(1.0, -2.25, "given", None)}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is a list; expected image ids"),
        ('{"a": 3}', "a is 3; expected"),
        ('{"a": {"M": [1, 2]}}', r"a\.M is \[1, 2\]; expected"),
        ('{"a": {"M": {"rows": 1}}}', r"a\.M is .*; expected"),
        ('{"a": {"M": {"rows": 1, "cols": 2, "angle": 3}}}', r"a\.M is .*angle"),
        ('{"a": {"M": {"rows": "1", "cols": 2}}}', r"a\.M is .*; expected numbers of pixels"),
        ('{"a": {"M": {"rows": true, "cols": 2}}}', r"a\.M is .*; expected numbers of pixels"),
    ],
)
def test_what_is_no_shift_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "shifts.json").write_text(text)
    with pytest.raises(CatalogError, match=r"shifts\.json: " + message):
        read_shifts(tmp_path / "shifts.json")
