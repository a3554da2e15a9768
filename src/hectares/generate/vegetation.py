"""Trees: a library of lumpy crowns and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from hectares.generate import spectra
from hectares.generate.legend import Code
from hectares.generate.plan import Use

if TYPE_CHECKING:
    from hectares.generate.canvas import Canvas
    from hectares.generate.light import Sun
    from hectares.generate.noise import FloatArray, Textures
    from hectares.generate.plan import Lot, Plan

_VARIANTS = 10
_GRID_M = 4.4  # trees stand on a shaken grid of this spacing before thinning
_SPECIES = np.array(
    [spectra.LEAF_DARK, spectra.LEAF_MID, spectra.LEAF_LIGHT, spectra.LEAF_COPPER, spectra.CONIFER],
    np.float32,
)
_SPECIES_SHARE = (0.34, 0.36, 0.17, 0.02, 0.11)
_CONIFER = len(_SPECIES) - 1


@dataclass(frozen=True)
class _Crown:
    """A crown seen from above, as a stamp (n, n)."""

    inside: NDArray[np.bool_]
    dome: FloatArray  # height relative to the tree's, 0..1
    relief: FloatArray  # direct light relative to level ground
    tone: FloatArray  # brightness of the leaves


@dataclass(frozen=True)
class Trees:
    """Stems (N, 2) in meters, crown radii (N,) in meters and species index (N,)."""

    stems_m: NDArray[np.float64]
    radius_m: NDArray[np.float64]
    species: NDArray[np.intp]

    @classmethod
    def join(cls, groups: list[Trees]) -> Trees:
        """Return all trees of several groups."""
        return cls(
            np.concatenate([group.stems_m for group in groups]),
            np.concatenate([group.radius_m for group in groups]),
            np.concatenate([group.species for group in groups]),
        )


def grow_trees(
    rng: np.random.Generator,
    canvas: Canvas,
    plan: Plan,
    garden_hedges: list[shapely.LineString],
    density: FloatArray,
    textures: Textures,
) -> Trees:
    """Return the trees of woods and gardens, hedges, orchards and avenues.

    Args:
        rng: Where trees stand and what they are.
        canvas: The painted ground and buildings; no stem stands on paving.
        plan: Roads, hedges and orchards.
        garden_hedges: Clipped hedges between gardens.
        density: (H, W) trees per hectare.
        textures: Noise that gathers trees in groups.
    """
    for_scatter, for_lines, for_orchards = rng.spawn(3)
    groups = [_scattered(for_scatter, canvas, density, textures)]
    groups += [_along(for_lines, hedge, 2.6, (1.4, 3.2)) for hedge in plan.hedges]
    groups += [_along(for_lines, hedge, 1.0, (0.7, 1.1)) for hedge in garden_hedges]
    for road in plan.roads:
        chance = {"main": 0.3, "street": 0.3, "alley": 0.0, "track": 0.12}[road.kind]
        if for_lines.random() < chance:
            side = for_lines.choice([-1.0, 1.0]) * (road.width_m / 2 + 2.8)
            spacing, size = for_lines.uniform(8.0, 13.0), for_lines.uniform(2.2, 3.6)
            groups.append(_along(for_lines, road.line.offset_curve(side), spacing, (size, size + 0.8)))
    groups += [_orchard(for_orchards, lot) for lot in plan.lots if lot.use is Use.ORCHARD]
    trees = Trees.join(groups)
    ground = canvas.sample_label(trees.stems_m)
    rooted = ~np.isin(ground, (0, Code.BUILDING, Code.ROAD, Code.WATER, Code.CROPLAND))
    return Trees(trees.stems_m[rooted], trees.radius_m[rooted], trees.species[rooted])


def _species(rng: np.random.Generator, count: int) -> NDArray[np.intp]:
    """Return a random species (count,)."""
    return rng.choice(len(_SPECIES), size=count, p=_SPECIES_SHARE)


def _scattered(rng: np.random.Generator, canvas: Canvas, density: FloatArray, textures: Textures) -> Trees:
    """Return trees by the density map, in groups where they are sparse."""
    height, width = canvas.shape
    rows, cols = (max(int(n * canvas.gsd_m / _GRID_M), 1) for n in (height, width))
    y, x = np.mgrid[0:rows, 0:cols].reshape(2, -1) + rng.uniform(0.0, 1.0, (2, rows * cols))
    stems = np.stack([x, y], axis=1) * _GRID_M
    row = np.minimum((stems[:, 1] / canvas.gsd_m).astype(np.intp), height - 1)
    col = np.minimum((stems[:, 0] / canvas.gsd_m).astype(np.intp), width - 1)
    expected = density[row, col] * _GRID_M**2 / 1e4
    gather = np.exp(0.9 * textures.large[row, col] + 0.5 * textures.medium[row, col] - 0.5)
    chance = np.where(expected > 0.6, 0.92, expected * gather)
    chosen = rng.random(len(stems)) < chance
    wood = expected[chosen] > 0.6
    count = int(chosen.sum())
    radius = np.where(wood, rng.gamma(14.0, 0.235, count), rng.gamma(7.0, 0.40, count))
    species = _species(rng, count)
    # Conifers grow in stands inside the woods.
    stand = wood & (textures.broad[row, col][chosen] > 0.55)
    species[stand & (rng.random(count) < 0.8)] = _CONIFER
    return Trees(stems[chosen], np.clip(radius, 1.0, 6.5), species)


def _along(
    rng: np.random.Generator, line: shapely.LineString, spacing_m: float, radius_m: tuple[float, float]
) -> Trees:
    """Return trees or bushes along a line, with gaps."""
    if line.is_empty or line.length < spacing_m:
        return Trees(np.empty((0, 2)), np.empty(0), np.empty(0, np.intp))
    at = np.arange(spacing_m / 2, line.length, spacing_m)
    at = (at + rng.normal(0.0, 0.12 * spacing_m, len(at)))[rng.random(len(at)) > 0.12]
    stems = shapely.get_coordinates(shapely.line_interpolate_point(line, at))
    stems += rng.normal(0.0, 0.5, stems.shape)
    return Trees(stems, rng.uniform(*radius_m, len(stems)), _species(rng, len(stems)))


def _orchard(rng: np.random.Generator, lot: Lot) -> Trees:
    """Return fruit trees in straight rows."""
    min_x, min_y, max_x, max_y = lot.polygon.bounds
    center = np.array([(min_x + max_x) / 2, (min_y + max_y) / 2])
    reach = max(max_x - min_x, max_y - min_y)
    angle = rng.uniform(0, np.pi)
    u, v = (grid.ravel() for grid in np.mgrid[-reach:reach:6.5, -reach:reach:8.0])
    stems = center + np.stack([u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle)], axis=1)
    stems += rng.normal(0, 0.3, stems.shape)
    inside = shapely.contains_xy(lot.polygon.buffer(-4.0), stems) & (rng.random(len(stems)) > 0.08)
    count = int(inside.sum())
    return Trees(stems[inside], rng.uniform(1.7, 2.5, count), rng.choice([1, 2], size=count))


def paint_trees(canvas: Canvas, trees: Trees, sun: Sun, rng: np.random.Generator) -> None:
    """Paint crowns over whatever they stand above: the highest surface wins."""
    for_library, for_hue, for_choice = rng.spawn(3)
    library: dict[tuple[int, bool], list[_Crown]] = {}
    count = len(trees.radius_m)
    hue = for_hue.normal(1.0, 0.05, (count, 4)) * for_hue.normal(1.0, 0.11, (count, 1))
    colors = (_SPECIES[trees.species] * np.clip(hue, 0.6, 1.5)).astype(np.float32)
    heights = 1.2 + trees.radius_m * for_hue.uniform(1.7, 2.6, count)
    heights[trees.species == _CONIFER] *= 1.35
    variants = for_choice.integers(_VARIANTS, size=count)
    radii_px = np.maximum(np.rint(trees.radius_m / canvas.gsd_m).astype(int), 2)
    # Low trees first: a crown is then only ever overlapped by a higher one.
    for i in np.argsort(heights, kind="stable"):
        conifer = bool(trees.species[i] == _CONIFER)
        key = int(radii_px[i]), conifer
        if key not in library:
            library[key] = [_draw_crown(child, key[0], sun, conifer=conifer) for child in for_library.spawn(_VARIANTS)]
        _stamp(canvas, library[key][variants[i]], trees.stems_m[i], float(heights[i]), colors[i])


def _draw_crown(rng: np.random.Generator, radius_px: int, sun: Sun, *, conifer: bool) -> _Crown:
    """Return a crown: a dome, or a cone, broken up into lumps of leaves."""
    side = np.arange(-radius_px - 1, radius_px + 2, dtype=np.float32)
    y, x = side[:, None], side[None, :]
    angle = np.arctan2(y, x)
    outline = np.full(angle.shape, radius_px + 0.3, np.float32)
    for wave in range(2, 8):
        gain = rng.normal(0.0, (0.05 if conifer else 0.09) / wave**0.35)
        outline *= 1 + gain * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    distance = np.hypot(x, y) / outline
    inside = distance < 1.0
    dome = 1 - np.minimum(distance, 1.0) if conifer else np.sqrt(1 - np.minimum(distance, 1.0) ** 2)
    lumps = ndimage.gaussian_filter(rng.standard_normal(angle.shape), 0.5 + 0.13 * radius_px, mode="reflect")
    lumps = (lumps / max(float(lumps.std()), 1e-6)).clip(-2, 2)
    surface = dome * (1.0 + (0.10 if conifer else 0.17) * lumps)
    rise_px = radius_px * (1.3 if conifer else 0.75)
    slope_y, slope_x = np.gradient(surface * rise_px)
    relief = np.clip(sun.relief(slope_x, slope_y), 0.2, 1.5)
    tone = 0.92 + 0.14 * lumps + 0.06 * rng.standard_normal(angle.shape)
    return _Crown(
        inside,
        np.clip(surface, 0.0, 1.15).astype(np.float32),
        relief.astype(np.float32),
        np.clip(tone, 0.45, 1.4).astype(np.float32),
    )


def _stamp(canvas: Canvas, crown: _Crown, stem_m: NDArray[np.float64], height_m: float, color: FloatArray) -> None:
    """Paint one crown around its stem where it stands above what is there."""
    reach = crown.inside.shape[0] // 2
    col, row = (int(value) for value in stem_m / canvas.gsd_m)
    top, left = row - reach, col - reach
    rows = slice(max(top, 0), min(row + reach + 1, canvas.shape[0]))
    cols = slice(max(left, 0), min(col + reach + 1, canvas.shape[1]))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    cut = (slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left))
    surface = height_m * (0.35 + 0.65 * crown.dome[cut])
    here = canvas.height_m[rows, cols]
    visible = crown.inside[cut] & (surface > here)
    here[visible] = surface[visible]
    canvas.label[rows, cols][visible] = Code.TREE
    canvas.relief[rows, cols][visible] = crown.relief[cut][visible]
    tone = crown.tone[cut][visible]
    for band in range(4):
        canvas.reflectance[band, rows, cols][visible] = color[band] * tone
