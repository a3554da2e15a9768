"""One image under several names, or with labels of several areas: what that means for the splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from hectares.core.chip_plan import Plan
from hectares.errors import CatalogError
from hectares.io.catalog import Catalog, CatalogScene, RasterLabel, VectorLabel
from hectares.io.chips.cutting import labels_are_apart
from hectares.monitor import Monitor, Problem

Copies = Literal["refuse", "drop", "keep"]
_RANK = {"test": 0, "val": 1, "train": 2}


def shared_images(catalog: Catalog, plan: Plan) -> int:
    """Count the images that have areas in several splits, each with labels of its own."""
    splits: dict[Path, set[str]] = {}
    for scene, chips in zip(catalog.scenes, plan, strict=True):
        splits.setdefault(scene.image, set()).update(c.split for c in chips)
    return sum(len(found) > 1 for found in splits.values())


def _are_areas(one: CatalogScene, other: CatalogScene, catalog: Catalog) -> bool:
    """Tell if two scenes are areas of one image, each with labels of its own: no labelled pixel is in both."""
    if one.images != other.images:
        return False
    if isinstance(one.label, RasterLabel) and isinstance(other.label, RasterLabel):  # as `labels` writes areas
        return labels_are_apart(one, other, catalog)
    areas = [s.label.aoi_split for s in (one, other) if isinstance(s.label, VectorLabel)]
    return len(areas) == 2 and None not in areas and areas[0] != areas[1]


def settle_copies(catalog: Catalog, inputs: Mapping[str, str], plan: Plan, copies: Copies, monitor: Monitor) -> Plan:
    """Refuse, drop or keep one image under several names: scores on it would be scores on training pixels.

    Dropped is what comes later in the order test, val, train. Scenes of one image file with labels of disjoint
    areas are meant so: that is how areas get splits.
    """
    kept: dict[str, list[int]] = {}
    settled = list(plan)
    order = sorted(range(len(plan)), key=lambda i: (min((_RANK[c.split] for c in plan[i]), default=3), i))
    dropped = 0
    for i in order:
        scene = catalog.scenes[i]
        same = kept.setdefault(inputs[scene.id], [])
        j = next((j for j in same if not _are_areas(catalog.scenes[j], scene, catalog)), None)
        if j is None:
            same.append(i)
            continue
        earlier = catalog.scenes[j]
        splits = {c.split for c in (*plan[i], *plan[j])}
        if copies == "drop":
            settled[i] = []
            dropped += 1
        elif copies == "refuse" and len(splits) > 1:
            raise CatalogError(
                f"scenes {earlier.id!r} and {scene.id!r} are the same image in the splits "
                f"{', '.join(sorted(splits))}; put them into one group, remove one, or leave copies out of training "
                "with --copies drop"
            )
    if dropped:
        what = f"{dropped} of {len(plan)} scenes are copies of others"
        monitor.problem(Problem("catalog", what, "they are left out, those in training first"))
    return settled
