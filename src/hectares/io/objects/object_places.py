"""Which objects were matched, missed and false, as polygons for a GIS or as a table."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataSourceError

from hectares.core.scoring.objects import NOTHING, ObjectScores, iou_of_matches
from hectares.errors import ArtefactError, ConfigError
from hectares.io.artefact import save_csv
from hectares.io.objects.compared import Compared
from hectares.io.polygons.polygon_file import DATE

COLUMNS = ("status", "class_name", "iou", "score", "image", "id", "reference_id", "size")
_DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON", ".csv": None}


def check_object_places(path: Path, compared: Compared | None = None) -> None:
    """Refuse a name whose suffix says nothing, or a format for a GIS where objects are pixels of many images."""
    suffix = path.suffix.lower()
    if suffix not in _DRIVERS:
        raise ConfigError(f"--places {path}: expected a name that ends in {', '.join(_DRIVERS)}")
    if compared is not None and suffix != ".csv" and compared.kind != "vector":
        raise ConfigError(f"--places {path}: the objects lie in pixels of many images; end the name in .csv")
    if compared is not None and suffix == ".geojson" and compared.crs is None:
        raise ConfigError(f"--places {path}: GeoJSON holds longitude and latitude; end the name in .gpkg or .csv")


def save_object_places(work: Path, suffix: str, compared: Compared, scores: ObjectScores) -> None:
    """Write one row a prediction (matched, false) and one a missed object into a work file.

    A matched object has the outline of its prediction, and the id of the object in `reference_id`.
    """
    columns, taken, missed = _columns(compared, scores)
    if suffix == ".csv":
        boxes = np.concatenate([compared.predicted.boxes[taken], compared.reference.boxes[missed]])
        corners = {name: boxes[:, k] for k, name in enumerate(("x_min", "y_min", "x_max", "y_max"))}
        rows = zip(*(_plain(column) for column in (columns | corners).values()), strict=True)
        save_csv(work, (*COLUMNS, *corners), rows)
        return
    assert compared.predicted.geometries is not None  # `check_object_places` has seen to it
    assert compared.reference.geometries is not None
    geometries = np.concatenate([compared.predicted.geometries[taken], compared.reference.geometries[missed]])
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": DATE})
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # files without a CRS are told about
            pyogrio.raw.write(
                work,
                geometry=shapely.to_wkb(geometries),
                field_data=list(columns.values()),
                fields=list(columns),
                geometry_type="MultiPolygon",
                promote_to_multi=True,
                crs=compared.crs,
                driver=_DRIVERS[suffix],
                layer="objects",
            )
    except DataSourceError as error:
        raise ArtefactError(f"the places cannot be written ({error}); choose another name, or one of .csv") from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _columns(
    compared: Compared, scores: ObjectScores
) -> tuple[dict[str, NDArray[Any]], NDArray[np.intp], NDArray[np.intp]]:
    """Give the columns, and which predictions and which objects of the reference the rows are."""
    ours, theirs = compared.predicted, compared.reference
    taken = np.flatnonzero(scores.matches >= NOTHING)
    found = np.zeros(len(theirs.objects), np.bool_)
    found[scores.matches[scores.matches >= 0]] = True
    missed = np.flatnonzero(~found & ~theirs.objects.crowd)
    matches = scores.matches[taken]
    ious = iou_of_matches(compared.overlaps, scores.matches)[taken]
    blank = np.full(len(missed), np.nan)
    names, images = (np.array(labels, dtype=object) for labels in (compared.names, compared.images))
    at = [np.concatenate([getattr(ours.objects, k)[taken], getattr(theirs.objects, k)[missed]]) for k in _SHARED]
    partner = np.where(matches >= 0, theirs.ids[np.maximum(matches, 0)] if len(theirs.ids) else -1, -1)
    columns = {
        "status": np.concatenate([np.where(matches >= 0, "matched", "false"), np.full(len(missed), "missed")]),
        "class_name": names[at[0]],
        "iou": np.concatenate([ious, blank]),
        "score": np.concatenate([ours.objects.scores[taken], blank]),
        "image": images[at[1]],
        "id": np.concatenate([ours.ids[taken], np.full(len(missed), -1)]),
        "reference_id": np.concatenate([partner, theirs.ids[missed]]),
        "size": at[2],
    }
    columns["status"] = columns["status"].astype(object)
    return columns, taken, missed


_SHARED = ("classes", "images", "sizes")


def _plain(column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    return values
