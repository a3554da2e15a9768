"""Files of polygons, written batch by batch: GeoPackage, FlatGeobuf, GeoJSON, GeoParquet, PMTiles and Shapefile.

Formats that cannot grow are made from a GeoPackage beside them, which goes away. No clock gets into a file: the
same polygons give the same bytes.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, GridError
from hectares.io.polygons.layer_style import GPKG_VERSION, add_style
from hectares.io.polygons.lonlat import LONLAT, LonLat
from hectares.io.polygons.polygon_parquet import ParquetPolygons
from hectares.io.rasters.style import qml_text
from hectares.monitor import Monitor, Problem

Geometries = NDArray[np.object_]
Columns = Mapping[str, NDArray[Any]]

DATE = "2000-01-01T00:00:00.000Z"
"""What the clock says in every file."""
_BATCH = 20_000
_DRIVERS = {
    ".gpkg": "GPKG",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".parquet": "Parquet",
    ".pmtiles": "PMTiles",
    ".shp": "ESRI Shapefile",
}
_WORLD = {".geojson", ".pmtiles"}
"""Always in longitude and latitude."""
_WITHOUT_STYLE = {".gpkg", ".pmtiles"}
"""One has it inside; what QGIS opens the other as reads no style of polygons."""
_SHORT = {"perimeter_m": "perim_m"}
"""Names that a Shapefile would cut at ten letters."""
_EQUATOR_M = 40_075_016.7
_TILE_PX = 4096


def check_suffix(path: Path) -> str:
    """Give the suffix of a file of polygons, in lower case. Raises ConfigError if it means no format."""
    suffix = path.suffix.lower()
    if suffix not in _DRIVERS:
        raise ConfigError(f"{path}: expected a name that ends in {', '.join(_DRIVERS)}")
    return suffix


def check_place(path: Path, grid: Grid) -> None:
    """Refuse formats of longitude and latitude for a map without a place."""
    if check_suffix(path) in _WORLD and not grid.is_georeferenced:
        raise GridError(
            f"{path}: holds longitude and latitude, but the map has no CRS; choose .gpkg or .fgb for pixel coordinates"
        )


def parts_of(path: Path, *, placed: bool) -> list[Path]:
    """Give all files that make up a file of polygons, the named one first."""
    if path.suffix.lower() != ".shp":
        return [path]
    suffixes = (".shp", ".shx", ".dbf", ".cpg", *((".prj",) if placed else ()))
    return [path.with_suffix(s) for s in suffixes]


def style_beside(path: Path, legend: Legend, monitor: Monitor) -> list[Path]:
    """Give the style to write beside polygons for QGIS: none where it is inside, or that of the map serves as well."""
    style = path.with_suffix(".qml")
    if not legend or path.suffix.lower() in _WITHOUT_STYLE:
        return []
    if not style.is_file():
        return [style]
    fits = style.read_bytes() == qml_text(legend).encode()
    of_map = style.with_suffix(".tif")
    if not fits and of_map.exists():
        what = "is the style of a raster of the same name, and stays"
        remedy = "QGIS shows the polygons in its colors, if it has any for them; or choose another name for them"
        monitor.problem(Problem(str(style), what, remedy, "note"))
    return [] if fits or of_map.exists() else [style]


def field_names(suffix: str, names: Sequence[str]) -> dict[str, str]:
    """Give the names that attributes have in a file of this suffix."""
    return {name: _SHORT.get(name, name) if suffix == ".shp" else name for name in names}


@dataclass(frozen=True)
class PolygonLayer:
    """What is the same for all polygons of a file."""

    name: str
    grid: Grid
    legend: Legend
    pixel_m: float


class PolygonFile:
    """A file of polygons that is being written."""

    def __init__(self, work: Path, suffix: str, layer: PolygonLayer) -> None:
        self._work, self._suffix, self._layer = work, suffix, layer
        self._named = f"{layer.name}{suffix}"
        self._count = 0
        self._grown = work if suffix == ".gpkg" else work.with_name(work.name + ".gpkg")
        self._lonlat = LonLat(layer.grid) if suffix in _WORLD else None
        self._held: list[tuple[Geometries, Columns]] = []
        self._is_new = True
        self._parquet = ParquetPolygons(work, layer.grid.crs) if suffix == ".parquet" else None

    @property
    def crs(self) -> str | None:
        """CRS of the file."""
        return LONLAT if self._lonlat else self._layer.grid.crs

    def add(self, polygons: Geometries, columns: Columns) -> None:
        """Add polygons in the CRS of the map, with one value of each attribute for each."""
        if self._lonlat is not None:
            polygons = self._lonlat(polygons)
        self._held.append((polygons, columns))
        self._count += len(polygons)
        if sum(len(p) for p, _ in self._held) >= _BATCH:
            self._write_held()

    def finish(self) -> None:
        """Complete the file."""
        if self._held or self._is_new:
            self._write_held()
        if self._parquet is not None:
            self._parquet.close()
        elif self._suffix == ".gpkg":
            if self._layer.legend:
                add_style(self._work, self._layer.name, self._layer.legend, DATE)
        else:
            self._convert()

    def discard(self) -> None:
        """Remove what lies beside the file while it grows."""
        if self._parquet is not None:
            self._parquet.close()
        for path in (self._grown, self._grown.with_name(self._grown.name + "-journal")):
            if path != self._work:
                path.unlink(missing_ok=True)

    def _write_held(self) -> None:
        polygons = np.concatenate([p for p, _ in self._held])
        columns = {name: np.concatenate([c[name] for _, c in self._held]) for name in self._held[0][1]}
        self._held = []
        if self._parquet is not None:
            self._parquet.add(polygons, columns)
        else:
            final = self._suffix == ".gpkg"
            names = field_names(self._suffix, list(columns))
            many = self._lonlat is not None and self._lonlat.may_cut
            with _gdal(self._named):
                pyogrio.raw.write(
                    self._grown,
                    geometry=shapely.to_wkb(polygons),
                    field_data=list(columns.values()),
                    fields=list(names.values()),
                    geometry_type="MultiPolygon" if many else "Polygon",
                    promote_to_multi=many,
                    crs=self.crs,
                    driver="GPKG",
                    layer=self._layer.name,
                    append=not self._is_new,
                    **(
                        {} if not self._is_new else {"SPATIAL_INDEX": "YES" if final else "NO", "VERSION": GPKG_VERSION}
                    ),
                )
        self._is_new = False

    def _convert(self) -> None:
        if self._suffix == ".pmtiles" and not self._count:
            raise ArtefactError(
                f"{self._named}: no polygon came out, and vector tiles cannot be empty; choose other classes, or .gpkg"
            )
        many = self._lonlat is not None and self._lonlat.may_cut
        with _gdal(self._named), pyogrio.raw.open_arrow(self._grown) as (about, stream):
            pyogrio.write_arrow(
                stream,
                self._work,
                driver=_DRIVERS[self._suffix],
                layer=self._layer.name,
                geometry_name=about["geometry_name"] or "geom",
                geometry_type="MultiPolygon" if many and self._suffix == ".pmtiles" else "Polygon",
                crs=self.crs,
                **self._options(),
            )
        self._grown.unlink()

    def _options(self) -> dict[str, str]:
        if self._suffix == ".geojson":
            return {"RFC7946": "YES", "COORDINATE_PRECISION": "9"}
        if self._suffix == ".pmtiles":
            low, high = zoom_levels(self._layer.grid, self._layer.pixel_m)
            return {"MINZOOM": str(low), "MAXZOOM": str(high), "NAME": self._layer.name, "MAX_SIZE": "5000000"}
        if self._suffix == ".shp":
            return {"ENCODING": "UTF-8", "DBF_DATE_LAST_UPDATE": DATE[:10]}
        return {}


def zoom_levels(grid: Grid, pixel_m: float) -> tuple[int, int]:
    """Give the coarsest and the finest zoom of vector tiles: the map in a quarter of a tile, and half a pixel as unit.

    >>> from affine import Affine
    >>> zoom_levels(Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (1000, 1000)), 10)
    (9, 11)
    """
    place = grid.center_lonlat
    around_m = _EQUATOR_M * math.cos(math.radians(min(85.0, abs(place[1] if place else 0.0))))
    fine = math.ceil(math.log2(around_m / (_TILE_PX * pixel_m / 2)))
    coarse = math.floor(math.log2(around_m / (max(grid.shape) * pixel_m))) - 2
    high = min(max(fine, 0), 16)
    return min(max(coarse, 0), high), high


def count_by_class(path: Path, suffix: str, layer: str, *, known: set[int]) -> dict[int, int]:
    """Read the codes of a finished file, and give the number of polygons of each.

    Raises ArtefactError if the file cannot be read back, or holds another class.
    """
    if suffix == ".parquet":
        codes = ParquetPolygons.read_codes(path)
    else:
        with _gdal(f"{layer}{suffix}"):
            named = layer if suffix == ".gpkg" else None  # a GeoPackage has its style as another layer
            read = pyogrio.raw.read(path, layer=named, columns=["class_id"], read_geometry=False)
            codes = np.asarray(read[3][0] if len(read[3]) else [])  # GeoJSON without features has no fields
    found, counts = np.unique(codes.astype(np.int64), return_counts=True)
    if not set(found.tolist()) <= known:
        raise ArtefactError(f"{path}: what was read back is not what was written; check the disk and run again")
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


@contextlib.contextmanager
def _gdal(name: str) -> Iterator[None]:
    """Stop the clock of the vector library, and turn its errors into sentences."""
    wanted: dict[str, str | None] = {"OGR_CURRENT_DATE": DATE, "OGR_GEOJSON_MAX_OBJ_SIZE": "0"}
    wanted["OGR_SQLITE_SYNCHRONOUS"] = "OFF"  # the finished file is flushed once, before it takes its name
    before = {option: pyogrio.get_gdal_config_option(option) for option in wanted}
    pyogrio.set_gdal_config_options(wanted)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # a map without a CRS is told about
            yield
    except (DataSourceError, DataLayerError) as error:
        raise ArtefactError(f"{name}: cannot be written ({error}); choose another name or format") from error
    finally:
        pyogrio.set_gdal_config_options(before)
