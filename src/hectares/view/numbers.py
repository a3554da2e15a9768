"""Numbers as people read them: thousands apart, as many digits as mean something, a dash for none."""

from __future__ import annotations

import math
from collections.abc import Iterable

NONE = "–"
_PERCENT = "\N{NO-BREAK SPACE}%"
_LEAST_HA = 1e-8
"""A square centimeter: less than that is what rounding leaves, on a map of any pixel size."""
_LEAST_DIGITS, _MOST_DIGITS = 4, 6
"""Significant digits of the largest value of a column: an area is not known better than that."""


def decimals_for(values: Iterable[float | None]) -> int:
    """Choose the decimals of a column: a digit or two for its smallest value, four to six for its largest.

    >>> decimals_for([50_123.45, 0.3]), decimals_for([12.0, 0.034]), decimals_for([2634.0, 6.7])
    (1, 2, 1)
    """
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    if not sizes:
        return 0
    smallest, largest = (math.floor(math.log10(size)) for size in (min(sizes), max(sizes)))
    wanted = max(-smallest if smallest < 0 else 1 - smallest, _LEAST_DIGITS - 1 - largest)
    return max(0, min(wanted, _MOST_DIGITS - 1 - largest))


def number(value: float | None, decimals: int = 0) -> str:
    """Write a number with thousands apart.

    >>> number(12345.678, 1), number(None), number(-0.4)
    ('12,345.7', '–', '0')
    """
    if value is None or not math.isfinite(value):
        return NONE
    rounded = round(value, decimals)
    return f"{rounded or 0:,.{decimals}f}"


def hectares(value: float | None) -> str:
    """Write an area in hectares: two decimals, and three digits of what is smaller than one.

    >>> hectares(1234.567), hectares(0.0096), hectares(0.99996), hectares(0.0), hectares(-0.00123), hectares(None)
    ('1,234.57', '0.00960', '1.00', '0.00', '-0.00123', '–')
    >>> hectares(2e-11), hectares(-2e-11)
    ('0.00', '0.00')
    """
    if value is None or not math.isfinite(value):
        return NONE
    rounded = float(f"{value:.2e}") if abs(value) >= _LEAST_HA else 0.0
    if rounded == 0 or abs(rounded) >= 1:
        return number(value, 2)
    return number(value, 2 - math.floor(math.log10(abs(rounded))))


def percent(share: float | None, decimals: int = 1) -> str:
    r"""Write a share of 0 to 1 in per cent; what is not nothing is not written as nothing.

    >>> percent(0.4256), percent(0.0001), percent(0.0), percent(0.99999), percent(None)
    ('42.6\xa0%', '<0.1\xa0%', '0.0\xa0%', '>99.9\xa0%', '–')
    """
    if share is None or not math.isfinite(share):
        return NONE
    edge = 0.1**decimals
    if 0 < share * 100 < edge / 2:
        return f"<{edge:.{decimals}f}{_PERCENT}"
    if 100 - edge / 2 <= share * 100 < 100:
        return f">{100 - edge:.{decimals}f}{_PERCENT}"
    return f"{100 * share:.{decimals}f}{_PERCENT}"


def difference(value: float | None, reference: float | None) -> str:
    r"""Write how far a value lies from a reference, in per cent of the reference.

    >>> difference(103.0, 100.0), difference(97.55, 100.0), difference(5.0, 0.0), difference(100.0, 100.0)
    ('+3.0\xa0%', '−2.5\xa0%', '–', '0.0\xa0%')
    """
    if value is None or reference is None or reference == 0 or not math.isfinite(value / reference):
        return NONE
    relative = round(100 * (value / reference - 1), 1)
    if relative == 0:
        return f"0.0{_PERCENT}"
    return f"{'+' if relative > 0 else '−'}{abs(relative):,.1f}{_PERCENT}"


def score(value: float | None) -> str:
    """Write a score of 0 to 1.

    >>> score(0.87654), score(float("nan"))
    ('0.877', '–')
    """
    return NONE if value is None or not math.isfinite(value) else f"{value:.3f}"


def count(value: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> count(1, "chip"), count(2000, "chip"), count(2, "class", "classes")
    ('1 chip', '2,000 chips', '2 classes')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"
