"""Do intervals hold? Simulated surveys of populations that are known whole, against what `estimate` says of them.

Each scenario is a population, a design, and what is estimated. Printed are the share of surveys whose 95 % interval
holds the truth (melded and normal), the bias in standard errors of the mean, and the mean length of the intervals as a
share of the truth. `python benchmarks/area_surveys.py rare omitted --surveys 10000` runs some; without names, all run.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.survey.assisted import LabelledPoints, Way, assist, assisted_ends, gap_ends
from hectares.core.survey.estimators import Estimate, Survey, estimate_ratios, ratio_tally
from hectares.core.survey.intervals import Design, IntervalRule, Tally

Floats = NDArray[np.float64]
DRAWS = 1000


@dataclass(frozen=True)
class Outcome:
    """One line of the table."""

    scenario: str
    target: str
    truth: float
    melded: float
    normal: float | None
    bias_z: float
    length: float
    """Mean length of the melded intervals, as a share of the truth."""
    normal_length: float | None


def outcome(
    scenario: str, target: str, truth: float, found: Estimate, normal: Estimate | None, times: NDArray[np.int64]
) -> Outcome:
    """Compare estimates with the truth; `times` says how often each occurred. NaN estimates are left out."""
    known = ~np.isnan(found.value)
    times = times * known
    n = times.sum()

    def mean(values: Floats) -> float:
        return float(np.where(known, values, 0) @ times / n)

    def held(e: Estimate) -> float:
        return mean(((e.low <= truth + 1e-12) & (truth <= e.high + 1e-12)).astype(float))

    error = mean(found.value - truth)
    spread = math.sqrt(max(mean((found.value - truth) ** 2) - error**2, 0) / n)
    return Outcome(
        scenario, target, truth, held(found), None if normal is None else held(normal),
        error / spread if spread > 0 else 0.0, mean(found.high - found.low) / truth,
        None if normal is None else mean(normal.high - normal.low) / truth,
    )  # fmt: skip


# --- Surveys that are counted -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Population:
    """Strata with the shares of what they hold: (H, K, K) by class of the map and of the reference."""

    areas: Floats
    points: NDArray[np.int64]
    shares: Floats
    targets: tuple[tuple[str, int], ...]
    """What is estimated, and of which class."""
    units: NDArray[np.int64] | None = None
    zone: Floats | None = None
    """(H,) share of each stratum that lies in the zone the estimate is of; independent of the classes."""
    mapped: NDArray[np.bool_] | None = None

    @classmethod
    def of_map(
        cls, areas: list[float], points: list[int], reference: list[list[float]], *targets: str, **more: object
    ) -> Population:
        """Strata that are the classes of the map, with what each is in the reference; targets like `area 0`."""
        size = len(areas)
        shares = np.zeros((size, size, size))
        shares[np.arange(size), np.arange(size)] = reference
        wanted = tuple((t.split()[0], int(t.split()[1])) for t in targets)
        return cls(np.array(areas, float), np.array(points), shares, wanted, mapped=np.eye(size, dtype=bool), **more)

    def truth(self, what: str, k: int) -> float:
        """What a census would find."""
        in_zone = self.areas * (1.0 if self.zone is None else self.zone)
        cells = np.tensordot(in_zone / in_zone.sum(), self.shares, axes=1)
        whole = {"area": 1.0, "users": cells[k].sum(), "producers": cells[:, k].sum(), "overall": 1.0}[what]
        hit = {"area": cells[:, k].sum(), "overall": np.trace(cells)}.get(what, cells[k, k])
        return float(hit / whole)

    def draw(self, surveys: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Counts of surveys (S, H, K, K); points outside the zone are in none of the cells."""
        size = self.shares.shape[1]
        found = []
        for h, n in enumerate(self.points):
            p = self.shares[h].ravel()
            if self.zone is not None:
                p = np.append(p * self.zone[h], 1 - self.zone[h])
            if self.units is None:
                counts = rng.multinomial(n, p, size=surveys)
            else:
                numbers = np.rint(p * self.units[h]).astype(np.int64)
                assert numbers.sum() == self.units[h], "shares of a finite stratum are whole units"
                counts = rng.multivariate_hypergeometric(numbers, n, size=surveys)
            found.append(counts[:, : size * size].reshape(surveys, size, size))
        return np.stack(found, axis=1)

    def survey(self, counts: NDArray[np.int64]) -> Survey:
        """One survey, as `estimate` counts it."""
        drawn = None if self.zone is None else self.points
        return Survey(counts, self.areas, drawn=drawn, units=self.units, mapped=self.mapped)


