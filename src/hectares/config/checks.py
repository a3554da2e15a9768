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


def between(low: float, high: float, **values: float | None) -> None:
    """Refuse values outside [low, high], by name; None is left alone."""
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            raise ConfigError(f"--{name.replace('_', '-')} is {value}; expected {low} to {high}")
