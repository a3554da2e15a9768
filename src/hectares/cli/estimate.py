"""The commands that say how sure one can be of areas, and how they changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, next_step, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.change import ChangeConfig
from hectares.config.estimate import EstimateConfig

_MOST_LINES = 20

if TYPE_CHECKING:
    from hectares.change import MappedChange
    from hectares.estimate import EstimatedAreas


def estimate(
    class_map: Annotated[Path, Parameter(name="MAP")],
    sample: Annotated[Path, Parameter(name="SAMPLE.gpkg")],
    out: Annotated[Path, Parameter(name="AREAS.csv")],
    /,
    *,
    config: Annotated[EstimateConfig, OPTIONS] = EstimateConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Estimate the area of each class with an interval, and the accuracies of the map, from a labelled sample.

    Writes a CSV with mapped and estimated areas side by side, and beside it JSON and a figure.

    Example: `hectares estimate map.tif sample.gpkg estimate.csv --labels labels.csv`

    Parameters
    ----------
    class_map
        The class map that the sample was drawn from.
    sample
        Points drawn by `hectares sample`, labelled in it or in a file given with --labels.
    out
        The CSV file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.estimate import estimate_areas

        found = estimate_areas(class_map, sample, out, config, overwrite=general.overwrite, monitor=monitor)
        lines = [*_show_estimate(found), f"{out}, with .json and .png beside it"]
        record = {"areas": out, "rows": list(found.rows()), "overall": found.content["total"]["overall"]}
        return Outcome(record, lines)

    return run_verb(general, config, work)


def change(
    before: Annotated[Path, Parameter(name="MAP_A")],
    after: Annotated[Path, Parameter(name="MAP_B")],
    out: Annotated[Path, Parameter(name="AREAS.csv")],
    /,
    *,
    config: Annotated[ChangeConfig, OPTIONS] = ChangeConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Measure how much of each class became which class, from two class maps of one place.

    Writes a CSV with a line for each pair of classes, JSON beside it, and with --map a class map of the change.

    Example: `hectares change 2019.tif 2024.tif change.csv --map change.tif`

    Parameters
    ----------
    before
        The earlier class map.
    after
        The later one, on the same grid; its classes may be others.
    out
        The CSV file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.change import measure_change

        found = measure_change(before, after, out, config, overwrite=general.overwrite, monitor=monitor)
        lines: list[str | Table] = [*_show_change(found), f"{out}, with .json beside it"]
        if config.map is not None:
            lines.append(f"next: {next_step('sample', config.map, 'sample.gpkg')}, for intervals of the change")
        return Outcome({"areas": out, "map": config.map, "rows": list(found.rows())}, lines)

    return run_verb(general, config, work)


def _show_estimate(found: EstimatedAreas) -> list[str | Table]:
    from hectares.core.legend import Legend
    from hectares.io.artefact import plain
    from hectares.view.estimates import assisted_rows, estimate_lines, overall_sentence, quote_sentences

    content = plain(found.content)
    legend, level = Legend.from_json(content["legend"]), content["interval"]["level"]
    assisted = bool(assisted_rows(content["total"]))
    heads = ["class", "mapped ha", "estimated ha", f"{100 * level:g} % interval", "mapped is", "points"]
    heads += ["method", "design effect"] if assisted else ["user's %", "producer's %"]
    lines: list[str | Table] = []
    for place in (content["total"], *content["zones"]):
        cells = [
            (e.name, e.mapped, e.estimate, e.ends, e.difference, e.points)
            + ((e.method, e.effect) if assisted else (e.users, e.producers))
            for e in estimate_lines(place, legend)
        ]
        title = "Mapped and estimated area" + (f", {place['name']}" if found.zones else "")
        lines += [table(heads, cells, title=title), ""]
    return [*lines, overall_sentence(content), *quote_sentences(content)]


def _show_change(found: MappedChange) -> list[str | Table]:
    from hectares.view.numbers import count, hectares, percent

    made = found.table
    changed = sorted((r for r in made.rows if r.is_observed and not r.is_stable), key=lambda r: -r.area_m2)
    rows = [(r.from_name, r.to_name, hectares(r.area_m2 / 1e4), percent(made.share(r))) for r in changed[:_MOST_LINES]]
    lines: list[str | Table] = [table(("from", "to", "ha", "share"), rows, title="Mapped change")]
    if len(changed) > _MOST_LINES:
        lines.append(f"and {count(len(changed) - _MOST_LINES, 'smaller change')}, in the CSV")
    stable = made.stable_m2 / made.observed_m2 if made.observed_m2 else None
    lines.append(f"unchanged: {hectares(made.stable_m2 / 1e4)} ha, {percent(stable)}")
    if made.total_m2 > made.observed_m2:
        lines.append(f"nodata in one map or both: {hectares((made.total_m2 - made.observed_m2) / 1e4)} ha")
    lines.append("Mapped change carries the errors of both maps, which often exceed it: quote it only after a sample.")
    return lines
