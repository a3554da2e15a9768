"""From a recipe to the options of each of its runs."""

from __future__ import annotations

import pytest

from hectares.config.compare import CompareConfig
from hectares.config.plan import plan_runs
from hectares.errors import ConfigError

RUNS = {"plain": {"loss": "ce"}, "weighed": {"loss": "ce", "balance": "median"}}


def plan(runs=RUNS, shared=None, background=None, **options):
    config = CompareConfig(recipe="r.yaml", **options)
    return plan_runs(runs, shared or {}, config, background or {}, "r.yaml")


def test_what_stands_nearer_to_the_run_counts_more():
    runs = {"a": {"lr": 0.5}, "b": {}}
    found = plan(runs, {"epochs": 3, "width": 4}, {"epochs": "7", "width": "8", "augment": "none"}, epochs=5)
    assert [(c.epochs, c.width, c.augment) for c in found.values()] == [(5, 4, "none")] * 2
    assert (found["a"].lr, found["b"].lr) == (0.5, 0.001)


def test_options_for_all_runs_come_from_the_command():
    found = plan(epochs=2, steps_per_epoch=3, batch="auto", seed=9, device="cpu", train=("lr=0.1", "clip=0"))["plain"]
    assert (found.epochs, found.steps_per_epoch, found.batch, found.seed) == (2, 3, "auto", 9)
    assert (found.device, found.lr, found.clip) == ("cpu", 0.1, 0.0)


def test_an_option_in_which_the_runs_differ_cannot_be_set_for_all():
    with pytest.raises(ConfigError, match=r"r\.yaml: plain sets loss itself"):
        plan(train=("loss=focal",))


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"r\.yaml: b: the option 'los' is unknown; did you mean loss"):
        plan({"a": {}, "b": {"los": "ce"}})
    with pytest.raises(ConfigError, match=r"--train: the option 'epoch' is unknown; did you mean epochs"):
        plan(train=("epoch=3",))


def test_weights_of_the_command_fill_their_place():
    runs = {"scratch": {"weights": "none"}, "pretrained": {"weights": "WEIGHTS"}}
    found = plan(runs, {"network": "unet"}, weights="imagenet")
    assert [c.weights for c in found.values()] == ["none", "imagenet"]
    with pytest.raises(ConfigError, match=r"pretrained starts from weights; say which with --weights"):
        plan(runs)
    with pytest.raises(ConfigError, match=r"so --weights imagenet has no use"):
        plan(weights="imagenet")


def test_options_of_training_need_a_recipe():
    with pytest.raises(ConfigError, match=r"--steps-per-epoch is for runs that are trained now; give --recipe"):
        CompareConfig(steps_per_epoch=3)
    with pytest.raises(ConfigError, match=r"--train 'lr' is not OPTION=VALUE"):
        CompareConfig(recipe="unets", train=("lr",))
