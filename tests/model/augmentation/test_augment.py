"""Augmentation: image, valid mask and label stay one thing, whatever is done to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.legend import IGNORE
from hectares.errors import ConfigError
from hectares.model.augmentation.augment import RECIPES, STEPS, Augmentation, Step, find_augmentation, variants
from hectares.model.augmentation.mixing import MIXES
from hectares.model.augmentation.radiometry import CHANGES, gaussian
from hectares.model.augmentation.warp import MOVES, TURNS, Sample, dihedral, resample

SIDE = 16
SEEDS = st.integers(0, 2**32)
BANDS = st.integers(1, 12)
TEXTS = st.sampled_from([*RECIPES, *STEPS, "d4+rotate(45)+noise(0.02)", "mosaic(p=1)+cutmix(p=1)+classmix(p=1)+strong"])


def _sample(bands: int = 3, *, planes: bool = False, hole: bool = True, seed: int = 0) -> Sample:
    """A chip whose label is a function of its first band: 0 to 3 by its value; with a corner that is not valid."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((bands, SIDE // 4, SIDE // 4))
    image = np.kron(coarse, np.ones((4, 4))).astype(np.float32)
    valid = np.ones((SIDE, SIDE), bool)
    if hole:
        valid[1:4, 9:14] = False
    image *= valid
    codes = np.where(valid, _label_of(image), IGNORE).astype(np.uint8)
    if planes:
        codes = np.stack([np.where(valid, codes == k, IGNORE) for k in range(3)]).astype(np.uint8)
    return image, valid, codes


def _label_of(image: np.ndarray) -> np.ndarray:
    return np.minimum(image[0] * 4, 3).astype(np.uint8)


def _always(name: str, *values: float) -> Augmentation:
    return Augmentation((Step(name, values or tuple(n.default for n in STEPS[name].numbers), 1.0),))


def _equal(one: Sample, two: Sample) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


# --- What holds for every recipe and step -----------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(TEXTS, BANDS, SEEDS, st.booleans())
def test_shape_type_codes_and_valid_mask_are_kept(text: str, bands: int, seed: int, planes: bool):
    sample = _sample(bands, planes=planes)
    before = tuple(part.copy() for part in sample)
    others = _sample(bands, planes=planes, seed=1)
    image, valid, label = find_augmentation(text).apply(*sample, np.random.default_rng(seed), other=lambda: others)
    assert [(a.shape, a.dtype) for a in (image, valid, label)] == [(a.shape, a.dtype) for a in sample]
    assert np.isfinite(image).all()
    assert set(np.unique(label)) <= {*np.unique(sample[2]), *np.unique(others[2]), IGNORE}
    assert not image[:, ~valid].any()
    assert (label[..., ~valid] == IGNORE).all()
    assert _equal(sample, before)


@settings(max_examples=60, deadline=None)
@given(TEXTS, SEEDS)
def test_the_same_generator_gives_the_same_chip(text: str, seed: int):
    augmentation, sample = find_augmentation(text), _sample()
    one, two = (augmentation.apply(*sample, np.random.default_rng(seed), other=_sample) for _ in range(2))
    assert _equal(one, two)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(STEPS)), SEEDS)
def test_a_step_with_probability_0_changes_nothing(name: str, seed: int):
    augmentation = find_augmentation(f"{name}(p=0)")
    assert _equal(augmentation.apply(*_sample(), np.random.default_rng(seed), other=_sample), _sample())


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(STEPS)), SEEDS)
def test_a_step_with_probability_1_always_changes_something(name: str, seed: int):
    rng = np.random.default_rng(7)
    image = rng.random((3, SIDE, SIDE), np.float32)
    sample = image, np.ones((SIDE, SIDE), bool), rng.integers(0, 4, (SIDE, SIDE), np.uint8)
    other = 1 - image, sample[1], 3 - sample[2]
    changed = find_augmentation(f"{name}(p=1)").apply(*sample, np.random.default_rng(seed), other=lambda: other)
    assert not _equal(changed, sample)


def test_a_step_happens_as_often_as_its_probability_says():
    sample, flips = _sample(hole=False), find_augmentation("flips-1-in-8")
    changed = [not _equal(flips.apply(*sample, np.random.default_rng(n)), sample) for n in range(2000)]
    assert np.mean(changed) == pytest.approx(1 / 8, abs=0.025)


