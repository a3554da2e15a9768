"""GeoParquet of polygons, written batch by batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.grid import parse_crs
from hectares.errors import MissingExtraError

_VERSION = "1.1.0"


class ParquetPolygons:
    """A GeoParquet file that is being written. Raises MissingExtraError without pyarrow."""

    def __init__(self, path: Path, crs: str | None) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError(
                f"{path.suffix}: writing Parquet needs pyarrow; install it with: pip install 'hectares[parquet]'"
            ) from None
        self._pa, self._pq = pa, pq
        self._path = path
        self._crs = crs
        self._writer: Any = None

    def add(self, polygons: NDArray[np.object_], columns: Mapping[str, NDArray[Any]]) -> None:
        """Add polygons with their attributes."""
        pa = self._pa
        arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
        arrays["geometry"] = pa.array(shapely.to_wkb(polygons).tolist(), pa.binary())
        table = pa.table(arrays)
        if self._writer is None:
            schema = table.schema.with_metadata({"geo": json.dumps(self._about(), sort_keys=True)})
            self._writer = self._pq.ParquetWriter(self._path, schema, compression="zstd")
        self._writer.write_table(table.cast(self._writer.schema))

    def _about(self) -> dict[str, Any]:
        """Say what the geometries are. Their bounds are left out: they are known at the end, and this stands first."""
        crs = None if self._crs is None else parse_crs(self._crs).to_json_dict()
        about = {"encoding": "WKB", "geometry_types": ["Polygon"], "orientation": "counterclockwise", "crs": crs}
        return {"version": _VERSION, "primary_column": "geometry", "columns": {"geometry": about}}

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @staticmethod
    def read_codes(path: Path) -> NDArray[np.int64]:
        """Read the field `class_id` of a finished file."""
        import pyarrow.parquet as pq

        codes: NDArray[np.int64] = pq.read_table(path, columns=["class_id"]).column(0).to_numpy().astype(np.int64)
        return codes
