"""Gaps of a map: windows without an answer where the scene is, and why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Self

from hectares.core.window import Window

KEY = "gaps"
"""Where the provenance of a map tells of them; absent if there are none."""
_LISTED = 100
_WHY = {
    "damage": "cannot be decoded in the image",
    "broken": "had no finite value from the network",
    "raised": "made the network fail",
    "fatal": "ended each process that computed them",
}
"""Reasons as they are recorded, and as they are told."""
_LEFT_OUT = ("raised", "fatal")


@dataclass(frozen=True)
class Gaps:
    """Windows of a map by the reason why they are nodata."""

    windows: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    """Of many that are damaged or have no finite value, the first hundred."""
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[tuple[str, Window]]) -> Self:
        """Collect windows with their reasons; the same may come twice.

        >>> Gaps.of([("damage", Window(0, 8, 4, 4)), ("damage", Window(0, 8, 4, 4))]).counts
        {'damage': 1}
        """
        each: dict[str, set[Window]] = {}
        for why, window in found:
            each.setdefault(why, set()).add(window)
        ordered = {why: sorted(each[why], key=astuple) for why in sorted(each)}
        listed = {why: w if why in _LEFT_OUT else w[:_LISTED] for why, w in ordered.items()}
        return cls(listed, {why: len(w) for why, w in ordered.items()})

    @classmethod
    def told_by(cls, provenance: Mapping[str, Any]) -> Self:
        """Read those that a map tells of; what is not as it was written is left out."""
        windows, counts = {}, {}
        records = provenance.get(KEY)
        for record in records if isinstance(records, list) else ():
            try:
                why, count = str(record["why"]), int(record["count"])
                windows[why] = [Window(*(int(n) for n in w)) for w in record["windows"]]
                counts[why] = count
            except (KeyError, TypeError, ValueError):
                continue
        return cls(windows, counts)

    def to_json(self) -> list[dict[str, Any]]:
        """Give the records of a provenance."""
        return [
            {"why": why, "count": count, "windows": [astuple(w) for w in self.windows[why]]}
            for why, count in self.counts.items()
        ]

    def left_out(self, window: Window) -> bool:
        """Tell if a window shares pixels with one that was given up, and is not to be tried again in passing."""
        return any((window & gap).pixels for why in _LEFT_OUT for gap in self.windows.get(why, ()))

    def sentences(self) -> list[str]:
        """Tell each reason in words.

        >>> Gaps.of([("damage", Window(0, 8, 4, 4))]).sentences()
        ['1 window(s) cannot be decoded in the image, first at row 0, col 8']
        """
        said = []
        for why, count in self.counts.items():
            where = "".join(f", first at row {w.row}, col {w.col}" for w in self.windows[why][:1])
            said.append(f"{count} window(s) {_WHY.get(why, why)}{where}")
        return said


def without_gaps(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a map was to be made of, whether or not all of it could be."""
    return {key: value for key, value in provenance.items() if key != KEY}
