"""Options of networks: what may be chosen, how it is written, and what stands when nothing is said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hectares.core.spec import JSON
from hectares.errors import ConfigError

Scalar = str | int | float | bool | None
Kind = Literal["whole", "share", "switch", "choice", "rates", "band", "name"]

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_RATES = re.compile(r"auto|[1-9]\d*(,[1-9]\d*)*")
_SHAPES: dict[Kind, str] = {
    "share": "a number from 0 to below 1",
    "switch": "true or false",
    "rates": "whole numbers such as 6,12,18, or auto",
    "band": "a band by number or name, or brightness",
    "name": "a name",
}


@dataclass(frozen=True, slots=True)
class Option:
    """Something that can be chosen about a network.

    >>> Option("width", 32, "channels of the first level", least=1).parse("16")
    16
    >>> Option("biases", False, "as in Keras", kind="switch").parse("yes")
    True
    """

    name: str
    default: Scalar
    summary: str
    kind: Kind = "whole"
    least: int = 0
    """Of a whole number."""
    most: int | None = None
    """Of a whole number, too."""
    choices: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What a value looks like."""
        if self.choices:
            return " or ".join(self.choices)
        if self.kind != "whole":
            return _SHAPES[self.kind]
        return f"a whole number from {self.least}" + ("" if self.most is None else f" to {self.most}")

    def parse(self, value: Scalar) -> Scalar:
        """Give the value as what it means. Raises ConfigError if it is none of the expected."""
        text = str(value).strip()
        parsed = self._read(text)
        if parsed is None:
            raise ConfigError(f"{self.name}={text}: expected {self.expected} ({self.summary})")
        return parsed

    def _read(self, text: str) -> Scalar:
        if self.kind == "whole":
            fits = re.fullmatch(r"\d{1,9}", text) and self.least <= int(text) <= (self.most or int(text))
            return int(text) if fits else None
        if self.kind == "share":
            return float(text) if re.fullmatch(r"0|0?\.\d+|0\.\d*", text) else None
        if self.kind == "switch":
            return _WORDS.get(text.lower())
        if self.kind == "rates":
            return text.replace(" ", "") if _RATES.fullmatch(text.replace(" ", "")) else None
        if self.kind == "choice":
            return text if text in self.choices else None
        return text or None


def read_options(texts: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE texts of the command line.

    >>> read_options(["width=8", "upsampling=bilinear"])
    {'width': '8', 'upsampling': 'bilinear'}
    """
    read: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or not value.strip():
            raise ConfigError(f"--network-option {text!r} is not NAME=VALUE; for example --network-option width=16")
        if name in read:
            raise ConfigError(f"--network-option {name} is given twice: {read[name]} and {value.strip()}")
        read[name] = value.strip()
    return read


def fill_options(network: str, known: Sequence[Option], given: Mapping[str, Scalar]) -> dict[str, JSON]:
    """Check given values against the options of a network and fill in the defaults."""
    by_name = {option.name: option for option in known}
    for name in given:
        if name not in by_name:
            has = f"its options are {', '.join(by_name)}" if by_name else "it has no options"
            raise ConfigError(f"network {network} has no option {name!r}; {has}")
    filled: dict[str, JSON] = {}
    for name, option in by_name.items():
        filled[name] = option.parse(given[name]) if name in given else option.default
    return filled


@dataclass(frozen=True, slots=True)
class Pyramid:
    """The atrous pyramid of a network as published: rates, for features of a size, at a stride.

    >>> Pyramid(stride=16, rates=(6, 12, 18), features_px=33).scaled(64)
    '1,2,3'
    """

    stride: int
    rates: tuple[int, ...]
    features_px: int

    def scaled(self, size_px: int | None) -> str:
        """Give rates that reach as far in chips of a size as the published ones did; those, if none is given."""
        scale = 1.0 if size_px is None else -(-size_px // self.stride) / self.features_px
        return ",".join(str(max(least, round(scale * rate))) for least, rate in enumerate(self.rates, start=1))

    def too_far(self, rates: str, size_px: int) -> list[int]:
        """Give the rates at which a 3 x 3 kernel sees nothing of the features but the pixel it stands on."""
        features = -(-size_px // self.stride)
        return [int(rate) for rate in rates.split(",") if int(rate) >= features]
