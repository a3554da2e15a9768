"""SpaceNet: buildings as polygons in pixels, in one table.

Source: problem statements of the contests: ImageId, BuildingId, PolygonWKT_Pix, Confidence; an image without
buildings has BuildingId -1; coordinates are those of the sharpest images; at most 150 MB and 2 million lines.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import shapely

from hectares.errors import CatalogError, ConfigError
from hectares.io.contests.map_objects import ObjectRules, open_entry, read_objects
from hectares.io.contests.submission import Fault, MapEntry, listed, match_classes
from hectares.io.shapes.spacenet_table import COLUMNS, NO_BUILDING, read_buildings
from hectares.io.table import read_table
from hectares.monitor import Monitor, track

CLASSES = {"building": 1}
MOST_BYTES, MOST_LINES = 150 * 10**6, 2_000_000
_ID = re.compile(r"AOI_\d+_\w+?_img\d+", re.IGNORECASE)
_DECIMALS = 3
_LEAST_SCORE = 1e-6


def image_id(path: Path) -> str:
    """Give the ImageId that the name of a file tells: that of the image, without the kind of image before it.

    >>> image_id(Path("RGB-PanSharpen_AOI_2_Vegas_img12.tif")), image_id(Path("a.tif"))
    ('AOI_2_Vegas_img12', 'a')
    """
    found = _ID.search(path.stem)
    return path.stem if found is None else found.group()


def write_spacenet(
    work: Path,
    entries: Sequence[MapEntry],
    renamed: Mapping[str, str],
    monitor: Monitor,
    *,
    rules: ObjectRules = ObjectRules(),  # noqa: B008 - frozen
) -> int:
    """Write the buildings of maps, numbered from 1 in each image; give how many."""
    names = [image_id(entry.path) for entry in entries]
    twice = [n for n, times in Counter(names).items() if times > 1]
    if twice:
        raise ConfigError(f"image {twice[0]} has two maps; give one map an image")
    count = 0
    with work.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, entry in track(list(zip(names, entries, strict=True)), monitor, "finding buildings"):
            with open_entry(entry) as opened:
                wanted = match_classes(entry.path, opened.legend, CLASSES, renamed)
                objects = read_objects(entry, opened, wanted, rules)
            scores = np.where(np.isnan(objects.scores), 1.0, np.maximum(objects.scores, _LEAST_SCORE))
            texts = shapely.to_wkt(objects.polygons, rounding_precision=_DECIMALS)
            for i, (text, score) in enumerate(zip(texts, scores.tolist(), strict=True), start=1):
                writer.writerow([name, i, text, f"{score:.6f}"])
            if not len(objects):
                writer.writerow([name, NO_BUILDING, "POLYGON EMPTY", 1])
            count += len(objects)
    return count


def read_ids(template: Path) -> tuple[str, ...]:
    """Give the images that a table names, in its column ImageId."""
    table = read_table(template)
    (column,) = table.columns(COLUMNS[0])
    ids = tuple(dict.fromkeys(row.cells[column].strip() for row in table.rows))
    if not ids:
        raise CatalogError(f"{template}: names no image; expected rows with an ImageId")
    return ids


def check_spacenet(path: Path, images: Collection[str] | None) -> tuple[list[Fault], int]:
    """Read a table of buildings; give what the contest would not take, and how many buildings there are."""
    found = read_buildings(path, scored=True)
    faults = [Fault(f.place, f"is {f.found}", f.expected) for f in found.faults]
    header = read_table(path).header
    if header != COLUMNS:
        faults.append(Fault("row 1", f"is {','.join(header)}", ",".join(COLUMNS)))
    size, lines = path.stat().st_size, len(found.rows) + len(found.faults)
    if size > MOST_BYTES:
        faults.append(Fault("the file", f"has {size / 1e6:.0f} MB", f"at most {MOST_BYTES / 1e6:.0f} MB"))
    if lines > MOST_LINES:
        faults.append(Fault("the file", f"has {lines} lines", f"at most {MOST_LINES}"))
    if images is not None:
        strange = [name for name in found.images if name not in set(images)]
        missing = [name for name in images if name not in set(found.images)]
        if strange:
            faults.append(
                Fault("column ImageId", f"has {listed(strange)}", f"images of the template, {listed(images)}")
            )
        if missing:
            faults.append(
                Fault("column ImageId", f"lacks {listed(missing)}", f"all {len(images)} images", incomplete=True)
            )
    return faults, len(found.rows)
