"""Estimated areas in words and cells, from the content of an `estimate.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hectares.core.legend import Legend, hex_color
from hectares.view.columns import collapse, largest_classes
from hectares.view.estimate_chart import EstimateBar, estimates_sheet
from hectares.view.numbers import NONE, count, decimals_for, number, percent

Content = Mapping[str, Any]

_PLAIN = {"stratified", "stratified-ratio"}
_FLOOR_NOTE = 0.9
"""Design effect above which a model-assisted estimate is not worth its words."""
_LEAST_EFFECT = 0.05
METHODS = {
    "stratified": "stratified",
    "stratified-ratio": "stratified, zone as a ratio",
    "regression": "regression (GREG)",
    "tuned": "tuned difference (PPI++)",
    "difference": "difference (PPI)",
}
_ASSISTED = {
    "regression": (
        "fits the reference to all columns of {file} and corrects what the points missed (generalized regression "
        "estimator; Särndal, Swensson and Wretman 1992, chapter 6)"
    ),
    "tuned": (
        "takes the class in {file} times a factor of 0 to 1 that the points choose, and corrects it by the mean error "
        "at the points (prediction-powered inference, PPI++; Angelopoulos, Duchi and Zrnic 2023)"
    ),
    "difference": (
        "takes the class in {file} as it is, and corrects it by its mean error at the points (difference estimator; "
        "prediction-powered inference of Angelopoulos and others 2023)"
    ),
}


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """A class of a place by one method, in cells."""

    name: str
    color: str
    mapped: str
    estimate: str
    ends: str
    difference: str
    """How far the mapped area lies from the estimate, and whether within the interval."""
    biased: bool
    points: str
    users: str
    producers: str
    method: str
    effect: str


@dataclass(frozen=True, slots=True)
class ZoneEstimates:
    """Estimates of zones, with their intervals: a line a zone, a cell a class."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    left_out: int
    more_classes: int
    """Classes beyond those that have a column."""


@dataclass(frozen=True, slots=True)
class EstimateSection:
    """The estimates of one map."""

    title: str
    quote: tuple[str, ...]
    overall: str
    lines: tuple[EstimateLine, ...]
    assisted: tuple[EstimateLine, ...]
    method: tuple[str, ...]
    level: str
    bars: tuple[EstimateBar, ...]
    zones: ZoneEstimates | None
    heads: tuple[str, ...]
    """Classes, the columns of the error matrix."""
    matrix: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """A line a class of the map: share of the area and points by class of the reference."""


def estimate_section(content: Content, *, max_zones: int) -> EstimateSection:
    """Give what a page says of an estimate."""
    legend, total = Legend.from_json(content["legend"]), content["total"]
    lines = list(estimate_lines(total, legend))
    n = len(legend)
    heads, matrix = _error_matrix(total, legend.names)
    return EstimateSection(
        title=str(content["map"]),
        quote=tuple(quote_sentences(content)),
        overall=overall_sentence(content),
        lines=tuple(lines[:n]),
        assisted=tuple(lines[n:]),
        method=tuple(method_sentences(content)),
        level=_percent(content["interval"]["level"]),
        bars=_bars(total, legend),
        zones=_zone_estimates(content, max_zones) if content["zones"] else None,
        heads=heads,
        matrix=matrix,
    )


def _error_matrix(
    total: Content, names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]:
    """Give the columns and the lines of the error matrix; of many classes, the largest have their own."""
    kept = largest_classes({r["class_name"]: r["estimate_ha"] or 0.0 for r in plain_rows(total)})
    both = (names, names)
    shares, rows, columns = collapse(np.array(total["matrix"], np.float64), both, kept)
    points, _, _ = collapse(np.array(total["counts"], np.float64), both, kept)
    cells = (
        tuple((percent(s), number(k)) for s, k in zip(*pair, strict=True)) for pair in zip(shares, points, strict=True)
    )
    return tuple(columns), tuple(zip(rows, cells, strict=True))


def draw_estimates(content: Content, path: Path) -> None:
    """Draw mapped and estimated areas of a whole map as PNG."""
    bars = _bars(content["total"], Legend.from_json(content["legend"]))
    estimates_sheet(bars, content["interval"]["level"]).save(path)