def count_surveys(name: str, population: Population, surveys: int, seed: int) -> Iterator[Outcome]:
    """Draw surveys, and compare the intervals of the targets with the truth."""
    counts = population.draw(surveys, np.random.default_rng([seed, 1]))
    first = population.survey(counts[0])
    right = np.diagonal(counts, axis1=2, axis2=3)
    for what, k in population.targets:
        hit = {"area": counts.sum(axis=2)[..., k], "overall": right.sum(axis=2)}.get(what, right[..., k])
        whole = {"users": counts.sum(axis=3)[..., k], "producers": counts.sum(axis=2)[..., k]}
        possible = ratio_tally(first, what).possible[0 if what == "overall" else k]
        pair = np.concatenate([hit, whole.get(what, counts.sum(axis=(2, 3))) - hit], axis=1)
        unique, times = np.unique(pair, axis=0, return_counts=True)
        strata = len(population.areas)
        tally = Tally(unique[:, :strata].astype(float), unique[:, strata:].astype(float),
                      np.broadcast_to(possible, (len(unique), *possible.shape)))  # fmt: skip
        melded = estimate_ratios(tally, first.design, IntervalRule(draws=DRAWS, seed=seed))
        normal = estimate_ratios(tally, first.design, IntervalRule(method="normal"))
        label = what if what == "overall" else f"{what} {k}"
        yield outcome(name, label, population.truth(what, k), melded, normal, times)


def _of_strata() -> Population:
    """Three strata drawn from an old map, which are no classes of the new one."""
    shares = np.array([
        [[0.70, 0.05, 0.02], [0.03, 0.10, 0.00], [0.02, 0.03, 0.05]],
        [[0.15, 0.05, 0.00], [0.05, 0.60, 0.05], [0.00, 0.05, 0.05]],
        [[0.02, 0.00, 0.03], [0.00, 0.05, 0.05], [0.05, 0.10, 0.70]],
    ])  # fmt: skip
    targets = (("area", 0), ("area", 2), ("users", 0), ("producers", 2), ("overall", 0))
    return Population(np.array([40.0, 30.0, 30.0]), np.array([60, 50, 50]), shares, targets)


def _of_districts() -> Population:
    """60 districts with two classes each: 120 strata of 12 points, in most of which a class was not seen."""
    districts = 60
    shares = np.zeros((2 * districts, 2, 2))
    shares[::2, 0], shares[1::2, 1] = (0.8, 0.2), (0.01, 0.99)
    areas = np.tile([10.0, 90.0], districts) * np.repeat(np.linspace(0.5, 1.5, districts), 2)
    mapped = np.tile(np.eye(2, dtype=bool), (districts, 1))
    targets = (("area", 0), ("users", 0), ("producers", 0), ("overall", 0))
    return Population(areas, np.full(2 * districts, 12), shares, targets, mapped=mapped)


