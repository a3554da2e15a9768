"""All scores of an evaluation, in every view and by both ways of adding up, with intervals.

Two ways of adding up are in use, and their numbers differ: "global" scores follow from one matrix over all pixels,
and "mean over ..." is the mean, over chips or squares, of the score of each, those without a score left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import Difference, Intervals, Resampling, bootstrap, paired_difference
from hectares.core.scoring.boundary import boundary_iou, relaxed_scores
from hectares.core.scoring.parts import BOUNDARY, CONFUSION, ERODED, RELAXED, Parts
from hectares.core.scoring.scores import FloatArray, Marginals, class_scores, mean, overall_scores, ratio
from hectares.core.scoring.views import View
from hectares.errors import ArtefactError

GLOBAL = "global"
SCORE_ROW = ("view", "aggregation", "class_name", "score", "value", "low", "high")
_SHAPES = {BOUNDARY: 3, RELAXED: 4}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score with its interval."""

    view: str
    aggregation: str
    class_name: str | None
    """None for a score over all classes."""
    score: str
    value: float
    low: float
    high: float

    @property
    def cells(self) -> tuple[object, ...]:
        """The cells of a line, in the order of `SCORE_ROW`."""
        return (self.view, self.aggregation, self.class_name, self.score, self.value, self.low, self.high)


@dataclass(frozen=True)
class _Sheet:
    """The scores of one view as a function of sums, and what each of them is."""

    kinds: tuple[str, ...]
    columns: tuple[tuple[str | None, str], ...]
    """Class name, or None, and score."""
    statistic: Callable[[FloatArray], FloatArray]


def score_rows(parts: Parts, legend: Legend, views: Sequence[View], how: Resampling) -> list[ScoreRow]:
    """Give all scores: for each view, global and as mean over the parts; `legend` has all classes of the counts."""
    found: list[ScoreRow] = []
    for view in views:
        sheet = _sheet(parts, legend, view)
        packed = _pack(parts, sheet.kinds)
        by_part = sheet.statistic(packed.astype(np.float64))
        defined = ~np.isnan(by_part)
        sums = np.concatenate([np.where(defined, by_part, 0.0), defined], axis=1)
        for aggregation, intervals in (
            (GLOBAL, bootstrap(parts.by_unit(packed), sheet.statistic, how)),
            (f"mean over {parts.what}", bootstrap(parts.by_unit(sums), _means, how)),
        ):
            found += _rows(view.name, aggregation, sheet.columns, intervals)
    return found


def _means(sums: FloatArray) -> FloatArray:
    scores = sums.shape[-1] // 2
    return ratio(sums[..., :scores], sums[..., scores:])


def _rows(
    view: str, aggregation: str, columns: Sequence[tuple[str | None, str]], found: Intervals
) -> Iterator[ScoreRow]:
    ends = (found.value.tolist(), found.low.tolist(), found.high.tolist())
    for (name, score), value, low, high in zip(columns, *ends, strict=True):
        yield ScoreRow(view, aggregation, name, score, value, low, high)


def _pack(parts: Parts, kinds: Sequence[str]) -> NDArray[np.int64]:
    """Give the counts of each part in one row, (N, M)."""
    return np.concatenate([parts.counts[kind].reshape(len(parts.names), -1) for kind in kinds], axis=1)


