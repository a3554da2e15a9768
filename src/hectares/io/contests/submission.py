"""What the files of all contests share: faults with their place, the maps they are made of, names of classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hectares.core.legend import Legend
from hectares.errors import ArtefactError, LegendError

T = TypeVar("T")
_SHOWN = 20
_PLURAL = 4
"""Letters from which on a final s is taken for that of a plural."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a file that the contest would not take."""

    place: str
    """Row and column, JSON path, or name of a file in an archive."""
    found: str
    expected: str
    incomplete: bool = False
    """True if the file is good as far as it goes, and lacks something that the contest wants."""

    def __str__(self) -> str:
        return f"{self.place}: {self.found}; expected {self.expected}"

    def to_json(self) -> dict[str, str | bool]:
        """Give the fault as a record."""
        return {k: getattr(self, k) for k in ("place", "found", "expected", "incomplete")}


@dataclass(frozen=True, slots=True)
class MapEntry:
    """A class map that goes into a submission."""

    path: Path
    scores: Path | None = None
    """Raster of one band of scores for each class of the map."""


def refuse_own_faults(target: Path, faults: Sequence[Fault]) -> None:
    """Raise ArtefactError if a file that was just written has faults, other than that it lacks something."""
    wrong = [f for f in faults if not f.incomplete]
    if wrong:
        listed = "".join(f"\n  {f}" for f in wrong[:_SHOWN])
        raise ArtefactError(f"{target}: what was read back is not what the contest takes:{listed}")


def listed(names: Collection[str], most: int = 5) -> str:
    """Name some, and count the others.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def plain_name(name: str) -> str:
    """Give the name of a class as names are compared: small letters, singular, without what follows a slash.

    >>> plain_name("Impervious_surfaces"), plain_name("Clutter/background")
    ('impervious surface', 'clutter')
    """
    words = re.sub(r"[\s_-]+", " ", name.partition("/")[0]).strip().lower()
    return words[:-1] if len(words) >= _PLURAL and words.endswith("s") and not words.endswith("ss") else words


def match_classes(path: Path, legend: Legend, known: Mapping[str, T], renamed: Mapping[str, str]) -> dict[int, T]:
    """Give what the contest calls each class of a map, by index; classes that it does not have are left out.

    `renamed` has the contest's names of classes that a map calls otherwise.
    Raises LegendError if no class of the map is one of the contest, or two are the same.
    """
    names = {plain_name(name): value for name, value in known.items()}
    unknown = [new for new in renamed.values() if plain_name(new) not in names]
    if unknown:
        raise LegendError(f"--rename: {unknown[0]!r} is no class of the contest; it has {', '.join(known)}")
    found: dict[int, T] = {}
    for index, name in enumerate(legend.names):
        key = plain_name(renamed.get(name, name))
        if key in names:
            found[index] = names[key]
    if not found:
        raise LegendError(
            f"{path}: has no class of the contest: it has {listed(legend.names)}, the contest "
            f"{listed(list(known), 12)}; say which is which with --rename, like roof=building"
        )
    return found
