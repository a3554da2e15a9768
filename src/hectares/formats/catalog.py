"""A catalog.json that was written by people, by `init` or by `prepare`."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.errors import CatalogError
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, LabelRules, read_catalog, read_legend
from hectares.monitor import Monitor, Problem


def read_source(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Read a catalog file, or the `catalog.json` of a folder; options count more than its rules."""
    legend = None if config.legend is None else read_legend(config.legend)
    catalog = read_catalog(source / "catalog.json" if source.is_dir() else source, legend=legend)
    asked, usual = layout.choose_rules(config, catalog.legend), LabelRules()
    given = {f.name: getattr(asked, f.name) for f in fields(asked) if getattr(asked, f.name) != getattr(usual, f.name)}
    catalog = replace(catalog, rules=replace(catalog.rules, **given))
    lacking = [s.id for s in catalog.scenes if s.label is None]
    if not lacking:
        return catalog
    what = f"{len(lacking)} scene(s) have no label: {', '.join(lacking[:5])}"
    if not config.allow_unmatched:
        raise CatalogError(f"{source}: {what}; training needs one, or leave them out with --allow-unmatched")
    monitor.problem(Problem(str(source), what, "they are left out", "incomplete"))
    return replace(catalog, scenes=tuple(s for s in catalog.scenes if s.label is not None))
