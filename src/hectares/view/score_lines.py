"""Overall scores as lines of text, from the content of an `evaluation.json`: views, floor, baseline, intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hectares.view.numbers import NONE, score

COLUMNS = {"accuracy": "accuracy", "mean_iou": "mean IoU", "mean_f1": "mean F1", "kappa": "kappa"}
CALIBRATION = {"ece": "ECE", "class_ece": "class-wise ECE", "brier": "Brier score", "nll": "NLL"}

AREA_SENTENCE = (
    "Decided by area, shares are unbiased only for places like the validation chips, and usually fewer single pixels "
    "are right; a sample with `hectares estimate` is what gives an area an interval."
)

Values = tuple[float | None, float | None, float | None]
"""A score and the ends of its interval."""


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """The overall scores of one view."""

    name: str
    scores: Mapping[str, Values]


def score_lines(content: Mapping[str, Any]) -> Iterator[ScoreLine]:
    """Yield the overall scores of each view, then those of what one has to be better than."""
    for view, ways in content.get("scores", {}).items():
        for way, found in ways.items():
            yield ScoreLine(f"{view}, {way}", {k: (v[0], v[1], v[2]) for k, v in found["overall"].items()})
    floor, baseline = content.get("floor"), content.get("baseline")
    if floor:
        yield ScoreLine(f"floor: {floor['class']} everywhere", _plain(floor["overall"]))
    if baseline:
        yield ScoreLine(f"baseline: {baseline['name']}", _plain(baseline["overall"]))
        for view, found in baseline["differences"].items():
            named = {k: (v[0], v[1], v[2]) for k, v in found["overall"].items()}
            yield ScoreLine(f"{view}, difference from the baseline", named)


def _plain(overall: Mapping[str, float | None]) -> dict[str, Values]:
    return {name: (value, None, None) for name, value in overall.items()}


def class_ends(content: Mapping[str, Any]) -> dict[str, list[tuple[float | None, float | None]]]:
    """Give the intervals of IoU and F1 of the classes that are shown; {} if there are none."""
    names = [c["class_name"] for c in content.get("classes", ())]
    views = content.get("scores", {})
    view = next((v for name, v in views.items() if name.startswith("without ") and content.get("left_out")), None)
    found = (view or views.get("all classes", {})).get("global", {}).get("classes", {})
    if any(name not in found for name in names):
        return {}
    intervals = {s: [(found[n][s][1], found[n][s][2]) for n in names] for s in ("iou", "f1")}
    known = any(score(end) != NONE for pairs in intervals.values() for pair in pairs for end in pair)
    return intervals if known else {}


def ends(low: float | None, high: float | None) -> str:
    """Write an interval in brackets; nothing if there is none.

    >>> ends(0.3, 0.45678), ends(None, None)
    ('(0.300–0.457)', '')
    """
    if NONE in {score(low), score(high)}:
        return ""
    return f"({score(low)}–{score(high)})" if (low or 0) >= 0 else f"({score(low)} to {score(high)})"


def intervals_sentence(intervals: Mapping[str, Any]) -> str:
    """Say how intervals were made, or why there are none; empty if it is not known."""
    if not intervals:
        return ""
    note = str(intervals.get("note", ""))
    if note.startswith("no intervals"):
        return f"{note[0].upper()}{note[1:]}."
    if not intervals["draws"]:
        return "No intervals were asked for."
    told = f"In brackets: intervals of {100 * intervals['level']:g} %, from {intervals['units']} {intervals['what']}"
    return f"{told}; {note}." if note else f"{told} drawn anew."
