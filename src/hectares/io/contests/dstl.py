"""DSTL satellite imagery feature detection: one multipolygon a class and image, in the degrees of grid_sizes.csv.

Source: data page of the contest: ImageId, ClassType and MultipolygonWKT, in the order of sample_submission.csv; a
polygon that is not valid ends the evaluation.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from hectares.errors import CatalogError, ConfigError
from hectares.io.contests.map_objects import MapObjects, ObjectRules, open_entry, read_objects
from hectares.io.contests.submission import Fault, MapEntry, listed, match_classes
from hectares.io.shapes.burning import mend
from hectares.io.shapes.wkt import CLASS_TYPES, COLUMNS, WktCell, parse_wkt, read_wkt_table, to_degrees
from hectares.io.table import read_table
from hectares.monitor import Monitor, Problem, track

Extent = tuple[float, float]
"""Xmax and Ymin of an image."""
EMPTY = "MULTIPOLYGON EMPTY"
_DECIMALS = 12
_SLACK = 0.02
"""Share of its extent by which an area may reach out of an image: the last pixel of W ends at Xmax (W + 1) / W."""
_ID = re.compile(r"\d+_\d+_\d+")


# --- What the contest hands out ---------------------------------------------------------------------------


def read_extents(path: Path) -> dict[str, Extent]:
    """Read grid_sizes.csv: Xmax and Ymin of each image; its column of ids has no name."""
    table = read_table(path)
    at = table.columns("Xmax", "Ymin")
    (ids,) = table.columns(COLUMNS[0]) if COLUMNS[0] in table.header else (0,)
    extents: dict[str, Extent] = {}
    for row in table.rows:
        values = [_number(row.cells[i]) for i in at]
        if not values[0] > 0 or not values[1] < 0:
            raise CatalogError(
                f"{path}: row {row.number}: Xmax is {row.cells[at[0]]!r} and Ymin {row.cells[at[1]]!r}; expected "
                "degrees above 0 and below 0"
            )
        extents[row.cells[ids].strip()] = (values[0], values[1])
    return extents


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def read_template(path: Path) -> list[tuple[str, int]]:
    """Read image and class of each row of sample_submission.csv, in its order."""
    table = read_table(path)
    image, number = table.columns(*COLUMNS[:2])
    rows = []
    for row in table.rows:
        text = row.cells[number].strip()
        if not text.isdecimal() or int(text) not in CLASS_TYPES:
            raise CatalogError(
                f"{path}: row {row.number}, column {COLUMNS[1]}: is {text!r}; expected a class of 1 to 10"
            )
        rows.append((row.cells[image].strip(), int(text)))
    return rows


# --- Writing ----------------------------------------------------------------------------------------------


def write_dstl(
    work: Path,
    entries: Sequence[MapEntry],
    classes: Mapping[str, int],
    renamed: Mapping[str, str],
    extents: Mapping[str, Extent],
    template: Sequence[tuple[str, int]] | None,
    monitor: Monitor,
    *,
    rules: ObjectRules = ObjectRules(),  # noqa: B008 - frozen
) -> int:
    """Write the areas of each class of each map, in the order of the template; give how many are not empty.

    Several maps of one image are put together; a class may come from one of them. Images of the template without a
    map are written empty, and told.
    """
    names = [_image_id(entry.path, extents) for entry in entries]
    cells: dict[tuple[str, int], str] = {}
    for name, entry in track(list(zip(names, entries, strict=True)), monitor, "outlining classes"):
        with open_entry(entry) as opened:
            wanted = match_classes(entry.path, opened.legend, classes, renamed)
            objects = read_objects(entry, opened, wanted, rules)
        for number in sorted(set(wanted.values())):
            indices = [k for k, n in wanted.items() if n == number]
            text = _text(objects, indices, extents[name], simplified=rules.simplify_px > 0)
            if (name, number) in cells:
                raise ConfigError(f"{entry.path}: class {number} of image {name} comes from two maps; give it once")
            cells[name, number] = text
    rows = list(template) if template is not None else [(n, c) for n in dict.fromkeys(names) for c in CLASS_TYPES]
    _tell(rows, names, template, entries, monitor)
    with work.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((name, number, cells.get((name, number), EMPTY)) for name, number in rows)
    return sum(cells.get(row, EMPTY) != EMPTY for row in rows)


def _image_id(path: Path, extents: Mapping[str, Extent]) -> str:
    if path.stem in extents:
        return path.stem
    found = _ID.search(path.stem)
    if found is None or found.group() not in extents:
        raise ConfigError(
            f"{path}: is called like no image of grid_sizes.csv, which has {listed(list(extents), 3)}; name the map "
            "after its image"
        )
    return found.group()


def _text(objects: MapObjects, indices: Sequence[int], extent: Extent, *, simplified: bool) -> str:
    """Give the objects of some classes as one multipolygon in degrees."""
    polygons = objects.polygons[np.isin(objects.classes, indices)]
    if len(indices) > 1:  # two classes of the map are one of the contest, and may touch
        polygons = shapely.get_parts(shapely.union_all(polygons))
    area = shapely.MultiPolygon(list(polygons))
    degrees = to_degrees(area, objects.shape, extent)
    if simplified and not shapely.is_empty(degrees):  # corners that lie on other edges stay valid when they are rounded
        parts = shapely.get_parts(shapely.set_precision(shapely.make_valid(degrees), 10.0**-_DECIMALS))
        degrees = shapely.MultiPolygon([p for p in shapely.get_parts(parts) if p.area > 0])
    return str(shapely.to_wkt(degrees, rounding_precision=_DECIMALS))


def _tell(
    rows: Sequence[tuple[str, int]],
    names: Sequence[str],
    template: Sequence[tuple[str, int]] | None,
    entries: Sequence[MapEntry],
    monitor: Monitor,
) -> None:
    if template is None:
        what = "no template says which images the contest wants, and in what order"
        remedy = "rows follow the maps; give sample_submission.csv with --template"
        monitor.problem(Problem(str(entries[0].path.parent), what, remedy))
        return
    wanted = dict.fromkeys(name for name, _ in rows)
    lacking = [name for name in wanted if name not in set(names)]
    strange = [name for name in dict.fromkeys(names) if name not in wanted]
    where = str(entries[0].path.parent)
    if lacking:
        what = f"{len(lacking)} of {len(wanted)} images of the template have no map: {listed(lacking)}"
        monitor.problem(Problem(where, what, "their rows are empty", "incomplete"))
    if strange:
        what = f"{len(strange)} map(s) are of no image of the template: {listed(strange)}"
        monitor.problem(Problem(where, what, "they are left out"))


# --- The check --------------------------------------------------------------------------------------------


def check_dstl(
    path: Path, extents: Mapping[str, Extent] | None, template: Sequence[tuple[str, int]] | None
) -> tuple[list[Fault], int]:
    """Read a submission; give what the contest would not take, and how many rows have an area."""
    table = read_table(path)
    at = table.columns(*COLUMNS)
    faults = []
    if table.header != COLUMNS:
        faults.append(Fault("row 1", f"is {','.join(table.header)}", ",".join(COLUMNS)))
    rows = [(row.number, row.cells[at[0]].strip(), row.cells[at[1]].strip()) for row in table.rows]
    faults += _order_faults(rows, template)
    filled = 0
    for row in table.rows:
        name, text = row.cells[at[0]].strip(), row.cells[at[2]]
        found = _area_fault(text, None if extents is None else extents.get(name))
        if found is not None:
            faults.append(Fault(f"row {row.number}, column {COLUMNS[2]}", *found))
        filled += "EMPTY" not in text.upper()
    return faults, filled


def _order_faults(rows: Sequence[tuple[int, str, str]], template: Sequence[tuple[str, int]] | None) -> list[Fault]:
    """Compare image and class of each row with the template; without one, with ten classes of each image."""
    faults = []
    often = Counter((name, number) for _, name, number in rows)
    for line, name, number in rows:
        times = often[name, number]
        if not number.isdecimal() or int(number) not in CLASS_TYPES:
            faults.append(Fault(f"row {line}, column {COLUMNS[1]}", f"is {number!r}", "a class of 1 to 10"))
        if times > 1:
            faults.append(Fault(f"row {line}", f"is one of {times} for image {name}, class {number}", "one row"))
    if template is None:
        classes: dict[str, set[str]] = {}
        for _, name, number in rows:
            classes.setdefault(name, set()).add(number)
        for name, having in classes.items():
            lacking = [str(n) for n in CLASS_TYPES if str(n) not in having]
            if lacking:
                faults.append(Fault(f"image {name}", f"lacks class {listed(lacking, 10)}", "ten rows an image"))
        return faults
    expected = [(name, str(number)) for name, number in template]
    if len(rows) != len(expected):
        faults.append(Fault("the table", f"has {len(rows)} rows", f"{len(expected)}, as the template"))
    for (line, name, number), wanted in zip(rows, expected, strict=False):
        if (name, number) != wanted:
            found = f"is image {name}, class {number}"
            faults.append(Fault(f"row {line}", found, f"image {wanted[0]}, class {wanted[1]}, as the template"))
            break  # what follows is shifted
    return faults


def _area_fault(text: str, extent: Extent | None) -> tuple[str, str] | None:
    expected = "a valid MULTIPOLYGON (((x y, ...))) or MULTIPOLYGON EMPTY"
    try:
        area = parse_wkt(text)
    except ValueError as error:
        return f"{error}".split("; expected")[0], expected
    if not text.lstrip().upper().startswith("MULTIPOLYGON"):
        return f"begins {text[:20]!r}", expected
    if not area.is_valid:
        return f"is not valid ({shapely.is_valid_reason(area)})", expected
    if extent is None or area.is_empty:
        return None
    west, south, east, north = area.bounds
    x_max, y_min = extent
    wide, high = _SLACK * x_max, -_SLACK * y_min
    if west < -wide or east > x_max + wide or south < y_min - high or north > high:
        found = f"reaches x {west:.9f} to {east:.9f} and y {south:.9f} to {north:.9f}"
        return found, f"x of 0 to {x_max} and y of {y_min} to 0"
    return None


# --- The score --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClassJaccard:
    """How much of a class two tables share, in square degrees of all images together."""

    number: int
    both: float
    only_first: float
    only_second: float

    @property
    def jaccard(self) -> float:
        """Shared area through all area; NaN if neither table has any."""
        every = self.both + self.only_first + self.only_second
        return self.both / every if every else math.nan


def compare_areas(first: Path, second: Path, monitor: Monitor) -> tuple[list[ClassJaccard], list[str]]:
    """Give the Jaccard index of each class between two tables, and the images that both have.

    Areas of true and false positives and of false negatives are added up over the images, as the contest did.
    """
    a, b = read_wkt_table(first), read_wkt_table(second)
    images = [name for name in b if name in a]
    if not images:
        raise CatalogError(
            f"{second}: has no image of {first.name}: it has {listed(list(b), 3)}, expected {listed(list(a), 3)}"
        )
    sums = np.zeros((len(CLASS_TYPES) + 1, 3))
    for name in track(images, monitor, "comparing areas"):
        for number in CLASS_TYPES:
            ours, theirs = (_area(table, path, name, number) for table, path in ((a, first), (b, second)))
            both = shapely.intersection(ours, theirs).area
            sums[number] += (both, ours.area - both, theirs.area - both)
    return [ClassJaccard(n, *np.maximum(sums[n], 0).tolist()) for n in CLASS_TYPES], images


def _area(table: Mapping[str, Mapping[int, WktCell]], path: Path, name: str, number: int) -> shapely.Geometry:
    cell = table[name].get(number)
    if cell is None:
        return shapely.MultiPolygon()
    try:
        area = parse_wkt(cell.text)
    except ValueError as error:
        raise CatalogError(f"{path}: row {cell.row}, column {COLUMNS[2]}: {error}") from error
    if area.is_valid:
        return area
    return shapely.union_all([mend(polygon) for polygon in shapely.get_parts(area)])


def mean_jaccard(found: Sequence[ClassJaccard]) -> float:
    """Give the mean over the classes that either table has.

    >>> mean_jaccard([ClassJaccard(1, 3, 1, 0), ClassJaccard(2, 1, 1, 2), ClassJaccard(3, 0, 0, 0)])
    0.5
    """
    values = [c.jaccard for c in found if not math.isnan(c.jaccard)]
    return sum(values) / len(values) if values else math.nan
