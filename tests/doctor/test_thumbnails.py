"""Hashes of how images look: near for copies, far for others."""

import numpy as np
import pytest

from hectares.core.window import Window
from hectares.doctor.duplicates import distance
from hectares.doctor.thumbnails import Thumbnail, alike, has_texture, keep, look_hashes


def gray_of(image, valid=None, windows=None):
    thumbnail = Thumbnail(image.shape[1:])
    valid = np.ones(image.shape[1:], bool) if valid is None else valid
    for w in windows or [Window(0, 0, *image.shape[1:])]:
        thumbnail.add(image[:, *w.slices], valid[w.slices], w)
    return thumbnail.gray


def scene(seed, shape=(90, 120)):
    rng = np.random.default_rng(seed)
    small = rng.random((3, 10, 12)) * 200
    rows, cols = (np.linspace(0, n - 1, size).round().astype(int) for n, size in zip((10, 12), shape, strict=True))
    return small[:, rows][:, :, cols]


def apart(a, b):
    return int(distance(look_hashes(gray_of(a)), look_hashes(gray_of(b)))[0])


@pytest.mark.parametrize("seed", range(5))
def test_brightness_noise_and_size_change_few_bits_and_other_images_many(seed):
    image = scene(seed)
    noise = np.random.default_rng(seed + 100).normal(0, 4, image.shape)
    assert apart(image, image + 30) == 0
    assert apart(image, image * 1.2 + 10) == 0
    assert apart(image, image + noise) <= 4
    assert apart(image, image.reshape(3, 45, 2, 60, 2).mean(axis=(2, 4))) <= 4
    assert apart(image, scene(seed + 50)) > 16


def test_bands_in_another_order_look_the_same():
    image = scene(1)
    assert apart(image, image[::-1]) == 0


def test_windows_add_up_to_the_whole_image():
    image = scene(2, (75, 101)).astype(np.uint8)
    valid = np.ones((75, 101), bool)
    valid[:20, :33] = False
    windows = [Window(0, 0, 40, 101), Window(40, 0, 35, 50), Window(40, 50, 35, 51)]
    np.testing.assert_allclose(gray_of(image, valid, windows), gray_of(image, valid), rtol=1e-5)


def test_a_cell_is_the_mean_of_its_valid_pixels():
    image = np.zeros((1, 64, 64), np.float32)
    image[0, :2, :2] = [[4, 8], [100, 12]]
    valid = np.ones((64, 64), bool)
    valid[1, 0] = False
    assert gray_of(image, valid)[0, 0] == pytest.approx(8)


def test_cells_without_a_valid_pixel_have_the_mean_of_the_others():
    image = np.full((1, 32, 32), 7, np.uint8)
    valid = np.ones((32, 32), bool)
    valid[:5] = False
    gray = gray_of(image, valid)
    assert gray[0, 0] == 7
    assert not has_texture(gray)


def test_an_image_without_a_valid_pixel_has_no_texture():
    assert not has_texture(gray_of(np.zeros((3, 40, 40), np.uint8), np.zeros((40, 40), bool)))


def test_all_eight_turns_of_an_image_have_their_hash():
    gray = gray_of(scene(4))
    known = set(look_hashes(gray, turns=True).tolist())
    for flipped in (gray, gray[::-1], gray[:, ::-1], gray[::-1, ::-1]):
        for turned in (flipped, flipped.T):
            assert look_hashes(turned)[0] in known
    assert len(known) == 8


def test_thumbnails_confirm_copies_and_refuse_others():
    a, b = gray_of(scene(5)), gray_of(scene(6))
    kept = np.array([keep(a), keep(a * 0.7 + 20), keep(b), keep(b.T[::-1])])
    assert alike(kept, np.array([[0, 1], [0, 2], [2, 3]])).tolist() == [True, False, False]
    assert alike(kept, np.array([[2, 3], [0, 2]]), turns=8).tolist() == [True, False]


def test_a_look_costs_about_a_millisecond():
    import time

    image = np.random.default_rng(0).integers(0, 255, (3, 300, 300), np.uint8)
    start = time.process_time()
    for _ in range(20):
        look_hashes(gray_of(image))
    assert (time.process_time() - start) / 20 < 0.05  # 0.9 ms; the bound leaves room for a busy machine