def test_recipes_name_the_steps_of_the_publications():
    assert str(find_augmentation("dfc2019")).startswith("flips(p=0.75)+rotate(degrees=45,p=1)+shift(share=0.1,p=1)")
    assert find_augmentation("none") == Augmentation()
    assert all(find_augmentation(name).steps for name in RECIPES if name != "none")


# --- Alignment --------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(TURNS)), BANDS, SEEDS)
def test_symmetries_keep_every_pixel_with_its_label(name: str, bands: int, seed: int):
    image, valid, label = find_augmentation(name).apply(*_sample(bands), np.random.default_rng(seed))
    assert np.array_equal(np.where(valid, _label_of(image), IGNORE), label)
    assert np.array_equal(np.sort(image, axis=None), np.sort(_sample(bands)[0], axis=None))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*MOVES, "d4+rotate+shift+shear+zoom+scale"]), BANDS, SEEDS)
def test_a_resampled_label_is_that_of_the_image_beyond_half_a_pixel_of_borders(name: str, bands: int, seed: int):
    """Along a ramp, the label is a function of the place that the image tells within what bilinear keeps exact."""
    ramp = np.linspace(0, 1, SIDE, dtype=np.float32)
    image = np.broadcast_to(ramp[:, None], (bands, SIDE, SIDE)).copy()
    valid = np.ones((SIDE, SIDE), bool)
    label = _label_of(image)
    moved, seen, codes = find_augmentation(name).apply(image, valid, label, np.random.default_rng(seed))
    half = 0.5 / (SIDE - 1) + 1e-3
    assert seen.all()
    assert (codes >= _label_of(np.maximum(moved - half, 0))).all()
    assert (codes <= _label_of(np.minimum(moved + half, 1))).all()


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(list(MOVES)), SEEDS)
def test_what_is_not_valid_does_not_leak_into_what_is(name: str, seed: int):
    _, valid, label = _sample()
    image = np.full((2, SIDE, SIDE), 7, np.float32) * valid
    moved, seen, codes = _always(name).apply(image, valid, label, np.random.default_rng(seed))
    assert np.allclose(moved[:, seen], 7, atol=1e-4)
    assert np.array_equal(codes == IGNORE, ~seen)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(CHANGES)), BANDS, SEEDS)
def test_changes_of_values_leave_labels_where_they_are(name: str, bands: int, seed: int):
    sample = _sample(bands)
    _, valid, label = _always(name).apply(*sample, np.random.default_rng(seed))
    kept = valid if name == "erase" else np.ones_like(valid)
    assert np.array_equal(label[kept], sample[2][kept])
    assert name == "erase" or np.array_equal(valid, sample[1])


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(list(MIXES)), BANDS, SEEDS, st.booleans())
def test_every_pixel_of_a_mixed_chip_is_whole(name: str, bands: int, seed: int, planes: bool):
    one, two = (_sample(bands, planes=planes, seed=s) for s in (0, 1))
    image, valid, label = _always(name).apply(*one, np.random.default_rng(seed), other=lambda: two)
    from_two = (image == two[0]).all(axis=0) & (valid == two[1]) & (label == two[2]).reshape(-1, SIDE, SIDE).all(axis=0)
    from_one = (image == one[0]).all(axis=0) & (valid == one[1]) & (label == one[2]).reshape(-1, SIDE, SIDE).all(axis=0)
    assert (from_one | from_two).all()


def test_a_rotated_label_has_no_code_between_two_others():
    label = np.where(np.arange(SIDE) < 8, 0, 4)[None].repeat(SIDE, axis=0).astype(np.uint8)
    sample = label[None].astype(np.float32), np.ones(label.shape, bool), label
    codes = {
        int(c) for n in range(20) for c in np.unique(_always("rotate").apply(*sample, np.random.default_rng(n))[2])
    }
    assert codes == {0, 4}


# --- Single steps by hand ---------------------------------------------------------------------------------


def test_a_quarter_turn_by_resampling_is_that_of_the_symmetry():
    sample = _sample()
    image, valid, label = resample(sample, np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], float))  # right from below
    turned = [np.rot90(part, axes=(-2, -1)) for part in sample]
    assert np.array_equal(label, turned[2])
    assert np.array_equal(valid, turned[1])
    assert np.allclose(image, turned[0], atol=1e-5)