def _bars(place: Content, legend: Legend) -> tuple[EstimateBar, ...]:
    return tuple(
        EstimateBar(c.name, c.color, r["mapped_ha"], r["estimate_ha"], r["ci_low_ha"], r["ci_high_ha"])
        for c, r in zip(legend.classes, plain_rows(place), strict=True)
    )


def _zone_estimates(content: Content, max_zones: int) -> ZoneEstimates:
    zones = content["zones"]
    total = {r["class_name"]: r["estimate_ha"] or 0.0 for r in plain_rows(content["total"])}
    names = largest_classes(total)
    kept = [(z["name"], [r for r in plain_rows(z) if r["class_name"] in names]) for z in zones[:max_zones]]
    decimals = max(1, decimals_for(r["estimate_ha"] for _, rows in kept for r in rows))
    cells = [
        (name, tuple((number(r["estimate_ha"], decimals), _ends(r, decimals)) for r in rows)) for name, rows in kept
    ]
    return ZoneEstimates(tuple(names), tuple(cells), len(zones) - len(kept), len(total) - len(names))


def _ends(row: Content, decimals: int) -> str:
    if row["ci_low_ha"] is None:
        return ""
    return f"{number(row['ci_low_ha'], decimals)}–{number(row['ci_high_ha'], decimals)}"


def plain_rows(place: Content) -> list[Content]:
    """Give the rows of the stratified estimate."""
    return [r for r in place["rows"] if r["method"] in _PLAIN]


def assisted_rows(place: Content) -> list[Content]:
    """Give the rows of the model-assisted estimate that was asked for; [] if there is none."""
    return [r for r in place["rows"] if r["method"] not in _PLAIN]


def estimate_lines(place: Content, legend: Legend) -> Iterator[EstimateLine]:
    """Give the cells of a place: plain rows, then model-assisted ones."""
    areas = [r[key] for r in place["rows"] for key in ("mapped_ha", "estimate_ha")]
    decimals = decimals_for(areas)
    colors = {c.name: hex_color(c.color) for c in legend.classes}
    for r in place["rows"]:
        low, high, mapped = r["ci_low_ha"], r["ci_high_ha"], r["mapped_ha"]
        known = None not in {low, high}
        biased = known and mapped is not None and not low <= mapped <= high
        yield EstimateLine(
            name=r["class_name"],
            color=colors[r["class_name"]],
            mapped=number(mapped, decimals),
            estimate=number(r["estimate_ha"], decimals),
            ends=f"{number(low, decimals)} to {number(high, decimals)}" if known else NONE,
            difference=NONE if not known or mapped is None else "outside" if biased else "within",
            biased=biased,
            points=f"{r['n_class']} of {r['n']}",
            users=_accuracy(r, "users"),
            producers=_accuracy(r, "producers"),
            method=METHODS.get(r["method"], r["method"]),
            effect=NONE if r["design_effect"] is None else f"{r['design_effect']:.2f}",
        )


def _accuracy(row: Content, whose: str) -> str:
    value, low, high = (row[f"{whose}_{key}"] for key in ("accuracy", "low", "high"))
    if value is None:
        return NONE
    return f"{percent(value, 0)} ({number(100 * low)}–{number(100 * high)})"


def overall_sentence(content: Content) -> str:
    """Say how much of the area is mapped as what it is."""
    o, level = content["total"]["overall"], content["interval"]["level"]
    if o["accuracy"] is None:
        return ""
    return (
        f"{percent(o['accuracy'])} of the area is mapped as what it is ({100 * level:g} % interval "
        f"{percent(o['low'])} to {percent(o['high'])})."
    )


