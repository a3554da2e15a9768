"""Sums of named terms as people write them: ce+0.5*dice, focal(gamma=3), borders(sigma=3)+size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from hectares.errors import ConfigError

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?P<name>[a-z]\w*(?:-\w+)*)|(?P<sign>[+*(),=])|(?P<other>\S))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a term may be given, with its limits."""

    usual: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: its weight, its name, and the value of each of its parameters."""

    weight: float
    name: str
    values: dict[str, float]


def parse_terms(text: str, *, what: str, known: Mapping[str, Mapping[str, Parameter]]) -> tuple[Term, ...]:
    """Give the summands of a text; parameters that are not named have their usual value.

    `known` has the parameters of each name, `what` is the first word of messages.
    Raises ConfigError with the place of the first character that is not understood.

    >>> parse_terms("0.5*dice", what="loss", known={"dice": {}})
    (Term(weight=0.5, name='dice', values={}),)
    """
    return _Parser(text, what, known).terms()


class _Parser:
    """Reads left to right, one token ahead."""

    def __init__(self, text: str, what: str, known: Mapping[str, Mapping[str, Parameter]]) -> None:
        self._text, self._what, self._known = text, what, known
        self._tokens = [
            (m.lastgroup or "", m[m.lastgroup or 0], m.start(m.lastgroup or 0) + 1) for m in _TOKEN.finditer(text)
        ]
        self._tokens.append(("end", "", len(text) + 1))
        self._at = 0

    def terms(self) -> tuple[Term, ...]:
        found = [self._term()]
        while self._accept("+"):
            found.append(self._term())
        if self._kind != "end":
            self._refuse("expected + or the end")
        return tuple(found)

    def _term(self) -> Term:
        weight = 1.0
        if self._kind == "number":
            place = self._place
            weight = self._number()
            if not 0 < weight <= 1e6:
                raise self._error(f"the weight {weight:g} at character {place} is not between 0 and 1e6")
            self._expect("*")
        if self._kind != "name":
            self._refuse(f"expected one of {self._names}")
        name, place = self._word, self._place
        if name not in self._known:
            near = get_close_matches(name, self._known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise self._error(f"{name!r} at character {place} is unknown; known: {self._names}{hint}")
        self._at += 1
        values = {key: parameter.usual for key, parameter in self._known[name].items()}
        if self._accept("("):
            values.update(self._parameters(name))
        return Term(weight, name, values)

    def _parameters(self, name: str) -> dict[str, float]:
        parameters, given = self._known[name], dict[str, float]()
        choice = f"{name} has {', '.join(parameters)}" if parameters else f"{name} has no parameters"
        while True:
            key, place = self._word, self._place
            if self._kind != "name" or key not in parameters or key in given:
                self._refuse(f"{choice}, each at most once")
            self._at += 1
            self._expect("=")
            if self._kind != "number":
                self._refuse("expected a number")
            place = self._place
            value, limit = self._number(), parameters[key]
            if not limit.least <= value <= limit.most:
                raise self._error(
                    f"{key} at character {place} is {value:g}, expected {limit.least:g} to {limit.most:g}"
                )
            given[key] = value
            if not self._accept(","):
                break
        self._expect(")")
        return given

    # --- Tokens -------------------------------------------------------------------------------------------

    @property
    def _kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _word(self) -> str:
        return self._tokens[self._at][1]

    @property
    def _place(self) -> int:
        return self._tokens[self._at][2]

    @property
    def _names(self) -> str:
        return ", ".join(self._known)

    def _accept(self, sign: str) -> bool:
        found = self._kind == "sign" and self._word == sign
        self._at += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            self._refuse(f"expected {sign}")

    def _number(self) -> float:
        self._at += 1
        return float(self._tokens[self._at - 1][1])

    def _refuse(self, expected: str) -> None:
        found = f"{self._word!r} at character {self._place}" if self._word else "it ends too early"
        raise self._error(f"{found}; {expected}")

    def _error(self, message: str) -> ConfigError:
        return ConfigError(f"{self._what} {self._text!r}: {message}")
