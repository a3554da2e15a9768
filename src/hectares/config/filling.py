"""Options as they stand in a file, turned into the fields of a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hectares.errors import ConfigError

C = TypeVar("C")
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def fill(kind: type[C], options: Mapping[str, Any], where: str) -> C:
    """Make a config from options by name, as YAML or the command line has them; the others keep their defaults.

    Names may have - or _. Raises ConfigError that begins with `where` for an unknown name or a value that does not
    fit, and for what the config refuses itself.
    """
    types = get_type_hints(kind)
    given = {}
    for name, value in options.items():
        key = field_name(kind, name, where)
        if key in given:
            raise ConfigError(f"{where}: the option {name} stands twice, with - and with _")
        try:
            given[key] = _convert(types[key], value)
        except ValueError:
            raise ConfigError(f"{where}: {name} is {value!r}; expected {_told(types[key])}") from None
    try:
        return kind(**given)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def field_name(kind: type, name: object, where: str) -> str:
    """Give the field that an option means. Raises ConfigError naming the nearest known ones."""
    known = [f.name for f in fields(kind)]
    key = str(name).replace("-", "_")
    if key in known:
        return key
    near = get_close_matches(key, known, n=3, cutoff=0.5)
    shown = ", ".join(k.replace("_", "-") for k in near or known)
    raise ConfigError(f"{where}: the option {str(name)!r} is unknown; {'did you mean' if near else 'known:'} {shown}")


def _convert(kind: Any, value: Any) -> Any:  # a value of YAML is what it is
    """Give the value as the type wants it. Raises ValueError if it does not fit.

    >>> _convert(int | Literal["auto"], "8"), _convert(int | None, "none"), _convert(tuple[int, ...], [3, "4"])
    (8, None, (3, 4))
    """
    origin, inside = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _convert_union(inside, value)
    if origin is Literal:
        if str(value) not in inside:
            raise ValueError
        return str(value)
    if origin is tuple:
        return tuple(_convert(inside[0], v) for v in (value if isinstance(value, list) else [value]))
    if kind is NoneType:
        if value is not None and str(value).lower() != "none":
            raise ValueError
        return None
    return _convert_plain(kind, value)


def _convert_union(kinds: tuple[Any, ...], value: Any) -> Any:
    for kind in kinds:
        try:
            return _convert(kind, value)
        except ValueError:
            continue
    raise ValueError


def _convert_plain(kind: Any, value: Any) -> Any:
    if value is None or isinstance(value, (list, dict)) or (isinstance(value, bool) and kind in {int, float}):
        raise ValueError
    if kind is bool:
        found = _SWITCH.get(str(value).lower())
        if found is None:
            raise ValueError
        return found
    if kind is int and isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    return {int: int, float: float, str: str, Path: Path}[kind](value)


def _told(kind: Any) -> str:
    """Say what a type wants.

    >>> _told(int | Literal["auto"]), _told(tuple[str, ...]), _told(Literal["a", "b"])
    ('a whole number or auto', 'a list of texts', 'a or b')
    """
    origin, inside = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return " or ".join(_told(k) for k in inside)
    if origin is Literal:
        return " or ".join(map(str, inside))
    if origin is tuple:
        return f"a list of {_told(inside[0]).removeprefix('a ')}s"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a file"}
    return words.get(kind, "none")
