"""Chips for training: augmentation, order, and what was not observed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.bands import BandStats
from hectares.core.scene import LabelledChip
from hectares.errors import ArtefactError, ConfigError
from hectares.model.augmentation.augment import find_augmentation
from hectares.model.training.dataset import FILLER, ChipDataset, ChipSource, EpochSampler, Key
from hectares.model.training.loader import ChipLoader

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


def _dataset(valid: np.ndarray = VALID, *, augmentation: str = "none", **options: object) -> ChipDataset:
    return ChipDataset(
        [ChipSource(_Chips(valid=valid), lambda _, image: STATS.normalize(image))],
        augmentation=find_augmentation(augmentation),
        **options,
    )


def _labels(images: np.ndarray) -> np.ndarray:
    """A label that is a function of the image: the parity of the second band."""
    return (images[:, 1] % 2).astype(np.uint8)


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
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_longer_epoch_passes_over_all_chips_before_any_comes_again():
    sampler = EpochSampler([4], seed=5, shuffle=True, items=10)
    keys = list(sampler)
    assert len(keys) == len(sampler) == 10
    assert sorted(chip for _, round_, _, chip in keys if round_ == 0) == [0, 1, 2, 3]
    assert sorted(chip for _, round_, _, chip in keys if round_ == 1) == [0, 1, 2, 3]
    assert [round_ for _, round_, _, _ in keys] == [0] * 4 + [1] * 4 + [2] * 2


# --- Augmentation -----------------------------------------------------------------------------------------


def _items(augmentation: str, keys: list[Key], *, seed: int = 0, move: bool = False) -> list[bytes]:
    source = ChipSource(_Chips(), lambda _, image: STATS.normalize(image))
    dataset = ChipDataset([source, source], augmentation=find_augmentation(augmentation), seed=seed, move=move)
    return [b"".join(part.numpy().tobytes() for part in dataset[key]) for key in keys]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["d4", "strong", "mosaic(p=1)"]), st.randoms(use_true_random=False), st.booleans())
def test_an_item_depends_on_its_key_and_the_seed_alone(text: str, chance: object, move: bool):
    keys = [
        (epoch, round_, source, chip) for epoch in (0, 3) for round_ in (0, 1) for source in (0, 1) for chip in (0, 4)
    ]
    shuffled = keys.copy()
    chance.shuffle(shuffled)
    found = dict(zip(shuffled, _items(text, shuffled, move=move), strict=True))
    assert [found[key] for key in keys] == _items(text, keys, move=move)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_does_not_matter(threads: int):
    def epoch(threads: int, start: int = 0) -> list[bytes]:
        sampler = EpochSampler([6], seed=1, shuffle=True, items=20)
        dataset = _dataset(augmentation="mosaic(p=1)+strong", move=True, seed=1)
        loader = ChipLoader(dataset, sampler, batch=2, threads=threads)
        loader.start_at(start)
        return [b"".join(part.numpy().tobytes() for part in batch) for batch in loader]

    assert epoch(threads) == epoch(0)
    assert epoch(threads, start=4) == epoch(0)[4:]


@pytest.mark.parametrize("place", range(4))
def test_each_part_of_a_key_counts(place: int):
    keys: list[Key] = [(0, 0, 0, 0)] * 2
    keys[1] = tuple(int(n == place) for n in range(4))
    one, two = _items("brightness", keys)
    assert one != two


def test_the_seed_counts():
    assert _items("brightness", [(0, 0, 0, 0)]) != _items("brightness", [(0, 0, 0, 0)], seed=1)


def test_chips_are_mixed_with_chips_of_their_own_source():
    class _Flat:
        def __init__(self, values: list[int]) -> None:
            self._values = values

        def __len__(self) -> int:
            return len(self._values)

        def read(self, number: int, shift: object = None) -> LabelledChip:
            value = self._values[number]
            return LabelledChip(np.full((1, 6, 6), value), np.ones((6, 6), bool), np.full((6, 6), value, np.uint8))

    sources = [ChipSource(_Flat(v), lambda _, image: image.astype(np.float32)) for v in ([1, 2, 3], [7, 8, 9])]
    dataset = ChipDataset(sources, augmentation=find_augmentation("mosaic(p=1)"))
    for source, values in ((0, {1, 2, 3}), (1, {7, 8, 9})):
        drawn = [dataset[epoch, 0, source, 0] for epoch in range(8)]
        assert {int(v) for _, label in drawn for v in label.unique()} == values
        assert all(torch.equal(image[0].long(), label) for image, label in drawn)


def test_a_damaged_chip_is_not_mixed_with():
    class _Damaged(_Chips):
        def read(self, number: int, shift: object = None) -> LabelledChip:
            if number == 3:
                raise ArtefactError("chip 3 is damaged")
            return super().read(number)

    source = ChipSource(_Damaged(), lambda _, image: STATS.normalize(image))
    dataset = ChipDataset([source], augmentation=find_augmentation("mosaic(p=1)"))
    for epoch in range(20):
        assert len(dataset[epoch, 0, 0, 1]) == 2
    with pytest.raises(ArtefactError):
        dataset[0, 0, 0, 3]


def test_the_spread_of_a_source_is_the_unit_of_brightness():
    def changed(spread: float) -> float:
        source = ChipSource(_Chips(), lambda _, image: STATS.normalize(image), spread=np.full(2, spread, np.float32))
        plain, bright = (
            ChipDataset([source], augmentation=find_augmentation(text))[0, 0, 0, 0][0]
            for text in ("none", "brightness")
        )
        return float((bright - plain)[0].mean())

    assert changed(4.0) == pytest.approx(4 * changed(1.0), rel=1e-3)


# --- Labels and weights -----------------------------------------------------------------------------------


def _relabelled(lookup: np.ndarray) -> ChipDataset:
    scale, relabel = STATS.normalize, lookup.__getitem__
    return ChipDataset([ChipSource(_Chips(), lambda _, image: scale(image), relabel=relabel)])


def test_weights_are_those_of_the_label_that_comes_out():
    dataset = _dataset(augmentation="d4+erase(p=1)", weigh=lambda label: label.astype(np.float32) * 0.5)
    _, label, weights = dataset[0, 0, 0, 1]
    assert (weights.dtype, tuple(weights.shape)) == (torch.float32, (5, 5))
    assert torch.equal(weights, label.float() * 0.5)
    assert (label == 255).any()


def test_a_filler_has_no_label():
    image, label = _dataset()[0, FILLER, 0, 1]
    assert (label == 255).all()
    assert tuple(image.shape) == (2, 5, 5)


# --- Going on, and several devices ------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(0, 50), st.integers(1, 4), st.booleans())
def test_an_epoch_goes_on_where_it_was_left(chips: int, done: int, ranks: int, shuffle: bool):
    whole, resumed = (EpochSampler([chips, 3], seed=2, shuffle=shuffle) for _ in range(2))
    for sampler in (whole, resumed):
        sampler.shard(ranks - 1, ranks)
        sampler.set_epoch(5)
    resumed.start_at(done)
    assert list(resumed) == list(whole)[done:]
    assert list(resumed) == list(whole), "only the next epoch begins later"
    assert len(resumed) == len(list(whole))


def test_where_to_start_outlasts_the_setting_of_the_epoch():
    sampler = EpochSampler([4], seed=2, shuffle=True)
    sampler.start_at(3)
    sampler.set_epoch(1)
    assert len(list(sampler)) == 1


@given(st.integers(1, 30), st.integers(1, 5), st.booleans(), st.integers(0, 3))
def test_devices_share_an_epoch_evenly(chips: int, ranks: int, shuffle: bool, epoch: int):
    parts = []
    for rank in range(ranks):
        sampler = EpochSampler([chips], seed=2, shuffle=shuffle)
        sampler.shard(rank, ranks)
        sampler.set_epoch(epoch)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler)
    assert len({len(part) for part in parts}) == 1
    keys = [key for part in parts for key in part]
    assert sorted(chip for _, round_, _, chip in keys if round_ == 0) == list(range(chips))
    assert {round_ for _, round_, _, _ in keys} <= ({0, 1, 2, 3, 4} if shuffle else {0, FILLER})
    assert not shuffle or len(set(keys)) == len(keys)


def test_batches_of_devices_together_are_a_batch_of_one():
    alone = EpochSampler([12], seed=2, shuffle=True)
    parts = []
    for rank in range(3):
        sampler = EpochSampler([12], seed=2, shuffle=True)
        sampler.shard(rank, 3)
        parts.append(list(sampler))
    batch = 2
    first = {key for part in parts for key in part[:batch]}
    assert first == set(list(alone)[: 3 * batch])


def test_a_rank_beyond_the_devices_is_refused():
    with pytest.raises(ValueError, match="rank 2 is not one of 2"):
        EpochSampler([3], seed=0, shuffle=True).shard(2, 2)


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
