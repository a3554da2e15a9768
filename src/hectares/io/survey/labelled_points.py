"""A labelled sample against the map it assesses: what does not fit is refused, by the ids of the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

from hectares.core.area import AreaTable
from hectares.core.grid import Grid, parse_crs, same_grid
from hectares.core.legend import IGNORE
from hectares.core.survey.estimators import LEAST_POINTS
from hectares.core.window import Window
from hectares.errors import ArtefactError, InputError, LegendError
from hectares.io.rasters.class_map import ClassMap
from hectares.io.survey.sample import UNSURE as UNSURE
from hectares.io.survey.sample import Point, Sample, Stratum

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
_LISTED = 10
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Group:
    """A stratum of the estimate: one of the sample, or several that are taken as one."""

    name: str
    zone: str
    strata: tuple[Stratum, ...]
    labelled: int
    """Points with a class."""

    @property
    def area_m2(self) -> float:
        """What its points stand for."""
        return sum(s.sampled_area_m2 for s in self.strata)

    @property
    def units(self) -> int:
        """Pixels that points could fall on."""
        return sum(s.units for s in self.strata)

    @property
    def drawn(self) -> int:
        """Points with and without a class."""
        return sum(s.drawn for s in self.strata)


@dataclass(frozen=True, eq=False)
class Labelled:
    """The points that have a class, as arrays (n,), with the strata they stand for."""

    groups: tuple[Group, ...]
    points: tuple[Point, ...]
    group: IntArray
    """Place in `groups`."""
    truth: IntArray
    """Class index in the legend of the map."""

    @property
    def areas_m2(self) -> NDArray[np.float64]:
        """(H,)."""
        return np.array([g.area_m2 for g in self.groups])

    @property
    def units(self) -> NDArray[np.int64]:
        """(H,)."""
        return np.array([g.units for g in self.groups])

    @property
    def missing(self) -> NDArray[np.int64]:
        """(H,) points without a class."""
        return np.array([g.drawn - g.labelled for g in self.groups])


def require_same_map(sample: Sample, path: Path, opened: ClassMap, sha256: str, *, other_map: bool) -> None:
    """Refuse a sample that was drawn from another map, unless that is meant."""
    if sample.map_sha256 == sha256 and other_map:
        raise InputError(f"{path}: was drawn from {opened.path} itself; leave --other-map out")
    if sample.map_sha256 != sha256 and not other_map:
        raise InputError(
            f"{path}: was drawn from {sample.design.get('map')} with SHA-256 {sample.map_sha256[:12]}…, but "
            f"{opened.path} has {sha256[:12]}…: give the map of the draw, or --other-map if this is another map of the "
            "same place that the sample shall assess"
        )


def place_points(sample: Sample, grid: Grid) -> IntArray:
    """Give rows and columns (n, 2) of all points on a grid; they may lie outside it."""
    at = np.array([(p.row, p.col) for p in sample.points], np.intp).reshape(-1, 2)
    if same_grid(sample.grid, grid):
        return at
    middle = at.astype(np.float64) + 0.5
    x, y = _through(sample.grid.transform, middle[:, 1], middle[:, 0])
    if sample.grid.crs != grid.crs and sample.grid.crs is not None and grid.crs is not None:
        across = pyproj.Transformer.from_crs(parse_crs(sample.grid.crs), parse_crs(grid.crs), always_xy=True)
        x, y = across.transform(x, y)
    cols, rows = _through(~grid.transform, np.asarray(x), np.asarray(y))
    return np.stack([np.floor(rows), np.floor(cols)], axis=1).astype(np.intp)


def _through(t: Affine, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f


def check_places(sample: Sample, path: Path, opened: ClassMap, at: IntArray, class_at: NDArray[np.uint8]) -> None:
    """Refuse points outside the map, on nodata, in the training footprint, or where the map is not what they say."""
    inside = [opened.grid.window]
    _refuse(
        path, sample.points, ~_within(at, inside), f"outside {opened.path.name}", "use the map they were drawn from"
    )
    nodata = class_at == IGNORE
    _refuse(path, sample.points, nodata, f"on nodata of {opened.path.name}", "use the map they were drawn from")
    seen = [Window(*w) for w in opened.provenance.get("trained_on", ())]
    _refuse(path, sample.points, _within(at, seen), "where the segmenter of the map was trained",
            "the map looks better there than it is; draw a sample that leaves the training windows out")  # fmt: skip


def check_codes(sample: Sample, path: Path, opened: ClassMap, class_at: NDArray[np.uint8]) -> None:
    """Refuse points whose class on the map is not the one the sample says."""
    codes = opened.legend.decode(class_at)
    wrong = np.array([p.map_code for p in sample.points]) != codes
    what = f"of another class on {opened.path.name} than in the sample"
    _refuse(path, sample.points, wrong, what, "the sample was changed; restore the one that was drawn")


def collect_labelled(
    sample: Sample, path: Path, opened: ClassMap, merge: Sequence[str], labels: Path | None = None
) -> Labelled:
    """Gather the labelled points by stratum. Raises InputError if there are none, or a stratum has too few.

    `labels` is the file that labels were merged from.
    """
    points = sample.labelled
    if not points and labels is not None:
        raise InputError(
            f"{labels}: labels none of the {len(sample.points)} points of {path}; each row needs the id of a point, "
            "and label_code or label_class"
        )
    if not points:
        raise InputError(
            f"{path}: none of its {len(sample.points)} points is labelled; fill in label_code or label_class in a GIS, "
            "or give --labels FILE.csv"
        )
    groups, home = _group(sample, path, merge)
    few = [g for g in groups if g.labelled < min(LEAST_POINTS, max(g.units, 1)) and g.area_m2 > 0]
    if few:
        listed = ", ".join(f"{g.name!r} ({g.labelled} of {g.drawn})" for g in few[:_LISTED])
        spare = next((g.strata[0].name for g in groups if g not in few), "OTHER")
        raise InputError(
            f"{path}: {len(few)} of {len(groups)} strata have fewer than {LEAST_POINTS} labelled points: {listed}; "
            f"label more points there, or take strata together: --merge '{few[0].strata[0].name}+{spare}'"
        )
    known = {name: k for k, name in enumerate(opened.legend.names)}
    names = dict(zip(sample.legend.codes, sample.legend.names, strict=True))
    said = [names[p.label_code] for p in points if p.label_code is not None]
    alien = np.array([name not in known for name in said])
    if alien.any():
        ids = ", ".join(str(p.id) for p, bad in zip(points, alien, strict=True) if bad)
        what = ", ".join(sorted({name for name in said if name not in known}))
        raise LegendError(
            f"{path}: point {ids} is labelled {what}, which {opened.path.name} has no class for; known: "
            f"{', '.join(known)}; rename the classes alike in both"
        )
    group = np.array([home[p.stratum] for p in points], np.intp)
    return Labelled(groups, points, group, np.array([known[name] for name in said], np.intp))


def _group(sample: Sample, path: Path, merge: Sequence[str]) -> tuple[tuple[Group, ...], dict[int, int]]:
    """Strata that points could fall on, merged as asked for, and the place of each by its number."""
    partner: dict[str, str] = {}
    known = {s.name for s in sample.strata}
    for names in merge:
        wanted = [n.strip() for n in names.split("+")]
        for name in wanted:
            if name not in known:
                raise InputError(f"{path}: has no stratum {name!r} to merge; it has {', '.join(sorted(known))}")
            partner[name] = partner.get(wanted[0], wanted[0])
    labelled = dict.fromkeys((s.number for s in sample.strata), 0)
    for p in sample.labelled:
        labelled[p.stratum] += 1
    parts: dict[tuple[str, str], list[Stratum]] = {}
    for s in sample.strata:
        if s.units:
            parts.setdefault((s.zone, partner.get(s.name, s.name)), []).append(s)
    groups = []
    for (zone, _), strata in parts.items():
        name = " + ".join(s.name for s in strata)
        n = sum(labelled[s.number] for s in strata)
        groups.append(Group(f"{zone} / {name}" if zone else name, zone, tuple(strata), n))
    home = {s.number: k for k, g in enumerate(groups) for s in g.strata}
    return tuple(groups), home


def _within(at: IntArray, windows: Sequence[Window]) -> NDArray[np.bool_]:
    found = np.zeros(len(at), np.bool_)
    for w in windows:
        found |= (at[:, 0] >= w.row) & (at[:, 0] < w.row_end) & (at[:, 1] >= w.col) & (at[:, 1] < w.col_end)
    return found


def _refuse(path: Path, points: Sequence[Point], bad: NDArray[np.bool_], what: str, way_out: str) -> None:
    ids = [str(p.id) for p, is_bad in zip(points, bad, strict=True) if is_bad]
    if ids:
        more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
        verb = "point {} is" if len(ids) == 1 else "points {} are"
        raise InputError(f"{path}: {verb.format(', '.join(ids[:_LISTED]) + more)} {what}; {way_out}")


def require_strata_of(sample: Sample, path: Path, found: AreaTable) -> None:
    """Refuse a sample whose strata are not what the map shows where points could fall."""
    stated: dict[str, float] = {}
    for s in sample.strata:
        stated[s.name] = stated.get(s.name, 0.0) + s.sampled_area_m2
    for row in found.rows:
        said = stated.get(row.name, 0.0)
        if said and abs(said - row.mapped_m2) > _CLOSE * row.mapped_m2 and not sample.zones:
            raise ArtefactError(
                f"{path}: its stratum {row.name!r} has {said / 1e4:.6g} ha, the map {row.mapped_m2 / 1e4:.6g} ha; "
                "the strata were changed: restore the sample that was drawn"
            )