FOUR = [[0.85, 0.05, 0.05, 0.05], [0.1, 0.8, 0.05, 0.05], [0.05, 0.05, 0.8, 0.1], [0.03, 0.07, 0.1, 0.8]]
CHANGE = [[0.97, 0.005, 0.02, 0.005], [0.01, 0.96, 0.005, 0.025], [0.3, 0.02, 0.66, 0.02], [0.02, 0.4, 0.03, 0.55]]
of_map = Population.of_map
COUNTED: dict[str, Callable[[], Population]] = {
    "balanced": lambda: of_map([1, 1], [200, 200], [[0.9, 0.1], [0.1, 0.9]],
                               "area 0", "users 0", "producers 0", "overall 0"),
    "rare": lambda: of_map([2, 30, 68], [50, 75, 100], [[0.8, 0.15, 0.05], [0.01, 0.89, 0.1], [0.003, 0.04, 0.957]],
                           "area 0", "users 0", "producers 0", "overall 0"),
    "omitted": lambda: of_map([1, 99], [50, 100], [[0.9, 0.1], [0.0034, 0.9966]],
                              "area 0", "producers 0", "overall 0"),
    "thirty": lambda: of_map([1, 2, 3, 4], [30] * 4, FOUR, "area 0", "area 3", "users 1", "producers 0", "overall 0"),
    "thirty-rare": lambda: of_map([2, 98], [30, 30], [[0.9, 0.1], [0.01, 0.99]], "area 0", "producers 0", "overall 0"),
    "empty-cells": lambda: of_map([1, 9, 40], [50] * 3, [[0.9, 0.1, 0.0], [0.0, 0.95, 0.05], [0.0, 0.05, 0.95]],
                                  "area 0", "users 0", "producers 1", "overall 0"),
    "zone-ratio": lambda: of_map([20, 30, 50], [60, 60, 80], [[0.85, 0.1, 0.05], [0.05, 0.9, 0.05], [0.02, 0.08, 0.9]],
                                 "area 0", "users 0", "producers 2", zone=np.array([0.3, 0.15, 0.25])),
    "strata-not-classes": _of_strata,
    "many-strata": _of_districts,
    "biased-map": lambda: of_map([50, 50], [100, 100], [[0.55, 0.45], [0.02, 0.98]],
                                 "area 0", "users 0", "producers 0"),
    "finite": lambda: of_map([100, 300], [50, 60], [[0.8, 0.2], [0.1, 0.9]], "area 0", "users 0", "producers 0",
                             units=np.array([100, 300])),
    "change": lambda: of_map([60, 36, 3, 1], [150, 100, 75, 75], CHANGE, "area 2", "area 3", "users 2", "producers 3"),
    "two-points": lambda: of_map([5, 95], [2, 200], [[0.8, 0.2], [0.02, 0.98]], "area 0", "overall 0"),
}  # fmt: skip
"""By name: populations whose surveys are counts in cells."""


# --- Pixels in degrees ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raster:
    """A population of pixels one by one, drawn in proportion to their area."""

    area_m2: Floats
    stratum: NDArray[np.int64]
    truth: NDArray[np.int64]
    points: NDArray[np.int64]
    zone: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def degree_raster(seed: int) -> Raster:
    """A grid of degrees from 50 to 72 N: its pixels shrink by half, and the rare class lies in the north."""
    grid = Grid("EPSG:4326", Affine(0.1, 0, 10, 0, -0.1, 72), (220, 60))
    rng = np.random.default_rng([seed, 7])
    area_m2 = pixel_area(grid, grid.window).ravel()
    north = np.repeat(np.linspace(1, 0, 220), 60)
    truth = (rng.random(area_m2.size) < 0.02 + 0.5 * north**2).astype(np.int64)
    mapped = np.where(rng.random(area_m2.size) < 0.12, 1 - truth, truth)
    return Raster(area_m2, mapped, truth, np.array([100, 100]))


