"""Chips for training: augmentation, order, and what was not observed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hectares.core.bands import BandStats
from hectares.core.scene import LabelledChip
from hectares.errors import ConfigError
from hectares.model.augment import choose_element, dihedral
from hectares.model.dataset import ChipDataset, ChipSource, EpochSampler

STATS = BandStats(("a", "b"), (10.0, 0.0), (2.0, 1.0))
RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 250, (6, 2, 5, 5), dtype=np.uint8)
VALID = np.ones((6, 5, 5), np.uint8)
VALID[2, 1, 3] = 0


class _Chips:
    """Chips in memory; one that is moved says so in its first pixel."""

    def __init__(self, images: np.ndarray = IMAGES, valid: np.ndarray = VALID) -> None:
        self._images, self._valid = images, valid

    def __len__(self) -> int:
        return len(self._images)

    def read(self, number: int, shift: tuple[float, float] | None = None) -> LabelledChip:
        image = self._images[number]
        if shift is not None:
            image = image.copy()
            image[0, 0, 0] = int(200 * shift[0])
        return LabelledChip(image, self._valid[number].astype(bool), _labels(image[None])[0])


def _dataset(valid: np.ndarray = VALID, **options: object) -> ChipDataset:
    return ChipDataset([ChipSource(_Chips(valid=valid), lambda _, image: STATS.normalize(image))], **options)


def _labels(images: np.ndarray) -> np.ndarray:
    """A label that is a function of the image: the parity of the second band."""
    return (images[:, 1] % 2).astype(np.uint8)


# --- Augmentation -----------------------------------------------------------------------------------------


def test_there_are_eight_symmetries():
    array = np.arange(9).reshape(3, 3)
    assert len({dihedral(array, e).tobytes() for e in range(8)}) == 8
    assert np.array_equal(dihedral(array, 0), array)


@pytest.mark.parametrize("element", range(8))
def test_a_symmetry_of_an_oblong_keeps_all_pixels(element: int):
    array = np.arange(30).reshape(2, 3, 5)
    turned = dihedral(array, element)
    assert turned.shape == ((2, 5, 3) if element & 4 else (2, 3, 5))
    assert all(sorted(t.ravel()) == sorted(a.ravel()) for t, a in zip(turned, array, strict=True))


@pytest.mark.parametrize("element", range(8))
def test_image_and_label_stay_aligned(element: int):
    image, label = IMAGES[0], _labels(IMAGES)[0]
    assert np.array_equal(_labels(dihedral(image, element)[None])[0], dihedral(label, element))


@given(st.sampled_from(["none", "flips", "d4"]), st.integers(0, 99), st.integers(0, 20), st.integers(0, 99))
def test_the_choice_is_a_function_of_seed_epoch_and_chip(name: str, seed: int, epoch: int, chip: int):
    element = choose_element(name, seed=seed, epoch=epoch, round_=0, chip=chip)
    assert element == choose_element(name, seed=seed, epoch=epoch, round_=0, chip=chip)
    assert 0 <= element < {"none": 1, "flips": 4, "d4": 8}[name]


def test_every_symmetry_is_chosen_sometimes():
    assert {choose_element("d4", seed=0, epoch=e, round_=0, chip=c) for e in range(9) for c in range(9)} == set(
        range(8)
    )


# --- Items ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("augmentation", ["none", "flips", "d4"])
def test_items_stay_aligned_through_augmentation(augmentation: str):
    dataset = _dataset(np.ones_like(VALID), augmentation=augmentation, seed=3)
    for epoch in range(4):
        for chip in range(6):
            image, label = dataset[epoch, 0, 0, chip]
            assert torch.equal(image[1].round().long() % 2, label)


def test_items_are_normalized_and_typed():
    image, label = _dataset()[0, 0, 0, 1]
    assert np.allclose(image[0].numpy(), (IMAGES[1, 0].astype(float) - 10) / 2)
    assert (image.dtype, label.dtype, tuple(image.shape), tuple(label.shape)) == (
        torch.float32,
        torch.int64,
        (2, 5, 5),
        (5, 5),
    )


def test_what_was_not_observed_is_0_the_mean():
    image, _ = _dataset()[0, 0, 0, 2]
    assert image[:, 1, 3].tolist() == [0, 0]


def test_the_stored_chips_are_left_alone():
    before = IMAGES.copy()
    dataset = _dataset(augmentation="d4")
    for chip in range(len(dataset)):
        image, label = dataset[0, 0, 0, chip]
        image += 1
        label += 1
    assert np.array_equal(IMAGES, before)


# --- Order ------------------------------------------------------------------------------------------------


def _order(sampler: EpochSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    keys = list(sampler)
    assert {e for e, _, _, _ in keys} == {epoch}
    return [chip for _, _, _, chip in keys]


@given(st.integers(1, 40), st.integers(0, 9), st.integers(0, 9))
def test_every_chip_comes_once_an_epoch(chips: int, seed: int, epoch: int):
    sampler = EpochSampler([chips], seed=seed, shuffle=True)
    assert sorted(_order(sampler, epoch)) == list(range(chips))
    assert len(sampler) == chips


def test_the_order_is_a_function_of_seed_and_epoch():
    one, two = (EpochSampler([30], seed=5, shuffle=True) for _ in range(2))
    _order(one, 0)
    assert _order(one, 3) == _order(two, 3)
    assert _order(one, 3) != _order(one, 4)
    assert _order(one, 3) != _order(EpochSampler([30], seed=6, shuffle=True), 3)


def test_validation_is_in_order():
    assert _order(EpochSampler([5], seed=1, shuffle=False), 7) == [0, 1, 2, 3, 4]


def test_the_order_leaves_global_randomness_alone():
    np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    _order(EpochSampler([30], seed=5, shuffle=True), 1)
    choose_element("d4", seed=1, epoch=1, round_=0, chip=1)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_longer_epoch_passes_over_all_chips_before_any_comes_again():
    sampler = EpochSampler([4], seed=5, shuffle=True, items=10)
    keys = list(sampler)
    assert len(keys) == len(sampler) == 10
    assert sorted(chip for _, round_, _, chip in keys if round_ == 0) == [0, 1, 2, 3]
    assert sorted(chip for _, round_, _, chip in keys if round_ == 1) == [0, 1, 2, 3]
    assert [round_ for _, round_, _, _ in keys] == [0] * 4 + [1] * 4 + [2] * 2


def test_a_second_pass_is_augmented_anew():
    first, second = ([choose_element("d4", seed=1, epoch=0, round_=r, chip=c) for c in range(30)] for r in (0, 1))
    assert first != second


# --- Several sources --------------------------------------------------------------------------------------


def test_sources_fill_their_shares_of_an_epoch():
    sampler = EpochSampler([8, 3], weights=[1.0, 0.5], seed=2, shuffle=True)
    keys = list(sampler)
    assert len(keys) == len(sampler) == 12
    assert sorted(chip for _, _, source, chip in keys if source == 0) == list(range(8))
    assert [sum(s == 1 and c == chip for _, _, s, c in keys) for chip in range(3)] in ([1, 1, 2], [1, 2, 1], [2, 1, 1])


def test_sources_are_shuffled_into_each_other():
    sources = [source for _, _, source, _ in EpochSampler([20, 20], weights=[1, 1], seed=2, shuffle=True)]
    assert sources != sorted(sources)


def test_a_source_without_a_share_is_refused():
    with pytest.raises(ConfigError, match="must be positive"):
        EpochSampler([3, 3], weights=[1, 0], seed=0, shuffle=True)


def test_the_second_source_gives_its_own_chips():
    other = ChipSource(_Chips(IMAGES[::-1].copy(), np.ones_like(VALID)), lambda _, image: image.astype(np.float32))
    first = ChipSource(_Chips(), lambda _, image: image.astype(np.float32))
    image, _ = ChipDataset([first, other])[0, 0, 1, 0]
    assert np.array_equal(image.numpy(), IMAGES[5])


def test_a_chip_is_moved_by_seed_epoch_and_number_alone():
    def moved(seed: int, epoch: int) -> list[float]:
        dataset = _dataset(move=True, seed=seed)
        return [float(dataset[epoch, 0, 0, chip][0][0, 0, 0]) for chip in range(6)]

    assert moved(1, 2) == moved(1, 2)
    assert moved(1, 2) != moved(1, 3)
    assert moved(1, 2) != moved(2, 2)


def test_rare_chips_come_more_often_and_no_chip_is_left_out():
    repeats = np.array([1.0, 1.0, 2.5])
    counts = np.zeros(3)
    for epoch in range(40):
        sampler = EpochSampler([3], repeats=[repeats], seed=1, shuffle=True, items=9)
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(set(keys)) == len(keys) == 9
        counts += np.bincount([chip for *_, chip in keys], minlength=3)
    assert counts[2] / counts[0] == pytest.approx(2.5, rel=0.25)
    assert counts.min() > 0
