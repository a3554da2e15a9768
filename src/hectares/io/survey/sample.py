"""The sample file: reference points drawn from a class map, the strata they stand for, and how they were drawn.

It is a GeoPackage with a layer `points`, which opens in a GIS, and two tables, `strata` and `design`.
Points are labelled in it, or in a table of labels beside it that `read_sample` merges by the id of the point.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from affine import Affine
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.survey.estimators import Survey
from hectares.errors import ArtefactError, HectaresError, InputError, LegendError, VectorError
from hectares.io.artefact import SCHEMA, dump_json
from hectares.io.polygons.layer_style import GPKG_VERSION
from hectares.io.shapes.vector_file import read_records, read_vector
from hectares.io.survey.point_style import add_style
from hectares.io.table import read_table

KIND = "sample"
SURE, UNSURE = "sure", "unsure"
"""What stands in `confidence`; other words are kept, and mean nothing to us."""
LABEL_COLUMNS = ("id", "label_code", "label_class", "confidence", "note")
"""Columns of a table of labels; `id` and one of `label_code` and `label_class` are needed."""
_NO_CLOCK = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Point:
    """A pixel of the map that was drawn, and what an interpreter saw there."""

    id: int
    stratum: int
    """Number of its stratum, from 1."""
    zone: str
    """Empty where the sample has no zones."""
    map_code: int
    """What the map shows, as its legend numbers classes."""
    row: int
    col: int
    lon: float
    lat: float
    weight_m2: float
    """Area the point stands for: the sampled area of its stratum, shared among the points of the stratum."""
    round: int = 1
    """2 and above for points that were drawn later, to go with the earlier ones."""
    label_code: int | None = None
    """What is there, as the legend numbers classes; None if nobody said."""
    confidence: str | None = None
    note: str | None = None

    @property
    def is_seen(self) -> bool:
        """True if an interpreter looked, even one who could not tell."""
        return self.label_code is not None or self.confidence == UNSURE


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of the map from which points were drawn at random: a class, or a class within a zone."""

    number: int
    zone: str
    code: int
    name: str
    area_m2: float
    """All of it, on the ellipsoid."""
    sampled_area_m2: float
    """What points could fall on: without the pixels the segmenter was trained on. 0 where no point could be drawn."""
    units: int
    """Pixels that points could fall on."""
    drawn: int


@dataclass(frozen=True)
class Sample:
    """Reference points with their design. What is estimated from them holds for the sampled area of the strata."""

    points: tuple[Point, ...]
    """In the order of their ids."""
    strata: tuple[Stratum, ...]
    """In the order of their numbers, 1 to H."""
    legend: Legend
    grid: Grid
    """That of the map."""
    design: Mapping[str, Any]
    """Head of the artefact (see `stamp`), `map` (name of the file), `seed`, `rounds`, `excluded` (windows) and more."""

    @property
    def map_sha256(self) -> str:
        """The hash of the map the points were drawn from."""
        return str(self.design["inputs"]["map"])

    @property
    def zones(self) -> tuple[str, ...]:
        """Names of the zones in the order of the strata; empty without zones."""
        return tuple(dict.fromkeys(s.zone for s in self.strata if s.zone))

    @property
    def labelled(self) -> tuple[Point, ...]:
        """Points with a class."""
        return tuple(p for p in self.points if p.label_code is not None)

    @cached_property
    def areas_m2(self) -> NDArray[np.float64]:
        """(H,) sampled area of the strata."""
        return np.array([s.sampled_area_m2 for s in self.strata])

    def counts(self) -> NDArray[np.int64]:
        """(H, K, K) labelled points of each stratum by class of the map (rows) and of the label (columns)."""
        classes = len(self.legend)
        found = np.zeros((len(self.strata), classes, classes), np.int64)
        place = {code: k for k, code in enumerate(self.legend.codes)}
        for p in self.labelled:
            assert p.label_code is not None
            found[p.stratum - 1, place[p.map_code], place[p.label_code]] += 1
        return found

    def survey(self, chosen: Sequence[int] | None = None) -> Survey:
        """Count the labelled points of strata, by default all that points could be drawn from, for the estimators.

        `chosen` are places in `strata`, from 0. Raises InputError where a stratum has too few labelled points.
        """
        if chosen is None:
            chosen = [h for h, s in enumerate(self.strata) if s.units]
        place = {code: k for k, code in enumerate(self.legend.codes)}
        mapped = np.zeros((len(chosen), len(self.legend)), bool)
        mapped[np.arange(len(chosen)), [place[self.strata[h].code] for h in chosen]] = True
        units = np.array([self.strata[h].units for h in chosen])
        return Survey(self.counts()[list(chosen)], self.areas_m2[list(chosen)], units=units, mapped=mapped)


