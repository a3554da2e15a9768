"""The learning rate over time, and when to stop: functions of the step and of the history alone.

Nothing here has a state, so that a resumed run does what an unbroken one does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Schedule = Literal["none", "cosine", "poly", "plateau", "drop"]

_POLY_POWER = 0.9
_USUAL_WARM_UP = 0.05


def lr_share(schedule: Schedule, step: int, steps: int, *, warm_up: float | None = None) -> float:
    """Give the share of the highest learning rate at a step: a linear start, then what the schedule says.

    `warm_up` is the share of the steps in which the rate rises; None is 0.05 for cosine and poly, else 0.
    Sources: Loshchilov and Hutter 2017 (ICLR) for cosine; Chen et al. 2017 (arXiv 1606.00915) for poly.

    >>> [round(lr_share("cosine", s, 100), 2) for s in (0, 4, 5, 52, 100)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    >>> [round(lr_share("poly", s, 100, warm_up=0), 2) for s in (0, 50, 99)]
    [1.0, 0.54, 0.02]
    >>> lr_share("none", 7, 100)
    1.0
    """
    decays = schedule in {"cosine", "poly"}
    if warm_up is None:
        warm_up = _USUAL_WARM_UP if decays else 0.0
    warm = max(1, round(warm_up * steps)) if warm_up else 0
    if step < warm:
        return (step + 1) / warm
    if not decays:
        return 1.0
    done = min(1.0, (step - warm) / max(1, steps - warm))
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else (1 - done) ** _POLY_POWER


def plateau_share(
    losses: Sequence[float], *, patience: int = 3, factor: float = 0.1, least: float = 1e-4, smallest: float = 0.0
) -> float:
    """Give the share of the learning rate left after epochs with these validation losses.

    Each time the loss has not fallen by `least` for `patience` epochs, the rate is multiplied by `factor`; the share
    never falls below `smallest`.

    >>> [round(plateau_share([1.0, 0.9, 0.95, 0.95, 0.95][:n]), 3) for n in range(6)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.1]
    >>> round(plateau_share([1.0] * 9), 4)
    0.01
    """
    share, best, waited = 1.0, math.inf, 0
    for loss in losses:
        if loss < best - least:
            best, waited = loss, 0
            continue
        waited += 1
        if waited >= patience:
            share, waited = share * factor, 0
    return max(share, smallest)


def drop_share(epoch: int, drop_at: Sequence[int], *, factor: float = 0.1) -> float:
    """Give the share of the learning rate in an epoch, counted from 1, if it is cut after some epochs.

    >>> [round(drop_share(e, (2, 4)), 3) for e in (1, 2, 3, 4, 5)]
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    return factor ** sum(epoch > last for last in drop_at)


def best_epoch(values: Sequence[float], *, highest: bool = False) -> int:
    """Give the position of the best value, the first of equals; a value that is not a number is never the best.

    >>> best_epoch([0.9, 0.4, 0.4, 0.6]), best_epoch([0.9, 0.4, float("nan")], highest=True)
    (1, 0)
    """
    worst = -math.inf if highest else math.inf
    known = [worst if math.isnan(v) else v for v in values]
    return known.index(max(known) if highest else min(known))


def should_stop(values: Sequence[float], patience: int | None, *, highest: bool = False) -> bool:
    """Tell if the best value is `patience` epochs old, so that the last epoch is the best one plus patience.

    Without patience, or with 0, there is no end.

    >>> [should_stop([0.9, 0.5, 0.6, 0.7][:n], 2) for n in range(1, 5)]
    [False, False, False, True]
    """
    if not patience:
        return False
    return len(values) - 1 - best_epoch(values, highest=highest) >= patience
