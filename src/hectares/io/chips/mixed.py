"""Chips of several folders as one training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hectares.core.chip_plan import PlannedChip, find_leaks
from hectares.core.window import Window
from hectares.errors import ArtefactError
from hectares.io.chips.index import read_index
from hectares.io.chips.store import ChipStore, open_chips


def open_mixed(folders: Sequence[Path]) -> list[ChipStore]:
    """Open folders of chips; all must mean the same, and no pixel may be in two splits.

    Raises ArtefactError naming the folder that does not fit the first one.
    """
    first, *others = map(open_chips, folders)
    for other in others:
        for what in ("legend", "bands", "depths", "chip_px", "multilabel", "scaling"):
            if first.content[what] != other.content[what]:
                raise ArtefactError(
                    f"{other.folder}: has the {what} {other.content[what]}, {first.folder} has {first.content[what]}; "
                    "chips that are mixed are prepared alike"
                )
        _refuse_leaks(first, other)
    return [first, *others]


def _refuse_leaks(first: ChipStore, other: ChipStore) -> None:
    """Pixels that are validated or tested in one folder may not be trained on in another."""
    comparable = first.content["cutting"]["resize_px"] == other.content["cutting"]["resize_px"]
    chips: dict[str, list[PlannedChip]] = {}
    for store in (first, other):
        for record in read_index(store.folder / "index.csv"):
            digest = store.content["inputs"][record.scene]
            # Windows of a resampled scene lie elsewhere: there, the whole scene counts.
            window = record.window if comparable else Window(0, 0, 1, 1)
            chips.setdefault(digest, []).append(PlannedChip(window, record.split, record.scene, window))
    for found in chips.values():
        if find_leaks([found]).overlapping:
            raise ArtefactError(
                f"{other.folder}: scene {found[-1].group!r} has pixels that are in another split in {first.folder}; "
                "prepare both with the same split"
            )
