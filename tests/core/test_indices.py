"""Spectral indices and formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.indices import FORMULAS, NEED_REFLECTANCE, parse_index, split_indices
from hectares.errors import ConfigError

CONSTANT = {"blue": 0.05, "green": 0.1, "red": 0.08, "red_edge": 0.2, "nir": 0.4, "nir2": 0.45, "swir1": 0.25}


def bands(**values: float) -> dict[str, np.ndarray]:
    return {name: np.full((2, 3), value, np.float32) for name, value in (CONSTANT | values).items()}


# --- Known indices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndvi", 0.32 / 0.48),
        ("ndwi", -0.3 / 0.5),
        ("mndwi", -0.15 / 0.35),
        ("evi", 2.5 * 0.32 / (0.4 + 0.48 - 0.375 + 1)),
        ("savi", 1.5 * 0.32 / 0.98),
        ("ndre", 0.2 / 0.6),
        ("ccci", (0.2 / 0.6) * (0.32 / 0.48)),
        ("ccci_ratio", (0.2 / 0.6) / (0.32 / 0.48)),
        ("dstl_ndwi", -0.35 / 0.55),
        ("dstl_evi", 0.37 / (0.45 + 0.48 - 0.375 + 1)),
        ("dstl_savi", 0.37 / 0.53),
        ("dstl_ccci", (0.25 / 0.65) * (0.37 / 0.53)),
    ],
)
def test_an_index_of_constant_bands_is_its_closed_form(name: str, expected: float):
    values, defined = parse_index(name).compute(bands())
    assert values.dtype == np.float32
    assert values.shape == (2, 3)
    assert values == pytest.approx(np.full((2, 3), expected), rel=1e-5)
    assert defined.all()


def test_every_known_index_is_tested_and_found_in_any_case():
    assert {parse_index(name.upper()).name for name in FORMULAS} == set(FORMULAS)
    assert all(set(parse_index(name).words) <= set(CONSTANT) for name in FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_an_index_needs_reflectance_if_its_value_depends_on_the_unit(name: str):
    index = parse_index(name)
    in_units, _ = index.compute(bands())
    in_numbers, _ = index.compute({word: 10_000 * band for word, band in bands().items()})
    assert np.allclose(in_units, in_numbers, rtol=1e-5) != index.needs_reflectance
    assert index.needs_reflectance == (name in NEED_REFLECTANCE)


@pytest.mark.parametrize("name", ["ndvi", "ndwi", "mndwi", "ndre", "ccci", "dstl_ccci"])
def test_normalised_indices_of_positive_values_are_between_minus_one_and_one(name: str):
    index = parse_index(name)
    rng = np.random.default_rng(0)
    values, defined = index.compute({word: rng.integers(1, 255, (50, 50), np.uint8) for word in index.words})
    assert defined.all()
    assert np.abs(values).max() <= 1


def test_unsigned_integers_do_not_wrap_around():
    values, _ = parse_index("ndvi").compute({"nir": np.array([[1]], np.uint8), "red": np.array([[255]], np.uint8)})
    assert values[0, 0] == pytest.approx(-254 / 256)


def test_what_cannot_be_computed_is_zero_and_not_defined():
    index = parse_index("x=sqrt(a)/b")
    a, b = np.array([[4, 4, -1, 0]], np.float32), np.array([[2, 0, 1, 0]], np.float32)
    values, defined = index.compute({"a": a, "b": b})
    assert values.tolist() == [[1, 0, 0, 0]]
    assert defined.tolist() == [[True, False, False, False]]


# --- Formulas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a+b*2", 13),
        ("(a+b)*2", 16),
        ("-a+b", 2),
        ("a-b-1", -3),
        ("2**a/b", 1.6),
        ("min(a,b)+max(a,b)*10", 53),
        ("abs(a-b)", 2),
        ("sqrt(a+6)", 3),
        ("+a*1.5e1", 45),
        ("a*1_0", 30),
    ],
)
def test_formulas_are_computed(formula: str, expected: float):
    values, _ = parse_index(f"x={formula}").compute({"a": np.full((1, 1), 3, "u1"), "b": np.full((1, 1), 5, "u1")})
    assert values[0, 0] == pytest.approx(expected)


def test_words_come_in_the_order_of_the_formula_and_once():
    assert parse_index("nbr = (nir-B12)/(nir + B12)").words == ("nir", "B12")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndvi2", "index 'ndvi2' is unknown; choose among ndvi, ndwi, mndwi"),
        ("x=nir+", "cannot be read at character 7"),
        ("x=(nir", "cannot be read at character 3"),
        ("x=nir red", "cannot be read at character 7"),
        ("x = nir.real", "at character 5, expected names of bands"),
        ("x=nir.__class__", "at character 3, expected"),
        ("x=print(nir)", "at character 3, expected"),
        ("x=nir+open(red)", "at character 7, expected"),
        ("x=min(nir)", "at character 3, min takes 2 value"),
        ("x=min(nir,red,key=blue)", "at character 18, '=' does not belong"),
        ("x=max(*nir,red)", "at character 7, expected"),
        ("x=nir if red else blue", "at character 3, expected"),
        ("x=nir and red", "at character 3, expected"),
        ("x=nir//red", "at character 3, expected"),
        ("x=nir<red", "'<' does not belong"),
        ("x=lambda nir", "cannot be read"),
        ("x=(nir,red)", "expected names of bands"),
        ("x='nir'", '"\'" does not belong'),
        ("x=nir[0]", r"at character 6, '\[' does not"),
        ("x=nir+1j", "at character 7, expected"),
        ("x=nir*1e999", "at character 7, expected"),
        ("x=nir*True", "at character 7, expected"),
        ("x=3", "names no band"),
        ("x=", "has 0 characters"),
        ("=nir", "'' is no name"),
        ("2x=nir", "'2x' is no name"),
        ("x-y=nir", "'x-y' is no name"),
        ("x=nir\n+red", "does not belong"),
        ("x=nіr", "does not belong"),  # a Cyrillic letter
        ("x=" + "+".join(["nir"] * 100), "has 399 characters"),
        ("x=" + "-" * 40 + "nir", "nested more than 30 deep"),
    ],
)
def test_what_is_no_formula_is_refused_with_its_place(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        parse_index(text)


@given(st.text(st.sampled_from("ab19.+-*/(), minaxe_"), max_size=60))
def test_any_text_is_computed_or_refused(text: str):
    try:
        index = parse_index(f"x={text}")
    except ConfigError:
        return
    values, defined = index.compute(dict.fromkeys(index.words, np.array([[0, 1, -3]], np.float32)))
    assert np.isfinite(values).all()
    assert values.shape == defined.shape == (1, 3)


def test_a_list_is_divided_outside_of_parentheses():
    assert split_indices(" ndvi,x=max(red, min(a,b)) ,,savi") == ("ndvi", "x=max(red, min(a,b))", "savi")
    assert split_indices("") == ()
