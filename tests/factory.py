"""What tests are made of: raster files of every kind, and a monitor that remembers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from hectares.io.catalog import CatalogScene, ImageFile, RasterLabel
from hectares.io.chips.store import ChipStore
from hectares.monitor import Problem

Nodata = Literal["tag", "alpha", "mask", "nan"]
WriteRaster = Callable[..., Path]

UTM = Affine(10, 0, 500_120, 0, -10, 5_000_370)
"""Pixels of 10 m, off the origin; for EPSG:32633."""
_DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".png": "PNG", ".jpg": "JPEG", ".jp2": "JP2OpenJPEG"}


def save_raster(
    path: Path,
    image: np.ndarray,
    *,
    crs: str | None = "EPSG:32633",
    transform: Affine | None = UTM,
    rotation_deg: float = 0,
    nodata: float | None = None,
    valid: np.ndarray | None = None,
    valid_as: Nodata = "tag",
    palette: Mapping[int, Sequence[int]] | None = None,
    names: Sequence[str] = (),
    colors: Sequence[ColorInterp] = (),
    **profile: object,
) -> None:
    """Write an image with rasterio.

    `valid` says where the image was observed, `valid_as` how the file says so: by the nodata value, an alpha
    band, an internal mask, or NaN. PNG and JPEG are written without a place.
    """
    image = image[None] if image.ndim == 2 else image
    if path.suffix != ".tif":
        crs = transform = None
    if transform is not None:
        transform = transform @ Affine.rotation(rotation_deg)
    if valid is not None and valid_as == "tag":
        assert nodata is not None
        image = np.where(valid, image, np.array(nodata, image.dtype))
    if valid is not None and valid_as == "nan":
        image = np.where(valid, image, np.array(np.nan, image.dtype))
    if valid is not None and valid_as == "alpha":
        image = np.concatenate([image, np.where(valid, 255, 0)[None].astype(image.dtype)])
    count, height, width = image.shape
    head = {"count": count, "height": height, "width": width, "dtype": image.dtype.name}
    head |= {"driver": _DRIVERS[path.suffix], "crs": crs, "nodata": nodata}
    if transform is not None:
        head["transform"] = transform
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES", GDAL_PAM_ENABLED="NO"),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **(head | profile)) as dataset:
            if colors:
                dataset.colorinterp = list(colors)
            elif valid_as == "alpha" and valid is not None:
                plain = [ColorInterp.gray] if count == 2 else [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
                dataset.colorinterp = [*plain, ColorInterp.alpha]
            if palette is not None:
                dataset.write_colormap(1, {code: tuple(color) for code, color in palette.items()})
            dataset.write(image)
            for number, name in enumerate(names, start=1):
                dataset.set_band_description(number, name)
            if valid is not None and valid_as == "mask":
                dataset.write_mask(valid)


def plain_scene(name: str, image: Path, label: Path | None, group: str, split: str | None = None) -> CatalogScene:
    """Give a catalog entry of one image file and one label raster."""
    return CatalogScene(name, (ImageFile(image),), None if label is None else RasterLabel(label), group, split)


@dataclass(frozen=True, eq=False)
class AllChips:
    """All chips of a split as arrays."""

    images: np.ndarray
    valid: np.ndarray
    labels: np.ndarray


def all_chips(store: ChipStore, split: str) -> AllChips:
    """Read all chips of a split."""
    reader = store.chips(split)
    read = [reader.read(n) for n in range(len(reader))]
    return AllChips(*(np.stack(part) for part in zip(*((c.image, c.valid, c.label) for c in read), strict=True)))


class Notes:
    """A monitor that remembers."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.stages: list[str] = []

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Remember the stage."""
        self.stages.append(stage)

    def problem(self, problem: Problem) -> None:
        """Remember the problem."""
        self.problems.append(problem)

    def raise_if_stopped(self) -> None:
        """Never stop."""
