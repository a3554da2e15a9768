"""A labelled sample to areas with intervals, beside the mapped ones, and to accuracies of the map.

Mapped area is counted from the map and carries its errors. Estimated area rests on what interpreters saw at points that
were drawn at random: it is right on average whatever the map is, and its interval says how far it may be off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hectares.config.estimate import EstimateConfig
from hectares.core.area import AreaTable
from hectares.core.survey.area_estimates import (
    COLUMNS,
    ENOUGH,
    M2_PER_HA,
    WHOLE,
    EstimateRow,
    Place,
    PlaceEstimate,
    assist_place,
    estimate_place,
)
from hectares.core.survey.assisted import LabelledPoints, Way
from hectares.core.survey.estimators import Survey, bound_shares
from hectares.core.survey.intervals import Design, IntervalRule
from hectares.core.window import Window
from hectares.errors import ArtefactError, ConfigError, VectorError
from hectares.io.artefact import check_record, save_csv, save_json, sha256_file, stamp
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.rasters.aid import Aid, open_aid
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.sweep import Swept, sweep_map
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.zones import OUTSIDE, read_zones, tell_overlaps
from hectares.io.survey.labelled_points import (
    UNSURE,
    check_codes,
    check_places,
    collect_labelled,
    place_points,
    require_same_map,
    require_strata_of,
)
from hectares.io.survey.sample import Sample, read_sample
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view.estimates import draw_estimates

KIND = "estimate"
_SAME_PLACE = 1e-4
"""Relative difference of area up to which what the aid covers is what the sample stands for."""
_LISTED = 10


@dataclass(frozen=True)
class EstimatedAreas:
    """What was estimated for a map, and for its zones."""

    total: PlaceEstimate
    zones: tuple[PlaceEstimate, ...]
    content: Mapping[str, Any]
    """What the JSON holds."""

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Give the lines of the table, with the zone first where there are zones."""
        for place in (self.total, *self.zones):
            for row in place.rows:
                values = tuple(getattr(row, name) for name in COLUMNS)
                yield (place.name, *values) if self.zones else values


