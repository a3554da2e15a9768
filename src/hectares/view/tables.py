"""The tables of a report: from the content of artefacts to cells of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hectares.core.legend import Color, Legend, default_color, hex_color
from hectares.view.columns import OTHERS, by_number, largest_classes
from hectares.view.figures import Bar
from hectares.view.numbers import NONE, count, decimals_for, difference, number, percent, score
from hectares.view.score_lines import (
    AREA_SENTENCE,
    CALIBRATION,
    COLUMNS,
    Values,
    class_ends,
    ends,
    intervals_sentence,
    score_lines,
)

Content = Mapping[str, Any]
"""The content of a JSON artefact."""

_KM2_FROM_HA = 100
_M2_PER_HA = 10_000.0
_OF_ONE_CLASS_A_PIXEL = {"kappa": "kappa", "weighted_iou": "IoU weighted by frequency"}
"""Scores that there are not where classes may overlap."""
_HA_PER_KM2 = 100.0


@dataclass(frozen=True, slots=True)
class Fact:
    """A thing and what is to be said about it."""

    label: str
    value: str


# --- Areas ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AreaLine:
    """One line of an area table."""

    name: str
    color: str | None
    hectares: str
    other_unit: str
    share: str
    pixels: str
    reference: str = NONE
    difference: str = NONE


@dataclass(frozen=True, slots=True)
class ZoneCell:
    """The area of a class in a zone; with a reference, that and the difference below."""

    hectares: str
    beside: str


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """Zones against classes, in hectares."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[ZoneCell, ...]], ...]
    left_out: int
    """Zones beyond those that are listed."""


@dataclass(frozen=True, slots=True)
class AreaSection:
    """The areas of one map."""

    title: str
    kind: str
    """mapped or reference."""
    method: str
    other_unit: str
    lines: tuple[AreaLine, ...]
    observed: AreaLine
    nodata: AreaLine | None
    bars: tuple[Bar, ...]
    zones: ZoneTable | None
    reference: str | None
    """Name of the map that the reference areas were counted from."""


def area_section(areas: Content, reference: Content | None, *, max_zones: int) -> AreaSection:
    """Give the table of areas, with the reference beside the mapped area where there is one."""
    colors = class_colors(areas)
    classes = [r for r in areas["total"] if r["class_id"] is not None]
    given = {} if reference is None else _by_name(reference["total"])
    decimals = decimals_for([*(r["area_ha"] for r in classes), *given.values()])
    in_km2 = sum(r["area_ha"] for r in areas["total"]) >= _KM2_FROM_HA
    other = {r["class_name"]: r["area_ha"] * (1 / _HA_PER_KM2 if in_km2 else _M2_PER_HA) for r in areas["total"]}
    other_decimals = decimals_for(other.values())

    def line(record: Content, color: str | None) -> AreaLine:
        name, hectares = record["class_name"], record["area_ha"]
        return AreaLine(
            name=name,
            color=color,
            hectares=number(hectares, decimals),
            other_unit=number(other[name], other_decimals),
            share=percent(record["share"]),
            pixels=number(record["pixels"]),
            reference=number(given.get(name), decimals),
            difference=difference(hectares, given.get(name)),
        )

    observed = _sum(classes, "all classes")
    other[observed["class_name"]] = sum(other[r["class_name"]] for r in classes)
    if given:
        given[observed["class_name"]] = sum(given.values())
    nodata = next((r for r in areas["total"] if r["class_id"] is None and r["pixels"]), None)
    bars = [Bar(r["class_name"], colors[r["class_name"]], r["area_ha"], given.get(r["class_name"])) for r in classes]
    return AreaSection(
        title=str(areas["map"]),
        kind=str(areas["kind"]),
        method=str(areas["method"]),
        other_unit="km²" if in_km2 else "m²",
        lines=tuple(line(r, hex_color(colors[r["class_name"]])) for r in classes),
        observed=line(observed, None),
        nodata=None if nodata is None else line(nodata, None),
        bars=tuple(bars),
        zones=_zone_table(areas, reference, max_zones, max(1, decimals)) if areas["zones"] else None,
        reference=None if reference is None else str(reference["map"]),
    )


