"""Sunlight: one sun for the whole scene, slopes, cast shadows and skylight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

if TYPE_CHECKING:
    from hectares.generate.canvas import Canvas
    from hectares.generate.noise import FloatArray

# Share of the light on open level ground that comes from the sky, by band (red,
# green, blue, nir). It is what is left in a shadow, hence bluish and dark in nir.
_SKY_SHARE = (0.15, 0.19, 0.26, 0.10)


@dataclass(frozen=True)
class Sun:
    """The direction to the sun: azimuth clockwise from north and elevation."""

    azimuth_deg: float = 148.0
    elevation_deg: float = 50.0

    @property
    def ground_direction(self) -> tuple[float, float]:
        """Unit vector (x right, y down) on the ground that points to the sun."""
        azimuth = np.deg2rad(self.azimuth_deg)
        return float(np.sin(azimuth)), float(-np.cos(azimuth))

    @property
    def slope(self) -> float:
        """Tangent of the elevation: a shadow is height / slope long."""
        return float(np.tan(np.deg2rad(self.elevation_deg)))

    def relief(self, slope_x: ArrayLike, slope_y: ArrayLike) -> FloatArray:
        """Return direct light on a plane of the given slopes relative to level ground."""
        x, y = self.ground_direction
        slope_x, slope_y = np.asarray(slope_x, np.float32), np.asarray(slope_y, np.float32)
        cosine = 1.0 - (slope_x * x + slope_y * y) / self.slope
        lit = np.maximum(cosine, 0.0) / np.sqrt(1.0 + slope_x**2 + slope_y**2)
        return np.asarray(lit, np.float32)


def cast_shadow(height_m: FloatArray, sun: Sun, gsd_m: float) -> FloatArray:
    """Return (H, W) how deep each pixel lies in a cast shadow, 0 lit .. 1 dark.

    The height map is shifted towards the sun pixel by pixel and lowered by the
    slope of the rays: whatever still stands above a pixel shades it.
    """
    to_sun_x, to_sun_y = sun.ground_direction
    highest = float(height_m.max() - height_m.min())
    horizon = np.full_like(height_m, float(height_m.min()))
    rows, cols = height_m.shape
    for step in range(1, int(highest / (sun.slope * gsd_m)) + 1):
        dy, dx = round(step * to_sun_y), round(step * to_sun_x)
        if abs(dy) >= rows or abs(dx) >= cols:
            break
        target = (slice(max(-dy, 0), rows - max(dy, 0)), slice(max(-dx, 0), cols - max(dx, 0)))
        source = (slice(max(dy, 0), rows - max(-dy, 0)), slice(max(dx, 0), cols - max(-dx, 0)))
        drop = np.float32(step * gsd_m * sun.slope)
        np.maximum(horizon[target], height_m[source] - drop, out=horizon[target])
    horizon -= height_m
    # A ray that clears the edge by little is half lit: softens the outline.
    return np.asarray(np.clip(horizon / 0.5, 0.0, 1.0), np.float32)


def sky_view(height_m: FloatArray, gsd_m: float) -> FloatArray:
    """Return (H, W) the part of the sky that a pixel sees, lower beside walls and trees."""
    around = ndimage.uniform_filter(height_m, size=2 * round(3.0 / gsd_m) + 1)
    return np.asarray(np.clip(1.0 - 0.07 * np.maximum(around - height_m, 0.0), 0.45, 1.0), np.float32)


def shade_terrain(canvas: Canvas, sun: Sun) -> None:
    """Round off the steps of the terrain and let its slopes turn to or from the sun."""
    sigma_px = 1.1 / canvas.gsd_m
    canvas.terrain_m[:] = ndimage.gaussian_filter(canvas.terrain_m, sigma_px)
    slope_y, slope_x = np.gradient(canvas.terrain_m, canvas.gsd_m)
    canvas.relief[:] = np.clip(sun.relief(slope_x, slope_y), 0.1, 1.35)


def illuminate(canvas: Canvas, sun: Sun, cloud_shadow: FloatArray) -> FloatArray:
    """Return the light (4, H, W) that leaves the scene, 1.0 from white level ground.

    Args:
        canvas: The painted scene.
        sun: Where the light comes from.
        cloud_shadow: (H, W) the part of the direct light that clouds take.
    """
    surface_m = canvas.terrain_m + canvas.height_m
    shadow = cast_shadow(surface_m, sun, canvas.gsd_m)
    direct = canvas.relief * (1.0 - shadow) * (1.0 - cloud_shadow)
    sky = sky_view(surface_m, canvas.gsd_m)
    light = np.empty_like(canvas.reflectance)
    for band, share in enumerate(_SKY_SHARE):
        light[band] = canvas.reflectance[band] * ((1.0 - share) * direct + share * sky)
    return light
