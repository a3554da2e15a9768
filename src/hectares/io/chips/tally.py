"""What is counted while chips are cut: statistics, what was left out, and what the labels had to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hectares.core.bands import BandStatsCounter
from hectares.core.scene import LabelledChip
from hectares.io.chips.cutting import SceneCutter
from hectares.io.labels import as_gaps
from hectares.monitor import Monitor, Problem

_NOTES_A_FILE = 5
_LEAST_BURNING = 0.01
"""Share of the shapes of a file that must burn a pixel somewhere, else it lies elsewhere."""

Remarks = dict[str, Any]
"""JSON of a scene: chips left out by reason, notes, undefined pixels by index, shapes that burn, range of values."""


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
        self._shapes: dict[str, tuple[int, int]] = {}
        self.ranges: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
        """Low and high percentile of the bands in each scene."""

    def add(self, split: str, chip: LabelledChip) -> None:
        """Count a chip."""
        if split == "train":
            self.stats.add(chip.image, chip.valid)

    def remarks_of(self, cutter: SceneCutter, skipped: Mapping[str, int]) -> Remarks:
        """Give what is known of a scene besides its chips, for `take` in this run or in one that goes on."""
        notes = as_gaps(cutter.notes) if self._skips else cutter.notes
        remarks: Remarks = {
            "skipped": dict(skipped),
            "notes": [note.to_json() for note in notes],
            "undefined": {name: int(pixels) for name, pixels in cutter.image.undefined.items()},
        }
        if cutter.shape_counts is not None:
            path, counts = cutter.shape_counts
            remarks["shapes"] = [str(path), counts.in_file, counts.burning]
        if self._by_scene:
            stats = cutter.stats()
            remarks["range"] = [list(stats.low), list(stats.high)]
        return remarks

    def take(self, scene: str, remarks: Remarks, monitor: Monitor) -> None:
        """Count a scene, and pass on what its label has to say, once for a file that many scenes share."""
        self.skipped.update(remarks["skipped"])
        self._undefined.update(remarks["undefined"])
        for note in (Problem(**record) for record in remarks["notes"]):
            if note not in self._noted:
                self._noted.add(note)
                self._by_file[note.where] += 1
                if self._by_file[note.where] <= _NOTES_A_FILE:
                    monitor.problem(note)
        if "shapes" in remarks:
            path, in_file, burning = remarks["shapes"]
            self._shapes[path] = (in_file, self._shapes.get(path, (0, 0))[1] + burning)
        if "range" in remarks:
            low, high = remarks["range"]
            self.ranges[scene] = (tuple(low), tuple(high))

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
                monitor.problem(Problem(path, what, "does it lie where the scenes are? check its CRS, or --crs"))
