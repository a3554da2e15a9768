"""The generated town: reproducible, consistent with its labels, and a fair task."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
import shapely

from hectares.generate import BANDS, CLASSES, Town, generate_town
from hectares.generate.canvas import Canvas
from hectares.generate.legend import Code
from hectares.generate.light import Sun, cast_shadow, illuminate
from hectares.generate.noise import smooth_noise
from hectares.generate.sensor import footprint
from hectares.generate.subdivision import subdivide

SMALL = (256, 384)
MODERATE = (768, 1536)


@cache
def _town(shape: tuple[int, int] = SMALL, seed: int = 7) -> Town:
    return generate_town(shape, seed=seed)


def _digest(town: Town) -> str:
    parts = [town.image.tobytes(), town.label.tobytes(), town.valid.tobytes()]
    parts += [name.encode() + polygon.wkb for name, polygon in town.districts]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_same_seed_gives_the_same_bytes():
    assert _digest(generate_town(SMALL, seed=7)) == _digest(_town())


def test_other_seed_gives_another_town():
    first, second = _town(), _town(seed=8)
    assert (first.label != second.label).mean() > 0.2
    assert not np.array_equal(first.image, second.image)


@pytest.mark.parametrize("shape", [SMALL, (300, 200), (128, 640)])
def test_arrays_have_the_promised_shape_and_type(shape: tuple[int, int]):
    town = _town(shape)
    assert (town.image.shape, town.image.dtype) == ((len(BANDS), *shape), np.uint16)
    assert (town.label.shape, town.label.dtype) == (shape, np.uint8)
    assert (town.valid.shape, town.valid.dtype) == (shape, np.bool_)


@pytest.mark.parametrize("shape", [SMALL, MODERATE])
def test_nodata_is_the_same_in_image_label_and_mask(shape: tuple[int, int]):
    town = _town(shape)
    assert np.array_equal(town.label > 0, town.valid)
    assert np.array_equal((town.image > 0).all(axis=0), town.valid)
    assert np.array_equal((town.image > 0).any(axis=0), town.valid)
    west, east = np.array_split(town.valid, 2, axis=1)
    assert 0.8 < west.mean() < 1.0
    assert 0.8 < east.mean() < 1.0


def test_codes_are_the_declared_ones_in_order():
    assert [code for code, _, _ in CLASSES] == [1, 2, 3, 4, 5, 6, 7]
    assert [code for code, _, _ in CLASSES] == [int(code) for code in Code]
    assert len({color for _, _, color in CLASSES}) == len(CLASSES)
    assert set(np.unique(_town().label)) <= {0, *(code for code, _, _ in CLASSES)}


def test_every_class_covers_enough_of_both_halves():
    for half in np.array_split(_town(MODERATE).label, 2, axis=1):
        counts = np.bincount(half.ravel(), minlength=8)
        shares = counts[1:] / counts[1:].sum()
        assert shares.min() >= 0.015, dict(zip([name for _, name, _ in CLASSES], shares, strict=True))


def test_values_leave_room_on_both_ends_of_the_scale():
    town = _town(MODERATE)
    values = town.image[:, town.valid]
    assert values.max() <= 2047
    assert (values >= 2047).mean() < 0.001
    assert values.std(axis=1).min() > 50


@pytest.mark.parametrize("shape", [SMALL, MODERATE])
@pytest.mark.parametrize("seed", [7, 8])
def test_districts_tile_the_extent(shape: tuple[int, int], seed: int):
    town = _town(shape, seed)
    height, width = shape
    left, top = town.transform.c, town.transform.f
    extent = shapely.box(left, top - height * 0.5, left + width * 0.5, top)
    polygons = [polygon for _, polygon in town.districts]
    assert all(polygon.is_valid for polygon in polygons)
    assert shapely.union_all(polygons).symmetric_difference(extent).area <= 1e-6 * extent.area
    assert sum(polygon.area for polygon in polygons) == pytest.approx(extent.area, rel=1e-6)
    assert len({name for name, _ in town.districts}) == len(polygons)


def test_a_moderate_town_has_five_or_six_districts():
    assert len(_town(MODERATE).districts) in {5, 6}


def test_vegetation_is_bright_in_the_near_infrared_and_water_is_not():
    town = _town(MODERATE)
    nir = {code: np.median(town.image[3][town.label == code]) for code, _, _ in CLASSES}
    assert nir[Code.GRASS] > 2 * nir[Code.WATER]
    assert nir[Code.TREE] > 1.5 * nir[Code.WATER]


def test_pixels_alone_do_not_tell_the_classes_apart():
    """A Gaussian per class on the bands, fitted on the west, must not map the east well."""
    town = _town(MODERATE)
    west, east = np.array_split(np.arange(town.label.shape[1]), 2)

    def pixels(cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        label = town.label[:, cols].ravel()[::7]
        return town.image[:, :, cols].reshape(4, -1).T[::7][label > 0].astype(float), label[label > 0]

    (known, known_code), (seen, seen_code) = pixels(west), pixels(east)
    scores = []
    for code, _, _ in CLASSES:
        own = known[known_code == code]
        precision = np.linalg.inv(np.cov(own.T))
        away = seen - own.mean(axis=0)
        scores.append(np.linalg.slogdet(precision)[1] - ((away @ precision) * away).sum(axis=1))
    guess = np.argmax(scores, axis=0) + 1
    ious = [
        ((guess == code) & (seen_code == code)).sum() / ((guess == code) | (seen_code == code)).sum()
        for code, _, _ in CLASSES
    ]
    assert np.mean(ious) < 0.5, ious


def _tower(height_m: float) -> Canvas:
    canvas = Canvas.blank((80, 80), 0.5)
    canvas.reflectance[:] = 0.3
    canvas.height_m[40:46, 40:46] = height_m
    canvas.label[40:46, 40:46] = Code.BUILDING
    return canvas


def test_shadow_points_away_from_the_sun_and_is_as_long_as_the_sun_is_low():
    sun = Sun(azimuth_deg=180.0, elevation_deg=45.0)
    shadow = cast_shadow(_tower(8.0).height_m, sun, 0.5)
    north, south = shadow[:40, 42], shadow[46:, 42]
    assert not south.any()
    assert (north > 0.5).sum() == pytest.approx(8.0 / 0.5, abs=1)
    assert shadow[40:46, 40:46].max() == 0.0


def test_shadow_darkens_the_light_but_leaves_labels_alone():
    canvas = _tower(8.0)
    before = canvas.label.copy()
    lit = illuminate(_tower(0.0), Sun(), np.zeros((80, 80), np.float32))
    shaded = illuminate(canvas, Sun(), np.zeros((80, 80), np.float32))
    assert (shaded < 0.4 * lit).sum() > 200
    assert np.array_equal(canvas.label, before)


def test_smooth_noise_is_smooth_and_of_unit_variance():
    field = smooth_noise(np.random.default_rng(1), (400, 400), 8.0)
    assert field.std() == pytest.approx(1.0, abs=0.15)
    assert np.abs(np.diff(field, axis=1)).max() < 1.0


def test_subdivision_keeps_the_area():
    whole = shapely.box(0, 0, 300, 200)
    pieces, cuts = subdivide(np.random.default_rng(2), whole, 5000.0)
    assert len(pieces) > 6
    assert len(cuts) >= len(pieces) - 1
    assert sum(piece.area for piece in pieces) == pytest.approx(whole.area, rel=0.02)
    assert max(piece.area for piece in pieces) <= 7500.0


def test_footprint_leaves_a_wedge_on_either_side():
    valid = footprint((100, 200))
    assert not valid[-1, 0]
    assert not valid[0, -1]
    assert valid[0, 0]
    assert valid[-1, -1]
