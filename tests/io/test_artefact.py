"""JSON, CSV and fingerprints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hectares.errors import ArtefactError, InputError
from hectares.io.artefact import (
    SCHEMA,
    dump_json,
    fingerprint,
    is_as_saved,
    plain,
    read_artefact,
    read_json,
    save_csv,
    save_json,
    sha256_file,
    stamp,
    write_json,
)


def test_what_is_not_finite_becomes_null():
    values = [float("nan"), np.float32("nan"), float("inf"), np.array([1.0, np.nan])]
    assert dump_json(values) == "[null, null, null, [1.0, null]]"


def test_numbers_of_numpy_tuples_and_paths_are_plain():
    content = {"a": (np.int64(3), np.uint8(7), np.True_), 5: Path("x") / "y", "s": {"t": None}}
    assert plain(content) == {"a": [3, 7, True], "5": "x/y", "s": {"t": None}}


def test_order_of_keys_does_not_matter_to_a_fingerprint():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 2, "b": 1})


def test_the_hash_is_that_of_the_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_json_round_trip(tmp_path: Path):
    content = {"names": ["Straße", "#1"], "x": 0.1, "n": None}
    write_json(tmp_path / "a.json", content, overwrite=False)
    assert read_json(tmp_path / "a.json") == content


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"b": {"a": 1, "a": 1}}', "the key 'a' stands twice"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a":\n 1,}', r"a\.json:2: is not valid JSON"),
        (b"", "is not valid JSON"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
        (b"9" * 5000, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_named(tmp_path: Path, text: bytes, message: str):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "a.json")


def test_a_byte_order_mark_is_allowed(tmp_path: Path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path):
    with pytest.raises(InputError, match="there is no such file"):
        read_json(tmp_path / "no.json")
    with pytest.raises(InputError, match="is a folder"):
        read_json(tmp_path)


def test_csv_cells(tmp_path: Path):
    rows = [("=1+1", 0.5, None), ("a,b", float("nan"), 3), ('say "x"', -2, np.float64(0.1))]
    save_csv(tmp_path / "a.csv", ("name", "x", "n"), rows)
    assert (tmp_path / "a.csv").read_text() == 'name,x,n\n\'=1+1,0.5,\n"a,b",,3\n"say ""x""",-2,0.1\n'


def _write(path: Path, **change: object) -> Path:
    content = stamp("thing", config={"p": Path("a/b")}, inputs={"x": "12"}) | change
    write_json(path, content, overwrite=True)
    return path


def test_an_artefact_says_what_it_is(tmp_path: Path):
    content = read_artefact(_write(tmp_path / "a.json"), "thing")
    assert (content["hectares"], content["schema"], content["config"]) == ("thing", SCHEMA, {"p": "a/b"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hectares": "chips"}, "is chips; expected thing"),
        ({"schema": SCHEMA + 1}, "update hectares"),
    ],
)
def test_another_artefact_is_refused(tmp_path: Path, change: dict[str, object], message: str):
    with pytest.raises(ArtefactError, match=message):
        read_artefact(_write(tmp_path / "a.json", **change), "thing")


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"classes": []}'])
def test_other_json_is_no_artefact(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArtefactError, match="not an artefact of hectares"):
        read_artefact(tmp_path / "a.json", "thing")


def test_an_artefact_holds_a_fingerprint_of_itself_that_readers_do_not_see(tmp_path: Path):
    head = stamp("areas", config={"gsd_m": 0.5}, inputs={"map": "12"})
    save_json(tmp_path / "a.json", head | {"share": float("nan")})
    assert is_as_saved(tmp_path / "a.json") is True
    assert read_artefact(tmp_path / "a.json", "areas") == head | {"share": None}
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text.replace("0.5", "0.6"))
    assert is_as_saved(tmp_path / "a.json") is False
    (tmp_path / "a.json").write_text(text + " ")
    assert is_as_saved(tmp_path / "a.json") is False


def test_other_json_gets_no_fingerprint(tmp_path: Path):
    save_json(tmp_path / "legend.json", {"classes": []})
    assert is_as_saved(tmp_path / "legend.json") is None
