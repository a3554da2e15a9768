"""Tables of SpaceNet against each other: polygons in pixels, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely

from hectares.core.scoring.objects import ObjectSet
from hectares.errors import CatalogError
from hectares.io.objects.compared import LEAST_IOU, Compared, ObjectFile, overlaps_of
from hectares.io.shapes.spacenet_table import Buildings, read_buildings, refuse_faults
from hectares.monitor import Monitor, Problem

CLASS = "building"


def compare_tables(
    predicted: Path, reference: Path, monitor: Monitor, *, least: float = LEAST_IOU, min_area: float = 0.0
) -> Compared:
    """Read both tables and find the buildings that overlap.

    Images count if the reference names them; `min_area` (pixels) leaves out its smaller buildings.
    """
    ours, theirs = read_buildings(predicted), read_buildings(reference)
    refuse_faults(ours)
    refuse_faults(theirs)
    images = sorted(theirs.images)
    if not set(images) & set(ours.images):
        raise CatalogError(
            f"{predicted}: has no image of {reference.name}: it has {', '.join(ours.images[:3])}, expected "
            f"{', '.join(images[:3])}"
        )
    strange = sorted(set(ours.images) - set(images))
    if strange:
        what = f"{len(strange)} image(s) are not in {reference.name}, such as {strange[0]}"
        monitor.problem(Problem(str(predicted), what, "they are left out"))
    files = [_file(table, images, least_area) for table, least_area in ((ours, 0.0), (theirs, min_area))]
    overlaps = overlaps_of(files[0], files[1], least, monitor)
    return Compared("spacenet", (CLASS,), tuple(images), files[0], files[1], overlaps, None, "px")


def _file(table: Buildings, images: list[str], min_area: float) -> ObjectFile:
    number = {name: n for n, name in enumerate(images)}
    of = np.array([number.get(name, -1) for name in table.images], np.int64)
    image = of[table.image] if len(table.image) else np.zeros(0, np.int64)
    areas = shapely.area(table.polygons)
    keep = (image >= 0) & (areas >= min_area)
    polygons, count = table.polygons[keep], int(keep.sum())
    objects = ObjectSet(
        np.zeros(count, np.int64), image[keep], areas[keep], table.scores[keep], np.zeros(count, np.bool_)
    )
    return ObjectFile(objects, table.rows[keep], shapely.bounds(polygons).reshape(-1, 4), polygons)
