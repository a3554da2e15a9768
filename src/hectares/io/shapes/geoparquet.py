"""GeoParquet, read through pyarrow: the wheels of the vector library have no driver for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from hectares.errors import MissingExtraError, VectorError
from hectares.io.shapes.raw_layer import RawLayer

DEFAULT_CRS = "OGC:CRS84"
"""Source: GeoParquet 1.1, `crs`: longitude and latitude if the key is absent."""


def read_geoparquet(path: Path, *, columns: Sequence[str] | None = None) -> RawLayer:
    """Read the primary geometry of a GeoParquet file with all attributes or only some; ids count rows from 0.

    Raises MissingExtraError without pyarrow, VectorError if the file has no geometry in well-known binary.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            f"{path}: reading Parquet needs pyarrow; install it with: pip install 'hectares[parquet]'"
        ) from None
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            primary, about = _geometry(path, schema.metadata or {}, schema.names)
            fields = tuple(
                f.name for f in schema if f.name != primary and not pa.types.is_nested(f.type) and not _is_binary(pa, f)
            )
            wanted = [name for name in fields if columns is None or name in columns]
            table = file.read(columns=[primary, *wanted])
    except (pa.ArrowException, OSError) as error:
        raise VectorError(f"{path}: is damaged ({str(error).splitlines()[0]}); copy or download it again") from error
    wkb = np.empty(table.num_rows, dtype=object)
    wkb[:] = table.column(primary).to_pylist()
    read = {name: tuple(map(_plain, table.column(name).to_pylist())) for name in wanted}
    return RawLayer(path.stem, _crs(path, about), wkb, tuple(range(table.num_rows)), fields, read)


def _is_binary(pa: Any, column: Any) -> bool:
    return bool(pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type))


def _geometry(path: Path, metadata: Mapping[bytes, bytes], names: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    """Find the primary geometry and what the file says of it."""
    if b"geo" not in metadata:
        raise VectorError(f"{path}: is Parquet without `geo` metadata; write it as GeoParquet (geopandas, ogr2ogr)")
    try:
        geo = json.loads(metadata[b"geo"])
        primary = geo["primary_column"]
        about = geo["columns"][primary]
        encoding = about["encoding"]
    except (ValueError, KeyError, TypeError) as error:
        raise VectorError(f"{path}: its `geo` metadata is damaged ({error!r}); write it again as GeoParquet") from error
    if primary not in names:
        raise VectorError(f"{path}: its geometry column {primary!r} is missing; it has {', '.join(names)}")
    if encoding != "WKB":
        raise VectorError(f"{path}: its geometries are encoded as {encoding!r}; write them as WKB")
    return primary, about


def _crs(path: Path, about: Mapping[str, Any]) -> str | None:
    if "crs" not in about:
        return DEFAULT_CRS
    if about["crs"] is None:
        return None
    try:
        return str(pyproj.CRS.from_json_dict(about["crs"]).to_wkt())
    except (pyproj.exceptions.CRSError, TypeError, ValueError) as error:
        raise VectorError(f"{path}: its CRS is no PROJJSON; write it again as GeoParquet") from error


def _plain(value: Any) -> Any:
    """Give numbers and text as they are, NaN as null, and everything else as text."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if value is None or isinstance(value, (str, int)) else str(value)
