"""Which layouts are known: each is described by a file in `known/` and read by the function named there.

A package of somebody else adds one by an entry point of the group `hectares.formats` that gives a `Format`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from hectares.config.source import SourceConfig
from hectares.core.legend import Legend
from hectares.errors import ConfigError
from hectares.formats.options import (
    EVERYWHERE,
    OPTIONS,
    C,
    flag,
    given_options,
    refuse_idle,
    refuse_unknown_classes,
    refuse_unusable,
    with_only,
)
from hectares.io.catalog import Catalog, LabelBy, LabelRules, read_legend
from hectares.io.yaml import read_yaml
from hectares.monitor import Monitor

ENTRY_POINTS = "hectares.formats"


class FormatReader(Protocol):
    """Reads a layout: what is where, not the pixels."""

    def __call__(self, source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
        """Give the catalog of a source. Raises CatalogError or LegendError saying what does not fit."""


@dataclass(frozen=True)
class Format:
    """A known data set layout, and what its files do not say themselves."""

    name: str
    summary: str
    detail: str
    """Files, classes and peculiarities, for `hectares formats NAME`."""
    home: str
    """`module:function` of the reader, imported on first use."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Choices of --images with an explanation; the first is the default."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Choices of --labels with an explanation; the first is the default."""
    options: tuple[str, ...] = OPTIONS
    """Fields of `SourceConfig` that the reader uses; all others are refused where they are given."""
    bands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the bands of each choice of --images, in file order."""
    depth: Mapping[str, int] = field(default_factory=dict)
    """Bits used by each choice of --images, where these are not all of its type."""
    folders: tuple[str, ...] = ()
    """Folders that `init` makes for the user to fill."""
    places: Mapping[str, str] = field(default_factory=dict)
    """What goes into these folders, where the description does not say."""
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Official splits: ids of scenes."""
    gsd_m: float | None = None
    """Metres per pixel, where the files do not say."""
    crs: str | None = None
    """CRS, where the files do not say."""
    label_by: LabelBy = "auto"
    legend: Legend | None = None
    legends: Mapping[str, Legend] = field(default_factory=dict)
    """Legends of those choices of --labels whose classes are not those of `legend`."""
    rules: LabelRules = field(default_factory=LabelRules)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.options) - set(OPTIONS))
        if unknown:
            raise ConfigError(
                f"the layout {self.name} names the option {unknown[0]!r}; known: {', '.join(sorted(OPTIONS))}"
            )

    @property
    def used(self) -> tuple[str, ...]:
        """Options that have an effect in this layout."""
        return tuple(name for name in OPTIONS if name in {*self.options, *EVERYWHERE})

    def only_used(self, config: C) -> C:
        """Give the config without what this layout does not use."""
        return with_only(config, self.used)

    def refuse_unused(self, config: SourceConfig) -> None:
        """Raise ConfigError for an option that this layout does not use, or whose value it does not know."""
        for name in given_options(config):
            if name not in self.used:
                raise ConfigError(f"{flag(name)} has no effect in the layout {self.name}; {used_by(name)}")
        if self.images and config.images is not None:
            self.choose_images(config)
        if self.labels and config.labels is not None:
            self.choose_labels(config)
        refuse_unusable(config)

    def reader(self) -> FormatReader:
        """Import the reader."""
        module, function = self.home.split(":")
        reader: FormatReader = getattr(import_module(module), function)
        return reader

    def read(self, source: Path, config: SourceConfig, monitor: Monitor) -> Catalog:
        """Give the catalog of a source, cut to `config.limit` scenes a split.

        Raises ConfigError for options that have no effect in this layout, or on labels like these.
        """
        self.refuse_unused(config)
        catalog = self.reader()(source, self, config, monitor)
        refuse_idle(config, (s.label for s in catalog.scenes), catalog.rules)
        if config.names is not None:
            from hectares.io.chips.cutting import named_bands  # brings rasterio, which a list of layouts can do without

            catalog = replace(catalog, scenes=tuple(named_bands(s, config.names) for s in catalog.scenes))
        return catalog.first(config.limit)

    def choose_legend(self, config: SourceConfig) -> Legend:
        """Give the legend asked for, else that of the layout. Raises ConfigError if there is none."""
        if config.legend is not None:
            return read_legend(config.legend)
        if self.legends and (variant := self.legends.get(self.choose_labels(config))) is not None:
            return variant
        if self.legend is None:
            raise ConfigError(f"the layout {self.name} has no classes of its own; give them with --legend FILE")
        return self.legend

    def choose_images(self, config: SourceConfig) -> tuple[str, ...]:
        """Give the names of the images asked for, as the layout spells them; its first choice by default."""
        names = tuple(self._choice("images", name) for name in config.image_names) or tuple(self.images)[:1]
        if len(set(names)) < len(names):
            raise ConfigError(f"--images {config.images} names the same images twice")
        return names

    def choose_image(self, config: SourceConfig) -> str:
        """Give the one name of images asked for, where a scene has one file; the first choice by default."""
        names = self.choose_images(config)
        if len(names) > 1:
            raise ConfigError(f"--images {config.images}: scenes of the layout {self.name} have one file; choose one")
        return names[0]

    def choose_labels(self, config: SourceConfig) -> str:
        """Give the name of the labels asked for, as the layout spells it; its first choice by default."""
        return next(iter(self.labels)) if config.labels is None else self._choice("labels", config.labels)

    def choose_by(self, config: SourceConfig) -> LabelBy:
        """Give how label rasters are coded: what is asked for, else what is usual in the layout."""
        return self.label_by if config.label_by == "auto" else config.label_by

    def choose_rules(self, config: SourceConfig, legend: Legend | None = None) -> LabelRules:
        """Give the rules of the layout with what is asked for in their place.

        Raises ConfigError if a class that is asked for is not in the legend, where one is given.
        """
        if legend is not None:
            refuse_unknown_classes(config, legend)
        return replace(
            self.rules,
            nearest=config.nearest or self.rules.nearest,
            erode_px=config.erode_px or self.rules.erode_px,
            background=config.background or self.rules.background,
            priority=config.priority_names or self.rules.priority,
            multilabel=config.multilabel,
            all_touched=config.all_touched,
            skip_bad=config.skip_bad,
        )

    def _choice(self, option: str, wanted: str) -> str:
        known: Mapping[str, str] = getattr(self, option)
        for name in known:
            if name.lower() == wanted.lower():
                return name
        raise ConfigError(
            f"--{option} {wanted} is unknown in the layout {self.name}; known: {', '.join(known) or 'none'}"
        )


@lru_cache(maxsize=1)
def known_formats() -> Mapping[str, Format]:
    """Give all layouts by name: ours, then those of other packages, which may not take a name of ours."""
    folder = files("hectares.formats") / "known"
    paths = sorted(Path(str(p)) for p in folder.iterdir() if p.name.endswith(".yaml"))
    ours = {f.name: f for f in map(_read_format, paths)}
    theirs = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name):
        found = point.load()
        if isinstance(found, Format) and found.name not in ours:
            theirs[found.name] = found
    return ours | theirs


def find_format(name: str) -> Format:
    """Give a format by name. Raises ConfigError listing the known ones."""
    try:
        return known_formats()[name]
    except KeyError:
        raise ConfigError(f"format {name!r} is unknown; known: {', '.join(known_formats())}") from None


def used_by(option: str) -> str:
    """Say which layouts use an option, for messages."""
    return f"it is used by: {', '.join(f.name for f in known_formats().values() if option in f.used)}"


def _read_format(path: Path) -> Format:
    """Read a file of `known/`; its keys are the fields of `Format`, with `reader` for its home."""
    content: dict[str, Any] = read_yaml(path)
    legend = content.pop("legend", None)
    legends = {str(name): Legend.from_json(record) for name, record in content.pop("legends", {}).items()}
    rules: dict[str, Any] = content.pop("rules", {})
    if "priority" in rules:
        rules["priority"] = tuple(rules["priority"])
    return Format(
        name=path.stem,
        home=content.pop("reader"),
        legend=None if legend is None else Legend.from_json(legend),
        legends=legends,
        rules=LabelRules(**rules),
        bands=_tuples(content.pop("bands", {})),
        splits=_tuples(content.pop("splits", {})),
        folders=tuple(content.pop("folders", ())),
        options=tuple(content.pop("options", OPTIONS)),
        **content,
    )


def _tuples(lists: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {str(name): tuple(map(str, values)) for name, values in lists.items()}