def draw_pixels(name: str, raster: Raster, surveys: int, seed: int, *, by_zone: bool = False) -> Iterator[Outcome]:
    """Draw as `sample` does, and count; a zone as `estimate` does where its parts of strata hold enough points."""
    rng = np.random.default_rng([seed, 2])
    strata = [np.flatnonzero(raster.stratum == h) for h in range(2)]
    inside = raster.zone if by_zone else np.ones(len(raster.truth), bool)
    areas = np.array([raster.area_m2[s[inside[s]]].sum() for s in strata])
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(surveys):
        cells = []
        for h, pixels in enumerate(strata):
            keys = rng.random(len(pixels)) / raster.area_m2[pixels]
            drawn = pixels[np.argpartition(keys, raster.points[h])[: raster.points[h]]]
            drawn = drawn[inside[drawn]]
            cells += [int((raster.truth[drawn] == k).sum()) for k in range(2)]
        counts[tuple(cells)] = counts.get(tuple(cells), 0) + 1
    whole = raster.area_m2[inside].sum()
    truth = float(raster.area_m2[inside & (raster.truth == 1)].sum() / whole)
    found, normal = [], []
    for cells in counts:
        table = np.array(cells).reshape(2, 2)
        units = np.array([int(inside[s].sum()) for s in strata])
        survey = Survey.of_map_classes(table, areas, units=units)
        tally = ratio_tally(survey, "area")
        one = Tally(tally.hit[1:], tally.miss[1:], tally.possible[1:])
        found.append(estimate_ratios(one, survey.design, IntervalRule(draws=DRAWS, seed=seed)))
        normal.append(estimate_ratios(one, survey.design, IntervalRule(method="normal")))
    times = np.array(list(counts.values()))
    yield outcome(name, "area 1", truth, _stack(found), _stack(normal), times)


def _stack(found: list[Estimate]) -> Estimate:
    return Estimate(*(np.concatenate([getattr(e, part) for e in found]) for part in ("value", "se", "low", "high")))


def zone_raster(seed: int) -> Raster:
    """The same with a zone in the south, which its pixels fall into by chance."""
    raster = degree_raster(seed)
    zone = np.repeat(np.arange(220) > 130, 60)
    return Raster(raster.area_m2, raster.stratum, raster.truth, np.array([120, 120]), zone)


# --- Model-assisted ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aided:
    """A population of points with a class and an aid: a second map, or scores."""

    weights: Floats
    points: NDArray[np.int64]
    truth: Floats
    """(H, K) shares of the reference classes."""
    aid: Floats
    """(K, P) mean of the aid where the reference is a class."""
    kind: str
    """map: the aid is one of P classes; scores: P numbers that scatter around the mean."""


AIDED: dict[str, Aided] = {
    "assisted-good": Aided(np.array([0.5, 0.5]), np.array([150, 150]), np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]),
                           np.array([[0.95, 0.03, 0.02], [0.04, 0.92, 0.04], [0.03, 0.05, 0.92]]), "map"),
    "assisted-bad": Aided(np.array([0.5, 0.5]), np.array([150, 150]), np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]),
                          np.array([[0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.25, 0.45, 0.3]]), "map"),
    "assisted-scores": Aided(np.array([0.3, 0.7]), np.array([60, 90]), np.array([[0.7, 0.3], [0.1, 0.9]]),
                             np.array([[0.8, 0.2], [0.15, 0.85]]), "scores"),
    "assisted-few": Aided(np.array([0.2, 0.8]), np.array([30, 30]), np.array([[0.7, 0.3], [0.1, 0.9]]),
                          np.array([[0.9, 0.1], [0.1, 0.9]]), "map"),
    "assisted-rare": Aided(np.array([0.03, 0.97]), np.array([50, 150]), np.array([[0.8, 0.2], [0.01, 0.99]]),
                           np.array([[0.8, 0.2], [0.02, 0.98]]), "map"),
}  # fmt: skip