def _sheet(parts: Parts, legend: Legend, view: View) -> _Sheet:
    classes, overlapping = parts.classes, parts.overlapping
    kept = view.averaged(classes)
    lines = [k for k in (BOUNDARY, RELAXED) if k in parts.counts and not view.eroded]
    shape = (classes, 2, 2) if overlapping else (classes, classes)
    first = int(np.prod(shape))

    def scores(sums: FloatArray) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Scores over all classes (...), and of each class that is kept (..., K)."""
        counts = sums[..., :first].reshape(*sums.shape[:-1], *shape)
        m = Marginals.of(_apply(view, counts, overlapping=overlapping), overlapping=overlapping)
        overall, by_class, start = overall_scores(m, kept), class_scores(m), first
        for kind in lines:
            stop = start + _SHAPES[kind] * classes
            table = sums[..., start:stop].reshape(*sums.shape[:-1], classes, _SHAPES[kind])
            more = {"boundary_iou": boundary_iou(table)} if kind == BOUNDARY else relaxed_scores(table)
            by_class |= more
            overall |= {f"mean_{name}": mean(values[..., kept]) for name, values in more.items()}
            start = stop
        return overall, {name: values[..., kept] for name, values in by_class.items()}

    def statistic(sums: FloatArray) -> FloatArray:
        overall, by_class = scores(sums)
        return np.concatenate([np.stack(list(overall.values()), axis=-1), *by_class.values()], axis=-1)

    kinds = (ERODED if view.eroded else CONFUSION, *lines)
    overall, by_class = scores(np.zeros(sum(parts.total(kind).size for kind in kinds)))
    names = [name for name, used in zip(legend.names, kept, strict=True) if used]
    columns = [(None, score) for score in overall] + [(name, score) for score in by_class for name in names]
    return _Sheet(kinds, tuple(columns), statistic)


def _apply(view: View, counts: FloatArray, *, overlapping: bool) -> NDArray[np.number]:
    if not overlapping:
        return view.apply(counts)
    zeroed = counts.copy()
    zeroed[..., list(view.rows_out), :, :] = 0
    return zeroed


def nest(rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """Give rows as a record: view, aggregation, then `overall` or the class, then score: [value, low, high]."""
    found: dict[str, Any] = {}
    for row in rows:
        home = found.setdefault(row.view, {}).setdefault(row.aggregation, {"overall": {}, "classes": {}})
        scores = home["overall"] if row.class_name is None else home["classes"].setdefault(row.class_name, {})
        scores[row.score] = [row.value, row.low, row.high]
    return found


# --- Two evaluations of the same places -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """How far a score of two evaluations lies apart: the first minus the second."""

    view: str
    aggregation: str
    class_name: str | None
    score: str
    value: float
    low: float
    high: float
    p_value: float


def compare_evaluations(
    first: Mapping[str, Any], second: Mapping[str, Any], views: Sequence[View], how: Resampling
) -> list[DifferenceRow]:
    """Give the differences of all global scores of two evaluations, from the contents of two `evaluation.json`.

    Both must have scored the same parts of the same units, with the same classes. Raises ArtefactError if not.
    """
    contents = (first, second)
    one, other = (Parts.from_json(content["parts"]) for content in contents)
    legends = [Legend.from_json(content["parts_legend"]) for content in contents]
    same = one.names == other.names and one.units == other.units and np.array_equal(one.unit_of, other.unit_of)
    if not same:
        raise ArtefactError(
            f"the evaluations scored {len(one.names)} and {len(other.names)} parts that are not the same; "
            "evaluate both on the same chips and split, with the same options"
        )
    if legends[0].names != legends[1].names or one.overlapping != other.overlapping:
        raise ArtefactError("the evaluations know different classes; evaluate both on the same chips")
    shared = {kind: table for kind, table in one.counts.items() if kind in other.counts}
    one = Parts(one.what, one.what_unit, one.names, one.units, one.unit_of, shared)
    found: list[DifferenceRow] = []
    for view in views:
        if view.eroded and ERODED not in shared:
            continue
        sheet = _sheet(one, legends[0], view)
        sums = [p.by_unit(_pack(p, sheet.kinds)) for p in (one, other)]
        found += _difference_rows(view.name, sheet.columns, paired_difference(sums[0], sums[1], sheet.statistic, how))
    return found


def _difference_rows(
    view: str, columns: Sequence[tuple[str | None, str]], found: Difference
) -> Iterator[DifferenceRow]:
    ends = (a.tolist() for a in (found.value, found.low, found.high, found.p_value))
    for (name, score), value, low, high, p_value in zip(columns, *ends, strict=True):
        yield DifferenceRow(view, GLOBAL, name, score, value, low, high, p_value)
