"""The command that draws reference points."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, format_percent, next_step, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.sample import EXPECTED_ACCURACY, SampleConfig

if TYPE_CHECKING:
    from hectares.sample import DrawnSample


def sample(
    class_map: Annotated[Path, Parameter(name="MAP")],
    out: Annotated[Path, Parameter(name="SAMPLE.gpkg")],
    /,
    *,
    config: Annotated[SampleConfig, OPTIONS] = SampleConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Draw reference points from a class map, to estimate areas with intervals.

    Strata are the classes of the map, or classes within zones; points fall on pixels in proportion to their true area,
    never on nodata or where the map was trained. With `--scene` a page is written on which a person labels them.

    Example: `hectares sample map.tif sample.gpkg --target forest=5% --scene scene.tif`

    Parameters
    ----------
    class_map
        A class map, or any raster of one band of class codes.
    out
        The GeoPackage to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.sample import sample_map

        drawn = sample_map(class_map, out, config, overwrite=general.overwrite, monitor=monitor)
        return Outcome(_record(drawn, None if config.plan else out), _lines(drawn, class_map, out, config))

    return run_verb(general, config, work)


def _lines(drawn: DrawnSample, class_map: Path, out: Path, config: SampleConfig) -> list[str | Table]:
    strata, zones = drawn.sample.strata, drawn.sample.zones
    lines: list[str | Table] = [_table(drawn, with_zones=bool(zones))]
    total = sum(s.drawn for s in strata)
    basis = "the labels of the earlier sample"
    if config.after is None:
        basis = f"a user's accuracy of {EXPECTED_ACCURACY:.0%}" + (
            f" ({', '.join(config.expect)})" if config.expect else ""
        )
    lines.append(f"± is half of the {config.confidence:.0%} interval expected of the class's area, from {basis}")
    new = f", {drawn.added} of them new" if config.after is not None else ""
    if config.plan:
        lines.append(f"{total} points{new}; nothing was written")
        return lines
    lines.append(f"{out}: {total} points{new}")
    if drawn.page is None:
        lines.append("label them in a GIS (label_class of the layer points), or give --scene for a page to do it on")
        lines.append(f"next: {next_step('estimate', class_map, out, 'estimate.csv')}")
        return lines
    size = drawn.page.stat().st_size / 2**20
    lines.append(f"{drawn.page} ({size:.1f} MiB): open it in a browser, label the points, save the CSV")
    labels = Path(f"{out.stem}-labels.csv")
    lines.append(f"next: {next_step('estimate', class_map, out, 'estimate.csv', '--labels', labels)}")
    return lines


def _table(drawn: DrawnSample, *, with_zones: bool) -> Table:
    rows = []
    for s, half in zip(drawn.sample.strata, drawn.precision.tolist(), strict=True):
        ha = (f"{s.area_m2 / 10_000:,.1f}", f"{s.sampled_area_m2 / 10_000:,.1f}")
        expected = None if math.isnan(half) else format_percent(half)
        rows.append((*([s.zone] if with_zones else []), s.name, *ha, str(s.drawn), expected))
    return table((*(["zone"] if with_zones else []), "class", "mapped ha", "sampled ha", "points", "± %"), rows)


def _record(drawn: DrawnSample, out: Path | None) -> dict[str, object]:
    strata = [
        {
            "stratum": s.number, "zone": s.zone or None, "class_id": s.code, "class_name": s.name, "area_m2": s.area_m2,
            "sampled_area_m2": s.sampled_area_m2, "pixels": s.units, "points": s.drawn, "expected_half_width": half,
        }
        for s, half in zip(drawn.sample.strata, drawn.precision.tolist(), strict=True)
    ]  # fmt: skip
    points = sum(s.drawn for s in drawn.sample.strata)
    return {"sample": out, "page": drawn.page, "points": points, "new_points": drawn.added, "strata": strata}
