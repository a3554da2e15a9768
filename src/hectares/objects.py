"""Predicted objects against those of a reference: what was found, missed and made up, and how sure it was.

Pixels say how much of an area is right; objects say how many buildings are. Both can differ by much.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hectares.config.objects import ObjectsConfig
from hectares.core.scoring.objects import COLUMNS, ObjectScores, has_order, score_classes
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.artefact import check_record, save_csv, save_json, sha256_file, stamp
from hectares.io.file_kind import local_file
from hectares.io.objects.coco_objects import compare_coco
from hectares.io.objects.compared import Compared
from hectares.io.objects.object_places import check_object_places, save_object_places
from hectares.io.objects.spacenet_objects import compare_tables
from hectares.io.objects.vector_objects import VectorRules, compare_vectors
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.shapes.layer_name import split_layer_name
from hectares.monitor import QUIET, Monitor, Problem

KIND = "objects"
COCO_DETECTIONS = 100
"""Of an image and class, that pycocotools and the crowdAI challenge look at."""
SOURCES = {
    "ap, ar": "pycocotools.COCOeval, area all; AP50 and AR50 are what the crowdAI mapping challenge ranked by",
    "f1": "SpaceNetChallenge/utilities evalTools and CosmiQ/solaris: by falling confidence, each prediction takes the "
    "free object that it overlaps most",
}
_FILES = ("aoi", "places")
_HEAD = 4096
_GEOJSON = (b'"FeatureCollection"', b'"Feature"', b'"geometry"')
"""One of them stands at the head of a GeoJSON, in whatever order its keys are."""
_Content = Literal["results", "annotations", "table", "vector"]
_IDLE = {
    "coco": ("classes", "class_field", "score_field", "aoi", "min_area"),
    "spacenet": ("classes", "class_field", "score_field", "aoi", "skip_bad"),
    "vector": ("skip_bad",),
}


@dataclass(frozen=True)
class ScoredObjects:
    """What came of a comparison."""

    scores: ObjectScores
    record: dict[str, Any]
    """The JSON."""


def score_objects(
    predicted: str | Path,
    reference: str | Path,
    out: str | Path,
    config: ObjectsConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> ScoredObjects:
    """Score predicted objects against a reference, and write the scores as JSON with a CSV beside it.

    Both are vector files (FILE or FILE:LAYER, any CRS), or COCO results and COCO annotations, or tables of SpaceNet.
    Raises ConfigError for a pair that cannot be compared, InputError for what a file lacks.
    """
    target = resolve(out)
    if target.suffix.lower() != ".json":
        raise ArtefactError(f"{target}: the scores are a JSON file; end its name in .json")
    places = None if config.places is None else resolve(config.places)
    targets = [target, target.with_suffix(".csv"), *([] if places is None else [places])]
    if len(set(targets)) < len(targets):
        raise ConfigError(f"--places {places}: is the table of scores beside {target.name}; choose another name")
    sources = [split_layer_name(predicted)[0], split_layer_name(reference)[0]]
    for path in targets:
        check_target(path, overwrite=overwrite, inputs=sources)
    check_record(target, KIND)
    if places is not None:
        check_object_places(places)
    compared = _compare(predicted, reference, config, monitor)
    if places is not None:
        check_object_places(places, compared)
    result = _score(compared, sources, config, monitor)
    with staged_files(targets, overwrite=overwrite, inputs=sources) as works:
        save_json(works[0], result.record)
        rows = [*result.record["classes"], *([result.record["overall"]] if len(compared.names) > 1 else [])]
        save_csv(works[1], COLUMNS, ([row[c] for c in COLUMNS] for row in rows))
        if places is not None:
            save_object_places(works[2], places.suffix.lower(), compared, result.scores)
    return result


# --- What is compared -------------------------------------------------------------------------------------


def _compare(predicted: str | Path, reference: str | Path, config: ObjectsConfig, monitor: Monitor) -> Compared:
    kinds = _content(predicted), _content(reference)
    least = min(config.iou, 0.5)
    if kinds == ("results", "annotations"):
        _refuse_idle("coco", config)
        return compare_coco(Path(predicted), Path(reference), monitor, least=least, skip_bad=config.skip_bad)
    if kinds == ("table", "table"):
        _refuse_idle("spacenet", config)
        return compare_tables(Path(predicted), Path(reference), monitor, least=least, min_area=config.min_area)
    if kinds == ("vector", "vector"):
        _refuse_idle("vector", config)
        rules = VectorRules(config.classes, config.class_field, config.score_field, config.aoi, config.min_area)
        return compare_vectors(predicted, reference, rules, monitor, least=least)
    meant = {"results": "COCO results", "annotations": "COCO annotations", "table": "a table", "vector": "polygons"}
    raise ConfigError(
        f"{predicted} holds {meant[kinds[0]]} and {reference} holds {meant[kinds[1]]}; compare polygons with polygons "
        "(vector files), COCO results with COCO annotations, or two tables of SpaceNet (CSV)"
    )


def _content(path: str | Path) -> _Content:
    """Tell what objects a file holds, by its suffix and first bytes."""
    file = split_layer_name(path)[0]
    suffix = file.suffix.lower()
    if suffix == ".csv":
        return "table"
    if suffix != ".json":
        return "vector"
    with local_file(file, expected="a JSON file", refusal=InputError).open("rb") as opened:
        head = opened.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"["):
        return "results"
    return "vector" if any(mark in head for mark in _GEOJSON) else "annotations"


def _refuse_idle(kind: Literal["coco", "spacenet", "vector"], config: ObjectsConfig) -> None:
    default = ObjectsConfig()
    for name in _IDLE[kind]:
        if getattr(config, name) != getattr(default, name):
            meant = {"coco": "COCO files", "spacenet": "tables of SpaceNet", "vector": "vector files"}[kind]
            raise ConfigError(f"--{name.replace('_', '-')} has no effect on {meant}; leave it out")


# --- What is said -----------------------------------------------------------------------------------------


def _score(compared: Compared, sources: list[Path], config: ObjectsConfig, monitor: Monitor) -> ScoredObjects:
    most = config.max_detections
    if most is None and compared.kind == "coco":
        most = COCO_DETECTIONS
    ours, theirs = compared.predicted.objects, compared.reference.objects
    scores = score_classes(compared.names, ours, theirs, compared.overlaps, iou=config.iou, most=most)
    _complain(compared, sources, monitor)
    content = stamp(KIND, config=_settings(config), inputs=_hashes(sources, config)) | {
        "kind": compared.kind,
        "predicted": sources[0].name,
        "reference": sources[1].name,
        "images": len(compared.images),
        "iou": config.iou,
        "max_detections": most,
        "order": _order(ours.scores),
        "sources": SOURCES,
        "crs": compared.crs,
        "unit": compared.unit,
        "classes": [c.to_json() for c in scores.classes],
        "overall": scores.overall.to_json(),
    }
    return ScoredObjects(scores, content)


def _order(scores: NDArray[np.float64]) -> Literal["score", "size", "file"]:
    """Tell which predictions come first: the surest, without scores the largest, or those of the file."""
    if not np.isfinite(scores).all():
        return "size"
    return "score" if has_order(scores) else "file"


def _settings(config: ObjectsConfig) -> dict[str, Any]:
    """Give the options, of files their names only."""
    settings = asdict(config)
    return settings | {name: Path(settings[name]).name for name in _FILES if settings[name] is not None}


def _hashes(sources: list[Path], config: ObjectsConfig) -> dict[str, str]:
    files = dict(zip(("predicted", "reference"), sources, strict=True))
    if config.aoi is not None:
        files["aoi"] = split_layer_name(config.aoi)[0]
    return {name: sha256_file(path) for name, path in files.items()}


def _complain(compared: Compared, sources: list[Path], monitor: Monitor) -> None:
    where = str(sources[0])
    ours, theirs = compared.predicted.objects, compared.reference.objects
    if len(ours) and not has_order(ours.scores):
        lacking = int(np.isnan(ours.scores).sum())
        some = "" if lacking == len(ours) else f"{lacking} of {len(ours)} "
        what = f"{some}predictions have no score, so that their order is arbitrary: the largest come first"
        if not lacking:
            what = f"all scores are {ours.scores[0]:g}, so that their order is arbitrary: that of the file"
        remedy = "take F1, precision and recall, for AP says little; scores come from `predict --scores`, by way of "
        monitor.problem(Problem(where, what, remedy + "`vectorize --scores` or `contest --scores`"))
    if not len(ours):
        monitor.problem(Problem(where, "holds no object of a scored class", "everything is missed"))
    if not len(theirs):
        monitor.problem(Problem(str(sources[1]), "holds no object of a scored class", "everything is false"))
