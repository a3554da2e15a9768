"""Cutting polygons in two again and again: cells into blocks, land into parcels."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.ops

# Pieces below this share of the polygon that was cut are slivers, not land.
_SLIVER_SHARE = 0.02


def polygons_of(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return the polygons that a geometry is made of, without points and lines."""
    return [
        part for part in shapely.get_parts(geometry).tolist() if isinstance(part, shapely.Polygon) and not part.is_empty
    ]


def long_axis(polygon: shapely.Polygon) -> tuple[float, float, float]:
    """Return the direction (radians), length and width (m) of the tightest rectangle."""
    box = shapely.get_coordinates(polygon.minimum_rotated_rectangle)
    if len(box) < 4:
        return 0.0, 0.0, 0.0
    first, second = box[1] - box[0], box[2] - box[1]
    lengths = float(np.hypot(*first)), float(np.hypot(*second))
    along = first if lengths[0] >= lengths[1] else second
    return float(np.arctan2(along[1], along[0])), max(lengths), min(lengths)


def _cut_line(rng: np.random.Generator, polygon: shapely.Polygon, sag: float) -> shapely.LineString:
    """Return a gently bent line across the middle of a polygon's long axis."""
    angle, length, width = long_axis(polygon)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    center = shapely.get_coordinates(polygon.minimum_rotated_rectangle.centroid)[0]
    middle = center + along * length * rng.uniform(-0.12, 0.12)
    skew = rng.normal(0.0, 0.06)
    bend = rng.uniform(-sag, sag) * width
    t = np.linspace(-0.75, 0.75, 13)[:, None]
    return shapely.LineString(middle + across * t * width + along * (skew * t * width + bend * (1 - 4 * t**2)))


def subdivide(
    rng: np.random.Generator,
    polygon: shapely.Polygon,
    area_m2: float,
    *,
    min_width_m: float = 0.0,
    sag: float = 0.06,
) -> tuple[list[shapely.Polygon], list[shapely.LineString]]:
    """Return the pieces of about `area_m2` of a polygon and the cuts between them.

    Args:
        rng: Where the cuts fall.
        polygon: What is cut.
        area_m2: Pieces at most 1.5 times this large are left whole.
        min_width_m: No piece is cut across a side shorter than twice this.
        sag: Largest bend of a cut as a share of its length.
    """
    waiting, pieces = [polygon], []
    cuts: list[shapely.LineString] = []
    while waiting:
        piece = waiting.pop()
        _, length, _ = long_axis(piece)
        if piece.area <= 1.5 * area_m2 or length < 2 * min_width_m:
            pieces.append(piece)
            continue
        line = _cut_line(rng, piece, sag)
        parts = [part for part in polygons_of(shapely.ops.split(piece, line)) if part.area > _SLIVER_SHARE * piece.area]
        if len(parts) < 2:
            pieces.append(piece)
            continue
        waiting.extend(parts)
        inside = line.intersection(piece)
        cuts.extend(
            part
            for part in shapely.get_parts(inside).tolist()
            if isinstance(part, shapely.LineString) and part.length > 1.0
        )
    return pieces, cuts
