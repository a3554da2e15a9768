"""Change between two maps in cells, from the content of a `change.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hectares.view.numbers import count, decimals_for, number, percent

Content = Mapping[str, Any]
_NODATA = "nodata"
_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One class that became another."""

    before: str
    after: str
    hectares: str
    share: str


@dataclass(frozen=True, slots=True)
class ChangeSection:
    """What became what between two maps."""

    title: str
    summary: str
    lines: tuple[ChangeLine, ...]
    """The largest changes."""
    left_out: int
    heads: tuple[str, ...]
    """Classes of the later map, and nodata if there is any."""
    matrix: tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]
    """A line a class of the earlier map: hectares, and whether that is what stayed."""


def change_section(content: Content) -> ChangeSection:
    """Give what a page says of mapped change."""
    rows = content["rows"]
    decimals = decimals_for(r["area_ha"] for r in rows)
    changed = sorted((r for r in rows if not _is_stable(r) and r["share"] is not None), key=lambda r: -r["area_ha"])
    before, after = content["maps"]
    stable = content["stable_ha"] / content["observed_ha"] if content["observed_ha"] else None
    starts, ends = (list(dict.fromkeys(sorted((r[key] for r in rows), key=_last))) for key in ("from_name", "to_name"))
    areas = {(r["from_name"], r["to_name"]): r for r in rows}
    return ChangeSection(
        title=f"{before} to {after}",
        summary=(
            f"{number(content['observed_ha'], decimals)} ha have a class in both maps; {percent(stable)} of them have "
            f"the same one, and {count(len(changed), 'kind')} of change occur."
        ),
        lines=tuple(
            ChangeLine(r["from_name"], r["to_name"], number(r["area_ha"], decimals), percent(r["share"]))
            for r in changed[:_MOST_LINES]
        ),
        left_out=max(0, len(changed) - _MOST_LINES),
        heads=tuple(ends),
        matrix=tuple((a, tuple(_cell(areas.get((a, b)), decimals) for b in ends)) for a in starts),
    )


def change_limits(content: Content) -> Iterator[str]:
    """Say what mapped change is not."""
    before, after = content["maps"]
    yield (
        f"The change from {before} to {after} is mapped change: where either map is wrong, a change appears or goes "
        "missing, and such errors are often more than the real change. A sample drawn from the map of change tells how "
        "much of it is real."
    )


def _is_stable(row: Content) -> bool:
    return row["share"] is not None and row["from_name"] == row["to_name"]


def _last(name: str) -> bool:
    return name == _NODATA


def _cell(row: Content | None, decimals: int) -> tuple[str, bool]:
    return ("", False) if row is None else (number(row["area_ha"], decimals), _is_stable(row))