def class_colors(areas: Content) -> dict[str, Color]:
    """Give the color of each class of an area table, its default color if the table has no legend."""
    names = [r["class_name"] for r in areas["total"] if r["class_id"] is not None]
    colors = {name: default_color(i) for i, name in enumerate(names)}
    if areas.get("legend"):
        colors |= {c.name: c.color for c in Legend.from_json(areas["legend"]).classes}
    return colors


def _by_name(records: Iterable[Content]) -> dict[str, float]:
    return {r["class_name"]: float(r["area_ha"]) for r in records if r["class_id"] is not None}


def _sum(records: Sequence[Content], name: str) -> dict[str, Any]:
    hectares, pixels = (sum(r[key] for r in records) for key in ("area_ha", "pixels"))
    return {"class_name": name, "area_ha": hectares, "pixels": pixels, "share": 1.0 if hectares else None}


def _zone_table(areas: Content, reference: Content | None, max_zones: int, max_decimals: int) -> ZoneTable:
    """Zones by name; the classes, all of them, and nodata if there is any."""
    zones: Mapping[str, Sequence[Content]] = areas["zones"]
    names = largest_classes(_by_name(areas["total"]))
    more = len(names) < len(_by_name(areas["total"]))
    wanted = decimals_for(area for records in zones.values() for area in _by_name(records).values())
    decimals = min(wanted, max_decimals)
    has_nodata = any(r["class_id"] is None and r["pixels"] for records in zones.values() for r in records)
    rows = []
    for zone, records in sorted(zones.items(), key=lambda item: by_number(item[0]))[:max_zones]:
        mapped = _by_name(records)
        given = {} if reference is None else _by_name(reference.get("zones", {}).get(zone, ()))
        cells = [_zone_cell(mapped.get(name), given.get(name), decimals) for name in names]
        if more:
            rest = [sum(v for k, v in found.items() if k not in names) for found in (mapped, given)]
            cells.append(_zone_cell(rest[0], rest[1] if given else None, decimals))
        cells.append(_zone_cell(sum(mapped.values()), sum(given.values()) if given else None, decimals))
        if has_nodata:
            unseen = next((r["area_ha"] for r in records if r["class_id"] is None), 0.0)
            cells.append(_zone_cell(unseen, None, decimals))
        rows.append((zone, tuple(cells)))
    heads = (*names, *([OTHERS] if more else []), "all classes", *(["nodata"] if has_nodata else []))
    return ZoneTable(heads, tuple(rows), max(0, len(zones) - max_zones))


def _zone_cell(mapped: float | None, reference: float | None, decimals: int) -> ZoneCell:
    beside = "" if reference is None else f"{number(reference, decimals)} ({difference(mapped, reference)})"
    return ZoneCell(number(mapped, decimals), beside)


# --- Scores -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """The scores of one class."""

    name: str
    color: str
    iou: str
    f1: str
    precision: str
    recall: str
    reference_px: str
    predicted_px: str
    iou_ends: str = ""
    """The interval of the IoU, in brackets."""
    f1_ends: str = ""


@dataclass(frozen=True, slots=True)
class ViewRow:
    """The overall scores of one view: each as value and interval."""

    name: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ScoreSection:
    """The scores of one evaluation."""

    title: str
    scored: str
    """What was scored against what, as a sentence."""
    overall: tuple[Fact, ...]
    lines: tuple[ScoreLine, ...]
    averages: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Macro and micro averages of IoU, F1, precision and recall."""
    view_heads: tuple[str, ...] = ()
    views: tuple[ViewRow, ...] = ()
    """By what is scored and how it is added up, with the floor and a baseline; empty for older evaluations."""
    about_intervals: str = ""
    calibration: tuple[Fact, ...] = ()
    areas: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Share of each class by the reference, by the best score with its bias, and by area with its bias."""
    about_areas: str = AREA_SENTENCE
    confusion: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """For each class of the reference, what it was mapped as: share, and pixels; none where classes may overlap."""


