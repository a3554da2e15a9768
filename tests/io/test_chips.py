"""The chip store."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.scene import Chip
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.artefact import save_csv, stamp, write_json
from hectares.io.chips import INDEX_COLUMNS, KIND, ArrayAppender, ChipRecord, ChipWriter, open_chips

STATS = BandStats(("red", "nir"), (1.0, 2.0), (3.0, 4.0))
RECORDS = [
    ChipRecord("train", 0, "north, west", Window(0, 4, 4, 4), "valley", 15),
    ChipRecord("val", 0, "south", Window(8, 0, 4, 4), "hill", 3),
    ChipRecord("train", 1, "south", Window(-2, 0, 4, 4), "hill", 9),
]


def _chip(value: int) -> tuple[Chip, np.ndarray]:
    image = (np.arange(32, dtype=np.uint16) + 1000 * value).reshape(2, 4, 4)
    valid = np.ones((4, 4), bool)
    valid[1, 2] = False
    return Chip(image, valid), np.full((4, 4), value, np.uint8)


@pytest.fixture
def store(tmp_path: Path, legend: Legend) -> Path:
    """Give a folder of three chips."""
    folder = tmp_path / "chips"
    folder.mkdir()
    for split in ("train", "val"):
        with ChipWriter(folder / split, bands=2, chip_px=4, dtype=np.dtype(np.uint16)) as writer:
            for number, record in enumerate(RECORDS):
                if record.split == split:
                    writer.append(*_chip(number))
            assert writer.count == sum(r.split == split for r in RECORDS)
    save_csv(folder / "index.csv", INDEX_COLUMNS, (r.row for r in RECORDS))
    content = {"chip_px": 4, "gsd_m": None, "counts": {"train": 2, "val": 1, "test": 0}, "fingerprint": "f"}
    content |= {"legend": legend.to_json(), "stats": STATS.to_json(), "dtype": "uint16"}
    write_json(folder / "chips.json", stamp(KIND, config={}, inputs={}) | content, overwrite=False)
    return folder


def test_chips_come_back_as_written(store: Path):
    arrays = open_chips(store).arrays("train")
    assert len(arrays) == 2
    for stored, number in ((0, 0), (1, 2)):
        chip, label = _chip(number)
        assert np.array_equal(arrays.images[stored], chip.image)
        assert np.array_equal(arrays.valid[stored], chip.valid)
        assert np.array_equal(arrays.labels[stored], label)
    assert (arrays.images.dtype, arrays.valid.dtype, arrays.labels.dtype) == (np.uint16, np.uint8, np.uint8)


def test_chips_are_mapped_not_loaded(store: Path):
    assert isinstance(open_chips(store).arrays("train").images, np.memmap)


def test_meaning_comes_back(store: Path, legend: Legend):
    opened = open_chips(store)
    assert (opened.legend, opened.stats, opened.chip_px, opened.gsd_m) == (legend, STATS, 4, None)


def test_records_are_in_the_order_of_the_arrays(store: Path):
    assert open_chips(store).records("train") == [RECORDS[0], RECORDS[2]]


def test_a_split_without_chips_is_named_with_those_that_have_some(store: Path):
    with pytest.raises(ArtefactError, match="no chips in the split 'test'; it has train 2, val 1"):
        open_chips(store).arrays("test")


def test_another_folder_is_refused(tmp_path: Path):
    with pytest.raises(ArtefactError, match=r"has no chips\.json; make one with `hectares prepare`"):
        open_chips(tmp_path)


@given(st.integers(1, 30), st.sampled_from(["uint8", "int16", "float32"]))
def test_an_appended_array_is_what_numpy_saves(count: int, dtype: str):
    items = np.arange(count * 6).reshape(count, 2, 3).astype(dtype)
    with io.BytesIO() as buffer:

        class _Path:
            def open(self, _: str) -> io.BytesIO:
                return buffer

        buffer.close, close = (lambda: None), buffer.close
        appender = ArrayAppender(_Path(), (2, 3), np.dtype(dtype))
        for item in items:
            appender.append(item)
        appender.close()
        buffer.seek(0)
        found = np.load(buffer)
        close()
    assert np.array_equal(found, items)
    assert found.dtype == items.dtype
