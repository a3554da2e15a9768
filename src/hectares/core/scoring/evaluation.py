"""What an evaluation found: counts, and the records of `evaluation.json` that follow from them.

Beside the head of all artefacts, `evaluation.json` holds

    subject, split, ...    what was scored against what
    legend, confusion, unmapped_px, scored_px, left_out, overall, classes
                           the first matrix, rows reference, without the classes left out; its scores
    scores                 view > aggregation > overall or classes > score: [value, low, high]
    intervals              units, what a unit is, draws, level, method, seed; `note` if there are none
    parts, parts_legend    the counts of each chip or square, with all classes: everything above follows from them
    borders                boundary_px, slack_px, erode_px of the counts
    floor                  scores of a map of one class everywhere
    worst                  the parts with the lowest mean IoU
    calibration            reliability tables and scores, as they are and with the temperature
    thresholds             histograms of scores, and the best thresholds
    area                   share of each class, as `predict --decide argmax` and `--decide area` would map the chips
    baseline               another evaluation of the same places, and the differences
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import LEAST_UNITS, Resampling, bootstrap
from hectares.core.scoring.calibration import CALIBRATION_SCORES, CalibrationTally, calibration_scores
from hectares.core.scoring.parts import CONFUSION, Parts
from hectares.core.scoring.score_sheet import DifferenceRow
from hectares.core.scoring.scores import FloatArray, Marginals, class_scores, constant_prediction, mean
from hectares.core.scoring.threshold import STEPS, ThresholdTally
from hectares.errors import LegendError

SCORE_COLUMNS = ("class_id", "class_name", "iou", "f1", "precision", "recall", "reference_px", "predicted_px")
_WORST = 20
_SLIVER = 0.1
_CURVE_STEP = 10


@dataclass(frozen=True)
class Evaluation:
    """Counts and what they mean."""

    confusion: Confusion | PlaneConfusion
    legend: Legend
    record: Mapping[str, Any] = field(default_factory=dict)
    """All that is in `evaluation.json`, once it is written."""

    def class_rows(self) -> Iterator[tuple[object, ...]]:
        """Give a line a class, in the order of `SCORE_COLUMNS`."""
        c = self.confusion
        columns = (c.iou, c.f1, c.precision, c.recall, c.reference_pixels, c.predicted_pixels)
        for k, land_class in enumerate(self.legend.classes):
            yield land_class.code, land_class.name, *(column[k].item() for column in columns)

    def overall(self) -> dict[str, float]:
        """Give the scores over all classes."""
        return self.confusion.overall

    def without(self, names: Sequence[str]) -> Evaluation:
        """Leave classes out: their reference pixels are not scored and they are in no mean."""
        result = self
        for name in names:
            k = result.legend.index(name)
            kept = tuple(c for c in result.legend.classes if c.name != name)
            if not kept:
                raise LegendError("--without leaves no class to score")
            result = Evaluation(result.confusion.without(k), replace(result.legend, classes=kept))
        return result

    def to_json(self) -> dict[str, Any]:
        """Give counts and scores as a record."""
        return {
            "legend": self.legend.to_json(),
            "confusion": self.confusion.counts,
            "unmapped_px": self.confusion.unmapped,
            "scored_px": self.confusion.total,
            "aggregation": "one confusion matrix over all scored pixels; means over the classes that have a score",
            "overall": self.overall(),
            "classes": [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in self.class_rows()],
        }


def part_iou(parts: Parts) -> FloatArray:
    """Give the mean IoU of each part (N,); NaN where nothing is scored, or less than a tenth of what is usual.

    A sliver at the border of a scene would else be worst or best for no reason of interest.
    """
    m = Marginals.of(parts.counts[CONFUSION], overlapping=parts.overlapping)
    scored = m.total[m.total > 0]
    usual = float(np.median(scored)) if scored.size else 0.0
    return np.where(m.total < _SLIVER * usual, np.nan, mean(class_scores(m)["iou"]))


def worst_record(parts: Parts) -> list[list[Any]]:
    """Give name and mean IoU of the parts that are scored worst, the worst first."""
    scores = part_iou(parts)
    order = [i for i in np.argsort(scores, kind="stable") if not np.isnan(scores[i])]
    return [[parts.names[i], float(scores[i])] for i in order[:_WORST]]


def intervals_record(parts: Parts, how: Resampling) -> dict[str, Any]:
    """Say how the intervals were made, and what they do not tell."""
    units = len(parts.units)
    record = {"units": units, "what": parts.what_unit, "level": how.level}
    record |= {"method": how.method, "draws": how.draws, "seed": how.seed}
    if units < LEAST_UNITS:
        record["note"] = (
            f"no intervals: it takes at least {LEAST_UNITS} {parts.what_unit} to say how scores vary, "
            f"and there {'is' if units == 1 else 'are'} {units}"
        )
    elif parts.what_unit.startswith("blocks") or parts.what_unit.endswith("few groups"):
        alike = "blocks of one scene" if parts.what_unit.startswith("blocks") else "scenes of one group"
        record["note"] = f"{alike} resemble each other: the intervals are rather too narrow for other places"
    return record


# --- Floor ------------------------------------------------------------------------------------------------


def majority_record(parts: Parts, legend: Legend, shares: NDArray[np.floating], source: str) -> dict[str, Any]:
    """Give the scores of the map that says the most frequent class everywhere; `shares` (K,) say which that is.

    Where classes overlap, it says of each whether more than half of the pixels are the class.
    """
    counts = parts.total()
    found: Confusion | PlaneConfusion
    if parts.overlapping:
        constant = np.stack([constant_prediction(c, int(s > 0.5)) for c, s in zip(counts, shares, strict=True)])
        found = PlaneConfusion(constant)
        name = ", ".join(n for n, s in zip(legend.names, shares, strict=True) if s > 0.5) or "no class"
    else:
        index = int(np.argmax(shares))
        found, name = Confusion(constant_prediction(counts, index)), legend.names[index]
    return {"class": name, "chosen_by": source, "overall": found.overall, "iou": found.iou}


def baseline_record(name: str, content: Mapping[str, Any], rows: Sequence[DifferenceRow]) -> dict[str, Any]:
    """Give the scores of another evaluation of the same places, and how far this one lies from it."""
    differences: dict[str, Any] = {}
    for row in rows:
        key = "overall" if row.class_name is None else row.class_name
        home = differences.setdefault(row.view, {}).setdefault(key, {})
        home[row.score] = [row.value, row.low, row.high, row.p_value]
    return {"name": name, "overall": content["overall"], "differences": differences}


# --- Calibration and thresholds ---------------------------------------------------------------------------


def calibration_record(
    tallies: Mapping[str, CalibrationTally], legend: Legend, temperature: float, how: Resampling
) -> dict[str, Any]:
    """Give reliability tables and their scores with intervals, from the sums of each unit."""
    packed = np.stack([tally.pack() for tally in tallies.values()])
    found = bootstrap(packed, calibration_scores, how)
    ends = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    whole = sum(tallies.values(), CalibrationTally.empty(len(legend)))
    tables = {name: _table(table) for name, table in zip(legend.names, whole.by_class, strict=True)}
    return {
        "temperature": temperature,
        "scores": {name: list(values) for name, values in zip(CALIBRATION_SCORES, ends, strict=True)},
        "columns": "pixels, mean score, share right, in bins of the score of equal width",
        "reliability": _table(whole.sure),
        "by_class": tables,
    }


def _table(sums: FloatArray) -> list[list[float | None]]:
    lines: list[list[float | None]] = []
    for pixels, scores, hits in sums.tolist():
        lines.append([pixels, scores / pixels, hits / pixels] if pixels else [0.0, None, None])
    return lines


def threshold_record(
    tally: ThresholdTally, names: Sequence[str], split: str, tuned: Sequence[float] | None
) -> dict[str, Any]:
    """Give the histograms, thinned curves, and the scores at 0.5, at the best threshold, and at that of the val chips.

    A best threshold found on the chips that are scored flatters; that of the val chips does not.
    """
    curves, best = tally.curves(), tally.best()
    record: dict[str, Any] = {"split": split, "steps": STEPS, "classes": {}}
    for k, name in enumerate(names):
        marks = {"0.5": 0.5, f"best F1 on {split}": float(best[k])}
        if tuned is not None:
            marks["best F1 on val"] = float(tuned[k])
        record["classes"][name] = {
            "without": _histogram(tally.counts[k, 0]),
            "with": _histogram(tally.counts[k, 1]),
            "at": {label: _at(curves, k, t) for label, t in marks.items() if not np.isnan(t)},
            "curve": {s: [round(v, 6) for v in curve[k, ::_CURVE_STEP].tolist()] for s, curve in curves.items()},
        }
    return record


def _at(curves: Mapping[str, FloatArray], k: int, threshold: float) -> dict[str, float]:
    place = round(threshold * STEPS)
    return {"threshold": threshold} | {name: float(curve[k, place]) for name, curve in curves.items()}


def _histogram(counts: NDArray[np.int64]) -> str:
    return " ".join(f"{b}:{counts[b]}" for b in np.flatnonzero(counts))
