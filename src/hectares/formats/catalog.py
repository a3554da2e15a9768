"""A catalog.json that was written by people or by `hectares init`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hectares.core.legend import Legend
from hectares.errors import CatalogError
from hectares.io.catalog import Catalog, read_catalog
from hectares.monitor import Monitor, Problem


def read_source(source: Path, *, legend: Legend | None, allow_unmatched: bool, monitor: Monitor) -> Catalog:
    """Read a catalog file, or the `catalog.json` of a folder."""
    catalog = read_catalog(source / "catalog.json" if source.is_dir() else source, legend=legend)
    lacking = [s.id for s in catalog.scenes if s.label is None]
    if not lacking:
        return catalog
    what = f"{len(lacking)} scene(s) have no label: {', '.join(lacking[:5])}"
    if not allow_unmatched:
        raise CatalogError(f"{source}: {what}; training needs one, or leave them out with --allow-unmatched")
    monitor.problem(Problem(str(source), what, "they are left out"))
    return replace(catalog, scenes=tuple(s for s in catalog.scenes if s.label is not None))
