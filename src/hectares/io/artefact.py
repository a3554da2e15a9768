"""JSON files and fingerprints: what all artefacts share."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hectares import __version__
from hectares.errors import ArtefactError, InputError
from hectares.io.outputs import staged_file
from hectares.io.text import read_text

SCHEMA = 1
"""Version of the layout of our artefacts; a newer one is refused, an older one stays readable."""
SELF = "self_sha256"
"""Key of the fingerprint that an artefact holds of the rest of its content."""
_DIGITS = 64
"""Of a fingerprint."""
_MAX_JSON_BYTES = 2**30


def sha256_file(path: Path) -> str:
    """Give the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(content: object) -> str:
    """Give the SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(dump_json(content).encode()).hexdigest()


def dump_json(content: object, *, indent: int | None = None) -> str:
    """Write a value as JSON with sorted keys and no NaN (NaN becomes null)."""
    return json.dumps(plain(content), indent=indent, sort_keys=True, allow_nan=False, ensure_ascii=False)


def plain(value: object) -> Any:  # JSON is what it is
    """Turn numpy numbers, tuples and paths into what JSON has; NaN into None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return value.as_posix()
    return value


def read_json(path: Path, *, pack: Callable[[dict[str, Any]], Any] | None = None) -> Any:  # JSON is what it is
    """Read a JSON file strictly: a BOM is allowed, duplicate keys and NaN are not.

    `pack` makes every object smaller as soon as it is read, for files of millions of them.
    """

    def record(pairs: Sequence[tuple[str, Any]]) -> Any:
        unique = _unique_keys(pairs)
        return unique if pack is None else pack(unique)

    try:
        text = read_text(path, limit=_MAX_JSON_BYTES)
        return json.loads(text, object_pairs_hook=record, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deeply to be one of our files") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: is not valid JSON ({error.msg})") from error
    except _RefusedError as error:
        raise InputError(f"{path}: {error}") from error
    except InputError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path}: holds a value that cannot be read ({error})") from error


class _RefusedError(ValueError):
    pass


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise _RefusedError(f"the key {key!r} stands twice in one object")
        record[key] = value
    return record


def _refuse_constant(name: str) -> None:
    raise _RefusedError(f"holds {name}, which JSON does not have")


def write_json(path: str | Path, content: object, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Write a JSON file, complete or not at all."""
    with staged_file(path, overwrite=overwrite, inputs=inputs) as work:
        save_json(work, content)


def save_json(path: Path, content: object) -> None:
    """Write JSON into a work file; an artefact of ours gets the fingerprint of its own content."""
    if isinstance(content, Mapping) and "hectares" in content:
        content = {**content, SELF: fingerprint(_without(content, SELF))}
    path.write_text(dump_json(content, indent=1) + "\n", encoding="utf-8")


def check_record(target: Path, kind: str, *, of: Path | None = None) -> None:
    """Refuse to replace a record of another kind: tables and polygons of one name share the JSON beside them.

    With `of`, a file whose name the record holds under its kind, refuse to replace that of another file too.
    """
    try:
        content = read_json(target) if target.is_file() else None
    except InputError:
        return  # no record of ours
    found = content.get("hectares") if isinstance(content, dict) else None
    other = content.get(kind) if isinstance(content, dict) and found == kind else None
    if of is not None and isinstance(other, str) and other != of.name and of.with_name(other).is_file():
        raise ArtefactError(
            f"{target}: is the record of {other}, and that of {of.name} would replace it; choose a name that differs "
            f"before the suffix, like {of.stem}-{of.suffix[1:]}{of.suffix}, or give --overwrite to lose that record"
        )
    if isinstance(found, str) and found != kind:
        raise ArtefactError(
            f"{target}: is a record of the kind {found!r}, and one of the kind {kind!r} would replace it; choose "
            "another name for the result, or move the old files away"
        )


def is_as_saved(path: Path) -> bool | None:
    """Tell if a JSON artefact is what `save_json` wrote, to the byte; None if it holds no fingerprint of its own."""
    content = read_json(path)
    if not isinstance(content, dict):
        return None
    if SELF not in content:  # it may stand there under a name that is damaged
        digests = (k for k, v in content.items() if isinstance(v, str) and len(v) == _DIGITS)
        return False if any(fingerprint(_without(content, k)) == content[k] for k in digests) else None
    written = dump_json(content, indent=1) + "\n"
    return fingerprint(_without(content, SELF)) == content[SELF] and path.read_bytes() == written.encode()


def _without(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in content.items() if k != key}


def save_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV into a work folder."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(v) for v in row] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"}:
        return f"'{value}"  # a class named "=1+1" stays a name in a spreadsheet
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def stamp(kind: str, *, config: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    """Give the head of an artefact: what it is, what wrote it, from what, and how.

    `inputs` maps names of files to their SHA-256. There is no clock in it: the same work gives the same bytes.
    """
    return {
        "hectares": kind,
        "schema": SCHEMA,
        "version": __version__,
        "python": platform.python_version(),
        "config": plain(config),
        "inputs": dict(inputs),
    }


def read_artefact(path: Path, kind: str) -> dict[str, Any]:
    """Read the JSON of an artefact and check that it is of the expected kind and of a version we know."""
    content = read_json(path)
    found = content.get("hectares") if isinstance(content, dict) else None
    if found != kind:
        raise ArtefactError(f"{path}: is {found or 'not an artefact of hectares'}; expected {kind}")
    if content.get("schema", 0) > SCHEMA:
        raise ArtefactError(
            f"{path}: was written by hectares {content.get('version')} in layout {content['schema']}; "
            f"this version reads up to {SCHEMA}: update hectares"
        )
    return _without(content, SELF)
