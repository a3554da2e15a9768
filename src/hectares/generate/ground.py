"""Painting the ground: lawns, crops in rows, soil, water, each a mix of two materials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import shapely

    from hectares.generate.canvas import Canvas
    from hectares.generate.legend import Code
    from hectares.generate.noise import FloatArray, Textures
    from hectares.generate.spectra import Spectrum

# Rows of the canvas that are painted at a time; bounds the memory needed.
_STRIP_ROWS = 256
# Machine passes over a field draw their brightness from a table of this length.
_PASS_TABLE = 4099


@dataclass(frozen=True)
class Cover:
    """What grows or lies on a patch of ground.

    Every pixel mixes `base` and `alt`: by their share, by mottles of low
    frequency, and by rows where the patch is tilled.
    """

    code: Code
    base: Spectrum
    alt: Spectrum
    alt_share: float = 0.3
    mottle: float = 0.25  # how far slow noise moves the mix
    blotch: float = 0.0  # how far noise of a few meters moves the mix
    grain: float = 0.05  # brightness noise from pixel to pixel
    row_angle_rad: float = 0.0
    row_spacing_m: float = 10.0
    row_depth: float = 0.0  # how far rows move the mix
    pass_width_m: float = 10.0
    pass_depth: float = 0.0  # brightness of one machine pass against the next
    tramline_m: float = 24.0
    tramline_depth: float = 0.0  # how much of `alt` the wheel tracks show
    trees_per_ha: float = 0.0


@dataclass(frozen=True)
class Patch:
    """A piece of ground and its cover."""

    polygon: shapely.Polygon
    cover: Cover
    level_m: float = 0.0  # of the terrain: pits below, heaps above 0


def paint_ground(canvas: Canvas, patches: list[Patch], textures: Textures, rng: np.random.Generator) -> FloatArray:
    """Paint patches, later ones on top, and return (H, W) their trees per hectare."""
    index = canvas.rasterize(patch.polygon for patch in patches) - 1
    covers = [patch.cover for patch in patches]
    table = {
        name: np.array([getattr(cover, name) for cover in covers], np.float32) for name in Cover.__dataclass_fields__
    }
    passes = rng.standard_normal(_PASS_TABLE, dtype=np.float32)
    for top in range(0, canvas.shape[0], _STRIP_ROWS):
        rows = slice(top, min(top + _STRIP_ROWS, canvas.shape[0]))
        patch = index[rows]
        mix, brightness = _texture_strip(canvas, rows, patch, table, textures, passes)
        painted = patch >= 0
        for band in range(4):
            base, alt = table["base"][patch, band], table["alt"][patch, band]
            color = (base + mix * (alt - base)) * brightness
            canvas.reflectance[band, rows] = np.where(painted, color, canvas.reflectance[band, rows])
        code = table["code"][patch].astype(np.uint8)
        canvas.label[rows] = np.where(painted, code, canvas.label[rows])
    level_m = np.array([patch.level_m for patch in patches], np.float32)
    if level_m.any():
        canvas.terrain_m[:] = np.where(index >= 0, level_m[index], 0.0)
    return np.where(index >= 0, table["trees_per_ha"][index], np.float32(0.0))


def _texture_strip(
    canvas: Canvas,
    rows: slice,
    patch: NDArray[np.int32],
    table: dict[str, FloatArray],
    textures: Textures,
    passes: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the share of `alt` and the brightness of the pixels in some rows."""
    x, y = canvas.coordinates((rows, slice(0, canvas.shape[1])))
    grain, small = textures.grain[rows], textures.small[rows]
    medium, large = textures.medium[rows], textures.large[rows]
    # No furrow is drawn with a ruler: slow noise bends the rows by some decimeters.
    angle = table["row_angle_rad"][patch]
    across = x * np.cos(angle) + y * np.sin(angle) + 0.25 * medium

    mix = table["alt_share"][patch]
    mix = mix + table["mottle"][patch] * (0.45 * medium + 0.8 * large)
    mix += table["blotch"][patch] * (0.8 * small + 0.5 * medium)
    mix += table["row_depth"][patch] * np.cos(np.float32(2 * np.pi) * across / table["row_spacing_m"][patch])
    tramline_m = table["tramline_m"][patch]
    off_track = np.abs(np.abs((across % tramline_m) - tramline_m / 2) - np.float32(0.95))
    wheel = np.clip(1.25 - off_track / np.float32(0.45), 0.0, 1.0)
    mix += table["tramline_depth"][patch] * wheel

    stripe = np.floor(across / table["pass_width_m"][patch]).astype(np.int32)
    tone = passes[(stripe + 613 * patch) % _PASS_TABLE]
    amplitude = table["grain"][patch]
    brightness = 1 + table["pass_depth"][patch] * tone + amplitude * (0.75 * grain + 0.5 * small)
    brightness += 0.35 * amplitude * large
    return np.clip(mix, 0.0, 1.0), np.maximum(brightness, 0.3)
