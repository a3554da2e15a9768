"""Numbers as people read them."""

from __future__ import annotations

import pytest

from hectares.view.numbers import hectares


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_345.678, "12,345.68"),
        (1.0, "1.00"),
        (0.9996, "1.00"),
        (0.9994, "0.999"),
        (0.05, "0.0500"),
        (0.00768, "0.00768"),
        (2.5e-7, "0.000000250"),
        (0.0, "0.00"),
        (1.2e-9, "0.00"),
        (-2e-11, "0.00"),
        (-0.0004, "-0.000400"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_hectares_below_one_have_three_digits_that_mean_something(value: float | None, text: str):
    assert hectares(value) == text
