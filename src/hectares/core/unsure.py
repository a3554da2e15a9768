"""A class for pixels of which no class is sure enough."""

from __future__ import annotations

from dataclasses import replace

from hectares.core.legend import IGNORE, MAX_CLASSES, LandClass, Legend
from hectares.errors import ConfigError, LegendError

NAME = "unsure"
_GRAY = (128, 128, 128)
_OTHER_GRAY = (150, 150, 150)


def with_unsure(legend: Legend) -> Legend:
    """Give a legend with one more class, "unsure", after the others: the code after the largest, if it is one.

    >>> with_unsure(Legend.of({0: "road", 2: "roof"})).codes
    (0, 2, 3)
    """
    if NAME in legend.names:
        raise ConfigError(f"the legend has a class {NAME!r} already; --unsure would add another, leave it out")
    if len(legend) >= MAX_CLASSES:
        raise LegendError(
            f"the legend has {len(legend)} classes, as many as a map can tell apart; none is left for {NAME!r}: "
            "leave out --unsure"
        )
    free = next(c for c in (max(legend.codes) + 1, *range(IGNORE)) if c < IGNORE and c not in legend.codes)
    color = _OTHER_GRAY if any(c.color == _GRAY for c in legend.classes) else _GRAY
    return replace(legend, classes=(*legend.classes, LandClass(free, NAME, color)))
