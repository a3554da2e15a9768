"""A chip store: its files against their hashes, and its splits against each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hectares.doctor.finding import Finding
from hectares.doctor.splits import find_absent
from hectares.io.chips.store import ChipStore, open_chips
from hectares.monitor import Monitor, track


def examine_chips(path: Path, monitor: Monitor) -> tuple[list[Finding], dict[str, Any]]:
    """Compare the files with their hashes and the classes of the splits; gives findings and facts."""
    store = open_chips(path)
    findings = list(_verify(store, monitor))
    names = store.legend.names
    pixels = {split: list(store.class_pixels[split].values()) for split, count in store.counts.items() if count}
    findings += find_absent(str(path), pixels, names)
    facts = {
        "chips": store.counts,
        "chip_px": store.chip_px,
        "bands": list(store.stats.names),
        "gsd_m": store.gsd_m,
        "class_pixels": {split: dict(zip(names, n, strict=True)) for split, n in pixels.items()},
    }
    return findings, facts


def _verify(store: ChipStore, monitor: Monitor) -> Iterator[Finding]:
    for place, what in track(store.verify(), monitor, "reading chips"):
        where = str(store.folder / place)
        yield Finding("chips", "error", where, what, "prepare the chips again")
