"""Resampling: linear for images, nearest for labels, the same by windows as whole."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hectares.core import resample
from hectares.core.grid import Grid
from hectares.core.resample import (
    AxisMap,
    ResampledSource,
    input_window,
    nearest_window,
    read_resampled,
    resample_linear,
    resample_nearest,
    resized,
)
from hectares.core.scene import ArraySource, Chip
from hectares.core.window import Window
from hectares.errors import GridError


def scene(image: np.ndarray, valid: np.ndarray | None = None) -> ArraySource:
    image = image[None] if image.ndim == 2 else image
    grid = Grid(None, Affine.identity(), image.shape[1:])
    return ArraySource(image, grid, [f"band_{n + 1}" for n in range(len(image))], valid)


def linear(image: np.ndarray, rows: AxisMap, cols: AxisMap, shape: tuple[int, int], valid: np.ndarray | None = None):
    chip = scene(image, valid).read(Window(0, 0, *image.shape[-2:]))
    return resample_linear(chip, Window(0, 0, *image.shape[-2:]), rows, cols, Window(0, 0, *shape))


def fitted(image: np.ndarray, shape: tuple[int, int], valid: np.ndarray | None = None) -> Chip:
    height, width = image.shape[-2:]
    return linear(image, AxisMap.fit(height, shape[0]), AxisMap.fit(width, shape[1]), shape, valid)


# --- By hand ----------------------------------------------------------------------------------------------


def test_twice_the_size_is_bilinear():
    out = fitted(np.array([[0, 8]], np.uint8), (1, 4))
    assert out.image.tolist() == [[[0, 2, 6, 8]]]
    assert out.image.dtype == np.float32
    assert out.valid.all()


def test_half_the_size_weighs_one_three_three_one():
    image = np.array([[0, 0, 8, 16, 0, 0]], np.uint16)
    out = fitted(image, (1, 3))
    assert out.image[0, 0, 1] == (1 * 0 + 3 * 8 + 3 * 16 + 1 * 0) / 8
    assert out.image[0, 0, 0] == pytest.approx((3 * 0 + 3 * 0 + 1 * 8) / 7)  # what lies beyond the edge has no weight


def test_half_the_size_of_equal_blocks_keeps_their_order_and_mean():
    blocks = np.kron(np.array([[1, 5], [9, 2]]), np.ones((8, 8)))
    out = fitted(blocks, (2, 2))
    assert out.image[0].argsort(axis=None).tolist() == [0, 3, 1, 2]
    assert fitted(blocks, (4, 4)).image.mean() == pytest.approx(blocks.mean())


def test_a_shift_by_whole_pixels_moves_pixels_exactly():
    image = np.array([[1, 2, 3], [4, 5, 6]], np.int16)
    out = linear(image, AxisMap(1, 1, 2), AxisMap(1, -1, 3), (2, 3))
    assert out.image.tolist() == [[[0, 4, 5], [0, 0, 0]]]
    assert out.valid.tolist() == [[False, True, True], [False, False, False]]


def test_a_pixel_is_valid_if_at_least_half_of_its_weight_is():
    image = np.array([[10, 20, 30, 40]], np.uint8)
    valid = np.array([[True, True, False, False]])
    out = linear(image, AxisMap(1, 0, 1), AxisMap(1, 0.5, 4), (1, 4), valid)
    assert out.valid.tolist() == [[True, True, False, False]]  # weights all, half, none and none
    assert out.image.tolist() == [[[15, 20, 0, 0]]]


def test_values_that_are_not_valid_never_mix_in():
    image = np.array([[5.0, np.nan, 5, 5, 9999, 5]], np.float32)
    out = fitted(image, (1, 3), valid=np.array([[True, True, True, True, False, True]]))
    assert np.isfinite(out.image).all()
    assert set(out.image[out.valid[None]]) == {5.0}


@pytest.mark.parametrize("shape", [(3, 4), (14, 9), (7, 5), (1, 1), (23, 40)])
def test_it_agrees_with_another_implementation(shape: tuple[int, int]):
    image = np.random.default_rng(0).random((11, 13), np.float32)
    expected = np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR))
    assert np.allclose(fitted(image, shape).image[0], expected, atol=2e-6)


# --- Properties -------------------------------------------------------------------------------------------

_arrays = hnp.arrays(np.uint16, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)))


@given(_arrays, st.data())
def test_the_identity_gives_the_input_exactly(image: np.ndarray, data: st.DataObject):
    valid = data.draw(hnp.arrays(bool, image.shape[1:]))
    out = fitted(image, image.shape[1:], valid)
    assert np.array_equal(out.image, np.where(valid, image, 0))
    assert np.array_equal(out.valid, valid)


@given(st.floats(-1e6, 1e6, width=32), st.tuples(*[st.integers(1, 12)] * 4), st.integers(0, 2**32 - 1))
def test_a_constant_stays_constant(value: float, sizes: tuple[int, ...], seed: int):
    valid = np.random.default_rng(seed).random(sizes[:2]) < 0.7
    out = fitted(np.full(sizes[:2], value, np.float32), sizes[2:], valid)
    assert set(out.image[0][out.valid]) <= {np.float32(value)}


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 1 / 2, 1 / 3, 2 / 3, 0.9])
def test_a_ramp_is_reproduced_inside(factor: float):
    ramp = np.arange(0.5, 60)[None].repeat(3, axis=0)
    columns = AxisMap(factor, 0.7, 60)
    out = linear(ramp, AxisMap.fit(3, 3), columns, (3, int(55 / factor)))
    centers = columns.centers(0, int(55 / factor))
    inner = (centers > columns.reach) & (centers < 60 - columns.reach)
    assert inner.sum() > 5
    assert np.allclose(out.image[0, 1, inner], centers[inner], atol=1e-5)


def test_a_ramp_is_nearly_reproduced_when_shrinking_by_a_fraction():
    ramp = np.arange(0.5, 60)[None]
    columns = AxisMap(1.7, 0.3, 60)
    centers = columns.centers(3, 25)
    out = read_resampled(scene(ramp).read, AxisMap.fit(1, 1), columns, Window(0, 3, 1, 25))
    assert np.abs(out.image[0, 0] - centers).max() < 0.1


_maps = st.builds(
    AxisMap, st.sampled_from([0.25, 0.7, 1.0, 1.3, 2.0, 5.5, -1.0]), st.floats(-4, 24), st.integers(1, 20)
)


@given(
    _maps, _maps, st.tuples(*[st.integers(0, 9)] * 2), st.tuples(*[st.integers(1, 9)] * 2), st.integers(0, 2**32 - 1)
)
def test_windows_give_the_same_bits_as_the_whole(
    rows: AxisMap, cols: AxisMap, corner: tuple[int, int], size: tuple[int, int], seed: int
):
    rng = np.random.default_rng(seed)
    extent = (rows.extent, cols.extent)
    source = scene(rng.random((2, *extent), np.float32), rng.random(extent) < 0.8)
    codes = rng.integers(0, 9, extent, np.uint8)
    whole_in, whole_out, part = Window(0, 0, *extent), Window(0, 0, 18, 18), Window(*corner, *size)
    whole = resample_linear(source.read(whole_in), whole_in, rows, cols, whole_out)
    needed = input_window(rows, cols, part)
    assert needed & whole_in == needed or not needed.pixels
    small = resample_linear(source.read(needed), needed, rows, cols, part)
    assert np.array_equal(small.image, whole.image[:, *part.slices])
    assert np.array_equal(small.valid, whole.valid[part.slices])
    nearest = resample_nearest(codes, whole_in, rows, cols, whole_out)
    again = resample_nearest(codes[needed.slices], needed, rows, cols, part)
    assert np.array_equal(again, nearest[part.slices])


def test_a_coarse_window_of_a_fine_image_is_read_in_bounded_parts(monkeypatch: pytest.MonkeyPatch):
    image = np.random.default_rng(1).random((1, 90, 60), np.float32)
    source, rows, cols, window = scene(image), AxisMap.fit(90, 9), AxisMap.fit(60, 6), Window(1, 0, 8, 6)
    whole = read_resampled(source.read, rows, cols, window)
    monkeypatch.setattr(resample, "_AT_ONCE", 900)
    sizes: list[int] = []

    def read(part: Window) -> Chip:
        sizes.append(part.pixels)
        return source.read(part)

    parts = read_resampled(read, rows, cols, window)
    assert np.array_equal(parts.image, whole.image)
    assert np.array_equal(parts.valid, whole.valid)
    assert max(sizes) <= 900 < sum(sizes)


def test_a_factor_of_zero_is_refused():
    with pytest.raises(GridError, match="cannot resample 5 px by a factor of 0"):
        AxisMap(0, 0, 5)


# --- A scene with other pixels ----------------------------------------------------------------------------


def test_a_resampled_scene_covers_the_same_ground():
    grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (40, 30))
    source = ResampledSource(ArraySource(np.ones((1, 40, 30), np.uint8), grid, ["nir"]), 0.25)
    assert source.grid.shape == (10, 8)
    assert source.grid.bounds == pytest.approx(grid.bounds)
    assert source.bands == ("nir",)
    chip = source.read(Window(8, 6, 4, 4))
    assert chip.valid.tolist() == [[True, True, False, False]] * 2 + [[False] * 4] * 2
    assert chip.image[0][chip.valid].tolist() == [1, 1, 1, 1]
    assert not source.read(Window(20, 20, 2, 3)).valid.any()


def test_the_longer_side_comes_out_as_asked():
    assert resized((6000, 5999), 512 / 6000) == (512, 512)
    assert resized((3, 5000), 0.01) == (1, 50)


# --- Labels -----------------------------------------------------------------------------------------------


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))), st.tuples(*[st.integers(1, 30)] * 2))
def test_no_new_codes_appear(codes: np.ndarray, shape: tuple[int, int]):
    out = nearest_window(lambda w: codes[w.slices], codes.shape, shape, Window(0, 0, *shape))
    assert out.shape == shape
    assert set(out.flat) <= set(codes.flat)


def test_codes_twice_the_size_are_repeated():
    codes = np.array([[[7, 3]], [[0, 255]]], np.uint8)
    out = nearest_window(lambda w: codes[..., *w.slices], (1, 2), (2, 4), Window(0, 0, 2, 4))
    assert np.array_equal(out, codes.repeat(2, axis=1).repeat(2, axis=2))


def test_codes_beyond_the_scene_are_ignored():
    codes = np.array([[7, 3]], np.uint8)
    out = nearest_window(lambda w: codes[w.slices], (1, 2), (1, 4), Window(0, 3, 2, 2))
    assert out.tolist() == [[3, 255], [255, 255]]
    outside = nearest_window(lambda w: codes[w.slices], (1, 2), (1, 4), Window(5, 5, 1, 2))
    assert outside.tolist() == [[255, 255]]


def test_masks_stay_masks():
    mask = np.array([[True, False, False, True]])
    out = resample_nearest(
        mask, Window(0, 0, 1, 4), AxisMap.fit(1, 1), AxisMap(2, 0, 4), Window(0, 0, 1, 3), fill=False
    )
    assert out.dtype == np.bool_
    assert out.tolist() == [[False, True, False]]
