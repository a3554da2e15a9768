"""Places to look at, as points for a GIS or as a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataSourceError

from hectares.errors import ArtefactError, ConfigError
from hectares.io.outputs import staged_file

_DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".csv": "CSV"}
COLUMNS = ("check", "severity", "scene", "file", "what", "remedy", "row", "col", "lon", "lat")

Row = Mapping[str, str | int | float | None]


def check_places(path: Path) -> None:
    """Refuse a name whose suffix says nothing, before hours of work."""
    if path.suffix.lower() not in _DRIVERS:
        raise ConfigError(f"--places {path}: expected a name that ends in {', '.join(_DRIVERS)}")


def write_places(path: Path, rows: Sequence[Row], *, overwrite: bool) -> Path:
    """Write rows of `COLUMNS` as points in EPSG:4326, or as CSV; gives the name of the file.

    Where no row has a longitude there are no points: then a CSV of the same name takes their place.
    """
    check_places(path)
    if path.suffix.lower() == ".csv" or not any(row["lon"] is not None for row in rows):
        path = path.with_suffix(".csv")
        with (
            staged_file(path, overwrite=overwrite) as work,
            work.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([["" if row[c] is None else row[c] for c in COLUMNS] for row in rows])
        return path
    points = [None if row["lon"] is None else shapely.Point(row["lon"], row["lat"]) for row in rows]
    columns = [name for name in COLUMNS if name not in {"lon", "lat"}]
    with staged_file(path, overwrite=overwrite) as work:
        try:
            pyogrio.raw.write(
                work,
                geometry=shapely.to_wkb(np.array(points, dtype=object)),
                field_data=[_column(rows, name) for name in columns],
                fields=columns,
                geometry_type="Point",
                crs="EPSG:4326",
                driver=_DRIVERS[path.suffix.lower()],
                layer="places",
            )
        except (DataSourceError, UnicodeEncodeError) as error:
            raise ArtefactError(f"{path}: cannot be written ({error}); choose another name, or one of .csv") from error
    return path


def _column(rows: Sequence[Row], name: str) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    if name in {"row", "col"}:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)
    return np.array([row[name] for row in rows], dtype=object)
