"""From a recipe to the options of each of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hectares.config.compare import CompareConfig
from hectares.config.filling import field_name, fill
from hectares.config.train import TrainConfig
from hectares.errors import ConfigError

PLACEHOLDER = "WEIGHTS"
Options = Mapping[str, Any]


def plan_runs(
    runs: Mapping[str, Options], shared: Options, config: CompareConfig, background: Options, where: str
) -> dict[str, TrainConfig]:
    """Give the options of each run: `background`, under `shared`, under those of the command, under its own.

    `where` is the recipe, for messages. Raises ConfigError for options that are unknown or do not fit, and for one
    that the command sets for all runs although they differ in it.
    """
    asked = _named(config.shared, "--train")
    ground = {**_named(background, "preset or --config"), **_named(shared, f"{where}: all"), **asked}
    plan, filled = {}, False
    for name, given in runs.items():
        own = _named(given, f"{where}: {name}")
        clash = [key for key in own if key in asked]
        if clash:
            told = clash[0].replace("_", "-")
            raise ConfigError(f"{where}: {name} sets {told} itself; do not give it for all runs")
        options = {**ground, **own}
        if options.get("weights") == PLACEHOLDER:
            if config.weights is None:
                raise ConfigError(f"{where}: {name} starts from weights; say which with --weights FILE, or imagenet")
            options["weights"], filled = config.weights, True
        plan[name] = fill(TrainConfig, options, f"{where}: {name}")
    if config.weights is not None and not filled:
        raise ConfigError(f"{where}: no run has weights: {PLACEHOLDER}, so --weights {config.weights} has no use")
    return plan


def _named(options: Options, where: str) -> dict[str, Any]:
    return {field_name(TrainConfig, key, where): value for key, value in options.items()}
