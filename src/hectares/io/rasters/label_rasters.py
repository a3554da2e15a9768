"""Label rasters as files: a GeoTIFF of codes, and beside it a picture for people who look with an image viewer.

The picture is a PNG with a palette, its pixels the same codes. A world file places it where the place is known.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window as RioWindow

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, MAP_NODATA, Color, LandClass, Legend
from hectares.io.artefact import dump_json, stamp
from hectares.io.labels import PLANES_TAG
from hectares.io.outputs import staged_file
from hectares.io.rasters.class_map import LEGEND_TAG, PROVENANCE_TAG
from hectares.io.rasters.palette_png import NODATA_COLOR, PalettePng
from hectares.io.rasters.style import attribute_table_text, qml_text
from hectares.io.rasters.world_file import world_file_text

STRIP_PX = 512
_TILED_FROM_PX = 1024**2
_BIG_BYTES = 2**31


def binary_legend(land_class: LandClass) -> Legend:
    """Give the legend of a raster that tells one class from all others: code 1 and code 0, unknown 255.

    >>> binary_legend(LandClass(20, "water", (10, 20, 200))).names
    ('not water', 'water')
    """
    rest: Color = (255, 255, 255) if sum(land_class.color) < 3 * 128 else (0, 0, 0)
    name = land_class.name
    return Legend((LandClass(0, f"not {name}", rest), LandClass(1, name, land_class.color)), nodata=MAP_NODATA)


class LabelRaster:
    """A label raster that is written from top to bottom, complete or not at all; memory is that of a strip.

    `legend` is one for maps: its codes are written, 255 for what is not labelled, and it stands in the tags, so that
    the raster is a class map like one that was predicted. With `planes`, the raster has one band a class of 0, 1
    and 255, and no picture.
    """

    def __init__(self, stem: Path, grid: Grid, legend: Legend, *, planes: bool = False, picture: bool = True) -> None:
        """Begin the files `stem.tif` and, for people, `stem.png`, `stem.pgw` and what a GIS reads beside the raster."""
        self._stem, self._grid, self._legend, self._planes = stem, grid, legend, planes
        self._with_picture = picture and not planes
        self._placed = grid.is_georeferenced or not grid.transform.is_identity
        self._row = 0
        self._pixels = np.zeros(IGNORE + 1, np.int64)
        self._stack = ExitStack()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it consists of."""
        suffixes = [".tif"] + [".png"] * self._with_picture + [".pgw"] * (self._with_picture and self._placed)
        suffixes += [".qml", ".tif.aux.xml"] * self._with_picture
        return tuple(self._stem.with_name(self._stem.name + suffix) for suffix in suffixes)

    def write(self, strip: NDArray[np.uint8]) -> None:
        """Append a strip of class indices (h, W), 255 where not labelled; with planes (K, h, W) of 0, 1 and 255."""
        bands = strip if self._planes else self._legend.decode(strip)[None]
        height, width = bands.shape[1:]
        if self._with_picture:
            self._pixels += np.bincount(bands.ravel(), minlength=IGNORE + 1)
        self._tif.write(bands, window=RioWindow(0, self._row, width, height))
        if self._with_picture:
            self._png.write(bands[0])
        self._row += height

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            names = {p.suffix: stack.enter_context(staged_file(p, overwrite=True)) for p in self.files}
            self._side_cars = {suffix: names[suffix] for suffix in (".qml", ".xml") if suffix in names}
            if self._with_picture and self._placed:
                names[".pgw"].write_text(world_file_text(self._grid.transform), encoding="ascii")
            if self._with_picture:
                file = stack.enter_context(names[".png"].open("wb"))
                self._png = PalettePng(file, self._grid.shape, self._legend)
            stack.enter_context(rasterio.Env(GDAL_PAM_ENABLED="NO"))
            self._tif = stack.enter_context(self._open(names[".tif"]))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            assert self._row == self._grid.shape[0], f"{self._row} rows for a label of {self._grid.shape[0]}"
            if self._with_picture:
                self._png.finish()
            self._finish_side_cars()

    def _finish_side_cars(self) -> None:
        """Write names and counts, which a GIS reads."""
        if self._side_cars:
            pixels = dict(enumerate(self._pixels.tolist()))
            self._side_cars[".qml"].write_text(qml_text(self._legend), encoding="utf-8")
            self._side_cars[".xml"].write_text(attribute_table_text(self._legend, pixels), encoding="utf-8")

    def _open(self, path: Path) -> rasterio.io.DatasetWriter:
        height, width = self._grid.shape
        is_large = height * width >= _TILED_FROM_PX
        count = len(self._legend) if self._planes else 1
        profile = {
            "driver": "GTiff", "dtype": "uint8", "count": count, "height": height, "width": width,
            "nodata": MAP_NODATA, "crs": self._grid.crs, "compress": "DEFLATE", "photometric": "MINISBLACK",
            "bigtiff": "YES" if count * height * width > _BIG_BYTES else "IF_SAFER", "interleave": "band",
        }  # fmt: skip
        profile |= (
            {"tiled": True, "blockxsize": STRIP_PX, "blockysize": STRIP_PX}
            if is_large
            else {"blockysize": min(height, STRIP_PX)}
        )
        if self._placed:
            profile["transform"] = self._grid.transform
        with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
            dataset = rasterio.open(path, "w", **profile)
        if self._planes:
            dataset.descriptions = self._legend.names
            dataset.update_tags(**{PLANES_TAG: "yes"})
        else:
            colors = {c.code: (*c.color, 255) for c in self._legend.classes}
            dataset.write_colormap(1, colors | {MAP_NODATA: (*NODATA_COLOR, 0)})
            dataset.set_band_description(1, "class")
            tags = {LEGEND_TAG: self._legend.to_json(), PROVENANCE_TAG: stamp("reference", config={}, inputs={})}
            dataset.update_tags(**{name: dump_json(content) for name, content in tags.items()})
        return dataset
