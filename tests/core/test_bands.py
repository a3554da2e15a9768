"""Band choice and band statistics."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.bands import BandPlan, BandStats, BandStatsCounter, choose_bands
from hectares.errors import BandError, ConfigError

SENTINEL = [f"B{n:02d}" for n in range(1, 13)]

# --- Choice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("4,3,2", (3, 2, 1)),
        (" 4, 3 ,2 ", (3, 2, 1)),
        ("all", tuple(range(12))),
        (["all"], tuple(range(12))),
        ("12", (11,)),
        ("B04,b12", (3, 11)),
        (["1", "B02"], (0, 1)),
        ("nir,red", (7, 3)),
    ],
)
def test_bands_are_chosen_by_number_or_name_in_the_wanted_order(wanted: object, expected: tuple[int, ...]):
    assert choose_bands(wanted, SENTINEL) == expected


@pytest.mark.parametrize("wanted", ["4,3,2", "all"])
def test_twelve_constant_bands_come_back_as_asked(wanted: str):
    image = np.arange(1, 13, dtype=np.uint16)[:, None, None] * np.ones((1, 2, 3), np.uint16)
    chosen = image[list(choose_bands(wanted, SENTINEL))]
    assert chosen[:, 1, 2].tolist() == ([4, 3, 2] if wanted == "4,3,2" else list(range(1, 13)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("13", "band 13 does not exist"),
        ("thermal", "'thermal' is not among the bands"),
        ("all,1", "'all' is not among"),
        ("--1", "'--1' is not among"),
        ("²", "'²' is not among"),
    ],
)
def test_bands_that_a_file_does_not_have_are_refused(wanted: object, message: str):
    with pytest.raises(BandError, match=message):
        choose_bands(wanted, SENTINEL)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("0", "band 0 does not exist; bands are numbered from 1"),
        ("-1", "band -1 does not exist; bands are numbered from 1"),
        ("4,4", "same band twice"),
        ("4,B04", "same band twice"),
        ("red,RED", "same band twice"),
        ("1,,2", "one of them has no name"),
        ("1,", "one of them has no name"),
        ("", "no band was asked for"),
        ([], "no band was asked for"),
    ],
)
def test_a_choice_of_bands_that_no_file_could_have_is_a_fault_of_the_option(wanted: object, message: str):
    with pytest.raises(ConfigError, match=message):
        choose_bands(wanted, SENTINEL)


def test_a_name_that_several_bands_bear_is_refused():
    with pytest.raises(BandError, match="'nir' stands 2 times in"):
        choose_bands("nir", ["red", "nir", "NIR"])


def test_a_meaning_that_several_bands_have_is_refused():
    with pytest.raises(BandError, match="'nir' may be the band nir1 or B08; say which one"):
        choose_bands("nir", ["red", "nir1", "B08"])


# --- Normalisation ----------------------------------------------------------------------------------------


def test_normalize_gives_deviations_from_the_mean():
    stats = BandStats(("a", "b"), mean=(10.0, 200.0), std=(2.0, 50.0))
    image = np.array([[[8, 10, 14]], [[100, 200, 325]]], np.uint16)
    normal = stats.normalize(image)
    assert normal.tolist() == [[[-1, 0, 2]], [[-2, 0, 2.5]]]
    assert normal.dtype == np.float32


def test_normalize_works_on_batches():
    stats = BandStats(("a", "b"), mean=(1.0, 2.0), std=(1.0, 1.0))
    batch = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    assert np.array_equal(stats.normalize(batch)[1], stats.normalize(batch[1]))


def test_a_constant_band_is_0():
    stats = BandStats(("a",), mean=(0.1,), std=(0.0,))
    assert stats.normalize(np.full((1, 2, 3), 0.1, np.float32)).tolist() == [[[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (1.0,)},
        {"std": (1.0,)},
        {"names": ("a",)},
        {"names": (), "mean": (), "std": ()},
        {"low": (1.0,)},
        {"mean": (1.0, float("nan"))},
        {"std": (1.0, float("inf"))},
        {"std": (1.0, -1.0)},
    ],
)
def test_impossible_statistics_are_refused(wrong: dict[str, object]):
    with pytest.raises(BandError):
        BandStats(**({"names": ("a", "b"), "mean": (1.0, 2.0), "std": (1.0, 2.0)} | wrong))


def test_statistics_survive_json():
    stats = BandStats(("a", "b"), (0.1, 2.0), (1.0, 3.0), (0.0, 1.0), (4.0, 5.0), (-1.0, 0.0), (7.0, 8.0))
    assert BandStats.from_json(stats.to_json()) == stats


def test_statistics_without_extremes_can_still_be_read():
    record = {"names": ["a"], "mean": [1.0], "std": [2.0], "low": [0.0], "high": [3.0]}
    assert BandStats.from_json(record) == BandStats(("a",), (1.0,), (2.0,), (0.0,), (3.0,))


# --- Counting ---------------------------------------------------------------------------------------------


def test_statistics_of_valid_pixels_by_hand():
    image = np.array([[[1, 3, 99]], [[10, 10, 0]]], np.uint8)
    counter = BandStatsCounter(["a", "b"])
    counter.add(image, np.array([[True, True, False]]))
    stats = counter.result()
    assert (stats.mean, stats.std) == ((2.0, 10.0), (1.0, 0.0))
    assert stats.low == pytest.approx((1.04, 10.0))
    assert stats.high == pytest.approx((2.96, 10.0))


_images = hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(1, 4), st.just(3)), elements=st.floats(-1, 1))


@given(st.lists(_images, min_size=1, max_size=5), st.sampled_from([0.0, 1e6, -1e9]), st.integers(0, 2**12 - 1))
def test_statistics_chip_by_chip_are_those_of_the_whole(images: list[np.ndarray], offset: float, bits: int):
    chips = [image + offset for image in images]
    valids = [np.array([[bits >> (r * 3 + c) & 1 for c in range(3)] for r in range(i.shape[1])], bool) for i in chips]
    counter = BandStatsCounter(["a", "b"])
    for chip, valid in zip(chips, valids, strict=True):
        counter.add(chip, valid)
    whole = np.concatenate([c[:, v] for c, v in zip(chips, valids, strict=True)], axis=1)
    if not whole.size:
        with pytest.raises(BandError, match="no training pixel is valid"):
            counter.result()
        return
    stats = counter.result()
    assert np.allclose(stats.mean, whole.mean(axis=1), rtol=1e-13, atol=1e-12)
    assert np.allclose(stats.std, whole.std(axis=1), rtol=1e-6, atol=1e-15 * max(1, abs(offset)) * 50)


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 30))
def test_a_constant_band_has_no_deviation_whatever_its_value(value: float, chips: int):
    counter = BandStatsCounter(["a"])
    for _ in range(chips):
        counter.add(np.full((1, 3, 5), value, np.float32), np.ones((3, 5), bool))
    assert counter.result().std == (0.0,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.float32])
def test_percentiles_and_extremes_are_those_of_all_pixels(dtype: type):
    rng = np.random.default_rng(5)
    chips = [rng.normal(40, 30, (2, 9, 11)).clip(-120, 120).astype(dtype) for _ in range(4)]
    valids = [rng.random((9, 11)) < 0.8 for _ in chips]
    counter = BandStatsCounter(["a", "b"])
    for chip, valid in zip(chips, valids, strict=True):
        counter.add(chip, valid)
    whole = np.concatenate([c[:, v] for c, v in zip(chips, valids, strict=True)], axis=1).astype(np.float64)
    stats = counter.result()
    assert np.allclose((stats.low, stats.high), np.percentile(whole, (2, 98), axis=1), rtol=1e-12)
    assert np.allclose((stats.mean, stats.std), (whole.mean(axis=1), whole.std(axis=1)), rtol=1e-12)
    assert (stats.minimum, stats.maximum) == (tuple(whole.min(axis=1)), tuple(whole.max(axis=1)))


def test_sixteen_bit_percentiles_are_exact_however_many_pixels():
    image = np.arange(65_536, dtype=np.uint16).reshape(1, 256, 256).repeat(3, axis=1)
    counter = BandStatsCounter(["a"], keep=10)
    counter.add(image, np.ones(image.shape[1:], bool))
    stats = counter.result()
    assert (*stats.low, *stats.high) == pytest.approx(np.percentile(image, (2, 98)), rel=1e-12)
    assert (stats.minimum, stats.maximum) == ((0.0,), (65535.0,))


def test_float_percentiles_come_from_a_sample_of_bounded_size():
    image = np.arange(10_000, dtype=np.float32).reshape(1, 100, 100)
    counter = BandStatsCounter(["a"], keep=100)
    for _ in range(3):
        counter.add(image, np.ones((100, 100), bool))
    stats = counter.result()
    assert stats.low == pytest.approx((200,), abs=400)
    assert stats.high == pytest.approx((9800,), abs=400)
    assert (stats.minimum, stats.maximum, stats.mean) == ((0.0,), (9999.0,), (pytest.approx(4999.5),))


def test_the_sample_does_not_meet_the_same_column_again_and_again():
    columns = np.tile(np.arange(256, dtype=np.float32), (1, 256, 1))
    counter = BandStatsCounter(["a"], keep=1000)
    counter.add(columns, np.ones((256, 256), bool))
    stats = counter.result()
    assert (*stats.low, *stats.high) == pytest.approx((5, 250), abs=3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@given(parts=st.lists(st.integers(0, 40), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_counters_of_parts_add_up(dtype: type, parts: list[int], seed: int):
    chips = [(np.random.default_rng(seed + n).random((2, 1, n)) * 100).astype(dtype) for n in parts]
    whole = BandStatsCounter(["a", "b"])
    total = BandStatsCounter(["a", "b"])
    for chip in chips:
        part = BandStatsCounter(["a", "b"])
        for counter in (whole, part):
            counter.add(chip, np.ones(chip.shape[1:], bool))
        total = total + part
    if not sum(parts):
        with pytest.raises(BandError, match="no training pixel"):
            total.result()
        return
    for name in ("mean", "std", "low", "high", "minimum", "maximum"):
        assert getattr(total.result(), name) == pytest.approx(getattr(whole.result(), name), rel=1e-12, abs=1e-12)


def test_samples_of_different_density_add_up():
    few, many = (np.arange(n, dtype=np.float32).reshape(1, 1, n) for n in (300, 30_000))
    counters = []
    for image in (few, many):
        counters.append(BandStatsCounter(["a"], keep=200))
        counters[-1].add(image, np.ones(image.shape[1:], bool))
    stats = (counters[0] + counters[1]).result()
    assert stats.high == pytest.approx((29_400,), abs=1000)
    assert stats.mean == pytest.approx(((300 * 149.5 + 30_000 * 14_999.5) / 30_300,))


def test_a_sum_of_counters_is_a_counter_of_its_own():
    first, second = BandStatsCounter(["a"]), BandStatsCounter(["a"])
    image = np.array([[[4, 8]]], np.uint8)
    first.add(image, np.ones((1, 2), bool))
    both = first + second
    both.add(np.zeros((1, 1, 2), np.uint8), np.ones((1, 2), bool))
    assert first.result().mean == (6.0,)
    assert both.result().mean == (3.0,)


def test_counters_that_do_not_fit_do_not_add_up():
    first, second = BandStatsCounter(["a"]), BandStatsCounter(["b"])
    with pytest.raises(BandError, match="statistics of a and b do not add up"):
        _ = first + second
    ones = np.ones((1, 1), bool)
    first.add(np.ones((1, 1, 1), np.uint8), ones)
    with pytest.raises(BandError, match="statistics of uint8 pixels cannot go on with pixels of uint16"):
        first.add(np.ones((1, 1, 1), np.uint16), ones)


# --- Plan -------------------------------------------------------------------------------------------------


def test_a_plan_survives_json():
    plan = BandPlan("4,3,2", ("ndvi", "x=max(red,nir)"), 0.0001, harmonize=True)
    assert BandPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.index_names == ("ndvi", "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indices": ("ndvi", "NDVI=red/nir")}, "two indices are named 'ndvi'"),
        ({"indices": ("x=1+",)}, "cannot be read at character 5"),
        ({"reflectance_scale": 0.0}, r"reflectance_scale is 0\.0; expected a positive factor"),
        ({"reflectance_scale": float("nan")}, "reflectance_scale is nan"),
    ],
)
def test_a_plan_that_cannot_be_met_is_refused_at_once(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        BandPlan(**options)
