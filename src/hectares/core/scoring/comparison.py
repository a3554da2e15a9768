"""Several evaluations of the same places beside each other: scores, differences, and which is really better.

`comparison.json` holds, beside the head of all artefacts,

    split, view, against   what is scored, with which classes, and the run that differences are counted from
    legend                 the classes
    runs                   for each run: name, what it is, scores, differences; the last is one class everywhere
    verdict                best, better_than, not_told_apart, undecided, and a sentence
    intervals              how they were made
    examples               names of the chips in the figure
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, Legend
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.parts import CONFUSION, Parts
from hectares.core.scoring.score_sheet import GLOBAL, compare_evaluations, score_rows
from hectares.core.scoring.scores import FloatArray, constant_prediction
from hectares.core.scoring.views import View
from hectares.errors import ArtefactError

SCORES = {"accuracy": "accuracy", "mean_iou": "mean IoU", "mean_f1": "mean F1"}
FACTS = (
    "network", "encoder", "weights", "bands", "parameters_trainable", "parameters_frozen", "epochs", "best_epoch",
    "training_minutes", "val_loss",
)  # fmt: skip
CHOSEN = "mean_iou"
"""The score that says which run is the best."""
_NOTHING = (float("nan"),) * 4

Value = tuple[float, float, float]
"""A score with the ends of its interval."""
Apart = tuple[float, float, float, float]
"""A difference with the ends of its interval and its p-value."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One run, or an evaluation whose run is elsewhere."""

    name: str
    parts: Parts
    """Counts of each chip or square; only the confusion is looked at."""
    legend: Legend
    facts: Mapping[str, Any] = field(default_factory=dict)
    """By the names of `FACTS`; what is not known is absent."""

    @classmethod
    def of(cls, name: str, content: Mapping[str, Any], facts: Mapping[str, Any]) -> Subject:
        """Take the counts of an `evaluation.json`. Raises ArtefactError if it has none."""
        if "parts" not in content or "parts_legend" not in content:
            raise ArtefactError(f"{name}: has no counts of its parts; evaluate again")
        parts = Parts.from_json(content["parts"])
        plain = _with_counts(parts, parts.counts[CONFUSION])
        return cls(name, plain, Legend.from_json(content["parts_legend"]), facts)

    def everywhere(self, name: str, indices: Sequence[int]) -> Subject:
        """Give the counts of a map of one class everywhere; of overlapping classes, those of `indices` are there."""
        counts = self.parts.counts[CONFUSION]
        if self.parts.overlapping:
            constant = np.stack(
                [[constant_prediction(c, int(k in indices)) for k, c in enumerate(part)] for part in counts]
            )
        else:
            constant = np.stack([constant_prediction(c, indices[0]) for c in counts])
        p = self.parts
        return Subject(
            name, Parts(p.what, p.what_unit, p.names, p.units, p.unit_of, {CONFUSION: constant}), self.legend
        )

    def to_record(self) -> dict[str, Any]:
        """Give what `compare_evaluations` takes."""
        return {"parts": self.parts.to_json(), "parts_legend": self.legend.to_json()}


def _with_counts(parts: Parts, confusion: NDArray[np.int64]) -> Parts:
    return Parts(parts.what, parts.what_unit, parts.names, parts.units, parts.unit_of, {CONFUSION: confusion})


@dataclass(frozen=True, eq=False)
class Line:
    """The scores of one run, and how far they lie from those of the run that is compared with."""

    name: str
    facts: Mapping[str, Any]
    overall: Mapping[str, Value]
    iou: Mapping[str, Value]
    """By class."""
    overall_apart: Mapping[str, Apart] | None
    """None for the run that is compared with."""
    iou_apart: Mapping[str, Apart] | None

    @property
    def miou(self) -> float:
        """The score that is looked at first."""
        return self.overall[CHOSEN][0]

    def to_json(self) -> dict[str, Any]:
        """Give it as a record."""
        apart = None
        if self.overall_apart is not None:
            apart = {"overall": self.overall_apart, "iou": self.iou_apart}
        facts = {key: self.facts.get(key) for key in FACTS}
        return {"name": self.name, **facts, "overall": self.overall, "iou": self.iou, "difference": apart}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which run is the best, and from which others it is told apart."""

    best: str
    better_than: tuple[str, ...]
    """Those whose difference from the best has an interval above 0."""
    not_told_apart: tuple[str, ...]
    undecided: tuple[str, ...]
    """Those without an interval."""
    sentence: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """All runs, the floor last."""

    lines: tuple[Line, ...]
    against: str
    verdict: Verdict
    classes: tuple[str, ...]
    """Those that are scored."""
    view: str

    def rows(self) -> Iterator[list[object]]:
        """Give a row for each run, in the order of `columns`."""
        for line in self.lines:
            row: list[object] = [line.name, *(_cell(line.facts.get(key)) for key in FACTS)]
            row += [v for key in SCORES for v in line.overall[key]]
            row += [v for name in self.classes for v in line.iou[name]]
            row += list(_NOTHING if line.overall_apart is None else line.overall_apart[CHOSEN])
            for name in self.classes:
                row += list(_NOTHING if line.iou_apart is None else line.iou_apart[name])
            yield row

    def to_json(self) -> dict[str, Any]:
        """Give it as a record."""
        runs = [line.to_json() for line in self.lines]
        return {"view": self.view, "against": self.against, "runs": runs, "verdict": asdict(self.verdict)}

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the table."""
        scores = [*SCORES, *(f"iou {name}" for name in self.classes)]
        apart = [f"difference {key}" for key in (CHOSEN, *scores[len(SCORES) :])]
        ends = ("low", "high")
        found = ["run", *FACTS, *(c for key in scores for c in (key, *(f"{key} {end}" for end in ends)))]
        return found + [c for key in apart for c in (key, *(f"{key} {end}" for end in (*ends, "p")))]


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


