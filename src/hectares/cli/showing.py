"""Results as lines and tables for people."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hectares.cli.console import table
from hectares.view.numbers import hectares as _hectares

if TYPE_CHECKING:
    from hectares.core.area import AreaTable
    from hectares.measure import MappedAreas
    from hectares.start import Demo


def show_scores(rows: Sequence[Sequence[object]], overall: Mapping[str, float]) -> list[str | Table]:
    """Scores by class, and over all."""
    columns = ("class", "IoU", "F1", "precision", "recall", "reference px", "predicted px")
    known = {"accuracy": "accuracy", "mean_iou": "mean IoU", "mean_f1": "mean F1", "kappa": "kappa"}
    summary = "   ".join(f"{name} {overall[key]:.3f}" for key, name in known.items() if key in overall)
    cells = [row[1:] for row in rows]
    for name, prefix in (("mean (macro)", "mean"), ("together (micro)", "micro")):
        means = [overall.get(f"{prefix}_{score}") for score in ("iou", "f1", "precision", "recall")]
        if None not in means:
            cells.append((name, *means, None, None))
    return [table(columns, cells), summary]


def show_views(record: Mapping[str, Any]) -> list[str | Table]:
    """Overall scores by view, with intervals, above the floor; calibration and thresholds if there are any."""
    from hectares.view.numbers import score
    from hectares.view.score_lines import CALIBRATION, COLUMNS, ends, intervals_sentence, score_lines

    views = list(score_lines(record))
    heads = [column for column in COLUMNS if any(column in view.scores for view in views)]
    nothing = (None, None, None)
    cells = [[view.scores.get(column, nothing) for column in heads] for view in views]
    rows = [
        (view.name, *(f"{score(v)} {ends(low, high)}".strip() for v, low, high in line))
        for view, line in zip(views, cells, strict=True)
    ]
    lines: list[str | Table] = ["", table(("scores", *(COLUMNS[c] for c in heads)), rows)]
    lines.append(intervals_sentence(record.get("intervals", {})))
    for key, found in record.get("calibration", {}).items():
        told = "   ".join(f"{name} {score(found['scores'][k][0])}" for k, name in CALIBRATION.items())
        lines.append(f"calibration {key.replace('_', ' ')}: {told}   temperature {found['temperature']:.2f}")
    lines += _area_lines(record.get("area", {}))
    for name, found in record.get("thresholds", {}).get("classes", {}).items():
        for mark, at in found["at"].items():
            told = "   ".join(f"{k} {score(at[k])}" for k in ("f1", "iou", "precision", "recall"))
            lines.append(f"{name} from a score of {at['threshold']:.3f} ({mark}): {told}")
    return lines


def _area_lines(record: Mapping[str, Any]) -> list[str | Table]:
    """Shares of the classes as they are, by the best score and by area, with their biases."""
    from hectares.view.numbers import difference, percent, score
    from hectares.view.score_lines import AREA_SENTENCE

    lines: list[str | Table] = []
    for key, found in record.items():
        heads = (f"share, {key.replace('_', ' ')}", "reference", "argmax", "bias", "area", "bias")
        rows = []
        for name, r in found["classes"].items():
            ways = [(percent(r[way], 2), difference(r[way], r["reference"])) for way in ("argmax", "area")]
            rows.append((name, percent(r["reference"], 2), *ways[0], *ways[1]))
        told = "   ".join(
            f"by {way}: accuracy {score(found['accuracy'][way])}, shares off by {percent(found['misplaced'][way], 2)}"
            for way in ("argmax", "area")
        )
        lines += ["", table(heads, rows), told]
    return [*lines, AREA_SENTENCE] if lines else []


def show_areas(areas: MappedAreas) -> list[str | Table]:
    """Mapped or reference areas in total, and the hectares of each class in each zone."""
    total = areas.total
    rows = [(r.name, r.pixels, _hectares(r.mapped_m2 / 1e4), _percent(total, i)) for i, r in enumerate(total.rows)]
    shown: list[str | Table] = [table(("class", "pixels", "ha", "%"), rows, title=f"{areas.kind.capitalize()} area")]
    if areas.zones:
        names = [r.name for r in total.rows]
        by_zone = [(zone, *(_hectares(r.mapped_m2 / 1e4) for r in t.rows)) for zone, t in areas.zones.items()]
        shown += ["", table(("zone, ha", *names), by_zone)]
    return shown


def _percent(total: AreaTable, index: int) -> str | None:
    share = total.share(total.rows[index])
    return None if share is None else f"{100 * share:.1f}"


def show_facts(facts: Mapping[str, Any], indent: str = "") -> list[str | Table]:
    """Facts, one a line; nested ones indented."""
    lines: list[str | Table] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{key}:")
            lines += show_facts(value, indent + "  ")
        elif isinstance(value, (list, tuple)) and _is_table(value):
            lines += [f"{indent}{key}:", table(list(value[0]), [list(row.values()) for row in value])]
        elif isinstance(value, (list, tuple)):
            lines.append(f"{indent}{key}: {', '.join(map(str, value))}")
        else:
            lines.append(f"{indent}{key}: {'–' if value is None else value}")
    return lines


def _is_table(rows: Sequence[object]) -> bool:
    """Tell if these are records of the same keys, without anything inside them."""
    flat = [r for r in rows if isinstance(r, Mapping) and not any(isinstance(v, (Mapping, list)) for v in r.values())]
    return bool(rows) and len(flat) == len(rows) and all(list(r) == list(flat[0]) for r in flat)


def show_demo(demo: Demo) -> tuple[dict[str, Any], list[str | Table]]:
    """Scores, areas beside the truth, where everything is, and what to try next."""
    from hectares.io.artefact import read_json

    evaluation = read_json(demo.evaluation)
    mapped, true = (read_json(path.with_suffix(".json"))["total"] for path in (demo.areas, demo.reference_areas))
    scores = [[row[k] for k in ("class_name", "iou", "f1", "precision", "recall")] for row in evaluation["classes"]]
    overall = evaluation["overall"]
    areas = [
        (m["class_name"], _hectares(m["area_ha"]), _hectares(t["area_ha"]), _difference(m["area_ha"], t["area_ha"]))
        for m, t in zip(mapped, true, strict=True)
    ]
    places = [
        ("the scene", demo.scene),
        ("its class map, colored in any GIS", demo.class_map),
        ("scores, with a figure beside them", demo.evaluation),
        ("areas by district", demo.areas),
        ("the trained segmenter", demo.run),
        ("the report: open it in a browser", demo.report),
    ]
    seconds = ", ".join(f"{name} {s:.0f} s" for name, s in demo.seconds.items())
    lines: list[str | Table] = [
        "",
        table(
            ("class", "IoU", "F1", "precision", "recall"),
            scores,
            title="Scores on the east, which training never saw",
        ),
        f"accuracy {overall['accuracy']:.3f}   mean IoU {overall['mean_iou']:.3f}   mean F1 {overall['mean_f1']:.3f}",
        "",
        table(("class", "mapped ha", "true ha", "difference %"), areas, title="Area on the ellipsoid"),
        "",
        table(("result", "where"), places),
        "",
        f"Took {sum(demo.seconds.values()):.0f} s: {seconds}",
        "Next: hectares init my-project, or hectares formats to see how labels of your own are read.",
    ]
    record = {
        "overall": overall,
        "mapped": mapped,
        "true": true,
        "seconds": demo.seconds,
        "report": demo.report,
        "map": demo.class_map,
    }
    return record, lines


def _difference(mapped: float, true: float) -> str | None:
    return f"{100 * (mapped - true) / true:+.1f}" if true else None


def show_plan(scene: object, plan: Mapping[str, Any], out: Path) -> list[str | Table]:
    """What a prediction would take."""
    tiles, size = plan["tiles"], plan["scene"]
    asked = f"{plan['device']}, {plan['precision']}" if "precision" in plan else plan["device"]
    if plan.get("agreement") is not None:
        asked += f" (as fp32 in torch on {float(plan['agreement']):.3%} of pixels)"
    rows = [
        ("scene", f"{size['height_px']:,} x {size['width_px']:,} px"),
        ("windows", f"{tiles['count']:,} of {tiles['height_px']} x {tiles['width_px']} px"),
        ("context", f"{tiles['context_px']} px, {tiles['overcompute']:.3f} px computed for each delivered"),
        ("decides by", plan.get("decide", "argmax")),
        ("runs on", f"{plan['runtime']}, {asked}" + (f", {plan['passes']} passes" if plan["passes"] > 1 else "")),
        *cost_rows(plan, out),
    ]
    return [table(("plan", str(scene)), [*rows[:1], *_scene_rows(plan), *rows[1:]])]


def cost_rows(plan: Mapping[str, Any], out: Path) -> list[tuple[str, str]]:
    """Time, memory and disk that a prediction would take."""
    free = shutil.disk_usage(next(p for p in (out.resolve(), *out.resolve().parents) if p.exists())).free / 2**20
    merging = ", and that of merging the maps" if plan.get("apart") is not None else ""
    disk = math.ceil(plan["disk_mib"])
    return [
        ("one batch", f"{plan['seconds_a_batch']:.2g} s"),
        ("time", f"{_lasting(plan['minutes'])}, less where windows are empty{merging}"),
        ("memory", f"about {plan['peak_memory_mib']:,.0f} MiB at most, whatever the size of the scene"),
        ("disk", f"at most {disk:,} MiB while it runs; {free:,.0f} MiB are free"),
    ]


def _lasting(minutes: float) -> str:
    """Tell a time in the unit that gives it a number worth reading.

    >>> _lasting(0.002), _lasting(0.4), _lasting(12.34), _lasting(300)
    ('about a second', 'about 24 seconds', 'about 12 minutes', 'about 5.0 hours')
    """
    if minutes < 2:
        seconds = math.ceil(minutes * 60)
        return "about a second" if seconds <= 1 else f"about {seconds} seconds"
    return f"about {minutes:.0f} minutes" if minutes < 120 else f"about {minutes / 60:.1f} hours"


def _scene_rows(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When a scene was taken, how it is read, and how far its values lie from those of training."""
    rows = [] if plan.get("acquired") is None else [("taken", str(plan["acquired"]))]
    read, drift = plan.get("resampled"), plan.get("drift")
    if read is not None:
        size = f"{read['height_px']:,} x {read['width_px']:,} px"
        rows.append(("resampled", f"the network sees it as {size} of {read['gsd_m'][0]:.3g} m"))
    if drift is not None:
        far = max(drift["bands"], key=lambda b: abs(b["score"]))
        means = f"{far['mean']:.4g}, {far['trained_mean']:.4g} in training"
        told = f"{far['name']} has a mean of {means} ({far['score']:+.1f} deviations)"
        rows.append(("values", f"{told}; {drift['out_of_range']:.1%} of the pixels out of range"))
    return rows
