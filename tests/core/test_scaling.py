"""How values become what a network sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.bands import BandStats, BandStatsCounter
from hectares.core.scaling import KINDS, Scaling
from hectares.errors import BandError, ConfigError


def measured(image: np.ndarray) -> BandStats:
    counter = BandStatsCounter([f"band_{n + 1}" for n in range(len(image))])
    counter.add(image, np.ones(image.shape[1:], bool))
    return counter.result()


@pytest.fixture
def image() -> np.ndarray:
    """Three bands of 11 bit, of which the last is constant."""
    rng = np.random.default_rng(3)
    bands = np.stack([rng.normal(300, 40, (37, 53)), rng.gamma(2, 200, (37, 53)), np.full((37, 53), 812)])
    return bands.clip(0, 2047).astype(np.uint16)


# --- Each kind --------------------------------------------------------------------------------------------


def test_standard_gives_mean_zero_and_deviation_one(image: np.ndarray):
    scaled = Scaling.of("standard", measured(image)).apply(image)
    assert scaled.mean(axis=(1, 2), dtype=np.float64) == pytest.approx([0, 0, 0], abs=1e-6)
    assert scaled.std(axis=(1, 2), dtype=np.float64) == pytest.approx([1, 1, 0], abs=1e-5)


def test_percentiles_equal_the_reference_per_image_and_per_data_set(image: np.ndarray):
    other = (image // 3 + 7).astype(np.uint16)
    both = np.concatenate([image, other], axis=1)
    whole = Scaling.of("percentile", measured(both))
    for part in (image, other):
        assert np.abs(whole.apply(part) - reference(part, both)).max() < 1e-6
        stats = measured(part)
        by_scene = Scaling.of("scene-percentile", measured(both)).for_scene(stats.low, stats.high)
        assert np.abs(by_scene.apply(part) - reference(part, part)).max() < 1e-6


def reference(image: np.ndarray, everything: np.ndarray) -> np.ndarray:
    low, high = np.percentile(everything, (2, 98), axis=(1, 2), keepdims=True)
    spread = np.where(high > low, high - low, np.inf)
    return np.clip((image - low) / spread, 0, 1)


def test_digits_survive_large_values_with_a_small_spread():
    image = (np.arange(60_000, 60_200, dtype=np.uint16)).reshape(1, 10, 20)
    scaled = Scaling.of("percentile", measured(image)).apply(image)
    assert np.abs(scaled - reference(image, image)).max() < 1e-6


def test_minmax_runs_from_zero_to_one_and_clips_what_was_not_seen():
    stats = measured(np.array([[[20, 120]]], np.uint8))
    assert Scaling.of("minmax", stats).apply(np.array([[[20, 70, 120, 5, 250]]], np.uint8)).tolist() == [
        [[0, 0.5, 1, 0, 1]]
    ]


def test_depth_divides_by_the_largest_value_of_each_band():
    stats = BandStats(("pan", "swir", "height", "ndvi"), (1.0, 1.0, 10.0, 0.5), (1.0, 1.0, 2.0, 0.1))
    scaling = Scaling.of("depth", stats, (11, 14, None, 0))
    image = np.array([2047, 16383, 14, -0.25], np.float32)[:, None, None]
    assert scaling.apply(image).ravel().tolist() == [1, 1, 2, -0.25]
    assert scaling.apply(2 * image).ravel().tolist() == [1, 1, 9, -0.5]  # clipped, but for height and index


def test_imagenet_goes_by_the_names_of_the_bands():
    names = ("B02", "B08", "B04", "dsm")
    stats = BandStats(names, (1.0, 1.0, 1.0, 100.0), (1.0, 1.0, 1.0, 10.0))
    scaled = Scaling.of("imagenet", stats, (16, 16, 16, None)).apply(
        np.array([65535, 65535, 65535, 120], np.float32)[:, None, None]
    )
    middle = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3
    expected = [(1 - 0.406) / 0.225, (1 - middle[0]) / middle[1], (1 - 0.485) / 0.229, 2]
    assert scaled.ravel() == pytest.approx(expected, rel=1e-6)


def test_none_leaves_values_as_they_are(image: np.ndarray):
    scaled = Scaling.of("none", measured(image)).apply(image)
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, image)


# --- All kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"none", "depth", "imagenet"}))
@given(value=st.integers(0, 65535))
def test_a_constant_band_gives_zero_without_a_division(kind: str, value: int):
    image = np.full((1, 2, 3), value, np.uint16)
    assert Scaling.of(kind, measured(image)).apply(image).tolist() == [[[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_scaled_as_its_images_are(kind: str, image: np.ndarray):
    scaling = Scaling.of(kind, measured(image), (11, 11, 11))
    batch = np.stack([image, image[:, ::-1]])
    assert np.array_equal(scaling.apply(batch)[1], scaling.apply(image[:, ::-1]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_is_not_changed(kind: str, image: np.ndarray):
    scaling = Scaling.of(kind, measured(image), (11, None, 0))
    before = image.astype(np.float32)
    given = before.copy()
    scaling.apply(given)
    assert np.array_equal(given, before)


@given(hnp.arrays(np.int16, (1, 3, 5)))
def test_ranges_stay_between_zero_and_one(image: np.ndarray):
    stats = measured(image[:, :2])
    for kind in ("percentile", "scene-percentile", "minmax"):
        scaled = Scaling.of(kind, stats).apply(image)
        assert 0 <= scaled.min() <= scaled.max() <= 1


def test_only_scaling_by_scene_changes_with_the_scene(image: np.ndarray):
    stats = measured(image)
    assert Scaling.of("percentile", stats).for_scene((0, 0, 0), (1, 1, 1)) == Scaling.of("percentile", stats)
    by_scene = Scaling.of("scene-percentile", stats)
    assert by_scene.by_scene
    assert by_scene.for_scene((0, 0, 5), (10, 10, 5)).apply(np.full((3, 1, 1), 5, "u2")).ravel().tolist() == [
        0.5,
        0.5,
        0,
    ]


@pytest.mark.parametrize(
    ("kind", "depths", "error", "message"),
    [
        ("Standard", (), ConfigError, "scaling 'Standard' is unknown; choose among standard, percentile"),
        ("depth", (), BandError, "scaling depth needs the depth of 1 bands, got 0"),
        ("minmax", (), BandError, "scaling minmax needs the range of 1 bands"),
        ("percentile", (), BandError, "scaling percentile needs the range"),
    ],
)
def test_what_is_missing_is_said(kind: str, depths: tuple[int, ...], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        Scaling.of(kind, BandStats(("a",), (1.0,), (1.0,)), depths)


def test_an_image_with_other_bands_is_refused(image: np.ndarray):
    with pytest.raises(BandError, match="does not have the 3 bands"):
        Scaling.of("standard", measured(image)).apply(image[:2])
