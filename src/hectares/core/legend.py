"""The meaning of a map: which code is which class, and what is no class at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.color_lookup import UNKNOWN, ColorLookup
from hectares.core.colors import Color as Color
from hectares.core.colors import default_color as default_color
from hectares.core.colors import hex_color as hex_color
from hectares.core.colors import parse_color as parse_color
from hectares.errors import LegendError

IGNORE = 255
"""Index of what is not labelled or not observed. Never a class: not trained, not scored, not counted."""
MAP_NODATA = 255
"""Code of nodata in every class map that we write."""

MAX_CLASSES = 254
"""The index 254 is kept free, to mark unknown colors while a label is read."""
_TABLE_CODES = 2**16
"""Codes below this are looked up in a table."""


def name_fault(name: str) -> str | None:
    r"""Say what is wrong with the name of a class, and the way out; None if it is a line of text.

    >>> name_fault("Wald & Wiese"), name_fault("a\nb")
    (None, "holds '\\n', a control character; write the name in one line")
    """
    kinds = {letter: unicodedata.category(letter) for letter in name}
    if "Cs" in kinds.values():
        return "is no text; write the name anew"
    breaks = [letter for letter, kind in kinds.items() if kind in {"Cc", "Zl", "Zp"}]
    return f"holds {breaks[0]!r}, a control character; write the name in one line" if breaks else None


@dataclass(frozen=True, slots=True)
class LandClass:
    """One class of a legend."""

    code: int
    """The number in the file, 0 to 254."""
    name: str
    color: Color
    source_code: int | None = None
    """The number in the label files of the source, where it could not be kept."""
    merged: tuple[int, ...] = ()
    """Further numbers in the label files that mean this class as well."""

    def __post_init__(self) -> None:
        if not 0 <= self.code < IGNORE:
            raise LegendError(f"class {self.name!r} has code {self.code}; codes of a map are 0 to 254")
        if not self.name.strip():
            raise LegendError(f"class {self.code} has no name")
        if (fault := name_fault(self.name)) is not None:
            raise LegendError(f"class {self.code} is named {self.name!r}, which {fault}")
        if len(self.color) != 3 or not all(0 <= v <= 255 for v in self.color):
            raise LegendError(f"class {self.name!r} has color {self.color}; give three numbers 0 to 255")


@dataclass(frozen=True)
class Legend:
    """The classes of a map. Position in `classes` is the index, `code` is the number in the file.

    >>> legend = Legend.of({10: "forest", 20: "water"}, nodata=0)
    >>> legend.encode(np.array([[10, 20], [0, 10]], np.uint8))
    array([[  0,   1],
           [255,   0]], dtype=uint8)
    >>> legend.encode(np.array([[30]], np.uint8))
    Traceback (most recent call last):
        ...
    hectares.errors.LegendError: code 30 (1 px) is not in the legend; known codes: 10 forest, 20 water, nodata 0
    """

    classes: tuple[LandClass, ...]
    nodata: int | None = None
    """Code that means nodata, or None if the files use none."""
    also_ignore: tuple[int, ...] = ()
    """Codes read as ignore, never written."""
    ignore_colors: tuple[Color, ...] = ()
    """Colors read as ignore in color-coded labels."""
    color_coded: bool = False
    """True if the source knows its classes by color only, so that a palette label is read by color."""

    def __post_init__(self) -> None:
        if not self.classes:
            raise LegendError("a legend needs at least one class")
        if len(self.classes) > MAX_CLASSES:
            raise LegendError(f"a legend holds at most {MAX_CLASSES} classes, got {len(self.classes)}")
        _refuse_repeats("name", [c.name for c in self.classes])
        merged = [code for c in self.classes for code in c.merged]
        _refuse_repeats("code", [*self.source_codes, *merged, *self._ignored_codes])
        _refuse_repeats("map code", [c.code for c in self.classes])
        _refuse_repeats("color", [*(c.color for c in self.classes), *self.ignore_colors])
        if self.color_coded and self.codes != tuple(range(1, len(self) + 1)):
            raise LegendError("a legend by color numbers its classes from 1, as its file gives no codes")

    @classmethod
    def of(cls, names: Mapping[int, str], *, nodata: int | None = None) -> Legend:
        """Make a legend from codes and names, with default colors."""
        classes = (LandClass(c, n, default_color(i)) for i, (c, n) in enumerate(names.items()))
        return cls(tuple(classes), nodata)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names by index."""
        return tuple(c.name for c in self.classes)

    @property
    def codes(self) -> tuple[int, ...]:
        """Map codes by index."""
        return tuple(c.code for c in self.classes)

    @property
    def source_codes(self) -> tuple[int, ...]:
        """Codes in the label files by index."""
        return tuple(c.code if c.source_code is None else c.source_code for c in self.classes)

    @property
    def _known_codes(self) -> dict[int, int]:
        """Index by code in the label files."""
        merged = {code: i for i, c in enumerate(self.classes) for code in c.merged}
        return dict(zip(self.source_codes, range(len(self)), strict=True)) | merged

    @property
    def _ignored_codes(self) -> tuple[int, ...]:
        return self.also_ignore if self.nodata is None else (self.nodata, *self.also_ignore)

    def __len__(self) -> int:
        return len(self.classes)

    def index(self, name: str) -> int:
        """Give the index of a class by its name."""
        try:
            return self.names.index(name)
        except ValueError:
            raise LegendError(f"class {name!r} is not in the legend; known: {', '.join(self.names)}") from None

    def for_maps(self) -> Legend:
        """Give the legend of the class maps made with this one: same classes, nodata 255."""
        classes = tuple(replace(c, source_code=None, merged=()) for c in self.classes)
        return Legend(classes, nodata=MAP_NODATA)

    def encode(self, codes: NDArray[Any]) -> NDArray[np.uint8]:
        """Turn label codes (H, W) into indices; nodata and ignored codes become 255.

        Whole-numbered floats are accepted. Raises LegendError for codes that are not in the legend.
        """
        whole = _whole_numbers(codes)
        lookup = self._known_codes | dict.fromkeys(self._ignored_codes, IGNORE)
        near = {code: index for code, index in lookup.items() if 0 <= code < _TABLE_CODES}
        table = np.full(max(near, default=0) + 1, -1, np.int16)
        table[list(near)] = list(near.values())
        outside = (whole < 0) | (whole >= len(table))
        indices = table[np.where(outside, np.zeros((), whole.dtype), whole).astype(np.intp)]
        indices[outside] = -1
        if outside.any():  # codes such as -9999 or 2^31 - 1, too far away for a table
            for code in lookup.keys() - near.keys():
                indices[whole == code] = lookup[code]
        unknown = indices < 0
        if unknown.any():
            raise LegendError(self._unknown_codes(whole[unknown]))
        return indices.astype(np.uint8)

    def _unknown_codes(self, values: NDArray[Any]) -> str:
        found, counts = np.unique(values, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:10]
        listed = ", ".join(f"code {found[i]} ({counts[i]} px)" for i in most)
        known = [f"{code} {self.names[index]}" for code, index in self._known_codes.items()]
        known += [] if self.nodata is None else [f"nodata {self.nodata}"]
        known += [f"ignore {code}" for code in self.also_ignore]
        verb = "is" if len(most) == 1 else "are"
        return f"{listed} {verb} not in the legend; known codes: {', '.join(known)}"

    def decode(self, indices: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn indices into the codes of a map; 255 stays 255, which is nodata there.

        >>> Legend.of({10: "forest", 20: "water"}).decode(np.array([1, 255, 0], np.uint8))
        array([ 20, 255,  10], dtype=uint8)
        """
        table = np.full(256, MAP_NODATA, np.uint8)
        table[: len(self)] = self.codes
        return table[indices]

    @cached_property
    def _by_color(self) -> ColorLookup:
        known = {c.color: index for index, c in enumerate(self.classes)}
        return ColorLookup(known | dict.fromkeys(self.ignore_colors, IGNORE))

    def encode_colors(self, rgb: NDArray[np.uint8], *, nearest: int = 0) -> NDArray[np.uint8]:
        """Turn a color-coded label (3, H, W) into indices.

        `nearest` also accepts colors whose largest channel difference to a legend color is at most that.
        Raises LegendError naming the commonest unknown colors, their counts and first pixel.
        """
        if rgb.dtype != np.uint8:
            raise LegendError(f"colors are {rgb.dtype}; a label by color has three bands of uint8")
        indices, all_known = self._by_color.indices(rgb)
        if all_known:
            return indices
        unknown = indices == UNKNOWN
        colors, inverse = np.unique(rgb[:, unknown].T, axis=0, return_inverse=True)
        best, distance = self._nearest_colors(colors)
        if distance.max() > nearest:
            raise LegendError(self._unknown_colors(colors, inverse.ravel(), distance, nearest, unknown))
        indices[unknown] = best[inverse.ravel()]
        return indices

    def count_unknown(self, rgb: NDArray[np.uint8]) -> int:
        """Count the pixels of a color-coded label (3, H, W) whose color is not exactly in the legend."""
        return int((self._by_color.indices(rgb)[0] == UNKNOWN).sum())

    def _nearest_colors(self, colors: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        known = [c.color for c in self.classes] + list(self.ignore_colors)
        targets = np.array([*range(len(self)), *[IGNORE] * len(self.ignore_colors)], np.uint8)
        differences = np.abs(colors[:, None].astype(np.int64) - np.array(known)[None]).max(axis=2)
        closest = differences.argmin(axis=1)
        return targets[closest], differences[np.arange(len(colors)), closest]

    def _unknown_colors(
        self,
        colors: NDArray[np.uint8],
        inverse: NDArray[np.int64],
        distance: NDArray[np.int64],
        nearest: int,
        unknown: NDArray[np.bool_],
    ) -> str:
        counts = np.where(distance > nearest, np.bincount(inverse, minlength=len(colors)), 0)
        most = [i for i in np.argsort(-counts, kind="stable")[:10] if counts[i]]
        listed = ", ".join(f"{hex_color(tuple(colors[i]))} ({counts[i]} px)" for i in most)
        row, col = np.argwhere(unknown)[np.flatnonzero(inverse == most[0])[0]]
        known = ", ".join(f"{hex_color(c.color)} {c.name}" for c in self.classes)
        return (
            f"color {listed} not in the legend, first at row {row}, col {col}; known: {known}. "
            "Add it to the classes or to ignore_colors, or accept near colors with --nearest N"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the legend as the content of a legend file; without codes if the source knows only colors."""
        classes = []
        for c in self.classes:
            entry: dict[str, Any] = {"name": c.name, "color": hex_color(c.color)}
            if not self.color_coded:
                entry["code"] = c.code
            if c.source_code is not None:
                entry["source_code"] = c.source_code
            if c.merged:
                entry["merged"] = list(c.merged)
            classes.append(entry)
        return {
            "nodata": self.nodata,
            "ignore": list(self.also_ignore),
            "ignore_colors": [hex_color(c) for c in self.ignore_colors],
            "classes": classes,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Legend:
        """Read the content of a legend file; `code` and `color` of a class may be left out.

        >>> legend = Legend.from_json({"classes": [{"name": "water", "color": "#3b6fb6"}, {"name": "forest"}]})
        >>> legend.codes
        (1, 2)
        """
        _refuse_unknown_keys("legend", content, {"nodata", "ignore", "ignore_colors", "classes", "$schema"})
        entries = content.get("classes")
        if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
            raise LegendError("a legend needs `classes`: a list of {code, name, color}")
        coded = [e for e in entries if isinstance(e, Mapping) and "code" in e]
        if coded and len(coded) != len(entries):
            raise LegendError(f"{len(coded)} of {len(entries)} classes have a code; give all of them one, or none")
        taken = [parse_color(e["color"]) for e in entries if isinstance(e, Mapping) and e.get("color")]
        spare = (c for c in map(default_color, range(2 * MAX_CLASSES)) if c not in taken)
        classes = tuple(_class_from_json(i, entry, spare) for i, entry in enumerate(entries))
        return cls(
            renumber(classes),
            nodata=None if content.get("nodata") is None else _code(content["nodata"], "nodata"),
            also_ignore=tuple(_code(code, f"ignore[{i}]") for i, code in enumerate(content.get("ignore", ()))),
            ignore_colors=tuple(parse_color(c) for c in content.get("ignore_colors", ())),
            color_coded=not coded,
        )


@dataclass(frozen=True, slots=True)
class _SourceClass:
    """A class as the source numbers it, before the code is known to fit a map."""

    code: int
    name: str
    color: Color
    map_code: int | None = None
    """The number in maps, where the source gives one beside its own."""
    merged: tuple[int, ...] = ()


def renumber(classes: Iterable[_SourceClass]) -> tuple[LandClass, ...]:
    """Keep codes of 0 to 254; if any lies outside, number all from 1 and keep the source's code beside it."""
    listed = list(classes)
    if any(c.map_code is not None for c in listed):
        numbers = [(c.code, None) if c.map_code is None else (c.map_code, c.code) for c in listed]
    elif all(0 <= c.code < IGNORE for c in listed):
        numbers = [(c.code, None) for c in listed]
    else:
        numbers = [(i, c.code) for i, c in enumerate(listed, start=1)]
    return tuple(
        LandClass(code, c.name, c.color, source, c.merged) for c, (code, source) in zip(listed, numbers, strict=True)
    )


def _class_from_json(index: int, entry: object, spare: Iterator[Color]) -> _SourceClass:
    where = f"classes[{index}]"
    if not isinstance(entry, Mapping):
        raise LegendError(f"{where} is {entry!r}; expected {{code, name, color}}")
    _refuse_unknown_keys(where, entry, {"code", "name", "color", "source_code", "merged"})
    name = entry.get("name", "")
    color = entry["color"] if "color" in entry else next(spare)
    if isinstance(name, bool):
        raise LegendError(f"{where}.name is {name}: YAML reads yes, no, on and off so; put the name in quotes")
    if not str(name).strip():
        raise LegendError(f"{where} has no name")
    if (fault := name_fault(str(name).strip())) is not None:
        raise LegendError(f"{where}.name is {str(name)!r}, which {fault}")
    if color is None:
        raise LegendError(f"{where}.color is empty: in YAML a # begins a comment; put the color in quotes")
    code = _code(entry.get("code", index + 1), f"{where}.code")
    merged = tuple(_code(m, f"{where}.merged[{i}]") for i, m in enumerate(entry.get("merged", ())))
    if "source_code" not in entry:
        return _SourceClass(code, str(name).strip(), parse_color(color), merged=merged)
    source_code = _code(entry["source_code"], f"{where}.source_code")
    return _SourceClass(source_code, str(name).strip(), parse_color(color), code, merged)


def _code(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise LegendError(f"{where} is {value!r}; expected a whole number")


def _whole_numbers(codes: NDArray[Any]) -> NDArray[Any]:
    if codes.dtype.kind in "iu":
        return codes
    if codes.dtype.kind == "b":
        return codes.astype(np.uint8)
    if codes.dtype.kind == "f" and (np.abs(codes) < 2.0**53).all() and (codes == np.rint(codes)).all():
        return codes.astype(np.int64)
    odd = codes[~((np.abs(codes) < 2.0**53) & (codes == np.rint(codes)))] if codes.dtype.kind == "f" else codes
    example = f" such as {odd.flat[0]:g}" if codes.dtype.kind == "f" else ""
    raise LegendError(
        f"labels are {codes.dtype} with values{example} that are no whole numbers; labels hold class codes"
    )


def _refuse_repeats(what: str, values: Sequence[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            shown = hex_color(value) if isinstance(value, tuple) else repr(value)
            raise LegendError(f"{what} {shown} stands twice in the legend")
        seen.add(value)


def _refuse_unknown_keys(where: str, content: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(content) - known)
    if unknown:
        raise LegendError(f"{where} has the unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
