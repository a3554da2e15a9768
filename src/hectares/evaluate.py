"""A map or a run against reference, as one confusion matrix and the scores that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.evaluate import EvaluateConfig
from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.grid import same_grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.scaling import Scaling
from hectares.core.scene import LabelledChip
from hectares.core.window import Window
from hectares.errors import ArtefactError, GridError, LegendError
from hectares.io.artefact import save_csv, save_json, sha256_file, stamp
from hectares.io.catalog import read_legend
from hectares.io.chips.index import ChipRecord
from hectares.io.chips.store import ChipStore, open_chips
from hectares.io.labels import LabelFile
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.runtime.protocol import open_runtime
from hectares.view.figures import Example, draw_evaluation
from hectares.view.render import to_rgb

KIND = "evaluation"
SCORE_COLUMNS = ("class_id", "class_name", "iou", "f1", "precision", "recall", "reference_px", "predicted_px")
_BATCH = 8
_EXAMPLE_PX = 256

IndexArray = NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluation:
    """Counts and what they mean."""

    confusion: Confusion | PlaneConfusion
    legend: Legend

    def class_rows(self) -> Iterator[tuple[object, ...]]:
        """Give a line a class, in the order of `SCORE_COLUMNS`."""
        c = self.confusion
        columns = (c.iou, c.f1, c.precision, c.recall, c.reference_pixels, c.predicted_pixels)
        for k, land_class in enumerate(self.legend.classes):
            yield land_class.code, land_class.name, *(column[k].item() for column in columns)

    def overall(self) -> dict[str, float]:
        """Give the scores over all classes."""
        c = self.confusion
        scores = {"accuracy": c.accuracy, "mean_iou": c.mean_iou, "mean_f1": c.mean_f1}
        if isinstance(c, PlaneConfusion):  # classes overlap, so that there is no agreement by chance to speak of
            return scores
        return scores | {"kappa": c.kappa, "weighted_iou": c.weighted_iou}

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


def evaluate(
    subject: str | Path,
    reference: str | Path,
    out: str | Path,
    config: EvaluateConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Evaluation:
    """Score a run against chips, or a class map against a reference raster, by what is given."""
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
    stored, store = find_segmenter(run), open_chips(Path(chips))
    ours = [p for folder in (store.folder, stored.folder, Path(run)) for p in folder.iterdir() if p.is_file()]
    targets = _targets(out, ours, overwrite=overwrite)
    reader, records = store.chips(config.split), store.records(config.split)
    _check_fit(stored, store)
    _warn_of_seen_chips(stored, store, config, monitor)
    runtime = open_runtime(stored, device=config.device)
    classes, multilabel = len(store.legend), store.multilabel

    def classify(numbers: Sequence[int]) -> list[tuple[LabelledChip, IndexArray]]:
        read = [reader.read(n) for n in numbers]
        # By the segmenter's scaling, or by the scene's own range: that of other chips would be another meaning.
        scalings = [_scaling(stored, store, records[n]) for n in numbers]
        scaled = [s.apply(c.image) * c.valid for s, c in zip(scalings, read, strict=True)]
        return list(zip(read, _decide(runtime.logits(np.stack(scaled)), read, multilabel=multilabel), strict=True))

    confusion = PlaneConfusion.empty(classes) if multilabel else Confusion.empty(classes)
    accuracies = []
    for start in track(range(0, len(reader), _BATCH), monitor, "scoring chips"):
        for chip, predicted in classify(range(start, min(start + _BATCH, len(reader)))):
            one = _count(chip.label, predicted, classes)
            confusion = confusion + one  # type: ignore[operator]  # both are of one kind
            accuracies.append(one.accuracy)
    evaluation = Evaluation(confusion, stored.spec.legend)
    examples = []
    for number in _spread(accuracies, 0 if multilabel else config.examples):
        [(chip, predicted)] = classify([number])
        picture = to_rgb(chip.image, stored.spec.bands, chip.valid)
        w = records[number].window
        title = f"{records[number].scene} r{w.row} c{w.col}"
        examples.append(Example(title, picture, chip.label, predicted, accuracies[number]))
    inputs = {"segmenter": stored.sha256, "chips": store.fingerprint}
    subject = {"subject": "chips", "split": config.split, "chips_scored": len(reader)}
    return _save(targets, evaluation.without(config.without), examples, config, inputs, subject)


def _scaling(stored: StoredSegmenter, store: ChipStore, record: ChipRecord) -> Scaling:
    return store.scaling_of(record.scene) if stored.spec.scaler.by_scene else stored.spec.scaler


def _decide(logits: NDArray[np.float32], chips: Sequence[LabelledChip], *, multilabel: bool) -> Iterator[IndexArray]:
    """Give the class of each pixel (h, w), or yes and no of each class (K, h, w); 255 where not valid."""
    for raw, chip in zip(logits, chips, strict=True):
        decided = (raw > 0).astype(np.uint8) if multilabel else raw.argmax(axis=0).astype(np.uint8)
        yield np.where(chip.valid, decided, np.uint8(IGNORE))


def _count(label: IndexArray, predicted: IndexArray, classes: int) -> Confusion | PlaneConfusion:
    if label.ndim == 3:
        return PlaneConfusion.count(label, predicted)
    return Confusion.count(label, predicted, classes=classes)


def _check_fit(stored: StoredSegmenter, store: ChipStore) -> None:
    if store.stats.names != stored.spec.bands:
        raise ArtefactError(
            f"{store.folder}: has the bands {', '.join(store.stats.names)}, the segmenter takes "
            f"{', '.join(stored.spec.bands)}; score it on chips that were prepared alike"
        )
    if store.multilabel != stored.spec.multilabel:
        kinds = {True: "one plane a class", False: "one class a pixel"}
        raise LegendError(
            f"{store.folder}: has labels with {kinds[store.multilabel]}, the segmenter answers with "
            f"{kinds[stored.spec.multilabel]}; score it on chips that were prepared alike"
        )
    if store.legend.names != stored.spec.legend.names:
        raise LegendError(
            f"{store.folder}: has the classes {', '.join(store.legend.names)}, the segmenter knows "
            f"{', '.join(stored.spec.legend.names)}; score it on chips that were prepared alike"
        )


def _warn_of_seen_chips(stored: StoredSegmenter, store: ChipStore, config: EvaluateConfig, monitor: Monitor) -> None:
    """Scores on pixels that the network has learned by heart are worth nothing, so say so."""
    seen = {f["sha256"]: [Window(*w) for w in f["windows"]] for f in stored.spec.footprint}  # type: ignore[union-attr, misc]
    hashes = store.content["inputs"]
    records = store.records(config.split)
    touched = sum(any((r.window & w).pixels for w in seen.get(hashes.get(r.scene), ())) for r in records)
    if touched:
        what = f"{touched} of {len(records)} scored chips were seen in training or used to choose the best epoch"
        monitor.problem(Problem(str(store.folder), what, "the scores say nothing about new places; use --split test"))


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
    """Score a class map against a reference raster on the same grid; classes are matched by name."""
    sources = [Path(class_map), Path(reference), *(p for p in (config.legend, config.scene) if p)]
    targets = _targets(out, sources, overwrite=overwrite)
    with open_class_map(class_map) as opened:
        label = LabelFile(Path(reference), _reference_legend(opened, Path(reference), config))
        lookup = _match_names(label, opened)
        _check_grid(opened, label)
        seen = [Window(*w) for w in opened.provenance.get("trained_on", ())]
        classes = len(opened.legend)
        confusion, scored_seen = Confusion.empty(classes), 0
        for strip in track(opened.windows(), monitor, "scoring map"):
            truth = lookup[label.read(strip)]
            confusion += Confusion.count(truth, opened.read(strip), classes=classes)
            scored_seen += _labelled_inside(truth, strip, seen)
        if not confusion.total:
            raise GridError(
                f"{reference}: has no labelled pixel where {opened.path} has a class; nothing can be scored"
            )
        if scored_seen:
            what = f"{scored_seen / confusion.total:.0%} of the scored pixels were seen in training"
            monitor.problem(
                Problem(str(opened.path), what, "the scores are too good; score a scene that was not trained on")
            )
        examples = _map_examples(opened, label, lookup, config)
        label.close()
        evaluation = Evaluation(confusion, opened.legend)
        inputs = {"map": sha256_file(opened.path), "reference": sha256_file(Path(reference))}
        subject = {"subject": "map", "map": opened.path.name, "reference": Path(reference).name}
    return _save(targets, evaluation.without(config.without), examples, config, inputs, subject)


def _reference_legend(opened: ClassMap, reference: Path, config: EvaluateConfig) -> Legend:
    """The legend given, else the one inside the reference, else that of the map."""
    if config.legend is not None:
        return read_legend(config.legend)
    with open_raster(reference, expand_palette=False) as raster:
        facts = raster.facts
    if "HECTARES_LEGEND" in facts.tags:
        with open_class_map(reference) as other:
            return other.legend
    nodata = facts.nodata if facts.nodata is not None and facts.nodata.is_integer() else None  # NaN is not
    free = nodata is not None and nodata not in opened.legend.codes
    return replace(opened.legend, nodata=int(nodata) if free and nodata is not None else IGNORE)


def _match_names(label: LabelFile, opened: ClassMap) -> IndexArray:
    """Table from index in the reference to index in the map; what the map does not know is ignored."""
    lookup = np.full(IGNORE + 1, IGNORE, np.uint8)
    for k, name in enumerate(label.legend.names):
        if name in opened.legend.names:
            lookup[k] = opened.legend.index(name)
    if (lookup == IGNORE).all():
        raise LegendError(
            f"{label.path}: shares no class name with {opened.path} ({', '.join(label.legend.names)} "
            f"against {', '.join(opened.legend.names)}); rename them in a legend given with --legend"
        )
    return lookup


def _check_grid(opened: ClassMap, label: LabelFile) -> None:
    both_placed = opened.grid.is_georeferenced and label.grid.is_georeferenced
    fits = same_grid(opened.grid, label.grid) if both_placed else opened.grid.shape == label.grid.shape
    if not fits:
        raise GridError(
            f"{label.path}: is not on the grid of {opened.path} ({label.grid.shape} px, {label.grid.crs} against "
            f"{opened.grid.shape} px, {opened.grid.crs}); resample the reference with nearest neighbor"
        )


def _labelled_inside(truth: IndexArray, strip: Window, seen: Sequence[Window]) -> int:
    if not seen:
        return 0
    mask = np.zeros(strip.shape, np.bool_)
    for window in seen:
        part = window & strip
        mask[part.within(strip).slices] = True
    return int((mask & (truth != IGNORE)).sum())


def _map_examples(opened: ClassMap, label: LabelFile, lookup: IndexArray, config: EvaluateConfig) -> list[Example]:
    """Squares of the map from the worst to the best."""
    height, width = opened.grid.shape
    side = min(_EXAMPLE_PX, height, width)
    squares = [
        Window(r, c, side, side) for r in range(0, height - side + 1, side) for c in range(0, width - side + 1, side)
    ]
    accuracies = []
    for square in squares:
        one = Confusion.count(lookup[label.read(square)], opened.read(square), classes=len(opened.legend))
        accuracies.append(one.accuracy)
    scene = None if config.scene is None else open_raster(config.scene)
    examples = []
    for i in _spread(accuracies, config.examples):
        square = squares[i]
        picture = None
        if scene is not None:
            chip = scene.read(square)
            picture = to_rgb(chip.image, scene.bands, chip.valid)
        title = f"row {square.row}, col {square.col}"
        examples.append(Example(title, picture, lookup[label.read(square)], opened.read(square), accuracies[i]))
    if scene is not None:
        scene.close()
    return examples


# --- Results ----------------------------------------------------------------------------------------------


def _targets(out: str | Path, inputs: Sequence[Path], *, overwrite: bool) -> dict[str, Path]:
    target = resolve(out)
    if target.suffix.lower() != ".json":
        raise ArtefactError(f"{target}: an evaluation is a JSON file; end its name in .json")
    paths = {"json": target, "csv": target.with_suffix(".csv"), "png": target.with_suffix(".png")}
    for path in paths.values():
        check_target(path, overwrite=overwrite, inputs=inputs)
    return paths


def _spread(accuracies: Sequence[float], number: int) -> list[int]:
    """Positions from the worst to the best, evenly; what has no score is left out.

    >>> _spread([0.9, float("nan"), 0.1, 0.5, 0.7], 3)
    [2, 4, 0]
    """
    order = [int(i) for i in np.argsort(accuracies, kind="stable") if not np.isnan(accuracies[int(i)])]
    if number == 0 or not order:
        return []
    picks = np.linspace(0, len(order) - 1, min(number, len(order))).round().astype(int)
    return [order[i] for i in picks]


def _save(
    targets: dict[str, Path],
    evaluation: Evaluation,
    examples: Sequence[Example],
    config: EvaluateConfig,
    inputs: dict[str, str],
    subject: dict[str, Any],
) -> Evaluation:
    rows = list(evaluation.class_rows())
    settings = asdict(config) | {
        k: None if v is None else v.name for k, v in (("legend", config.legend), ("scene", config.scene))
    }
    content = (
        stamp(KIND, config=settings, inputs=inputs)
        | subject
        | {
            "legend": evaluation.legend.to_json(),
            "confusion": evaluation.confusion.counts,
            "unmapped_px": evaluation.confusion.unmapped,
            "scored_px": evaluation.confusion.total,
            "aggregation": "one confusion matrix over all scored pixels; means over the classes that have a score",
            "left_out": list(config.without),
            "overall": evaluation.overall(),
            "classes": [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in rows],
        }
    )
    with staged_files([targets[k] for k in ("json", "csv", "png")], overwrite=True) as (record, table, figure):
        draw_evaluation(figure, evaluation.confusion, evaluation.legend, examples)
        save_csv(table, SCORE_COLUMNS, rows)
        save_json(record, content)
    return evaluation
