"""The one door for vector files: what kind they are is told by their bytes, and only that driver opens them.

Nothing is written beside an input, nothing that it refers to is followed: no other file, no URL.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyogrio
import pyogrio.util
from numpy.typing import NDArray

from hectares.errors import VectorError
from hectares.io.file_kind import impostor, local_file, unreadable
from hectares.io.shapes.raw_layer import RawLayer
from hectares.monitor import Problem

VectorKind = Literal["GPKG", "ESRI Shapefile", "FlatGeobuf", "GeoJSON", "Parquet"]
SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet", ".geoparquet")
_EXPECTED = "a GeoPackage, GeoJSON, Shapefile, FlatGeobuf or GeoParquet"
_GPKG_IDS = {b"GPKG", b"GP10", b"GP11"}
_OTHERS = {
    b"<ogrvrtdatasource": ("a VRT, which refers to other files", "write it out with `ogr2ogr out.gpkg FILE`"),
    b"<kml": ("KML", "save it as a GeoPackage: `ogr2ogr out.gpkg FILE`"),
    b"<?xml": ("XML (KML, GML, GPX ...)", "save it as a GeoPackage: `ogr2ogr out.gpkg FILE`"),
    b"<gml:": ("GML", "save it as a GeoPackage: `ogr2ogr out.gpkg FILE`"),
    b"pk\x03\x04": ("a zip archive", "unpack it first"),
    b"\x1f\x8b": ("compressed with gzip", "unpack it first"),
}


@dataclass(frozen=True)
class _Target:
    """What is handed to the library: the driver is fixed by bytes or prefix before it sees the file."""

    path: Path
    kind: VectorKind
    name: str
    options: Mapping[str, str] = field(default_factory=dict)


def sniff_vector(path: Path) -> VectorKind:
    """Tell what kind of vector file this is. Raises VectorError saying what it is instead, and the way out."""
    path = local_file(path, expected=_EXPECTED, refusal=VectorError)
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise VectorError(f"{path}: {unreadable(error)}") from error
    if head.startswith(b"SQLite format 3\x00"):
        return _geopackage(path, head)
    if head.startswith(b"fgb") and head[4:7] == b"fgb":
        return "FlatGeobuf"
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(b"\x00\x00\x27\x0a"):
        return _shapefile(path)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"{"):
        return "GeoJSON"
    if path.suffix.lower() in {".dbf", ".shx", ".prj"}:
        raise VectorError(f"{path}: is a part of a Shapefile; give its .shp")
    for start, (what, remedy) in _OTHERS.items():
        if text.startswith(start) or (start[:1] == b"<" and start in text):
            raise VectorError(f"{path}: is {what}, which is not read; {remedy}")
    raise VectorError(
        f"{path}: cannot be read as a vector file: it {impostor(head, 'vector file')}; expected {_EXPECTED}"
    )


def _geopackage(path: Path, head: bytes) -> VectorKind:
    journal = path.with_name(path.name + "-journal")
    if journal.exists() and journal.stat().st_size:
        raise VectorError(f"{path}: is being written ({journal.name} is there); try again when that is finished")
    if head[68:72] not in _GPKG_IDS and path.suffix.lower() != ".gpkg":
        raise VectorError(f"{path}: is an SQLite database but no GeoPackage; save it as one: `ogr2ogr out.gpkg FILE`")
    return "GPKG"


def _shapefile(path: Path) -> VectorKind:
    """Check that the parts of a Shapefile are there, and are files."""
    beside = {p.name.lower(): p for p in path.parent.iterdir() if p.stem == path.stem}
    missing = [s for s in (".shx", ".dbf") if path.with_suffix(s).name.lower() not in beside]
    if missing:
        holds = {".shx": "the index", ".dbf": "the attributes"}
        raise VectorError(
            f"{path}: lacks {' and '.join(f'{path.stem}{s} ({holds[s]})' for s in missing)}; "
            "a Shapefile is several files of one name: copy them all"
        )
    for part in beside.values():
        if part.suffix.lower() in {".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn"}:
            local_file(part, expected="a part of a Shapefile", refusal=VectorError)
    return "ESRI Shapefile"


@contextmanager
def _opened(path: Path, kind: VectorKind) -> Iterator[_Target]:
    whole = path.resolve()
    if kind == "GeoJSON":  # the prefix pins the driver: JSON may hold the text of a VRT
        yield _Target(path, kind, f"GeoJSON:{whole}")
        return
    if pyogrio.util.vsi_path(str(whole)) != str(whole):
        raise VectorError(f"{path}: ! ; ? and .zip in a path mean something else to the vector library; rename it")
    if kind != "GPKG":
        yield _Target(path, kind, str(whole))
        return
    # A database in WAL mode would get files beside it as soon as it is opened, unless it is said to be immutable.
    log = path.with_name(path.name + "-wal")
    if not (log.is_file() and log.stat().st_size):
        yield _Target(path, kind, str(whole), {"IMMUTABLE": "YES"})
        return
    with tempfile.TemporaryDirectory() as folder:  # another program has it open: its latest changes are in the log
        copy = Path(folder) / "copy.gpkg"
        shutil.copyfile(whole, copy)
        shutil.copyfile(log, copy.with_name("copy.gpkg-wal"))
        yield _Target(path, kind, str(copy))


def read_vector(path: Path, *, layer: str | None = None, columns: Sequence[str] | None = None) -> RawLayer:
    """Read a layer of a vector file, with all attributes or only some.

    Raises VectorError if it is no vector file, damaged, or has several layers and none is named.
    """
    kind = sniff_vector(path)
    if any("\udc80" <= letter <= "\udcff" for letter in str(path.resolve())):
        raise VectorError(f"{path}: the name of the file or of its folder is not UTF-8; rename it")
    if kind == "Parquet":
        from hectares.io.shapes.geoparquet import read_geoparquet

        return read_geoparquet(path, columns=columns)
    try:
        with _opened(path, kind) as target, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = _read(target, layer, columns)
    except UnicodeDecodeError as error:
        raise VectorError(
            f"{path}: holds text that is not {error.encoding.upper()} ({error.object[:20]!r}); save it as UTF-8"
        ) from error
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FeatureError) as error:
        raise VectorError(f"{path}: cannot be read as a vector file ({error})") from error
    except (sqlite3.DatabaseError, OSError) as error:
        if "Could not decode" in str(error):
            raise VectorError(
                f"{path}: holds a layer whose name is not UTF-8; rename it, or save it as UTF-8"
            ) from error
        raise VectorError(f"{path}: is damaged ({error}); copy or download it again") from error
    told = {str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)}
    notes = tuple(Problem(str(path), text, "it is read all the same") for text in sorted(told))
    return RawLayer(**(vars(found) | {"notes": notes}))


def read_records(path: Path, table: str) -> list[dict[str, Any]]:
    """Read a table without geometry of a GeoPackage, row by row. Raises VectorError if there is none of this name."""
    kind = sniff_vector(path)
    if kind != "GPKG":
        raise VectorError(f"{path}: is no GeoPackage, so it has no table {table!r}")
    try:
        with _opened(path, kind) as target:
            mode = "immutable=1" if target.options else "mode=ro"
            with closing(sqlite3.connect(f"{Path(target.name).as_uri()}?{mode}", uri=True)) as database:
                names = {row[0] for row in database.execute("SELECT table_name FROM gpkg_contents")}
                if table not in names:
                    raise VectorError(f"{path}: has no table {table!r}; it has {', '.join(sorted(names)) or 'none'}")
                quoted = table.replace('"', '""')
                rows = database.execute(f'SELECT * FROM "{quoted}" ORDER BY rowid')  # noqa: S608 - quoted, and known
                header = [column[0] for column in rows.description]
                return [dict(zip(header, row, strict=True)) for row in rows]
    except (sqlite3.DatabaseError, OSError) as error:
        raise VectorError(f"{path}: is damaged ({error}); copy or download it again") from error


def _read(target: _Target, layer: str | None, columns: Sequence[str] | None) -> RawLayer:
    name = _choose(target, layer)
    info = pyogrio.read_info(target.name, layer=name, **target.options)
    if info["driver"] != target.kind:
        raise VectorError(f"{target.path}: is opened by {info['driver']}, but it looks like {target.kind}")
    meta, ids, wkb, values = pyogrio.raw.read(
        target.name, layer=name, columns=columns, force_2d=True, return_fids=True, **target.options
    )
    kinds = zip(meta["fields"], values, meta["ogr_types"], strict=True)
    read = {str(name): _plain(array, ogr_type) for name, array, ogr_type in kinds}
    if wkb is None:
        raise VectorError(f"{target.path}: layer {name!r} has no geometry")
    return RawLayer(name, meta["crs"], wkb, tuple(ids.tolist()), tuple(map(str, info["fields"])), read)


def _choose(target: _Target, layer: str | None) -> str:
    if target.kind == "GPKG":
        # Not by the library, which cannot be told here that the database is immutable.
        mode = "immutable=1" if target.options else "mode=ro"
        with closing(sqlite3.connect(f"{Path(target.name).as_uri()}?{mode}", uri=True)) as database:
            rows = database.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'features'")
            names = [str(row[0]) for row in rows]
    else:
        names = [str(name) for name, kind in pyogrio.list_layers(target.name) if kind is not None]
    if layer is not None and layer not in names:
        raise VectorError(
            f"{target.path}: layer {layer!r} cannot be read: the file holds {', '.join(names) or 'no layers'}"
        )
    if not names:
        raise VectorError(f"{target.path}: has no layer with geometries; is it complete?")
    if layer is None and len(names) > 1:
        raise VectorError(f"{target.path}: holds the layers {', '.join(names)}; name one as FILE:LAYER")
    return names[0] if layer is None else layer


def _plain(values: NDArray[Any], ogr_type: str) -> tuple[Any, ...]:
    """Give attributes as Python values; the library gives whole numbers with nulls as floats with NaN."""
    if values.dtype.kind == "f":
        whole = ogr_type.startswith("OFTInteger")
        return tuple(None if math.isnan(v) else int(v) if whole else v for v in values.tolist())
    if values.dtype.kind == "M":
        return tuple(None if v == "NaT" else v for v in np.datetime_as_string(values).tolist())
    if values.dtype.kind == "O":
        return tuple(v if v is None or isinstance(v, str) else str(v) for v in values.tolist())
    return tuple(values.tolist())
