"""When a scene was taken: by its tags, a JSON beside it, or its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from hectares.errors import InputError
from hectares.io.artefact import read_json
from hectares.io.rasters.scenes import SceneFile
from hectares.io.remote import RemotePath
from hectares.io.stac import acquired_at

_MAX_BYTES = 2**20
_FIRST_YEAR = 1930
_IN_NAME = (
    re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)[T_](\d\d)(\d\d)(\d\d)(?!\d)"),  # Sentinel, PlanetScope
    re.compile(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)(?!\d)"),  # Landsat
)
_JSON_KEYS = ("datetime", "acquired", "start_datetime")


@dataclass(frozen=True, slots=True)
class Acquired:
    """A date, and where it was found."""

    when: str
    """`2023-06-01T10:46:29Z`, or the day alone where no more is known; or two of them with / between."""
    source: str
    """tags, json, name, or item: of STAC."""

    @classmethod
    def of_scene(cls, scene: SceneFile) -> Acquired | None:
        """Give the date of a scene: that of the first of its files that tells; None if none does."""
        return cls.of_files(scene.paths, scene.all_tags)

    @classmethod
    def of_files(cls, paths: Sequence[Path], tags: Sequence[Mapping[str, str]]) -> Acquired | None:
        """Give the date of files with these tags; tags count more than a JSON, and this more than a name."""
        found = [(acquired_at(each), "tags") for each in tags]
        found += [(_in_json(path), "json") for path in paths]
        found += [(date_in_name(path.name), "name") for path in paths]
        found += [(_in_product(path), "name") for path in paths]
        return next((cls(when, source) for when, source in found if when is not None), None)


def date_in_name(name: str) -> str | None:
    """Read a date from the name of a file, with the time if it is there; the first of several counts.

    >>> date_in_name("T31UES_20230601T104629_B04.jp2"), date_in_name("LC08_L2SP_198024_20230601_20230607_02_T1.tif")
    ('2023-06-01T10:46:29Z', '2023-06-01')
    >>> date_in_name("map_2023.tif") is date_in_name("roof_98765432.tif") is None
    True
    """
    for pattern in _IN_NAME:
        for found in pattern.finditer(name):
            numbers = [int(group) for group in found.groups()]
            try:
                moment = datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]  # three or six numbers
            except ValueError:
                continue
            if _FIRST_YEAR <= moment.year < 2100:
                return f"{moment:%Y-%m-%dT%H:%M:%S}Z" if len(numbers) > 3 else f"{moment:%Y-%m-%d}"
    return None


def _in_product(path: Path) -> str | None:
    """Read the name of the product that a file is in: a folder .SAFE of Sentinel, or that of a file on the network."""
    folder = next((p for p in path.parents if p.suffix.upper() == ".SAFE"), None)
    if folder is None and isinstance(path, RemotePath):
        folder = path.parent
    return None if folder is None else date_in_name(folder.name)


def _in_json(path: Path) -> str | None:
    """Read a STAC item, or metadata of that kind, beside a file: `scene.json`, or `scene.tif.json`."""
    for beside in (path.with_suffix(".json"), path.with_name(f"{path.name}.json")):
        try:
            if not beside.is_file() or beside.stat().st_size > _MAX_BYTES:
                continue
            content = read_json(beside)
        except (InputError, OSError):
            continue
        properties = content.get("properties", content) if isinstance(content, dict) else None
        if isinstance(properties, dict):
            return moment_of(properties)
    return None


def moment_of(properties: Mapping[str, object]) -> str | None:
    """Give the date among the properties of a STAC item, as STAC writes it in UTC.

    >>> moment_of({"datetime": "2023-06-01T12:46:29.024+02:00"}), moment_of({"acquired": "2023-06-01"})
    ('2023-06-01T10:46:29Z', '2023-06-01')
    """
    for key in _JSON_KEYS:
        text = properties.get(key)
        if not isinstance(text, str):
            continue
        try:
            if len(text) == len("2023-06-01"):
                return date.fromisoformat(text).isoformat()
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        moment = moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment.astimezone(UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    return None
