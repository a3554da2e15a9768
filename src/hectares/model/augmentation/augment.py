"""Augmentation of image and label together, for any number of bands: recipes, steps, and the text that names them.

A text is a recipe, or a sum of steps: `d4+rotate(45)+noise(0.02)`. A step takes its numbers in order or by name, and
`p`, the chance that it happens: `rotate(degrees=20,p=0.5)`. A step beside a recipe replaces that of the recipe.

Whatever the order in the text: chips are mixed first, then turned, then moved by one affine that is resampled once
(image bilinear, valid mask and label nearest, reflected at the edges), and values change last, in the order given.
Where nothing is mixed, moved or erased, labels are only rearranged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.errors import ConfigError
from hectares.model.augmentation.mixing import MIXES
from hectares.model.augmentation.radiometry import CHANGES, Spread, center_and_spread
from hectares.model.augmentation.warp import MOVES, TURNS, Sample, resample, turn


@dataclass(frozen=True, slots=True)
class Number:
    """A number that a step takes."""

    name: str
    default: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} {_short(self.low)} to {_short(self.high)}"


@dataclass(frozen=True, slots=True)
class StepKind:
    """What is known of a step."""

    name: str
    chance: float
    """How often it happens, if the text does not say."""
    numbers: tuple[Number, ...]
    says: str

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.numbers))})" if self.numbers else self.name


_BAND = Number("band", 0.1, 0, 5)
_KINDS = (
    StepKind("mosaic", 0.25, (), "four chips that meet at a point"),
    StepKind("cutmix", 0.25, (Number("share", 0.5, 0, 1),), "a rectangle of another chip, up to this share of a side"),
    StepKind("classmix", 0.25, (), "half of the classes of another chip, cut out along their borders"),
    StepKind("hflip", 0.5, (), "left and right"),
    StepKind("vflip", 0.5, (), "up and down"),
    StepKind("transpose", 0.5, (), "rows to columns"),
    StepKind("flips", 0.75, (), "one of three flips; with the default p all four views are equally likely"),
    StepKind("d4", 0.875, (), "one of seven symmetries; with the default p all eight views are equally likely"),
    StepKind("rotate", 1.0, (Number("degrees", 45, 0, 180),), "by up to so many degrees, either way"),
    StepKind("shift", 1.0, (Number("share", 0.1, 0, 1),), "by up to this share of width and height"),
    StepKind("shear", 1.0, (Number("factor", 0.2, 0, 2),), "along one axis, by up to so many px a px"),
    StepKind("zoom", 1.0, (Number("share", 0.2, 0, 0.9),), "each axis for itself, in or out by up to this share"),
    StepKind(
        "scale", 1.0, (Number("low", 0.5, 0.1, 1), Number("high", 2, 1, 10)), "objects so many times as large, cut anew"
    ),
    StepKind("brightness", 1.0, (Number("chip", 0.2, 0, 5), _BAND), "add up to so many deviations, plus by band"),
    StepKind("contrast", 1.0, (Number("chip", 0.2, 0, 2), _BAND), "by a factor of up to e^chip, plus by band"),
    StepKind("gamma", 1.0, (Number("chip", 0.2, 0, 2), _BAND), "by a power of up to e^chip, plus by band"),
    StepKind("noise", 1.0, (Number("deviations", 0.1, 0, 5),), "Gaussian, up to so many deviations of the band"),
    StepKind("blur", 1.0, (Number("px", 1, 0, 10),), "Gaussian of a third of this deviation up to all of it"),
    StepKind("band-drop", 0.1, (Number("share", 0.2, 0, 1),), "about this share of the bands is 0; never all"),
    StepKind("erase", 0.25, (Number("share", 0.3, 0, 1),), "a rectangle is not observed, and its label ignored"),
)
STEPS: Mapping[str, StepKind] = {kind.name: kind for kind in _KINDS}
"""The steps that are known by name."""

RECIPES: Mapping[str, str] = {
    "none": "",
    "flips": "flips",
    "d4": "d4",
    "light": "d4+rotate(15,p=0.3)+scale(0.8,1.25,p=0.3)+brightness(0.2,0.05,p=0.5)+contrast(0.2,0.05,p=0.5)",
    "strong": (
        "cutmix(0.5,p=0.25)+d4+rotate(45,p=0.4)+shear(0.1,p=0.2)+scale(0.5,2,p=0.5)"
        "+brightness(0.4,0.1,p=0.5)+contrast(0.4,0.1,p=0.5)+gamma(0.3,0.05,p=0.25)"
        "+blur(1,p=0.1)+noise(0.1,p=0.25)+band-drop(0.2,p=0.05)+erase(0.3,p=0.2)"
    ),
    "dfc2019": "flips+rotate(45)+shift(0.1)+shear(0.2)+zoom(0.2)",
    "flips-1-in-8": "flips(p=0.125)",
}
"""The recipes that are known by name: each is a text of steps."""

_TERM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\(([^()]*)\)\s*)?(?=\+|$)")
_VALUE = re.compile(r"\s*(?:([a-z]+)\s*=\s*)?(\d+\.?\d*|\.\d+)\s*")


@dataclass(frozen=True, slots=True)
class Step:
    """A step with its numbers."""

    name: str
    values: tuple[float, ...]
    chance: float

    def __str__(self) -> str:
        named = zip((n.name for n in STEPS[self.name].numbers), self.values, strict=True)
        return f"{self.name}({','.join(f'{n}={_short(v)}' for n, v in [*named, ('p', self.chance)])})"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Steps that each happen by chance.

    >>> print(find_augmentation("d4 + rotate(20, p=0.5) + noise(0.02)"))
    d4(p=0.875)+rotate(degrees=20,p=0.5)+noise(deviations=0.02,p=1)
    """

    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "+".join(map(str, self.steps)) or "none"

    @property
    def mixes(self) -> bool:
        """True if a step asks for other chips."""
        return any(step.name in MIXES and step.chance > 0 for step in self.steps)

    def apply(
        self,
        image: NDArray[np.float32],
        valid: NDArray[np.bool_],
        label: NDArray[np.uint8],
        rng: np.random.Generator,
        *,
        spread: Spread | None = None,
        other: Callable[[], Sample] | None = None,
    ) -> Sample:
        """Give a scaled chip altered, or as it is; shapes, data types and the codes of labels stay.

        `image` (C, h, w) is 0 where not valid, and comes back so. `spread` (C,) is the deviation of each band over
        all chips; without it that of this chip stands in. `other` gives another chip of the same shape at each call;
        without it nothing is mixed. All chance comes from `rng`. The arrays that are given are left alone.
        """
        happening = [step for step in self.steps if rng.random() < step.chance]
        if not happening:
            return image, valid, label
        sample: Sample = image, valid, label
        for step in happening:
            if step.name in MIXES and other is not None:
                sample = MIXES[step.name](sample, other, rng, step.values)
        for step in happening:
            if step.name in TURNS:
                sample = turn(sample, step.name, rng)
        sample = _copied(sample)
        matrix = np.eye(3)
        for step in happening:
            if step.name in MOVES:
                matrix = matrix @ MOVES[step.name](rng, step.values, valid.shape)
        sample = resample(sample, matrix)
        changes = [step for step in happening if step.name in CHANGES]
        if changes:
            units = center_and_spread(sample)[1] if spread is None else spread
            for step in changes:
                CHANGES[step.name](sample, rng, step.values, units)
        if not sample[1].all():
            sample[0][:, ~sample[1]] = 0
        return sample


