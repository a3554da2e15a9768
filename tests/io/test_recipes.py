"""Recipes of runs to compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from hectares.config.compare import CompareConfig
from hectares.config.plan import plan_runs
from hectares.errors import ConfigError
from hectares.io.recipes import check_names, find_recipe, read_recipe, recipe_files


def test_the_recipes_that_are_promised_are_there():
    assert {"pretrained-vs-scratch", "rgb-vs-all", "floors", "unets", "losses"} <= set(recipe_files())


@pytest.mark.parametrize("name", sorted(recipe_files()))
def test_a_ready_recipe_has_only_options_that_training_knows(name):
    recipe = read_recipe(find_recipe(name))
    weights = "imagenet" if "WEIGHTS" in recipe.path.read_text() and name.startswith("pretrained") else None
    plan = plan_runs(recipe.runs, recipe.shared, CompareConfig(recipe=name, weights=weights), {}, name)
    assert len(plan) >= 2
    losses, zoo = pytest.importorskip("hectares.model.loss.losses"), pytest.importorskip("hectares.model.networks.zoo")
    for config in plan.values():
        losses.find_loss(config.loss)
        zoo.network_options(config.network, encoder=config.encoder, width=config.width, size_px=256)


def test_a_file_is_taken_by_its_suffix_and_an_unknown_name_refused_with_similar_ones():
    assert find_recipe("mine/own.yaml") == Path("mine/own.yaml")
    with pytest.raises(ConfigError, match="losses"):
        find_recipe("loses")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {lr: 0.1}\n", r"has 1 run\(s\); a comparison needs two or more"),
        ("- a\n- b\n", r"expected names of runs"),
        ("a: 3\nb: {}\n", r"a is 3; expected options of train"),
        ("a: {}\nA: {}\n", r"two runs are called 'a' and 'A'; their files collide"),
        ("a/b: {}\nc: {}\n", r"a run cannot be called 'a/b'"),
        ("comparison: {}\nc: {}\n", r"a run cannot be called 'comparison'"),
        ("a: {drop-at: 1, drop_at: 2}\nb: {}\n", r"a has an option twice"),
        ("a: {\n", r"is not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_with_the_place(tmp_path, text, message):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_recipe(path)


def test_names_that_are_files_of_another_run_are_refused():
    with pytest.raises(ConfigError, match=r"cannot be called 'a\.scores'"):
        check_names(["a", "a.scores"], "here")