def score_section(evaluation: Content, name: str) -> ScoreSection:
    """Give the scores of an evaluation, overall and by class."""
    legend = Legend.from_json(evaluation["legend"])
    intervals = class_ends(evaluation)
    lines = [
        ScoreLine(
            name=r["class_name"],
            color=hex_color(c.color),
            iou=score(r["iou"]),
            f1=score(r["f1"]),
            precision=score(r["precision"]),
            recall=score(r["recall"]),
            reference_px=number(r["reference_px"]),
            predicted_px=number(r["predicted_px"]),
            iou_ends=ends(*intervals["iou"][k]) if intervals else "",
            f1_ends=ends(*intervals["f1"][k]) if intervals else "",
        )
        for k, (r, c) in enumerate(zip(evaluation["classes"], legend.classes, strict=True))
    ]
    o = evaluation["overall"]
    overall = (
        Fact("accuracy", percent(o["accuracy"])),
        Fact("mean IoU", score(o["mean_iou"])),
        Fact("mean F1", score(o["mean_f1"])),
        *(Fact(what, score(o[key])) for key, what in _OF_ONE_CLASS_A_PIXEL.items() if key in o),
    )
    views = list(score_lines(evaluation))
    heads = [column for column in COLUMNS if any(column in view.scores for view in views)]
    rows = (ViewRow(view.name, tuple(_with_ends(view.scores.get(column)) for column in heads)) for view in views)
    return ScoreSection(
        name,
        scored_sentence(evaluation),
        overall,
        tuple(lines),
        averages=tuple(_averages(o)),
        view_heads=tuple(COLUMNS[column] for column in heads),
        views=tuple(rows),
        about_intervals=intervals_sentence(evaluation.get("intervals", {})),
        calibration=tuple(_calibration_facts(evaluation)),
        areas=tuple(_area_rows(evaluation)),
        confusion=tuple(_confusion_rows(evaluation, legend.names)),
    )


def _confusion_rows(evaluation: Content, names: Sequence[str]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    counts = evaluation["confusion"]
    if not counts or isinstance(counts[0][0], Sequence):
        return
    for name, row in zip(names, counts, strict=True):
        total = sum(row)
        yield name, tuple((percent(n / total if total else None), number(n)) for n in row)


def _averages(overall: Content) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, prefix in (("mean of the classes (macro)", "mean"), ("all classes together (micro)", "micro")):
        keys = [f"{prefix}_{s}" for s in ("iou", "f1", "precision", "recall")]
        if all(key in overall for key in keys):
            yield name, tuple(score(overall[key]) for key in keys)


def _with_ends(values: Values | None) -> tuple[str, str]:
    value, low, high = values or (None, None, None)
    return score(value), ends(low, high)


def _calibration_facts(evaluation: Content) -> Iterator[Fact]:
    """How sure the segmenter was, and how far that is from what is right."""
    for key, title in (("as_stored", "as it is"), ("tuned_on_val", "tuned on val")):
        found = evaluation.get("calibration", {}).get(key)
        if found:
            told = ", ".join(f"{name} {score(found['scores'][k][0])}" for k, name in CALIBRATION.items())
            yield Fact(f"calibration, {title}", f"{told}; temperature {found['temperature']:.2f}")


def _area_rows(evaluation: Content) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Shares of the classes, by the reference, by the best score and by area, with their biases."""
    found = evaluation.get("area", {})
    shares = found.get("as_stored", found.get("tuned_on_val", {})).get("classes", {})
    for name in (r["class_name"] for r in evaluation["classes"] if r["class_name"] in shares):
        row = shares[name]
        ways = [(percent(row[way]), difference(row[way], row["reference"])) for way in ("argmax", "area")]
        yield name, (percent(row["reference"]), *ways[0], *ways[1])


def scored_sentence(evaluation: Content) -> str:
    """Say what was scored against what."""
    pixels = count(evaluation["scored_px"], "pixel")
    if evaluation.get("subject") == "chips":
        chips = count(evaluation["chips_scored"], "chip")
        what = f"The segmenter was scored on the “{evaluation['split']}” split: {chips}, {pixels}."
    else:
        what = f"The map {evaluation.get('map')} was scored against {evaluation.get('reference')}: {pixels}."
    unmapped = evaluation.get("unmapped_px", 0)
    if unmapped:
        what += f" For {count(unmapped, 'more labelled pixel')} the map says nothing; they are not scored."
    if evaluation.get("left_out"):
        what += f" Left out: {', '.join(evaluation['left_out'])}."
    return what
