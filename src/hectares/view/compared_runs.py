"""A comparison of runs in cells, from the content of a `comparison.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hectares.view.numbers import NONE, number, score
from hectares.view.score_lines import ends, intervals_sentence

Content = Mapping[str, Any]
Cell = tuple[str, str]
"""A value and, in brackets, its interval."""
_OVERALL = {"accuracy": "accuracy", "mean_iou": "mean IoU", "mean_f1": "mean F1"}


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run."""

    name: str
    is_best: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    """Several runs on the same places."""

    title: str
    verdict: str
    heads: tuple[str, ...]
    lines: tuple[ComparedRun, ...]
    class_heads: tuple[str, ...]
    """The runs."""
    classes: tuple[tuple[str, tuple[Cell, ...]], ...]
    """IoU of each class by run."""
    about: str


def comparison_section(content: Content, name: str) -> ComparisonSection:
    """Give the verdict, the scores of the runs with their intervals, and the IoU of each class."""
    runs, best = content["runs"], content["verdict"]["best"]
    shown = [key for key in _OVERALL if any(key in r["overall"] for r in runs)]
    lines = [ComparedRun(r["name"], r["name"] == best, tuple(_cells(r, shown))) for r in runs]
    names = list(dict.fromkeys(name for r in runs for name in r["iou"]))
    split = f" on the “{content['split']}” split" if content.get("split") else ""
    return ComparisonSection(
        title=name,
        verdict=f"{content['verdict']['sentence']} Scored{split}: {content['view']}.",
        heads=(*(_OVERALL[key] for key in shown), f"mean IoU against {content['against']}", "p", "minutes of training"),
        lines=tuple(lines),
        class_heads=tuple(r["name"] for r in runs),
        classes=tuple((name, tuple(_cell(r["iou"].get(name)) for r in runs)) for name in names),
        about=intervals_sentence(content.get("intervals") or {}),
    )


def _cells(run: Content, shown: Sequence[str]) -> list[Cell]:
    apart = (run.get("difference") or {}).get("overall", {}).get("mean_iou")
    p = (NONE, "") if not apart or len(apart) < 4 else (_p_value(apart[3]), "")
    minutes = run.get("training_minutes")
    return [
        *(_cell(run["overall"].get(key)) for key in shown),
        _cell(apart, signed=True),
        p,
        (number(minutes, 0 if minutes and minutes >= 10 else 1), ""),
    ]


def _cell(values: Sequence[float | None] | None, *, signed: bool = False) -> Cell:
    """Write a score with its interval; a difference with its sign.

    >>> _cell([0.5, 0.4, 0.6]), _cell([0.1, -0.02, 0.2, 0.03], signed=True), _cell(None)
    (('0.500', '(0.400–0.600)'), ('+0.100', '(−0.020 to +0.200)'), ('–', ''))
    """
    if not values or values[0] is None:
        return NONE, ""
    value, low, high = values[0], values[1], values[2]
    if not signed:
        return score(value), ends(low, high)
    return _signed(value), "" if low is None or high is None else f"({_signed(low)} to {_signed(high)})"


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.3f}".replace("-", "−")


def _p_value(p: float | None) -> str:
    return NONE if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