# --- Comparing --------------------------------------------------------------------------------------------


def check_alike(subjects: Sequence[Subject]) -> None:
    """Refuse evaluations of other places or classes than the first one. Raises ArtefactError naming both."""
    first = subjects[0]
    for other in subjects[1:]:
        if other.legend.names != first.legend.names or other.parts.overlapping != first.parts.overlapping:
            raise ArtefactError(
                f"{first.name} knows the classes {', '.join(first.legend.names)}, {other.name} knows "
                f"{', '.join(other.legend.names)}; compare runs that learned the same classes"
            )
        if other.parts.names != first.parts.names or not np.array_equal(other.parts.unit_of, first.parts.unit_of):
            raise ArtefactError(
                f"{first.name} was scored on {len(first.parts.names)} {first.parts.what}, {other.name} on "
                f"{len(other.parts.names)} {other.parts.what} that are not the same; evaluate both on the same chips"
            )


def check_same_reference(contents: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse evaluations, by name, of other splits, chips or references than the first. Raises ArtefactError."""
    (first, content), *others = contents.items()
    for name, other in others:
        splits = [c.get("split") or "a map" for c in (content, other)]
        if splits[0] != splits[1]:
            raise ArtefactError(
                f"{first} was scored on {splits[0]}, {name} on {splits[1]}; compare scores of the same split"
            )
        if any(content["inputs"].get(key) != other["inputs"].get(key) for key in ("chips", "reference")):
            raise ArtefactError(
                f"{first} and {name} were scored on different chips or references; evaluate both on the same"
            )


def floor_of(subject: Subject, content: Mapping[str, Any], without: Sequence[str]) -> Subject:
    """Give the map of one class everywhere: the one that the evaluation took, unless it is left out."""
    names, shares = subject.legend.names, subject.parts.reference_shares
    told = str(content.get("floor", {}).get("class", "")).split(", ")
    indices = [k for k, name in enumerate(names) if name in told and name not in without]
    if not indices and not subject.parts.overlapping:
        indices = [max((k for k, name in enumerate(names) if name not in without), key=lambda k: shares[k])]
    listed = ", ".join(names[k] for k in indices) or "no class"
    return subject.everywhere(f"{listed} everywhere (floor)", indices)


def compare_subjects(
    subjects: Sequence[Subject], floor: Subject, view: View, how: Resampling, *, against: str | None
) -> Comparison:
    """Score subjects of the same places, and count differences from one of them, or from the best for None."""
    check_alike(subjects)
    classes, everyone = _kept(subjects[0], view), (*subjects, floor)
    scored = [_score(s, classes, view, how) for s in everyone]
    best = highest(scored[:-1])
    reference = best.name if against is None else against
    records = {s.name: s.to_record() for s in everyone}

    def apart(one: str, other: str) -> tuple[dict[str, Apart], dict[str, Apart]]:
        rows = compare_evaluations(records[one], records[other], [view], how)
        found = {(r.class_name, r.score): (r.value, r.low, r.high, r.p_value) for r in rows}
        return {k: found[None, k] for k in SCORES}, {name: found[name, "iou"] for name in classes}

    lines = []
    for line in scored:
        overall, iou = (None, None) if line.name == reference else apart(line.name, reference)
        lines.append(replace(line, overall_apart=overall, iou_apart=iou))
    others = {line.name: apart(best.name, line.name)[0][CHOSEN] for line in scored if line is not best}
    verdict = judge(best, lines, others, f"{len(floor.parts.units)} {floor.parts.what_unit}", level=how.level)
    return Comparison(tuple(lines), reference, verdict, tuple(classes), view.name)


def _score(subject: Subject, classes: Sequence[str], view: View, how: Resampling) -> Line:
    rows = [r for r in score_rows(subject.parts, subject.legend, [view], how) if r.aggregation == GLOBAL]
    found = {(r.class_name, r.score): (r.value, r.low, r.high) for r in rows}
    overall, iou = {k: found[None, k] for k in SCORES}, {name: found[name, "iou"] for name in classes}
    return Line(subject.name, subject.facts, overall, iou, None, None)


def _kept(subject: Subject, view: View) -> list[str]:
    names = subject.legend.names
    return [name for name, kept in zip(names, view.averaged(len(names)), strict=True) if kept]


def highest(lines: Sequence[Line]) -> Line:
    """Give the line with the highest mean IoU; the first of several."""
    return max(lines, key=lambda line: -1.0 if np.isnan(line.miou) else line.miou)


def judge(
    best: Line, lines: Sequence[Line], others: Mapping[str, Apart], units: str, *, level: float = 0.95
) -> Verdict:
    """Say what the paired differences to the best run mean; `others` are best minus other.

    Better is what lies below the best by the interval and by the p-value: with few units the two may disagree.
    """
    better = tuple(name for name, (_, low, _, p) in others.items() if low > 0 and not p > 1 - level)
    unsure = tuple(name for name, (_, low, _, _) in others.items() if np.isnan(low))
    alike = tuple(name for name in others if name not in better and name not in unsure)
    sentence = _sentence(best, {line.name: line.miou for line in lines}, others, (better, alike, unsure), units)
    return Verdict(best.name, better, alike, unsure, sentence)


def _sentence(
    best: Line,
    scores: Mapping[str, float],
    others: Mapping[str, Apart],
    groups: tuple[Sequence[str], Sequence[str], Sequence[str]],
    units: str,
) -> str:
    better, alike, unsure = groups
    head = f"{best.name} has the highest mean IoU, {best.miou:.3f}"
    if unsure:
        return f"{head}, but {units} are too few to say whether that is more than chance."
    nearest = max((n for n in others), key=lambda n: scores[n] if not np.isnan(scores[n]) else -1.0)
    value, low, high, p_value = others[nearest]
    told = f"{value:.3f} ({low:.3f} to {high:.3f}, p {p_value:.2g})"
    if not alike:
        all_others = nearest if len(others) == 1 else "all others"
        return f"{head}, and is better than {all_others}: the next, {nearest}, lies {told} below."
    but = f"{head}, but is not told apart from {_listed(alike)}"
    first = f": {nearest} lies {told} below" if nearest in alike else ""
    return f"{but}{first}; it is better than {_listed(better)}." if better else f"{but}{first}."


def _listed(names: Sequence[str]) -> str:
    """Write names with commas and a last `and`.

    >>> _listed(["a", "b", "c"]), _listed(["a"])
    ('a, b and c', 'a')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- Examples ---------------------------------------------------------------------------------------------

WORST, MIDDLE, BEST = "worst", "middle", "best"


def kept_classes(legend: Legend, without: Sequence[str]) -> NDArray[np.uint8]:
    """Give what turns class indices into those of the classes that are left, (256,); the others are not scored.

    >>> kept_classes(Legend.of({1: "roof", 2: "road", 3: "tree"}), ["road"])[:4].tolist()
    [0, 255, 1, 255]
    """
    table = np.full(IGNORE + 1, IGNORE, np.uint8)
    left = [k for k, name in enumerate(legend.names) if name not in without]
    table[left] = np.arange(len(left))
    return table


def choose_places(scores: FloatArray, number: int) -> list[tuple[int, str]]:
    """Choose places by the mean over runs of their scores (R, N): a third each of the worst, the middle, the best.

    Places without a score in some run are left out; of equal ones, the first is taken.

    >>> choose_places(np.array([[0.9, 0.1, 0.5, np.nan, 0.6], [0.7, 0.3, 0.4, 0.2, 0.4]]), 3)
    [(1, 'worst'), (4, 'middle'), (0, 'best')]
    """
    means: NDArray[np.float64] = scores.mean(axis=0)
    order = [int(i) for i in np.argsort(means, kind="stable") if not np.isnan(means[int(i)])]
    number = min(number, len(order))
    low, high = -(-number // 3), number // 3
    middle = number - low - high
    start = min(max((len(order) - middle + 1) // 2, low), len(order) - high - middle)
    picks = [(i, WORST) for i in order[:low]]
    picks += [(i, MIDDLE) for i in order[start : start + middle]]
    return picks + [(i, BEST) for i in order[len(order) - high :]]
