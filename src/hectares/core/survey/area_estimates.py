"""Estimated areas beside mapped ones: the rows of a table, for a whole map and for its zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import Legend
from hectares.core.scoring.scores import FloatArray
from hectares.core.survey.assisted import LabelledPoints, Way, assist, assisted_ends, design_effect, gap_ends
from hectares.core.survey.estimators import Estimate, Survey, assess_map
from hectares.core.survey.intervals import IntervalRule

WHOLE = "whole map"
"""The name of the rows that are not of a zone."""
STRATIFIED = "stratified"
AS_RATIO = "stratified-ratio"
"""The plain estimate of a zone across strata: its share of each class as a ratio of two estimated areas."""
M2_PER_HA = 10_000.0
ENOUGH = 5
"""Points that each part of a stratum in a zone needs, for the part to be a stratum of its own."""


@dataclass(frozen=True, slots=True)
class EstimateRow:
    """One line of the table: a class of a place, by one method. None where there is no such number."""

    class_id: int
    class_name: str
    mapped_ha: float | None
    estimate_ha: float | None
    se_ha: float | None
    ci_low_ha: float | None
    ci_high_ha: float | None
    n: int
    """Labelled points of the place."""
    n_class: int
    """Those of them that are of the class in the reference."""
    users_accuracy: float | None
    users_low: float | None
    users_high: float | None
    producers_accuracy: float | None
    producers_low: float | None
    producers_high: float | None
    method: str
    design_effect: float | None = None
    """Variance over that of the plain estimate; None in the plain rows."""


COLUMNS = tuple(f.name for f in fields(EstimateRow))


@dataclass(frozen=True, eq=False)
class Place:
    """A map or a zone of it, with its labelled points counted.

    `mapped_m2` (K,) is what the map shows there, and `area_m2` what shares are shares of. `within` (n,) says which of
    all labelled points lie there.
    """

    name: str
    survey: Survey
    area_m2: float
    mapped_m2: FloatArray
    within: NDArray[np.bool_]

    @property
    def method(self) -> str:
        """How the plain estimate of the place is made."""
        return STRATIFIED if self.survey.drawn is None else AS_RATIO


@dataclass(frozen=True, eq=False)
class PlaceEstimate:
    """What was estimated for a place."""

    name: str
    area_m2: float
    rows: tuple[EstimateRow, ...]
    """The plain ones, then those of the chosen model-assisted estimate."""
    counts: NDArray[np.int64]
    """(K, K) labelled points by class of the map (rows) and of the reference (columns)."""
    matrix: FloatArray
    """(K, K) the same as shares of the area."""
    overall: tuple[float, float, float, float]
    """Overall accuracy: value, standard error, low and high end."""
    assisted: Mapping[str, tuple[EstimateRow, ...]]
    """Rows of every model-assisted estimate by its name, the chosen one among them."""

    def plain(self) -> tuple[EstimateRow, ...]:
        """Give the rows of the plain estimate."""
        return tuple(r for r in self.rows if r.method in {STRATIFIED, AS_RATIO})

    def to_json(self) -> dict[str, Any]:
        """Give the record of the place."""
        return {
            "name": self.name,
            "area_ha": self.area_m2 / M2_PER_HA,
            "rows": [_record(r) for r in self.rows],
            "counts": self.counts,
            "matrix": self.matrix,
            "overall": dict(zip(("accuracy", "se", "low", "high"), self.overall, strict=True)),
            "assisted": {name: [_record(r) for r in rows] for name, rows in self.assisted.items()},
        }


def estimate_place(place: Place, legend: Legend, rule: IntervalRule) -> tuple[PlaceEstimate, Estimate]:
    """Estimate the areas and accuracies of a place, plainly; also gives the areas (K,) in m2."""
    found = assess_map(place.survey, rule)
    area = found.area.times(place.area_m2)
    counts = place.survey.counts.sum(axis=0)
    n, of_class = int(counts.sum()), counts.sum(axis=0)
    rows = []
    for k, c in enumerate(legend.classes):
        users, producers = ((_known(e.value[k]), _known(e.low[k]), _known(e.high[k]))
                            for e in (found.users, found.producers))  # fmt: skip
        rows.append(EstimateRow(c.code, c.name, _ha(place.mapped_m2[k]), *_in_ha(area, k), n, int(of_class[k]),
                                *users, *producers, place.method))  # fmt: skip
    o = found.overall
    overall = (float(o.value[0]), float(o.se[0]), float(o.low[0]), float(o.high[0]))
    whole = PlaceEstimate(
        place.name, place.area_m2, tuple(rows), counts.astype(np.int64), found.matrix, overall, assisted={}
    )
    return whole, area


def assist_place(
    points: LabelledPoints,
    ways: Sequence[Way],
    plain: tuple[PlaceEstimate, Estimate],
    *,
    total_m2: float,
    rule: IntervalRule,
) -> dict[str, tuple[EstimateRow, ...]]:
    """Estimate the areas of a place with an aid, in several ways, from points that are 0 outside the place.

    `total_m2` is the area of all strata, of which the points know shares.
    """
    estimate, area = plain
    return {way: tuple(_assisted_rows(estimate, area, points, way, rule, total_m2)) for way in ways}


def _assisted_rows(
    estimate: PlaceEstimate, area: Estimate, points: LabelledPoints, way: Way, rule: IntervalRule, total_m2: float
) -> Iterator[EstimateRow]:
    is_map = bool(np.isin(points.aid, (0.0, 1.0)).all())
    if way == "difference" and is_map and rule.method == "melded":
        ends = gap_ends(points, rule, total=total_m2, most=estimate.area_m2)
    else:
        ends = assisted_ends(area, assist(points, way), level=rule.level, total=total_m2, most=estimate.area_m2)
    effect = design_effect(ends.se, area.se)
    for k, row in enumerate(estimate.plain()):
        yield EstimateRow(row.class_id, row.class_name, row.mapped_ha, *_in_ha(ends, k), row.n, row.n_class,
                          None, None, None, None, None, None, way, _known(effect[k]))  # fmt: skip


def _in_ha(area: Estimate, k: int) -> tuple[float | None, float | None, float | None, float | None]:
    return _ha(area.value[k]), _ha(area.se[k]), _ha(area.low[k]), _ha(area.high[k])


def _ha(m2: float) -> float | None:
    return _known(m2 / M2_PER_HA)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _record(row: EstimateRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}
