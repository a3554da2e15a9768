"""YAML without surprises."""

from __future__ import annotations

from pathlib import Path

import pytest

from hectares.errors import InputError
from hectares.io.yaml import read_yaml


def _read(tmp_path: Path, text: str | bytes) -> object:
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("-2E5", -2e5), ("3.5e+2", 350.0), ("1.", 1.0), ("0.1", 0.1), ("e3", "e3"), ("1e", "1e")],
)
def test_numbers_with_exponent_are_numbers(tmp_path: Path, text: str, value: object):
    found = _read(tmp_path, f"lr: {text}\n")
    assert found == {"lr": value}
    assert type(found["lr"]) is type(value)


def test_a_byte_order_mark_is_allowed(tmp_path: Path):
    assert _read(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


def test_an_empty_file_is_nothing(tmp_path: Path):
    assert _read(tmp_path, "# only a comment\n") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' stands twice"),
        ("x:\n  a: 1\n  a: 1\n", "line 3: the key 'a' stands twice"),
        ("a: &n [1]\nb: *n\n", r"line 2: aliases \(\*name\) are not read"),
        ("a: &n {x: 1}\nb:\n  <<: *n\n", "aliases"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("a: !own 3\n", "not valid YAML"),
        ("a: [1, 2\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("? [1, 2]\n: 3\n", "not valid YAML"),
        ("a: 2024-13-45\n", "not valid YAML"),
        (b"a: \xff\n", "is not UTF-8"),
        ("a: " + "[" * 5000, "not valid YAML"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, text: str | bytes, message: str):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"no\.yaml: there is no such file"):
        read_yaml(tmp_path / "no.yaml")


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder"):
        read_yaml(tmp_path)


def test_a_file_too_large_for_a_config_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="larger than 4 MiB"):
        _read(tmp_path, "#" * 2**22 + "\na: 1\n")