# --- Writing ----------------------------------------------------------------------------------------------


def save_sample(path: Path, sample: Sample) -> None:
    """Write a sample into a work file. The same sample gives the same bytes."""
    names = dict(zip(sample.legend.codes, sample.legend.names, strict=True))
    points, strata = sample.points, sample.strata
    coordinates = [sample.grid.transform @ (p.col + 0.5, p.row + 0.5) for p in points]
    columns: dict[str, list[Any]] = {
        name: [getattr(p, name) for p in points] for name in ("id", "stratum", "round", "row", "col", "map_code")
    } | {
        "zone": [p.zone or None for p in points],
        "map_class": [names[p.map_code] for p in points],
        "lon": [p.lon for p in points],
        "lat": [p.lat for p in points],
        "weight_m2": [p.weight_m2 for p in points],
        "label_code": [p.label_code for p in points],
        "label_class": [None if p.label_code is None else names[p.label_code] for p in points],
        "confidence": [p.confidence for p in points],
        "note": [p.note for p in points],
    }
    _write(path, "points", columns, geometry=shapely.to_wkb(shapely.points(coordinates)), crs=sample.grid.crs)
    about: dict[str, list[Any]] = {
        "stratum": [s.number for s in strata],
        "zone": [s.zone or None for s in strata],
        "class_code": [s.code for s in strata],
        "class_name": [s.name for s in strata],
        **{k: [getattr(s, k) for s in strata] for k in ("area_m2", "sampled_area_m2", "units", "drawn")},
    }
    _write(path, "strata", about)
    t = sample.grid.transform
    place = {"crs": sample.grid.crs, "transform": list(t)[:6], "shape": list(sample.grid.shape)}
    design = {**sample.design, "legend": sample.legend.to_json(), "grid": place}
    _write(path, "design", {"key": sorted(design), "value": [dump_json(design[k]) for k in sorted(design)]})
    with closing(sqlite3.connect(path)) as database:
        add_style(database, sample.legend)
        database.execute("UPDATE gpkg_contents SET last_change = ?", (_NO_CLOCK,))
        database.commit()
        database.execute("VACUUM")


_INTEGERS = {"id", "stratum", "round", "row", "col", "map_code", "label_code", "class_code", "units", "drawn"}
_REALS = {"lon", "lat", "weight_m2", "area_m2", "sampled_area_m2"}


def _write(
    path: Path,
    layer: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    geometry: NDArray[Any] | None = None,
    crs: str | None = None,
) -> None:
    data, masks = [], []
    for name, values in columns.items():
        mask = np.array([v is None for v in values], bool)
        if name in _INTEGERS | _REALS:
            kind = np.int64 if name in _INTEGERS else np.float64
            data.append(np.array([0 if v is None else v for v in values], kind))
        else:
            data.append(np.array(values, object))
        masks.append(mask if mask.any() and name in _INTEGERS else None)
    pyogrio.raw.write(
        path,
        geometry=geometry,
        field_data=data,
        fields=list(columns),
        field_mask=masks,
        geometry_type=None if geometry is None else "Point",
        crs=crs,
        driver="GPKG",
        layer=layer,
        VERSION=GPKG_VERSION,
    )