def test_what_lies_outside_is_reflected_at_the_outer_edge_of_pixels():
    row = np.arange(1, 6, dtype=np.float32)
    image = np.broadcast_to(row, (1, 3, 5)).copy()
    matrix = np.array([[1, 0, 2], [0, 1, 0], [0, 0, 1]], float)
    moved, valid, label = resample((image, np.ones((3, 5), bool), image[0].astype(np.uint8)), matrix)
    assert np.allclose(moved[0, 1], [3, 4, 5, 5, 4], atol=1e-5)
    assert label[1].tolist() == [3, 4, 5, 5, 4]
    assert valid.all()


def test_a_hole_is_reflected_as_a_hole():
    image = np.array([[[1, 2, 3, 0]]], np.float32)
    valid = np.array([[True, True, True, False]])
    label = np.array([[0, 1, 2, IGNORE]], np.uint8)
    matrix = np.array([[1, 0, 2], [0, 1, 0], [0, 0, 1]], float)
    moved, seen, codes = resample((image, valid, label), matrix)
    assert seen[0].tolist() == [True, False, False, True]
    assert codes[0].tolist() == [2, IGNORE, IGNORE, 2]
    assert np.allclose(moved[0, 0], [3, 0, 0, 3], atol=1e-5)


def test_an_oblong_chip_keeps_its_shape():
    sample = np.arange(6, dtype=np.float32).reshape(1, 2, 3), np.ones((2, 3), bool), np.arange(6, dtype=np.uint8)
    sample = sample[0], sample[1], sample[2].reshape(2, 3)
    for text in ("d4(p=1)", "transpose(p=1)", "rotate"):
        assert find_augmentation(text).apply(*sample, np.random.default_rng(1))[0].shape == (1, 2, 3)


@pytest.mark.parametrize(("factor", "pixels"), [(2.0, 8 * 8), (0.5, 4 * 2 * 2)])
def test_scale_makes_objects_so_many_times_as_large(factor: float, pixels: int):
    label = np.zeros((SIDE, SIDE), np.uint8)
    label[6:10, 6:10] = 1
    sample = label[None].astype(np.float32), np.ones(label.shape, bool), label
    scaled = _always("scale", factor, factor)
    counts = [int(scaled.apply(*sample, np.random.default_rng(n))[2].sum()) for n in range(100)]
    assert max(counts) == pixels  # a larger one may be cut off; a smaller one is seen four times by reflection


def test_brightness_is_in_units_of_the_spread_that_is_given():
    sample = _sample(2, hole=False)
    changed = _always("brightness", 1.0, 0.0).apply(*sample, np.random.default_rng(3), spread=np.float32([1, 10]))
    added = (changed[0] - sample[0]).mean(axis=(1, 2))
    assert added[1] == pytest.approx(10 * added[0], rel=1e-3)
    assert 0 < abs(added[0]) <= 1


def test_brightness_differs_by_band_if_asked():
    sample = _sample(3, hole=False)
    changed = _always("brightness", 0.0, 1.0).apply(*sample, np.random.default_rng(3), spread=np.ones(3, np.float32))
    assert len({round(float(v), 3) for v in (changed[0] - sample[0]).mean(axis=(1, 2))}) == 3


def test_contrast_keeps_the_mean():
    sample = _sample(2, hole=False)
    changed = _always("contrast", 0.5, 0.0).apply(*sample, np.random.default_rng(3))[0]
    assert np.allclose(changed.mean(axis=(1, 2)), sample[0].mean(axis=(1, 2)), atol=1e-5)
    assert not np.allclose(changed.std(axis=(1, 2)), sample[0].std(axis=(1, 2)), rtol=0.01)


@settings(max_examples=30, deadline=None)
@given(BANDS, SEEDS, st.sampled_from([0.01, 1, 300]), st.sampled_from([-5, 0, 40]))
def test_gamma_keeps_order_and_range_of_each_band(bands: int, seed: int, width: float, low: float):
    image, valid, label = _sample(bands, hole=False)
    image = image * np.float32(width) + np.float32(low)
    changed = _always("gamma", 1.0, 0.3).apply(image, valid, label, np.random.default_rng(seed))[0]
    for before, after in zip(image, changed, strict=True):
        assert np.allclose([after.min(), after.max()], [before.min(), before.max()], rtol=1e-4, atol=1e-3 * width)
        assert (np.diff(after.ravel()[np.argsort(before.ravel())]) >= -1e-4 * width).all()


