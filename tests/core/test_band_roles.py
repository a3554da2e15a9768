"""What bands measure, by their names."""

from __future__ import annotations

import pytest

from hectares.core.band_roles import find_band, role_of
from hectares.errors import BandError

SENTINEL = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("red", "B04"),
        ("RED", "B04"),
        ("nir", "B08"),
        ("red_edge", "B05"),
        ("rededge1", "B05"),
        ("nir_narrow", "B8A"),
        ("swir1", "B11"),
        ("swir22", "B12"),
        ("b09", "B09"),
    ],
)
def test_bands_of_sentinel_2_are_found(word: str, name: str):
    assert SENTINEL[find_band(word, SENTINEL)] == name


@pytest.mark.parametrize(
    "names", [["B4", "B3", "B2", "B8"], ["b2", "b3", "b4", "b8a"], ["blue", "green", "Red", "NIR"]]
)
def test_red_is_found_whatever_it_is_called(names: list[str]):
    assert names[find_band("red", names)].lower() in {"b4", "red"}


def test_the_own_name_wins_over_what_others_measure():
    assert find_band("red", ["B04", "red", "m_red"]) == 1


@pytest.mark.parametrize("names", [["B02", "B03", "B04", "B05", "B06"], ["B1", "B2", "B3", "B4", "B5", "B8", "B10"]])
def test_numbers_that_mean_other_bands_on_landsat_tell_nothing(names: list[str]):
    assert role_of(names[-2], names) is None
    with pytest.raises(BandError, match="no band is 'red_edge'; there are B"):
        find_band("red_edge", names)


def test_several_candidates_are_named():
    with pytest.raises(BandError, match="'nir' may be the band nir1 or B08; say which one"):
        find_band("nir", ["red", "nir1", "B08", "nir2"])


def test_a_band_that_is_not_there_is_refused_with_a_way_out():
    with pytest.raises(BandError, match=r"no band is 'swir1'; there are red, nir\. Name them .*--band-names"):
        find_band("swir1", ["red", "nir"])
