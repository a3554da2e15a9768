"""What is done, so that a killed run goes on."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hectares.errors import ArtefactError, ResourceError
from hectares.io.journal import Journal, difference, marks_in

HEADER = {"config": {"tile_px": 64, "overlap_px": None}, "inputs": {"scene": "ab"}, "bands": ("red", "nir")}
BLOCKS = [np.arange(6, dtype=np.uint8).reshape(2, 3), np.full((1, 4), 255, np.uint8)]
SHAPES = [(2, 3), (1, 4)]


def _open(tmp_path: Path, header: dict[str, object] = HEADER, *, overwrite: bool = False) -> Journal:
    return Journal(tmp_path / "map.tif", header, overwrite=overwrite)


def test_a_batch_comes_back_after_a_restart(tmp_path: Path):
    _open(tmp_path).put(3, BLOCKS)
    again = _open(tmp_path)
    assert (again.has(3), again.has(2)) == (True, False)
    found = again.get(3, SHAPES)
    assert [b.tolist() for b in found] == [b.tolist() for b in BLOCKS]
    assert found[0].dtype == np.uint8


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_batch_is_not_done(tmp_path: Path, damage: str):
    journal = _open(tmp_path)
    journal.put(0, BLOCKS)
    file = next(journal.folder.glob("batch-*.bin"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes({"cut": content[:-3], "flip": content, "empty": b""}[damage])
    assert not _open(tmp_path).has(0)
    with pytest.raises(ArtefactError, match="is damaged"):
        journal.get(0, SHAPES)


def test_a_batch_that_was_being_written_is_not_done(tmp_path: Path):
    journal = _open(tmp_path)
    (journal.folder / "batch.part").write_bytes(b"half")
    assert not any(_open(tmp_path).has(n) for n in range(3))


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path):
    _open(tmp_path).put(0, BLOCKS)
    other = HEADER | {"config": {"tile_px": 128, "overlap_px": None}}
    with pytest.raises(ArtefactError, match=r"another configuration lies here \(config\.tile_px was 64, is 128\)"):
        _open(tmp_path, other)
    assert _open(tmp_path).has(0)


def test_options_are_told_before_what_follows_from_them_and_in_words():
    before = {"area_offsets": None, "config": {"decide": "argmax"}, "windows": list(range(9)), "scene": "a" * 64}
    now = before | {"area_offsets": {"water": 0.25, "grass": -0.1}}
    assert difference(before, now | {"config": {"decide": "area"}}) == "config.decide was 'argmax', is 'area'"
    assert difference(before, now) == "area_offsets was none, is there now"
    assert difference(now, before) == "area_offsets was there, is not now"
    assert difference(before, before | {"windows": [1]}) == "windows was 9 values, is [1]"
    assert difference(before, before | {"scene": "b" * 64}) == "scene has other content"


def test_overwrite_discards_another_configuration(tmp_path: Path):
    _open(tmp_path).put(0, BLOCKS)
    assert not _open(tmp_path, HEADER | {"bands": ["red"]}, overwrite=True).has(0)


def test_a_header_that_was_cut_means_that_nothing_was_done(tmp_path: Path):
    journal = _open(tmp_path)
    journal.put(0, BLOCKS)
    (journal.folder / "header.json").write_text('{"conf')
    assert not _open(tmp_path).has(0)


def test_a_closed_journal_leaves_nothing(tmp_path: Path):
    journal = _open(tmp_path)
    journal.put(0, BLOCKS)
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = _open(tmp_path)

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ResourceError, match="the disk is full"):
        journal.put(0, BLOCKS)
    assert not journal.has(0)
    assert not list(journal.folder.glob("*.part"))


def test_several_processes_may_begin_a_journal_and_keep_the_same_batch(tmp_path: Path):
    def work(_: int) -> None:
        for batch in range(40):
            _open(tmp_path).put(batch % 3, BLOCKS)

    with ThreadPoolExecutor(4) as pool:  # one process: its number is that of them all, as it may be in containers
        list(pool.map(work, range(4)))
    assert [p.name for p in tmp_path.iterdir()] == [".hectares-map.tif"]
    assert [_open(tmp_path).has(n) for n in range(4)] == [True, True, True, False]


def test_a_journal_that_another_run_removed_is_named(tmp_path: Path):
    journal = _open(tmp_path)
    shutil.rmtree(journal.folder)
    with pytest.raises(ArtefactError, match="was removed meanwhile: another run has finished this map"):
        journal.put(0, BLOCKS)


def test_notes_come_back_for_the_batches_asked_for(tmp_path: Path):
    _open(tmp_path).note(12, {"broken": [[0, 4]]})
    _open(tmp_path).note(2, {"broken": []})
    assert _open(tmp_path).notes(range(20)) == [{"broken": []}, {"broken": [[0, 4]]}]
    assert _open(tmp_path).notes(range(3, 20)) == [{"broken": [[0, 4]]}]


def test_a_batch_at_which_a_process_died_has_a_mark(tmp_path: Path):
    first = _open(tmp_path)
    for batch in (3, 4, 5):
        first.begin(batch, {})
    first.end(4)
    again = _open(tmp_path)
    assert again.find_marks(range(5)) == [3]
    again.begin(3, {})
    assert {batch: len(marks) for batch, marks in marks_in(again.folder).items()} == {3: 2, 5: 1}
    again.end(3)
    assert list(marks_in(again.folder)) == [5]


def test_a_process_that_stops_in_good_order_takes_its_own_marks_away(tmp_path: Path):
    _open(tmp_path).begin(1, {})
    journal = _open(tmp_path)
    journal.find_marks([1, 2])
    journal.begin(2, {})
    journal.end_all()
    assert list(marks_in(journal.folder)) == [1]


def test_batches_may_lie_in_other_folders(tmp_path: Path):
    other = Journal(tmp_path / "other.tif", HEADER, overwrite=False)
    other.put(2, BLOCKS)
    other.note(2, {"damage": []})
    journal = Journal(tmp_path / "map.tif", HEADER, overwrite=False, others=[other.folder])
    assert [journal.has(n) for n in (1, 2)] == [False, True]
    assert journal.get(2, SHAPES)[0].tolist() == BLOCKS[0].tolist()
    assert journal.notes([2]) == [{"damage": []}]


def test_a_disk_that_is_full_as_the_journal_begins_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ResourceError, match="the disk is full"):
        _open(tmp_path)
