"""Change between two maps in cells, from the content of a `change.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hectares.view.columns import OTHERS, collapse, largest_classes
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
    heads, matrix = _matrix(rows, decimals)
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
        heads=heads,
        matrix=matrix,
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


def _matrix(
    rows: Sequence[Content], decimals: int
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]]:
    """Give the columns and the lines of the matrix, in the order of the legends; of many classes, the largest."""
    starts, ends = (_names(rows, side) for side in ("from", "to"))
    table, sizes = np.zeros((len(starts), len(ends))), dict.fromkeys([*starts, *ends], 0.0)
    for row in rows:
        table[starts.index(row["from_name"]), ends.index(row["to_name"])] = row["area_ha"]
        for side in ("from", "to"):
            sizes[row[f"{side}_name"]] += row["area_ha"]
    sizes.pop(_NODATA, None)
    table, starts, ends = collapse(table, (starts, ends), [*largest_classes(sizes), _NODATA])
    lines = (
        (
            a,
            tuple(
                _cell(ha, decimals, stays=a == b and a not in {_NODATA, OTHERS})
                for b, ha in zip(ends, line, strict=True)
            ),
        )
        for a, line in zip(starts, table.tolist(), strict=True)
    )
    return tuple(ends), tuple(lines)


def _names(rows: Sequence[Content], side: str) -> list[str]:
    order = sorted(rows, key=lambda r: (r[f"{side}_name"] == _NODATA, r.get(f"{side}_id") or 0))
    return list(dict.fromkeys(r[f"{side}_name"] for r in order))


def _cell(area_ha: float, decimals: int, *, stays: bool) -> tuple[str, bool]:
    return (number(area_ha, decimals), stays) if area_ha else ("", False)
