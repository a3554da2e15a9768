"""Options of a command by purpose, for `--help`: the table, and how its panels are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

REST = "More options"
"""Where an option comes that the table does not name."""

_TRAIN = {
    "Data": "bands mix only repeat-rare steps-per-epoch",
    "Network and weights": "network encoder width network-option weights weights-bands weights-download freeze-epochs "
    "unfreeze-every",
    "Loss and balance": "loss pixel-weights balance",
    "Optimization": "epochs batch accumulate optimizer lr encoder-lr weight-decay momentum schedule drop-at warm-up "
    "plateau-patience plateau-factor smallest-lr clip ema patience choose-by",
    "Augmentation": "augment",
    "Running and resuming": "device devices nodes precision compile threads log checkpoint-minutes seed",
}
_PREDICT = {
    "Scene": "bidx gsd-tolerance resample aoi allow-remote out-of-range",
    "Many scenes, one map": "mosaic overlap-rule crs gsd-m",
    "Windows": "tile-px overlap-px blend batch",
    "Scores and classes": "tta mean with decide unsure scores scores-type",
    "Running and resuming": "plan workers dask shard runtime device threads precision",
}
_PREPARE = {
    "Labels": "legend labels class-field aoi background priority multilabel all-touched crs label-by nearest erode-px "
    "skip-bad allow-unmatched",
    "Images and bands": "images band-names bands indices reflectance-scale harmonize scaling align limit",
    "Chips": "chip-px stride-px edge resize-px store min-labelled max-nodata",
    "Split": "split val-share test-share ratio counts folds fold block-px buffer-px stratify copies seed",
}
GROUPS = {"train": _TRAIN, "predict": _PREDICT, "prepare": _PREPARE}
"""For each command, the titles of its panels and the options in them."""


@dataclass(frozen=True)
class ByPurpose:
    """Draws the options of a command as one panel for each purpose."""

    command: str

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Draw the panels."""
        from cyclopts.help import DefaultFormatter

        for title, entries in by_purpose(self.command, panel.entries):
            DefaultFormatter()(console, options, panel.copy(title=title, entries=entries))


def by_purpose(command: str, entries: Sequence[HelpEntry]) -> Iterator[tuple[str, list[HelpEntry]]]:
    """Give titles with their options, in the order of the table; what it does not name comes last."""
    named = {entry.positive_names[0].removeprefix("--"): entry for entry in entries if entry.positive_names}
    for title, names in GROUPS[command].items():
        found = [named.pop(name) for name in names.split() if name in named]
        if found:
            yield title, found
    rest = [entry for entry in entries if not entry.positive_names or entry in named.values()]
    if rest:
        yield REST, rest


def options_of(command: str) -> Parameter:
    """Give the mark of a config whose fields are options of a command, and show by purpose."""
    return Parameter(name="*", group=_group(command))


def option_of(command: str, *, negative: str | None = None) -> Parameter:
    """Give the mark of an option of a command that is no field of its config."""
    return Parameter(group=_group(command), negative=negative)


def _group(command: str) -> Group:
    return Group("Options", sort_key=1, help_formatter=ByPurpose(command))