def test_noise_is_as_strong_as_it_says_and_different_in_every_band():
    image = np.zeros((2, 64, 64), np.float32)
    sample = image, np.ones((64, 64), bool), np.zeros((64, 64), np.uint8)
    spread = np.float32([1, 4])
    found = [
        _always("noise", 0.5).apply(*sample, np.random.default_rng(n), spread=spread)[0].std(axis=(1, 2))
        for n in range(40)
    ]
    assert 0.4 < max(f[0] for f in found) < 0.55
    assert all(f[1] == pytest.approx(4 * f[0], rel=0.1) for f in found)


def test_blur_keeps_the_sum_and_lowers_a_peak():
    image = np.zeros((1, 33, 33), np.float32)
    image[0, 16, 16] = 1
    changed = _always("blur", 2.0).apply(
        image, np.ones((33, 33), bool), np.zeros((33, 33), np.uint8), np.random.default_rng(2)
    )[0]
    assert changed.sum() == pytest.approx(1, rel=1e-5)
    assert changed.max() < 0.9
    assert changed.argmax() == image.argmax()
    assert np.allclose(changed[0], changed[0].T)


def test_blur_takes_nothing_from_what_is_not_valid():
    _, valid, label = _sample()
    image = np.full((1, SIDE, SIDE), 3, np.float32) * valid
    changed = _always("blur", 3.0).apply(image, valid, label, np.random.default_rng(2))[0]
    assert np.allclose(changed[:, valid], 3, atol=1e-5)


@pytest.mark.parametrize("deviation", [0.3, 1.0, 4.7])
def test_a_gaussian_adds_up_to_one(deviation: float):
    half = gaussian(deviation)
    assert 2 * half.sum() - half[0] == pytest.approx(1, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(BANDS, SEEDS, st.sampled_from(["0", "0.5", "1"]))
def test_some_bands_are_dropped_and_never_all(bands: int, seed: int, share: str):
    image = np.ones((bands, 4, 4), np.float32)
    sample = image, np.ones((4, 4), bool), np.zeros((4, 4), np.uint8)
    dropped = find_augmentation(f"band-drop({share},p=1)").apply(*sample, np.random.default_rng(seed))[0]
    left = [bool(band.any()) for band in dropped]
    assert any(left)
    assert bands == 1 or not all(left)


def test_what_is_erased_is_not_observed():
    image, valid, label = _always("erase").apply(*_sample(hole=False), np.random.default_rng(4))
    assert 0 < (~valid).sum() <= (0.3 * SIDE + 1) ** 2
    assert not image[:, ~valid].any()
    assert np.array_equal(label == IGNORE, ~valid)


def test_a_mosaic_has_its_own_chip_and_three_others():
    fills = iter([1.0, 2.0, 3.0])

    def other() -> Sample:
        value = next(fills)
        return np.full((1, 8, 8), value, np.float32), np.ones((8, 8), bool), np.full((8, 8), value, np.uint8)

    own = np.zeros((1, 8, 8), np.float32), np.ones((8, 8), bool), np.zeros((8, 8), np.uint8)
    image, _, label = _always("mosaic").apply(*own, np.random.default_rng(0), other=other)
    assert sorted(np.unique(label)) == [0, 1, 2, 3]
    assert np.array_equal(image[0], label)


def test_classmix_takes_half_of_the_classes_with_their_pixels():
    label = np.repeat(np.arange(4, dtype=np.uint8), 4).reshape(4, 4)
    other = np.full((1, 4, 4), 9, np.float32), np.ones((4, 4), bool), label
    own = np.zeros((1, 4, 4), np.float32), np.ones((4, 4), bool), np.full((4, 4), 7, np.uint8)
    image, _, mixed = _always("classmix").apply(*own, np.random.default_rng(0), other=lambda: other)
    assert (mixed != 7).sum() == 8
    assert np.array_equal(image[0] == 9, mixed != 7)
    assert np.array_equal(mixed[mixed != 7], label[mixed != 7])


def test_nothing_is_mixed_without_other_chips():
    assert _equal(_always("mosaic").apply(*_sample(), np.random.default_rng(0)), _sample())
    assert find_augmentation("strong").mixes
    assert not find_augmentation("light").mixes


def test_there_are_eight_symmetries():
    array = np.arange(9).reshape(3, 3)
    assert len({dihedral(array, e).tobytes() for e in range(8)}) == 8
    assert np.array_equal(dihedral(array, 0), array)


@pytest.mark.parametrize(("name", "count"), [("flips", 4), ("d4", 8)])
def test_all_views_are_equally_likely(name: str, count: int):
    sample, seen = _sample(hole=False, seed=5), {}
    for n in range(1600):
        view = find_augmentation(name).apply(*sample, np.random.default_rng(n))[0].tobytes()
        seen[view] = seen.get(view, 0) + 1
    assert len(seen) == count
    assert max(seen.values()) < 1.35 * 1600 / count


def test_variants_are_as_many_as_asked_and_differ():
    made = variants(find_augmentation("strong"), _sample(), 5, seed=3, others=[_sample(seed=1)])
    assert len({image.tobytes() for image, _, _ in made}) == 5


def test_augmentation_leaves_global_randomness_alone():
    np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    variants(find_augmentation("strong"), _sample(), 3)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# --- The text ---------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from(list(STEPS)).flatmap(
            lambda name: st.tuples(
                st.just(name),
                st.tuples(*(st.floats(n.low, n.high) for n in STEPS[name].numbers)),
                st.floats(0, 1),
            )
        ),
        min_size=1,
        unique_by=lambda step: step[0],
    )
)
def test_the_text_of_an_augmentation_is_read_as_the_same(steps: list):
    augmentation = Augmentation(tuple(Step(*step) for step in steps))
    assert find_augmentation(str(augmentation)) == augmentation


