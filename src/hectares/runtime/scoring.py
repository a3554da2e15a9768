"""A segmenter at work on chips with labels: what it decides, and how sure it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.core.scaling import Scaling
from hectares.core.scene import ChipReader, LabelledChip
from hectares.core.scoring.area_offsets import AreaSample, AreaTally, offsets_of
from hectares.core.scoring.calibration import (
    CALIBRATION_SCORES,
    CalibrationTally,
    LogitSample,
    calibration_scores,
    pixels_of,
    sigmoid,
    softmax,
)
from hectares.core.scoring.threshold import ThresholdTally, positive_class
from hectares.errors import ConfigError
from hectares.runtime.protocol import Runtime

IndexArray = NDArray[np.uint8]
Logits = NDArray[np.float32]

_BATCH = 8


@dataclass(frozen=True, eq=False)
class ChipFeed:
    """The chips of one split, and how each is scaled for the network."""

    reader: ChipReader
    scaling: Callable[[int], Scaling]


@dataclass(frozen=True, eq=False)
class Scorer:
    """Runs a segmenter on chips and decides."""

    runtime: Runtime
    threshold: float | None = None
    """Score from which a pixel is the class; None takes the likelier answer."""

    def __post_init__(self) -> None:
        if self.threshold is not None and not self.asked:
            raise ConfigError(
                "--threshold is for two classes, or classes that may overlap; the segmenter tells "
                f"{len(self.legend)} apart: {', '.join(self.legend.names)}"
            )

    @property
    def legend(self) -> Legend:
        """The classes."""
        return self.runtime.spec.legend

    @property
    def multilabel(self) -> bool:
        """True if classes may overlap."""
        return self.runtime.spec.multilabel

    @property
    def asked(self) -> tuple[int, ...]:
        """Classes with a threshold: all that may overlap, or that of two which is not the background."""
        if self.multilabel:
            return tuple(range(len(self.legend)))
        return (positive_class(self.legend),) if len(self.legend) == 2 else ()

    def run(self, feed: ChipFeed, numbers: Sequence[int]) -> Iterator[tuple[int, LabelledChip, Logits]]:
        """Yield number, chip and logits (K, h, w) of chips."""
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            read = [feed.reader.read(n) for n in batch]
            scaled = [feed.scaling(n).apply(c.image) * c.valid for n, c in zip(batch, read, strict=True)]
            yield from zip(batch, read, self.runtime.logits(np.stack(scaled)), strict=True)

    def decide(self, logits: Logits, chip: LabelledChip) -> IndexArray:
        """Give the class of each pixel (h, w), or yes and no of each class (K, h, w); 255 where not valid."""
        if self.threshold is None:
            decided = ((logits > 0) if self.multilabel else logits.argmax(axis=0)).astype(np.uint8)
        else:
            decided = (self._scores(logits) >= self.threshold).astype(np.uint8)
            if not self.multilabel:
                decided = np.where(decided[0] == 1, np.uint8(self.asked[0]), np.uint8(1 - self.asked[0]))
        return np.where(chip.valid, decided, np.uint8(IGNORE))

    def thresholds(self, logits: Logits, chip: LabelledChip) -> ThresholdTally:
        """Count the scores of the classes with a threshold."""
        label = known_label(chip)
        if not self.multilabel:
            label = np.where(label == IGNORE, label, label == self.asked[0])[None].astype(np.uint8)
        return ThresholdTally.count(self._scores(logits), label)

    def _scores(self, logits: Logits) -> NDArray[np.float64]:
        """Scores of the classes with a threshold, (n, h, w)."""
        if self.multilabel:
            return sigmoid(logits)
        flat = softmax(logits.reshape(len(logits), -1).T)
        return flat.T[list(self.asked)].reshape(-1, *logits.shape[1:])


def known_label(chip: LabelledChip) -> IndexArray:
    """Give the label of a chip, 255 where the image is not valid as well."""
    return np.where(chip.valid, chip.label, np.uint8(IGNORE))


@dataclass(frozen=True)
class Tuned:
    """What fits chips that were set aside for it best."""

    temperature: float
    thresholds: tuple[float, ...]
    """One for each class with a threshold."""
    areas: Mapping[str, Any] = field(default_factory=dict)
    """`area_offsets` by class and what they do, see `AreaSample.record`; empty where classes may overlap."""


@dataclass
class Tuning:
    """Collects what temperature, thresholds and offsets are chosen from."""

    scorer: Scorer
    chips: int
    """How many will come."""
    _sample: LogitSample = field(default_factory=LogitSample)
    _tally: ThresholdTally = field(init=False)
    _areas: AreaSample = field(init=False)

    def __post_init__(self) -> None:
        self._tally = ThresholdTally.empty(len(self.scorer.asked))
        self._areas = AreaSample(self.chips)

    def add(self, logits: Logits, chip: LabelledChip) -> None:
        """Take a chip."""
        self._sample.add(logits, known_label(chip))
        if not self.scorer.multilabel:
            self._areas.add(logits, known_label(chip))
        if self.scorer.asked:
            self._tally += self.scorer.thresholds(logits, chip)

    def finish(self) -> Tuned:
        """Choose."""
        temperature = self._sample.fit()
        thresholds = tuple(self._tally.best().tolist()) if self.scorer.asked else ()
        return Tuned(temperature, thresholds, self._areas.record(self.scorer.legend, temperature))


def measure_calibration(scorer: Scorer, feed: ChipFeed, *, most: int = 128) -> dict[str, Any]:
    """Give temperature, thresholds and offsets that fit chips best, and what they do to ECE, NLL and area on them.

    Of many chips, `most` spread evenly over all are looked at.
    """
    numbers = np.unique(np.linspace(0, len(feed.reader) - 1, min(most, len(feed.reader))).round().astype(int)).tolist()
    tuning = Tuning(scorer, len(numbers))
    for _, chip, logits in scorer.run(feed, numbers):
        tuning.add(logits, chip)
    tuned = tuning.finish()
    sureness = Sureness(scorer, [1.0, tuned.temperature])
    for _, chip, logits in scorer.run(feed, numbers):
        sureness.add("all", logits, chip)
    before, after = (
        dict(zip(CALIBRATION_SCORES, map(float, calibration_scores(tallies["all"].pack())), strict=True))
        for tallies in sureness.tallies
    )
    names = [scorer.legend.names[k] for k in scorer.asked]
    return {
        "temperature": tuned.temperature,
        "thresholds": dict(zip(names, tuned.thresholds, strict=True)),
        "before": before,
        "after": after,
        "chips": len(numbers),
        **tuned.areas,
    }


@dataclass
class Sureness:
    """Collects how sure a segmenter was, by unit, at several temperatures."""

    scorer: Scorer
    temperatures: Sequence[float]
    tallies: list[dict[str, CalibrationTally]] = field(init=False)
    """For each temperature, the sums of each unit."""
    thresholds: ThresholdTally = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = [{} for _ in self.temperatures]
        self.thresholds = ThresholdTally.empty(len(self.scorer.asked))

    def add(self, unit: str, logits: Logits, chip: LabelledChip) -> None:
        """Take a chip of a unit."""
        label = known_label(chip)
        for tallies, temperature in zip(self.tallies, self.temperatures, strict=True):
            one = CalibrationTally.count(logits, label, temperature=temperature)
            tallies[unit] = tallies[unit] + one if unit in tallies else one
        if self.scorer.asked:
            self.thresholds += self.scorer.thresholds(logits, chip)


@dataclass
class AreaShares:
    """Collects what share of the pixels each class has, by the reference and decided with and without offsets."""

    scorer: Scorer
    ways: Mapping[str, tuple[float, Mapping[str, Any] | None]]
    """Name to temperature, and the record that holds `area_offsets`; what lacks them is left out."""
    _found: dict[str, AreaTally] = field(default_factory=dict)

    def add(self, logits: Logits, chip: LabelledChip) -> None:
        """Take a chip."""
        legend = self.scorer.legend
        for name, (temperature, record) in self.ways.items():
            offsets = None if self.scorer.multilabel else offsets_of(record, legend)
            if offsets is not None:
                z, y = pixels_of(logits, known_label(chip))
                tally = AreaTally.count(z / temperature, y, offsets)
                self._found[name] = self._found.get(name, AreaTally.empty(len(legend))) + tally

    def to_json(self) -> dict[str, Any]:
        """Give what was found by name; empty if nothing has offsets."""
        return {name: tally.to_json(self.scorer.legend) for name, tally in self._found.items()}
