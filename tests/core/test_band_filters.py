"""Filters for other bands: every band gets one by what it measures, never by its place."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.band_filters import filter_shares, match_bands
from hectares.core.band_roles import wavelength_nm
from hectares.core.weight_sets import WeightSets, known_bands
from hectares.errors import ConfigError

RGB = known_bands(["red", "green", "blue"])
S2 = known_bands(["B02", "B03", "B04", "B05", "B08", "B8A", "B11"])


def origins(names: list[str], known=RGB) -> list[tuple[str, str | None]]:
    return [(s.rule, s.origin) for s in match_bands(names, known)]


def test_red_gets_the_red_filter_whatever_its_place_and_name():
    assert origins(["B03", "B02", "B04", "B08"]) == [
        ("role", "green"),
        ("role", "blue"),
        ("role", "red"),
        ("mean", None),
    ]


def test_a_near_wavelength_stands_in_for_a_role_that_is_missing():
    assert origins(["nir_narrow", "nir2"], known_bands(["red", "nir"])) == [("wavelength", "nir"), ("mean", None)]


def test_a_wavelength_in_the_name_is_enough():
    assert origins(["1600nm", "700 nm"], S2) == [("wavelength", "B11"), ("wavelength", "B05")]


def test_the_same_name_at_another_wavelength_is_another_band():
    names = [f"swir{n}" for n in range(1, 9)]
    assert match_bands(names, known_bands(["red", "swir1"]))[0].origin is None
    assert match_bands(names, known_bands(["red", "swir1"]))[1].origin == "swir1"


def test_height_and_indices_get_the_mean_of_all():
    assert origins(["height", "ndvi"]) == [("mean", None), ("mean", None)]


def test_the_same_bands_in_the_same_order_change_nothing():
    shares = filter_shares(match_bands(["red", "green", "blue"], RGB), RGB)
    np.testing.assert_array_equal(shares, np.eye(3))


def test_bands_with_one_origin_share_its_filter():
    shares = filter_shares(match_bands(["B08", "nir", "B04"], known_bands(["nir", "red"])), known_bands(["nir", "red"]))
    np.testing.assert_array_equal(shares, [[0.5, 0], [0.5, 0], [0, 1]])


def test_a_filter_whose_band_is_not_there_is_spread_over_all():
    shares = filter_shares(match_bands(["red", "blue"], RGB), RGB)
    np.testing.assert_array_equal(shares, [[1, 0.5, 0], [0, 0.5, 1]])


@pytest.mark.parametrize(
    "names", [["red"], ["B08", "B04"], ["height", "B02", "x", "B11", "B12"], [f"b{n}" for n in "xyz"]]
)
@pytest.mark.parametrize("known", [RGB, S2])
def test_a_pixel_with_one_value_in_all_bands_is_answered_as_before(names: list[str], known):
    shares = filter_shares(match_bands(names, known), known)
    weight = np.random.default_rng(4).normal(size=len(known))
    assert (shares @ weight).sum() == pytest.approx(weight.sum())
    assert (shares >= 0).all()


@pytest.mark.parametrize(
    ("text", "roles"),
    [("rgb", ["red", "green", "blue"]), ("B08,B04", ["nir", "red"]), ("x, red", [None, "red"])],
)
def test_bands_of_weights_are_named_by_an_order_or_one_by_one(text: str, roles: list[str | None]):
    assert [band.role for band in WeightSets({"rgb": RGB}, {}).bands_of(text)] == roles


def test_an_unknown_order_of_bands_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'sentinel-9': expected one of rgb, or names with commas"):
        WeightSets({"rgb": RGB}, {}).bands_of("sentinel-9")


@pytest.mark.parametrize(
    ("name", "nm"), [("B8A", 865), ("B10", 1375), ("band_2201nm", 2201), ("B11 (1610 nm)", None), ("pan", None)]
)
def test_wavelengths_follow_from_names(name: str, nm: float | None):
    assert wavelength_nm(name, [name, "B8A", "B12"]) == nm


def test_many_bands_without_a_filter_weigh_together_as_much_as_one():
    names = ["B01", "B02", "B03", "B04", "B08", "B11"]
    shares = filter_shares(match_bands(names, RGB), RGB)
    np.testing.assert_allclose(shares[[1, 2, 3]], [[0, 0, 0.75], [0, 0.75, 0], [0.75, 0, 0]])
    np.testing.assert_allclose(shares[[0, 4, 5]], 1 / 12)
