"""A STAC item as a scene: the files of its assets that hold the bands a segmenter takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from hectares.core.band_roles import role_of
from hectares.errors import BandError, InputError, RasterError
from hectares.io.acquired import Acquired, moment_of
from hectares.io.artefact import read_json
from hectares.io.remote import RemotePath, fetch_text, is_remote, remote_path

_MAX_BYTES = 2**23
_PICTURES = {"overview", "thumbnail", "visual"}
"""Roles of what is made to be looked at: its values are not those that were measured."""
_RASTERS = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff", "image/geotiff")


def is_item(name: str | Path) -> bool:
    """Tell if a scene is named by a STAC item.

    >>> is_item("https://a.org/items/S2A.json?x=1"), is_item("scene.tif")
    (True, False)
    """
    return str(name).partition("?")[0].lower().endswith((".json", ".geojson"))


def item_files(path: Path, bands: Sequence[str]) -> list[Path]:
    """Give the files of the assets of an item that hold these bands, in their order, each once.

    Assets are found by their key and the names of their bands, or else by what these measure. A local
    item may name files in its own folder, and any item files on the network; nothing else is followed.
    Raises BandError if a band is not there, InputError if the file is no item.
    """
    assets = {k: a for k, a in _read(path)["assets"].items() if isinstance(a, dict) and _is_raster(a)}
    names = {key: _names(key, asset) for key, asset in assets.items()}
    wanted = {band.lower() for band in bands}
    whole = next((k for k, words in names.items() if wanted <= {w.lower() for w in words}), None)
    chosen = [whole] if whole is not None else [_asset_of(band, bands, names, path) for band in bands]
    return [_file(path, str(assets[key]["href"])) for key in dict.fromkeys(chosen)]


def item_date(path: Path) -> Acquired | None:
    """Give when the scene of an item was taken, as it says."""
    properties = _read(path).get("properties")
    when = moment_of(properties) if isinstance(properties, dict) else None
    return None if when is None else Acquired(when, "item")


def _read(path: Path) -> dict[str, Any]:
    if isinstance(path, RemotePath):
        try:
            item = json.loads(fetch_text(path, _MAX_BYTES))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: is no JSON ({error})") from error
    else:
        item = read_json(path)
    if not (isinstance(item, dict) and item.get("type") == "Feature" and isinstance(item.get("assets"), dict)):
        raise InputError(f"{path}: is no STAC item: expected a Feature with assets")
    return item


def _is_raster(asset: Mapping[str, Any]) -> bool:
    href, kind = asset.get("href"), str(asset.get("type", ""))
    roles = asset.get("roles") or ()
    if not isinstance(href, str) or any(role in _PICTURES for role in roles):
        return False
    named = href.partition("?")[0].lower().endswith((".tif", ".tiff", ".jp2"))
    return kind.startswith(_RASTERS) or (not kind and named)


def _names(key: str, asset: Mapping[str, Any]) -> list[str]:
    """Give the words that tell what is in an asset: its key, and the names of its bands."""
    found = []
    for band in (*_records(asset.get("eo:bands")), *_records(asset.get("bands"))):
        found += [band.get("name"), band.get("common_name"), band.get("eo:common_name")]
    words = [str(word) for word in found if word] + ([key] if len(found) <= 3 else [])
    return list(dict.fromkeys(words))


def _records(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _asset_of(band: str, bands: Sequence[str], names: Mapping[str, Sequence[str]], path: Path) -> str:
    """Find the asset of one band."""
    exact = [key for key, words in names.items() if band.lower() in [w.lower() for w in words]]
    role = role_of(band, bands)
    alike = [key for key, words in names.items() if role is not None and any(role_of(w, words) == role for w in words)]
    for found in (exact, alike):
        if found:
            return found[0]
    listed = ", ".join(names) or "none"
    raise BandError(f"{path}: has no asset with band {band}; its assets with images are {listed}")


def _file(item: Path, href: str) -> Path:
    if is_remote(href):
        return remote_path(href)
    if isinstance(item, RemotePath):
        found = urljoin(item.url, href)
        if not is_remote(found):
            raise RasterError(f"{item}: names {href[:120]}, which is not on the network; it is not followed")
        return remote_path(found)
    home = item.resolve().parent
    file = (home / href).resolve()
    if not file.is_relative_to(home):
        raise RasterError(f"{item}: names {href[:120]}, which is not in its folder; it is not followed")
    return file
