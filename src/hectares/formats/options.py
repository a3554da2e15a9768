"""Which options about a data set were given, and whether they can have an effect: none is ignored in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from hectares.config.source import SourceConfig
from hectares.core.grid import parse_crs
from hectares.core.legend import Legend
from hectares.errors import ConfigError, GridError
from hectares.io.catalog import CocoLabel, Label, LabelRules, RasterLabel, VectorLabel, WktLabel

C = TypeVar("C", bound=SourceConfig)

OPTIONS = tuple(f.name for f in fields(SourceConfig))
"""Options that a reader of a layout may use, by the names of their fields."""
EVERYWHERE = ("band_names", "limit")
"""Options that count in every layout: they are applied to what a reader gives."""
_DEFAULTS = {f.name: f.default for f in fields(SourceConfig)}


def flag(name: str) -> str:
    """Give an option as it is written on the command line.

    >>> flag("class_field")
    '--class-field'
    """
    return f"--{name.replace('_', '-')}"


def given_options(config: SourceConfig) -> tuple[str, ...]:
    """Give the names of the options about the source that differ from their default.

    >>> given_options(SourceConfig(crs="EPSG:32633", limit=3))
    ('crs', 'limit')
    """
    return tuple(name for name in OPTIONS if getattr(config, name) != _DEFAULTS[name])


def with_only(config: C, used: Iterable[str]) -> C:
    """Give the config with defaults for all options about the source that are not used."""
    kept = set(used)
    values: dict[str, Any] = {name: default for name, default in _DEFAULTS.items() if name not in kept}
    return replace(config, **values)


def refuse_unusable(config: SourceConfig) -> None:
    """Raise ConfigError for a CRS that is none."""
    if config.crs is None:
        return
    try:
        parse_crs(config.crs)
    except GridError as error:
        raise ConfigError(f"--crs: {error}") from None


def refuse_unknown_classes(config: SourceConfig, legend: Legend) -> None:
    """Raise ConfigError for classes in --background and --priority that the legend does not have."""
    for option, names in (("background", (config.background,)), ("priority", config.priority_names)):
        for name in names:
            if name is not None and name not in legend.names:
                raise ConfigError(
                    f"{flag(option)} names the class {name!r}, which is not in the legend; "
                    f"known: {', '.join(legend.names)}"
                )


# --- What labels make of an option ------------------------------------------------------------------------


def _is_shape(label: Label) -> bool:
    return not isinstance(label, RasterLabel)


def _is_colored(label: Label) -> bool:
    return isinstance(label, RasterLabel) and label.by in {"auto", "color"}


def _is_burned(label: Label) -> bool:
    return isinstance(label, (VectorLabel, WktLabel))


def _may_be_broken(label: Label) -> bool:
    return isinstance(label, (VectorLabel, WktLabel, CocoLabel))


_NEEDED: Mapping[str, tuple[Callable[[Label], bool], str]] = {
    "background": (_is_shape, "labels that are shapes"),
    "priority": (_is_shape, "labels that are shapes"),
    "all_touched": (_is_burned, "labels in vector files or well-known text"),
    "skip_bad": (_may_be_broken, "labels that are shapes"),
    "nearest": (_is_colored, "label rasters that are read by color; --label-by color does so"),
}


def refuse_idle(config: SourceConfig, labels: Iterable[Label | None], rules: LabelRules) -> None:
    """Raise ConfigError for an option that counts only for labels of a kind that is not there."""
    asked = [name for name in given_options(config) if name in _NEEDED]
    if not asked:
        return
    there = [label for label in labels if label is not None]
    for name in asked:
        needed, what = _NEEDED[name]
        if not any(needed(label) for label in there):
            raise ConfigError(f"{flag(name)} has no effect here: it is used by {what}; there are none")
    if config.priority is not None and rules.multilabel:
        raise ConfigError("--priority has no effect with overlapping classes: each keeps its own plane")
