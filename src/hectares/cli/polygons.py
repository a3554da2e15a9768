"""Commands that make polygons: one function each, its docstring is its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.vectorize import VectorizeConfig


def vectorize(
    class_map: Annotated[Path, Parameter(name="MAP")],
    out: Annotated[Path, Parameter(name="POLYGONS")],
    /,
    *,
    config: Annotated[VectorizeConfig, OPTIONS] = VectorizeConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Turn a class map into polygons: exact, whole at any size of map, with shared borders simplified together.

    Writes .gpkg (with colors for QGIS), .fgb, .geojson, .parquet, .pmtiles or .shp, and JSON beside it, which
    compares the areas of pixels and polygons by class.

    Example: `hectares vectorize map.tif map.gpkg --min-area-m2 50 --simplify-m 3`

    Parameters
    ----------
    class_map
        A class map, or any raster of one band of class codes.
    out
        The file of polygons to write; its suffix says the format.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.core.polygons.ledger import M2_PER_HA
        from hectares.vectorize import vectorize_map
        from hectares.view.numbers import hectares

        made = vectorize_map(class_map, out, config, overwrite=general.overwrite, monitor=monitor)
        changed = any(c.kept_m2 != c.raster_m2 for c in made.classes)
        columns = ["class", "polygons", "map ha", *(["kept ha"] if changed else []), "polygons ha", "difference %"]
        rows = []
        for c in made.classes:
            areas = (c.raster_m2, *((c.kept_m2,) if changed else ()), c.polygon_m2)
            rows.append((c.name, c.polygons, *(hectares(m2 / M2_PER_HA) for m2 in areas), _percent(c.difference)))
        lines: list[str | Table] = [
            table(columns, rows, title="Polygons"),
            made.proof(),
            f"{out}, with {out.with_suffix('.json').name} beside it",
        ]
        return Outcome({"polygons": out, **{k: made.record[k] for k in ("classes", "simplified_m", "walls")}}, lines)

    return run_verb(general, config, work)


def _percent(share: float) -> str:
    return "0" if abs(share) < 5e-7 else f"{100 * share:+.4f}"
