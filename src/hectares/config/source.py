"""Knobs of everything that reads a data set in its own layout: `prepare`, `labels`, `check`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError

_MOST_ERODED_PX = 256
"""Each window is read with a margin of this; benchmarks take 3."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """What to read of a data set, and how its labels are meant."""

    legend: Path | None = None
    """Legend file (JSON or YAML): the classes, their codes or colors, and what to ignore."""
    images: str | None = None
    """Which images of the layout, joined by +, the first giving the grid: RGB+DSM; see `hectares formats NAME`."""
    labels: str | None = None
    """Which labels of the layout (all, eroded ...), or for `vectors` the file of labels, as FILE or FILE:LAYER."""
    class_field: str | None = None
    """Attribute of vector labels that names the class; without it every shape is the one class of the legend."""
    aoi: Path | None = None
    """Vector file of what was labelled: outside of its areas everything is unlabelled."""
    background: str | None = None
    """Class of pixels that no shape covers; without it they are unlabelled, unless the layout says otherwise."""
    priority: str | None = None
    """Classes from bottom to top where shapes overlap: road,tree,car; by default the order of the legend."""
    multilabel: bool = False
    """Keep overlapping classes: one yes-or-no plane a class instead of one class a pixel."""
    all_touched: bool = False
    """Burn every pixel that a shape touches, instead of those whose center it covers."""
    crs: str | None = None
    """CRS of vector labels or images whose file names none: EPSG:32633."""
    label_by: Literal["auto", "code", "color", "threshold"] = "auto"
    """How label rasters are coded; threshold takes a color channel above 127 for 255; auto knows the layout."""
    nearest: int = 0
    """Accept label colors that differ by at most this from a legend color (0 to 255)."""
    erode_px: int = 0
    """Ignore label pixels within this distance of a class border, as benchmarks do (ISPRS: 3)."""
    skip_bad: bool = False
    """Leave out shapes and annotations that are broken, and list them, instead of refusing."""
    allow_unmatched: bool = False
    """Leave out images without a label and labels without an image, instead of refusing."""
    band_names: str | None = None
    """Names of the bands in the files, in file order, where the files do not say: B01,B02,B03."""
    limit: int | None = None
    """Take only the first N scenes (of each split, where the source has splits)."""

    def __post_init__(self) -> None:
        at_least(1, limit=self.limit)
        between(0, _MOST_ERODED_PX, erode_px=self.erode_px)
        between(0, 255, nearest=self.nearest)
        for option, mark in (("images", "+"), ("priority", ",")):
            text: str | None = getattr(self, option)
            parts = [] if text is None else [part.strip() for part in text.split(mark)]
            if not all(parts):
                raise ConfigError(f"--{option} is {text!r}; expected names with {mark} between them")
            twice = next((part for part in parts if parts.count(part) > 1), None)
            if twice is not None:
                raise ConfigError(f"--{option} is {text!r}, which names {twice} twice")
        _ = self.names

    def settings(self) -> dict[str, Any]:
        """Give the options as an artefact keeps them: of a file its name, as its folder is that of one machine."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: _named(value) for key, value in found.items()}

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the bands in the files; None if the files say."""
        if self.band_names is None:
            return None
        names = tuple(n.strip() for n in self.band_names.split(","))
        if not all(names) or len(set(names)) < len(names):
            raise ConfigError(f"--band-names is {self.band_names!r}; expected a name of its own for each: B01,B02,B03")
        return names

    @property
    def image_names(self) -> tuple[str, ...]:
        """Names of the wanted images, as given; empty if the layout shall choose."""
        return tuple(n.strip() for n in (self.images or "").split("+") if n.strip())

    @property
    def priority_names(self) -> tuple[str, ...]:
        """Classes from bottom to top; empty if the layout shall choose."""
        return tuple(n.strip() for n in (self.priority or "").split(",") if n.strip())


def _named(value: object) -> object:
    """Give the name of a file.

    >>> _named(Path("there/legend.json")), _named("/home/ann/split.csv"), _named("train/labels"), _named(3)
    ('legend.json', 'split.csv', 'train/labels', 3)
    """
    if isinstance(value, str) and not (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return value
    return PureWindowsPath(value).name if isinstance(value, (str, Path)) else value
