"""Polygons of a vector file against those of another: classes by name, both in the CRS of the predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from hectares.core.grid import linear_unit_m, normalize_crs, parse_crs
from hectares.core.scoring.objects import ObjectSet
from hectares.errors import ConfigError, VectorError
from hectares.io.objects.compared import LEAST_IOU, Compared, Geometries, ObjectFile, overlaps_of
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.vectors import VectorLayer, read_layer
from hectares.monitor import Monitor, Problem

PIXELS = normalize_crs(
    'ENGCRS["pixels of an image",EDATUM["image"],CS[Cartesian,2],'
    'AXIS["column",east],AXIS["row",north],LENGTHUNIT["metre",1]]'
)
"""Where neither file has a CRS: both are taken as pixels of the same image."""
SCORE_FIELDS = ("prob_mean", "score", "confidence")
CLASS_FIELDS = ("class_name", "class_id")
_ONE = "object"
"""Name of the class where nobody names one."""
_LONGEST_M = 500.0
"""Longer edges get points before they change CRS; one of this length bends by less than a centimeter."""
_M_PER_DEGREE = 111_320.0
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class VectorRules:
    """Which of the polygons are compared, and what they say."""

    classes: str | None = None
    """Names separated by commas; by default all that the reference has."""
    class_field: str | None = None
    """Attribute of the reference."""
    score_field: str | None = None
    """Attribute of the predictions."""
    aoi: str | None = None
    """FILE or FILE:LAYER; what has its middle outside is left out of both."""
    min_area: float = 0.0
    """Objects of the reference below this area are left out, m2, or pixels without a CRS."""


def compare_vectors(
    predicted: str | Path, reference: str | Path, rules: VectorRules, monitor: Monitor, *, least: float = LEAST_IOU
) -> Compared:
    """Read both files and find the polygons that overlap.

    Raises VectorError if they share no class or no ground, ConfigError for classes and attributes that are not there.
    """
    ours, theirs = _read(predicted, monitor), _read(reference, monitor)
    theirs = _placed(theirs, ours, (predicted, reference))
    chosen = _list(rules.classes)
    labels = _labels(ours, None, predicted)
    others = _labels(theirs, rules.class_field, reference, like=labels, chosen=chosen)
    names = _names(labels, others, chosen, (predicted, reference), monitor)
    keep = [_inside(layer, rules.aoi) for layer in (ours, theirs)]
    keep[1] &= _areas_m2(theirs) >= rules.min_area
    scores = _scores(ours, rules.score_field, predicted)
    files = [
        _file(layer, classes, names, kept, values)
        for layer, classes, kept, values in zip(
            (ours, theirs), (labels, others), keep, (scores, np.full(len(others), np.nan)), strict=True
        )
    ]
    _refuse_elsewhere(files[0], files[1], ours.crs, (predicted, reference))
    overlaps = overlaps_of(files[0], files[1], least, monitor)
    unit = "px" if ours.crs == PIXELS else "deg2" if parse_crs(ours.crs).is_geographic else "m2"
    crs = None if ours.crs == PIXELS else ours.crs
    return Compared("vector", names, ("",), files[0], files[1], overlaps, crs, unit)


def _read(path: str | Path, monitor: Monitor) -> VectorLayer:
    file, name = split_layer_name(path)
    layer = read_layer(file, layer=name, crs=PIXELS, polygons=True)
    for note in layer.notes:
        monitor.problem(note)
    return layer


def _placed(layer: VectorLayer, like: VectorLayer, paths: tuple[str | Path, str | Path]) -> VectorLayer:
    """Bring a layer into the CRS of another."""
    if (layer.crs == PIXELS) != (like.crs == PIXELS):
        bare, placed = (paths[1], paths[0]) if layer.crs == PIXELS else (paths[0], paths[1])
        raise VectorError(
            f"{bare}: has no CRS, but {Path(placed).name} has one, so nobody knows how they lie to each other; "
            "give both a CRS, or compare pixels with pixels"
        )
    if layer.crs == like.crs or not layer.geometries:
        return layer
    parsed = parse_crs(layer.crs)
    longest = _LONGEST_M / (_M_PER_DEGREE if parsed.is_geographic else linear_unit_m(parsed))
    transformer = pyproj.Transformer.from_crs(parsed, parse_crs(like.crs), always_xy=True)

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    fine = shapely.segmentize(np.array(layer.geometries, dtype=object), longest)
    moved = shapely.transform(fine, project)
    return VectorLayer(like.crs, tuple(moved), layer.attributes, layer.name, layer.fields, layer.ids, layer.notes)


# --- Classes and scores -----------------------------------------------------------------------------------


def _list(text: str | None) -> list[str] | None:
    names = None if text is None else list(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    if names == []:
        raise ConfigError(f"--classes {text!r} names no class")
    return names


def _labels(
    layer: VectorLayer,
    field: str | None,
    path: str | Path,
    *,
    like: Sequence[str] = (),
    chosen: Sequence[str] | None = None,
) -> list[str]:
    """Give the name of the class of each polygon.

    Without an attribute, all are of the one class that is chosen or that the predictions have.
    """
    if field is not None and field not in layer.attributes:
        raise ConfigError(f"--class-field {field}: {path} has {', '.join(layer.fields) or 'no attributes'}")
    fields = [field] if field is not None else [f for f in CLASS_FIELDS if f in layer.attributes]
    if fields:
        return [_ONE if v is None else str(v).strip() for v in layer.attributes[fields[0]]]
    only = sorted(set(like)) if chosen is None else list(chosen)
    if like and len(only) > 1:
        raise ConfigError(
            f"{path}: no attribute says the class of a polygon (its attributes: {', '.join(layer.fields) or 'none'}), "
            f"and the predictions have {', '.join(only[:_SHOWN])}; name the attribute with --class-field, or the one "
            "class that it shows with --classes"
        )
    return [only[0] if only else _ONE] * len(layer.geometries)


def _names(
    labels: list[str],
    others: list[str],
    chosen: list[str] | None,
    paths: tuple[str | Path, str | Path],
    monitor: Monitor,
) -> tuple[str, ...]:
    """Give the classes that are scored: those chosen, or all of the reference."""
    ours, theirs = sorted(set(labels)), sorted(set(others))
    if chosen is not None:
        unknown = [n for n in chosen if n not in {*ours, *theirs}]
        if unknown:
            raise ConfigError(
                f"--classes: {unknown[0]!r} is in neither file; they have {', '.join(sorted({*ours, *theirs}))}"
            )
        return tuple(chosen)
    if ours and theirs and not set(ours) & set(theirs):
        raise VectorError(
            f"{paths[1]}: has no class of the predictions: it has {', '.join(theirs[:_SHOWN])}, they have "
            f"{', '.join(ours[:_SHOWN])}; name its attribute with --class-field"
        )
    extra = [n for n in ours if n not in theirs]
    if extra and theirs:
        what = f"shows nothing of {', '.join(extra[:_SHOWN])}"
        monitor.problem(Problem(str(paths[1]), what, "predictions of that are left out", "note"))
    return tuple(theirs or ours)


def _scores(layer: VectorLayer, field: str | None, path: str | Path) -> NDArray[np.float64]:
    """Give the score of each polygon; NaN where there is none."""
    if field is not None and field not in layer.attributes:
        raise ConfigError(f"--score-field {field}: {path} has {', '.join(layer.fields) or 'no attributes'}")
    fields = [field] if field is not None else [f for f in SCORE_FIELDS if f in layer.attributes]
    if not fields:
        return np.full(len(layer.geometries), np.nan)
    values = [_number(value) for value in layer.attributes[fields[0]]]
    if field is not None and values and all(map(math.isnan, values)):
        raise VectorError(f"{path}: {field} holds no number, like {layer.attributes[field][0]!r}; it is no score")
    return np.array(values, np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


# --- Places -----------------------------------------------------------------------------------------------


def _inside(layer: VectorLayer, aoi: str | None) -> NDArray[np.bool_]:
    if aoi is None or not layer.geometries:
        return np.ones(len(layer.geometries), np.bool_)
    file, name = split_layer_name(aoi)
    area = read_layer(file, layer=name, crs=PIXELS, polygons=True).to_crs(layer.crs)
    whole = shapely.union_all(np.array(area.geometries, dtype=object))
    shapely.prepare(whole)
    middles = shapely.centroid(np.array(layer.geometries, dtype=object))
    inside: NDArray[np.bool_] = shapely.intersects(whole, middles)
    return inside


def _areas_m2(layer: VectorLayer) -> NDArray[np.float64]:
    geometries: Geometries = np.array(layer.geometries, dtype=object)
    areas: NDArray[np.float64] = shapely.area(geometries)
    parsed = parse_crs(layer.crs)
    if not parsed.is_geographic:
        return areas * linear_unit_m(parsed) ** 2
    _, south, _, north = shapely.bounds(geometries).reshape(-1, 4).T
    squeezed: NDArray[np.float64] = areas * _M_PER_DEGREE**2 * np.cos(np.radians((south + north) / 2))
    return squeezed


def _file(
    layer: VectorLayer,
    labels: list[str],
    names: tuple[str, ...],
    keep: NDArray[np.bool_],
    scores: NDArray[np.float64],
) -> ObjectFile:
    number: Mapping[str, int] = {name: k for k, name in enumerate(names)}
    classes = np.array([number.get(label, -1) for label in labels], np.int64)
    keep = keep & (classes >= 0)
    geometries: Geometries = np.array(layer.geometries, dtype=object)[keep]
    count = len(geometries)
    objects = ObjectSet(
        classes[keep], np.zeros(count, np.int64), shapely.area(geometries), scores[keep], np.zeros(count, np.bool_)
    )
    boxes = shapely.bounds(geometries).reshape(-1, 4)
    return ObjectFile(objects, np.array(layer.ids, np.int64)[keep], boxes, geometries)


def _refuse_elsewhere(ours: ObjectFile, theirs: ObjectFile, crs: str, paths: tuple[str | Path, str | Path]) -> None:
    if not len(ours.objects) or not len(theirs.objects):
        return
    a, b = (shapely.total_bounds(f.geometries) for f in (ours, theirs))
    if (np.maximum(a[:2], b[:2]) > np.minimum(a[2:], b[2:])).any():
        spans = [f"x {p[0]:.8g} to {p[2]:.8g}, y {p[1]:.8g} to {p[3]:.8g}" for p in (a, b)]
        where = "pixels" if crs == PIXELS else crs
        raise VectorError(
            f"{paths[1]}: lies elsewhere than {paths[0]}: {spans[1]} and {spans[0]} in {where}; check the CRS of both"
        )