def assist_surveys(name: str, population: Aided, surveys: int, seed: int) -> Iterator[Outcome]:
    """Draw points one by one, and compare the plain estimate with every model-assisted one, for the first class."""
    rng = np.random.default_rng([seed, 3])
    p, size = population, population.truth.shape[1]
    stratum = np.repeat(np.arange(len(p.points)), p.points)
    truth = p.weights @ p.truth
    known = truth @ p.aid
    design = Design(p.weights, p.points.astype(float), np.zeros(len(p.points)))
    ends = {"plain": [], "regression": [], "tuned": [], "difference": []}  # type: dict[str, list[Estimate]]
    bare = {way: [] for way in ends}  # type: dict[str, list[Estimate]]
    possible = np.ones((1, len(p.points), 3), bool)
    possible[..., 2] = False
    cached: dict[bytes, Estimate] = {}
    sums, edges = np.cumsum(p.truth, axis=1), np.cumsum(p.aid, axis=1)
    for _ in range(surveys):
        y = np.minimum((rng.random(len(stratum))[:, None] > sums[stratum]).sum(axis=1), size - 1)
        if p.kind == "map":
            column = np.minimum((rng.random(len(y))[:, None] > edges[y]).sum(axis=1), size - 1)
            aid = np.eye(size)[column]
        else:
            aid = np.clip(p.aid[y] + rng.uniform(-0.15, 0.15, len(y))[:, None] * np.array([1.0, -1.0]), 0, 1)
        points = LabelledPoints(np.eye(size)[y], aid, known, stratum, design)
        hit = np.bincount(stratum[y == 0], minlength=len(p.points)).astype(float)[None]
        key = hit.tobytes()
        if key not in cached:
            tally = Tally(hit, p.points - hit, possible)
            cached[key] = estimate_ratios(tally, design, IntervalRule(draws=DRAWS, seed=seed))
        plain = cached[key]
        ends["plain"].append(plain)
        bare["plain"].append(_normal(plain.value, plain.se))
        for way in ("regression", "tuned", "difference"):
            found = assist(points, _way(way))
            first = replace(found, **{f.name: getattr(found, f.name)[:1] for f in fields(found)[:-1]})
            if way == "difference" and p.kind == "map":
                own = (points.truth - points.aid)[:, 0]
                key = np.bincount(stratum, weights=1 + own + 1000 * own**2).tobytes() + b"gap"
                key += str(points.known[0]).encode()
                if key not in cached:
                    one = replace(points, truth=points.truth[:, :1], aid=points.aid[:, :1], known=points.known[:1])
                    cached[key] = gap_ends(one, IntervalRule(draws=DRAWS, seed=seed))
                ends[way].append(cached[key])
            else:
                ends[way].append(assisted_ends(plain, first, level=0.95))
            bare[way].append(_normal(first.value, first.se))
    for way, found in ends.items():
        times = np.ones(surveys, np.int64)
        yield outcome(name, f"area 0, {way}", float(truth[0]), _stack(found), _stack(bare[way]), times)


def _way(text: str) -> Way:
    return {"regression": "regression", "tuned": "tuned"}.get(text, "difference")  # type: ignore[return-value]


def _normal(value: Floats, se: Floats) -> Estimate:
    return Estimate(value, se, value - 1.959964 * se, value + 1.959964 * se)


# --- All of them ------------------------------------------------------------------------------------------


def run(name: str, surveys: int, seed: int) -> list[Outcome]:
    """Simulate one scenario."""
    if name in COUNTED:
        return list(count_surveys(name, COUNTED[name](), surveys, seed))
    if name == "degrees":
        return list(draw_pixels(name, degree_raster(seed), surveys, seed))
    if name == "zone-strata":
        return list(draw_pixels(name, zone_raster(seed), surveys, seed, by_zone=True))
    return list(assist_surveys(name, AIDED[name], surveys, seed))


SCENARIOS = (*COUNTED, "degrees", "zone-strata", *AIDED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--surveys", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    unknown = set(given.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: unknown; known are {', '.join(SCENARIOS)}")
    print("| scenario | estimate | truth | melded covers | normal covers | bias z | length | normal length |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    found = []
    for name in given.scenarios:
        started = time.perf_counter()
        for o in run(name, given.surveys, given.seed):
            found.append(o)
            normal = ("–", "–") if o.normal is None else (f"{o.normal:.3f}", f"{o.normal_length:.2f}")
            print(f"| {o.scenario} | {o.target} | {o.truth:.4f} | {o.melded:.3f} | {normal[0]} | {o.bias_z:+.1f} "
                  f"| {o.length:.2f} | {normal[1]} |", flush=True)  # fmt: skip
        print(f"<!-- {name}: {time.perf_counter() - started:.0f} s -->", flush=True)
    worst = min(found, key=lambda o: o.melded)
    print(json.dumps({"surveys": given.surveys, "lowest": [worst.scenario, worst.target, worst.melded]}))


if __name__ == "__main__":
    main()
