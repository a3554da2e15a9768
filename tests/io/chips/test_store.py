"""The chip store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.scene import LabelledChip
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.artefact import stamp, write_json
from hectares.io.chips.frames import ChipShape, Packing, hash_chip, pack, unpack
from hectares.io.chips.index import ChipRecord
from hectares.io.chips.store import KIND, open_chips
from hectares.io.chips.writer import ChipWriter

STATS = BandStats(("red", "nir"), (1.0, 2.0), (3.0, 4.0))
ROOM = Window(0, 0, 20, 30)
RECORDS = [
    ChipRecord("train", -1, "north, west", Window(0, 4, 4, 4), "valley", 15, ROOM),
    ChipRecord("val", -1, "south", Window(8, 0, 4, 4), "hill", 3, ROOM),
    ChipRecord("train", -1, "south", Window(-2, 0, 4, 4), "-hill", 9, ROOM),
]


def _shape(packing: Packing = "compact") -> ChipShape:
    return ChipShape((2, 4, 4), np.dtype(np.uint16), (4, 4), packing)


def _chip(value: int) -> LabelledChip:
    image = (np.arange(32, dtype=np.uint16) + 1000 * value).reshape(2, 4, 4)
    valid = np.ones((4, 4), bool)
    valid[1, 2] = value == 1  # the second chip is valid everywhere
    return LabelledChip(image, valid, np.full((4, 4), value, np.uint8))


def _fill(folder: Path, legend: Legend, packing: Packing) -> Path:
    folder.mkdir()
    with ChipWriter(folder, _shape(packing), len(legend)) as writer:
        assert list(writer.resume()) == []
        for number, record in enumerate(RECORDS):
            writer.append(record, _chip(number))
            writer.commit(record.scene)
        files = writer.finish()
    content = {"chip_px": 4, "gsd_m": None, "counts": {"train": 2, "val": 1, "test": 0}, "fingerprint": "f"}
    content |= {"legend": legend.to_json(), "stats": STATS.to_json(), "dtype": "uint16", "multilabel": False}
    content |= {"packing": packing, "files": files}
    write_json(folder / "chips.json", stamp(KIND, config={}, inputs={}) | content, overwrite=False)
    return folder


@pytest.fixture(params=["compact", "raw"])
def store(request: pytest.FixtureRequest, tmp_path: Path, legend: Legend) -> Path:
    """Give a folder of three chips."""
    return _fill(tmp_path / "chips", legend, request.param)


def _same(a: LabelledChip, b: LabelledChip) -> bool:
    pairs = ((a.image, b.image), (a.valid, b.valid), (a.label, b.label))
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in pairs)


def test_chips_come_back_as_written(store: Path):
    chips = open_chips(store).chips("train")
    assert len(chips) == 2
    assert _same(chips.read(0), _chip(0))
    assert _same(chips.read(1), _chip(2))
    assert _same(open_chips(store).chips("val").read(0), _chip(1))


def test_meaning_comes_back(store: Path, legend: Legend):
    opened = open_chips(store)
    assert (opened.legend, opened.stats, opened.chip_px, opened.gsd_m) == (legend, STATS, 4, None)


def test_records_are_in_the_order_of_the_chips(store: Path):
    first, second = open_chips(store).records("train")
    assert (first.scene, first.window, first.group, first.labelled_px) == (
        "north, west",
        Window(0, 4, 4, 4),
        "valley",
        15,
    )
    assert (second.number, second.group, second.window, second.room) == (1, "-hill", Window(-2, 0, 4, 4), ROOM)
    assert first.sha256 == hash_chip(_chip(0))


def test_classes_are_counted_in_every_chip(store: Path):
    assert open_chips(store).class_counts("train").tolist() == [[16, 0, 0], [0, 0, 16]]


def test_a_split_without_chips_is_named_with_those_that_have_some(store: Path):
    with pytest.raises(ArtefactError, match="no chips in the split 'test'; it has train 2, val 1"):
        open_chips(store).chips("test")


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(ArtefactError, match=r"has no chips\.json"):
        open_chips(tmp_path)


def test_both_packings_have_the_same_pixels_and_hashes(tmp_path: Path, legend: Legend):
    compact, raw = (open_chips(_fill(tmp_path / p, legend, p)) for p in ("compact", "raw"))
    assert [r.sha256 for r in compact.records("train")] == [r.sha256 for r in raw.records("train")]


@pytest.mark.parametrize("name", ["index.csv", "train.index.npy", "train.classes.npy"])
def test_a_small_file_that_was_changed_is_refused_when_opened(store: Path, name: str):
    content = bytearray((store / name).read_bytes())
    content[-2] ^= 1
    (store / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{name}: was changed or damaged"):
        open_chips(store)


def test_pixels_that_were_cut_off_are_refused(store: Path):
    path = store / "train.pixels"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtefactError, match="does not fit its index"):
        open_chips(store).chips("train")


def test_every_changed_byte_is_found(store: Path):
    path = store / "train.pixels"
    content = bytearray(path.read_bytes())
    content[40] ^= 255
    path.write_bytes(content)
    assert list(open_chips(store).verify()) == [("train.pixels", "is damaged: its SHA-256 differs from chips.json")]


@pytest.mark.parametrize("key", ["legend", "stats", "counts", "files", "dtype"])
def test_an_incomplete_record_is_refused(store: Path, key: str):
    content = json.loads((store / "chips.json").read_text())
    content[key] = None
    (store / "chips.json").write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match=r"chips\.json: is damaged"):
        open_chips(store).counts.items()


@given(
    hnp.arrays(np.float32, (2, 4, 4), elements=st.floats(-10, 10, width=32)),
    hnp.arrays(np.bool_, (4, 4)),
    hnp.arrays(np.uint8, (3, 4, 4), elements=st.sampled_from([0, 1, 255])),
    st.sampled_from(["compact", "raw"]),
)
def test_frames_hold_any_chip(image: np.ndarray, valid: np.ndarray, label: np.ndarray, packing: Packing):
    chip = LabelledChip(image, valid, label)
    shape = ChipShape((2, 4, 4), np.dtype(np.float32), (3, 4, 4), packing)
    frames = tuple(memoryview(f) for f in pack(chip, shape))
    assert _same(unpack(frames, shape), chip)


# --- Going on ---------------------------------------------------------------------------------------------


def _cut_short(folder: Path, legend: Legend, spoil: Callable[[Path], None]) -> dict[str, str]:
    """Write one scene and a part of the second, stop, and go on with a new writer."""
    folder.mkdir()
    with ChipWriter(folder, _shape(), len(legend)) as writer:
        list(writer.resume())
        writer.append(RECORDS[0], _chip(0))
        writer.commit("north, west")
        writer.append(RECORDS[1], _chip(1))
    spoil(folder)
    with ChipWriter(folder, _shape(), len(legend)) as writer:
        again = list(writer.resume())
        assert [r.scene for r, _ in again] == ["north, west"]
        assert _same(again[0][1], _chip(0))
        assert writer.done == ["north, west"]
        writer.append(RECORDS[1], _chip(1))
        writer.append(RECORDS[2], _chip(2))
        writer.commit("south")
        return writer.finish()


def _nothing(_: Path) -> None:
    pass


def _half_a_line(folder: Path) -> None:
    with (folder / "index.part.csv").open("a") as file:
        file.write("val,0,sou")


def _half_a_chip(folder: Path) -> None:
    with (folder / "train.pixels").open("ab") as file:
        file.write(b"cut short")


@pytest.mark.parametrize("spoil", [_nothing, _half_a_line, _half_a_chip])
def test_a_stopped_writer_goes_on_after_the_last_whole_scene(
    tmp_path: Path, legend: Legend, spoil: Callable[[Path], None]
):
    files = _cut_short(tmp_path / "again", legend, spoil)
    undisturbed = open_chips(_fill(tmp_path / "chips", legend, "compact")).content["files"]
    assert files == undisturbed
