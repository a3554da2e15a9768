"""Tiny copies of the layouts of SpaceNet 1, 2 and 7."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import shapely
from affine import Affine

from factory import save_raster
from layouts.vectors import moved, write_geojson

RIO = Affine(4.5e-6, 0, -43.7732462563, 0, -4.5e-6, -22.9214851954)
MERCATOR = Affine(4.777, 0, -9_000_000, 0, -4.777, 3_000_000)
SITES = ("L15-0331E-1257N_1327_3160_13", "L15-0566E-1185N_2265_3451_13")
MONTHS = ("2018_01", "2018_02", "2019_11")


def _image(path: Path, bands: int, shape: tuple[int, int], transform: Affine, crs: str, dtype: str = "uint8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first = zlib.crc32(path.name.encode())  # no two images are alike
    image = (first + np.arange(bands * shape[0] * shape[1])).reshape(bands, *shape) % 200 + 1
    save_raster(path, image.astype(dtype), transform=transform, crs=crs)


def _house(transform: Affine, row: int, col: int, row_end: int, col_end: int) -> shapely.Polygon:
    (west, north), (east, south) = transform @ (col, row), transform @ (col_end, row_end)
    return shapely.box(west, south, east, north)


def write_spacenet1(folder: Path) -> Path:
    """Write four training images, of which two have no building (one as an empty file), and two test images."""
    train = folder / "SN1_buildings" / "train"
    for n in (1, 2, 10, 3):
        _image(train / "3band" / f"3band_AOI_1_RIO_img{n}.tif", 3, (6, 8), RIO, "EPSG:4326")
        eight = RIO @ Affine.scale(2)
        _image(train / "8band" / f"8band_AOI_1_RIO_img{n}.tif", 8, (3, 4), eight, "EPSG:4326", "uint16")
        label = train / "geojson" / f"Geo_AOI_1_RIO_img{n}.geojson"
        write_geojson(label, [(_house(RIO, 1, 2, 3, 6), {"OBJECTID": n})] if n != 1 else [])
    (train / "geojson" / "Geo_AOI_1_RIO_img3.geojson").write_bytes(b"")
    for n in (1, 2):
        _image(folder / "SN1_buildings" / "test" / "3band" / f"3band_AOI_1_RIO_img{n}.tif", 3, (6, 8), RIO, "EPSG:4326")
    return folder


def write_spacenet2(folder: Path) -> Path:
    """Write two cities whose images have the same numbers."""
    for number, city in ((2, "Vegas"), (5, "Khartoum")):
        place = folder / f"AOI_{number}_{city}_Train"
        for n in (1, 12):
            name = f"AOI_{number}_{city}_img{n}"
            for kind, bands, scale in (
                ("RGB-PanSharpen", 3, 1),
                ("MUL-PanSharpen", 8, 1),
                ("MUL", 8, 4),
                ("PAN", 1, 1),
            ):
                shape = (8 // scale, 12 // scale)
                path = place / kind / f"{kind}_{name}.tif"
                _image(path, bands, shape, RIO @ Affine.scale(scale), "EPSG:4326", "uint16")
            house = _house(RIO, 1, 1, 3, 1 + number)
            cut = shapely.LineString([(0, 0), (0, 1)])
            shapes = [(house, {"HGT": 3.5}), (cut, {"HGT": 0.0})] if n == 12 else [(house, {"HGT": 3.5})]
            write_geojson(place / "geojson" / "buildings" / f"buildings_{name}.geojson", shapes)
    return folder


def write_spacenet7(folder: Path) -> Path:
    """Write two sites over three months; labels are in degrees, images in Web Mercator with an alpha band."""
    for s, site in enumerate(SITES):
        for month in MONTHS:
            name = f"global_monthly_{month}_mosaic_{site}"
            for kind in ("images", "images_masked"):
                _image(folder / "train" / site / kind / f"{name}.tif", 4, (10, 10), MERCATOR, "EPSG:3857")
            house = moved([_house(MERCATOR, 2, 2 + s, 5, 7)], "EPSG:4326", "EPSG:3857")[0]
            for kind in ("labels", "labels_match"):
                write_geojson(folder / "train" / site / kind / f"{name}_Buildings.geojson", [(house, {"Id": 1})])
            write_geojson(folder / "train" / site / "labels" / f"{name}_UDM.geojson", [])
    _image(folder / "test_public" / SITES[0] / "images_masked" / f"global_monthly_2018_01_mosaic_{SITES[0]}.tif",
           4, (10, 10), MERCATOR, "EPSG:3857")  # fmt: skip
    return folder
