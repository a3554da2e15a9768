"""Checks that several configs share."""

from __future__ import annotations

from hectares.errors import ConfigError


def at_least(minimum: float, **values: float | None) -> None:
    """Refuse values below a minimum, by name; None is left alone.

    >>> at_least(1, chip_px=0)
    Traceback (most recent call last):
        ...
    hectares.errors.ConfigError: --chip-px is 0; expected at least 1
    """
    for name, value in values.items():
        if value is not None and not value >= minimum:  # also refuses NaN
            raise ConfigError(f"--{name.replace('_', '-')} is {value}; expected at least {minimum}")


def needs(other: str, *, given: bool, **changed: bool) -> None:
    """Refuse options that say something about another one, by name, where that one is not given.

    >>> needs("--zones", given=False, edges=False, zone_field=True)
    Traceback (most recent call last):
        ...
    hectares.errors.ConfigError: --zone-field has no effect without --zones; give both, or leave --zone-field out
    """
    for name, is_changed in changed.items():
        if is_changed and not given:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} has no effect without {other}; give both, or leave {option} out")


def between(low: float, high: float, **values: float | None) -> None:
    """Refuse values outside [low, high], by name; None is left alone."""
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            raise ConfigError(f"--{name.replace('_', '-')} is {value}; expected {low} to {high}")
