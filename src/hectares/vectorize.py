"""Class map to polygons: exact outlines of any size of map, and proof that no area was lost.

Without options, every polygon follows the pixels of its object, and the polygons of a class have the area of its
pixels. What changes areas is asked for, bounded, and told by class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from hectares.config.vectorize import VectorizeConfig
from hectares.core.area import AreaTally
from hectares.core.legend import Legend
from hectares.core.polygons.ledger import COLUMNS, M2_PER_HA, ClassLedger
from hectares.core.polygons.measures import GroundScale
from hectares.core.polygons.outlines import tally
from hectares.core.polygons.stitching import Objects
from hectares.errors import ArtefactError, ConfigError, GsdError, LegendError
from hectares.io.artefact import check_record, save_json, sha256_file, stamp
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.polygons.coverage import polygon_transform, to_polygons
from hectares.io.polygons.map_outlines import (
    AREA,
    EXACT,
    PERIMETER,
    SCORE,
    SCORED,
    OutlinePlan,
    check_scores,
    outline_map,
    plan_sieve,
)
from hectares.io.polygons.polygon_file import (
    PolygonFile,
    PolygonLayer,
    check_place,
    check_suffix,
    count_by_class,
    field_names,
    parts_of,
    style_beside,
)
from hectares.io.polygons.walls import Squared, keep_apart, square_walls
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.rasters.style import qml_text
from hectares.io.survey.sample import keep_labels
from hectares.monitor import QUIET, Monitor, Problem, Severity

KIND = "polygons"
WALL_PX = 1.5
_ROUNDING = 1e-7
"""Percent."""
_AT_ONCE = 20_000
"""Polygons that are made at once: noise can end a million objects in one strip."""


@dataclass(frozen=True)
class Vectorized:
    """What became of a map."""

    classes: tuple[ClassLedger, ...]
    record: dict[str, Any]
    """The JSON beside the polygons."""

    @property
    def polygons(self) -> int:
        """How many were written."""
        return sum(c.polygons for c in self.classes)

    def proof(self) -> str:
        """Say in one line whether the polygons have the area of the pixels."""
        kept, written = sum(c.kept_m2 for c in self.classes), sum(c.polygon_m2 for c in self.classes)
        worst = max(self.classes, key=lambda c: abs(c.difference))
        polygons = f"{self.polygons:,} polygon{'s' if self.polygons != 1 else ''}"
        return (
            f"{polygons} with {written / M2_PER_HA:,.4f} ha, from pixels with {kept / M2_PER_HA:,.4f} ha; "
            f"largest difference of a class: {100 * worst.difference:+.2g} % ({worst.name})"
        )


def vectorize_map(
    class_map: str | Path,
    out: str | Path,
    config: VectorizeConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Vectorized:
    """Write the objects of a class map as polygons, and the areas of classes as JSON beside it.

    Memory is that of a strip of the map and of the objects that cross it. Raises ConfigError for a suffix that is no
    format, GridError or GsdError if the map has no georeference and the format or the areas need one.
    """
    target = resolve(out)
    suffix = check_suffix(target)
    sources = [Path(class_map)] + ([] if config.scores is None else [Path(config.scores)])
    with open_class_map(class_map) as opened:
        check_place(target, opened.grid)
        styles = style_beside(target, opened.legend, monitor)
        targets = [*parts_of(target, placed=opened.grid.is_georeferenced), *styles, target.with_suffix(".json")]
        check_record(targets[-1], KIND, of=None if overwrite else target)
        for path in targets:
            check_target(path, overwrite=overwrite, inputs=sources)
        keep_labels(target)
        plan = _plan(opened, config)
        try:
            job = _Job(opened, config, target, suffix, monitor)
            with staged_files(targets, overwrite=overwrite, inputs=sources) as works:
                result = job.run(plan, works[0])
                for style in works[-1 - len(styles) : -1]:
                    style.write_text(qml_text(opened.legend), encoding="utf-8")
                save_json(works[-1], result.record)
        finally:
            if plan.scores is not None:
                plan.scores.close()
    return result


def _plan(opened: ClassMap, config: VectorizeConfig) -> OutlinePlan:
    if opened.grid.is_georeferenced and config.gsd_m is not None:
        raise GsdError(f"{opened.path}: has a CRS, its pixels are measured on the ellipsoid; leave --gsd-m out")
    if not opened.grid.is_georeferenced and config.gsd_m is None:
        raise GsdError(
            f"{opened.path}: has no CRS, so the size of its pixels is unknown; "
            "give it in meters with --gsd-m, or use a georeferenced map"
        )
    wanted = np.zeros(256, np.bool_)
    wanted[_chosen(opened.legend, config.classes)] = True
    scores = None if config.scores is None else open_raster(config.scores, expand_palette=False)
    if scores is not None:
        check_scores(scores, opened.grid, len(opened.legend))
    simplify_m = np.full(256, config.simplify_m) if config.simplify_m else None
    return OutlinePlan(opened, wanted, config.gsd_m, simplify_m, scores)


def _chosen(legend: Legend, classes: str | None) -> list[int]:
    if classes is None:
        return list(range(len(legend)))
    names = [name.strip() for name in classes.split(",") if name.strip()]
    if not names:
        raise ConfigError(f"--classes {classes!r} names no class; known: {', '.join(legend.names)}")
    try:
        return [legend.index(name) for name in names]
    except LegendError as error:
        raise ConfigError(f"--classes: {error}") from None


@dataclass(frozen=True)
class _Sums:
    """Areas by class index, (256,) each."""

    exact: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    outlined: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    written: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))

    def add(self, objects: Objects, written: NDArray[np.float64]) -> None:
        """Add objects, with their sums as written."""
        labels = objects.faces.labels
        self.exact[:] += tally(labels, objects.sums[:, EXACT], 256)
        self.outlined[:] += tally(labels, objects.sums[:, AREA], 256)
        self.written[:] += tally(labels, written[:, AREA], 256)
        self.count[:] += np.bincount(labels, minlength=256)


class _Job:
    """One call of the verb."""

    def __init__(self, opened: ClassMap, config: VectorizeConfig, target: Path, suffix: str, monitor: Monitor) -> None:
        self.opened, self.config, self.target, self.suffix = opened, config, target, suffix
        self.monitor = monitor
        self.transform = polygon_transform(opened.grid)
        self.walls: dict[str, Any] = {}

    def run(self, plan: OutlinePlan, work: Path) -> Vectorized:
        """Write the polygons; with less simplifying again if areas change more than they may."""
        config = self.config
        raster: AreaTally | None = None
        if config.fill_holes_m2 or (config.min_area_m2 and config.small == "merge"):
            raster = AreaTally(self.opened.legend)
            least = config.min_area_m2 if config.small == "merge" else 0.0
            plan = plan_sieve(plan, raster, self.monitor, min_area_m2=least, fill_holes_m2=config.fill_holes_m2)
        while True:
            kept = AreaTally(self.opened.legend)
            sums = self._write(plan, kept, work)
            if plan.simplify_m is None or not (changed := self._changed(sums) & (plan.simplify_m > 0)).any():
                break
            plan = self._weaker(plan, changed)
            for path in parts_of(work, placed=True):
                path.unlink(missing_ok=True)
        self._verify(work, sums)
        self._tell(plan, sums)
        return self._result(plan, raster or kept, kept, sums)

    def _write(self, plan: OutlinePlan, kept: AreaTally, work: Path) -> _Sums:
        legend = self.opened.legend
        layer = PolygonLayer(self.target.stem, self.opened.grid, legend, min(plan.scale(plan.windows()[0]).pixel_m))
        sums = _Sums()
        file = PolygonFile(work, self.suffix, layer)
        try:
            for objects, polygons, written in self._polygons(plan, kept):
                sums.add(objects, written)
                file.add(polygons, self._columns(plan, objects, written))
            file.finish()
        finally:
            file.discard()
        return sums

    def _polygons(
        self, plan: OutlinePlan, kept: AreaTally
    ) -> Iterator[tuple[Objects, NDArray[np.object_], NDArray[np.float64]]]:
        """Give finished objects with their polygons in the CRS of the map, and their sums as written."""
        held: list[tuple[Objects, NDArray[np.object_], Squared, NDArray[np.float64]]] = []
        for found, scale in outline_map(plan, kept, self.monitor):
            objects = self._without_small(found)
            if not self.config.regularize:
                for part in objects.parts(_AT_ONCE):
                    yield part, to_polygons(part.faces, self.transform), part.sums
            elif len(objects.faces):
                held.append((objects, *self._squared(objects, scale)))
        if held:
            yield from self._apart(held)
        elif self.config.regularize:
            yield objects, to_polygons(objects.faces, self.transform), objects.sums

    def _without_small(self, found: Objects) -> Objects:
        if not (self.config.min_area_m2 and self.config.small == "drop"):
            return found
        keep = found.sums[:, EXACT] >= self.config.min_area_m2
        return Objects(found.faces.select(keep), found.sums[keep], found.lows[keep])

    def _limit_m(self, scale: GroundScale) -> float:
        return self.config.regularize_m or WALL_PX * max(scale.pixel_m)

    def _squared(
        self, objects: Objects, scale: GroundScale
    ) -> tuple[NDArray[np.object_], Squared, NDArray[np.float64]]:
        """Give polygons in pixels before and after they got right angles, and by what their sums change."""
        height, width = scale.pixel_m
        meters = to_polygons(objects.faces, Affine(width, 0, 0, 0, -height, 0))
        squared = square_walls(meters, self._limit_m(scale))
        ratio = np.ones(objects.sums.shape)
        ratio[:, AREA] = shapely.area(squared.polygons) / shapely.area(meters)
        ratio[:, PERIMETER] = shapely.length(squared.polygons) / shapely.length(meters)
        pixels = shapely.transform(squared.polygons, lambda p: p / [width, height])
        old = to_polygons(objects.faces, Affine(1, 0, 0, 0, -1, 0))
        return old, replace(squared, polygons=pixels), ratio

    def _apart(
        self, held: list[tuple[Objects, NDArray[np.object_], Squared, NDArray[np.float64]]]
    ) -> Iterator[tuple[Objects, NDArray[np.object_], NDArray[np.float64]]]:
        old = np.concatenate([o for _, o, _, _ in held])
        new = np.concatenate([s.polygons for _, _, s, _ in held])
        moved = np.concatenate([s.moved_m for _, _, s, _ in held])
        labels = np.concatenate([o.faces.labels for o, _, _, _ in held])
        for label in np.unique(labels):
            of = np.flatnonzero(labels == label)
            apart = keep_apart(old[of], Squared(new[of], moved[of]))
            new[of], moved[of] = apart.polygons, apart.moved_m
        self.walls = {
            "moved_m": float(moved.max()),
            "polygons": int((moved > 0).sum()),
            "left": int((moved == 0).sum()),
        }
        t = self.transform
        begin = 0
        for objects, _, _, ratio in held:
            part = slice(begin, begin + len(objects.faces))
            begin = part.stop
            placed = shapely.transform(new[part], lambda p: np.column_stack(t @ (p[:, 0], -p[:, 1])))
            sums = objects.sums * np.where(moved[part, None] > 0, ratio, 1)
            yield objects, shapely.orient_polygons(placed), sums

    def _columns(self, plan: OutlinePlan, objects: Objects, written: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        legend = self.opened.legend
        labels = objects.faces.labels
        columns: dict[str, NDArray[Any]] = {
            "class_id": np.array(legend.codes, np.int32)[labels],
            "class_name": np.array(legend.names, dtype=object)[labels],
            "area_m2": written[:, AREA],
            "area_ha": written[:, AREA] / M2_PER_HA,
            "perimeter_m": written[:, PERIMETER],
        }
        if plan.scores is not None:
            scored = objects.sums[:, SCORED]
            columns["prob_mean"] = np.where(scored > 0, objects.sums[:, SCORE] / np.maximum(scored, 1), np.nan)
            columns["prob_min"] = np.where(scored > 0, objects.lows, np.nan)
        columns["source"] = np.full(len(labels), self.opened.path.name, dtype=object)
        return columns

    def _changed(self, sums: _Sums) -> NDArray[np.bool_]:
        """Tell which classes (256,) simplifying changed by more than the budget."""
        change = 100 * np.abs(sums.outlined - sums.exact)
        changed: NDArray[np.bool_] = change > np.maximum(self.config.area_budget, _ROUNDING) * sums.exact
        return changed

    def _weaker(self, plan: OutlinePlan, changed: NDArray[np.bool_]) -> OutlinePlan:
        """Simplify classes less; other classes follow only where they share borders with them."""
        assert plan.simplify_m is not None  # nothing changes otherwise
        less = np.where(changed, plan.simplify_m / 2, plan.simplify_m)
        less[less < plan.smallest_detail_m()] = 0
        return replace(plan, simplify_m=less)

    def _simplified(self, plan: OutlinePlan) -> dict[str, float] | None:
        if plan.simplify_m is None:
            return None
        return {self.opened.legend.names[i]: float(plan.simplify_m[i]) for i in np.flatnonzero(plan.wanted).tolist()}

    def _verify(self, work: Path, sums: _Sums) -> None:
        """Read the file back, and count the polygons of each class."""
        codes = self.opened.legend.codes
        expected = {codes[i]: int(sums.count[i]) for i in np.flatnonzero(sums.count).tolist()}
        found = count_by_class(work, self.suffix, self.target.stem, known=set(expected))
        if found != expected and self.suffix != ".pmtiles":  # tiles cut polygons, and leave out what is too small
            raise ArtefactError(
                f"{self.target}: what was read back is not what was written ({found} polygons by class, expected "
                f"{expected}); check the disk and run again"
            )

    def _tell(self, plan: OutlinePlan, sums: _Sums) -> None:
        where = str(self.target)

        def note(what: str, remedy: str, severity: Severity = "note") -> None:
            self.monitor.problem(Problem(where, what, remedy, severity))

        if not sums.count.any():
            note("no polygon came out", "the map has no pixel of the chosen classes that is large enough", "warning")
        if plan.relabelling is not None and plan.relabelling.alone:
            what = f"{plan.relabelling.alone} object(s) below --min-area-m2 have no neighbor but nodata"
            note(what, "they stay; --small drop leaves small objects out", "warning")
        if self.config.regularize:
            note(
                f"--regularize moved walls by up to {self.walls.get('moved_m', 0.0):.2f} m",
                "borders with other classes are no longer shared with them",
            )
        asked_m, least_m = self.config.simplify_m, plan.smallest_detail_m()
        if 0 < asked_m < least_m:
            what = f"--simplify-m {asked_m:g} changes nothing: the smallest detail of pixel edges is {least_m:.3g} m"
            note(what, "give a larger length, or leave the option out", "warning")
        for name, meters in (self._simplified(plan) or {}).items():
            if meters < asked_m:
                why = f"more would change its area by over {self.config.area_budget:g} % (--area-budget)"
                less = f"simplified by {meters:g} m instead of {asked_m:g} m" if meters else "not simplified"
                note(f"{name} is {less}", why, "warning")
        if not self.opened.grid.is_georeferenced:
            note("the map has no CRS", "the polygons count pixels: x is the column, y the row, negative downwards")
        if self.suffix == ".shp":
            names = [f"{a} is {b}" for a, b in field_names(".shp", self._fields(plan)).items() if a != b]
            note(f"a Shapefile cuts names at ten letters: {', '.join(names)}", "GeoPackage (.gpkg) keeps them")

    def _fields(self, plan: OutlinePlan) -> list[str]:
        scored = [] if plan.scores is None else ["prob_mean", "prob_min"]
        return ["class_id", "class_name", "area_m2", "area_ha", "perimeter_m", *scored, "source"]

    def _result(self, plan: OutlinePlan, raster: AreaTally, kept: AreaTally, sums: _Sums) -> Vectorized:
        config, opened = self.config, self.opened
        before, after = raster.table().rows, kept.table().rows
        classes = []
        for i in np.flatnonzero(plan.wanted).tolist():
            left = after[i].mapped_m2 if config.small == "merge" or not config.min_area_m2 else float(sums.exact[i])
            name = opened.legend.names[i]
            written = float(sums.written[i])
            classes.append(
                ClassLedger(after[i].class_id or 0, name, int(sums.count[i]), before[i].mapped_m2, left, written)
            )
        inputs = {"map": sha256_file(opened.path)}
        if config.scores is not None:
            inputs["scores"] = sha256_file(Path(config.scores))
        settings = asdict(config) | {"scores": None if config.scores is None else Path(config.scores).name}
        record = stamp(KIND, config=settings, inputs=inputs) | {
            "map": opened.path.name,
            "polygons": self.target.name,
            "layer": self.target.stem,
            "crs": "EPSG:4326" if self.suffix in {".geojson", ".pmtiles"} else opened.grid.crs,
            "fields": list(field_names(self.suffix, self._fields(plan)).values()),
            "method": "ellipsoid" if opened.grid.is_georeferenced else "nominal pixel size given by hand",
            "legend": opened.legend.to_json(),
            "classes": [dict(zip(COLUMNS, c.row(), strict=True)) for c in classes],
            "simplified_m": self._simplified(plan),
            "band_rows": plan.windows()[0].height if config.simplify_m else None,
            "small": None if plan.relabelling is None else self._sieved(plan),
            "walls": self.walls or None,
        }
        return Vectorized(tuple(classes), record)

    @staticmethod
    def _sieved(plan: OutlinePlan) -> dict[str, int]:
        done = plan.relabelling
        assert done is not None  # asked for only then
        return {"merged": done.merged, "filled": done.filled, "alone": done.alone}
