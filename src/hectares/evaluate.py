"""A map or a run against reference: counts, the scores that follow from them, and how sure these are.

The layout of `evaluation.json` is told in `core/scoring/evaluation.py`. Beside it stand a table of the classes (.csv),
all scores in all views with their intervals, one a line (.scores.csv), and a figure (.png).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.evaluate import EvaluateConfig
from hectares.core.legend import IGNORE, Legend
from hectares.core.scoring.blocks import chip_units, square_side, square_units, squares_of
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.boundary import boundary_width
from hectares.core.scoring.comparison import check_same_reference
from hectares.core.scoring.evaluation import SCORE_COLUMNS as SCORE_COLUMNS
from hectares.core.scoring.evaluation import Evaluation as Evaluation
from hectares.core.scoring.evaluation import (
    baseline_record,
    calibration_record,
    intervals_record,
    majority_record,
    part_iou,
    threshold_record,
    worst_record,
)
from hectares.core.scoring.parts import Counter, CountingRule, Parts, PartsBuilder
from hectares.core.scoring.score_sheet import SCORE_ROW, compare_evaluations, nest, score_rows
from hectares.core.scoring.views import views_of
from hectares.core.window import Window
from hectares.errors import ArtefactError, GridError
from hectares.io.artefact import check_record, read_artefact, save_csv, save_json, sha256_file, stamp
from hectares.io.chips.index import ChipRecord
from hectares.io.chips.seen import count_seen
from hectares.io.chips.selection import Selection
from hectares.io.chips.store import ChipStore, open_chips
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import RasterFile, open_raster
from hectares.io.reference import Reference, ShapeRules, check_grid, open_reference
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.io.shapes.layer_name import split_layer_name
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.runtime.protocol import open_runtime
from hectares.runtime.scoring import AreaShares, ChipFeed, Scorer, Sureness, Tuned, Tuning
from hectares.view.figures import Example, draw_evaluation
from hectares.view.render import to_rgb
from hectares.view.score_charts import charts_of

KIND = "evaluation"
_DIAGONAL_PX = 256

IndexArray = NDArray[np.uint8]


@dataclass
class _Found:
    """What was counted, for `_save`."""

    parts: Parts
    unmapped: int
    legend: Legend
    rule: CountingRule
    subject: dict[str, Any]
    examples: list[Example]
    inputs: dict[str, str] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)


def evaluate(
    subject: str | Path,
    reference: str | Path,
    out: str | Path,
    config: EvaluateConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Evaluation:
    """Score a run against chips, or a class map against a label raster or shapes, by what is given."""
    if Path(reference, "chips.json").is_file():
        return evaluate_chips(subject, reference, out, config, overwrite=overwrite, monitor=monitor)
    if Path(subject).is_dir():
        raise ArtefactError(
            f"{reference}: is not a folder of chips, and {subject} is no map; "
            "score a run on chips, or predict a map first"
        )
    return evaluate_map(subject, reference, out, config, overwrite=overwrite, monitor=monitor)


# --- A run on chips ---------------------------------------------------------------------------------------


def evaluate_chips(
    run: str | Path,
    chips: str | Path,
    out: str | Path,
    config: EvaluateConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Evaluation:
    """Score a segmenter on one split of a folder of chips; writes JSON, CSV and a figure side by side."""
    config.require_for("chips")
    stored, store = find_segmenter(run), open_chips(Path(chips))
    inputs = {"segmenter": stored.sha256, "chips": store.fingerprint}
    _check_baseline(config, config.split, inputs)
    ours = [p for folder in (store.folder, stored.folder, Path(run)) for p in folder.iterdir() if p.is_file()]
    targets = _targets(out, [*ours, *([config.baseline] if config.baseline else [])], overwrite=overwrite)
    chosen = Selection.like(store, stored.spec)
    feed = _feed(stored, chosen, config.split)
    views_of(stored.spec.legend, without=config.without)  # refuses names that are in no legend
    _warn_of_seen_chips(stored, store, config, monitor)
    scorer = Scorer(open_runtime(stored, name=config.runtime, device=config.device), config.threshold)
    tuned = _tune(scorer, _feed(stored, chosen, "val"), monitor) if config.tune else None
    temperatures = [float((stored.calibration or {}).get("temperature", 1.0))]
    sureness = Sureness(scorer, [*temperatures, *([tuned.temperature] if tuned else [])])
    ways = {"as_stored": (temperatures[0], stored.calibration)}
    shares = AreaShares(scorer, ways | ({"tuned_on_val": (tuned.temperature, tuned.areas)} if tuned else {}))
    found = _score_chips(scorer, store, feed, (sureness, shares), config, monitor)
    found.inputs = inputs
    found.records = _floor(found.parts, chosen) | _sureness_record(sureness, config, tuned)
    found.records |= {"area": shares.to_json()} if shares.to_json() else {}
    return _save(targets, found, config, monitor)


def _feed(stored: StoredSegmenter, chosen: Selection, split: str) -> ChipFeed:
    """Chips scaled as the segmenter says, or by the scene's own range: that of other chips would mean other things."""
    records, scaler = chosen.store.records(split), stored.spec.scaler
    return ChipFeed(chosen.chips(split), lambda n: chosen.scaling_of(records[n].scene) if scaler.by_scene else scaler)