def estimate_areas(
    class_map: str | Path,
    sample: str | Path,
    out: str | Path,
    config: EstimateConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> EstimatedAreas:
    """Write estimated areas and accuracies as CSV; beside it a figure, and JSON with all they were computed from.

    Raises InputError by the id of a point that cannot count, or by the name of a stratum with too few labels.
    """
    target = resolve(out)
    if target.suffix.lower() != ".csv":
        raise ArtefactError(f"{target}: the table is a CSV; end its name in .csv")
    inputs = {"map": Path(class_map), "sample": Path(sample)}
    given = {"labels": config.labels, "aid": config.assist_with}
    inputs |= {name: path for name, path in given.items() if path is not None}
    if config.zones is not None:
        inputs["zones"] = split_layer_name(config.zones)[0]
    targets = [target, target.with_suffix(".json"), target.with_suffix(".png")]
    for path in targets:
        check_target(path, overwrite=overwrite, inputs=inputs.values())
    check_record(targets[1], KIND)
    with open_class_map(class_map) as opened:
        found = _Work(opened, Path(sample), config, monitor).estimate(inputs)
    columns = ("zone", *COLUMNS) if found.zones else COLUMNS
    with staged_files(targets, overwrite=overwrite, inputs=inputs.values()) as (table, record, figure):
        save_csv(table, columns, found.rows())
        save_json(record, found.content)
        draw_estimates(found.content, figure)
    return found


class _Work:
    """One estimate: what was read, and what follows from it."""

    def __init__(self, opened: ClassMap, path: Path, config: EstimateConfig, monitor: Monitor) -> None:
        self.opened, self.path, self.config, self.monitor = opened, path, config, monitor
        self.sample: Sample = read_sample(path, config.labels)
        self.rule = IntervalRule(level=config.confidence, method=config.interval)

    def estimate(self, inputs: Mapping[str, Path]) -> EstimatedAreas:
        """Read, check, estimate, and say what there is to say."""
        config, sample, opened = self.config, self.sample, self.opened
        hashes = {name: sha256_file(path) for name, path in inputs.items()}
        require_same_map(sample, self.path, opened, hashes["map"], other_map=config.other_map)
        self.labelled = collect_labelled(sample, self.path, opened, config.merge, config.labels)
        with ExitStack() as stack:
            aid = self._open_aid(stack)
            self.swept = self._sweep(aid)
            chosen = np.array([p.label_code is not None for p in sample.points])
            self.mapped_at = self.swept.class_at[chosen].astype(np.intp)
            self.within = {name: at[chosen] for name, at in self.swept.zones_at.items()}
            places = list(self._places())
            tracked = track(places, self.monitor, "estimating")
            plain = [estimate_place(place, opened.legend, self.rule) for place in tracked]
            found = [estimate for estimate, _ in plain]
            if aid is not None:
                aid_at = self.swept.aid_at[chosen]
                found = [self._assisted(place, pair, aid, aid_at) for place, pair in zip(places, plain, strict=True)]
        self._tell(places)
        total, *zones = found
        content = stamp(KIND, config=self._settings(), inputs=hashes) | self._content(places[0], total, zones, aid)
        return EstimatedAreas(total, tuple(zones), content)

    # --- Reading ----------------------------------------------------------------------------------------------

    def _open_aid(self, stack: ExitStack) -> Aid | None:
        if self.config.method != "model-assisted":
            return None
        path = self.config.assist_with
        if path is None and not self.config.other_map:
            raise ConfigError(
                "the strata are the classes of the map, so that the stratified estimate uses all of it already; "
                "--method model-assisted needs a second class map or scores: give --assist-with FILE"
            )
        return stack.enter_context(open_aid(path or self.opened.path, self.opened.grid, self.opened.path))

    def _sweep(self, aid: Aid | None) -> Swept:
        opened, sample = self.opened, self.sample
        zones = {}
        if self.config.zones is not None:
            zones = read_zones(self.config.zones, self.config.zone_field, opened.grid, opened.path, self.monitor)
            tell_overlaps(zones, self.config.zones, "what lies in both counts in each of them", self.monitor)
        at = place_points(sample, opened.grid)
        excluded = [Window(*w) for w in opened.provenance.get("trained_on", ())]
        swept = sweep_map(opened, at, self.monitor, zones=zones, aid=aid, excluded=excluded)
        if zones and not any(swept.areas[name].total_m2 for name in zones):
            raise VectorError(f"{opened.path}: no zone covers a pixel with a class; check the CRS of the zones")
        check_places(sample, self.path, opened, at, swept.class_at)
        if not self.config.other_map:
            check_codes(sample, self.path, opened, swept.class_at)
            require_strata_of(sample, self.path, swept.areas[None])
        return swept

    # --- Places -----------------------------------------------------------------------------------------------

    def _places(self) -> Iterator[Place]:
        """The whole map, then its zones: those of the sample, else those of the file."""
        labelled, everywhere = self.labelled, np.ones(len(self.mapped_at), np.bool_)
        survey = self._survey(range(len(labelled.groups)), everywhere)
        yield Place(WHOLE, survey, float(labelled.areas_m2.sum()), self._mapped_m2(None), everywhere)
        own = self.sample.zones
        given = [name for name in self.swept.areas if name is not None]
        if own and (not given or set(own) <= set(given)):
            for zone in own:
                chosen = [h for h, g in enumerate(labelled.groups) if g.zone == zone]
                if chosen:
                    within = np.isin(labelled.group, chosen)
                    area_m2 = float(labelled.areas_m2[chosen].sum())
                    yield Place(zone, self._survey(chosen, within), area_m2, self._mapped_m2(zone), within)
            return
        for name in given:
            if name != OUTSIDE or self.swept.areas[name].observed_m2 > 0:
                yield self._part(name, self.swept.areas[name])

    def _part(self, name: str, areas: AreaTable) -> Place:
        """A zone that the sample was not drawn for: its parts of strata if they hold enough points, else a ratio."""
        labelled, within = self.labelled, self.within[name]
        mapped_m2 = self._mapped_m2(name)
        groups = range(len(labelled.groups))
        if not self.config.other_map and not self.sample.zones:
            codes = [{s.code for s in g.strata} for g in labelled.groups]
            rows = [[r for r in areas.rows if r.class_id in own] for own in codes]
            parts_m2 = np.array([sum(r.mapped_m2 for r in part) for part in rows])
            units = np.array([sum(r.pixels for r in part) for part in rows])
            points = np.bincount(labelled.group[within], minlength=len(codes))
            chosen = np.flatnonzero(parts_m2 > 0)
            if chosen.size and (points[chosen] >= np.minimum(ENOUGH, units[chosen])).all():
                survey = replace(self._survey(chosen.tolist(), within), areas_m2=parts_m2[chosen], units=units[chosen])
                return Place(name, survey, float(parts_m2.sum()), mapped_m2, within)
        whole = self._survey(groups, np.ones_like(within))
        survey = replace(whole, counts=self._counts(groups, within), drawn=whole.points)
        return Place(name, survey, areas.observed_m2, mapped_m2, within)

    def _survey(self, groups: Sequence[int], within: np.ndarray[Any, np.dtype[np.bool_]]) -> Survey:
        chosen = list(groups)
        mapped = None
        if not self.config.other_map:
            codes = self.opened.legend.codes
            own = [{s.code for s in self.labelled.groups[h].strata} for h in chosen]
            mapped = np.array([[code in found for code in codes] for found in own], np.bool_)
        areas_m2, units = self.labelled.areas_m2[chosen], self.labelled.units[chosen]
        return Survey(self._counts(chosen, within), areas_m2, units=units, mapped=mapped)

    def _counts(self, groups: Sequence[int], within: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
        """(H, K, K) points within a place by group, class of the map and class of the reference."""
        labelled, classes = self.labelled, len(self.opened.legend)
        counts = np.zeros((len(labelled.groups), classes, classes), np.int64)
        np.add.at(counts, (labelled.group[within], self.mapped_at[within], labelled.truth[within]), 1)
        return counts[list(groups)]

    def _mapped_m2(self, zone: str | None) -> Any:
        """(K,) what the map shows where points could fall; NaN where that is not known."""
        table = self.swept.areas.get(zone)
        if self.sample.zones and not self.config.other_map and (zone is None or zone in self.sample.zones):
            mapped = dict.fromkeys(self.opened.legend.codes, 0.0)
            for s in self.sample.strata:
                if zone in {None, s.zone}:
                    mapped[s.code] += s.sampled_area_m2
            return np.array(list(mapped.values()))
        if table is None:
            return np.full(len(self.opened.legend), np.nan)
        return np.array([r.mapped_m2 for r in table.rows if r.class_id is not None])

    # --- With an aid ------------------------------------------------------------------------------------------

    def _assisted(self, place: Place, plain: Any, aid: Aid, aid_at: Any) -> PlaceEstimate:
        """Add the rows of the chosen model-assisted estimate, and keep those of the others."""
        estimate: PlaceEstimate = plain[0]
        ways: list[Way] = ["regression"]
        columns = None
        named = bool(set(aid.names) & set(self.opened.legend.names)) and aid.are_shares(aid_at)
        if self.config.assist != "regression" or named:
            columns = aid.of_classes(self.opened.legend)
            ways += ["tuned", "difference"]
        rows: dict[str, tuple[EstimateRow, ...]] = {}
        for way in ways:
            points = self._points(place, aid, aid_at, None if way == "regression" else columns)
            total_m2 = float(self.labelled.areas_m2.sum())
            rows |= assist_place(points, [way], plain, total_m2=total_m2, rule=self.rule)
        return replace(estimate, rows=(*estimate.rows, *rows[self.config.assist]), assisted=rows)

    def _points(self, place: Place, aid: Aid, aid_at: Any, columns: list[int | None] | None) -> LabelledPoints:
        labelled, classes = self.labelled, len(self.opened.legend)
        total_m2 = float(labelled.areas_m2.sum())
        known, at = self._known_m2(place, aid) / total_m2, aid_at
        if columns is None and place.name != WHOLE:
            known = np.append(known, place.area_m2 / total_m2)
            at = np.column_stack([at, np.ones(len(at))])
        elif columns is not None:
            aid.require_shares(aid_at)
            pick = [len(aid.columns) if c is None else c for c in columns]
            known = np.append(known, 0.0)[pick]
            at = np.column_stack([at, np.zeros(len(at))])[:, pick]
        truth = np.eye(classes)[labelled.truth]
        inside = place.within[:, None]
        drawn = np.bincount(labelled.group, minlength=len(labelled.groups)).astype(np.float64)
        design = Design(labelled.areas_m2 / total_m2, drawn, drawn / labelled.units)
        return LabelledPoints(truth * inside, at * inside, known, labelled.group, design)

    def _known_m2(self, place: Place, aid: Aid) -> Any:
        """(P,) sums of the aid over what the points of a place stand for."""
        swept = self.swept
        name = None if place.name == WHOLE else place.name
        if name not in swept.areas:
            raise ConfigError(
                f"{self.path}: was drawn by zones, whose pixels the aid {aid.path} has to be added up over; "
                "give the file of the zones with --zones"
            )
        found, m2 = swept.aid_m2[name], swept.areas[name].observed_m2
        if name is None and self.sample.zones and OUTSIDE in swept.areas:
            found, m2 = found - swept.aid_m2[OUTSIDE], m2 - swept.areas[OUTSIDE].observed_m2
        if abs(m2 - place.area_m2) > _SAME_PLACE * place.area_m2:
            raise ConfigError(
                f"{self.path}: its points stand for {place.area_m2 / M2_PER_HA:,.6g} ha of {place.name}, but "
                f"{self.opened.path} shows {m2 / M2_PER_HA:,.6g} ha there; a model-assisted estimate needs both to be "
                "the same place: use --method stratified"
            )
        return found

    # --- What to know -----------------------------------------------------------------------------------------

    def _tell(self, places: Sequence[Place]) -> None:
        """Report what does not stop the work."""
        path, labelled = str(self.path), self.labelled
        missing = [p.id for p in self.sample.points if p.label_code is None]
        if missing:
            ids = ", ".join(map(str, missing[:_LISTED])) + (" …" if len(missing) > _LISTED else "")
            name, low, high = max(self._bounds(), key=lambda b: b[2] - b[1])
            remedy = (
                "they are left out, as if they were like the labelled ones of their stratum, which biases the areas if "
                f"they are not: {name} is {low / M2_PER_HA:,.4g} to {high / M2_PER_HA:,.4g} ha if none or all of them "
                "are, whatever the interval says; label them"
            )
            what = f"{len(missing)} of {len(self.sample.points)} points have no label ({ids})"
            self.monitor.problem(Problem(path, what, remedy, "incomplete"))
        unsure = [p.id for p in labelled.points if p.confidence == UNSURE]
        if unsure:
            what = f"{len(unsure)} of {len(labelled.points)} labels are marked {UNSURE}"
            self.monitor.problem(Problem(path, what, "they count like the others; have a second person look", "note"))
        left_m2 = sum(s.area_m2 - s.sampled_area_m2 for s in self.sample.strata)
        if left_m2 > 0:
            what = (
                f"{left_m2 / M2_PER_HA:,.4g} ha of the map could not be drawn (seen in training, or too small a part)"
            )
            remedy = f"estimates are of the other {places[0].area_m2 / M2_PER_HA:,.6g} ha, and so are the mapped areas"
            self.monitor.problem(Problem(path, what, remedy, "note"))
        empty = [p.name for p in places if not p.within.any()]
        if empty:
            what = f"{len(empty)} zone(s) hold no labelled point: {', '.join(empty[:_LISTED])}"
            self.monitor.problem(Problem(path, what, "they have no estimate; draw a sample by zones", "incomplete"))
        for group in labelled.groups:
            rates = {s.drawn / s.sampled_area_m2 for s in group.strata if s.sampled_area_m2}
            if len(rates) > 1 and max(rates) > 2 * min(rates):
                what = f"{group.name} are taken as one stratum, though points lie {max(rates) / min(rates):.0f} times"
                remedy = "the denser part counts for more than its area; label more points to do without --merge"
                self.monitor.problem(Problem(path, f"{what} as dense in one as in another", remedy))

        if self.config.interval == "normal":
            one = [g.name for h, g in enumerate(labelled.groups) if len(set(labelled.truth[labelled.group == h])) == 1]
            if one:
                what = f"no error was seen in {', '.join(one[:_LISTED])}, so that normal intervals take it for known"
                self.monitor.problem(Problem(path, what, "they are too short; use --interval melded"))

    def _bounds(self) -> list[tuple[str, float, float]]:
        """Area of each class in m2, if none and if all of the points without a label are of it."""
        survey = self._survey(range(len(self.labelled.groups)), np.ones(len(self.labelled.points), np.bool_))
        total = float(self.labelled.areas_m2.sum())
        low, high = bound_shares(survey, self.labelled.missing)
        return [(n, float(a * total), float(b * total)) for n, a, b in zip(self.opened.legend.names, low, high,
                                                                            strict=True)]  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        config = asdict(self.config)
        files = ("zones", "labels", "assist_with")
        return config | {key: None if config[key] is None else Path(config[key]).name for key in files}

    def _content(
        self, place: Place, total: PlaceEstimate, zones: Sequence[PlaceEstimate], aid: Aid | None
    ) -> dict[str, Any]:
        """Give all that the numbers were computed from."""
        labelled, legend = self.labelled, self.opened.legend
        by_class = place.survey.counts.sum(axis=1)
        strata = [
            {
                "name": g.name, "zone": g.zone, "area_ha": g.area_m2 / M2_PER_HA, "units": g.units, "drawn": g.drawn,
                "labelled": g.labelled, "labels": dict(zip(legend.names, by_class[h], strict=True)),
            }
            for h, g in enumerate(labelled.groups)
        ]  # fmt: skip
        bounds = [{"class_name": n, "none_ha": low / M2_PER_HA, "all_ha": high / M2_PER_HA}
                  for n, low, high in self._bounds()]  # fmt: skip
        left = sum(s.area_m2 - s.sampled_area_m2 for s in self.sample.strata)
        return {
            "map": self.opened.path.name,
            "sample": self.path.name,
            "kind": "estimated",
            "method": self.config.method,
            "interval": {**asdict(self.rule)},
            "legend": legend.to_json(),
            "crs": self.opened.grid.crs,
            "area_ha": place.area_m2 / M2_PER_HA,
            "left_out_ha": left / M2_PER_HA,
            "total": total.to_json(),
            "zones": [zone.to_json() for zone in zones],
            "strata": strata,
            "unlabelled": {"points": [p.id for p in self.sample.points if p.label_code is None], "bounds": bounds},
            "aid": None if aid is None else {"file": aid.path.name, "columns": aid.columns, "way": self.config.assist},
            "points": [
                {"id": p.id, "stratum": labelled.groups[h].name, "map": legend.names[m], "reference": legend.names[t],
                 "confidence": p.confidence}
                for p, h, m, t in zip(labelled.points, labelled.group, self.mapped_at, labelled.truth, strict=True)
            ],
            "design": {**self.sample.design},
        }  # fmt: skip
