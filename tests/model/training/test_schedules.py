"""The learning rate over time, and when training ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.model.training.schedules import best_epoch, drop_share, lr_share, plateau_share, should_stop


@pytest.mark.parametrize("schedule", ["none", "cosine", "poly", "plateau", "drop"])
@given(step=st.integers(0, 200), steps=st.integers(1, 150), warm_up=st.none() | st.floats(0, 0.99))
def test_a_share_lies_between_nothing_and_all(schedule, step, steps, warm_up):
    assert 0 <= lr_share(schedule, step, steps, warm_up=warm_up) <= 1


def test_the_rate_rises_in_equal_steps_and_is_whole_after_the_warm_up():
    shares = [lr_share("none", step, 20, warm_up=0.2) for step in range(6)]
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_poly_falls_with_the_power_of_nine_tenths():
    assert lr_share("poly", 3, 10, warm_up=0) == pytest.approx(0.7**0.9)


def test_a_plateau_cuts_after_as_many_epochs_as_patience_says():
    losses = [1.0, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert [round(plateau_share(losses[:n], patience=2), 3) for n in range(2, 8)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_a_plateau_never_cuts_below_the_smallest_rate():
    assert plateau_share([1.0] * 50, smallest=0.002) == 0.002


def test_a_loss_that_falls_by_almost_nothing_is_a_plateau():
    assert plateau_share([1.0, 0.99999, 0.99998, 0.99997], patience=3) == 0.1


def test_the_rate_is_cut_after_each_named_epoch():
    assert [drop_share(epoch, (1, 3)) for epoch in (1, 2, 3, 4)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_the_first_of_equal_epochs_is_the_best():
    assert best_epoch([0.5, 0.3, 0.3]) == 1
    assert best_epoch([0.5, 0.7, 0.7], highest=True) == 1


def test_an_epoch_without_a_score_is_never_the_best():
    assert best_epoch([math.nan, 0.3]) == 1
    assert best_epoch([math.nan, 0.3], highest=True) == 1


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 5))
def test_training_ends_when_the_best_epoch_is_as_old_as_patience(losses, patience):
    ended = next((n for n in range(1, len(losses) + 1) if should_stop(losses[:n], patience)), None)
    if ended is not None:
        assert ended - 1 == best_epoch(losses[:ended]) + patience


@pytest.mark.parametrize("patience", [None, 0])
def test_without_patience_training_does_not_end(patience):
    assert not should_stop([0.1, 1.0, 1.0, 1.0], patience)