def _copied(sample: Sample) -> Sample:
    image, valid, label = sample
    return np.array(image, order="C"), np.array(valid, order="C"), np.array(label, order="C")


def variants(
    augmentation: Augmentation,
    sample: Sample,
    count: int,
    *,
    seed: int = 0,
    others: Sequence[Sample] = (),
) -> list[Sample]:
    """Give so many altered copies of a chip, for a figure; chips to mix it with are drawn from `others`."""

    def altered(rng: np.random.Generator) -> Sample:
        other = (lambda: others[int(rng.integers(len(others)))]) if others else None
        return augmentation.apply(*sample, rng, other=other)

    return [altered(np.random.default_rng((seed, number))) for number in range(count)]


# --- Text to steps ----------------------------------------------------------------------------------------


def find_augmentation(text: str) -> Augmentation:
    """Read the name of a recipe, or a sum of steps. Raises ConfigError saying what is not understood, and what is."""
    from_recipes: dict[str, Step] = {}
    named: dict[str, Step] = {}
    terms = list(_terms(text))
    for name, inside in terms:
        if name not in STEPS and name not in RECIPES:
            raise _refusal(text, f"{name!r} is unknown")
        if name == "none" and len(terms) > 1:
            raise _refusal(text, "none stands for itself")
        if name in named:
            raise _refusal(text, f"{name} comes twice")
        if name in STEPS:
            named[name] = _step(text, STEPS[name], inside)
        elif inside is not None:
            raise _refusal(text, f"{name} is a recipe and takes no numbers")
        elif RECIPES[name]:
            from_recipes |= {n: _step(text, STEPS[n], i) for n, i in _terms(RECIPES[name])}
    return Augmentation(tuple((from_recipes | named).values()))


def _terms(text: str) -> Iterator[tuple[str, str | None]]:
    """Give each name with what is in its parentheses, None without any."""
    at = 0
    while True:
        term = _TERM.match(text, at)
        if term is None:
            raise _refusal(text, f"expected the name of a step at character {at + 1}, found {text[at : at + 12]!r}")
        yield term[1], term[2]
        at = term.end() + 1
        if term.end() == len(text):
            return


def _step(text: str, kind: StepKind, inside: str | None) -> Step:
    known = {number.name: number for number in (*kind.numbers, Number("p", kind.chance, 0, 1))}
    names = list(known)
    given: dict[str, float] = {}
    for place, part in enumerate(inside.split(",") if inside and inside.strip() else ()):
        value = _VALUE.fullmatch(part)
        if value is None:
            raise _refusal(text, f"{part.strip()!r} in {kind.name}(...) is not a number or NAME=NUMBER")
        if not value[1] and (place >= len(kind.numbers) or list(given) != names[:place]):
            raise _refusal(text, f"{kind.name} does not take a number at the place of {value[2]}; {_takes(kind)}")
        name = value[1] or names[place]
        if name not in known or name in given:
            fault = "got more than one" if name in given else "does not know"
            raise _refusal(text, f"{kind.name} {fault} {name!r}; {_takes(kind)}")
        number = float(value[2])
        if not known[name].low <= number <= known[name].high:
            raise _refusal(text, f"{kind.name} takes {known[name]}, got {value[2]}")
        given[name] = number
    values = tuple(given.get(number.name, number.default) for number in kind.numbers)
    return Step(kind.name, values, given.get("p", kind.chance))


def _takes(kind: StepKind) -> str:
    return f"it takes {', '.join([*map(str, kind.numbers), 'p=0 to 1'])}"


def _refusal(text: str, what: str) -> ConfigError:
    return ConfigError(
        f"augmentation {text!r}: {what}; choose a recipe ({', '.join(RECIPES)}) or a sum of steps "
        f"({', '.join(map(str, STEPS.values()))}), such as d4+rotate(45)+noise(0.02)"
    )


def _short(value: float) -> str:
    return np.format_float_positional(value, trim="-")