def _tune(scorer: Scorer, feed: ChipFeed, monitor: Monitor) -> Tuned:
    tuning, numbers = Tuning(scorer, len(feed.reader)), range(len(feed.reader))
    for _, chip, logits in track(scorer.run(feed, numbers), monitor, "tuning on val", len(numbers)):
        tuning.add(logits, chip)
    return tuning.finish()


def _score_chips(
    scorer: Scorer,
    store: ChipStore,
    feed: ChipFeed,
    collected: tuple[Sureness, AreaShares],
    config: EvaluateConfig,
    monitor: Monitor,
) -> _Found:
    sureness, shares = collected
    records = store.records(config.split)
    places = [r.scene for r in records], [r.group for r in records], [r.window for r in records]
    units = chip_units(*places, config.units, config.block_px)
    rule = _rule(config, len(scorer.legend), (store.chip_px, store.chip_px))
    builder, whole = PartsBuilder("chips", units.what), (slice(None), slice(None))
    numbers = range(len(records))
    for n, chip, logits in track(scorer.run(feed, numbers), monitor, "scoring chips", len(numbers)):
        counts, unmapped = Counter(chip.label, scorer.decide(logits, chip), rule).count(whole)
        builder.add(_chip_name(records[n]), units.names[n], counts, unmapped)
        sureness.add(units.names[n], logits, chip)
        shares.add(logits, chip)
    parts, examples = builder.build(), []
    scores = part_iou(parts)
    for n, chip, logits in scorer.run(feed, _spread(scores.tolist(), 0 if scorer.multilabel else config.examples)):
        picture = to_rgb(chip.image, scorer.runtime.spec.bands, chip.valid)
        predicted = scorer.decide(logits, chip)
        examples.append(Example(_chip_name(records[n]), picture, chip.label, predicted, float(scores[n])))
    subject = {"subject": "chips", "split": config.split, "chips_scored": len(records)}
    return _Found(parts, builder.unmapped, scorer.legend, rule, subject, examples)


def _floor(parts: Parts, chosen: Selection) -> dict[str, Any]:
    labelled = chosen.store.labelled_px["train"]
    if not labelled:
        return {"floor": majority_record(parts, chosen.legend, parts.reference_shares, "the reference")}
    shares = chosen.class_counts("train").sum(axis=0) / labelled
    return {"floor": majority_record(parts, chosen.legend, shares, "the training chips")}


def _sureness_record(sureness: Sureness, config: EvaluateConfig, tuned: Tuned | None) -> dict[str, Any]:
    legend, how = sureness.scorer.legend, _resampling(config)
    pairs = zip(sureness.tallies, sureness.temperatures, strict=True)
    found = [calibration_record(tallies, legend, temperature, how) for tallies, temperature in pairs]
    record: dict[str, Any] = {"calibration": dict(zip(("as_stored", "tuned_on_val"), found, strict=False))}
    if sureness.scorer.asked:
        names = [legend.names[k] for k in sureness.scorer.asked]
        best = None if tuned is None else tuned.thresholds
        record["thresholds"] = threshold_record(sureness.thresholds, names, config.split, best)
    return record


def _chip_name(record: ChipRecord) -> str:
    return f"{record.scene} r{record.window.row} c{record.window.col}"


def _warn_of_seen_chips(stored: StoredSegmenter, store: ChipStore, config: EvaluateConfig, monitor: Monitor) -> None:
    """Scores on pixels that the network has learned by heart are worth nothing, so say so."""
    touched = count_seen(stored.spec, store, config.split)
    if touched:
        scored = len(store.records(config.split))
        what = f"{touched} of {scored} scored chips were seen in training or used to choose the best epoch"
        way_out = "; use --split test" if config.split != "test" and store.counts.get("test") else ""
        monitor.problem(Problem(str(store.folder), what, f"the scores say nothing about new places{way_out}"))