def quote_sentences(content: Content) -> list[str]:
    """Say which number to quote, and where the map is off."""
    place, level = content["total"], content["interval"]["level"]
    rows = [r for r in plain_rows(place) if r["estimate_ha"] is not None]
    biased = [r for r in rows if r["mapped_ha"] is not None and not r["ci_low_ha"] <= r["mapped_ha"] <= r["ci_high_ha"]]
    shown = max(biased or rows, key=lambda r: r["estimate_ha"])
    decimals = decimals_for([shown["estimate_ha"], shown["se_ha"]])
    low, high = number(shown["ci_low_ha"], decimals), number(shown["ci_high_ha"], decimals)
    area = f"{shown['class_name']} {number(shown['estimate_ha'], decimals)} ha"
    ends = f"{_percent(level)} {low} to {high} ha"
    told = [f"Quote the estimated area with its interval, not the mapped one: {area} ({ends})."]
    ways = [
        f"too {way} {_listed(names)}"
        for way, names in (
            ("much", [r["class_name"] for r in biased if r["mapped_ha"] > r["ci_high_ha"]]),
            ("little", [r["class_name"] for r in biased if r["mapped_ha"] < r["ci_low_ha"]]),
        )
        if names
    ]
    if ways:
        told.append(f"The map has {' and '.join(ways)}: what it shows lies outside the interval.")
    told += _assisted_sentence(content)
    return told


def _assisted_sentence(content: Content) -> Iterator[str]:
    rows = [r for r in assisted_rows(content["total"]) if r["design_effect"] is not None]
    if not rows:
        return
    way = METHODS[rows[0]["method"]]
    best = min(rows, key=lambda r: r["design_effect"])
    if best["design_effect"] > _FLOOR_NOTE:
        yield f"The {way} estimate gains nothing here: quote the stratified one."
        return
    worst = max(rows, key=lambda r: r["design_effect"])
    yield (
        f"The {way} estimate is worth {_worth(worst)} ({worst['class_name']}) to "
        f"{_worth(best)} times ({best['class_name']}) as many points. Quote one of the two for all "
        "classes, and settle on it before you see the numbers."
    )


def _worth(row: Content) -> str:
    """How many times as many points a row is worth: no more than a sample can tell."""
    return f"{1 / row['design_effect']:.1f}" if row["design_effect"] > _LEAST_EFFECT else "more than 20"


def method_sentences(content: Content) -> list[str]:
    """Tell a planner and a statistician how the numbers were made."""
    n = content["total"]["rows"][0]["n"]
    level = content["interval"]["level"]
    other = bool(content["config"].get("other_map"))
    told = [
        f"{count(n, 'point')} drawn at random from {count(len(content['strata']), 'stratum', 'strata')} were labelled "
        "by people. The share of each class among the points of a stratum, times the area of the stratum, added up "
        "over the strata, is its estimated area: right on average, however wrong the map is. "
        + (
            "The strata are not the classes of this map: ratio estimators (Stehman 2014, International Journal of "
            "Remote Sensing 35)."
            if other
            else "The strata are the classes of the map: good practice of Olofsson and others 2014 (Remote Sensing of "
            "Environment 148)."
        )
    ]
    if content["interval"]["method"] == "melded":
        told.append(
            f"Of 100 such surveys, at least about {100 * level:g} have an interval that holds the true area. The "
            "intervals allow for errors that no point has shown, and so are longer where a class is rare (Fay, "
            "Proschan and Brittain 2015, Biometrics 71)."
        )
    else:
        told.append(
            f"Intervals are the estimate ± {100 * level:g} % normal quantiles of its standard error; they are too "
            "short where a class is rare or a stratum shows no error."
        )
    aid = content.get("aid")
    if aid:
        told.append(f"The model-assisted estimate {_ASSISTED[aid['way']].format(file=aid['file'])}.")
    return told


def estimate_limits(content: Content) -> Iterator[str]:
    """Say what estimated areas do not tell."""
    missing = content["unlabelled"]["points"]
    if missing:
        worst = max(content["unlabelled"]["bounds"], key=lambda b: b["all_ha"] - b["none_ha"])
        yield (
            f"{count(len(missing), 'point')} of the sample {content['sample']} have no label and were left out as if "
            f"they were like the others. If none or all of them were {worst['class_name']}, its area would be "
            f"{number(worst['none_ha'], 1)} to {number(worst['all_ha'], 1)} ha."
        )
    if content["left_out_ha"]:
        yield (
            f"The estimates of {content['map']} are of {number(content['area_ha'], 1)} ha; "
            f"{number(content['left_out_ha'], 1)} ha were seen in training or too small, and no point could fall there."
        )
    yield (
        f"The estimates of {content['map']} take the labels of the points for the truth: a point labelled wrongly is "
        "an error that no interval knows of."
    )


def _percent(level: float) -> str:
    return f"{100 * level:g} % interval"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
