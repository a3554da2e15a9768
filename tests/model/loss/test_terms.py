"""Sums of named terms, and what is said where one is not understood."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hectares.errors import ConfigError
from hectares.model.loss.terms import Parameter, Term, parse_terms

KNOWN = {"ce": {}, "log-dice": {}, "tversky": {"alpha": Parameter(0.3, 0, 10), "beta": Parameter(0.7, 0, 10)}}


def _parse(text: str) -> tuple[Term, ...]:
    return parse_terms(text, what="loss", known=KNOWN)


def test_a_name_alone_has_weight_1_and_usual_parameters():
    assert _parse("tversky") == (Term(1.0, "tversky", {"alpha": 0.3, "beta": 0.7}),)


def test_a_sum_with_weights_parameters_and_blanks():
    assert _parse(" 2 * ce+ .5*tversky( beta = 1e-1 ) + 1e2*log-dice ") == (
        Term(2.0, "ce", {}),
        Term(0.5, "tversky", {"alpha": 0.3, "beta": 0.1}),
        Term(100.0, "log-dice", {}),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "loss '': it ends too early; expected one of ce, log-dice, tversky"),
        ("ce+", "it ends too early; expected one of ce"),
        ("ce dice", "'dice' at character 4; expected [+] or the end"),
        ("ce-log-dice", "'ce-log-dice' at character 1 is unknown; known: ce, log-dice, tversky; did you mean log-dice"),
        ("ce - log-dice", "'-' at character 4; expected [+] or the end"),
        ("-1*ce", "'-' at character 1; expected one of"),
        ("0*ce", "the weight 0 at character 1 is not between 0 and 1e6"),
        ("ce+1e999*ce", "the weight inf at character 4"),
        ("0.5ce", "'ce' at character 4; expected [*]"),
        ("focal", "'focal' at character 1 is unknown; known: ce, log-dice, tversky$"),
        ("ce(gamma=2)", "'gamma' at character 4; ce has no parameters"),
        ("tversky()", r"'\)' at character 9; tversky has alpha, beta"),
        ("tversky(alpha)", r"'\)' at character 14; expected ="),
        ("tversky(alpha=x)", "'x' at character 15; expected a number"),
        ("tversky(alpha=-1)", "'-' at character 15; expected a number"),
        ("tversky(alpha=11)", "alpha at character 15 is 11, expected 0 to 10"),
        ("tversky(alpha=1,alpha=2)", "'alpha' at character 17; tversky has alpha, beta, each at most once"),
        ("tversky(alpha=1", r"it ends too early; expected \)"),
        ("ce+__import__('os')", "'_' at character 4; expected one of"),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        _parse(text)


@given(st.text(alphabet="ce.*+()=,01 -tversky_alph\n\x00\u00e9", max_size=30))
def test_any_text_is_read_or_refused_in_a_sentence(text: str):
    with suppress(ConfigError):
        assert all(term.name in KNOWN for term in _parse(text))