def test_numbers_come_in_order_or_by_name():
    expected = Augmentation((Step("scale", (0.8, 1.5), 0.5),))
    for text in ("scale(0.8,1.5,p=0.5)", " scale ( low=.8 , high = 1.5, p=0.5 ) ", "scale(0.8, p=.5, high=1.5)"):
        assert find_augmentation(text) == expected


def test_a_step_beside_a_recipe_replaces_that_of_the_recipe():
    text = "light+rotate(5)"
    names = [step.name for step in find_augmentation(text).steps]
    assert names == [step.name for step in find_augmentation("light").steps]
    assert {s.name: s for s in find_augmentation(text).steps}["rotate"] == Step("rotate", (5.0,), 1.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected the name of a step at character 1"),
        ("d4+", "expected the name of a step at character 4"),
        ("d4++noise", "character 4, found '\\+noise'"),
        ("d4 noise", "character 1"),
        ("d4+twist(45)", "'twist' is unknown"),
        ("rotate(200)", "rotate takes degrees 0 to 180, got 200"),
        ("rotate(-5)", "'-5' in rotate\\(...\\) is not a number"),
        ("rotate(nan)", "'nan' in rotate"),
        ("rotate(45,p=1.5)", "rotate takes p 0 to 1, got 1.5"),
        ("rotate(45,0.5)", "rotate does not take a number at the place of 0.5"),
        ("scale(high=2,0.5)", "scale does not take a number at the place of 0.5"),
        ("rotate(angle=3)", "does not know 'angle'; it takes degrees 0 to 180, p=0 to 1"),
        ("rotate(3,degrees=4)", "more than one 'degrees'"),
        ("rotate(45", "expected the name of a step at character 1"),
        ("d4+d4", "d4 comes twice"),
        ("none+d4", "none stands for itself"),
        ("light(0.5)", "light is a recipe and takes no numbers"),
        ("D4", "expected the name"),
    ],
)
def test_a_text_that_is_not_understood_is_refused_with_what_is(text: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        find_augmentation(text)
    assert "flips-1-in-8" in str(caught.value)
    assert "rotate(degrees 0 to 180)" in str(caught.value)


def test_every_recipe_and_step_is_documented_with_its_numbers():
    text = (Path(__file__).parents[3] / "docs" / "augmentation.md").read_text(encoding="utf-8")
    for name in RECIPES:
        assert f"| `{name}` |" in text
    for kind in STEPS.values():
        numbers = "; ".join(f"{n}, {n.default:g} if not given" for n in kind.numbers)
        assert f"| `{kind.name}` | {numbers} | {kind.chance:g} | {kind.says} |" in text
