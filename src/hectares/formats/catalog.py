"""A catalog.json that was written by people or by `hectares init`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hectares.core.legend import Legend
from hectares.io.catalog import Catalog, read_catalog
from hectares.monitor import Monitor


def read_source(source: Path, *, legend: Legend | None, allow_unmatched: bool, monitor: Monitor) -> Catalog:  # noqa: ARG001
    """Read a catalog file, or the `catalog.json` of a folder."""
    catalog = read_catalog(source / "catalog.json" if source.is_dir() else source)
    return catalog if legend is None else replace(catalog, legend=legend)
