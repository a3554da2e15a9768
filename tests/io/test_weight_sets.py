"""The table of published weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from hectares.errors import InputError
from hectares.io.weight_sets import read_weight_sets


def test_the_table_names_a_file_with_its_own_hash_at_a_fixed_commit():
    for entry in read_weight_sets().sets.values():
        assert len(entry.revision) == 40
        assert entry.sha256
        assert entry.sha256 in entry.file


def test_orders_of_bands_have_their_meaning():
    bands = read_weight_sets().bands
    assert [b.role for b in bands["rgb"]] == ["red", "green", "blue"]
    assert len(bands["sentinel-2"]) == 13
    assert [b.role for b in bands["sentinel-2"]][7:11] == ["nir", "nir_narrow", "water_vapor", "cirrus"]
    assert [b.role for b in bands["landsat-8-sr"]][-3:] == ["nir", "swir1", "swir2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bands: {rgb: [red]}", "bands are not tables of names and centers"),
        ("bands: {}\nsets: {mine: {encoder: resnet18, bands: rgb}}", "sets: mine: is not complete"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "sets.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_weight_sets(path)