# --- Reading ----------------------------------------------------------------------------------------------


def read_sample(path: str | Path, labels: str | Path | None = None) -> Sample:
    """Read a sample with its labels, and with those of a table (.csv, .geojson) merged in by id if one is given.

    A label of the table counts more than one in the sample; an empty row leaves what is there. Raises ArtefactError if
    the file is no sample, InputError if points or labels cannot be, naming the id of the point.
    """
    path = Path(path)
    try:
        tables = {table: read_records(path, table) for table in ("strata", "design")}
        raw = read_vector(path, layer="points")
    except VectorError as error:
        raise ArtefactError(f"{error}; expected a sample written by `hectares sample`") from error
    try:
        design = {str(r["key"]): json.loads(r["value"]) for r in tables["design"]}
        _check_kind(path, design)
        _ = str(design["inputs"]["map"]), int(design["seed"])
        legend = Legend.from_json(design.pop("legend"))
        place = design.pop("grid")
        grid = Grid(place["crs"], Affine(*place["transform"]), (place["shape"][0], place["shape"][1]))
        strata = tuple(map(_stratum, tables["strata"]))
        rows = [dict(zip(raw.columns, values, strict=True)) for values in zip(*raw.columns.values(), strict=True)]
        points = [_point(path, row, legend) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, HectaresError):
            raise
        raise ArtefactError(f"{path}: is a damaged sample ({error!r}); draw it again, or restore a copy") from error
    _check_points(path, points, strata)
    sample = Sample(tuple(sorted(points, key=lambda p: p.id)), strata, legend, grid, design)
    return sample if labels is None else merge_labels(sample, Path(labels))


def count_labels(path: Path) -> int:
    """Count the points of a sample that somebody has labelled or noted something at; 0 for a file of another kind."""
    try:
        rows = read_vector(path, layer="points").columns
    except VectorError:
        return 0
    given = [rows[name] for name in LABEL_COLUMNS[1:] if name in rows]
    return sum(any(_text(value) is not None for value in point) for point in zip(*given, strict=True))


def keep_labels(target: Path) -> None:
    """Raise ArtefactError if what is about to be replaced is a sample with labels: somebody's work of days."""
    labels = count_labels(target) if target.suffix.lower() == ".gpkg" and target.is_file() else 0
    if labels:
        raise ArtefactError(f"{target}: holds labels of {labels} points, which would be lost; choose another name")


def merge_labels(sample: Sample, path: Path) -> Sample:
    """Give a sample with the labels of a table. Raises InputError naming the id of a point that does not fit."""
    known = {p.id: p for p in sample.points}
    found: dict[int, Point] = {}
    for row in _label_rows(path):
        number = _whole(row.get("id"))
        if number is None or number not in known:
            raise InputError(
                f"{path}: point {row.get('id')!r} is not in the sample, whose ids are 1 to {max(known, default=0)}; "
                "are these the labels of another sample?"
            )
        if number in found:
            raise InputError(f"{path}: point {number} stands there twice; keep the row that is right")
        code = _label(path, number, row.get("label_code"), row.get("label_class"), sample.legend)
        confidence, note = _text(row.get("confidence")), _text(row.get("note"))
        if code is None and confidence is None and note is None:
            found[number] = known[number]
            continue
        found[number] = replace(known[number], label_code=code, confidence=confidence, note=note)
    return replace(sample, points=tuple(found.get(p.id, p) for p in sample.points))


def _label_rows(path: Path) -> Iterable[Mapping[str, Any]]:
    if path.suffix.lower() == ".csv":
        table = read_table(path)
        header, rows = table.header, [dict(zip(table.header, row.cells, strict=True)) for row in table.rows]
    else:
        raw = read_vector(path)
        header = tuple(raw.columns)
        rows = [dict(zip(header, values, strict=True)) for values in zip(*raw.columns.values(), strict=True)]
    if "id" not in header or not {"label_code", "label_class"} & set(header):
        raise InputError(
            f"{path}: has the columns {', '.join(header) or 'none'}; labels need id, and label_code or label_class"
        )
    return rows


