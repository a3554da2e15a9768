"""Chips: files against their hashes, classes of splits against each other."""

import pytest

from hectares.check import check_paths
from hectares.config.prepare import PrepareConfig
from hectares.io.artefact import dump_json
from hectares.prepare import prepare_source
from layouts.blocks import draw, write_blocks, write_pair


@pytest.fixture
def chips(tmp_path, legend):
    (tmp_path / "legend.json").write_text(dump_json(legend.to_json()))
    data = write_blocks(tmp_path / "data")
    for number in (4, 5):
        label = draw(number)[1]
        label[label == 35] = 20
        write_pair(data, number, split="val", label=label)
    config = PrepareConfig(legend=tmp_path / "legend.json", chip_px=32)
    prepare_source("folders", data, tmp_path / "chips", config)
    return tmp_path / "chips"


def test_a_class_that_a_split_lacks_is_told(chips):
    (examined,) = check_paths([chips]).examined
    assert examined.kind == "chips"
    assert examined.facts["chips"]["train"] == 36
    assert [f.what for f in examined.findings] == ["class 'built-up' has no pixel in val"]


def test_pixels_that_were_changed_are_told(chips):
    file = chips / "train.pixels"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    found = [f for f in check_paths([chips]).findings if f.check == "chips"]
    assert [f.severity for f in found] == ["error"]
    assert "train.pixels" in found[0].where


def test_an_index_that_was_changed_is_told(chips):
    (chips / "index.csv").write_text("mine")
    assert check_paths([chips]).problems == 1