# --- A map on a reference raster --------------------------------------------------------------------------


def evaluate_map(
    class_map: str | Path,
    reference: str | Path,
    out: str | Path,
    config: EvaluateConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Evaluation:
    """Score a class map against a raster on the same grid, or against shapes; classes are matched by name."""
    config.require_for("map")
    shapes = ShapeRules(config.class_field, config.aoi, config.background)
    given = [p for p in (config.legend, config.scene, config.baseline) if p]
    targets = _targets(out, [Path(class_map), split_layer_name(reference)[0], *given], overwrite=overwrite)
    with open_class_map(class_map) as opened:
        views_of(opened.legend, without=config.without)
        truth = open_reference(reference, opened, config.legend, shapes, monitor)
        scene = None if config.scene is None else _open_scene(config.scene, opened, monitor)
        inputs = {"map": sha256_file(opened.path), "reference": sha256_file(truth.path)}
        _check_baseline(config, None, inputs)
        found = _score_map(opened, truth, config, monitor)
        if not found.parts.total().sum():
            raise GridError(
                f"{reference}: has no labelled pixel where {opened.path} has a class; nothing can be scored"
            )
        found.examples = _map_examples(opened, truth, scene, found, config)
        truth.label.close()
        found.inputs = inputs
    found.subject = {"subject": "map", "map": Path(class_map).name, "reference": truth.path.name}
    shares = found.parts.reference_shares
    found.records = {"floor": majority_record(found.parts, found.legend, shares, "the reference")}
    return _save(targets, found, config, monitor)


def _open_scene(path: Path, opened: ClassMap, monitor: Monitor) -> RasterFile:
    scene = open_raster(path)
    try:
        check_grid(path, scene.grid, opened, monitor)
    except GridError:
        scene.close()
        raise
    return scene


def _score_map(opened: ClassMap, truth: Reference, config: EvaluateConfig, monitor: Monitor) -> _Found:
    """Count square by square, in windows read with a margin, so that windows leave no trace in the counts."""
    squares = list(squares_of(opened.grid.shape))
    units = square_units(squares, config.block_px)
    side = square_side(opened.grid.shape)
    builder = PartsBuilder(f"squares of {side} px", units.what)
    rule = _rule(config, len(opened.legend), tuple(min(_DIAGONAL_PX, n) for n in opened.grid.shape))
    seen = [Window(*w) for w in opened.provenance.get("trained_on", ())]
    scored_seen = 0
    numbered = {(w.row, w.col): n for n, w in enumerate(squares)}
    for strip in track(opened.windows(), monitor, "scoring map"):
        outer = strip.grow(rule.margin)
        reference, predicted = truth.read(outer), opened.read(outer)
        counter = Counter(reference, predicted, rule)
        for piece in squares_of(strip.shape, side):
            inside = piece.shift(strip.row, strip.col)
            counts, unmapped = counter.count(inside.within(outer).slices)
            n = numbered[inside.row // side * side, inside.col // side * side]
            builder.add(f"r{squares[n].row} c{squares[n].col}", units.names[n], counts, unmapped)
        inner = strip.within(outer).slices
        scored_seen += _labelled_inside(reference[inner], predicted[inner], strip, seen)
    parts = builder.build()
    if scored_seen:
        what = f"{scored_seen / int(parts.total().sum()):.0%} of the scored pixels were seen in training"
        remedy = "the scores are too good; score a scene that was not trained on"
        monitor.problem(Problem(str(opened.path), what, remedy))
    return _Found(parts, builder.unmapped, opened.legend, rule, {}, [])


def _labelled_inside(truth: IndexArray, predicted: IndexArray, strip: Window, seen: Sequence[Window]) -> int:
    if not seen:
        return 0
    mask = np.zeros(strip.shape, np.bool_)
    for window in seen:
        part = window & strip
        mask[part.within(strip).slices] = True
    return int((mask & (truth != IGNORE) & (predicted != IGNORE)).sum())


def _map_examples(
    opened: ClassMap, truth: Reference, scene: RasterFile | None, found: _Found, config: EvaluateConfig
) -> list[Example]:
    """Squares of the map from the worst to the best."""
    scores, squares = part_iou(found.parts), {f"r{w.row} c{w.col}": w for w in squares_of(opened.grid.shape)}
    examples = []
    for n in _spread(scores.tolist(), config.examples):
        square = squares[found.parts.names[n]]
        picture = None
        if scene is not None:
            chip = scene.read(square)
            picture = to_rgb(chip.image, scene.bands, chip.valid)
        title = f"row {square.row}, col {square.col}"
        examples.append(Example(title, picture, truth.read(square), opened.read(square), float(scores[n])))
    if scene is not None:
        scene.close()
    return examples


# --- Results ----------------------------------------------------------------------------------------------


def _targets(out: str | Path, inputs: Sequence[Path], *, overwrite: bool) -> dict[str, Path]:
    target = resolve(out)
    if target.suffix.lower() != ".json":
        raise ArtefactError(f"{target}: an evaluation is a JSON file; end its name in .json")
    paths = {"json": target} | {k: target.with_suffix(f".{k}") for k in ("csv", "scores.csv", "png")}
    for path in paths.values():
        check_target(path, overwrite=overwrite, inputs=inputs)
    check_record(target, KIND)
    return paths


def _check_baseline(config: EvaluateConfig, split: str | None, inputs: dict[str, str]) -> None:
    if config.baseline is not None:
        ours = {"split": split, "inputs": inputs}
        check_same_reference({"this evaluation": ours, str(config.baseline): read_artefact(config.baseline, KIND)})


def _rule(config: EvaluateConfig, classes: int, shape: tuple[int, ...]) -> CountingRule:
    height, width = shape
    band = boundary_width((height, width), config.boundary_share) if config.boundary_share else 0
    return CountingRule(classes, config.erode_px, band, config.slack_px)


def _resampling(config: EvaluateConfig) -> Resampling:
    if config.intervals == "none":
        return Resampling(0, config.level, "percentile", config.seed)
    return Resampling(config.draws, config.level, config.intervals, config.seed)


def _spread(scores: Sequence[float], number: int) -> list[int]:
    """Positions from the worst to the best: half of them the worst, the others evenly; none without a score.

    >>> _spread([0.9, float("nan"), 0.1, 0.5, 0.7], 3), _spread([0.9, 0.3, 0.1, 0.5, 0.7], 4)
    ([2, 3, 0], [2, 1, 4, 0])
    """
    order = [int(i) for i in np.argsort(scores, kind="stable") if not np.isnan(scores[int(i)])]
    worst = order[: number - number // 2]
    rest = order[len(worst) :]
    picks = np.linspace(len(rest) - 1, 0, min(number // 2, len(rest)), endpoint=False).round().astype(int)[::-1]
    return worst + [rest[i] for i in picks]


def _save(targets: dict[str, Path], found: _Found, config: EvaluateConfig, monitor: Monitor) -> Evaluation:
    whole = Evaluation(found.parts.confusion(found.unmapped), found.legend)
    evaluation = whole.without(config.without)
    how = _resampling(config)
    views = views_of(
        found.legend, without=config.without, erode_px=config.erode_px, overlapping=found.parts.overlapping
    )
    rows = score_rows(found.parts, found.legend, views, how)
    intervals = intervals_record(found.parts, how)
    if "note" in intervals:
        monitor.problem(Problem(str(targets["json"]), intervals["note"], "look at the scores by part", "note"))
    files = {k: v.name for k in ("legend", "scene", "baseline") if (v := getattr(config, k)) is not None}
    settings = asdict(config) | files
    content = (
        stamp(KIND, config=settings, inputs=found.inputs)
        | found.subject
        | evaluation.to_json()
        | {"left_out": list(config.without), "scores": nest(rows), "intervals": intervals}
        | {"parts": found.parts.to_json(), "parts_legend": found.legend.to_json()}
        | {"borders": {k: v for k, v in asdict(found.rule).items() if k != "classes"}}
        | {"worst": worst_record(found.parts)}
        | found.records
    )
    if config.baseline is not None:
        other = read_artefact(config.baseline, KIND)
        differences = compare_evaluations(content, other, views, how)
        content["baseline"] = baseline_record(config.baseline.name, other, differences)
    kept = np.full(IGNORE + 1, IGNORE, np.uint8)
    kept[[found.legend.index(name) for name in evaluation.legend.names]] = np.arange(len(evaluation.legend))
    examples = [replace(e, reference=kept[e.reference], predicted=kept[e.predicted]) for e in found.examples]
    order = ("json", "csv", "scores.csv", "png")
    with staged_files([targets[k] for k in order], overwrite=True) as (record, table, scores, figure):
        draw_evaluation(figure, evaluation.confusion, evaluation.legend, examples, charts_of(content))
        save_csv(table, SCORE_COLUMNS, list(evaluation.class_rows()))
        save_csv(scores, SCORE_ROW, (row.cells for row in rows))
        save_json(record, content)
    return replace(evaluation, record=content)