def _check_kind(path: Path, design: Mapping[str, Any]) -> None:
    if design.get("hectares") != KIND:
        raise ArtefactError(f"{path}: is {design.get('hectares') or 'no artefact of hectares'}; expected a sample")
    if design["schema"] > SCHEMA:
        raise ArtefactError(
            f"{path}: was written by hectares {design.get('version')} in layout {design['schema']}; "
            f"this version reads up to {SCHEMA}: update hectares"
        )


def _stratum(row: Mapping[str, Any]) -> Stratum:
    return Stratum(
        int(row["stratum"]), str(row["zone"] or ""), int(row["class_code"]), str(row["class_name"]),
        float(row["area_m2"]), float(row["sampled_area_m2"]), int(row["units"]), int(row["drawn"]),
    )  # fmt: skip


def _point(path: Path, row: Mapping[str, Any], legend: Legend) -> Point:
    number = int(row["id"])
    code = _label(path, number, row["label_code"], row["label_class"], legend)
    if row["map_code"] not in legend.codes:
        raise InputError(f"{path}: point {number} has map_code {row['map_code']!r}, which is not in the legend")
    return Point(
        number, int(row["stratum"]), str(row["zone"] or ""), int(row["map_code"]), int(row["row"]), int(row["col"]),
        float(row["lon"]), float(row["lat"]), float(row["weight_m2"]), int(row["round"]), code,
        _text(row["confidence"]), _text(row["note"]),
    )  # fmt: skip


def _check_points(path: Path, points: Sequence[Point], strata: Sequence[Stratum]) -> None:
    """Refuse a sample somebody added points to, or took points from: it is no longer the one that was drawn."""
    if [s.number for s in strata] != list(range(1, len(strata) + 1)):
        raise ArtefactError(f"{path}: its strata are not numbered from 1; the file is damaged, draw it again")
    drawn = {s.number: 0 for s in strata}
    seen: set[int] = set()
    for p in points:
        if p.id in seen:
            raise InputError(f"{path}: point {p.id} stands there twice; keep the one that was drawn")
        if p.stratum not in drawn or p.map_code != strata[p.stratum - 1].code:
            raise InputError(f"{path}: point {p.id} does not fit its stratum {p.stratum}; restore what was drawn")
        seen.add(p.id)
        drawn[p.stratum] += 1
    for s in strata:
        if drawn[s.number] != s.drawn:
            raise InputError(
                f"{path}: stratum {s.number} ({s.name}) has {drawn[s.number]} points, but {s.drawn} were drawn; points "
                "must not be added or deleted: leave the label of a point empty instead"
            )


def _label(path: Path, number: int, code: object, name: object, legend: Legend) -> int | None:
    """The code of a label given by code, by name, or by both."""
    wanted, text = _text(code), _text(name)
    by_name = None if text is None else dict(zip(legend.names, legend.codes, strict=True)).get(text)
    by_code = None if wanted is None else _whole(code)
    known = ", ".join(f"{c} {n}" for c, n in zip(legend.codes, legend.names, strict=True))
    if wanted is not None and by_code not in legend.codes:
        raise LegendError(f"{path}: point {number} is labelled {wanted!r}, which is not in the legend; known: {known}")
    if text is not None and by_name is None:
        raise LegendError(f"{path}: point {number} is labelled {text!r}, which is not in the legend; known: {known}")
    if by_code is not None and by_name is not None and by_code != by_name:
        raise LegendError(f"{path}: point {number} has label_code {by_code} but label_class {text!r}; known: {known}")
    return by_code if by_code is not None else by_name


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text.removeprefix("'") if text[:2] in {"'=", "'+", "'-", "'@"} else text or None


def _whole(value: object) -> int | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
