"""What is counted while chips are cut: statistics, what was left out, and what the labels had to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hectares.core.bands import BandStatsCounter
from hectares.core.scene import LabelledChip
from hectares.io.chips.cutting import SceneCutter
from hectares.io.labels import as_gaps
from hectares.monitor import Monitor, Problem

_NOTES_A_FILE = 5
_LEAST_BURNING = 0.01
"""Share of the shapes of a file that must burn a pixel somewhere, else it lies elsewhere."""


class ChipTally:
    """What is counted while chips are cut."""

    def __init__(self, bands: Sequence[str], *, by_scene: bool, skips: bool) -> None:
        self.stats = BandStatsCounter(bands)
        self._by_scene = by_scene
        self._skips = skips
        self.skipped = Counter[str]()
        self._noted: set[Problem] = set()
        self._by_file = Counter[str]()
        self._undefined = Counter[str]()
        self._shapes: dict[Path, tuple[int, int]] = {}
        self.ranges: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
        """Low and high percentile of the bands in each scene."""

    def add(self, split: str, chip: LabelledChip) -> None:
        """Count a chip."""
        if split == "train":
            self.stats.add(chip.image, chip.valid)

    def add_notes(self, cutter: SceneCutter, monitor: Monitor) -> None:
        """Pass on what the label has to say, once for a file that many scenes share; count the shapes that burn."""
        for note in as_gaps(cutter.notes) if self._skips else cutter.notes:
            if note not in self._noted:
                self._noted.add(note)
                self._by_file[note.where] += 1
                if self._by_file[note.where] <= _NOTES_A_FILE:
                    monitor.problem(note)
        self._undefined.update(cutter.image.undefined)
        if cutter.shape_counts is not None:
            path, counts = cutter.shape_counts
            before = self._shapes.get(path, (0, 0))
            self._shapes[path] = (counts.in_file, before[1] + counts.burning)

    def report(self, monitor: Monitor) -> None:
        """Say so if a file of shapes lies elsewhere than the scenes, or had more to say than was passed on."""
        for where, number in self._by_file.items():
            if number > _NOTES_A_FILE:
                what = f"{number - _NOTES_A_FILE} more notes of this kind"
                monitor.problem(Problem(where, what, "`hectares check` lists them all"))
        for index, pixels in self._undefined.items():
            if pixels:
                what = f"index {index} is not defined on {pixels:,} px (a division by zero)"
                monitor.problem(Problem("indices", what, "it is 0 there"))
        for path, (in_file, burning) in self._shapes.items():
            if burning < _LEAST_BURNING * in_file:
                what = f"only {burning} of {in_file} shapes burn a pixel of any scene"
                monitor.problem(Problem(str(path), what, "does it lie where the scenes are? check its CRS, or --crs"))

    def add_scene(self, cutter: SceneCutter) -> None:
        """Measure a scene by itself, where its own range scales it."""
        if self._by_scene:
            stats = cutter.stats()
            self.ranges[cutter.scene.id] = (stats.low, stats.high)
