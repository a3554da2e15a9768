"""What `check` found, for people and as a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from hectares.cli.console import Line, format_percent, styled, table
from hectares.view.numbers import hectares as format_hectares

if TYPE_CHECKING:
    from hectares.check import Checkup, Examined
    from hectares.doctor.account import ClassRow
    from hectares.doctor.finding import Finding

_SHOWN = 3
_RASTERS = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2"}
"""Files of one scene; a file of shapes may be that of many."""
_BAR = 20
_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}


def checkup_json(checkup: Checkup) -> dict[str, Any]:
    """Give everything as a record."""
    return {
        "problems": checkup.problems,
        "places": checkup.places,
        "checked": [
            {
                "path": e.path,
                "what": e.kind,
                "problems": e.problems,
                "facts": e.facts,
                "classes": [dataclasses.asdict(row) for row in e.classes],
                "checks": [{"check": c, "severity": s, "count": n} for (c, s), n in e.counts.items()],
                "findings": [f.to_json() for f in e.findings],
            }
            for e in checkup.examined
        ],
    }


def show_checkup(checkup: Checkup, *, verbose: bool) -> list[Line]:
    """Say of each path what it is, which classes it has, what was found by check, and the verdict."""
    lines: list[Line] = []
    for examined in checkup.examined:
        lines += [*_show(examined, verbose=verbose), ""]
    if checkup.places is not None:
        lines.append(f"places to look at: {checkup.places}")
    paths = f"{len(checkup.examined)} path{'s' * (len(checkup.examined) != 1)}"
    verdict = f"{checkup.problems:,} problem(s) in {paths}" if checkup.problems else f"no problem in {paths}"
    return [*lines, styled((verdict, "bold red" if checkup.problems else "bold green"))]


def _show(examined: Examined, *, verbose: bool) -> Iterator[Line]:
    yield styled((str(examined.path), "bold"), f": {', '.join([examined.kind, *_facts(examined.facts)])}")
    if examined.classes:
        yield ""
        yield _class_table(examined.classes)
    if examined.findings:
        yield ""
    for (check, severity), found in groupby(examined.findings, key=lambda f: (f.check, f.severity)):
        count = examined.counts[check, severity]
        listed = list(found)
        shown = listed if verbose else listed[:_SHOWN]
        number = f" ({count:,})" if count > 1 else ""
        yield styled((f"{severity:<8}", _COLORS[severity]), (f"{check}{number}", "bold"))
        for finding in shown:
            yield _sentence(finding, str(examined.path))
        if count > len(shown):
            yield f"        ... and {count - len(shown):,} more; --verbose, --json and --places give them"


def _sentence(finding: Finding, path: str) -> Text:
    """Give `where, row 3, col 4: what; remedy`; files are named within the path that is checked."""
    where = finding.where.removeprefix(f"{path}/")
    holds_one = Path(where).suffix.lower() in _RASTERS
    name = finding.scene if finding.scene and not holds_one else where
    at = f", {finding.place}" if finding.place is not None and finding.place.row is not None else ""
    head = f"{name}{at}: " if name != path or at else ""
    return styled(f"        {head}{finding.what}; ", (finding.remedy, "dim"))


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    if "chips" in facts:
        counts = ", ".join(f"{n:,} {split}" for split, n in facts["chips"].items())
        yield f"{counts} of {facts['chip_px']} px"
    if "shapes" in facts:
        yield f"{facts['shapes']:,} shape{'s' * (facts['shapes'] != 1)}, {facts['crs'][:40]}"
    if "scenes" in facts:
        yield f"{facts['scenes']:,} scene{'s' * (facts['scenes'] != 1)}"
    if facts.get("scenes"):
        small, large = (f"{h} x {w}" for h, w in (facts["smallest_px"], facts["largest_px"]))
        yield f"{small} px" if small == large else f"{small} to {large} px"
    if "size_px" in facts:
        yield "{} x {} px".format(*facts["size_px"])
    if facts.get("gsd_m") is not None and not isinstance(facts["gsd_m"], float):
        low, high = facts["gsd_m"]
        yield f"{low:.3g} m" if high < 1.001 * low else f"{low:.3g} to {high:.3g} m"
    for image in facts.get("bands", ()) if "chips" not in facts else ():
        names = ", ".join(image["names"])
        yield f"{len(image['names'])} band{'s' * (len(image['names']) != 1)} of {image['dtype']} ({names})"
    if facts.get("nodata_share") and facts.get("scenes") != 0:
        yield f"{facts['nodata_share']:.1%} nodata"
    if facts.get("labelled_share") is not None:
        yield f"{facts['labelled_share']:.1%} labelled"


def _class_table(rows: Sequence[ClassRow]) -> Line:
    splits = [s for s in dict.fromkeys(s for row in rows for s in row.by_split) if s != "all"]
    largest = max(max((row.share for row in rows), default=0), 1e-12)
    has_area = any(row.area_ha is not None for row in rows)
    columns = ["class", "pixels", "%", *(f"{s} %" for s in splits), *(["ha"] if has_area else []), ""]
    cells = [
        [
            row.name,
            row.pixels,
            format_percent(row.share),
            *(format_percent(row.share_by_split[s]) for s in splits),
            *([format_hectares(row.area_ha)] if has_area else []),
            styled(("█" * max(round(_BAR * row.share / largest), int(row.pixels > 0)), _hex(row.color))),
        ]
        for row in rows
    ]
    return table(columns, cells)


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
